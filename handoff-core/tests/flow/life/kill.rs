//! `kill -9` of a process that is host and worker, at its requests to the storage: no message and no workspace state that was
//! acknowledged is lost, nothing is said twice, and the run goes on.
//!
//! A sample of the requests by default; `HANDOFF_KILL_ALL=1` takes every one, before and after it is done.

use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use handoff_core::snapshot::Layer;
use handoff_core::storage::{BodyStream, DirOptions, DirStorage};
use handoff_core::{
    ContinueRequest, Continued, Handoff, HandoffBuilder, Key, Message, Meta, Place, PutNew, RunId,
    RunSession as _, SessionEnd, SessionSpec, Snapshot, StartRequest, Started, Storage, StorageError, Worker,
    WorkspaceSource,
};
use serde::{Deserialize, Serialize};

use super::cast::{Bench, Idle};
use super::faults::{Jumpy, said, see_through};
use super::stage::{acting, ana, block_on, environment, file, terms};
use crate::support::repo::{Format, Repo, scratch_in_memory};

const JOB: &str = "HANDOFF_TEST_LIFE_KILL";

/// Kills of each moment when a test takes a sample.
const SAMPLE: u64 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Moment {
    Before,
    After,
}

#[derive(Clone, Serialize, Deserialize)]
struct Job {
    storage: PathBuf,
    repo: PathBuf,
    bundle: PathBuf,
    /// What the process was told is done, a line each.
    told: PathBuf,
    at: u64,
    moment: Moment,
}

/// A storage whose process dies at one of its requests.
#[derive(Clone)]
pub(super) struct Deadly {
    pub(super) inner: Arc<DirStorage>,
    pub(super) at: u64,
    pub(super) moment: Moment,
    pub(super) calls: Arc<AtomicU64>,
}

fn die() -> ! {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    unreachable!("nobody survives that")
}

impl Deadly {
    async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        let now = self.calls.fetch_add(1, Ordering::SeqCst) == self.at;
        if now && self.moment == Moment::Before {
            die();
        }
        let done = work.await;
        if now {
            die();
        }
        done
    }
}

#[async_trait]
impl Storage for Deadly {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        self.around(self.inner.put_new(key, body)).await
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        self.around(self.inner.put(key, body)).await
    }

    async fn put_stream(&self, key: &Key, body: BodyStream) -> Result<(), StorageError> {
        self.around(self.inner.put_stream(key, body)).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.around(self.inner.get(key, range)).await
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        self.around(self.inner.list(prefix, after, limit)).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        self.around(self.inner.delete(keys)).await
    }
}

pub(super) fn open(dir: &Path) -> DirStorage {
    // A process that dies loses nothing that it has written, so nothing has to reach the disk.
    let mut options = DirOptions::default();
    options.sync = false;
    DirStorage::open_with(dir, &options).unwrap()
}

fn first(job: &Job) -> StartRequest {
    let mut request = StartRequest::new(ana(), environment(), "first");
    request.workspace = WorkspaceSource::Snapshot(Snapshot::open(&job.bundle).unwrap());
    request.attachments = vec![("note".into(), String::new(), b"attached".into())];
    request.idempotency_key = Some("first".into());
    request
}

pub(super) fn more(run: RunId, what: &str) -> ContinueRequest {
    let mut request = ContinueRequest::new(run, ana(), what);
    request.idempotency_key = Some(what.into());
    request
}

/// One session, which is spoken to in its middle.
fn session(hub: &Handoff, worker: &Worker, job: &Job, started: &Started) {
    let told = job.told.clone();
    let note = move |line: &str| {
        let mut file = fs::File::options().create(true).append(true).open(&told).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    };
    let (hub, run) = (hub.clone(), started.run);
    let agent = acting(move |session| {
        let number = session.facts().number;
        for step in 0..3 {
            let text = format!("{number}.{step}");
            fs::write(file(session, "work.txt"), &text).unwrap();
            block_on(session.append(vec![Message::assistant(format!("did {text}"))]))?;
            note(&format!("said did {text}"));
            block_on(session.checkpoint())?;
            note(&format!("state {text}"));
            if number == 1 && step == 1 {
                block_on(hub.continue_run(more(run, "meanwhile")))?;
                note("said meanwhile");
            }
            block_on(session.follow_ups())?;
        }
        Ok(SessionEnd::Succeeded)
    });
    let spec = SessionSpec::new(started.run, started.session, environment());
    let place = Place::new(job.repo.parent().unwrap(), [job.repo.clone()]);
    block_on(worker.run_session(&spec, place, agent)).unwrap();
}

/// The process that is killed. Asked for nothing, it does nothing.
#[test]
fn child() {
    let Some(job) = std::env::var_os(JOB) else { return };
    let job: Job = serde_json::from_str(job.to_str().unwrap()).unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let inner = Arc::new(open(&job.storage));
    let storage = Deadly { inner, at: job.at, moment: job.moment, calls: Arc::clone(&calls) };
    let builder = || HandoffBuilder::new(Arc::new(storage.clone())).terms(terms());
    let (hub, worker) = (builder().hub(Arc::new(Idle::default())), builder().worker());
    let mut started = block_on(hub.start(first(&job))).unwrap();
    session(&hub, &worker, &job, &started);
    let Continued::NewSession { session: next, .. } =
        block_on(hub.continue_run(more(started.run, "second"))).unwrap()
    else {
        panic!("the run had not ended");
    };
    started.session = next;
    session(&hub, &worker, &job, &started);
    fs::write(job.told.with_extension("calls"), calls.load(Ordering::SeqCst).to_string()).unwrap();
}

