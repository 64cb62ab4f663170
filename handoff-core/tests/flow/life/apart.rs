//! `kill -9` of a host and of a worker that are two processes over one storage, at their requests to it: nothing that
//! was acknowledged is lost or said twice, another goes on, and no program of an agent is left running.
//!
//! A sample of the requests by default; `HANDOFF_KILL_ALL=1` takes every one, before and after it is done.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use handoff_core::snapshot::Layer;
use handoff_core::{
    Checkouts, CommandAgent, Continued, Environment, Handoff, HandoffBuilder, MessageId, PullRequest,
    QueueRuntime, Role, Run, RunId, RunState, Snapshot, StartRequest, Storage, Terms, Verdict, WhenEmpty,
    WorkOptions, Worker, WorkspaceSource,
};
use serde::{Deserialize, Serialize};

use super::cast::wait_until;
use super::faults::Jumpy;
use super::kill::{Deadly, Moment, more, open};
use super::orphans::runs;
use super::stage::{ana, block_on, environment, terms};
use crate::support::repo::{Format, Repo, scratch_in_memory};

const JOB: &str = "HANDOFF_TEST_LIFE_APART";

/// Kills of each process at each moment when a test takes a sample.
const SAMPLE: u64 = 3;

/// Far longer than anything takes; it only ends a test that would hang.
const LONG: Duration = Duration::from_secs(60);

/// What the agent's program does: notes itself, works in the tree, and says what it did, each line as nobody else's.
const SCRIPT: &str = r#"echo "$$ $3 $PWD" >> "$2"
printf '%s\n' "$1" | while read -r line; do echo "heard $line"; done
for step in 0 1 2; do echo "$$ $step" >> log.txt; echo "did $$ $step"; sleep 0.04; done"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Who {
    Host,
    Worker,
}

#[derive(Clone, Serialize, Deserialize)]
struct Job {
    who: Who,
    dir: PathBuf,
    /// The request at which it dies; far away for one that lives.
    at: u64,
    moment: Moment,
}

impl Job {
    fn queue(&self, storage: Arc<dyn Storage>) -> QueueRuntime {
        QueueRuntime::new(storage, "work", vec![self.environment()]).unwrap()
    }

    fn environment(&self) -> Environment {
        Environment::new(environment()).with_repo("app", self.dir.join("origin/app").to_string_lossy())
    }

    fn checkouts(&self) -> Checkouts {
        Checkouts::new(self.dir.join("places")).with(self.environment())
    }

    /// The agent of the worker that is called `whose`.
    fn agent(&self, whose: &str) -> Arc<CommandAgent> {
        let pids = self.dir.join("pids");
        let args = ["-c", SCRIPT, "agent", "{prompt}", pids.to_str().unwrap(), whose];
        Arc::new(CommandAgent::new("sh", args).grace(Duration::from_millis(300)))
    }

    fn hub(&self) -> Handoff {
        let storage: Arc<dyn Storage> = Arc::new(open(&self.dir.join("storage")));
        HandoffBuilder::new(Arc::clone(&storage)).terms(times()).hub(Arc::new(self.queue(storage)))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}-{:?}", self.who).to_lowercase())
    }

    /// What this process was told is done, a line each.
    fn note(&self, line: &str) {
        let mut file = fs::File::options().create(true).append(true).open(self.file("told")).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn told(&self) -> BTreeSet<String> {
        fs::read_to_string(self.file("told")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "flow::life::apart::child", "--nocapture", "--test-threads=1"]);
        command.env(JOB, serde_json::to_string(self).unwrap()).stdout(Stdio::null());
        command.spawn().unwrap()
    }

    fn first(&self) -> StartRequest {
        let mut request = StartRequest::new(ana(), environment(), "first");
        request.workspace = WorkspaceSource::Snapshot(Snapshot::open(self.dir.join("work.handoff")).unwrap());
        request.idempotency_key = Some("first".into());
        request
    }
}

/// Checkpoints every few milliseconds, so that many kills come between two.
fn times() -> Terms {
    let mut terms = terms();
    terms.checkpoint = Some(Duration::from_millis(30));
    terms
}

