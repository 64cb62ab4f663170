//! Bring a run's result home, where the person has meanwhile worked on: merged, and one conflict kept for both.
//!
//! `cargo run -p handoff-examples --example pull_back`

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use handoff_core::{
    ActorId, Control, Detail, Handoff, LocalRuntime, MemoryStorage, Origin, Outcome, PullAction, PullRequest,
    StartRequest, undo,
};
use handoff_examples::{Done, Scene, block_on, script};

const AGENT: &str = r#"
sed -i 's/^# The end.$/# The end, says the cloud./' greet.sh
sed -i 's/test it/test it at noon/' plan.md
echo 'sh greet.sh' >run.sh
echo "Three files changed."
"#;

fn main() -> Done {
    let scene = Scene::new()?;
    let runtime = LocalRuntime::new(script(AGENT), scene.machine("cloud")?);
    let hub = Handoff::new(Arc::new(MemoryStorage::new()), Arc::new(runtime));
    let at = |name: &str| scene.laptop.join(name);
    let read = |name: &str| fs::read_to_string(at(name));

    block_on(async {
        let ana: ActorId = "ana".parse()?;
        let mut request = StartRequest::new(ana.clone(), "cloud".parse()?, "Finish it.");
        request.workspace = scene.capture()?.into();
        request.origin = Origin::LocalToCloud;
        let run = hub.start(request).await?.run;

        // Meanwhile at home: another part of one file, and the very line that the agent changes in another.
        fs::write(at("greet.sh"), read("greet.sh")?.replace("# Greets.", "# Greets, says the laptop."))?;
        fs::write(at("plan.md"), read("plan.md")?.replace("test it", "test it twice"))?;
        let mine = (read("greet.sh")?, read("plan.md")?);
        hub.wait(&run, &ana, Duration::from_secs(60)).await?;

        // First only look.
        let mut pull = PullRequest::new(run, ana.clone());
        pull.action = PullAction::Preview;
        let preview = hub.pull(pull.clone(), &scene.workspace()?).await?.report.ok_or("no report")?;
        assert_eq!((read("greet.sh")?, read("plan.md")?), mine, "a preview writes nothing");

        pull.action = PullAction::Apply;
        let pulled = hub.pull(pull, &scene.workspace()?).await?;
        let report = pulled.report.ok_or("no report")?;
        println!("{report}");
        assert_eq!(preview.count(&Outcome::Conflict), report.count(&Outcome::Conflict));

        let greet = read("greet.sh")?;
        assert!(greet.contains("says the laptop") && greet.contains("says the cloud"), "both edits: {greet}");
        assert_eq!(read("run.sh")?, "sh greet.sh\n");
        assert_eq!(read("plan.md")?, mine.1, "a conflict leaves the local file alone");
        let (_, conflict) =
            report.files().find(|(_, file)| file.outcome == Outcome::Conflict).ok_or("none")?;
        assert_eq!(
            (conflict.path.to_string().as_str(), &conflict.detail),
            ("plan.md", &Some(Detail::Content))
        );
        let theirs = conflict.incoming.as_ref().ok_or("the incoming version was kept")?;
        println!("The cloud's plan.md waits at {}:\n{}", theirs.display(), fs::read_to_string(theirs)?);
        println!("The conversation came home as {}", pulled.conversation.ok_or("no conversation")?.id);

        // Not what was wanted.
        let undone = undo(&scene.workspace()?, &report.apply_id.ok_or("no id")?, &Control::default())?;
        println!("Undone: {}", undone.verdict);
        assert_eq!((read("greet.sh")?, read("plan.md")?), mine);
        assert!(!at("run.sh").exists());
        Ok(())
    })
}
