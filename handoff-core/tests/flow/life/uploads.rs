//! What going on with a run asks of a storage: only what is new travels.

use std::fs;
use std::sync::Arc;

use handoff_core::conformance::Counting;
use handoff_core::{ContinueRequest, MemoryStorage, RunState, Snapshots};

use super::cast::objects;
use super::stage::{Stage, acting, ana, block_on, file, say};

/// Bytes that do not compress.
fn noise(mut seed: u64, len: usize) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn continuing_after_a_small_edit_uploads_only_what_is_new() {
    let memory = MemoryStorage::new();
    let agent = acting(|session| {
        let number = session.facts().number;
        fs::write(file(session, "small.txt"), format!("session {number}\n")).unwrap();
        say(session, "done")
    });
    let stage = Stage::over(agent, memory.clone(), memory, |builder| builder);
    for number in 0..40 {
        stage.laptop.write(format!("data/{number}.bin"), noise(number, 20_000));
    }
    let packs = || objects(&stage.storage, "k").into_iter().map(|(_, body)| body.len()).collect::<Vec<_>>();
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    let run = stage.wait(&started.run);
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    let before: usize = packs().iter().sum();
    assert!(before > 800_000);
    block_on(stage.hub.continue_run(ContinueRequest::new(run.id, ana(), "more"))).unwrap();
    let run = stage.wait(&run.id);
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    let new = packs().iter().sum::<usize>() - before;
    // The one file, and the manifest that names all.
    assert!(new > 0 && new < 20_000, "{new} bytes were uploaded");
    let result = block_on(stage.hub.result(&run.id, &ana())).unwrap().unwrap();
    result.verify().unwrap();

    // The same, counted: the parent's record is read, and a pack and a record are written.
    let counting = Counting::new(Arc::new(stage.storage.clone()));
    let snapshots = Snapshots::new(Arc::new(counting.clone()));
    let parent = run.snapshot().unwrap().clone();
    stage.laptop.write("small.txt", "once more\n");
    let edited = handoff_core::capture(&stage.laptop.workspace(), &Default::default()).unwrap();
    let asked = counting.requests();
    let stored = block_on(snapshots.save(&edited, Some(&parent))).unwrap();
    let asked = counting.requests() - asked;
    assert_eq!((stored.new_blobs, asked.get, asked.put_new, asked.total()), (1, 1, 2, 3), "{asked:?}");
}
