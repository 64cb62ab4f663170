//! Run records: created once, then every step a new numbered object; index marks for lists; idempotency claims.

mod erase;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::id::{ActorId, OpId, RunId, TeamId};
use crate::log::{self, Log, Put};
use crate::record;
use crate::run::Run;
use crate::storage::{Key, Storage};

/// Later than any time this will see, so that newer marks sort first.
const END_OF_TIME: u64 = 9_999_999_999_999;
const DAY: u64 = 24 * 3600 * 1000;
/// Run records remembered per process.
const REMEMBERED: usize = 1024;

/// What an update decides.
pub(crate) enum Step {
    /// Write this.
    Write(Box<Run>),
    /// It is as it should be already.
    Keep,
}

/// A numbered run record, with a mark that makes its bytes unique.
#[derive(Serialize, Deserialize)]
struct Numbered {
    op: OpId,
    /// Absent in a run that was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Run>,
}

/// Run records in a storage.
#[derive(Clone)]
pub(crate) struct Runs {
    storage: Arc<dyn Storage>,
    /// The highest number seen of each run: only ever a place to begin looking from.
    seen: Arc<Mutex<HashMap<RunId, u64>>>,
    /// First records, which say whose a run is and never change.
    firsts: Arc<Mutex<HashMap<RunId, Arc<Run>>>>,
}

/// Whose index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Runs that an actor started.
    Actor(ActorId),
    /// Runs of a team.
    Team(TeamId),
    /// Children of a run.
    Parent(RunId),
}

impl Scope {
    fn key(&self) -> Result<Key, Error> {
        // Names are the host's own text, so they become keys as hashes.
        let hash = |kind: &str, name: &str| {
            let mut hasher = Hasher::new();
            hasher.update(kind.as_bytes());
            hasher.update(&[0]);
            hasher.update(name.as_bytes());
            hasher.finish()
        };
        let digest = match self {
            Self::Actor(actor) => hash("actor", actor.as_str()),
            Self::Team(team) => hash("team", team.as_str()),
            Self::Parent(run) => hash("parent", &run.to_string()),
        };
        key(&format!("x/{digest}"))
    }
}

fn key(text: &str) -> Result<Key, Error> {
    text.parse().map_err(|_| Error::format(text, "a key"))
}

