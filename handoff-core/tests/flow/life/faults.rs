//! A storage that fails, or lies, at each of its calls in turn; and records that were damaged.

use std::fs;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use handoff_core::storage::BodyStream;
use handoff_core::{
    Clock, ContinueRequest, Continued, Cursor, Error, ErrorKind, Handoff, ListRequest, MemoryStorage,
    Message, Meta, Place, PullRequest, PutNew, RunSession as _, SessionSpec, SessionState, StartRequest,
    Storage, StorageError, SystemClock, WorkspaceSource,
};

use super::cast::{Bench, Idle, conversation, objects, stored, wait_until};
use super::stage::{Stage, acting, ana, block_on, environment, file, say, terms};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call does nothing and fails.
    Refused,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// As before, and the store says that it may be tried again.
    AnswerLate,
    /// A creation is done and answered with "there was one".
    Lie,
    /// From here on nothing works.
    Gone,
}

const FAULTS: [Fault; 5] = [Fault::Refused, Fault::AnswerLost, Fault::AnswerLate, Fault::Lie, Fault::Gone];

#[derive(Clone)]
pub(super) struct Faulty {
    inner: MemoryStorage,
    fault: Fault,
    at: u64,
    calls: Arc<AtomicU64>,
}

impl Faulty {
    pub(super) fn new(inner: &MemoryStorage, fault: Fault, at: u64) -> Self {
        Self { inner: inner.clone(), fault, at, calls: Arc::default() }
    }

    pub(super) fn met(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.at
    }

    /// The fault of this call, if it is the one.
    fn now(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let gone = self.fault == Fault::Gone && call > self.at;
        (call == self.at || gone).then_some(self.fault)
    }
}

fn before(fault: Option<Fault>) -> Result<(), StorageError> {
    match fault {
        Some(Fault::Refused | Fault::Gone) => Err(StorageError::new("by design")),
        _ => Ok(()),
    }
}

fn after<T>(fault: Option<Fault>, done: Result<T, StorageError>) -> Result<T, StorageError> {
    match fault {
        Some(Fault::AnswerLost) => Err(StorageError::new("the answer was lost by design")),
        Some(Fault::AnswerLate) => Err(StorageError::retryable("the answer was lost by design")),
        _ => done,
    }
}

#[async_trait]
impl Storage for Faulty {
    async fn put_new(&self, key: &handoff_core::Key, body: Bytes) -> Result<PutNew, StorageError> {
        let fault = self.now();
        before(fault)?;
        let done = self.inner.put_new(key, body).await;
        if fault == Some(Fault::Lie) { Ok(PutNew::Exists) } else { after(fault, done) }
    }

    async fn put(&self, key: &handoff_core::Key, body: Bytes) -> Result<(), StorageError> {
        let fault = self.now();
        before(fault)?;
        after(fault, self.inner.put(key, body).await)
    }

    async fn put_stream(&self, key: &handoff_core::Key, body: BodyStream) -> Result<(), StorageError> {
        let fault = self.now();
        before(fault)?;
        after(fault, self.inner.put_stream(key, body).await)
    }

    async fn get(
        &self,
        key: &handoff_core::Key,
        range: Option<Range<u64>>,
    ) -> Result<Option<Bytes>, StorageError> {
        let fault = self.now();
        before(fault)?;
        after(fault, self.inner.get(key, range).await)
    }

    async fn list(
        &self,
        prefix: &handoff_core::Key,
        from: Option<&handoff_core::Key>,
        limit: usize,
    ) -> Result<Vec<Meta>, StorageError> {
        let fault = self.now();
        before(fault)?;
        after(fault, self.inner.list(prefix, from, limit).await)
    }

    async fn delete(&self, keys: &[handoff_core::Key]) -> Result<(), StorageError> {
        let fault = self.now();
        before(fault)?;
        after(fault, self.inner.delete(keys).await)
    }
}

/// The machine's clock, which a test may set forward; the time of day jumps by an hour at every look.
#[derive(Clone, Default)]
pub(super) struct Jumpy {
    forward: Arc<AtomicU64>,
    looks: Arc<AtomicU64>,
}

