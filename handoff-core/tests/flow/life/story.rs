//! Local to cloud, on in the cloud, and home again.

use std::fs;

use handoff_core::{ContinueRequest, Continued, Outcome, PullRequest, RunState, SessionState, Verdict};

use super::stage::{Seen, Stage, acting, ana, block_on, file, say};

#[test]
fn work_goes_to_the_cloud_on_in_the_cloud_and_home() {
    let seen = Seen::default();
    let notes = seen.clone();
    let stage = Stage::new(acting(move |session| {
        let facts = session.facts();
        let text = fs::read_to_string(file(session, "notes.txt")).unwrap();
        notes.note(format!("{}: {} with {text:?}", facts.number, facts.prompt));
        fs::write(file(session, "notes.txt"), format!("{text}session {}\n", facts.number)).unwrap();
        say(session, format!("did {}", facts.prompt))
    }));
    let started = block_on(stage.hub.start(stage.hand_off("the refactor"))).unwrap();
    let run = stage.wait(&started.run);
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());

    let request = ContinueRequest::new(run.id, ana(), "the tests");
    let continued = block_on(stage.hub.continue_run(request)).unwrap();
    assert!(matches!(continued, Continued::NewSession { workspace: true, .. }), "{continued:?}");
    let run = stage.wait(&run.id);
    assert_eq!(run.sessions.len(), 2);
    assert!(run.sessions.iter().all(|session| session.state == SessionState::Succeeded), "{run:?}");
    assert_eq!(
        seen.all(),
        [
            "1: the refactor with \"first\\nfrom the laptop\\n\"",
            "2: the tests with \"first\\nfrom the laptop\\nsession 1\\n\"",
        ]
    );
    let said: Vec<_> = stage.said(&run).into_iter().filter(|line| !line.starts_with("system")).collect();
    assert_eq!(
        said,
        ["user: the refactor", "assistant: did the refactor", "user: the tests", "assistant: did the tests"]
    );

    let pulled =
        block_on(stage.hub.pull(PullRequest::new(run.id, ana()), &stage.laptop.workspace())).unwrap();
    let report = pulled.report.unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert!(
        report
            .files()
            .all(|(_, file)| matches!(file.outcome, Outcome::Applied | Outcome::Merged | Outcome::Unchanged))
    );
    assert_eq!(
        fs::read_to_string(stage.laptop.root.join("notes.txt")).unwrap(),
        "first\nfrom the laptop\nsession 1\nsession 2\n"
    );
    assert_eq!(pulled.conversation.unwrap().messages, stage.said(&run).len() as u64);
}