/// `number.step` of a session.
fn progress(text: &str) -> (u64, u64) {
    let (number, step) = text.split_once('.').unwrap();
    (number.parse().unwrap(), step.parse().unwrap())
}

/// Lets the process run, and looks what is left of it. Whether it was killed, and how many requests it made if not.
fn kill(at: u64, moment: Moment) -> (bool, u64) {
    let scratch = scratch_in_memory();
    let repo = Repo::init(scratch.path().join("place/app"), Format::Sha1);
    repo.write("notes.txt", "first\n");
    repo.commit("base");
    let laptop = repo.copy_to(scratch.path().join("laptop/app"));
    laptop.write("notes.txt", "first\nfrom the laptop\n");
    let job = Job {
        storage: scratch.path().join("storage"),
        repo: repo.root.clone(),
        bundle: scratch.path().join("work.handoff"),
        told: scratch.path().join("told"),
        at,
        moment,
    };
    let snapshot = handoff_core::capture(&laptop.workspace(), &Default::default()).unwrap();
    snapshot.save(&job.bundle).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "flow::life::kill::child", "--nocapture", "--test-threads=1"]);
    command.env(JOB, serde_json::to_string(&job).unwrap()).stdout(std::process::Stdio::null());
    let status = command.status().unwrap();
    let killed = status.signal() == Some(9);
    assert!(killed || status.success(), "{moment:?} {at}: {status}");
    let calls = fs::read_to_string(job.told.with_extension("calls")).unwrap_or_default();

    // Another process goes on: it repeats what it does not know to be done, and takes over what is silent.
    let clock = Jumpy::default();
    let mine = clock.clone();
    let clean = Bench::over(open(&job.storage), move |builder| builder.clock(Arc::new(mine.clone())));
    let started = block_on(clean.hub.start(first(&job))).unwrap();
    see_through(&clean, &clock, started.run, started.session);
    for what in ["meanwhile", "second"] {
        if let Continued::NewSession { session, .. } =
            block_on(clean.hub.continue_run(more(started.run, what))).unwrap()
        {
            see_through(&clean, &clock, started.run, session);
        }
    }
    let last = block_on(clean.hub.continue_run(more(started.run, "and on"))).unwrap();
    let Continued::NewSession { session, .. } = last else { panic!("{moment:?} {at}: {last:?}") };
    see_through(&clean, &clock, started.run, session);

    let all = said(&clean.hub, started.run);
    let count = |text: &str| all.iter().filter(|there| *there == text).count();
    for prompt in ["first", "meanwhile", "second", "and on"] {
        assert_eq!(count(prompt), 1, "{moment:?} {at}: {prompt} in {all:?}");
    }
    let told = fs::read_to_string(&job.told).unwrap_or_default();
    for text in told.lines().filter_map(|line| line.strip_prefix("said ")) {
        assert_eq!(count(text), 1, "{moment:?} {at}: {text} in {all:?}");
    }
    let result = block_on(clean.hub.result(&started.run, &ana())).unwrap().unwrap();
    result.verify().unwrap();
    if let Some(state) = told.lines().rev().find_map(|line| line.strip_prefix("state ")) {
        let work = result.read("app", &"work.txt".into(), Layer::Worktree).unwrap().unwrap();
        let there = progress(&String::from_utf8(work).unwrap());
        assert!(there >= progress(state), "{moment:?} {at}: {there:?} is left of {state}");
    }
    let run = block_on(clean.hub.run(&started.run, &ana())).unwrap();
    let id = run.conversation.unwrap();
    let messages = block_on(clean.hub.conversations().messages(&id, 0, 1_000)).unwrap();
    let attached: Vec<_> = messages.iter().flat_map(|message| &message.attachments).collect();
    assert_eq!(attached.len(), 1);
    assert_eq!(block_on(clean.hub.conversations().read_attachment(attached[0])).unwrap(), b"attached");
    (killed, calls.parse().unwrap_or(0))
}

#[test]
fn a_host_and_worker_that_is_killed_at_any_request_loses_nothing() {
    let (killed, calls) = kill(u64::MAX, Moment::Before);
    assert!(!killed && calls > 60, "{calls} requests");
    let all = std::env::var_os("HANDOFF_KILL_ALL").is_some();
    let step = if all { 1 } else { (calls / SAMPLE).max(1) };
    let mut kills = 0;
    for moment in [Moment::Before, Moment::After] {
        let shift = if all || moment == Moment::Before { 0 } else { step / 2 };
        for at in (shift..calls).step_by(step as usize) {
            kills += u64::from(kill(at, moment).0);
        }
    }
    // Looks at the inbox come when time has passed, so the last few may not be met.
    assert!(kills >= 2 * (calls / step) * 9 / 10, "{kills} kills in {calls} requests");
    println!("{kills} kills in {calls} requests, nothing was lost");
}
