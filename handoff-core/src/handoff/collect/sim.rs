//! Collections beside everybody else, under simulated time: writers that stall for hours, build on old states, begin runs
//! from what no run names any more, and collectors that do not know of each other.
//!
//! A seed decides what everybody does and when; only the names of objects are new each time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod audit;
mod far;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::future::block_on;

use super::pass::Pass;
use super::{CollectOptions, GarbageKind, SHORTEST_GRACE};
use crate::conversation::{ForkPoint, Message};
use crate::error::{Error, ErrorKind};
use crate::handoff::runs::{Runs, Step};
use crate::handoff::world::{HostClock, Trouble, TrueClock, World};
use crate::handoff::{AppendRequest, Handoff, HandoffBuilder, Snapshots, StartRequest, WorkspaceSource};
use crate::id::{ActorId, ConversationId, RunId, SessionId};
use crate::run::{Run, Session, SnapshotRef};
use crate::storage::{Key, MemoryStorage, Storage};

use far::{Nowhere, Slow, states};

const HOUR: u64 = 3_600_000_000;

/// Who does not keep the rules, so that the test must find it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breach {
    Nobody,
    /// Writers take as long as they like.
    Writers,
    /// Collections take what is an hour old.
    Collectors,
}

#[derive(Debug, Default)]
struct Counts {
    snapshots: u64,
    packs: u64,
    attachments: u64,
    named: u64,
    shared: u64,
    late: u64,
    renewed: u64,
    gone: u64,
    audits: u64,
}

fn ana() -> ActorId {
    "ana".parse().unwrap()
}

/// Everything that the people of one schedule share.
#[derive(Clone)]
struct Scene {
    world: World,
    memory: MemoryStorage,
    breach: Breach,
    /// Every state that any run ever named.
    known: Arc<Mutex<Vec<SnapshotRef>>>,
    runs: Arc<Mutex<Vec<RunId>>>,
    conversations: Arc<Mutex<Vec<ConversationId>>>,
    counts: Arc<Mutex<Counts>>,
    /// The first thing found missing.
    lost: Arc<Mutex<Option<String>>>,
}

impl Scene {
    fn new(seed: u64, breach: Breach, counts: &Arc<Mutex<Counts>>) -> Self {
        let world = World::new(seed, Trouble::Light);
        let memory = MemoryStorage::with_clock(Arc::new(TrueClock(world.clone())));
        Self {
            world,
            memory,
            breach,
            known: Arc::default(),
            runs: Arc::default(),
            conversations: Arc::default(),
            counts: Arc::clone(counts),
            lost: Arc::default(),
        }
    }

    fn below(&self, most: u64) -> u64 {
        self.world.below(most)
    }

    fn hub(&self) -> Handoff {
        let slow = Slow { world: self.world.clone(), memory: self.memory.clone() };
        let clock = Arc::new(HostClock::new(&self.world));
        HandoffBuilder::new(Arc::new(slow)).clock(clock).hub(Arc::new(Nowhere))
    }

    fn some<T: Clone>(&self, of: &Mutex<Vec<T>>) -> Option<T> {
        let all = of.lock().unwrap();
        let at = self.below(all.len() as u64) as usize;
        all.get(at).cloned()
    }

    fn know(&self, run: &Run) {
        let states = run.sessions.iter().flat_map(|session| {
            [session.snapshot_in.clone(), session.snapshot_out.clone()].into_iter().flatten()
        });
        self.known.lock().unwrap().extend(states);
    }

