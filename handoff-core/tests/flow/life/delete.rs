//! Deleting a run: it is gone for everybody, what it alone had is collected, and what others have stays.

use std::sync::Arc;
use std::time::Duration;

use handoff_core::{
    ContinueRequest, Error, ErrorKind, HandoffBuilder, ListRequest, MemoryStorage, Message, PullRequest, Run,
    RunState, StartRequest, WorkspaceSource,
};

use super::cast::{House, Idle, actor, another_hub, objects};
use super::faults::{Fault, Faulty};
use super::stage::{Stage, acting, ana, block_on, environment, file, say};

/// An agent that leaves a file of its own, and says what it was asked.
pub(super) fn stage() -> Stage {
    Stage::new(acting(|session| {
        let prompt = session.facts().prompt.clone();
        std::fs::write(file(session, "made.txt"), format!("made for {prompt}\n").repeat(100)).unwrap();
        say(session, format!("did {prompt}"))
    }))
}

pub(super) fn ran(stage: &Stage, prompt: &str) -> Run {
    let mut request = stage.hand_off(prompt);
    request.task = format!("the task of {prompt}");
    request.attachments = vec![("note".into(), String::new(), format!("attached to {prompt}").into())];
    let started = block_on(stage.hub.start(request)).unwrap();
    let run = stage.wait(&started.run);
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    run
}

/// Whether any object of the storage's records holds the text.
fn is_said(storage: &MemoryStorage, below: &str, text: &str) -> bool {
    objects(storage, below)
        .iter()
        .any(|(_, body)| body.windows(text.len()).any(|part| part == text.as_bytes()))
}

#[test]
fn a_deleted_run_is_gone_and_others_keep_what_they_have() {
    let stage = stage();
    let (gone, stays) = (ran(&stage, "secret plan"), ran(&stage, "other work"));
    // Another run goes on from the state of the first: that state is its own too.
    let mut request = StartRequest::new(ana(), environment(), "from the result");
    request.workspace = WorkspaceSource::Stored(gone.snapshot().unwrap().clone());
    let heir = block_on(stage.hub.start(request)).unwrap().run;
    assert_eq!(stage.wait(&heir).state, RunState::Succeeded);
    let fork = block_on(stage.hub.pull(PullRequest::new(gone.id, ana()), &stage.laptop.workspace())).unwrap();
    let fork = fork.conversation.unwrap().id;
    assert!(is_said(&stage.storage, "r", "secret plan"));

    block_on(stage.hub.delete_run(&gone.id, &ana())).unwrap();
    assert!(!is_said(&stage.storage, "r", "secret plan"), "nothing of it is in any record");
    for hub in [stage.hub.clone(), another_hub(&stage, acting(|session| say(session, "x")), House::default())]
    {
        let missing = |error: Option<Error>| {
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::NotFound));
        };
        missing(block_on(hub.run(&gone.id, &ana())).err());
        missing(block_on(hub.delete_run(&gone.id, &ana())).err());
        missing(block_on(hub.continue_run(ContinueRequest::new(gone.id, ana(), "more"))).err());
        missing(block_on(hub.cancel(&gone.id, &ana())).err());
        missing(block_on(hub.result(&gone.id, &ana())).err());
        missing(block_on(hub.wait(&gone.id, &ana(), Duration::from_secs(1))).err());
        let listed = block_on(hub.list_runs(&ListRequest::new(ana()))).unwrap();
        let listed: Vec<_> = listed.runs.iter().map(|run| run.id).collect();
        assert_eq!(listed, [heir, stays.id]);
    }
    for run in [&stays.id, &heir] {
        block_on(stage.hub.result(run, &ana())).unwrap().unwrap().verify().unwrap();
    }
    let messages = block_on(stage.hub.conversations().messages(&fork, 0, 100)).unwrap();
    assert!(messages.iter().any(|message| message.text == "did secret plan"), "the fork is whole");
    let attached = messages.iter().flat_map(|message| &message.attachments).next().unwrap();
    block_on(stage.hub.conversations().read_attachment(attached)).unwrap();
    let again = stage.hub.continue_run(ContinueRequest::new(stays.id, ana(), "more"));
    block_on(again).unwrap();
    assert_eq!(stage.wait(&stays.id).state, RunState::Succeeded);
}

#[test]
fn only_who_may_and_only_what_has_ended() {
    let blocked = Stage::new(acting(|session| {
        let answer = block_on(session.block(Message::assistant("which?")))?;
        say(session, answer.text)
    }));
    let run = block_on(blocked.hub.start(blocked.hand_off("go"))).unwrap().run;
    assert_eq!(blocked.wait(&run).state, RunState::Blocked);
    let refused = block_on(blocked.hub.delete_run(&run, &ana())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongState);
    assert!(refused.to_string().contains("cancel it first"), "{refused}");
    assert!(block_on(blocked.hub.run(&run, &ana())).is_ok(), "nothing happened");
    block_on(blocked.hub.answer(ContinueRequest::new(run, ana(), "that"))).unwrap();
    assert_eq!(blocked.wait(&run).state, RunState::Succeeded);

    let eve = block_on(blocked.hub.delete_run(&run, &actor("eve"))).unwrap_err();
    assert_eq!(eve.kind(), ErrorKind::NotFound, "an outsider learns nothing");
    block_on(blocked.hub.delete_run(&run, &ana())).unwrap();
}

#[test]
fn a_delete_that_is_cut_off_is_carried_on_and_brings_nothing_back_meanwhile() {
    for cut in 0.. {
        let stage = stage();
        let run = ran(&stage, "secret plan");
        let failing = Faulty::new(&stage.storage, Fault::Gone, cut);
        let hub = HandoffBuilder::new(Arc::new(failing)).hub(Arc::new(Idle::default()));
        if block_on(hub.delete_run(&run.id, &ana())).is_ok() {
            assert!(cut > 8, "{cut}");
            break;
        }
        // Whole, or gone: never an earlier state of it.
        match block_on(stage.hub.run(&run.id, &ana())) {
            Ok(there) => assert_eq!(there.state, RunState::Succeeded, "cut at {cut}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "cut at {cut}"),
        }
        match block_on(stage.hub.delete_run(&run.id, &ana())) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "cut at {cut}"),
        }
        assert!(!is_said(&stage.storage, "r", "secret plan"), "cut at {cut}");
        assert!(block_on(stage.hub.list_runs(&ListRequest::new(ana()))).unwrap().runs.is_empty());
    }
}
