//! Files outside any repository: to the session, on to the next one, and home.

use std::fs;
use std::path::PathBuf;

use handoff_core::{ContinueRequest, PullRequest, RunState, StartRequest, Verdict, WorkspaceSource};

use super::stage::{Seen, Stage, acting, ana, block_on, environment, say};

/// Beside the checkout.
fn files(session: &handoff_core::ActiveSession) -> PathBuf {
    session.facts().repos[0].parent().unwrap().join("files")
}

#[test]
fn files_outside_any_repository_go_along_and_come_home() {
    let seen = Seen::default();
    let notes = seen.clone();
    let stage = Stage::new(acting(move |session| {
        let plan = files(session).join("notes/plan.md");
        let text = fs::read_to_string(&plan).unwrap();
        notes.note(text.clone());
        fs::write(&plan, format!("{text}session {}\n", session.facts().number)).unwrap();
        fs::write(files(session).join("new.md"), "new\n").unwrap();
        say(session, "done")
    }));
    let home = stage.scratch.path().join("home");
    fs::create_dir_all(home.join("notes")).unwrap();
    fs::write(home.join("notes/plan.md"), "plan\n").unwrap();
    let workspace =
        stage.laptop.workspace().with_loose_file("notes/plan.md", home.join("notes/plan.md")).unwrap();
    let snapshot = handoff_core::capture(&workspace, &Default::default()).unwrap();
    let mut request = StartRequest::new(ana(), environment(), "go");
    request.workspace = WorkspaceSource::Snapshot(snapshot);
    let started = block_on(stage.hub.start(request)).unwrap();
    let run = stage.wait(&started.run);
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    assert!(stage.said(&run)[0].contains("belong to no repository are in"), "the agent is told where");
    block_on(stage.hub.continue_run(ContinueRequest::new(run.id, ana(), "more"))).unwrap();
    let run = stage.wait(&run.id);
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    assert_eq!(seen.all(), ["plan\n", "plan\nsession 1\n"]);

    let result = block_on(stage.hub.result(&run.id, &ana())).unwrap().unwrap();
    let names: Vec<_> = result.manifest().loose_files.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(names, ["new.md", "notes/plan.md"], "and not the journal");
    // Home, into a directory that the person names: what is there with other content is kept, and said.
    let inbox = stage.scratch.path().join("inbox");
    fs::create_dir(&inbox).unwrap();
    let there = stage.laptop.workspace().with_loose_root(&inbox).unwrap();
    let pulled = block_on(stage.hub.pull(PullRequest::new(run.id, ana()), &there)).unwrap();
    let report = pulled.report.unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(fs::read_to_string(inbox.join("notes/plan.md")).unwrap(), "plan\nsession 1\nsession 2\n");
    assert_eq!(fs::read_to_string(inbox.join("new.md")).unwrap(), "new\n");
}