    /// A host whose runs make checkpoints and go on.
    async fn host(self) {
        let hub = self.hub();
        let request = StartRequest::new(ana(), "cloud".parse().unwrap(), "go");
        let Ok(started) = hub.start(request).await else { return };
        self.runs.lock().unwrap().push(started.run);
        let mut last = None;
        for _ in 0..12 {
            self.world.pause(self.below(60 * HOUR)).await;
            if self.below(6) == 0 {
                let _ = self.next_session(&hub, &started.run).await;
            }
            // Now and then from what was the last state long ago, as one that had stopped would.
            let parent = if self.below(4) == 0 { self.some(&self.known) } else { last.clone() };
            match self.checkpoint(&hub, &started.run, parent.as_ref()).await {
                Ok(reference) => last = Some(reference),
                Err(error) if error.kind() == ErrorKind::TimedOut => self.counts.lock().unwrap().late += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// As a session does it.
    async fn checkpoint(
        &self,
        hub: &Handoff,
        run: &RunId,
        parent: Option<&SnapshotRef>,
    ) -> Result<SnapshotRef, Error> {
        let snapshots = hub.snapshots();
        let begun = snapshots.begin();
        let state = &states()[self.below(states().len() as u64) as usize];
        let careless = self.breach == Breach::Writers;
        let stored = snapshots.save(state, parent).await?;
        self.counts.lock().unwrap().shared += u64::from(stored.shared_blobs > 0);
        // Stored, and never named: killed, or fenced.
        if self.below(6) == 0 {
            return Ok(stored.reference);
        }
        if self.below(6) == 0 {
            self.world.pause(self.below(if careless { 200 } else { 14 } * HOUR)).await;
        }
        if !careless {
            snapshots.in_time(begun)?;
        }
        let reference = stored.reference;
        let step = |run: &Run| {
            let mut next = run.clone();
            next.sessions.last_mut().unwrap().snapshot_out = Some(reference.clone());
            Ok(Step::Write(Box::new(next)))
        };
        let run = hub.runs.update(run, &step).await?;
        self.know(&run);
        self.counts.lock().unwrap().named += 1;
        Ok(reference)
    }

    async fn next_session(&self, hub: &Handoff, run: &RunId) -> Result<Run, Error> {
        let step = |run: &Run| {
            let mut next = run.clone();
            let mut session = Session::queued(SessionId::new(), ana(), "more".into(), 0);
            session.snapshot_in = next.snapshot().cloned();
            next.sessions.push(session);
            Ok(Step::Write(Box::new(next)))
        };
        hub.runs.update(run, &step).await
    }

    /// Somebody who begins runs from any state ever heard of.
    async fn starter(self) {
        let hub = self.hub();
        for _ in 0..8 {
            self.world.pause(self.below(80 * HOUR)).await;
            let Some(reference) = self.some(&self.known) else { continue };
            let mut request = StartRequest::new(ana(), "cloud".parse().unwrap(), "go");
            request.workspace = WorkspaceSource::Stored(reference);
            match hub.start(request).await {
                Ok(started) => {
                    self.runs.lock().unwrap().push(started.run);
                    self.counts.lock().unwrap().renewed += 1;
                }
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::TimedOut), "{error}");
                    self.counts.lock().unwrap().gone += 1;
                }
            }
        }
    }

    /// Somebody who talks, attaches, and forks what is old.
    async fn talker(self) {
        let hub = self.hub();
        let conversations = hub.conversations();
        let mut mine = conversations.create(&ana()).await.unwrap().id;
        self.conversations.lock().unwrap().push(mine);
        for _ in 0..15 {
            self.world.pause(self.below(50 * HOUR)).await;
            if self.below(4) == 0
                && let Some(source) = self.some(&self.conversations)
            {
                mine = conversations.fork(&source, &ForkPoint::Head, &ana()).await.unwrap().id;
                self.conversations.lock().unwrap().push(mine);
            }
            // Few contents, so that many are stored again and again.
            let content = format!("content {}", self.below(6)).into_bytes();
            let attachment = conversations.attach("a", "", content).await.unwrap();
            self.world.pause(self.below(6 * HOUR)).await;
            if self.below(3) == 0 {
                continue;
            }
            let mut message = Message::user("look");
            message.attachments.push(attachment);
            conversations.append(&mine, AppendRequest::new(vec![message])).await.unwrap();
        }
    }

    async fn collector(self, passes: u64) {
        let hub = self.hub();
        let options = CollectOptions::default();
        for _ in 0..passes {
            self.world.pause(self.below(40 * HOUR)).await;
            let collected = match self.breach {
                Breach::Collectors => {
                    Pass::reckless(&hub, &options, Duration::from_secs(3600)).run().await.unwrap()
                }
                _ => hub.collect(&options).await.unwrap(),
            };
            assert!(collected.unreadable.is_empty(), "{collected}");
            let mut counts = self.counts.lock().unwrap();
            for garbage in collected.removed {
                match garbage.kind {
                    GarbageKind::Snapshot => counts.snapshots += 1,
                    GarbageKind::Pack => counts.packs += 1,
                    GarbageKind::Attachment => counts.attachments += 1,
                    _ => {}
                }
            }
        }
    }

