//! Somebody whom a run does not concern learns nothing of it, not even from what their question asks of the storage.

use std::sync::Arc;
use std::time::Duration;

use handoff_core::conformance::{Counting, Requests};
use handoff_core::{
    Affordance, ContinueRequest, Error, ErrorKind, HandoffBuilder, ListRequest, PullRequest, RunId, RunState,
};

use super::cast::{Idle, actor};
use super::delete::{ran, stage};
use super::stage::{Stage, ana, block_on};

/// What a stranger's question asks of the storage.
fn cost(stage: &Stage, run: &RunId, known: bool) -> Vec<Requests> {
    let counting = Counting::new(Arc::new(stage.storage.clone()));
    let hub = HandoffBuilder::new(Arc::new(counting.clone())).hub(Arc::new(Idle::default()));
    if known {
        // A process that serves others has read the run before.
        let _ = block_on(hub.run(run, &ana()));
    }
    let eve = actor("eve");
    let asked = |work: &mut dyn FnMut() -> Option<ErrorKind>| {
        let before = counting.requests();
        assert_eq!(work(), Some(ErrorKind::NotFound));
        counting.requests() - before
    };
    let workspace = stage.laptop.workspace();
    let kind = |error: Error| error.kind();
    let mut request = ContinueRequest::new(*run, eve.clone(), "more");
    request.idempotency_key = Some(format!("once, known: {known}"));
    vec![
        asked(&mut || block_on(hub.run(run, &eve)).err().map(kind)),
        asked(&mut || block_on(hub.result(run, &eve)).err().map(kind)),
        asked(&mut || block_on(hub.cancel(run, &eve)).err().map(kind)),
        asked(&mut || block_on(hub.delete_run(run, &eve)).err().map(kind)),
        asked(&mut || block_on(hub.wait(run, &eve, Duration::from_secs(1))).err().map(kind)),
        asked(&mut || block_on(hub.watch(run, &eve, Default::default())).err().map(kind)),
        asked(&mut || block_on(hub.continue_run(request.clone())).err().map(kind)),
        asked(&mut || block_on(hub.answer(request.clone())).err().map(kind)),
        asked(&mut || block_on(hub.pull(PullRequest::new(*run, eve.clone()), &workspace)).err().map(kind)),
        asked(&mut || match block_on(hub.affordance(run, &eve)).unwrap() {
            Affordance::Unavailable { .. } => Some(ErrorKind::NotFound),
            _ => None,
        }),
        asked(&mut || {
            let mut list = ListRequest::new(eve.clone());
            (list.parent, list.limit) = (Some(*run), 1);
            let page = block_on(hub.list_runs(&list)).unwrap();
            (page.runs.is_empty() && page.next.is_none()).then_some(ErrorKind::NotFound)
        }),
    ]
}

#[test]
fn a_stranger_cannot_tell_a_run_from_none_by_what_the_storage_is_asked() {
    let stage = stage();
    let short = ran(&stage, "short");
    let long = ran(&stage, "long");
    for turn in 0..5 {
        let more = ContinueRequest::new(long.id, ana(), format!("turn {turn}"));
        block_on(stage.hub.continue_run(more)).unwrap();
        assert_eq!(stage.wait(&long.id).state, RunState::Succeeded);
    }
    let gone = ran(&stage, "gone");
    block_on(stage.hub.delete_run(&gone.id, &ana())).unwrap();
    let absent = cost(&stage, &RunId::new(), false);
    assert!(absent.iter().all(|requests| requests.get >= 1), "{absent:?}");
    for run in [&short.id, &long.id, &gone.id] {
        for known in [false, true] {
            assert_eq!(cost(&stage, run, known), absent, "known: {known}");
        }
    }
}
