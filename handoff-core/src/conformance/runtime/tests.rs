#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_lite::future::block_on;

use super::{Setup, Subject, check, names, run};
use crate::agent::Agent;
use crate::clock::{Clock as _, SystemClock};
use crate::environment::Environment;
use crate::error::Error;
use crate::handoff::{HandoffBuilder, Worker};
use crate::id::{EnvironmentId, SessionId};
use crate::progress::CancelToken;
use crate::run::SessionState;
use crate::runtime::{
    Checkouts, LocalRuntime, Place, QueueRuntime, RunSession, Runtime, RuntimeError, SessionSpec, WorkOptions,
};

fn id() -> EnvironmentId {
    "here".parse().unwrap()
}

/// An origin, and environments that clone it.
struct Ground {
    dir: tempfile::TempDir,
    environment: Environment,
}

impl Ground {
    fn new() -> Arc<Self> {
        let (dir, laptop, _) = crate::testing::laptop_and_cloud().unwrap();
        let mut environment = Environment::new(id()).with_repo("app", laptop.to_string_lossy());
        environment.variables.insert("GREETING".into(), "hello".into());
        Arc::new(Self { dir, environment })
    }

    /// Places that nobody else has.
    fn checkouts(&self) -> Checkouts {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Checkouts::new(self.dir.path().join(format!("runs-{number}"))).with(self.environment.clone())
    }
}

#[test]
fn this_machine_keeps_the_contract() {
    let ground = Ground::new();
    let report = block_on(check(move |setup| {
        Subject::new(Arc::new(LocalRuntime::new(setup.agent, ground.checkouts())), id())
    }));
    assert!(report.passed(), "{report}");
    assert_eq!(report.cases.len(), names().count());
}

/// Workers on threads, which end with the case.
struct Workers(CancelToken, Vec<std::thread::JoinHandle<()>>);

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.cancel();
        for thread in self.1.drain(..) {
            let _ = thread.join();
        }
    }
}

fn queue(ground: &Ground, setup: &Setup, count: usize) -> Subject {
    let environments = vec![ground.environment.clone()];
    let queue = QueueRuntime::new(Arc::clone(&setup.storage), "suite", environments).unwrap();
    let options = WorkOptions { poll: Duration::from_millis(20), ..WorkOptions::default() };
    let stop = options.stop.clone();
    let threads = (0..count).map(|_| {
        let (queue, options, agent) = (queue.clone(), options.clone(), Arc::clone(&setup.agent));
        let worker = HandoffBuilder::new(Arc::clone(&setup.storage)).terms(setup.terms.clone()).worker();
        let checkouts = ground.checkouts();
        std::thread::spawn(move || {
            block_on(queue.work(&worker, &checkouts, agent, &options)).unwrap();
        })
    });
    let workers = Workers(stop, threads.collect());
    Subject::new(Arc::new(queue), id()).alongside(workers)
}

#[test]
fn a_queue_with_one_worker_and_with_three_keeps_the_contract() {
    for count in [1, 3] {
        let ground = Ground::new();
        let report = block_on(check(move |setup| queue(&ground, &setup, count)));
        assert!(report.passed(), "{count} workers\n{report}");
    }
}

#[test]
fn a_case_can_be_run_by_itself() {
    let ground = Ground::new();
    let open =
        move |setup: Setup| Subject::new(Arc::new(LocalRuntime::new(setup.agent, ground.checkouts())), id());
    let case = block_on(run("a session has a place of its own", open.clone())).unwrap();
    assert_eq!((case.clause, case.failure), (5, None));
    assert_eq!(block_on(run("no such case", open)), None);
}

/// Ways of being wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    /// A second launch of a session is an error.
    Strict,
    /// A second launch of a session is one more.
    Again,
    /// A launch waits for the session.
    Waits,
    /// An environment that cannot be prepared is passed over in silence.
    Silent,
    /// Every environment is there.
    Anywhere,
    /// An environment has another's name.
    Misnamed,
    /// Cancelling what is not there is an error.
    StrictCancel,
    /// Nudging what is not there is an error.
    StrictWake,
    /// The agent is told of no checkouts.
    NoCheckouts,
    /// All sessions share one directory.
    Shared,
    /// The environment's variables are lost.
    NoVariables,
    /// Nothing is ever run.
    Lazy,
    /// After the first session, nothing is run.
    Tired,
    /// Sessions are recorded as failed and never run.
    GivesUp,
}

struct Bad {
    good: LocalRuntime,
    agent: Arc<dyn Agent>,
    checkouts: Checkouts,
    wrong: Wrong,
    launched: Mutex<Vec<SessionId>>,
    tired: AtomicBool,
    shared: PathBuf,
}

/// Hands a place on with something wrong in it.
struct Spoiled(Arc<dyn RunSession>, Wrong, PathBuf);

#[async_trait]
impl RunSession for Spoiled {
    async fn run_session(
        &self,
        spec: &SessionSpec,
        mut place: Place,
        agent: Arc<dyn Agent>,
    ) -> Result<SessionState, Error> {
        match self.1 {
            Wrong::NoCheckouts => place.repos.clear(),
            Wrong::NoVariables => place.variables.clear(),
            Wrong::GivesUp => {
                self.0.fail_session(spec, "no").await?;
                return Ok(SessionState::Failed);
            }
            Wrong::Shared => {
                std::fs::create_dir_all(&self.2).unwrap();
                place.root.clone_from(&self.2);
                place.repos.clear();
            }
            _ => {}
        }
        self.0.run_session(spec, place, agent).await
    }