    async fn auditor(self) {
        for _ in 0..60 {
            self.world.pause(self.below(16 * HOUR)).await;
            if let Err(what) = self.audit(false) {
                self.lost.lock().unwrap().get_or_insert(what);
            }
        }
    }
}

/// One schedule; what was lost in it, if anything.
fn schedule(seed: u64, breach: Breach, counts: &Arc<Mutex<Counts>>) -> Option<String> {
    let scene = Scene::new(seed, breach, counts);
    for _ in 0..3 {
        scene.world.spawn(scene.clone().host());
    }
    for _ in 0..2 {
        scene.world.spawn(scene.clone().starter());
        scene.world.spawn(scene.clone().talker());
        scene.world.spawn(scene.clone().collector(24));
    }
    scene.world.spawn(scene.clone().auditor());
    scene.world.run();
    if let Err(what) = scene.audit(true) {
        scene.lost.lock().unwrap().get_or_insert(what);
    }
    let lost = scene.lost.lock().unwrap().clone();
    if lost.is_some() {
        return lost.map(|what| format!("seed {seed}: {what}"));
    }
    // Once everybody is silent, everything that nothing reaches goes: a record, its packs, and each in two steps.
    for _ in 0..5 {
        let quiet = scene.clone();
        scene.world.spawn(async move {
            quiet.world.pause(SHORTEST_GRACE.as_micros() as u64 + 12 * HOUR).await;
            quiet.collector(1).await;
        });
        scene.world.run();
    }
    let storage: Arc<dyn Storage> = Arc::new(scene.memory.clone());
    let runs = Runs::new(Arc::clone(&storage));
    let mut named = BTreeSet::new();
    for run in scene.runs.lock().unwrap().iter() {
        let run = block_on(runs.load(run)).unwrap();
        for session in run.sessions {
            let states = [session.snapshot_in, session.snapshot_out].into_iter().flatten();
            named.extend(states.map(|reference| reference.key.to_string()));
        }
    }
    assert_eq!(scene.keys("s"), named, "seed {seed}: records that no run names are left");
    let mut packs = BTreeSet::new();
    for key in &named {
        let key: Key = key.parse().unwrap();
        let body = block_on(scene.memory.get(&key, None)).unwrap().unwrap();
        packs.extend(Snapshots::packs_in(&key, &body).unwrap().iter().map(ToString::to_string));
    }
    assert_eq!(scene.keys("k"), packs, "seed {seed}: packs that no record names are left");
    scene.audit(true).err()
}

fn schedules(seeds: Range<u64>) {
    let counts = Arc::default();
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    assert_eq!(schedule(seed, Breach::Nobody, &counts), None);
                }
            });
        }
    });
    let counts = counts.lock().unwrap();
    // What is never met is not tested.
    let all = [
        counts.snapshots,
        counts.packs,
        counts.attachments,
        counts.named,
        counts.shared,
        counts.late,
        counts.renewed,
        counts.gone,
    ];
    assert!(all.iter().all(|count| *count > (seeds.end - seeds.start) / 5), "{counts:?}");
    println!("{} schedules: {counts:?}, nothing reachable was lost", seeds.end - seeds.start);
}

#[test]
fn nothing_reachable_is_collected_in_any_schedule() {
    schedules(0..10);
}

#[test]
#[ignore = "5,000 schedules; `make torture` runs them"]
fn nothing_reachable_is_collected_in_any_of_very_many_schedules() {
    let begin = std::env::var("HANDOFF_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_000_u64);
    schedules(begin..begin + 5_000);
}

/// The audit finds losses: of writers that take too long, and of collections that do not wait.
#[test]
fn who_breaks_the_rules_is_found_out() {
    for breach in [Breach::Writers, Breach::Collectors] {
        let lost = (0..60).find_map(|seed| schedule(seed, breach, &Arc::default()));
        assert!(lost.is_some(), "{breach:?} lost nothing in 60 schedules");
    }
}
