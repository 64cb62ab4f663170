//! A runtime of one's own: each session in a process of its own, as a fleet of containers would have it.
//!
//! `cargo run -p handoff-examples --example custom_runtime`

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use handoff_core::{
    ActorId, Checkouts, ContinueRequest, DirStorage, Environment, EnvironmentId, Handoff, RunSession,
    RunState, Runtime, RuntimeError, SessionId, SessionSpec, StartRequest, Worker,
};
use handoff_examples::{Done, Scene, block_on, script};

const AGENT: &str = r#"
echo "$1" >>plan.md
echo "Process $PPID runs this session."
"#;

/// Launches this very program once for each session. A fleet would send the spec to a machine instead.
struct Processes {
    environment: Environment,
    store: PathBuf,
    places: PathBuf,
}

#[async_trait]
impl Runtime for Processes {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        // Asked before anything moves, so that nobody starts a run that could not go anywhere.
        let known = Some(&self.environment).filter(|known| known.id == *id).cloned();
        known.ok_or_else(|| RuntimeError::not_found(format!("no environment {id}; there is cloud")))
    }

    async fn start(&self, spec: SessionSpec, _: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        // The spec is plain data; whatever else a session needs, it reads from the storage. Two processes for one
        // session do no harm, so nothing has to be remembered here: the run's lease lets one of them in.
        let failed = |error| RuntimeError::retryable("the process could not be started").because(error);
        let words = [serde_json::to_string(&spec), serde_json::to_string(&self.environment)];
        let words: Result<Vec<_>, _> = words.into_iter().collect();
        let words = words.map_err(|error| RuntimeError::new("the spec is no JSON").because(error))?;
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .arg("session")
            .args(words)
            .args([&self.store, &self.places])
            .spawn()
            .map_err(failed)?;
        // Somebody has to take notice of its end.
        std::thread::spawn(move || child.wait());
        Ok(())
    }

    async fn cancel(&self, _: &SessionId) -> Result<(), RuntimeError> {
        // The polite request is in the run's inbox already; a fleet would now take the machine away.
        Ok(())
    }
}

/// The other process: prepares a place, and lets the agent answer in it.
fn session(args: &[String]) -> Done {
    let [spec, environment, store, places] = args else { return Err("four arguments".into()) };
    let spec: SessionSpec = serde_json::from_str(spec)?;
    let environment: Environment = serde_json::from_str(environment)?;
    let worker = Worker::new(Arc::new(DirStorage::open(store)?));
    match Checkouts::new(places).with(environment).prepare(&spec) {
        Ok(place) => block_on(worker.run_session(&spec, place, script(AGENT))).map(drop)?,
        // Said in the run, which can then be continued; otherwise it would wait for ever.
        Err(error) => block_on(worker.fail_session(&spec, &error.to_string()))?,
    }
    Ok(())
}

fn main() -> Done {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("session", rest)) = args.split_first().map(|(verb, rest)| (verb.as_str(), rest)) {
        return session(rest);
    }
    let scene = Scene::new()?;
    let (store, places) = (scene.path("store"), scene.path("places"));
    let storage = Arc::new(DirStorage::open(&store)?);
    let hub = Handoff::new(storage, Arc::new(Processes { environment: scene.environment()?, store, places }));

    block_on(async {
        let ana: ActorId = "ana".parse()?;
        let wrong = StartRequest::new(ana.clone(), "mars".parse()?, "Go.");
        println!("Refused before anything moved: {}", hub.start(wrong).await.err().ok_or("it started")?);

        let mut request = StartRequest::new(ana.clone(), "cloud".parse()?, "3. ship it");
        request.workspace = scene.capture()?.into();
        let id = hub.start(request).await?.run;
        hub.wait(&id, &ana, Duration::from_secs(60)).await?;
        hub.continue_run(ContinueRequest::new(id, ana.clone(), "4. rest")).await?;
        let run = hub.wait(&id, &ana, Duration::from_secs(60)).await?;
        assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());

        let talk = run.conversation.ok_or("no conversation")?;
        let said = hub.conversations().messages(&talk, 0, usize::MAX).await?;
        let mut processes: Vec<_> =
            said.iter().map(|message| &message.text).filter(|text| text.starts_with("Process ")).collect();
        processes.iter().for_each(|line| println!("  {line}"));
        processes.dedup();
        assert_eq!(processes.len(), 2, "a process each");
        let result = hub.result(&id, &ana).await?.ok_or("no result")?;
        let diff = result.diff_base().to_string();
        assert!(diff.contains("+3. ship it\n+4. rest"), "{diff}");
        Ok(())
    })
}