/// The host: starts, speaks while the session may live, waits, continues, and pulls. It waits by another handle, whose
/// looks are not counted: how many there are is chance, and each is as the others.
fn host(job: &Job, hub: &Handoff) {
    let aside = job.hub();
    let run = block_on(hub.start(job.first())).unwrap().run;
    job.note("first");
    wait_until("the agent", || said(&aside, run).iter().any(|(_, text)| text.starts_with("heard")));
    block_on(hub.continue_run(more(run, "meanwhile"))).unwrap();
    job.note("meanwhile");
    block_on(aside.wait(&run, &ana(), LONG)).unwrap();
    block_on(hub.continue_run(more(run, "second"))).unwrap();
    job.note("second");
    block_on(aside.wait(&run, &ana(), LONG)).unwrap();
    pull(job, hub, run, "laptop/app");
}

fn pull(job: &Job, hub: &Handoff, run: RunId, laptop: &str) {
    let workspace = handoff_core::Workspace::new([job.dir.join(laptop)]).unwrap();
    let pulled = block_on(hub.pull(PullRequest::new(run, ana()), &workspace)).unwrap();
    assert_eq!(pulled.report.unwrap().verdict, Verdict::Complete);
    assert!(pulled.conversation.unwrap().messages > 0);
}

/// The process that may be killed. Asked for nothing, it does nothing.
#[test]
fn child() {
    let Some(job) = std::env::var_os(JOB) else { return };
    let job: Job = serde_json::from_str(job.to_str().unwrap()).unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let inner = Arc::new(open(&job.dir.join("storage")));
    let storage: Arc<dyn Storage> =
        Arc::new(Deadly { inner, at: job.at, moment: job.moment, calls: Arc::clone(&calls) });
    let queue = job.queue(Arc::clone(&storage));
    let builder = HandoffBuilder::new(storage).terms(times());
    match job.who {
        Who::Host => host(&job, &builder.hub(Arc::new(queue))),
        Who::Worker => {
            let options = options(WhenEmpty::Wait);
            let (stop, file) = (options.stop.clone(), job.dir.join("stop"));
            std::thread::spawn(move || {
                wait_until("the end of the test", || file.exists());
                stop.cancel();
            });
            block_on(queue.work(&builder.worker(), &job.checkouts(), job.agent("worker"), &options)).unwrap();
        }
    }
    fs::write(job.file("calls"), calls.load(Ordering::SeqCst).to_string()).unwrap();
}

fn options(when_empty: WhenEmpty) -> WorkOptions {
    let mut options = WorkOptions::default();
    options.poll = Duration::from_millis(100);
    options.when_empty = when_empty;
    options
}

/// Waits for the run's end; with all there is to know when that does not come.
fn ended(hub: &Handoff, run: RunId, context: &str) {
    if let Err(error) = block_on(hub.wait(&run, &ana(), LONG)) {
        let there = block_on(hub.run(&run, &ana()));
        panic!("{context}: {error}: {there:?}, with {:?}", said(hub, run));
    }
}

/// Everything said in a run's conversation, with its id; nothing for a run that is not there.
fn said(hub: &Handoff, run: RunId) -> Vec<(MessageId, String)> {
    let Ok(run) = block_on(hub.run(&run, &ana())) else { return Vec::new() };
    let messages = block_on(hub.conversations().messages(&run.conversation.unwrap(), 0, 10_000)).unwrap();
    let told = messages.into_iter().filter(|message| message.role != Role::System);
    told.map(|message| (message.id, message.text)).collect()
}

/// What the agents' programs wrote down in the run's latest state.
fn log_of(hub: &Handoff, run: RunId) -> Vec<String> {
    let Ok(Some(state)) = block_on(hub.result(&run, &ana())) else { return Vec::new() };
    let log = state.read("app", &"log.txt".into(), Layer::Worktree).unwrap().unwrap_or_default();
    String::from_utf8(log).unwrap().lines().map(str::to_owned).collect()
}

/// The one run there is, if there is one.
fn only(hub: &Handoff) -> Option<Run> {
    let mut runs = block_on(hub.list_runs(&handoff_core::ListRequest::new(ana()))).unwrap().runs;
    assert!(runs.len() <= 1, "{runs:?}");
    runs.pop()
}

