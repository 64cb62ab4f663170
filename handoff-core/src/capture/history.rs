//! Unpushed commits: what is new in them, in parts that the spool keeps like any other content.

use std::collections::HashSet;

use super::Run;
use super::options::{CaptureHistory, CaptureOptions, PlannedHistory};
use super::read::Stop;
use crate::error::Error;
use crate::git::{Broken, Commits, Met, NewObject, Objects, Reach, Repo, Unpushed};
use crate::id::Oid;
use crate::path::RelPath;
use crate::progress::Phase;
use crate::snapshot::part::{BASES, MAX_BASES, MAX_OBJECTS, Object, ObjectKind, RAW, encode};
use crate::snapshot::{Extra, Head, History, HistoryCut, HistoryCutReason, HistoryPart};

/// Findings looked at in a content whose earlier version may hold them already.
const MOST: usize = 1_000;

/// Why listing ends early.
enum Enough {
    Cut(Box<HistoryCut>),
    Failed(Error),
}

impl From<Error> for Enough {
    fn from(why: Error) -> Self {
        Self::Failed(why)
    }
}

impl Run<'_> {
    /// The unpushed commits of a repository with HEAD at `head`; `None` where there are none.
    pub(super) fn history(&mut self, repo: &Repo, name: &str, head: &Head) -> Result<Option<History>, Stop> {
        let unpushed = match unpushed(repo, head.commit.as_ref(), self.options) {
            None => return Ok(None),
            Some(Err((commits, reason))) => return Ok(Some(cut(commits, HistoryCut::new(reason)))),
            Some(Ok(unpushed)) => unpushed,
        };
        let commits = unpushed.commits.len() as u64;
        match self.parts(repo, name, &unpushed) {
            Ok(parts) => {
                self.bytes += parts.iter().map(|part| part.size).sum::<u64>();
                let prerequisites = unpushed.prerequisites;
                Ok(Some(History { commits, cut: None, parts, prerequisites, extra: Extra::new() }))
            }
            Err(Enough::Cut(why)) => Ok(Some(cut(commits, *why))),
            Err(Enough::Failed(why)) => Err(Stop::Capture(why)),
        }
    }

    fn parts(&self, repo: &Repo, name: &str, unpushed: &Unpushed) -> Result<Vec<HistoryPart>, Enough> {
        let mut meter = self.options.control.phase(Phase::History, unpushed.commits.len() as u64);
        let mut press =
            Press { run: self, objects: Objects::new(repo), waiting: Vec::new(), raw: 0, parts: Vec::new() };
        let listed = repo.new_objects(unpushed, &mut |met| {
            let object = match met {
                Met::New(object) => object,
                Met::Name { commit, path } => return press.check_name(name, commit, &path),
            };
            if object.kind == ObjectKind::Commit {
                meter.step(1, object.data.len() as u64, None)?;
                if self.until.reached().is_some() {
                    return Err(Enough::Cut(Box::new(HistoryCut::new(HistoryCutReason::Deadline))));
                }
            }
            press.check(name, &object)?;
            press.add(object)
        });
        match listed {
            Ok(()) => press.finish(),
            Err(Broken::Stopped(why)) => Err(why),
            Err(Broken::Missing { commit, path }) => Err(at(HistoryCutReason::Unreadable, commit, path)),
            Err(Broken::TooLarge { commit, path }) => Err(at(HistoryCutReason::TooLarge, commit, path)),
        }
    }
}

/// The commits that would travel; or how many there are and why they would not, as far as that is known before any of
/// them is read. `None` where there are none, or nobody wants them.
fn unpushed(
    repo: &Repo,
    head: Option<&Oid>,
    options: &CaptureOptions,
) -> Option<Result<Unpushed, (u64, HistoryCutReason)>> {
    let reach = match options.history {
        CaptureHistory::Auto => Reach::Unpushed,
        CaptureHistory::All => Reach::All,
        CaptureHistory::Never => return None,
    };
    // A walk that meets a commit which is not here (a damaged or oddly cut history) says nothing of files.
    match repo.unpushed(head?, reach, options.max_history_commits) {
        Ok(Commits::None) => None,
        Ok(Commits::NoRemote) => Some(Err((0, HistoryCutReason::NoRemote))),
        Ok(Commits::These(unpushed)) if unpushed.too_many => {
            Some(Err((options.max_history_commits, HistoryCutReason::TooManyCommits)))
        }
        Ok(Commits::These(unpushed)) => Some(Ok(unpushed)),
        Err(_) => Some(Err((0, HistoryCutReason::Unreadable))),
    }
}

/// What [`Run::history`] would begin with.
pub(super) fn planned(repo: &Repo, head: Option<&Oid>, options: &CaptureOptions) -> Option<PlannedHistory> {
    unpushed(repo, head, options).map(|found| match found {
        Ok(unpushed) => PlannedHistory { commits: unpushed.commits.len() as u64, left_out: None },
        Err((commits, reason)) => PlannedHistory { commits, left_out: Some(reason) },
    })
}

