//! The other processes of the story, which are this program too: a worker in the cloud, and the agent that it runs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use handoff_core::{
    AgentInfo, Checkouts, CommandAgent, DirStorage, Environment, HandoffBuilder, QueueRuntime, Storage,
    WorkOptions,
};

use crate::Done;
use crate::cloud;
use crate::source::remarked;

/// The queue between the hub and its workers.
pub const QUEUE: &str = "demo";

/// Plays the part that the command line names; `None` for the story itself.
pub fn play(args: &[String]) -> Option<Done> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["work", store, places, environment] => Some(work(store, places, environment)),
        ["agent", prompt] => Some(agent(prompt)),
        _ => None,
    }
}

/// A worker in a process of its own.
pub struct Worker(Child);

impl Worker {
    pub fn launch(store: &Path, places: &Path, environment: &Environment) -> Done<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("work").args([store, places]).arg(serde_json::to_string(environment)?);
        // It ends when its input does, so that none is left behind whatever becomes of us.
        Ok(Self(command.stdin(Stdio::piped()).spawn()?))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Takes runs out of the queue until its input ends. All it shares with the hub is the store.
fn work(store: &str, places: &str, environment: &str) -> Done {
    let environment: Environment = serde_json::from_str(environment)?;
    let storage: Arc<dyn Storage> = Arc::new(DirStorage::open(store)?);
    let queue = QueueRuntime::new(Arc::clone(&storage), QUEUE, vec![environment.clone()])?;
    let worker = HandoffBuilder::new(storage).terms(cloud::terms()).worker();
    let exe = std::env::current_exe()?.to_string_lossy().into_owned();
    let agent = CommandAgent::new(exe, ["agent", "{prompt}"])
        .questions("ASK ")
        .info(AgentInfo::third_party("the demo's agent"));
    let mut options = WorkOptions::default();
    options.poll = Duration::from_millis(100);
    let stop = options.stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.cancel();
    });
    let places = Checkouts::new(places).with(environment);
    futures_lite::future::block_on(queue.work(&worker, &places, Arc::new(agent), &options))?;
    Ok(())
}

/// A headless agent: reads the tree it is in, edits files, says what it does, asks once.
fn agent(prompt: &str) -> Done {
    let here = std::env::current_dir()?;
    if std::env::var("HANDOFF_SESSION_NUMBER")?.parse::<u64>()? > 1 {
        let notes = "HANDOFF.md";
        let text = fs::read_to_string(here.join(notes))?;
        fs::write(here.join(notes), format!("{text}\n{prompt} That was today.\n"))?;
        return say(&format!("{notes} was still here from the last session; it says so now."));
    }
    say(&format!("{} paths are uncommitted here, just as on the laptop.", changes(&here)?.len()))?;
    if let Some(file) = file_to_edit(&here)? {
        let text = fs::read_to_string(here.join(&file))?;
        fs::write(here.join(&file), format!("{text}{}\n", remarked("", &file, "finished in the cloud")))?;
        say(&format!("{file}: finished."))?;
    }
    say("ASK Where shall I write down what I did?")?;
    let mut name = String::new();
    std::io::stdin().read_line(&mut name)?;
    let name = name.trim();
    fs::write(here.join(name), "# What the agent did\n\nIt finished what was begun.\n")?;
    say(&format!("It is in {name}. Done."))
}

fn say(line: &str) -> Done {
    println!("{line}");
    std::io::stdout().flush()?;
    // Long enough for each line to be a message of its own, as of an agent that thinks.
    std::thread::sleep(Duration::from_millis(260));
    Ok(())
}

fn changes(root: &Path) -> Done<Vec<String>> {
    lines(root, &["status", "--short", "--untracked-files=all"])
}

fn lines(root: &Path, args: &[&str]) -> Done<Vec<String>> {
    let mut git = Command::new("git");
    let output = git.current_dir(root).args(["-c", "core.quotePath=false"]).args(args).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// The first modified text file with room for two edits that do not touch; where there is none, the first that is as committed.
pub fn file_to_edit(root: &Path) -> Done<Option<String>> {
    let fits = |file: &&str| {
        let path = root.join(file);
        path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() < 1 << 20)
            && fs::read_to_string(path)
                .is_ok_and(|text| text.lines().count() >= 20 && text.ends_with('\n') && !text.contains('\r'))
    };
    let changes = changes(root)?;
    let mut modified = changes.iter().filter_map(|line| line.strip_prefix(" M "));
    if let Some(file) = modified.find(fits) {
        return Ok(Some(file.to_owned()));
    }
    let tracked = lines(root, &["ls-files"])?;
    let changed =
        |file: &str| changes.iter().any(|line| line.get(3..).is_some_and(|path| path.contains(file)));
    Ok(tracked.iter().map(String::as_str).filter(|file| !changed(file)).find(fits).map(str::to_owned))
}