impl Jumpy {
    pub(super) fn forward(&self, seconds: u64) {
        self.forward.fetch_add(seconds, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Jumpy {
    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + Duration::from_secs(self.forward.load(Ordering::SeqCst))
    }

    fn now(&self) -> SystemTime {
        let hour = Duration::from_secs(3_600);
        let even = self.looks.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        if even { SystemClock.now() + hour } else { SystemClock.now() - hour }
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}

/// Runs `each` with a fault at the first storage call, the second, and so on until it makes no more calls.
fn every_call(step: u64, each: impl Fn(Fault, u64) -> bool) {
    for fault in FAULTS {
        let mut at = 0;
        while each(fault, at) {
            at += step;
            assert!(at < 2_000, "{fault:?}: no end");
        }
        assert!(at > 0, "{fault:?} was never met");
    }
}

fn clean(memory: &MemoryStorage, clock: &Jumpy) -> Bench {
    let clock = clock.clone();
    Bench::over(memory.clone(), move |builder| builder.clock(Arc::new(clock.clone())))
}

pub(super) fn said(hub: &Handoff, run: handoff_core::RunId) -> Vec<String> {
    let run = block_on(hub.run(&run, &ana())).unwrap();
    let messages = block_on(hub.conversations().messages(&run.conversation.unwrap(), 0, 10_000)).unwrap();
    messages
        .into_iter()
        .filter(|message| message.role != handoff_core::Role::System)
        .map(|message| message.text)
        .collect()
}

fn answering() -> Arc<super::stage::Actor> {
    acting(|session| say(session, format!("did {}", session.facts().prompt)))
}

/// Runs a session to its end, whatever became of an earlier try, and returns how it ended.
pub(super) fn see_through(
    bench: &Bench,
    clock: &Jumpy,
    run: handoff_core::RunId,
    session: handoff_core::SessionId,
) -> SessionState {
    for _ in 0..20 {
        match bench.run(run, session, answering()) {
            Ok(SessionState::Lost) => {}
            Ok(state) => return state,
            Err(Error::Leased { .. }) => {
                // Nobody beats: a term later it is to be had.
                clock.forward.fetch_add(100, Ordering::SeqCst);
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the session was never to be had")
}

#[test]
fn a_start_that_fails_at_any_call_can_be_repeated_and_leaves_no_double() {
    let scratch = crate::support::repo::scratch_in_memory();
    let repo =
        crate::support::repo::Repo::init(scratch.path().join("app"), crate::support::repo::Format::Sha1);
    repo.write("new.txt", "new\n");
    let snapshot = handoff_core::capture(&repo.workspace(), &Default::default()).unwrap();
    every_call(1, |fault, at| {
        let memory = MemoryStorage::new();
        let clock = Jumpy::default();
        let clean = clean(&memory, &clock);
        let source = conversation(&clean.hub, &["one", "two"]);
        let before = objects(&memory, &format!("c/{source}"));
        let faulty = Faulty::new(&memory, fault, at);
        let bench = Bench::over(faulty.clone(), |builder| builder);
        let mut request = StartRequest::new(ana(), environment(), "three");
        request.conversation = stored(source);
        request.workspace = WorkspaceSource::Snapshot(snapshot.clone());
        request.attachments = vec![("a".into(), String::new(), b"attached".into())];
        request.idempotency_key = Some("key".into());
        let first = block_on(bench.hub.start(request.clone()));
        let started = block_on(clean.hub.start(request)).unwrap();
        if let Ok(first) = first {
            assert_eq!(first, started, "{fault:?} at {at}");
        }
        assert_eq!(see_through(&clean, &clock, started.run, started.session), SessionState::Succeeded);
        assert_eq!(said(&clean.hub, started.run), ["one", "two", "three", "did three"], "{fault:?} at {at}");
        assert_eq!(
            block_on(clean.hub.list_runs(&ListRequest::new(ana()))).unwrap().runs.len(),
            1,
            "{fault:?} at {at}"
        );
        assert_eq!(objects(&memory, &format!("c/{source}")), before);
        faulty.met()
    });
}

#[test]
fn a_transcript_of_several_steps_is_whole_after_a_failure_at_any_call() {
    let large: Vec<_> = (0..2).map(|n| Message::user(format!("{n}").repeat(3 << 20))).collect();
    every_call(3, |fault, at| {
        let memory = MemoryStorage::new();
        let faulty = Faulty::new(&memory, fault, at);
        let bench = Bench::over(faulty.clone(), |builder| builder);
        let mut request = StartRequest::new(ana(), environment(), "go");
        request.conversation = handoff_core::ConversationSource::Messages(large.clone());
        request.idempotency_key = Some("key".into());
        let _ = block_on(bench.hub.start(request.clone()));
        let clean = clean(&memory, &Jumpy::default());
        let started = block_on(clean.hub.start(request)).unwrap();
        let id = started.conversation.unwrap();
        let there = block_on(clean.hub.conversations().messages(&id, 0, 100)).unwrap();
        assert!(there == large, "{fault:?} at {at}: {} messages", there.len());
        faulty.met()
    });
}

#[test]
fn a_continuation_that_fails_at_any_call_can_be_repeated_and_is_said_once() {
    every_call(1, |fault, at| {
        let memory = MemoryStorage::new();
        let clock = Jumpy::default();
        let clean = clean(&memory, &clock);
        let started = block_on(clean.hub.start(StartRequest::new(ana(), environment(), "one"))).unwrap();
        see_through(&clean, &clock, started.run, started.session);
        let faulty = Faulty::new(&memory, fault, at);
        let bench = Bench::over(faulty.clone(), |builder| builder);
        let mut request = ContinueRequest::new(started.run, ana(), "two");
        request.idempotency_key = Some("key".into());
        let first = block_on(bench.hub.continue_run(request.clone()));
        let continued = block_on(clean.hub.continue_run(request)).unwrap();
        if let Ok(first) = first {
            assert_eq!(first, continued, "{fault:?} at {at}");
        }
        let Continued::NewSession { session, .. } = continued else { panic!("{continued:?}") };
        assert_eq!(see_through(&clean, &clock, started.run, session), SessionState::Succeeded);
        assert_eq!(said(&clean.hub, started.run), ["one", "did one", "two", "did two"], "{fault:?} at {at}");
        faulty.met()
    });
}

/// What the agent was told is stored stays, whatever fails when; and the run can be continued.
#[test]
fn a_session_whose_storage_fails_at_any_call_loses_no_message_and_no_work() {
    let scratch = crate::support::repo::scratch_in_memory();
    let repo =
        crate::support::repo::Repo::init(scratch.path().join("app"), crate::support::repo::Format::Sha1);
    let step = if std::env::var_os("HANDOFF_KILL_ALL").is_some() { 1 } else { 3 };
    every_call(step, |fault, at| {
        let memory = MemoryStorage::new();
        let clock = Jumpy::default();
        let clean = clean(&memory, &clock);
        let started = block_on(clean.hub.start(StartRequest::new(ana(), environment(), "one"))).unwrap();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let acknowledged = Arc::clone(&told);
        let agent = acting(move |session| {
            for number in 0..3 {
                let text = format!("step {number}");
                fs::write(file(session, "work.txt"), &text).unwrap();
                if block_on(session.append(vec![Message::assistant(text.clone())])).is_ok() {
                    acknowledged.lock().unwrap().push(text.clone());
                }
                if block_on(session.checkpoint()).is_ok() {
                    acknowledged.lock().unwrap().push(format!("checkpoint {text}"));
                }
                let _ = block_on(session.follow_ups());
            }
            Ok(handoff_core::SessionEnd::Succeeded)
        });
        let faulty = Faulty::new(&memory, fault, at);
        let bench = Bench::over(faulty.clone(), |builder| builder);
        let spec = SessionSpec::new(started.run, started.session, environment());
        let place = || Place::new(scratch.path(), [repo.root.clone()]);
        let ended = block_on(bench.worker.run_session(&spec, place(), agent));
        let run = block_on(clean.hub.run(&started.run, &ana())).unwrap();
        if let Ok(state) = &ended
            && *state != SessionState::Lost
        {
            assert_eq!(run.sessions[0].state, *state, "{fault:?} at {at}");
        }
        see_through(&clean, &clock, started.run, started.session);
        let more = ContinueRequest::new(started.run, ana(), "two");
        let Continued::NewSession { session, .. } = block_on(clean.hub.continue_run(more)).unwrap() else {
            panic!("{fault:?} at {at}")
        };
        assert_eq!(see_through(&clean, &clock, started.run, session), SessionState::Succeeded);
        let all = said(&clean.hub, started.run);
        let count = |text: &str| all.iter().filter(|there| *there == text).count();
        assert_eq!((count("one"), count("two")), (1, 1), "{fault:?} at {at}: {all:?}");
        let told = told.lock().unwrap();
        for text in told.iter().filter(|text| !text.starts_with("checkpoint")) {
            assert_eq!(count(text), 1, "{fault:?} at {at}: {text} in {all:?}");
        }
        if let Some(last) = told.iter().rev().find_map(|text| text.strip_prefix("checkpoint ")) {
            let result = block_on(clean.hub.result(&started.run, &ana())).unwrap().unwrap();
            let diff = format!("{:?}", result.diff_base().repos);
            assert!(diff.contains("work.txt"), "{fault:?} at {at}: {last} is lost");
        }
        faulty.met()
    });
}

#[test]
fn an_answer_that_fails_at_any_call_can_be_repeated_and_is_taken_once() {
    every_call(1, |fault, at| {
        let stage = Stage::new(acting(|session| {
            let answer = block_on(session.block(Message::assistant("Which?")))?;
            say(session, format!("took {}", answer.text))
        }));
        let started = block_on(stage.hub.start(StartRequest::new(ana(), environment(), "one"))).unwrap();
        stage.wait(&started.run);
        let faulty = Faulty::new(&stage.storage, fault, at);
        let hub = handoff_core::HandoffBuilder::new(Arc::new(faulty.clone()))
            .terms(terms())
            .hub(Arc::new(Idle::default()));
        let mut request = ContinueRequest::new(started.run, ana(), "this");
        request.idempotency_key = Some("key".into());
        let first = block_on(hub.answer(request.clone()));
        let session = block_on(stage.hub.answer(request)).unwrap();
        assert_eq!(session, started.session, "{fault:?} at {at}");
        if let Ok(first) = first {
            assert_eq!(first, session);
        }
        wait_until("the end", || block_on(stage.hub.run(&started.run, &ana())).unwrap().state.is_terminal());
        assert_eq!(
            said(&stage.hub, started.run),
            ["one", "Which?", "this", "took this"],
            "{fault:?} at {at}"
        );
        faulty.met()
    });
}

#[test]
fn a_pull_that_fails_at_any_call_can_be_repeated() {
    let stage = Stage::new(acting(|session| {
        fs::write(file(session, "added.txt"), "added\n").unwrap();
        say(session, "done")
    }));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    stage.wait(&started.run);
    let number = AtomicU64::new(0);
    every_call(1, |fault, at| {
        let name = format!("copy{}/app", number.fetch_add(1, Ordering::Relaxed));
        let laptop = stage.laptop.copy_to(stage.scratch.path().join(name));
        let faulty = Faulty::new(&stage.storage, fault, at);
        let hub = handoff_core::HandoffBuilder::new(Arc::new(faulty.clone()))
            .terms(terms())
            .hub(Arc::new(Idle::default()));
        let _ = block_on(hub.pull(PullRequest::new(started.run, ana()), &laptop.workspace()));
        let pulled =
            block_on(stage.hub.pull(PullRequest::new(started.run, ana()), &laptop.workspace())).unwrap();
        assert_eq!(pulled.report.unwrap().verdict, handoff_core::Verdict::Complete, "{fault:?} at {at}");
        assert_eq!(laptop.read("added.txt"), b"added\n");
        assert_eq!(laptop.read("notes.txt"), b"first\nfrom the laptop\n");
        faulty.met()
    });
}

/// Each kind of object, flipped and cut: a typed error that names what is damaged, or the truth; never something else.
#[test]
fn damaged_records_are_found_and_named() {
    let stage = Stage::new(acting(|session| {
        fs::write(file(session, "added.txt"), "added\n").unwrap();
        say(session, "done")
    }));
    let mut request = stage.hand_off("go");
    request.idempotency_key = Some("key".into());
    request.attachments = vec![("a".into(), String::new(), b"attached".into())];
    let started = block_on(stage.hub.start(request.clone())).unwrap();
    stage.wait(&started.run);
    block_on(stage.hub.continue_run(ContinueRequest::new(started.run, ana(), "more"))).unwrap();
    let run = stage.wait(&started.run);
    let id = run.conversation.unwrap();
    let whole = block_on(stage.hub.conversations().messages(&id, 0, 100)).unwrap();
    let state = block_on(stage.hub.result(&started.run, &ana())).unwrap().unwrap().id();
    let all = objects(&stage.storage, "");
    let mut met = std::collections::BTreeSet::new();
    for (key, body) in &all {
        let mut ways: Vec<Vec<u8>> = vec![Vec::new(), body[..body.len() / 2].to_vec()];
        for at in [0, body.len() / 2, body.len().saturating_sub(1)] {
            let mut flipped = body.clone();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 1;
                ways.push(flipped);
            }
        }
        for damaged in ways {
            let memory = MemoryStorage::new();
            for (name, bytes) in &all {
                let bytes = if name == key { damaged.clone() } else { bytes.clone() };
                block_on(memory.put(&name.parse().unwrap(), bytes.into())).unwrap();
            }
            let bench = Bench::over(memory.clone(), |builder| builder);
            let hub = &bench.hub;
            let mut errors = Vec::new();
            match block_on(hub.conversations().messages(&id, 0, 100)) {
                Ok(messages) => assert!(messages == whole, "{key}: another transcript"),
                Err(error) => errors.push(error),
            }
            match block_on(hub.result(&started.run, &ana())) {
                Ok(result) => assert_eq!(result.unwrap().id(), state, "{key}"),
                Err(error) => errors.push(error),
            }
            for message in &whole {
                for attachment in &message.attachments {
                    match block_on(hub.conversations().read_attachment(attachment)) {
                        Ok(content) => assert_eq!(content, b"attached"),
                        Err(error) => errors.push(error),
                    }
                }
            }
            errors.extend(block_on(hub.run(&started.run, &ana())).err());
            errors.extend(block_on(hub.list_runs(&ListRequest::new(ana()))).err());
            errors.extend(block_on(hub.start(request.clone())).err());
            let watching = || -> Result<(), Error> {
                let mut watch = block_on(hub.watch(&started.run, &ana(), Cursor::default()))?;
                while block_on(watch.next())?.is_some() {}
                Ok(())
            };
            errors.extend(watching().err());
            match block_on(hub.continue_run(ContinueRequest::new(started.run, ana(), "again"))) {
                Ok(Continued::NewSession { session, .. }) => {
                    errors.extend(bench.run(started.run, session, answering()).err());
                }
                Ok(other) => panic!("{key}: {other:?}"),
                Err(error) => errors.push(error),
            }
            for error in &errors {
                let typed = matches!(
                    error.kind(),
                    ErrorKind::Corrupt
                        | ErrorKind::Format
                        | ErrorKind::UnsupportedVersion
                        | ErrorKind::BlobMissing
                        | ErrorKind::Truncated
                );
                let text = error.to_string();
                let named = ["run", "conversation", "snapshot", "attachment", "claim", "message", "blob"];
                assert!(
                    typed && named.iter().any(|name| text.contains(name)),
                    "{key}: {} {text}",
                    error.kind()
                );
            }
            let hint = key.ends_with("/hint") || key.ends_with("/beat") || key.starts_with("x/");
            assert!(!hint || errors.is_empty(), "{key} is never trusted: {errors:?}");
            if !errors.is_empty() {
                met.insert(key.split('/').next().unwrap_or_default().to_owned());
            }
        }
    }
    let met: Vec<_> = met.iter().map(String::as_str).collect();
    assert_eq!(met, ["a", "c", "i", "k", "r", "s"], "every kind was found damaged somewhere");
}
