//! What the examples share: a scene to play in, all in one scratch directory, and a way to look on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use handoff_core::{
    ActorId, CaptureOptions, Checkouts, CommandAgent, Cursor, Environment, Event, Handoff, Run, RunId,
    RunState, Snapshot, Workspace, capture,
};

pub use futures_lite::future::block_on;

/// Any error ends an example.
pub type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

const GREET: &str = "#!/bin/sh\n# Greets.\necho \"Hello, ${1:-world}\"\n\n# The end.\n";
const NOTES: &str = "# Notes\n\n- greet is a shell script\n\nOpen questions:\n\n- none\n";

/// A project on a forge, a laptop with a clone and uncommitted work, and room for clouds.
pub struct Scene {
    dir: tempfile::TempDir,
    /// The laptop's checkout.
    pub laptop: PathBuf,
}

impl Scene {
    /// Sets it up.
    pub fn new() -> Done<Self> {
        let dir = tempfile::tempdir()?;
        let (forge, laptop) = (dir.path().join("forge/app"), dir.path().join("laptop/app"));
        fs::create_dir_all(&forge)?;
        fs::create_dir_all(dir.path().join("laptop"))?;
        git(&forge, &["init", "--quiet", "--initial-branch=main"])?;
        fs::write(forge.join("greet.sh"), GREET)?;
        fs::write(forge.join("notes.md"), NOTES)?;
        git(&forge, &["add", "."])?;
        git(&forge, &["commit", "--quiet", "--message=Greet"])?;
        git(&dir.path().join("laptop"), &["clone", "--quiet", "../forge/app", "app"])?;
        // What nobody has committed: one edit, one new file.
        fs::write(laptop.join("greet.sh"), GREET.replace("Hello", "Good morning"))?;
        fs::write(laptop.join("plan.md"), "1. greet by the time of day\n2. test it\n")?;
        Ok(Self { dir, laptop })
    }

    /// A place in the scratch directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The environment `cloud`, which clones the project from the forge.
    pub fn environment(&self) -> Done<Environment> {
        Ok(Environment::new("cloud".parse()?).with_repo("app", self.path("forge/app").to_string_lossy()))
    }

    /// A machine named `name` that prepares clones for sessions in it.
    pub fn machine(&self, name: &str) -> Done<Checkouts> {
        Ok(Checkouts::new(self.path(name)).with(self.environment()?))
    }

    /// The laptop's checkout as a workspace.
    pub fn workspace(&self) -> Done<Workspace> {
        Ok(Workspace::new([&self.laptop])?)
    }

    /// The laptop's uncommitted work.
    pub fn capture(&self) -> Done<Snapshot> {
        Ok(capture(&self.workspace()?, &CaptureOptions::default())?)
    }
}

/// A headless command-line agent that is a shell script: it finds its prompt in `$1`, edits files in its working
/// directory, and says what it does on standard output. Lines that begin with `ASK ` are questions. Any other program
/// is run in the same way: `CommandAgent::new("my-agent", ["--print", "{prompt}"])`.
pub fn script(script: &str) -> Arc<CommandAgent> {
    Arc::new(CommandAgent::new("sh", ["-euc", script, "agent", "{prompt}"]).questions("ASK "))
}

/// Prints what happens in a run, from `cursor` on, until it has ended or asks something.
pub async fn follow(hub: &Handoff, run: &RunId, actor: &ActorId, cursor: &mut Cursor) -> Done<Run> {
    let mut watch = hub.watch(run, actor, *cursor).await?;
    let mut latest = hub.run(run, actor).await?;
    let mut shown = RunState::Unknown("".into());
    while let Some(event) = watch.next().await? {
        *cursor = watch.cursor();
        match event {
            Event::Message { message, .. } => {
                let mut lines = message.text.lines();
                println!("  {:>9} | {}", message.role.as_str(), lines.next().unwrap_or_default());
                lines.take(3).for_each(|line| println!("  {:>9} | {line}", ""));
            }
            Event::Run(run) => {
                if run.state != shown {
                    println!("  {:>9} | {}", "[run]", run.state);
                    shown = run.state.clone();
                }
                latest = *run;
                if latest.state == RunState::Blocked {
                    break;
                }
            }
            _ => {}
        }
    }
    Ok(latest)
}

/// Runs git as a person would.
pub fn git(dir: &Path, args: &[&str]) -> Done {
    let who = ["-c", "user.name=demo", "-c", "user.email=demo@example.invalid", "-c", "commit.gpgSign=false"];
    let status = Command::new("git").current_dir(dir).args(who).args(args).status()?;
    if status.success() { Ok(()) } else { Err(format!("git {} failed: {status}", args.join(" ")).into()) }
}
