//! A storage that lies: it gives other bytes than were written, leaves out what it lists, and says that it has done what
//! it has not. Whatever it lies about, each call ends with the truth or with a typed error, and what was said to be
//! stored is there, or somebody was told otherwise.
//!
//! A sample of the requests by default; `HANDOFF_KILL_ALL=1` lets it lie at every one.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::future;
use handoff_core::storage::BodyStream;
use handoff_core::{
    Clock as _, CollectOptions, ContinueRequest, Continued, ConversationSource, Cursor, Error, ErrorKind,
    Event, Key, ListRequest, MemoryStorage, Message, Meta, Place, PullRequest, PutNew, Role, RunId,
    RunSession as _, SessionId, SessionSpec, Snapshot, StartRequest, Storage, StorageError, SystemClock,
    WorkspaceSource,
};

use super::cast::Bench;
use super::faults::Jumpy;
use super::stage::{acting, ana, block_on, environment, file, terms};
use crate::support::repo::{Format, Repo, scratch_in_memory};

/// A lie, which is one about one sort of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// One byte is another.
    Flipped,
    /// The body of another object, whole.
    Foreign,
    /// The first half.
    Cut,
    /// Bytes behind the end.
    Longer,
    /// There is no such object.
    Nothing,
    /// A list without its first.
    LeftOut,
    /// A list of nothing.
    Empty,
    /// A list with each of its objects twice.
    Twice,
    /// A list backwards.
    Backwards,
    /// A list that ends with an object of somewhere else.
    Beyond,
    /// A list that begins at the beginning, whatever it was to begin after.
    FromTheBeginning,
    /// A list of more than was asked for.
    Unlimited,
    /// A creation that is said to be done, and is not.
    NotCreated,
    /// A creation that is said to be done, and found another object there.
    WasThere,
    /// A creation that is said to have found another, and found none.
    WasNotThere,
    /// A write that is said to be done, and is not.
    NotWritten,
    /// A stream that is said to be stored, and is not.
    NotStreamed,
    /// The first half of a stream is stored.
    HalfStreamed,
    /// A removal that is said to be done, and is not.
    NotDeleted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Get,
    List,
    Create,
    Put,
    Stream,
    Delete,
}

const LIES: [(Lie, Request); 19] = [
    (Lie::Flipped, Request::Get),
    (Lie::Foreign, Request::Get),
    (Lie::Cut, Request::Get),
    (Lie::Longer, Request::Get),
    (Lie::Nothing, Request::Get),
    (Lie::LeftOut, Request::List),
    (Lie::Empty, Request::List),
    (Lie::Twice, Request::List),
    (Lie::Backwards, Request::List),
    (Lie::Beyond, Request::List),
    (Lie::FromTheBeginning, Request::List),
    (Lie::Unlimited, Request::List),
    (Lie::NotCreated, Request::Create),
    (Lie::WasThere, Request::Create),
    (Lie::WasNotThere, Request::Create),
    (Lie::NotWritten, Request::Put),
    (Lie::NotStreamed, Request::Stream),
    (Lie::HalfStreamed, Request::Stream),
    (Lie::NotDeleted, Request::Delete),
];

/// When it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    /// At one request of that sort, by its number.
    Once(u64),
    /// At every one for an object below this.
    Always(String),
}

/// A storage that lies.
#[derive(Clone)]
struct Liar {
    inner: MemoryStorage,
    lie: Lie,
    about: Request,
    when: When,
    /// Requests of the sort that it lies about, and lies.
    asked: Arc<AtomicU64>,
    lied: Arc<AtomicU64>,
    /// What its requests of that sort were for, by the first part of the name.
    classes: Arc<Mutex<BTreeSet<String>>>,
}

impl Liar {
    fn now(&self, request: Request, key: &Key) -> Option<Lie> {
        if request != self.about {
            return None;
        }
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let class = key.as_str().split('/').next().unwrap();
        self.classes.lock().unwrap().insert(class.to_owned());
        let now = match &self.when {
            When::Once(at) => *at == number,
            When::Always(below) => class == below,
        };
        now.then_some(self.lie).inspect(|_| {
            self.lied.fetch_add(1, Ordering::SeqCst);
        })
    }

