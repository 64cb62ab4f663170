//! Three attempts at one task from the same conversation and the same work, compared by their diffs.
//!
//! `cargo run -p handoff-examples --example fan_out`

use std::sync::Arc;
use std::time::Duration;

use handoff_core::{
    ActorId, Handoff, LocalRuntime, MemoryStorage, Message, PullRequest, RunState, StartRequest,
};
use handoff_examples::{Done, Scene, block_on, script};

/// Each prompt leads it to another solution.
const AGENT: &str = r#"
case "$1" in
*simple*) sed -i 's/Good morning/Good day/' greet.sh ;;
*clock*) sed -i 's/Good morning/Good $(date +%p)/' greet.sh ;;
*) printf '#!/bin/sh\necho "Good day, $*"\n' >greet.sh; rm plan.md ;;
esac
echo "Done: $1"
"#;

fn main() -> Done {
    let scene = Scene::new()?;
    let runtime = LocalRuntime::new(script(AGENT), scene.machine("cloud")?);
    let hub = Handoff::new(Arc::new(MemoryStorage::new()), Arc::new(runtime));

    block_on(async {
        let ana: ActorId = "ana".parse()?;
        let mut request = StartRequest::new(ana.clone(), "cloud".parse()?, "");
        // The messages themselves, where the host keeps its transcripts elsewhere.
        request.conversation = vec![Message::user("Greet by the time of day.")].into();
        let snapshot = scene.capture()?;
        request.workspace = snapshot.clone().into();
        let prompts = ["The simple way.", "Ask the clock.", "Start over."];
        let started = hub.fan_out(request, prompts.map(str::to_owned).to_vec()).await?;

        let mut results = Vec::new();
        for (prompt, started) in prompts.iter().zip(started) {
            let run = hub.wait(&started?.run, &ana, Duration::from_secs(60)).await?;
            assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
            let result = hub.result(&run.id, &ana).await?.ok_or("no result")?;
            println!("== {prompt}\n{}", snapshot.diff(&result));
            results.push((run, result));
        }

        // Any two variants can be held against each other.
        let [(simple, a), (_, b), (_, c)] = results.as_slice() else { return Err("three runs".into()) };
        let between = a.diff(b).to_string();
        println!("== The first two against each other\n{between}");
        assert!(between.contains("-echo \"Good day") && between.contains("+echo \"Good $(date"), "{between}");
        assert!(a.diff(c).to_string().contains("deleted file"), "the third one removed the plan");

        // The one that is wanted comes home.
        let pulled = hub.pull(PullRequest::new(simple.id, ana.clone()), &scene.workspace()?).await?;
        println!("== Pulled\n{}", pulled.report.ok_or("no report")?);
        assert!(std::fs::read_to_string(scene.laptop.join("greet.sh"))?.contains("Good day"));
        Ok(())
    })
}
