//! What goes on beside the agent: checkpoints by themselves, and the end before its place goes away.

use std::fs;
use std::time::{Duration, SystemTime};

use handoff_core::{
    ContinueRequest, MemoryStorage, Place, RunSession as _, RunState, SessionEnd, SessionSpec, SessionState,
    StartRequest,
};

use super::cast::{Bench, Signal, wait_until};
use super::stage::{Stage, acting, ana, block_on, environment, file, say, terms};

#[test]
fn a_session_leaves_checkpoints_by_itself_and_another_goes_on_from_the_last() {
    let (written, seen) = (Signal::default(), Signal::default());
    let (has_written, may_end) = (written.clone(), seen.clone());
    let agent = acting(move |session| {
        fs::write(file(session, "half.txt"), "half of it\n").unwrap();
        has_written.give();
        may_end.wait_in(session);
        Ok(SessionEnd::Failed("the machine is gone".to_owned()))
    });
    let mut often = terms();
    often.checkpoint = Some(Duration::from_millis(60));
    let stage = Stage::built(agent, move |builder| builder.terms(often.clone()));
    let run = block_on(stage.hub.start(stage.hand_off("go"))).unwrap().run;
    written.wait();
    let state = || block_on(stage.hub.result(&run, &ana())).unwrap();
    let holds = || {
        let here =
            state().is_some_and(|state| state.entries().any(|(_, entry)| entry.path == "half.txt".into()));
        let run = block_on(stage.hub.run(&run, &ana())).unwrap();
        here && run.state == RunState::Running
    };
    wait_until("a checkpoint with the file, while the agent is at work", holds);
    seen.give();
    assert_eq!(stage.wait(&run).state, RunState::Failed);
}

#[test]
fn a_session_stops_before_its_place_goes_away_and_the_run_is_continued() {
    let bench = Bench::over(MemoryStorage::new(), |builder| {
        let mut terms = terms();
        terms.reserve = Duration::from_secs(3600);
        builder.terms(terms)
    });
    let started = block_on(bench.hub.start(StartRequest::new(ana(), environment(), "go"))).unwrap();
    let agent = acting(|session| {
        block_on(session.append(vec![handoff_core::Message::assistant("as far as I came")]))?;
        while !session.cancelled() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(SessionEnd::Cancelled)
    });
    // The reserve is an hour, so half an hour is too little to go on with.
    let mut place = Place::default();
    place.deadline = Some(SystemTime::now() + Duration::from_secs(1800));
    let spec = SessionSpec::new(started.run, started.session, environment());
    assert_eq!(block_on(bench.worker.run_session(&spec, place, agent)).unwrap(), SessionState::Failed);
    let run = block_on(bench.hub.run(&started.run, &ana())).unwrap();
    assert!(
        run.sessions[0].reason.starts_with("the place of the session is taken away"),
        "{:?}",
        run.sessions
    );

    block_on(bench.hub.continue_run(ContinueRequest::new(started.run, ana(), "go on"))).unwrap();
    let next = bench.runtime.launched.lock().unwrap().last().unwrap().clone();
    let agent = acting(|session| say(session, "done"));
    assert_eq!(bench.run(next.run, next.session, agent).unwrap(), SessionState::Succeeded);
    let id = run.conversation.unwrap();
    let said = block_on(bench.hub.conversations().messages(&id, 0, 100)).unwrap();
    let texts: Vec<_> = said.iter().map(|message| message.text.as_str()).collect();
    assert!(texts.contains(&"as far as I came") && texts.contains(&"done"), "{texts:?}");
}