    /// The body of an object that has a name like this one's, as a cache that mixes them up would give.
    async fn foreign(&self, key: &Key) -> Result<Option<Bytes>, StorageError> {
        let parts: Vec<_> = key.as_str().split('/').collect();
        // These do not say whose they are, so that one whole and undamaged in place of another is believed: docs/limits.md.
        if matches!(parts.as_slice(), ["r", _, "in", _] | ["c", _, "l", _]) {
            return self.inner.get(key, None).await;
        }
        let class: Key = parts[0].parse().unwrap();
        let all = self.inner.list(&class, None, usize::MAX).await?;
        let like = |meta: &&Meta| {
            let parts = meta.key.as_str().split('/').count() == key.as_str().split('/').count();
            parts && meta.key != *key
        };
        match all.iter().rev().find(like) {
            Some(meta) => self.inner.get(&meta.key, None).await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Storage for Liar {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        match self.now(Request::Create, key) {
            Some(Lie::NotCreated) => return Ok(PutNew::Created),
            Some(Lie::WasNotThere) => return Ok(PutNew::Exists),
            Some(Lie::WasThere) => {
                self.inner.put_new(key, body).await?;
                return Ok(PutNew::Created);
            }
            _ => {}
        }
        self.inner.put_new(key, body).await
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        if self.now(Request::Put, key).is_some() {
            return Ok(());
        }
        self.inner.put(key, body).await
    }

    async fn put_stream(&self, key: &Key, mut body: BodyStream) -> Result<(), StorageError> {
        match self.now(Request::Stream, key) {
            Some(lie) => {
                let mut whole = Vec::new();
                while let Some(piece) = futures_lite::StreamExt::next(&mut body).await {
                    whole.extend_from_slice(&piece.map_err(|error| StorageError::new(error.to_string()))?);
                }
                if lie == Lie::NotStreamed {
                    return Ok(());
                }
                whole.truncate(whole.len() / 2);
                self.inner.put_new(key, whole.into()).await.map(drop)
            }
            None => self.inner.put_stream(key, body).await,
        }
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let lie = self.now(Request::Get, key);
        let truth = self.inner.get(key, range).await?;
        let Some(body) = &truth else {
            return if lie == Some(Lie::Foreign) { self.foreign(key).await } else { Ok(None) };
        };
        let mut other = body.to_vec();
        match lie {
            Some(Lie::Flipped) if other.is_empty() => other.push(b'x'),
            Some(Lie::Flipped) => {
                let middle = other.len() / 2;
                other[middle] ^= 1;
            }
            Some(Lie::Foreign) => return self.foreign(key).await,
            Some(Lie::Cut) => other.truncate(other.len() / 2),
            Some(Lie::Longer) => other.extend_from_slice(b"more"),
            Some(Lie::Nothing) => return Ok(None),
            _ => {}
        }
        Ok(Some(other.into()))
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        let lie = self.now(Request::List, prefix);
        let after = if lie == Some(Lie::FromTheBeginning) { None } else { after };
        let limit = if lie == Some(Lie::Unlimited) { usize::MAX } else { limit };
        let mut listed = self.inner.list(prefix, after, limit).await?;
        match lie {
            Some(Lie::LeftOut) if !listed.is_empty() => drop(listed.remove(0)),
            Some(Lie::Empty) => listed.clear(),
            Some(Lie::Twice) => listed = listed.into_iter().flat_map(|meta| [meta.clone(), meta]).collect(),
            Some(Lie::Backwards) => listed.reverse(),
            Some(Lie::Beyond) => {
                listed.push(Meta::new("zz/of-somebody-else".parse().unwrap(), 1, SystemClock.now()));
            }
            _ => {}
        }
        Ok(listed)
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        if keys.first().is_some_and(|key| self.now(Request::Delete, key).is_some()) {
            return Ok(());
        }
        self.inner.delete(keys).await
    }
}

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
