//! Leases under simulated time: hosts that race, stall and die over a storage that delays, doubles and loses.
//!
//! Every wait is an event of a simulated world, so a schedule is decided by its seed alone and takes no real time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::live::Core;
use super::watchdog::Watchdog;
use super::{Worker, end::Captured};
use crate::agent::{ActiveSession, Agent, AgentError, AgentInfo, SessionEnd, SessionHost as _};
use crate::budget::{Budget, Usage};
use crate::clock::Clock;
use crate::conversation::Message;
use crate::error::{Error, ErrorKind};
use crate::handoff::world::{HostClock, HostStorage, Trouble, World};
use crate::handoff::{AppendRequest, Conversations, HandoffBuilder, Terms};
use crate::id::{ConversationId, EnvironmentId, RunId, SessionId};
use crate::run::{Origin, Run, RunState, Session, SessionState};
use crate::runtime::{Place, SessionSpec};
use crate::snapshot::Extra;
use crate::storage::{MemoryStorage, Storage};

const TERM: Duration = Duration::from_secs(90);

struct Nobody;

#[async_trait]
impl Agent for Nobody {
    fn describe(&self) -> AgentInfo {
        AgentInfo::native("nobody")
    }

    async fn run(&self, _: ActiveSession) -> Result<SessionEnd, AgentError> {
        Ok(SessionEnd::Succeeded)
    }
}

/// Who breaks the rules, so that the test must find it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breach {
    Nobody,
    /// A host writes with a right that it does not have.
    Host,
    /// The store lets two create one object.
    Store,
}

/// What happened in one schedule or many.
#[derive(Debug, Default)]
struct Counts {
    taken: u64,
    refused: u64,
    appended: u64,
    ended: u64,
}

/// What a storage acknowledged: the text of each message.
type Acknowledged = Arc<Mutex<Vec<String>>>;

struct Host {
    name: usize,
    world: World,
    clock: Arc<HostClock>,
    worker: Worker,
    spec: SessionSpec,
    acknowledged: Acknowledged,
    counts: Arc<Mutex<Counts>>,
    breach: Breach,
}

impl Host {
    fn below(&self, most: u64) -> u64 {
        self.world.below(most)
    }

    /// Lives on with beats, as the loop around an agent does.
    async fn live(&self, watchdog: &mut Watchdog, seconds: u64) {
        for _ in 0..seconds / 10 {
            self.clock.sleep(Duration::from_secs(10)).await;
            watchdog.look().await;
        }
    }

