//! The second half of the story: the same work handed to an agent elsewhere, followed, answered, continued, pulled.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use console::style;
use handoff_core::{
    Affordance, AppendRequest, ApplyOptions, ContinueRequest, Control, ConversationId, Cursor, DirStorage,
    Environment, Event, Handoff, HandoffBuilder, Message, Origin, Outcome, PullRequest, QueueRuntime, Role,
    Run, RunId, RunState, Snapshot, StartRequest, Storage, Terms, Workspace, apply, undo,
};

use crate::Done;
use crate::git::Git;
use crate::proof;
use crate::role::{self, Worker};
use crate::screen::{self, plural};
use crate::source::remarked;

/// Short pauses: somebody is looking on.
pub fn terms() -> Terms {
    let mut terms = Terms::default();
    terms.poll = Duration::from_millis(200);
    terms
}

struct Cloud {
    hub: Handoff,
    store: PathBuf,
    /// Ends with the story.
    _worker: Worker,
}

/// Hands `snapshot` of `source` off and brings it home; `false` when a proof failed.
pub fn story(source: &Git, snapshot: &Snapshot, scratch: &Path) -> Done<bool> {
    futures_lite::future::block_on(tell(source, snapshot, scratch))
}

async fn tell(source: &Git, snapshot: &Snapshot, scratch: &Path) -> Done<bool> {
    screen::step(9, "Hand it to an agent in the cloud");
    let home = at_home(source, snapshot, scratch)?;
    let cloud = open(source, snapshot, scratch)?;
    let ana = "ana".parse()?;
    let talks = cloud.hub.conversations();
    let talk = talks.create(&ana).await?.id;
    let said = ["Help me with this change.", "Gladly. What is uncommitted here is a good beginning."];
    let said = vec![Message::user(said[0]), Message::assistant(said[1])];
    talks.append(&talk, AppendRequest::new(said)).await?;
    let talk_before = (talks.messages(&talk, 0, usize::MAX).await?, on_disk(&cloud.store, &talk)?);

    let mut request = StartRequest::new(ana, "cloud".parse()?, "Finish what I began.");
    request.conversation = talk.into();
    request.workspace = snapshot.clone().into();
    request.origin = Origin::LocalToCloud;
    let run = cloud.hub.start(request).await?.run;
    println!("  {} holds the conversation and the work;", style(cloud.store.display()).cyan());
    println!(
        "  a worker process takes the run from a queue there, and runs a command-line agent in a fresh clone"
    );

    let mut cursor = Cursor::default();
    let run_asks = follow(&cloud.hub, &run, &mut cursor).await?;
    let asked = run_asks.state == RunState::Blocked;
    screen::verdict(asked, "the agent waits for an answer, and what can be offered is just that:");
    println!("    {}", style(offer(&cloud.hub.affordance(&run, &"ana".parse()?).await?)).magenta());

    screen::step(10, "Answer, and later continue");
    cloud.hub.answer(ContinueRequest::new(run, "ana".parse()?, "HANDOFF.md")).await?;
    let first = follow(&cloud.hub, &run, &mut cursor).await?;
    println!("    {}", style(offer(&cloud.hub.affordance(&run, &"ana".parse()?).await?)).magenta());
    cloud.hub.continue_run(ContinueRequest::new(run, "ana".parse()?, "Add the date.")).await?;
    let second = follow(&cloud.hub, &run, &mut cursor).await?;
    let ended = [&first, &second].iter().all(|run| run.state == RunState::Succeeded);
    let one = second.sessions.len() == 2 && second.conversation == first.conversation;
    screen::verdict(ended && one, "two sessions, two clones, one run and one conversation");

    screen::step(11, "Meanwhile at home, then pull");
    let merged = pull(&cloud.hub, &run, &home).await?;

    screen::step(12, "Proof");
    let talk_after = (talks.messages(&talk, 0, usize::MAX).await?, on_disk(&cloud.store, &talk)?);
    let untouched = talk_before == talk_after;
    screen::verdict(untouched, "the conversation it came from is as it was: every message, byte and mtime");
    Ok(asked && ended && one && merged && untouched)
}

/// The laptop's own checkout may be anybody's and is only read; the story goes on in a copy with the same work.
fn at_home(source: &Git, snapshot: &Snapshot, scratch: &Path) -> Done<Git> {
    let home = source.clone_to(&scratch.join("home"))?;
    apply(snapshot, &Workspace::new([home.root()])?, &ApplyOptions::default())?;
    Ok(home)
}

fn open(source: &Git, snapshot: &Snapshot, scratch: &Path) -> Done<Cloud> {
    let store = scratch.join("store");
    let name = snapshot.manifest().repos.first().map_or("app", |repo| repo.name.as_str());
    let forge = source.clone_to(&scratch.join("forge"))?;
    let environment = Environment::new("cloud".parse()?).with_repo(name, forge.root().to_string_lossy());
    let storage: Arc<dyn Storage> = Arc::new(DirStorage::open(&store)?);
    let queue = QueueRuntime::new(Arc::clone(&storage), role::QUEUE, vec![environment.clone()])?;
    let hub = HandoffBuilder::new(storage).terms(terms()).hub(Arc::new(queue));
    let worker = Worker::launch(&store, &scratch.join("cloud-machine"), &environment)?;
    Ok(Cloud { hub, store, _worker: worker })
}