/// A worker that takes over what is silent: its clock is set a term forward once it has seen who is.
struct Heir {
    clock: Jumpy,
    worker: Worker,
}

impl Heir {
    fn new(job: &Job) -> Self {
        let clock = Jumpy::default();
        let storage: Arc<dyn Storage> = Arc::new(open(&job.dir.join("storage")));
        let builder = HandoffBuilder::new(storage).terms(times()).clock(Arc::new(clock.clone()));
        Self { clock, worker: builder.worker() }
    }

    /// Works off what waits, and what is held by somebody who is gone.
    fn work(&self, job: &Job, hub: &Handoff) {
        if let Some(run) = only(hub)
            && let Some(session) = run.session()
        {
            let spec = handoff_core::SessionSpec::new(run.id, session.id, environment());
            if let Ok(false) = block_on(self.worker.is_free(&spec)) {
                self.clock.forward(100);
                assert!(block_on(self.worker.is_free(&spec)).unwrap(), "a term later it is to be had");
            }
        }
        let queue = job.queue(Arc::new(open(&job.dir.join("storage"))));
        let options = options(WhenEmpty::Return);
        block_on(queue.work(&self.worker, &job.checkouts(), job.agent("heir"), &options)).unwrap();
    }
}

/// Lets both processes run and one of them be killed, and looks what is left. Whether it was, and its requests if not.
fn kill(who: Who, at: u64, moment: Moment) -> (bool, u64) {
    let scratch = scratch_in_memory();
    let repo = Repo::init(scratch.path().join("origin/app"), Format::Sha1);
    repo.write("notes.txt", "first\n");
    repo.commit("base");
    let laptop = repo.clone_to(scratch.path().join("laptop/app"));
    laptop.write("notes.txt", "first\nfrom the laptop\n");
    let copy = laptop.copy_to(scratch.path().join("copy/app"));
    let snapshot = handoff_core::capture(&laptop.workspace(), &Default::default()).unwrap();
    snapshot.save(scratch.path().join("work.handoff")).unwrap();
    let job = |who, at| Job { who, dir: scratch.path().to_owned(), at, moment };
    let victim = job(who, at);
    let context = format!("{who:?} killed {moment:?} {at}");
    let hub = victim.hub();

    let (other, heir) = match who {
        Who::Host => (job(Who::Worker, u64::MAX), None),
        Who::Worker => (job(Who::Host, u64::MAX), Some(Heir::new(&victim))),
    };
    let (mut dying, mut living) = (victim.spawn(), other.spawn());
    let mut killed = false;
    let mut seen = (Vec::new(), Vec::new());
    let mut died = |status: std::process::ExitStatus| {
        killed = status.signal() == Some(9);
        assert!(killed || status.success(), "{context}: {status}");
        let Some(run) = only(&hub) else { return };
        seen = (said(&hub, run.id), log_of(&hub, run.id));
    };
    match &heir {
        None => {
            died(dying.wait().unwrap());
            // Another host, which repeats what it does not know to be done.
            let run = block_on(hub.start(victim.first())).unwrap().run;
            // Without waiting between: a session that was recorded and not yet asked for is asked for by this.
            for what in ["meanwhile", "second"] {
                block_on(hub.continue_run(more(run, what))).unwrap();
            }
            ended(&hub, run, &context);
            let last = block_on(hub.continue_run(more(run, "and on"))).unwrap();
            assert!(matches!(last, Continued::NewSession { .. }), "{context}: {last:?}");
            ended(&hub, run, &context);
            fs::write(scratch.path().join("stop"), "").unwrap();
            assert!(living.wait().unwrap().success(), "{context}");
        }
        Some(heir) => {
            let mut gone = None;
            let host = loop {
                if gone.is_none() {
                    gone = dying.try_wait().unwrap();
                    gone.into_iter().for_each(&mut died);
                }
                if gone.is_some() {
                    heir.work(&victim, &hub);
                }
                if let Some(host) = living.try_wait().unwrap() {
                    break host;
                }
                std::thread::sleep(Duration::from_millis(10));
            };
            assert!(host.success(), "{context}: the host: {host}");
            fs::write(scratch.path().join("stop"), "").unwrap();
            if gone.is_none() {
                died(dying.wait().unwrap());
            }
            let run = only(&hub).unwrap().id;
            block_on(hub.continue_run(more(run, "and on"))).unwrap();
            heir.work(&victim, &hub);
        }
    }

    let run = only(&hub).unwrap();
    assert_eq!(run.state, RunState::Succeeded, "{context}: {run:?}");
    let all = said(&hub, run.id);
    let ids: BTreeSet<_> = all.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), all.len(), "{context}: a message twice in {all:?}");
    assert!(all.starts_with(&seen.0), "{context}: {:?} was there, and then {all:?}", seen.0);
    let texts: Vec<&str> = all.iter().flat_map(|(_, text)| text.lines()).collect();
    let count = |line: &str| texts.iter().filter(|there| **there == line).count();
    for prompt in ["first", "meanwhile", "second", "and on"] {
        assert_eq!(count(prompt), 1, "{context}: {prompt} in {texts:?}");
        assert!(count(&format!("heard {prompt}")) > 0, "{context}: {prompt} was never answered: {texts:?}");
    }
    for line in texts.iter().filter(|line| line.starts_with("did ")) {
        assert_eq!(count(line), 1, "{context}: {line} in {texts:?}");
    }
    let told = job(Who::Host, 0).told();
    assert!(told.iter().all(|line| count(line) == 1), "{context}: {told:?} in {texts:?}");
    // A checkpoint that a record named is what the next one began with.
    let log = log_of(&hub, run.id);
    let there: BTreeSet<_> = log.iter().collect();
    assert_eq!(there.len(), log.len(), "{context}: {log:?}");
    assert!(
        seen.1.iter().all(|line| there.contains(line)),
        "{context}: {:?} was there, and then {log:?}",
        seen.1
    );
    pull(&victim, &hub, run.id, "copy/app");
    assert_eq!(copy.read("log.txt"), (log.join("\n") + "\n").as_bytes());
    assert_eq!(copy.read("notes.txt"), b"first\nfrom the laptop\n");

    // No program goes on, and none of the dead worker's ever worked where one of the heir's did.
    let programs = programs(scratch.path());
    for (pid, ..) in &programs {
        wait_until("the end of a program without its worker", || !runs(pid.parse().unwrap()));
    }
    let places = |of: &str| -> BTreeSet<_> {
        programs.iter().filter(|(_, whose, _)| whose == of).map(|(.., place)| place.clone()).collect()
    };
    assert!(places("worker").is_disjoint(&places("heir")), "{context}: {programs:?}");
    let calls = fs::read_to_string(victim.file("calls")).unwrap_or_default();
    (killed, calls.parse().unwrap_or(0))
}

