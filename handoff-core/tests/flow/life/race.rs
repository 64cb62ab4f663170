//! Two processes that race to continue one run: exactly one begins a session.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use handoff_core::storage::DirStorage;
use handoff_core::{
    ContinueRequest, Continued, HandoffBuilder, RunId, RunSession as _, SessionSpec, StartRequest,
};
use serde::{Deserialize, Serialize};

use super::cast::Idle;
use super::stage::{acting, ana, block_on, environment, say, terms};

const JOB: &str = "HANDOFF_TEST_RACE";

#[derive(Serialize, Deserialize)]
struct Race {
    storage: PathBuf,
    meeting: PathBuf,
    who: u32,
    runs: Vec<RunId>,
}

/// Leaves a sign and waits for the other's.
fn meet(meeting: &Path, round: usize, who: u32) {
    std::fs::write(meeting.join(format!("{round}.{who}")), "").unwrap();
    let other = meeting.join(format!("{round}.{}", 1 - who));
    let begin = Instant::now();
    while !other.exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the other process did not come");
        std::thread::yield_now();
    }
}

/// The other process. Asked for nothing, it does nothing.
#[test]
fn child() {
    let Some(job) = std::env::var_os(JOB) else { return };
    let race: Race = serde_json::from_str(job.to_str().unwrap()).unwrap();
    let storage = DirStorage::open(&race.storage).unwrap();
    let hub = HandoffBuilder::new(Arc::new(storage)).terms(terms()).hub(Arc::new(Idle::default()));
    for (round, run) in race.runs.iter().enumerate() {
        meet(&race.meeting, round, race.who);
        let request = ContinueRequest::new(*run, ana(), format!("from {}", race.who));
        let answer = match block_on(hub.continue_run(request)) {
            Ok(Continued::NewSession { .. }) => "new".to_owned(),
            Ok(Continued::Appended { .. }) => "appended".to_owned(),
            other => format!("{other:?}"),
        };
        std::fs::write(race.meeting.join(format!("{round}.{}.answer", race.who)), answer).unwrap();
    }
}

fn race(rounds: usize) {
    let scratch = crate::support::repo::scratch_in_memory();
    let (storage, meeting) = (scratch.path().join("storage"), scratch.path().join("meeting"));
    std::fs::create_dir(&meeting).unwrap();
    let open = || HandoffBuilder::new(Arc::new(DirStorage::open(&storage).unwrap())).terms(terms());
    let (hub, worker) = (open().hub(Arc::new(Idle::default())), open().worker());
    let finish = |run: RunId, session| {
        let spec = SessionSpec::new(run, session, environment());
        let agent = acting(|session| say(session, session.facts().prompt.clone()));
        block_on(worker.run_session(&spec, handoff_core::Place::default(), agent)).unwrap();
    };
    let runs: Vec<RunId> = (0..rounds)
        .map(|_| {
            let started = block_on(hub.start(StartRequest::new(ana(), environment(), "go"))).unwrap();
            finish(started.run, started.session);
            started.run
        })
        .collect();
    let children: Vec<_> = (0..2)
        .map(|who| {
            let (storage, meeting) = (storage.clone(), meeting.clone());
            let job = serde_json::to_string(&Race { storage, meeting, who, runs: runs.clone() }).unwrap();
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "flow::life::race::child", "--nocapture", "--test-threads=1"]);
            command.env(JOB, job).stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut won = [0, 0];
    for (round, run) in runs.iter().enumerate() {
        let answer =
            |who: u32| std::fs::read_to_string(meeting.join(format!("{round}.{who}.answer"))).unwrap();
        let mut answers = [answer(0), answer(1)];
        won[usize::from(answers[1] == "new")] += 1;
        answers.sort();
        assert_eq!(answers, ["appended", "new"], "round {round}");
        let record = block_on(hub.run(run, &ana())).unwrap();
        assert_eq!(record.sessions.len(), 2, "round {round}");
        finish(*run, record.sessions[1].id);
        let messages = block_on(hub.conversations().messages(&record.conversation.unwrap(), 0, 100)).unwrap();
        for text in ["from 0", "from 1"] {
            assert_eq!(messages.iter().filter(|message| message.text == text).count(), 1, "round {round}");
        }
    }
    println!("{rounds} races, won {won:?}");
}

#[test]
fn of_two_processes_that_continue_one_run_exactly_one_begins_a_session() {
    race(40);
}

#[test]
#[ignore = "1,000 rounds; `make torture` runs them"]
fn of_two_processes_that_continue_one_run_exactly_one_begins_a_session_a_thousand_times() {
    race(1_000);
}