/// Shows what happens in a run until it has ended or asks something.
async fn follow(hub: &Handoff, run: &RunId, cursor: &mut Cursor) -> Done<Run> {
    let ana = "ana".parse()?;
    let mut latest = hub.run(run, &ana).await?;
    let mut watch = hub.watch(run, &ana, *cursor).await?;
    while let Some(event) = watch.next().await? {
        *cursor = watch.cursor();
        match event {
            Event::Message { message, .. } => say(&message),
            Event::Run(run) => {
                let state = match run.state {
                    RunState::Failed => style(run.state.to_string()).red(),
                    RunState::Succeeded => style(run.state.to_string()).green(),
                    _ => style(run.state.to_string()).yellow(),
                };
                if run.state != latest.state || run.state != RunState::Running {
                    println!("    {} {state}", style("·").dim());
                }
                latest = *run;
                if latest.state == RunState::Blocked {
                    break;
                }
            }
            _ => {}
        }
    }
    if let Some(session) = latest.session().filter(|_| latest.state == RunState::Failed) {
        println!("      {}", session.reason);
    }
    Ok(latest)
}

fn say(message: &Message) {
    let who = match message.role {
        Role::User => style("ana  ").blue().bold(),
        Role::Assistant => style("agent").cyan().bold(),
        _ => style("note ").dim(),
    };
    let mut lines = message.text.lines();
    let first = lines.next().unwrap_or_default();
    println!(
        "    {who} {}",
        console::truncate_str(first, screen::columns().min(120).saturating_sub(11), "…")
    );
    if message.role == Role::Assistant {
        lines.take(4).for_each(|line| println!("          {line}"));
    }
}

/// What a button would say.
fn offer(affordance: &Affordance) -> String {
    match affordance {
        Affordance::Respond { question } => format!("[ {question} ]"),
        Affordance::FollowUp => "[ Say something more ]".to_owned(),
        Affordance::Continue { label } => format!("[ {label} ]"),
        Affordance::ContinueLocally => "[ Continue locally ]".to_owned(),
        _ => "(nothing to offer)".to_owned(),
    }
}

/// Edits at home what the agent edits too, pulls, and takes it back.
async fn pull(hub: &Handoff, run: &RunId, home: &Git) -> Done<bool> {
    let edited = edit_at_home(home)?;
    if let Some(file) = &edited {
        println!("  {} gets another first line at home", style(file).bold());
    }
    let before = proof::state(home)?;
    let here = Workspace::new([home.root()])?;
    let pulled = hub.pull(PullRequest::new(*run, "ana".parse()?), &here).await?;
    let report = pulled.report.ok_or("the run has no result")?;
    screen::report(&report);
    let merged = report.files().find(|(_, file)| file.outcome == Outcome::Merged);
    if let (Some((_, file)), Some(head)) = (merged, home.head()) {
        let path = file.at.as_ref().unwrap_or(&file.path).to_string_lossy();
        println!("  What became of {}:", style(&path).bold());
        screen::quoted(&home.diff(&head, &path)?, 18);
    }
    let complete = report.count(&Outcome::Conflict) + report.count(&Outcome::Failed) == 0;
    let came = edited.is_none() || report.count(&Outcome::Merged) == 1;
    screen::verdict(
        complete && came,
        if edited.is_some() {
            "both edits are in place"
        } else {
            "everything is in place; no file here has the twenty lines that it takes to show a merge"
        },
    );
    let id = report.apply_id.ok_or("nothing was written")?;
    undo(&here, &id, &Control::default())?;
    let differences = before.differences(&proof::state(home)?);
    screen::verdict(differences.is_empty(), "undone: home is as it was before the pull");
    if let Some(fork) = &pulled.conversation {
        let count = fork.messages as usize;
        println!("  The conversation came home too: {count} {}", plural(count, "message"));
    }
    Ok(complete && came && differences.is_empty())
}

/// Changes the first line of the file that the agent will have added to.
fn edit_at_home(home: &Git) -> Done<Option<String>> {
    let Some(file) = role::file_to_edit(home.root())? else { return Ok(None) };
    let path = home.root().join(&file);
    let text = fs::read_to_string(&path)?;
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    fs::write(&path, format!("{}\n{rest}", remarked(first, &file, "meanwhile at home")))?;
    Ok(Some(file))
}

/// Bytes and times of everything that the store keeps of a conversation.
fn on_disk(store: &Path, talk: &ConversationId) -> Done<BTreeMap<PathBuf, (Vec<u8>, SystemTime)>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![store.join("c").join(talk.to_string())];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
            } else {
                found.insert(path.clone(), (fs::read(&path)?, fs::metadata(&path)?.modified()?));
            }
        }
    }
    Ok(found)
}
