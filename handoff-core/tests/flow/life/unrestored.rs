//! A session that did not get all of the workspace state does not seem to have undone what it never had.

use std::fs;
use std::sync::Arc;

use handoff_core::run::Restored;
use handoff_core::{
    ContinueRequest, Handoff, HandoffBuilder, MemoryStorage, PullRequest, RunId, RunState, SessionState,
    Verdict,
};

use super::cast::{Idle, wait_until};
use super::faults::{Fault, Faulty};
use super::stage::{Stage, acting, ana, block_on, file, say};

/// An agent that goes on where the laptop's work ends, if it got that.
fn going_on() -> Arc<super::stage::Actor> {
    acting(|session| {
        let path = file(session, "notes.txt");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text + "from the agent\n").unwrap();
        say(session, "done")
    })
}

/// A hub over the same storage, which never fails.
fn sound(storage: &MemoryStorage) -> Handoff {
    HandoffBuilder::new(Arc::new(storage.clone())).hub(Arc::new(Idle::default()))
}

#[test]
fn what_a_rule_kept_from_the_session_stays_on_the_laptop() {
    let stage = Stage::new(going_on());
    let laptop = &stage.laptop;
    laptop.link("hosts", "/etc/hosts");
    let run = block_on(stage.hub.start(stage.hand_off("go"))).unwrap().run;
    let ended = stage.wait(&run);
    assert_eq!(ended.state, RunState::Succeeded);
    match &ended.session().unwrap().restored {
        Some(Restored::Applied { missing, .. }) => {
            let paths: Vec<_> = missing.iter().map(|one| (one.repo.as_str(), one.path.to_string())).collect();
            assert_eq!(paths, [("app", "hosts".to_owned())], "a link to the outside is not followed there");
        }
        other => panic!("{other:?}"),
    }
    let pulled = block_on(stage.hub.pull(PullRequest::new(run, ana()), &laptop.workspace())).unwrap();
    let report = pulled.report.unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(fs::read_link(laptop.root.join("hosts")).unwrap().as_os_str(), "/etc/hosts", "{report}");
    assert_eq!(laptop.read("notes.txt"), b"first\nfrom the laptop\nfrom the agent\n");
    assert_eq!(laptop.read("new.txt"), b"new\n");
}

/// The storage fails at one call after the other of a session that begins with a laptop's work. Whatever the session makes
/// of that, and whoever goes on then: the laptop keeps its work.
#[test]
fn a_storage_that_fails_while_a_state_is_restored_does_not_undo_it_at_home() {
    let mut failed = 0;
    for at in (0..400).step_by(3) {
        let memory = MemoryStorage::new();
        let faulty = Faulty::new(&memory, Fault::Refused, at);
        let stage = Stage::over(going_on(), memory.clone(), faulty.clone(), |builder| builder);
        let laptop = &stage.laptop;
        let Ok(started) = block_on(stage.hub.start(stage.hand_off("go"))) else { continue };
        let run: RunId = started.run;
        let hub = sound(&memory);
        let is_over = || block_on(hub.run(&run, &ana())).is_ok_and(|run| run.state.is_terminal());
        wait_until("the run is over", is_over);
        let ended = block_on(hub.run(&run, &ana())).unwrap();
        let broke = ended.session().is_some_and(|session| session.state == SessionState::Failed);
        failed += u64::from(broke);
        if broke {
            block_on(stage.hub.continue_run(ContinueRequest::new(run, ana(), "once more"))).unwrap();
            wait_until("the run is over", is_over);
        }
        let pulled = block_on(hub.pull(PullRequest::new(run, ana()), &laptop.workspace())).unwrap();
        let text = String::from_utf8(laptop.read("notes.txt")).unwrap();
        let said = pulled.report.map(|report| report.to_string()).unwrap_or_default();
        assert!(text.starts_with("first\nfrom the laptop\n"), "failed at {at}: {text}\n{said}");
        assert_eq!(laptop.read("new.txt"), b"new\n", "failed at {at}\n{said}");
        if !faulty.met() {
            assert!(failed > 0, "some call failed so that the session did");
            return;
        }
    }
    panic!("the storage is asked more often than this test fails it");
}