impl Runs {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, seen: Arc::default(), firsts: Arc::default() }
    }

    fn log(&self, id: &RunId) -> Result<Log, Error> {
        Ok(Log::new(Arc::clone(&self.storage), key(&format!("r/{id}/l"))?, 8))
    }

    fn remember(&self, id: &RunId, seq: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        let known = seen.entry(*id).or_default();
        *known = seq.max(*known);
    }

    /// Writes the first record, then the index marks. The same call again (same id) keeps and returns what is there,
    /// and writes marks that a crash left out.
    pub(crate) async fn create(&self, run: Run) -> Result<Run, Error> {
        // Decided by the id: a repeated call makes the same bytes and finds its own.
        let op = OpId::from_digest(&Digest::of(format!("{} begins", run.id).as_bytes()));
        let id = run.id;
        let body = encode(&id, op, run.clone())?;
        let put = self.log(&id)?.put(0, body).await?;
        // An earlier call's record has its own time, and one run must not stand in an index at two.
        let run = if put == Put::Created { run } else { self.load(&id).await? };
        self.mark(&run).await?;
        Ok(run)
    }

    /// Writes the index marks; those that are there stay as they are.
    pub(crate) async fn mark(&self, run: &Run) -> Result<(), Error> {
        for mark in marks(run)? {
            log::put_new(&*self.storage, &mark, Bytes::from(run.id.to_string())).await?;
        }
        Ok(())
    }

    /// The first record, if this process has read it before: without a request.
    pub(crate) fn first_known(&self, id: &RunId) -> Option<Arc<Run>> {
        self.firsts.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(Arc::clone)
    }

    /// The first record, with one request whether it is there or not; [`Error::NotFound`] when it is not.
    pub(crate) async fn first(&self, id: &RunId) -> Result<Arc<Run>, Error> {
        let found = self.record(id, 0).await?.ok_or_else(|| Error::not_found(format!("run {id}")))?;
        let found = Arc::new(found);
        let mut firsts = self.firsts.lock().unwrap_or_else(PoisonError::into_inner);
        if firsts.len() >= REMEMBERED {
            firsts.clear();
        }
        firsts.insert(*id, Arc::clone(&found));
        Ok(found)
    }

    /// The latest record; [`Error::NotFound`] when there is none.
    pub(crate) async fn load(&self, id: &RunId) -> Result<Run, Error> {
        Ok(self.load_numbered(id).await?.1)
    }

    /// The latest record and its number.
    pub(crate) async fn load_numbered(&self, id: &RunId) -> Result<(u64, Run), Error> {
        let (seq, body) = self.latest(id).await?;
        Ok((seq, decode(id, seq, &body)?))
    }

    async fn latest(&self, id: &RunId) -> Result<(u64, Bytes), Error> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        let hint = match seen {
            Some(seen) => Some(seen),
            None => {
                let hint = log::get(&*self.storage, &key(&format!("r/{id}/hint"))?).await?;
                hint.and_then(|body| record::decode::<u64>("a hint", &body).ok())
            }
        };
        let found = self.log(id)?.head_body(hint).await?;
        let (seq, body) = found.ok_or_else(|| Error::not_found(format!("run {id}")))?;
        self.remember(id, seq);
        Ok((seq, body))
    }

    /// The record with number `seq`.
    pub(crate) async fn record(&self, id: &RunId, seq: u64) -> Result<Option<Run>, Error> {
        let body = self.log(id)?.get(seq).await?;
        body.map(|body| decode(id, seq, &body)).transpose()
    }

    /// Reads the latest record, lets `step` decide, and writes the next number; begins again when somebody else
    /// wrote it first. `step` must be a pure function of the record it is given. Returns the record as it then is.
    pub(crate) async fn update(
        &self,
        id: &RunId,
        step: &(dyn Fn(&Run) -> Result<Step, Error> + Send + Sync),
    ) -> Result<Run, Error> {
        let log = self.log(id)?;
        let (mut seq, mut run) = self.load_numbered(id).await?;
        loop {
            let next = match step(&run)? {
                Step::Keep => return Ok(run),
                Step::Write(next) => *next,
            };
            let body = encode(id, OpId::new(), next.clone())?;
            if log.put(seq + 1, body).await?.won() {
                self.remember(id, seq + 1);
                // Written now and then only: a reader that finds it old looks on from there.
                if (seq + 1).is_multiple_of(8) {
                    let hint = record::encode("a hint", &(seq + 1))?;
                    let _ = self.storage.put(&key(&format!("r/{id}/hint"))?, hint).await;
                }
                return Ok(next);
            }
            self.remember(id, seq + 1);
            (seq, run) = self.load_numbered(id).await?;
        }
    }

    /// Runs in an index, newest first, after the mark `after`, each with its own mark; and the mark to go on after, unless
    /// it was the end.
    pub(crate) async fn index(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(RunId, String)>, Option<String>), Error> {
        let prefix = scope.key()?;
        let after = match after {
            None => None,
            Some(mark) => Some(prefix.join(mark).map_err(|_| Error::InvalidArgument {
                argument: "after",
                why: "is not what an earlier page gave as `next`; pass that, or nothing".to_owned(),
            })?),
        };
        let listed = log::list(&*self.storage, &prefix, after.as_ref(), limit).await?;
        let mark = |meta: &crate::storage::Meta| {
            Some(meta.key.as_str().strip_prefix(prefix.as_str())?.strip_prefix('/')?.to_owned())
        };
        // Of what was listed, not of what is a mark: something else in the index must not end it early.
        let next = listed.last().filter(|_| listed.len() >= limit).and_then(mark);
        let run = |meta| {
            let mark = mark(meta)?;
            Some((mark.rsplit_once('-')?.1.parse().ok()?, mark))
        };
        Ok((listed.iter().filter_map(run).collect(), next))
    }

    /// Claims an idempotency key: the first call stores `proposal` and returns it, every later one returns what the
    /// first stored.
    pub(crate) async fn claim<T: Serialize + DeserializeOwned + Send + Sync>(
        &self,
        scope: &ActorId,
        name: &str,
        proposal: &T,
    ) -> Result<T, Error> {
        let mut hasher = Hasher::new();
        hasher.update(scope.as_str().as_bytes());
        hasher.update(&[0]);
        hasher.update(name.as_bytes());
        let digest = hasher.finish().to_string();
        let key = key(&format!("i/{}/{digest}", digest.get(..2).unwrap_or_default()))?;
        let what = "an idempotency claim";
        let body = record::encode(what, proposal)?;
        log::put_new(&*self.storage, &key, body).await?;
        let there = log::get(&*self.storage, &key).await?.ok_or_else(|| Error::not_found(what))?;
        record::decode(what, &there)
    }
}

/// The index marks of a run.
pub(super) fn marks(run: &Run) -> Result<Vec<Key>, Error> {
    let mut scopes = vec![Scope::Actor(run.creator.clone())];
    scopes.extend(run.team.clone().map(Scope::Team));
    scopes.extend(run.parent.map(Scope::Parent));
    let created = run.created.min(END_OF_TIME);
    let (day, millis) = ((END_OF_TIME - created) / DAY, END_OF_TIME - created);
    scopes.iter().map(|scope| key(&format!("{}/{day:06}/{millis:013}-{}", scope.key()?, run.id))).collect()
}

fn encode(id: &RunId, op: OpId, run: Run) -> Result<Bytes, Error> {
    record::encode(&format!("run {id}"), &Numbered { op, run: Some(run) })
}

fn decode(id: &RunId, seq: u64, body: &[u8]) -> Result<Run, Error> {
    let what = format!("record {seq} of run {id}");
    let found: Numbered = record::decode(&what, body)?;
    let run = found.run.ok_or_else(|| Error::not_found(format!("run {id}")))?;
    // Whole, and another run's: a storage that mixes up its objects must not show one to who may not know of it.
    if run.id == *id { Ok(run) } else { Err(Error::Corrupt { what }) }
}
