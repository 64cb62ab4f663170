//! Any number of workers over one storage: each session once, and a vanished worker's by another.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use handoff_core::{
    Agent, Checkouts, Environment, Handoff, HandoffBuilder, ListRequest, MemoryStorage, Message,
    QueueRuntime, RunSession as _, RunState, Runtime as _, SessionSpec, SessionState, StartRequest, Storage,
    Terms, WhenEmpty, WorkOptions, WorkspaceSource,
};

use super::cast::{Signal, wait_until};
use super::stage::{acting, ana, block_on, environment, file, say, terms};
use crate::support::repo::{Format, Repo, scratch_in_memory};

struct Fleet {
    scratch: tempfile::TempDir,
    origin: Repo,
    storage: MemoryStorage,
    queue: QueueRuntime,
    hub: Handoff,
    terms: Terms,
}

impl Fleet {
    fn new(terms: Terms) -> Self {
        let scratch = scratch_in_memory();
        let origin = Repo::init(scratch.path().join("origin/app"), Format::Sha1);
        origin.write("notes.txt", "first\n");
        origin.commit("base");
        let storage = MemoryStorage::new();
        let shared: Arc<dyn Storage> = Arc::new(storage.clone());
        let queue = QueueRuntime::new(Arc::clone(&shared), "work", vec![env(&origin.root)]).unwrap();
        let hub = HandoffBuilder::new(shared).terms(terms.clone()).hub(Arc::new(queue.clone()));
        Self { scratch, origin, storage, queue, hub, terms }
    }

    fn worker(&self) -> handoff_core::Worker {
        HandoffBuilder::new(Arc::new(self.storage.clone())).terms(self.terms.clone()).worker()
    }

    /// All of them in one directory, as on one machine.
    fn checkouts(&self) -> Checkouts {
        Checkouts::new(self.scratch.path().join("places")).with(env(&self.origin.root))
    }

    fn work(&self, agent: Arc<dyn Agent>) -> u64 {
        let mut options = WorkOptions::default();
        options.poll = Duration::from_millis(40);
        options.when_empty = WhenEmpty::Return;
        block_on(self.queue.work(&self.worker(), &self.checkouts(), agent, &options)).unwrap()
    }
}

fn env(origin: &Path) -> Environment {
    Environment::new(environment()).with_repo("app", origin.to_string_lossy())
}

#[test]
fn several_workers_run_each_session_once() {
    let fleet = Fleet::new(terms());
    let answered = Arc::new(AtomicU64::new(0));
    let runs: Vec<_> = (0..12)
        .map(|number| {
            let request = StartRequest::new(ana(), environment(), format!("task {number}"));
            block_on(fleet.hub.start(request)).unwrap().run
        })
        .collect();
    // More than one page of items that are over already.
    for number in 0..130 {
        let started = block_on(fleet.hub.start(StartRequest::new(ana(), environment(), format!("{number}"))));
        block_on(fleet.hub.cancel(&started.unwrap().run, &ana())).unwrap();
    }
    let last = block_on(fleet.hub.start(StartRequest::new(ana(), environment(), "task 12"))).unwrap().run;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let count = Arc::clone(&answered);
            let fleet = &fleet;
            scope.spawn(move || {
                let agent = acting(move |session| {
                    count.fetch_add(1, Ordering::Relaxed);
                    fs::write(file(session, "done.txt"), &session.facts().prompt).unwrap();
                    say(session, format!("did {}", session.facts().prompt))
                });
                fleet.work(agent)
            });
        }
    });
    assert_eq!(answered.load(Ordering::Relaxed), 13);
    for (number, run) in runs.into_iter().chain([last]).enumerate() {
        let run = block_on(fleet.hub.run(&run, &ana())).unwrap();
        assert_eq!((run.state.clone(), run.sessions.len()), (RunState::Succeeded, 1), "{run:?}");
        let id = run.conversation.unwrap();
        let messages = block_on(fleet.hub.conversations().messages(&id, 0, 10)).unwrap();
        let said: Vec<_> = messages.iter().skip(1).map(|message| message.text.clone()).collect();
        assert_eq!(said, [format!("task {number}"), format!("did task {number}")]);
    }
    assert_eq!(block_on(fleet.hub.list_runs(&ListRequest::new(ana()))).unwrap().runs.len(), 50);
    assert!(super::cast::objects(&fleet.storage, "q").is_empty());
}

