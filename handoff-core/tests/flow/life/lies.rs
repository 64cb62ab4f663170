//! A storage that lies: it gives other bytes than were written, leaves out what it lists, and says that it has done what
//! it has not. Whatever it lies about, each call ends with the truth or with a typed error, and what was said to be
//! stored is there, or somebody was told otherwise.
//!
//! A sample of the requests by default; `HANDOFF_KILL_ALL=1` lets it lie at every one.

mod liar;

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::future;
use handoff_core::{
    Clock as _, CollectOptions, ContinueRequest, Continued, ConversationSource, Cursor, Error, ErrorKind,
    Event, ListRequest, MemoryStorage, Message, Place, PullRequest, Role, RunId, RunSession as _, SessionId,
    SessionSpec, Snapshot, StartRequest, SystemClock, WorkspaceSource,
};

use self::liar::{LIES, Liar, Lie, Request, When};
use super::cast::Bench;
use super::faults::Jumpy;
use super::stage::{acting, ana, block_on, environment, file, terms};
use crate::support::repo::{Format, Repo, scratch_in_memory};

/// Everything that a story was told.
#[derive(Default)]
struct Told {
    run: Option<RunId>,
    /// Messages that were said to be stored.
    stored: Vec<String>,
    errors: Vec<(&'static str, ErrorKind, String)>,
    /// States that were said to be stored, by the number in their file.
    checkpoint: Option<u64>,
    deleted: Option<RunId>,
    /// What a watcher saw.
    watched: Vec<String>,
    /// What was read, which must be the beginning of the truth.
    read: Vec<Vec<String>>,
    /// What a pull left in the file.
    pulled: Option<Vec<u8>>,
    /// Sessions that ended in another way than well.
    ended: Vec<String>,
}

type Notes = Arc<Mutex<Told>>;

fn heard<T>(notes: &Notes, what: &'static str, outcome: Result<T, Error>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            notes.lock().unwrap().errors.push((what, error.kind(), error.to_string()));
            None
        }
    }
}

fn texts(messages: Vec<Message>) -> Vec<String> {
    let said = messages.into_iter().filter(|message| message.role != Role::System);
    said.map(|message| message.text).collect()
}

fn session(bench: &Bench, notes: &Notes, run: RunId, session: SessionId, scene: &Scene) {
    let (hub, noted) = (bench.hub.clone(), Arc::clone(notes));
    let agent = acting(move |session| {
        let number = session.facts().number;
        for step in 0..3 {
            let text = format!("did {number}.{step}");
            fs::write(file(session, "work.txt"), format!("{}", number * 10 + step)).unwrap();
            let said = block_on(session.append(vec![Message::assistant(text.clone())]));
            if heard(&noted, "append", said).is_some() {
                noted.lock().unwrap().stored.push(text);
            }
            if step == 1 {
                if heard(&noted, "checkpoint", block_on(session.checkpoint())).is_some() {
                    noted.lock().unwrap().checkpoint = Some(number * 10 + step);
                }
                if number == 1 {
                    say_more(&hub, &noted, run, "meanwhile");
                }
            }
            heard(&noted, "follow-ups", block_on(session.follow_ups()));
        }
        Ok(handoff_core::SessionEnd::Succeeded)
    });
    let spec = SessionSpec::new(run, session, environment());
    let place = Place::new(scene.scratch.path().join("place"), [scene.repo.root.clone()]);
    let ended = block_on(bench.worker.run_session(&spec, place, agent));
    if let Some(state) = heard(notes, "session", ended)
        && state != handoff_core::SessionState::Succeeded
    {
        notes.lock().unwrap().ended.push(state.to_string());
    }
}

fn say_more(hub: &handoff_core::Handoff, notes: &Notes, run: RunId, what: &str) -> Option<Continued> {
    let request = ContinueRequest::new(run, ana(), what);
    let continued = heard(notes, "continue", block_on(hub.continue_run(request)));
    if continued.is_some() {
        notes.lock().unwrap().stored.push(what.to_owned());
    }
    continued
}

/// Where the agent works, what is handed off to it, and where that is brought home to.
struct Scene {
    repo: Repo,
    laptop: Repo,
    snapshot: Snapshot,
    scratch: tempfile::TempDir,
}

impl Scene {
    /// With a file that is stored as a stream, where that is what is lied about.
    fn new(large: bool) -> Self {
        let scratch = scratch_in_memory();
        let repo = Repo::init(scratch.path().join("place/app"), Format::Sha1);
        repo.write("notes.txt", "first\n");
        repo.commit("base");
        let laptop = repo.copy_to(scratch.path().join("laptop/app"));
        laptop.write("new.txt", "new\n");
        if large {
            laptop.write("large.bin", "0123456789abcdef".repeat(5 << 16));
        }
        let snapshot = handoff_core::capture(&laptop.workspace(), &Default::default()).unwrap();
        Self { repo, laptop, snapshot, scratch }
    }