/// Every program that an agent was: its number, its worker, and where it worked.
fn programs(dir: &Path) -> Vec<(String, String, PathBuf)> {
    let pids = fs::read_to_string(dir.join("pids")).unwrap();
    let parts = pids.lines().map(|line| line.splitn(3, ' ').map(str::to_owned).collect::<Vec<_>>());
    parts.map(|parts| (parts[0].clone(), parts[1].clone(), PathBuf::from(&parts[2]))).collect()
}

fn at_its_requests(who: Who, least: u64) {
    let (killed, calls) = kill(who, u64::MAX, Moment::Before);
    assert!(!killed && calls > least, "{calls} requests");
    let all = std::env::var_os("HANDOFF_KILL_ALL").is_some();
    let step = if all { 1 } else { (calls / SAMPLE).max(1) };
    let mut kills = 0;
    for moment in [Moment::Before, Moment::After] {
        let shift = if all || moment == Moment::Before { 0 } else { step / 2 };
        for at in (shift..calls).step_by(step as usize) {
            kills += u64::from(kill(who, at, moment).0);
        }
    }
    // Looks come when time has passed, so the last few may not be met.
    assert!(kills >= 2 * (calls / step) * 8 / 10, "{kills} kills in {calls} requests");
    println!("{who:?}: {kills} kills in {calls} requests, nothing was lost");
}

#[test]
fn a_host_that_is_killed_while_its_worker_goes_on_loses_nothing() {
    at_its_requests(Who::Host, 40);
}

#[test]
fn a_worker_that_is_killed_is_followed_by_another_and_loses_nothing() {
    at_its_requests(Who::Worker, 100);
}