fn cut(commits: u64, why: HistoryCut) -> History {
    History { commits, cut: Some(why), ..History::default() }
}

fn at(reason: HistoryCutReason, commit: Oid, path: RelPath) -> Enough {
    Enough::Cut(Box::new(place(reason, commit, path)))
}

fn secret(reason: HistoryCutReason, commit: Oid, path: RelPath, rule: String) -> Enough {
    Enough::Cut(Box::new(HistoryCut { rule: Some(rule), ..place(reason, commit, path) }))
}

fn place(reason: HistoryCutReason, commit: Oid, path: RelPath) -> HistoryCut {
    let path = Some(path).filter(|path| !path.as_bytes().is_empty());
    HistoryCut { commit: Some(commit), path, ..HistoryCut::new(reason) }
}

/// Gathers objects into parts.
struct Press<'a> {
    run: &'a Run<'a>,
    objects: Objects<'a>,
    /// What goes into the next part.
    waiting: Vec<NewObject>,
    /// Their bytes.
    raw: usize,
    parts: Vec<HistoryPart>,
}

impl Press<'_> {
    /// Whether a new object may leave the machine: the rules are those for files. Of a commit all is looked at: who
    /// made it, the message, the text of tags that were merged.
    fn check(&self, repo: &str, object: &NewObject) -> Result<(), Enough> {
        if object.kind == ObjectKind::Tree {
            return Ok(());
        }
        let secrets = self.run.secrets;
        if object.kind == ObjectKind::Blob && object.base.is_none() {
            self.check_name(repo, object.commit, &object.path)?;
        }
        let found = secrets.look(repo, &object.path, MOST, &object.data).found;
        if found.is_empty() {
            return Ok(());
        }
        // A secret that the version before holds already is no news to whoever has that.
        let before =
            object.base.and_then(|base| self.objects.read(&base)).map(|(_, data)| data).unwrap_or_default();
        let known: HashSet<_> =
            secrets.all(&before).into_iter().map(|found| (found.rule, found.value)).collect();
        match found.into_iter().find(|found| !known.contains(&(found.rule.clone(), found.value))) {
            Some(new) => {
                Err(secret(HistoryCutReason::SecretContent, object.commit, object.path.clone(), new.rule))
            }
            None => Ok(()),
        }
    }

    /// Whether a new file may leave the machine under its name.
    fn check_name(&self, repo: &str, commit: Oid, path: &RelPath) -> Result<(), Enough> {
        match self.run.secrets.name(repo, path) {
            Ok(_) => Ok(()),
            Err(rule) => Err(secret(HistoryCutReason::SecretName, commit, path.clone(), rule)),
        }
    }

    fn add(&mut self, object: NewObject) -> Result<(), Enough> {
        if !self.waiting.is_empty()
            && (self.raw + object.data.len() > RAW || self.waiting.len() >= MAX_OBJECTS)
        {
            self.press()?;
        }
        self.raw += object.data.len();
        self.waiting.push(object);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<HistoryPart>, Enough> {
        if !self.waiting.is_empty() {
            self.press()?;
        }
        Ok(self.parts)
    }

    fn press(&mut self) -> Result<(), Enough> {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.raw = 0;
        // Versions of one path follow each other, the oldest first: the sort is stable.
        waiting.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
        let bases = self.bases(&waiting);
        let objects: Vec<Object> =
            waiting.into_iter().map(|object| Object { kind: object.kind, data: object.data }).collect();
        let part = encode(&bases, &objects)
            .map_err(|why| Error::io("compressing unpushed commits in", &std::env::temp_dir(), why))?;
        let size = part.len() as u64;
        let so_far: u64 = self.parts.iter().map(|part| part.size).sum();
        if so_far + size > self.run.options.max_history_bytes {
            return Err(Enough::Cut(Box::new(HistoryCut::new(HistoryCutReason::TooLarge))));
        }
        let blob = self.run.spool.add(&part)?;
        self.parts.push(HistoryPart::new(blob, size));
        Ok(())
    }

    /// The earlier versions of `waiting` that are not among it.
    fn bases(&self, waiting: &[NewObject]) -> Vec<(Oid, Vec<u8>)> {
        let mut known: HashSet<Oid> = waiting.iter().map(|object| object.oid).collect();
        let mut out = Vec::new();
        let mut bytes = 0;
        for object in waiting {
            let Some(base) =
                object.base.filter(|base| object.kind != ObjectKind::Commit && known.insert(*base))
            else {
                continue;
            };
            let fits = self.objects.size(&base).is_some_and(|size| bytes + size <= BASES as u64);
            if let Some((_, data)) = self.objects.read(&base).filter(|_| fits && out.len() < MAX_BASES) {
                bytes += data.len() as u64;
                out.push((base, data));
            }
        }
        out
    }
}
