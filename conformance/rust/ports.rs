//! Ports as the scenarios script them, implemented in Rust.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::StreamExt as _;
use futures_lite::future::block_on;
use handoff_core::secrets::{Finding, SecretScanner};
use handoff_core::storage::BodyStream;
use handoff_core::{ActorId, Agent};
use handoff_core::{
    Budget, ConversationHead, Environment, EnvironmentId, Error, Key, Meta, Notice, Notify, Place, Policy,
    PutNew, Relation, Run, RunId, RunSession, Runtime, RuntimeError, SessionId, SessionSpec, Storage,
    StorageError,
};
use serde_json::{Value, json};

use crate::case::{list, only, text};
use crate::disk;
use crate::world::{Seen, World};

/// What is to go wrong, and what was asked.
#[derive(Default)]
pub struct Script {
    pub seen: Seen,
    faults: Vec<Value>,
    count: Mutex<HashMap<String, u64>>,
}

impl Script {
    pub fn new(faults: &Value) -> Self {
        let faults = list(faults, "faults").to_vec();
        faults.iter().for_each(|fault| only(fault, "method nth until error", "a fault"));
        Self { faults, ..Self::default() }
    }

    pub fn note(&self, what: Value) {
        self.seen.lock().unwrap().push(what);
    }

    /// What is to go wrong in this call of `method`, the first being 1.
    fn fault(&self, method: &str) -> Option<&Value> {
        let mut count = self.count.lock().unwrap();
        let number = count.entry(method.to_owned()).or_default();
        *number += 1;
        self.faults.iter().find(|fault| {
            let first = fault["nth"].as_u64().unwrap_or(1);
            let last = fault["until"].as_u64().unwrap_or(first);
            fault["method"] == method && (first..=last).contains(number)
        })
    }

    /// The message of the error that is to be given, and whether it may go away.
    fn error(&self, method: &str) -> Option<(String, String, bool)> {
        let error = &self.fault(method)?["error"];
        Some(error_of(error))
    }
}

/// Kind, message, retryable.
pub fn error_of(error: &Value) -> (String, String, bool) {
    only(error, "kind message retryable", "an error");
    let (kind, message) = (text(&error["kind"], "kind"), text(&error["message"], "message"));
    (kind.to_owned(), message.to_owned(), error["retryable"] == true)
}

/// Objects in a map.
pub struct ScriptedStorage {
    script: Script,
    objects: Mutex<BTreeMap<Key, Bytes>>,
}

impl ScriptedStorage {
    pub fn new(script: Script) -> Self {
        Self { script, objects: Mutex::default() }
    }

    fn ask(&self, method: &str, what: &Value) -> Result<(), StorageError> {
        let mut asked = vec![json!(method)];
        asked.extend(list(what, "arguments").iter().cloned());
        self.script.note(asked.into());
        match self.script.error(method) {
            None => Ok(()),
            Some((_, message, true)) => Err(StorageError::retryable(message)),
            Some((_, message, false)) => Err(StorageError::new(message)),
        }
    }
}

#[async_trait]
impl Storage for ScriptedStorage {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        self.ask("put_new", &json!([key]))?;
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(key) {
            return Ok(PutNew::Exists);
        }
        objects.insert(key.clone(), body);
        Ok(PutNew::Created)
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        self.ask("put", &json!([key]))?;
        self.objects.lock().unwrap().insert(key.clone(), body);
        Ok(())
    }

    async fn put_stream(&self, key: &Key, mut body: BodyStream) -> Result<(), StorageError> {
        self.ask("put_stream", &json!([key]))?;
        let mut whole = Vec::new();
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece.map_err(|why| StorageError::new("the body ended").because(why))?);
        }
        self.objects.lock().unwrap().insert(key.clone(), whole.into());
        Ok(())
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let (start, end) = range.map_or((None, None), |range| (Some(range.start), Some(range.end)));
        self.ask("get", &json!([key, start, end]))?;
        let objects = self.objects.lock().unwrap();
        Ok(objects.get(key).map(|body| {
            let cut = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
            let (start, end) = (cut(start.unwrap_or(0)), cut(end.unwrap_or(u64::MAX)));
            body.slice(start..end.max(start))
        }))
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        self.ask("list", &json!([prefix, after, limit]))?;
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let objects = self.objects.lock().unwrap();
        let below = |key: &Key| key.as_str().starts_with(&format!("{}/", prefix.as_str()));
        let found = objects.iter().filter(|(key, _)| below(key) && after.is_none_or(|after| *key > after));
        Ok(found.take(limit).map(|(key, body)| Meta::new(key.clone(), body.len() as u64, modified)).collect())
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        self.ask("delete", &json!([keys]))?;
        let mut objects = self.objects.lock().unwrap();
        for key in keys {
            objects.remove(key);
        }
        Ok(())
    }
}

