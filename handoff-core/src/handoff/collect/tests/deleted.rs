//! What a deleted run alone had goes, and what others have stays.

use futures_lite::future::block_on;

use super::{Scene, ana};
use crate::handoff::WorkspaceSource;

#[test]
fn what_only_a_deleted_run_reached_is_collected() {
    let scene = Scene::new();
    let gone = scene.start(WorkspaceSource::Snapshot(scene.state("of the one that goes")));
    let state = gone.sessions[0].snapshot_in.clone().unwrap();
    let heir = scene.start(WorkspaceSource::Stored(state.clone()));
    let other = scene.start(WorkspaceSource::Snapshot(scene.state("of another")));
    block_on(scene.hub.cancel(&gone.id, &ana())).unwrap();
    scene.collect_all();
    assert_eq!(scene.keys("s").len(), 3, "each run has a record of its own");
    let packs = scene.keys("k").len();

    block_on(scene.hub.delete_run(&gone.id, &ana())).unwrap();
    scene.collect_all();
    let left = scene.keys("s");
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&state.key));
    assert_eq!(scene.keys("k").len(), packs, "the heir's record names the packs, too");
    for run in [&heir, &other] {
        let reference = run.sessions[0].snapshot_in.as_ref().unwrap();
        block_on(scene.hub.snapshots().load(reference)).unwrap().verify().unwrap();
    }

    for run in [&heir, &other] {
        block_on(scene.hub.cancel(&run.id, &ana())).unwrap();
        block_on(scene.hub.delete_run(&run.id, &ana())).unwrap();
    }
    scene.collect_all();
    assert_eq!((scene.keys("s").len(), scene.keys("k").len()), (0, 0));
    // No session had taken a prompt in, so nothing but the runs named what was attached to them.
    assert_eq!(scene.keys("a").len(), 0);
}
