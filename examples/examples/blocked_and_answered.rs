//! An agent that asks: the person is told, answers when there is time, and the agent goes on where it was.
//!
//! `cargo run -p handoff-examples --example blocked_and_answered`

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use handoff_core::{
    ActorId, Affordance, ContinueRequest, Cursor, ErrorKind, Handoff, HandoffBuilder, LocalRuntime,
    MemoryStorage, Notice, Notify, RunState, StartRequest,
};
use handoff_examples::{Done, Scene, block_on, follow, script};

const AGENT: &str = r#"
echo "There are two ways to say it."
echo "ASK Formal or casual?"
read -r answer
sed -i "s/Good morning/$answer/" greet.sh
echo "It greets with \"$answer\" now."
"#;

/// Where a host would send a mail or a message.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Notify for Told {
    async fn notify(&self, notice: &Notice) -> Result<(), Box<dyn Error + Send + Sync>> {
        let text = match notice {
            Notice::InputRequired(run) => {
                format!("asks: {}", run.question.as_ref().map_or("", |question| question.text.as_str()))
            }
            Notice::Ended(run) => format!("ended: {}", run.state),
            _ => return Ok(()),
        };
        println!("  (to ana) {text}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        Ok(())
    }
}

fn main() -> Done {
    let scene = Scene::new()?;
    let told = Told::default();
    let runtime = LocalRuntime::new(script(AGENT), scene.machine("cloud")?);
    let builder = HandoffBuilder::new(Arc::new(MemoryStorage::new())).notify(Arc::new(told.clone()));
    block_on(ask_and_answer(&scene, &builder.hub(Arc::new(runtime))))?;
    let told = told.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(told, ["asks: Formal or casual?", "ended: succeeded"]);
    Ok(())
}

async fn ask_and_answer(scene: &Scene, hub: &Handoff) -> Done {
    let ana: ActorId = "ana".parse()?;
    let mut request = StartRequest::new(ana.clone(), "cloud".parse()?, "Choose a greeting.");
    request.workspace = scene.capture()?.into();
    let run = hub.start(request).await?.run;
    let mut cursor = Cursor::default();
    let blocked = follow(hub, &run, &ana, &mut cursor).await?;
    assert_eq!(blocked.state, RunState::Blocked);

    // The only thing to offer now is an answer; a follow-up would be refused.
    let offer = hub.affordance(&run, &ana).await?;
    println!("To offer: {offer:?}");
    assert_eq!(offer, Affordance::Respond { question: "Formal or casual?".to_owned() });
    let refused = hub.continue_run(ContinueRequest::new(run, ana.clone(), "Hurry up.")).await;
    let refused = refused.err().ok_or("a follow-up was taken for an answer")?;
    println!("A follow-up instead: {refused}");
    assert_eq!(refused.kind(), ErrorKind::NotContinuable);

    // With a key, an answer that is sent twice is given once.
    let mut answer = ContinueRequest::new(run, ana.clone(), "Good evening");
    answer.idempotency_key = Some("form 17".to_owned());
    let session = hub.answer(answer.clone()).await?;
    assert_eq!(hub.answer(answer).await?, session);

    let ended = follow(hub, &run, &ana, &mut cursor).await?;
    assert_eq!((ended.state, ended.sessions.len()), (RunState::Succeeded, 1));
    let result = hub.result(&run, &ana).await?.ok_or("no result")?;
    assert!(result.diff_base().to_string().contains("+echo \"Good evening"));
    Ok(())
}
