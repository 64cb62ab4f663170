#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod broken_off;
mod deleted;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_lite::future::block_on;

use super::{CollectAction, CollectOptions, Collected, GarbageKind};
use crate::capture::{CaptureOptions, capture};
use crate::clock::{Clock, SystemClock};
use crate::conformance::{Counting, Fault, Faulty};
use crate::conversation::{ForkPoint, Message};
use crate::environment::Environment;
use crate::error::ErrorKind;
use crate::handoff::{AppendRequest, Handoff, HandoffBuilder, StartRequest, WorkspaceSource};
use crate::id::ActorId;
use crate::run::SnapshotRef;
use crate::runtime::QueueRuntime;
use crate::snapshot::Snapshot;
use crate::storage::{DirOptions, DirStorage, Key, MemoryStorage, Storage};
use crate::workspace::Workspace;

const DAY: u64 = 24 * 3600;

/// The machine's clock, set forward by a test.
#[derive(Clone, Default)]
struct Forward(Arc<AtomicU64>);

impl Forward {
    fn days(&self, days: u64) {
        self.0.fetch_add(days * DAY, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Forward {
    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn now(&self) -> SystemTime {
        SystemClock.now() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}

struct Scene {
    _dir: tempfile::TempDir,
    laptop: std::path::PathBuf,
    memory: MemoryStorage,
    clock: Forward,
    hub: Handoff,
}

fn hub(storage: Arc<dyn Storage>, clock: &Forward) -> Handoff {
    let queue =
        QueueRuntime::new(Arc::clone(&storage), "q", vec![Environment::new("cloud".parse().unwrap())]);
    HandoffBuilder::new(storage).clock(Arc::new(clock.clone())).hub(Arc::new(queue.unwrap()))
}

fn ana() -> ActorId {
    "ana".parse().unwrap()
}

impl Scene {
    fn new() -> Self {
        let (dir, laptop, _) = crate::testing::laptop_and_cloud().unwrap();
        let clock = Forward::default();
        let memory = MemoryStorage::with_clock(Arc::new(clock.clone()));
        let hub = hub(Arc::new(memory.clone()), &clock);
        Self { _dir: dir, laptop, memory, clock, hub }
    }

    fn state(&self, text: &str) -> Snapshot {
        std::fs::write(self.laptop.join("state.txt"), text).unwrap();
        capture(&Workspace::new([&self.laptop]).unwrap(), &CaptureOptions::default()).unwrap()
    }

    fn save(&self, text: &str, parent: Option<&SnapshotRef>) -> SnapshotRef {
        block_on(self.hub.snapshots().save(&self.state(text), parent)).unwrap().reference
    }

    fn start(&self, workspace: WorkspaceSource) -> crate::run::Run {
        let mut request = StartRequest::new(ana(), "cloud".parse().unwrap(), "go");
        request.workspace = workspace;
        request.attachments = vec![("note".into(), String::new(), b"attached to the prompt".into())];
        let started = block_on(self.hub.start(request)).unwrap();
        block_on(self.hub.run(&started.run, &ana())).unwrap()
    }

    fn collect(&self) -> Collected {
        block_on(self.hub.collect(&CollectOptions::default())).unwrap()
    }

    /// As many passes as anything takes to go.
    fn collect_all(&self) -> Vec<GarbageKind> {
        let mut removed = Vec::new();
        for _ in 0..5 {
            self.clock.days(2);
            removed.extend(self.collect().removed.into_iter().map(|garbage| garbage.kind));
        }
        removed
    }

    fn keys(&self, prefix: &str) -> Vec<Key> {
        let listed = block_on(self.memory.list(&prefix.parse().unwrap(), None, 100_000)).unwrap();
        listed.into_iter().map(|meta| meta.key).collect()
    }
}

#[test]
fn garbage_goes_in_two_steps_and_what_a_run_names_stays() {
    let scene = Scene::new();
    let run = scene.start(WorkspaceSource::Snapshot(scene.state("of the run")));
    let orphan = scene.save("of nobody", None);
    assert_eq!(scene.collect().condemned, [], "all of it is young");
    scene.clock.days(2);
    let first = scene.collect();
    assert_eq!((first.removed.len(), first.condemned.len()), (0, 1), "{first}");
    assert_eq!((&first.condemned[0].key, &first.condemned[0].kind), (&orphan.key, &GarbageKind::Snapshot));
    let early = scene.collect();
    assert!(early.wait.is_some_and(|wait| wait <= Duration::from_secs(DAY)), "{early}");
    scene.clock.days(1);
    let second = scene.collect();
    assert_eq!(second.removed.iter().map(|one| &one.key).collect::<Vec<_>>(), [&orphan.key]);
    assert_eq!(second.condemned.len(), 1, "its pack, which nothing names any more: {second:?}");
    scene.clock.days(1);
    assert_eq!(scene.collect().removed, second.condemned);
    assert_eq!((scene.keys("s").len(), scene.keys("k").len()), (1, 1));
    let reference = run.sessions[0].snapshot_in.clone().unwrap();
    block_on(scene.hub.snapshots().load(&reference)).unwrap();
    let error = block_on(scene.hub.snapshots().load(&orphan)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_preview_says_what_goes_and_writes_nothing() {
    let scene = Scene::new();
    scene.save("of nobody", None);
    scene.clock.days(2);
    let preview = || {
        let options = CollectOptions { action: CollectAction::Preview, ..CollectOptions::default() };
        let before = ["s", "k", "g", "probe"].map(|prefix| scene.keys(prefix));
        let collected = block_on(scene.hub.collect(&options)).unwrap();
        assert_eq!(["s", "k", "g", "probe"].map(|prefix| scene.keys(prefix)), before);
        collected
    };
    for _ in 0..4 {
        let said = preview();
        assert_eq!(scene.collect(), said);
        scene.clock.days(2);
    }
    assert_eq!(scene.keys("k"), []);
}

#[test]
fn a_state_outlives_its_parent_and_one_that_is_condemned_can_be_built_on() {
    let scene = Scene::new();
    let parent = scene.save("one", None);
    scene.clock.days(2);
    assert_eq!(scene.collect().condemned.len(), 1);
    // Condemned, and still there: the contents of the new one are the old one's.
    let snapshot = scene.state("one");
    let stored = block_on(scene.hub.snapshots().save(&snapshot, Some(&parent))).unwrap();
    assert_eq!(stored.new_blobs, 0);
    let run = scene.start(WorkspaceSource::Stored(stored.reference));
    scene.collect_all();
    assert_eq!(scene.keys("s").len(), 1, "only the run's own");
    let reference = run.sessions[0].snapshot_in.clone().unwrap();
    assert_eq!(block_on(scene.hub.snapshots().load(&reference)).unwrap().id(), snapshot.id());
}

#[test]
fn a_run_that_begins_with_a_stored_state_has_a_record_of_its_own() {
    let scene = Scene::new();
    let orphan = scene.save("one", None);
    let run = scene.start(WorkspaceSource::Stored(orphan.clone()));
    let reference = run.sessions[0].snapshot_in.clone().unwrap();
    assert_eq!(reference.id, orphan.id);
    assert_ne!(reference.key, orphan.key);
    scene.collect_all();
    assert_eq!(scene.keys("s"), [reference.key]);
    // One that is gone is said before anything moves.
    let mut request = StartRequest::new(ana(), "cloud".parse().unwrap(), "go");
    request.workspace = WorkspaceSource::Stored(orphan);
    let runs = scene.keys("r").len();
    assert_eq!(block_on(scene.hub.start(request)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(scene.keys("r").len(), runs);
}

#[test]
fn what_took_too_long_is_not_named_by_a_run() {
    let scene = Scene::new();
    let snapshots = scene.hub.snapshots();
    let begun = snapshots.begin();
    scene.clock.days(1);
    assert_eq!(snapshots.in_time(begun).unwrap_err().kind(), ErrorKind::TimedOut);
    snapshots.in_time(snapshots.begin()).unwrap();
}

#[test]
fn kept_states_and_forked_conversations_stay_with_their_attachments() {
    let scene = Scene::new();
    let kept = scene.save("kept", None);
    let conversations = scene.hub.conversations();
    let attach = |text: &str| block_on(conversations.attach("a", "", text.into())).unwrap();
    let say = |id: &crate::id::ConversationId, attachment| {
        let mut message = Message::user("look");
        message.attachments = vec![attachment];
        block_on(conversations.append(id, AppendRequest::new(vec![message]))).unwrap();
    };
    let source = block_on(conversations.create(&ana())).unwrap().id;
    say(&source, attach("of the source"));
    let fork = block_on(conversations.fork(&source, &ForkPoint::Head, &ana())).unwrap().id;
    say(&fork, attach("of the fork"));
    scene.start(WorkspaceSource::None);
    attach("never named");
    let options = CollectOptions { keep: vec![kept.clone()], ..CollectOptions::default() };
    let mut removed = Vec::new();
    for _ in 0..4 {
        scene.clock.days(2);
        removed.extend(block_on(scene.hub.collect(&options)).unwrap().removed);
    }
    assert_eq!(removed.iter().map(|one| &one.kind).collect::<Vec<_>>(), [&GarbageKind::Attachment]);
    assert_eq!(removed[0].size, 11);
    block_on(scene.hub.snapshots().load(&kept)).unwrap();
    let messages = block_on(conversations.messages(&fork, 0, 10)).unwrap();
    let read = |message: &Message| {
        String::from_utf8(block_on(conversations.read_attachment(&message.attachments[0])).unwrap()).unwrap()
    };
    assert_eq!(messages.iter().map(read).collect::<Vec<_>>(), ["of the source", "of the fork"]);
    assert_eq!(scene.keys("a").len(), 3, "also the one that only waits in an inbox");
}

#[test]
fn old_claims_and_probes_go_and_young_ones_stay() {
    let scene = Scene::new();
    let call = |key: &str| {
        let mut request = StartRequest::new(ana(), "cloud".parse().unwrap(), "go");
        request.idempotency_key = Some(key.to_owned());
        block_on(scene.hub.start(request)).unwrap()
    };
    let old = call("old");
    block_on(scene.memory.put(&"probe/left/over".parse().unwrap(), "x".into())).unwrap();
    scene.clock.days(5);
    let young = call("young");
    assert_eq!(
        scene.collect().removed.iter().map(|one| &one.kind).collect::<Vec<_>>(),
        [&GarbageKind::Probe]
    );
    scene.clock.days(3);
    assert_eq!(
        scene.collect().removed.iter().map(|one| &one.kind).collect::<Vec<_>>(),
        [&GarbageKind::Claim]
    );
    assert_eq!(call("young"), young);
    assert_ne!(call("old"), old);
}

#[test]
fn what_cannot_be_read_stops_the_collection_and_is_named() {
    let scene = Scene::new();
    let run = scene.start(WorkspaceSource::Snapshot(scene.state("of the run")));
    scene.save("of nobody", None);
    scene.clock.days(2);
    assert_eq!(scene.collect().condemned.len(), 1);
    scene.clock.days(2);
    let damage = |key: &Key| {
        let body = block_on(scene.memory.get(key, None)).unwrap().unwrap();
        block_on(scene.memory.put(key, body.slice(..body.len() - 1))).unwrap();
        let collected = scene.collect();
        assert_eq!((collected.removed.len(), collected.condemned.len()), (0, 0));
        assert_eq!(collected.unreadable.len(), 1);
        let said = (collected.unreadable[0].clone(), collected.to_string());
        block_on(scene.memory.put(key, body)).unwrap();
        said
    };
    let (what, said) = damage(&format!("r/{}/l/00000000", run.id).parse().unwrap());
    assert!(what.contains(&run.id.to_string()) && said.contains("nothing was removed"), "{what} {said}");
    let record = run.sessions[0].snapshot_in.clone().unwrap().key;
    assert!(damage(&record).0.contains(record.as_str()));
    scene.clock.days(2);
    // What was written again is young again; the rest is condemned as before.
    assert_eq!(scene.collect().removed.len(), 1);
}

#[test]
fn a_list_that_cannot_be_read_condemns_nothing() {
    let scene = Scene::new();
    scene.save("of nobody", None);
    scene.clock.days(2);
    assert_eq!(scene.collect().condemned.len(), 1);
    block_on(scene.memory.put(&scene.keys("g")[0], "damaged".into())).unwrap();
    scene.clock.days(2);
    let collected = scene.collect();
    assert_eq!((collected.removed.len(), collected.condemned.len()), (0, 1), "{collected}");
    scene.clock.days(2);
    assert_eq!(scene.collect().removed.len(), 1);
}

#[test]
fn a_short_grace_and_a_cancelled_pass_are_refused() {
    let scene = Scene::new();
    let hour = Duration::from_secs(3600);
    let short = CollectOptions { grace: hour, ..CollectOptions::default() };
    assert_eq!(block_on(scene.hub.collect(&short)).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let claims = CollectOptions { claims: hour, ..CollectOptions::default() };
    assert_eq!(block_on(scene.hub.collect(&claims)).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let cancelled = CollectOptions::default();
    cancelled.cancel.cancel();
    assert_eq!(block_on(scene.hub.collect(&cancelled)).unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn a_pass_lists_what_lies_below_a_run_no_further_than_it_must() {
    let scene = Scene::new();
    let mut runs: Vec<_> = (0..3).map(|_| scene.start(WorkspaceSource::None).id.to_string()).collect();
    runs.sort();
    for number in 0..2_500 {
        let key = format!("r/{}/in/{:08}", runs[1], number + 10).parse().unwrap();
        block_on(scene.memory.put(&key, "x".into())).unwrap();
    }
    let counting = Counting::new(Arc::new(scene.memory.clone()));
    let options = CollectOptions::default();
    let storage: Arc<dyn Storage> = Arc::new(counting.clone());
    let reader = super::mark::Reader { storage: &storage, options: &options };
    let before = counting.requests();
    let children = block_on(reader.children("r")).unwrap();
    assert_eq!(children.into_iter().collect::<Vec<_>>(), runs);
    assert_eq!((counting.requests() - before).list, 2);
}

/// On files, whose times are set back as if days had passed.
#[test]
fn a_folder_is_collected_by_the_times_of_its_files() {
    let scene = Scene::new();
    let dir = tempfile::tempdir().unwrap();
    let options = DirOptions { sync: false, ..DirOptions::default() };
    let folder = DirStorage::open_with(dir.path(), &options).unwrap();
    let over = hub(Arc::new(folder), &Forward::default());
    let mut request = StartRequest::new(ana(), "cloud".parse().unwrap(), "go");
    request.workspace = WorkspaceSource::Snapshot(scene.state("of the run"));
    let started = block_on(over.start(request)).unwrap();
    block_on(over.snapshots().save(&scene.state("of nobody"), None)).unwrap();
    let mut removed = 0;
    for _ in 0..4 {
        removed += block_on(over.collect(&CollectOptions::default())).unwrap().removed.len();
        set_back(dir.path());
    }
    assert_eq!(removed, 2, "a record and its pack");
    let run = block_on(over.run(&started.run, &ana())).unwrap();
    block_on(over.snapshots().load(&run.sessions[0].snapshot_in.clone().unwrap())).unwrap();
}

fn set_back(dir: &std::path::Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            set_back(&path);
            continue;
        }
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let before = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(2 * DAY);
        file.set_modified(before).unwrap();
    }
}
