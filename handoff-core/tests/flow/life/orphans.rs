//! A worker that is killed takes its agent's program with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use handoff_core::{
    Checkouts, CommandAgent, Environment, HandoffBuilder, LocalRuntime, MemoryStorage, StartRequest,
};

use super::cast::wait_until;
use super::stage::{ana, block_on, environment, terms};
use crate::support::repo::{Format, Repo, scratch_in_memory};

const JOB: &str = "HANDOFF_TEST_LIFE_ORPHANS";

/// The process that is killed: host, worker, and an agent's program that does not want to end. Asked for nothing, it
/// does nothing.
#[test]
fn child() {
    let Some(root) = std::env::var_os(JOB).map(PathBuf::from) else { return };
    // It has a child of its own, as agents have, and both let themselves be asked for nothing.
    let script = "trap '' TERM; sleep 600 & echo $! > \"$0/inner\"; echo $$ > \"$0/outer\"; wait; wait";
    let agent = CommandAgent::new("sh", ["-c", script, root.to_str().unwrap()]);
    let checkouts = Checkouts::new(root.join("runs"))
        .with(Environment::new(environment()).with_repo("app", root.join("app").to_string_lossy()));
    let runtime = LocalRuntime::new(Arc::new(agent), checkouts);
    let storage = Arc::new(MemoryStorage::new());
    let hub = HandoffBuilder::new(storage).terms(terms()).hub(Arc::new(runtime));
    let started = block_on(hub.start(StartRequest::new(ana(), environment(), "go"))).unwrap();
    let ended = block_on(hub.wait(&started.run, &ana(), Duration::from_secs(600)));
    panic!("it was to be killed: {ended:?}");
}

fn number(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Whether the process runs; one that nobody has asked how it ended does not.
pub(super) fn runs(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X'))
}

#[test]
fn a_killed_worker_leaves_no_program_of_its_agent_behind() {
    let scratch = scratch_in_memory();
    let app = Repo::init(scratch.path().join("app"), Format::Sha1);
    app.write("a.txt", "a\n");
    app.commit("base");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "flow::life::orphans::child", "--nocapture", "--test-threads=1"]);
    command.env(JOB, scratch.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut worker = command.spawn().unwrap();
    let there = |name: &str| number(&scratch.path().join(name));
    wait_until("the agent's program", || there("inner").is_some() && there("outer").is_some());
    let both = [there("inner").unwrap(), there("outer").unwrap()];
    assert!(both.into_iter().all(runs), "they run");
    worker.kill().unwrap();
    worker.wait().unwrap();
    for pid in both {
        wait_until("the end of a program without its worker", || !runs(pid));
    }
}