    async fn run(self) {
        // Far more than any schedule needs; one that does not end is found by the time it takes.
        for _ in 0..4_000 {
            self.clock.sleep(Duration::from_millis(self.below(20_000))).await;
            match self.worker.take(&self.spec, &Nobody).await {
                Ok(Some(taken)) => {
                    self.counts.lock().unwrap().taken += 1;
                    let core = Core::new(&self.worker, &self.spec, &taken, Place::default()).unwrap();
                    if self.hold(Arc::new(core), taken).await.is_ok() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(_) => {}
            }
        }
    }

    async fn hold(&self, core: Arc<Core>, taken: super::begin::Taken) -> Result<(), Error> {
        let epoch = taken.session.epoch;
        let turn = self.worker.begin(&core, taken).await?;
        let mut watchdog = Watchdog::new(Arc::clone(&core));
        for number in 0..2 + self.below(4) {
            match self.below(20) {
                // Stopped as a whole for up to three terms, and not aware of it.
                0..=3 => self.clock.sleep(TERM.mul_f64(0.5 + self.below(250) as f64 / 100.0)).await,
                // Killed.
                4 => return Err(Error::Cancelled),
                _ => self.live(&mut watchdog, self.below(60)).await,
            }
            let text = format!("host {} epoch {epoch} number {number}", self.name);
            let messages = vec![Message::assistant(text.clone())];
            let appended = match (self.breach, &core.conversation) {
                (Breach::Host, Some(id)) => {
                    let request = AppendRequest { epoch: u64::MAX, ..AppendRequest::new(messages) };
                    self.worker.conversations.append(id, request).await.map(drop)
                }
                _ => turn.append(messages).await,
            };
            match appended {
                Ok(()) => {
                    self.acknowledged.lock().unwrap().push(text);
                    self.counts.lock().unwrap().appended += 1;
                }
                Err(error) if error.kind() == ErrorKind::Fenced => {
                    self.counts.lock().unwrap().refused += 1;
                    // Even one that does not listen gets nothing written.
                    if self.below(2) == 0 {
                        return Err(error);
                    }
                }
                Err(_) => {}
            }
            turn.usage(Usage::of("steps", number)).await?;
        }
        let captured: Captured = Err("nothing to capture".to_owned());
        self.worker.record_end(&core, SessionState::Succeeded, String::new(), captured).await?;
        self.counts.lock().unwrap().ended += 1;
        Ok(())
    }
}

struct Scene {
    memory: MemoryStorage,
    run: RunId,
    conversation: ConversationId,
    spec: SessionSpec,
}

fn scene() -> Scene {
    let memory = MemoryStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let owner: crate::id::ActorId = "ana".parse().unwrap();
    let environment: EnvironmentId = "cloud".parse().unwrap();
    let (run, session, conversation) = (RunId::new(), SessionId::new(), ConversationId::new());
    let worker = Worker::new(Arc::clone(&storage));
    let record = Run {
        id: run,
        task: String::new(),
        creator: owner.clone(),
        team: None,
        origin: Origin::Cloud,
        source: None,
        environment: environment.clone(),
        model: None,
        conversation: Some(conversation),
        fresh: None,
        state: RunState::Queued,
        epoch: 0,
        sessions: vec![Session::queued(session, owner.clone(), "go".into(), 0)],
        budget: Budget::default(),
        question: None,
        parent: None,
        created: 0,
        extra: Extra::new(),
    };
    futures_lite::future::block_on(async {
        Conversations::new(storage).create_as(conversation, &owner).await.unwrap();
        worker.runs.create(record).await.unwrap();
    });
    Scene { memory, run, conversation, spec: SessionSpec::new(run, session, environment) }
}

fn worker(world: &World, memory: &MemoryStorage, name: usize, breach: Breach) -> (Arc<HostClock>, Worker) {
    let clock = Arc::new(HostClock::new(world));
    let storage = HostStorage::new(world, memory.clone(), name);
    let storage = if breach == Breach::Store { storage.overwriting() } else { storage };
    let terms = Terms { lease: TERM, checkpoint: None, ..Terms::default() };
    let builder = HandoffBuilder::new(Arc::new(storage)).terms(terms);
    (Arc::clone(&clock), builder.clock(clock).worker())
}

/// The bodies of a log, as JSON, in order.
fn log(memory: &MemoryStorage, prefix: &str) -> Vec<Value> {
    let prefix = prefix.parse().unwrap();
    let keys = futures_lite::future::block_on(memory.list(&prefix, None, 100_000)).unwrap();
    let body = |meta: &crate::storage::Meta| {
        let body = futures_lite::future::block_on(memory.get(&meta.key, None)).unwrap().unwrap();
        crate::record::decode::<Value>("a record", &body).unwrap()
    };
    keys.iter().map(body).collect()
}

fn schedule(seed: u64, breach: Breach, counts: &Arc<Mutex<Counts>>) {
    let world = World::new(seed, Trouble::Heavy);
    let scene = scene();
    let acknowledged = Acknowledged::default();
    for name in 0..2 + world.below(3) as usize {
        let (clock, worker) = worker(&world, &scene.memory, name, breach);
        let host = Host {
            name,
            clock,
            worker,
            world: world.clone(),
            spec: scene.spec.clone(),
            acknowledged: Arc::clone(&acknowledged),
            counts: Arc::clone(counts),
            breach,
        };
        world.spawn(host.run());
    }
    world.run();

    let mut highest = 0;
    let mut texts = BTreeMap::<String, u32>::new();
    let mut holders = BTreeMap::<String, String>::new();
    for entry in log(&scene.memory, &format!("c/{}/l", scene.conversation)) {
        let epoch = entry["epoch"].as_u64().unwrap();
        assert!(epoch >= highest, "seed {seed}: a stale holder wrote with {epoch} after {highest}");
        highest = epoch;
        for message in entry["messages"].as_array().into_iter().flatten() {
            let text = message["text"].as_str().unwrap_or_default().to_owned();
            if let Some((host, rest)) = text.split_once(" epoch ") {
                let (by, _) = rest.split_once(" number ").unwrap();
                assert_eq!(by, epoch.to_string(), "seed {seed}: {text} stands with another's right");
                let holder = holders.entry(by.to_owned()).or_insert_with(|| host.to_owned());
                assert_eq!(holder, host, "seed {seed}: two hosts held epoch {by}");
            }
            *texts.entry(text).or_default() += 1;
        }
    }
    for (text, count) in &texts {
        assert!(text.starts_with("This is session") || *count == 1, "seed {seed}: {text} {count} times");
    }
    for text in acknowledged.lock().unwrap().iter() {
        assert!(texts.contains_key(text), "seed {seed}: {text} was acknowledged and is lost");
    }
    let mut before = (0, false);
    for record in log(&scene.memory, &format!("r/{}/l", scene.run)) {
        let epoch = record["run"]["epoch"].as_u64().unwrap();
        assert!(!before.1, "seed {seed}: something was written after the end");
        assert!(epoch >= before.0, "seed {seed}: a stale holder wrote the run's record");
        before = (epoch, record["run"]["state"] == "succeeded");
    }
}

fn schedules(count: u64) {
    let counts = Arc::default();
    let begin = std::env::var("HANDOFF_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    let next = std::sync::atomic::AtomicU64::new(begin);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= begin + count {
                        break;
                    }
                    schedule(seed, Breach::Nobody, &counts);
                }
            });
        }
    });
    let counts = counts.lock().unwrap();
    // What is never met is not tested.
    assert!(counts.taken > count && counts.refused > count / 20 && counts.ended > count / 4, "{counts:?}");
    println!("{count} schedules: {counts:?}, 0 writes of a stale holder accepted");
}