    async fn fail_session(&self, spec: &SessionSpec, reason: &str) -> Result<(), Error> {
        if self.1 == Wrong::Silent { Ok(()) } else { self.0.fail_session(spec, reason).await }
    }
}

#[async_trait]
impl Runtime for Bad {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        match self.wrong {
            Wrong::Anywhere => Ok(Environment::new(id.clone())),
            Wrong::Misnamed => {
                let mut found = self.good.environment(id).await?;
                found.id = "elsewhere".parse().unwrap();
                Ok(found)
            }
            _ => self.good.environment(id).await,
        }
    }

    async fn start(&self, spec: SessionSpec, sessions: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        let before = {
            let mut launched = self.launched.lock().unwrap();
            launched.push(spec.session);
            launched.iter().filter(|session| **session == spec.session).count() > 1
        };
        match self.wrong {
            Wrong::Strict if before => return Err(RuntimeError::new("it was launched before")),
            Wrong::Lazy => return Ok(()),
            Wrong::Tired if self.tired.swap(true, Ordering::SeqCst) => return Ok(()),
            Wrong::Again if !before => {}
            Wrong::Again | Wrong::Waits => {
                let place = self.checkouts.prepare(&spec);
                if let Ok(place) = place {
                    let _ = sessions.run_session(&spec, place, Arc::clone(&self.agent)).await;
                }
                return Ok(());
            }
            _ => {}
        }
        let spoiled = Spoiled(sessions, self.wrong, self.shared.clone());
        self.good.start(spec, Arc::new(spoiled)).await
    }

    async fn wake(&self, _: &SessionId) -> Result<(), RuntimeError> {
        if self.wrong == Wrong::StrictWake { Err(RuntimeError::new("there is none")) } else { Ok(()) }
    }

    async fn cancel(&self, session: &SessionId) -> Result<(), RuntimeError> {
        if self.wrong == Wrong::StrictCancel && !self.launched.lock().unwrap().contains(session) {
            return Err(RuntimeError::new("there is none"));
        }
        self.good.cancel(session).await
    }
}

fn bad(ground: &Ground, setup: Setup, wrong: Wrong) -> Subject {
    let checkouts = ground.checkouts();
    let good = LocalRuntime::new(Arc::clone(&setup.agent), checkouts.clone());
    let shared = ground.dir.path().join("shared");
    let bad = Bad {
        good,
        agent: setup.agent,
        checkouts,
        wrong,
        launched: Mutex::default(),
        tired: AtomicBool::new(false),
        shared,
    };
    let mut subject = Subject::new(Arc::new(bad), id());
    // What never comes is not waited for as long as what may be slow.
    subject.patience = Duration::from_secs(5);
    subject
}

#[test]
fn every_case_finds_out_a_runtime_that_is_wrong() {
    let rows = [
        ("a session that is asked for three times runs once", Wrong::Strict),
        ("a session that is asked for three times runs once", Wrong::Again),
        ("a session that is asked for by four threads at once runs once", Wrong::Again),
        ("a session that has ended is not run again", Wrong::Again),
        ("a launch does not wait for the session", Wrong::Waits),
        ("a session that can have no place is refused, or recorded as failed", Wrong::Silent),
        ("an environment that is not there is not found", Wrong::Anywhere),
        ("an environment is the one that was asked for", Wrong::Misnamed),
        ("a session that is not there can be cancelled", Wrong::StrictCancel),
        ("a nudge for any session is fine", Wrong::StrictWake),
        ("a session has the environment's checkouts", Wrong::NoCheckouts),
        ("a session has the environment's variables", Wrong::NoVariables),
        ("a session has a place of its own", Wrong::Shared),
        ("a session goes on with the workspace of the one before", Wrong::NoCheckouts),
        ("a session that is asked to stop ends", Wrong::GivesUp),
        ("what is said to a live session reaches it", Wrong::Lazy),
        ("an answer reaches the session that asks", Wrong::GivesUp),
        ("a session whose agent panics is recorded, and the next one runs", Wrong::Tired),
        ("six sessions that are asked for at once all end", Wrong::Tired),
    ];
    for name in names() {
        assert!(rows.iter().any(|(row, _)| *row == name), "no runtime is wrong in {name:?}");
    }
    let ground = Ground::new();
    std::thread::scope(|scope| {
        for (name, wrong) in rows {
            let ground = Arc::clone(&ground);
            scope.spawn(move || {
                let case = block_on(run(name, move |setup| bad(&ground, setup, wrong))).unwrap();
                assert!(case.failure.is_some(), "{name:?} passed a runtime that is {wrong:?}");
            });
        }
    });
}

/// The session runner by itself, as a runtime in another process makes it.
struct Elsewhere {
    worker: Worker,
    good: LocalRuntime,
}

#[async_trait]
impl Runtime for Elsewhere {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        self.good.environment(id).await
    }

    async fn start(&self, spec: SessionSpec, _: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        SystemClock.sleep(Duration::from_millis(1)).await;
        let spec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        self.good.start(spec, Arc::new(self.worker.clone())).await
    }

    async fn cancel(&self, session: &SessionId) -> Result<(), RuntimeError> {
        self.good.cancel(session).await
    }
}

#[test]
fn a_runtime_with_a_worker_of_its_own_keeps_the_contract() {
    let ground = Ground::new();
    let report = block_on(check(move |setup| {
        let worker = HandoffBuilder::new(Arc::clone(&setup.storage)).terms(setup.terms.clone()).worker();
        let good = LocalRuntime::new(setup.agent, ground.checkouts());
        Subject::new(Arc::new(Elsewhere { worker, good }), id())
    }));
    assert!(report.passed(), "{report}");
}