/// Runs each session in a place made of copies, or does not.
pub struct ScriptedRuntime {
    script: Arc<Script>,
    given: Value,
    agent: Option<Arc<dyn Agent>>,
    root: PathBuf,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl ScriptedRuntime {
    pub fn new(script: Script, given: Value, agent: Option<Arc<dyn Agent>>, root: PathBuf) -> Self {
        Self { script: Arc::new(script), given, agent, root, threads: Mutex::default() }
    }

    pub fn join(&self) {
        for thread in std::mem::take(&mut *self.threads.lock().unwrap()) {
            thread.join().unwrap();
        }
    }

    fn fault(&self, method: &str) -> Result<(), RuntimeError> {
        match self.script.error(method) {
            None => Ok(()),
            Some((kind, message, _)) if kind == "not_found" => Err(RuntimeError::not_found(message)),
            Some((_, message, true)) => Err(RuntimeError::retryable(message)),
            Some((_, message, false)) => Err(RuntimeError::new(message)),
        }
    }

    fn place(&self, spec: &SessionSpec) -> Place {
        let root = self.root.join(spec.session.to_string());
        std::fs::create_dir_all(&root).unwrap();
        let repos = World::texts(&self.given["repos"]);
        for (name, source) in &repos {
            disk::copy(source.as_ref(), &root.join(name));
        }
        let mut place = Place::new(&root, repos.iter().map(|(name, _)| root.join(name)));
        if self.given["loose"] == true {
            std::fs::create_dir(root.join("loose")).unwrap();
            place.loose = Some(root.join("loose"));
        }
        place.variables = World::texts(&self.given["variables"]).into_iter().collect();
        place
    }
}

#[async_trait]
impl Runtime for ScriptedRuntime {
    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        self.script.note(json!(["environment", id]));
        self.fault("environment")?;
        let known =
            list(&self.given["environments"], "environments").iter().find(|one| one["id"] == id.as_str());
        let found = known.ok_or_else(|| RuntimeError::not_found(format!("no environment {id}")))?;
        Ok(serde_json::from_value(found.clone()).unwrap())
    }

    async fn start(&self, spec: SessionSpec, sessions: Arc<dyn RunSession>) -> Result<(), RuntimeError> {
        self.script.note(json!(["start", spec]));
        self.fault("start")?;
        match text(&self.given["start"], "start") {
            "ignore" => {}
            "fail" => {
                let reason = text(&self.given["reason"], "reason");
                sessions.fail_session(&spec, reason).await.unwrap();
            }
            "run" => {
                let (place, agent) = (self.place(&spec), self.agent.clone().expect("an agent"));
                let script = Arc::clone(&self.script);
                let thread = std::thread::spawn(move || {
                    let ended = block_on(sessions.run_session(&spec, place, agent)).unwrap();
                    script.note(json!(["ended", ended]));
                });
                self.threads.lock().unwrap().push(thread);
            }
            other => panic!("no start is called {other}"),
        }
        Ok(())
    }

    async fn cancel(&self, _: &SessionId) -> Result<(), RuntimeError> {
        self.script.note(json!(["cancel"]));
        self.fault("cancel")
    }
}