#[test]
fn a_stale_holder_writes_nothing_in_any_schedule() {
    schedules(400);
}

#[test]
#[ignore = "100,000 schedules; `make torture` runs them"]
fn a_stale_holder_writes_nothing_in_any_of_very_many_schedules() {
    schedules(100_000);
}

/// The checks of a schedule find out who breaks the rules.
#[test]
fn a_breach_is_found_out() {
    for breach in [Breach::Host, Breach::Store] {
        let found = (0..200)
            .any(|seed| std::panic::catch_unwind(|| schedule(seed, breach, &Arc::default())).is_err());
        assert!(found, "{breach:?} was not found out in 200 schedules");
    }
}

/// One holder dies at some moment; the other looks five times a second.
#[test]
fn a_run_is_taken_over_within_a_term_and_a_second() {
    for seed in 0..200 {
        let world = World::new(seed, Trouble::Light);
        let scene = scene();
        let (clock, first) = worker(&world, &scene.memory, 0, Breach::Nobody);
        let (spec, chance) = (scene.spec.clone(), world.clone());
        world.spawn(async move {
            let Ok(Some(taken)) = first.take(&spec, &Nobody).await else { return };
            let Ok(core) = Core::new(&first, &spec, &taken, Place::default()) else { return };
            let mut watchdog = Watchdog::new(Arc::new(core));
            for _ in 0..chance.below(30) {
                clock.sleep(Duration::from_millis(chance.below(10_000))).await;
                watchdog.look().await;
            }
        });
        let (clock, second) = worker(&world, &scene.memory, 1, Breach::Nobody);
        let (spec, at, now) = (scene.spec.clone(), Arc::new(Mutex::new(None)), world.clone());
        let took = Arc::clone(&at);
        world.spawn(async move {
            clock.sleep(Duration::from_secs(5)).await;
            loop {
                if let Ok(Some(_)) = second.take(&spec, &Nobody).await {
                    *took.lock().unwrap() = Some(now.now());
                    return;
                }
                clock.sleep(Duration::from_millis(200)).await;
            }
        });
        world.run();
        let taken = at.lock().unwrap().unwrap();
        let sign = world.last_sign_of(0).max(Duration::from_secs(5));
        assert!(
            taken <= sign + TERM + Duration::from_secs(1),
            "seed {seed}: {:?} after {sign:?}",
            taken - sign
        );
        if !world.last_sign_of(0).is_zero() {
            assert!(
                taken + Duration::from_millis(500) >= sign + TERM,
                "seed {seed}: before a term of silence"
            );
        }
    }
}