    /// For one story.
    fn copy(&self) -> Self {
        let scratch = scratch_in_memory();
        let repo = self.repo.copy_to(scratch.path().join("place/app"));
        let laptop = self.laptop.copy_to(scratch.path().join("laptop/app"));
        Self { repo, laptop, snapshot: self.snapshot.clone(), scratch }
    }
}

/// A life of a run, from its start to the removal of another.
fn story(storage: Liar, notes: &Notes, scene: &Scene) {
    // What is said to a run whose end the storage forgot waits until its session has been silent for so long.
    let mut times = terms();
    times.lease = Duration::from_secs(5);
    let bench = Bench::over(storage, |builder| builder.terms(times.clone()));
    let hub = &bench.hub;
    let other = StartRequest::new(ana(), environment(), "to be deleted");
    let other = heard(notes, "start", block_on(hub.start(other)));
    let mut request = StartRequest::new(ana(), environment(), "first");
    request.conversation = ConversationSource::Messages(vec![Message::user("before")]);
    request.workspace = WorkspaceSource::Snapshot(scene.snapshot.clone());
    request.attachments = vec![("a".into(), String::new(), b"attached".into())];
    request.idempotency_key = Some("key".into());
    if let Some(started) = heard(notes, "start", block_on(hub.start(request.clone()))) {
        let run = started.run;
        {
            let mut notes = notes.lock().unwrap();
            notes.run = Some(run);
            notes.stored.extend(["before".to_owned(), "first".to_owned()]);
        }
        if let Some(again) = heard(notes, "start again", block_on(hub.start(request))) {
            assert_eq!(again.run, run, "the same call again");
        }
        session(&bench, notes, run, started.session, scene);
        if let Some(Continued::NewSession { session: next, .. }) = say_more(hub, notes, run, "second") {
            session(&bench, notes, run, next, scene);
        }
        heard(notes, "result", block_on(hub.result(&run, &ana())));
        let request = PullRequest::new(run, ana());
        if heard(notes, "pull", block_on(hub.pull(request, &scene.laptop.workspace()))).is_some() {
            let there = fs::read(scene.laptop.root.join("work.txt")).ok();
            notes.lock().unwrap().pulled = there;
        }
        read(&bench, notes, run);
    }
    if let Some(other) = other {
        heard(notes, "cancel", block_on(hub.cancel(&other.run, &ana())));
        if heard(notes, "delete", block_on(hub.delete_run(&other.run, &ana()))).is_some() {
            notes.lock().unwrap().deleted = Some(other.run);
        }
    }
    heard(notes, "collect", block_on(hub.collect(&CollectOptions::default())));
}

/// Everything that can be read of a run, by a process that knows nothing of it yet too.
fn read(bench: &Bench, notes: &Notes, id: RunId) {
    let hub = &bench.hub;
    for limit in [1, 50] {
        let mut request = ListRequest::new(ana());
        request.limit = limit;
        // A lister goes on for as long as there is more, which must end.
        for page in 0.. {
            assert!(page < 50, "a list without end");
            let Some(page) = heard(notes, "list", block_on(hub.list_runs(&request))) else { break };
            let Some(next) = page.next else { break };
            request.after = Some(next);
        }
    }
    let Some(run) = heard(notes, "run", block_on(hub.run(&id, &ana()))) else { return };
    let conversation = run.conversation.unwrap();
    let all = block_on(hub.conversations().messages(&conversation, 0, 100));
    let attachments: Vec<_> = all.iter().flatten().flat_map(|message| message.attachments.clone()).collect();
    if let Some(all) = heard(notes, "messages", all) {
        notes.lock().unwrap().read.push(texts(all));
    }
    for attachment in attachments {
        let content = block_on(hub.conversations().read_attachment(&attachment));
        if let Some(content) = heard(notes, "attachment", content) {
            assert_eq!(content, b"attached");
        }
    }
    let watching = async {
        let mut watch = hub.watch(&id, &ana(), Cursor::default()).await?;
        let mut seen = Vec::new();
        while let Some(event) = watch.next().await? {
            if let Event::Message { message, .. } = event {
                seen.push(*message);
            }
        }
        Ok(texts(seen))
    };
    // One that waits for the end of a run which the storage says is not over waits, as it should.
    let patience = async {
        SystemClock.sleep(Duration::from_millis(500)).await;
        Err(Error::Cancelled)
    };
    if let Some(seen) = heard(notes, "watch", block_on(future::or(watching, patience))) {
        notes.lock().unwrap().watched = seen;
    }
    // A session that is cut off says so to nobody but the record.
    let ended = run.sessions.iter().filter(|session| !session.reason.is_empty());
    notes.lock().unwrap().ended.extend(ended.map(|session| session.reason.clone()));
}

