//! One run, three sessions, two machines that share nothing but a store: the conversation and the work go on.
//!
//! `cargo run -p handoff-examples --example cloud_to_cloud`

use std::sync::Arc;

use handoff_core::{
    ActorId, ContinueRequest, Continued, Cursor, DirStorage, Handoff, ListRequest, QueueRuntime, RunState,
    SessionState, StartRequest, Storage, WhenEmpty, WorkOptions, Worker,
};
use handoff_examples::{Done, Scene, block_on, follow, script};

/// Adds what it is asked to the plan, below what it finds there.
const AGENT: &str = r#"
echo "- $1 (session $HANDOFF_SESSION_NUMBER)" >>plan.md
echo "The plan has $(grep -c . plan.md) lines now."
"#;

fn main() -> Done {
    let scene = Scene::new()?;
    let storage: Arc<dyn Storage> = Arc::new(DirStorage::open(scene.path("store"))?);
    // The hub only puts sessions into a queue; workers anywhere take them out.
    let queue = QueueRuntime::new(Arc::clone(&storage), "work", vec![scene.environment()?])?;
    let hub = Handoff::new(Arc::clone(&storage), Arc::new(queue.clone()));

    block_on(async {
        let ana: ActorId = "ana".parse()?;
        let mut cursor = Cursor::default();
        let mut request = StartRequest::new(ana.clone(), "cloud".parse()?, "measure first");
        request.workspace = scene.capture()?.into();
        request.source = Some("schedule: nightly".to_owned());
        let started = hub.start(request).await?;

        for (machine, prompt) in [("one", None), ("two", Some("then cut")), ("one", Some("sand it"))] {
            if let Some(prompt) = prompt {
                let request = ContinueRequest::new(started.run, ana.clone(), prompt);
                let continued = hub.continue_run(request).await?;
                assert!(matches!(continued, Continued::NewSession { workspace: true, .. }), "{continued:?}");
            }
            println!("On machine {machine}:");
            let mut options = WorkOptions::default();
            options.when_empty = WhenEmpty::Return;
            let (worker, places) = (Worker::new(Arc::clone(&storage)), scene.machine(machine)?);
            assert_eq!(queue.work(&worker, &places, script(AGENT), &options).await?, 1);
            let run = follow(&hub, &started.run, &ana, &mut cursor).await?;
            assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
        }

        // One row, one conversation, and everything that was decided at the start.
        let rows = hub.list_runs(&ListRequest::new(ana.clone())).await?.runs;
        let [run] = rows.as_slice() else { return Err("one run is one row".into()) };
        assert_eq!((run.id, run.conversation), (started.run, started.conversation));
        assert_eq!(run.source.as_deref(), Some("schedule: nightly"));
        assert!(run.sessions.iter().all(|session| session.state == SessionState::Succeeded));
        let result = hub.result(&run.id, &ana).await?.ok_or("no result")?;
        println!("What {} sessions changed:\n{}", run.sessions.len(), result.diff_base());
        let plan = result.diff_base().to_string();
        for line in ["+- measure first (session 1)", "+- then cut (session 2)", "+- sand it (session 3)"] {
            assert!(plan.contains(line), "{line} is missing");
        }
        Ok(())
    })
}
