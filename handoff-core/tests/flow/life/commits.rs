//! Commits that nobody pushed go with a run, and those of the agent come back.

use handoff_core::{
    ActiveSession, ApplyHistory, ContinueRequest, Control, HistoryOutcome, PullRequest, RunState, Verdict,
    undo,
};

use super::stage::{Seen, Stage, acting, ana, block_on, file, say};
use crate::support::git;

/// What git says in the session's work tree.
fn asks(session: &ActiveSession, args: &[&str]) -> String {
    git::line(&session.facts().root, args)
}

#[test]
fn a_run_goes_on_at_the_same_branch_with_the_commits_of_both_sides() {
    let seen = Seen::default();
    let notes = seen.clone();
    let stage = Stage::new(acting(move |session| {
        let number = session.facts().number;
        let branch = asks(session, &["symbolic-ref", "--short", "HEAD"]);
        let last = asks(session, &["log", "-1", "--format=%s"]);
        let status = asks(session, &["status", "--porcelain"]);
        notes.note(format!("{number}: {branch}, {last}, {status}"));
        std::fs::write(file(session, "agent.txt"), format!("{number}\n")).unwrap();
        git::git(&session.facts().root, &["add", "agent.txt"]);
        git::git(&session.facts().root, &["commit", "-q", "-m", &format!("by the agent, {number}")]);
        say(session, "committed")
    }));
    let laptop = &stage.laptop;
    laptop.remove("new.txt").git(&["checkout", "-q", "-b", "topic"]);
    laptop.git(&["commit", "-q", "--allow-empty", "-m", "not pushed"]);
    let run = block_on(stage.hub.start(stage.hand_off("the refactor"))).unwrap().run;
    assert_eq!(stage.wait(&run).state, RunState::Succeeded);
    block_on(stage.hub.continue_run(ContinueRequest::new(run, ana(), "the tests"))).unwrap();
    assert_eq!(stage.wait(&run).state, RunState::Succeeded);
    let expected = ["1: topic, not pushed,  M notes.txt", "2: topic, by the agent, 1,  M notes.txt"];
    assert_eq!(seen.all(), expected);

    let (head, branches) = (laptop.head(), git::git(&laptop.root, &["for-each-ref"]));
    let pulled = block_on(stage.hub.pull(PullRequest::new(run, ana()), &laptop.workspace())).unwrap();
    let report = pulled.report.unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    let history = report.repos[0].history.as_ref().unwrap();
    assert_eq!((history.outcome.clone(), history.commits), (HistoryOutcome::Stored, 3));
    assert_eq!((laptop.head(), git::git(&laptop.root, &["for-each-ref"])), (head.clone(), branches));
    let tip = report.repos[0].drift.source.unwrap().to_string();
    let log = git::git(&laptop.root, &["log", "--format=%s", &format!("{head}..{tip}")]);
    assert_eq!(log, b"by the agent, 2\nby the agent, 1\n");
    git::git(&laptop.root, &["fsck", "--strict", "--no-dangling", &tip]);
    // What the report advises works.
    laptop.git(&["merge", "-q", "--ff-only", &tip]);
    assert_eq!(laptop.read("agent.txt"), b"2\n");
}

/// Whoever asks for it has their branch moved on to what the agent committed, with what it left uncommitted on top, and
/// one undo takes both back.
#[test]
fn a_clean_workspace_moves_on_to_the_commits_of_a_run_when_asked_to() {
    let stage = Stage::new(acting(|session| {
        std::fs::write(file(session, "agent.txt"), "committed\n").unwrap();
        git::git(&session.facts().root, &["add", "agent.txt"]);
        git::git(&session.facts().root, &["commit", "-q", "-m", "by the agent"]);
        std::fs::write(file(session, "agent.txt"), "and more\n").unwrap();
        say(session, "committed")
    }));
    let laptop = &stage.laptop;
    laptop.remove("new.txt").git(&["checkout", "-q", "-b", "topic"]);
    laptop.git(&["commit", "-q", "-a", "-m", "not pushed"]);
    let state = || (laptop.head(), git::git(&laptop.root, &["status", "--porcelain"]));
    let before = state();
    let run = block_on(stage.hub.start(stage.hand_off("the refactor"))).unwrap().run;
    assert_eq!(stage.wait(&run).state, RunState::Succeeded);

    let mut request = PullRequest::new(run, ana());
    request.apply.history = ApplyHistory::Branch;
    let report = block_on(stage.hub.pull(request, &laptop.workspace())).unwrap().report.unwrap();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    let history = report.repos[0].history.as_ref().unwrap();
    assert_eq!(history.outcome, HistoryOutcome::Moved);
    assert_eq!(git::line(&laptop.root, &["log", "-1", "--format=%s", "topic"]), "by the agent");
    assert_eq!(git::line(&laptop.root, &["symbolic-ref", "--short", "HEAD"]), "topic");
    assert_eq!(git::line(&laptop.root, &["status", "--porcelain"]), " M agent.txt");
    assert_eq!(laptop.read("agent.txt"), b"and more\n");

    undo(&laptop.workspace(), &report.apply_id.unwrap(), &Control::default()).unwrap();
    assert_eq!(state(), before);
    assert!(!laptop.root.join("agent.txt").exists());
}