#[test]
fn another_worker_goes_on_from_the_last_checkpoint_when_one_vanishes() {
    let mut terms = terms();
    terms.lease = Duration::from_millis(1_500);
    let fleet = Fleet::new(terms);
    let laptop = fleet.origin.clone_to(fleet.scratch.path().join("laptop/app"));
    laptop.write("new.txt", "new\n");
    let snapshot = handoff_core::capture(&laptop.workspace(), &Default::default()).unwrap();
    let mut request = StartRequest::new(ana(), environment(), "go");
    request.workspace = WorkspaceSource::Snapshot(snapshot);
    let started = block_on(fleet.hub.start(request)).unwrap();
    let spec = SessionSpec::new(started.run, started.session, environment());

    // A worker that takes it, gets half-way, and is dropped like a process that is killed: nothing is recorded.
    let half_way = Signal::default();
    let there = half_way.clone();
    let dying = acting(move |session| {
        fs::write(file(session, "half.txt"), "half\n").unwrap();
        block_on(session.append(vec![Message::assistant("half-way")]))?;
        block_on(session.checkpoint())?;
        there.give();
        Signal::default().wait_in(session);
        Ok(handoff_core::SessionEnd::Succeeded)
    });
    let place = fleet.checkouts().prepare(&spec).unwrap();
    let worker = fleet.worker();
    let died = block_on(futures_lite::future::or(
        async { Some(worker.run_session(&spec, place, dying).await) },
        async {
            while !half_way.given() {
                handoff_core::Clock::sleep(&handoff_core::SystemClock, Duration::from_millis(5)).await;
            }
            None
        },
    ));
    assert!(died.is_none());
    block_on(fleet.hub.continue_run(handoff_core::ContinueRequest::new(started.run, ana(), "and this")))
        .unwrap();
    let agent = acting(|session| {
        assert_eq!(fs::read_to_string(file(session, "half.txt")).unwrap(), "half\n");
        assert_eq!(fs::read_to_string(file(session, "new.txt")).unwrap(), "new\n");
        fs::write(file(session, "whole.txt"), "whole\n").unwrap();
        say(session, format!("heard {}", session.facts().prompt))
    });
    assert!(fleet.work(agent) >= 1);
    let mut run = block_on(fleet.hub.run(&started.run, &ana())).unwrap();
    wait_until("the end", || {
        run = block_on(fleet.hub.run(&started.run, &ana())).unwrap();
        run.state.is_terminal()
    });
    assert_eq!(run.sessions.last().unwrap().state, SessionState::Succeeded, "{run:?}");
    let messages = block_on(fleet.hub.conversations().messages(&run.conversation.unwrap(), 0, 100)).unwrap();
    let count = |text: &str| messages.iter().filter(|message| message.text == text).count();
    assert_eq!((count("go"), count("half-way"), count("and this")), (1, 1, 1), "{messages:?}");
    let result = block_on(fleet.hub.result(&started.run, &ana())).unwrap().unwrap();
    let paths = format!("{:?}", result.diff_base().repos);
    assert!(["half.txt", "new.txt", "whole.txt"].iter().all(|name| paths.contains(name)), "{paths}");
}

/// A damaged item is no reason for a worker to wait, and asking for the session again mends it.
#[test]
fn a_damaged_item_is_replaced_when_its_session_is_asked_for_again() {
    let fleet = Fleet::new(terms());
    let run = block_on(fleet.hub.start(StartRequest::new(ana(), environment(), "go"))).unwrap().run;
    let queued = block_on(fleet.storage.list(&"q/work".parse().unwrap(), None, 10)).unwrap();
    let [item] = queued.as_slice() else { panic!("{queued:?}") };
    let body = block_on(fleet.storage.get(&item.key, None)).unwrap().unwrap();
    // A line that names the format, and JSON.
    let json = body.splitn(2, |byte| *byte == b'\n').nth(1).unwrap();
    let spec: SessionSpec = serde_json::from_slice(json).unwrap();
    block_on(fleet.storage.delete(std::slice::from_ref(&item.key))).unwrap();
    block_on(fleet.storage.put_new(&item.key, "no item".into())).unwrap();

    let agent = acting(|session| say(session, "done"));
    assert_eq!(fleet.work(agent.clone()), 0, "and it returns");
    assert_eq!(block_on(fleet.hub.run(&run, &ana())).unwrap().state, RunState::Queued);
    block_on(fleet.queue.start(spec, Arc::new(fleet.worker()))).unwrap();
    assert_eq!(fleet.work(agent), 1);
    assert_eq!(block_on(fleet.hub.run(&run, &ana())).unwrap().state, RunState::Succeeded);
}

#[test]
fn a_relative_source_is_one_of_the_directory_that_this_process_is_in() {
    let fleet = Fleet::new(terms());
    let here = std::env::current_dir().unwrap();
    let up: std::path::PathBuf = here.components().skip(1).map(|_| "..").collect();
    let source = up.join(fleet.origin.root.strip_prefix("/").unwrap());
    let checkouts = Checkouts::new(fleet.scratch.path().join("places")).with(env(&source));
    let spec = SessionSpec::new(handoff_core::RunId::new(), handoff_core::SessionId::new(), environment());
    let place = checkouts.prepare(&spec).unwrap();
    assert_eq!(fs::read(place.repos[0].join("notes.txt")).unwrap(), b"first\n");
}
