//! A storage of one's own: everything in one file that only grows, checked against the contract, then used.
//!
//! `cargo run -p handoff-examples --example custom_storage`

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_lite::StreamExt as _;
use handoff_core::storage::{BodyStream, live_check};
use handoff_core::{
    ActorId, Handoff, Key, LocalRuntime, Meta, PutNew, RunState, StartRequest, Storage, StorageError,
    conformance,
};
use handoff_examples::{Done, Scene, block_on, script};

/// A log of `key length body`; a deletion has no length. What is in it stands in memory too, so one process uses it.
struct Tape {
    path: PathBuf,
    inner: Mutex<(File, BTreeMap<Key, (Bytes, SystemTime)>)>,
}

type Inner<'a> = MutexGuard<'a, (File, BTreeMap<Key, (Bytes, SystemTime)>)>;

impl Tape {
    fn open(path: &Path) -> Done<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let (mut tape, mut objects) = (Vec::new(), BTreeMap::new());
        file.read_to_end(&mut tape)?;
        let mut rest = tape.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            let (key, length) = std::str::from_utf8(line)?.split_once(' ').ok_or("no key")?;
            let (body, after) = match length {
                "-" => (None, after),
                // A body that a crash cut off was never promised.
                _ => match after.split_at_checked(length.parse::<usize>()? + 1) {
                    Some((body, after)) => (body.get(1..), after),
                    None => break,
                },
            };
            match body {
                Some(body) => objects.insert(key.parse()?, (Bytes::copy_from_slice(body), SystemTime::now())),
                None => objects.remove(&key.parse()?),
            };
            rest = after.strip_prefix(b"\n").unwrap_or(after);
        }
        file.set_len((tape.len() - rest.len()) as u64)?;
        Ok(Self { path: path.to_owned(), inner: Mutex::new((file, objects)) })
    }

    fn inner(&self) -> Inner<'_> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On the disk first, then in memory: whatever is visible is durable.
    fn write(&self, inner: &mut Inner<'_>, key: &Key, body: Option<Bytes>) -> Result<(), StorageError> {
        let length = body.as_ref().map_or("-".to_owned(), |body| body.len().to_string());
        let mut record = format!("{key} {length}\n").into_bytes();
        if let Some(body) = &body {
            record.extend_from_slice(body);
            record.push(b'\n');
        }
        inner.0.write_all(&record).and_then(|()| inner.0.sync_data()).map_err(|error| {
            StorageError::new(format!("writing {} failed", self.path.display())).because(error)
        })?;
        match body {
            Some(body) => drop(inner.1.insert(key.clone(), (body, SystemTime::now()))),
            None => drop(inner.1.remove(key)),
        }
        Ok(())
    }
}

#[async_trait]
impl Storage for Tape {
    // The one primitive that everything rests on: looking and writing under one lock, durable on return.
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        let mut inner = self.inner();
        if inner.1.contains_key(key) {
            return Ok(PutNew::Exists);
        }
        self.write(&mut inner, key, Some(body)).map(|()| PutNew::Created)
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        self.write(&mut self.inner(), key, Some(body))
    }

    async fn put_stream(&self, key: &Key, mut body: BodyStream) -> Result<(), StorageError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece.map_err(|error| StorageError::new("no body").because(error))?);
        }
        self.put(key, whole.freeze()).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        Ok(self.inner().1.get(key).map(|(body, _)| {
            let range = range.unwrap_or(0..u64::MAX);
            let end = range.end.min(body.len() as u64) as usize;
            body.slice((range.start.min(end as u64) as usize)..end)
        }))
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        let inner = self.inner();
        let below = inner.1.iter().filter(|(key, _)| *key != prefix && key.is_below(prefix));
        let rest = below.filter(|(key, _)| after.is_none_or(|after| *key > after)).take(limit);
        Ok(rest.map(|(key, (body, at))| Meta::new(key.clone(), body.len() as u64, *at)).collect())
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        let mut inner = self.inner();
        keys.iter().try_for_each(|key| match inner.1.contains_key(key) {
            true => self.write(&mut inner, key, None),
            false => Ok(()),
        })
    }
}

fn main() -> Done {
    let scene = Scene::new()?;
    let path = scene.path("tape");
    let tape = Arc::new(Tape::open(&path)?);
    block_on(live_check(&*tape))?;
    // The suite opens the storage several times; all of them are this one, as one process has one.
    let suite = Arc::new(Tape::open(&scene.path("tape of the suite"))?);
    let report = block_on(conformance::storage::check(move || Arc::clone(&suite) as Arc<dyn Storage>));
    println!("{report}");
    assert!(report.passed());

    let agent = script("echo 'Hello from a tape.' >>plan.md; echo Written.");
    let hub = Handoff::new(tape, Arc::new(LocalRuntime::new(agent, scene.machine("cloud")?)));
    let ana: ActorId = "ana".parse()?;
    let mut request = StartRequest::new(ana.clone(), "cloud".parse()?, "Say hello.");
    request.workspace = scene.capture()?.into();
    let run = block_on(hub.start(request))?.run;
    let run = block_on(hub.wait(&run, &ana, Duration::from_secs(60)))?;
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    println!("A run lives in {} ({} bytes)", path.display(), std::fs::metadata(&path)?.len());

    // Everything is there for whoever opens the file next.
    let again = Handoff::new(
        Arc::new(Tape::open(&path)?),
        Arc::new(LocalRuntime::new(script("true"), scene.machine("cloud")?)),
    );
    assert_eq!(block_on(again.run(&run.id, &ana))?, run);
    let result = block_on(again.result(&run.id, &ana))?.ok_or("no result")?;
    assert!(result.diff_base().to_string().contains("+Hello from a tape."));
    Ok(())
}
