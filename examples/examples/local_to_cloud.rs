//! Hand a laptop's work, with the conversation it came from, to an agent in the cloud.
//!
//! `cargo run -p handoff-examples --example local_to_cloud`

use std::fs;
use std::sync::Arc;

use handoff_core::{
    ActorId, AppendRequest, Cursor, DirStorage, ForkPoint, Handoff, LocalRuntime, Message, Origin, RunState,
    Session, StartRequest, run::Restored,
};
use handoff_examples::{Done, Scene, block_on, follow, script};

/// Does what it is asked, in the tree that it finds.
const AGENT: &str = r#"
echo "I was asked: $1"
echo "I found: $(git status --short | tr '\n' ' ')"
printf '#!/bin/sh\ntest "$(sh greet.sh Ana)" = "Good morning, Ana"\n' >test.sh
sh test.sh
echo "test.sh is written, and it passes."
"#;

fn main() -> Done {
    let scene = Scene::new()?;
    // A store in a folder stands for the cloud's; a thread with a fresh clone stands for its sandbox.
    let storage = Arc::new(DirStorage::open(scene.path("store"))?);
    let runtime = LocalRuntime::new(script(AGENT), scene.machine("cloud")?);
    let hub = Handoff::new(storage, Arc::new(runtime));
    block_on(hand_off(&scene, &hub))
}

async fn hand_off(scene: &Scene, hub: &Handoff) -> Done {
    let ana: ActorId = "ana".parse()?;
    // The conversation so far, as the host has it.
    let talks = hub.conversations();
    let talk = talks.create(&ana).await?.id;
    let said =
        vec![Message::user("Greet by the time of day."), Message::assistant("Done. Tests are missing.")];
    talks.append(&talk, AppendRequest::new(said)).await?;
    let before = talks.messages(&talk, 0, usize::MAX).await?;

    let mut request = StartRequest::new(ana.clone(), "cloud".parse()?, "Write the tests.");
    request.conversation = talk.into();
    request.workspace = scene.capture()?.into();
    request.origin = Origin::LocalToCloud;
    let started = hub.start(request).await?;

    println!("The laptop can be closed now. In the cloud:");
    let run = follow(hub, &started.run, &ana, &mut Cursor::default()).await?;
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());

    // What was restored before the agent said a word is in the record.
    let restored = run.session().and_then(|session: &Session| session.restored.as_ref());
    let Some(Restored::Applied { verdict, .. }) = restored else { return Err("nothing was restored".into()) };
    println!("The workspace was restored: {verdict}");

    // The run has a conversation of its own; the one on the laptop is as it was, and still usable.
    assert_eq!(talks.messages(&talk, 0, usize::MAX).await?, before);
    let copy = started.conversation.ok_or("the conversation did not come along")?;
    assert!(talks.head(&copy).await?.messages > before.len() as u64);
    talks.append(&talk, AppendRequest::new(vec![Message::user("Meanwhile, here:")])).await?;
    assert!(talks.fork(&copy, &ForkPoint::Head, &ana).await.is_ok());

    // So is the checkout. What the agent made is in the run's result, to be reviewed or pulled.
    assert!(!scene.laptop.join("test.sh").exists());
    assert!(fs::read_to_string(scene.laptop.join("greet.sh"))?.contains("Good morning"));
    let result = hub.result(&run.id, &ana).await?.ok_or("no result")?;
    let mut paths: Vec<_> = result.entries().map(|(_, entry)| entry.path.to_string()).collect();
    paths.sort();
    println!("The result holds: {}", paths.join(", "));
    assert_eq!(paths, ["greet.sh", "plan.md", "test.sh"]);
    Ok(())
}