/// Answers from tables; what a table lacks has the stated default.
pub struct ScriptedPolicy {
    pub script: Script,
    pub given: Value,
}

impl ScriptedPolicy {
    fn fault(&self, method: &str) -> Result<(), Error> {
        self.script.error(method).map_or(Ok(()), |(_, why, _)| Err(Error::Policy { why }))
    }
}

#[async_trait]
impl Policy for ScriptedPolicy {
    async fn relation(&self, actor: &ActorId, run: &Run) -> Result<Relation, Error> {
        self.fault("relation")?;
        Ok(match self.given["relations"][actor.as_str()].as_str() {
            None if run.creator == *actor => Relation::Creator,
            Some("creator") => Relation::Creator,
            Some("team_member") => Relation::TeamMember,
            Some("same_organisation") => Relation::SameOrganisation,
            Some("anonymous") => Relation::Anonymous,
            None | Some("outsider") => Relation::Outsider,
            Some(other) => panic!("no relation is called {other}"),
        })
    }

    async fn may_store_conversations(&self, actor: &ActorId) -> Result<bool, Error> {
        if self.given["store"].is_null() {
            return Ok(true);
        }
        self.fault("may_store_conversations")?;
        Ok(self.given["store"][actor.as_str()] == true)
    }

    async fn may_fork(&self, actor: &ActorId, conversation: &ConversationHead) -> Result<bool, Error> {
        if !self.given["fork"].is_null() {
            self.fault("may_fork")?;
        }
        Ok(self.given["fork"][actor.as_str()].as_bool().unwrap_or(*actor == conversation.owner))
    }

    async fn may_leave_children(&self, _: &Run, live: &[RunId]) -> Result<bool, Error> {
        if self.given["children"].is_null() {
            return Ok(false);
        }
        self.fault("may_leave_children")?;
        self.script.note(json!(["children", live.len()]));
        Ok(self.given["children"] == true)
    }

    async fn budget(&self, actor: &ActorId, run: Option<&Run>) -> Result<Budget, Error> {
        if self.given["budget"].is_null() {
            return Ok(run.map(|run| run.budget.clone()).unwrap_or_default());
        }
        self.fault("budget")?;
        self.script.note(json!(["budget", actor, run.is_some()]));
        Ok(serde_json::from_value(self.given["budget"].clone()).unwrap())
    }
}

/// Remembers each notice.
pub struct ScriptedNotify(pub Script);

#[async_trait]
impl Notify for ScriptedNotify {
    async fn notify(&self, notice: &Notice) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (kind, run) = match notice {
            Notice::Ended(run) => ("ended", run),
            Notice::InputRequired(run) => ("input_required", run),
            other => panic!("the notice {other:?} has no name here"),
        };
        let question = run.question.as_ref().map(|question| &question.text);
        self.0.note(json!({ "kind": kind, "state": run.state, "question": question }));
        self.0.error("notify").map_or(Ok(()), |(_, why, _)| Err(why.into()))
    }
}

/// Finds one word.
pub struct ScriptedScanner {
    script: Script,
    word: Vec<u8>,
    rule: String,
}

impl ScriptedScanner {
    pub fn new(script: Script, word: &str, rule: &str) -> Self {
        Self { script, word: word.into(), rule: rule.into() }
    }
}

impl std::fmt::Debug for ScriptedScanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScriptedScanner")
    }
}

impl SecretScanner for ScriptedScanner {
    fn scan(&self, content: &[u8]) -> Vec<Finding> {
        if self.script.fault("scan").is_some() {
            // A scanner in Rust cannot fail; in the other languages, one that does finds everything.
            return vec![Finding::new("scanner_failed", 0..content.len())];
        }
        let at = content.windows(self.word.len()).position(|part| part == self.word);
        at.map(|at| Finding::new(self.rule.as_str(), at..at + self.word.len())).into_iter().collect()
    }
}