/// Runs the story over a lying storage, and looks at what is left with an honest one. How often it lied, how often it was
/// asked, and for what.
fn lied_to(scene: &Scene, lie: Lie, about: Request, when: When) -> (u64, u64, BTreeSet<String>) {
    let memory = MemoryStorage::new();
    let liar = Liar {
        inner: memory.clone(),
        lie,
        about,
        when: when.clone(),
        asked: Arc::default(),
        lied: Arc::default(),
        classes: Arc::default(),
    };
    let seen = liar.clone();
    let asked = move || {
        let classes = std::mem::take(&mut *seen.classes.lock().unwrap());
        (seen.lied.load(Ordering::SeqCst), seen.asked.load(Ordering::SeqCst), classes)
    };
    let notes: Notes = Arc::default();
    let (noted, over) = (Arc::clone(&notes), super::cast::Signal::default());
    let (done, scene) = (over.clone(), scene.copy());
    let context = format!("{lie:?} of {about:?} {when:?}");
    let telling = std::thread::spawn(move || {
        story(liar, &noted, &scene);
        done.give();
    });
    super::cast::wait_until(&context, || over.given() || telling.is_finished());
    assert!(telling.join().is_ok(), "{context}: it panicked");
    let told = std::mem::take(&mut *notes.lock().unwrap());
    for (what, kind, text) in &told.errors {
        let typed = matches!(
            kind,
            ErrorKind::Storage
                | ErrorKind::Corrupt
                | ErrorKind::Format
                | ErrorKind::NotFound
                | ErrorKind::BlobMissing
                | ErrorKind::Truncated
                | ErrorKind::Fenced
                | ErrorKind::Leased
                | ErrorKind::WrongState
                | ErrorKind::Cancelled
                | ErrorKind::InvalidArgument
                | ErrorKind::Limit
        );
        assert!(typed, "{context}: {what}: {kind} {text}");
    }
    let Some(run) = told.run else {
        assert!(!told.errors.is_empty(), "{context}: no run, and no word of it");
        return asked();
    };
    let clock = Jumpy::default();
    let mine = clock.clone();
    let honest = Bench::over(memory, move |builder| builder.clock(Arc::new(mine.clone())));
    let truth = block_on(async {
        let run = honest.hub.run(&run, &ana()).await?;
        honest.hub.conversations().messages(&run.conversation.unwrap(), 0, 100).await
    });
    // A word of it: an error, or an end that is recorded with its reason.
    let word = !told.errors.is_empty() || !told.ended.is_empty();
    match truth {
        Ok(truth) => {
            let truth = texts(truth);
            for text in &told.stored {
                let count = truth.iter().filter(|there| *there == text).count();
                assert!(count == 1 || (count == 0 && word), "{context}: {count} of {text} in {truth:?}");
            }
            for read in told.read.iter().chain([&told.watched]) {
                assert!(truth.starts_with(read) || word, "{context}: read {read:?}, and there is {truth:?}");
            }
        }
        // What is not there is said to be missing, to whoever looks.
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt), "{context}: {error}")
        }
    }
    if let Some(number) = told.checkpoint {
        let left = block_on(honest.hub.result(&run, &ana()));
        let left = left.ok().flatten().and_then(|state| {
            state.read("app", &"work.txt".into(), handoff_core::snapshot::Layer::Worktree).ok()?
        });
        let left: Option<u64> = left.and_then(|text| String::from_utf8(text).ok()?.parse().ok());
        assert!(left >= Some(number) || word, "{context}: {left:?} is left of {number}");
        if let Some(pulled) = &told.pulled {
            let pulled: u64 = String::from_utf8(pulled.clone()).unwrap().parse().unwrap();
            assert!((10..=22).contains(&pulled), "{context}: {pulled} came home");
        }
    }
    if let Some(deleted) = told.deleted {
        let gone = block_on(honest.hub.run(&deleted, &ana()));
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{context}: {gone:?}");
    }
    asked()
}

/// All the ways to tell one lie. How often it was told.
fn told_in_every_way(lie: Lie, about: Request) -> u64 {
    let all = std::env::var_os("HANDOFF_KILL_ALL").is_some();
    let scene = Scene::new(about == Request::Stream);
    let (_, asked, classes) = lied_to(&scene, lie, about, When::Once(u64::MAX));
    assert!(asked > 0, "{about:?} is never asked for");
    let step = if all { 1 } else { asked };
    let mut lies = 0;
    for at in (step / 2..asked).step_by(step as usize) {
        lies += lied_to(&scene, lie, about, When::Once(at)).0;
    }
    for below in classes {
        lies += lied_to(&scene, lie, about, When::Always(below)).0;
    }
    assert!(lies > 0, "{lie:?} is never told");
    lies
}

#[test]
fn a_storage_that_lies_is_caught_or_does_no_harm() {
    let rows = Mutex::new(LIES.to_vec());
    let told = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some((lie, about)) = rows.lock().unwrap().pop() else { return };
                    told.fetch_add(told_in_every_way(lie, about), Ordering::SeqCst);
                }
            });
        }
    });
    println!("{} lies", told.load(Ordering::SeqCst));
}
