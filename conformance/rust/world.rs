//! One scenario under way.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_lite::future::block_on;
use handoff_core::secrets::SecretScanner;
use handoff_core::{
    Agent, Conversations, Handoff, Notify, Policy, QueueRuntime, Runtime, Snapshot, Storage, Workspace,
};
use serde_json::{Value, json};

use crate::case::{Scenario, list, object, only, text};
use crate::data::Failure;
use crate::disk::{self, Templates};
use crate::expect::{Results, dig, line, masked, mismatch, slim};
use crate::given::Given;
use crate::ports::ScriptedRuntime;
use crate::steps;

/// What steps make.
#[derive(Clone)]
pub enum Made {
    Workspace(Workspace),
    Snapshot(Snapshot),
    Storage(Arc<dyn Storage>),
    Conversations(Conversations),
    Agent(Arc<dyn Agent>),
    Runtime(Arc<dyn Runtime>),
    Scripted(Arc<ScriptedRuntime>),
    Queue(Arc<QueueRuntime>),
    Policy(Arc<dyn Policy>),
    Notify(Arc<dyn Notify>),
    Scanner(Arc<dyn SecretScanner>),
    Hub(Handoff),
}

/// What a scripted port was asked.
pub type Seen = Arc<Mutex<Vec<Value>>>;

/// What a step gives: its result, what it made, and what that will have seen.
#[derive(Default)]
pub struct Outcome {
    pub result: Value,
    pub made: Option<Made>,
    pub seen: Option<Seen>,
}

impl From<Value> for Outcome {
    fn from(result: Value) -> Self {
        Self { result, ..Self::default() }
    }
}

impl From<Made> for Outcome {
    fn from(made: Made) -> Self {
        Self { made: Some(made), ..Self::default() }
    }
}

pub type Ended = Result<Outcome, Failure>;

pub struct World<'a> {
    scenario: &'a Scenario,
    pub root: PathBuf,
    results: Results,
    made: HashMap<String, Made>,
    seen: HashMap<String, Seen>,
}

impl<'a> World<'a> {
    pub fn new(scenario: &'a Scenario, root: &Path, templates: &Templates) -> Self {
        for (name, repo) in &scenario.repos {
            only(repo, "from then", name);
            let template = text(&repo["from"], "a template");
            let actions = scenario.templates.get(template);
            templates.copy(
                actions.unwrap_or_else(|| panic!("no template is called {template}")),
                &root.join(name),
            );
            disk::run(&root.join(name), list(&repo["then"], "then"));
        }
        disk::run(root, &scenario.then);
        let (results, made, seen) = Default::default();
        Self { scenario, root: root.to_owned(), results, made, seen }
    }

    /// The transcript, or where a step was not as expected.
    pub fn run(mut self) -> Result<String, String> {
        let mut lines = String::new();
        let scenario = self.scenario;
        for (number, step) in scenario.steps.iter().enumerate() {
            only(step, "do with as expect error", "a step");
            let verb = text(&step["do"], "a step");
            let what = format!("{} {verb}", number + 1);
            let mut given = Given::new(&self, &step["with"]);
            let ended = block_on(steps::step(verb, &self, &mut given));
            let outcome = match ended {
                Ok(outcome) => {
                    given.finish();
                    outcome
                }
                Err(mut failure) => {
                    if verb.starts_with("storage.") {
                        failure.message = None;
                    }
                    json!({ "error": failure.json() }).into()
                }
            };
            let result = slim(outcome.result, &self.root.to_string_lossy());
            let why = self.check(step, &result);
            if let Some(why) = why {
                return Err(format!("step {what}: {why}"));
            }
            lines += &line(&scenario.area, &scenario.name, &what, &result);
            if let Some(name) = step["as"].as_str() {
                self.results.insert(name.to_owned(), result);
                self.made.extend(outcome.made.map(|made| (name.to_owned(), made)));
                self.seen.extend(outcome.seen.map(|seen| (name.to_owned(), seen)));
            }
        }
        for made in self.made.values() {
            if let Made::Scripted(runtime) = made {
                runtime.join();
            }
        }
        Ok(masked(&lines))
    }

    fn check(&self, step: &Value, result: &Value) -> Option<String> {
        if let Some(want) = step.get("error") {
            let want = if want.is_string() { json!({ "kind": want }) } else { want.clone() };
            return mismatch(&json!({ "error": want }), result, &self.results, "");
        }
        let failed =
            result.as_object().is_some_and(|result| result.len() == 1 && result.contains_key("error"));
        if failed {
            return Some(format!("failed: {}", result["error"]));
        }
        mismatch(step.get("expect")?, result, &self.results, "")
    }

    /// `given` with paths and results in their places. What a step made keeps its name, for [`made`](Self::made).
    pub fn value(&self, given: &Value) -> Value {
        match given {
            Value::String(text) => {
                if text == "@" || text.starts_with("@/") {
                    return format!("{}{}", self.root.display(), &text[1..]).into();
                }
                match text.strip_prefix('$') {
                    Some(name) if !self.made.contains_key(name) => dig(&self.results, name),
                    _ => given.clone(),
                }
            }
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                Value::Object(members.iter().map(|(key, item)| (key.clone(), self.value(item))).collect())
            }
            other => other.clone(),
        }
    }

    /// What the step called `$name` made.
    pub fn made(&self, given: &Value) -> Option<Made> {
        self.made.get(given.as_str()?.strip_prefix('$')?).cloned()
    }

    pub fn seen(&self, given: &Value) -> Value {
        let name = text(given, "of").trim_start_matches('$');
        if let Some(Made::Scripted(runtime)) = self.made.get(name) {
            runtime.join();
        }
        let seen = self.seen.get(name).unwrap_or_else(|| panic!("{name} remembers nothing"));
        seen.lock().unwrap().clone().into()
    }

    /// A workspace that was opened, or one of the repositories that are named.
    pub fn workspace(&self, given: &Value) -> Result<Workspace, Failure> {
        match self.made(given) {
            Some(Made::Workspace(workspace)) => Ok(workspace),
            Some(_) => panic!("{given} is no workspace"),
            None => {
                let names =
                    list(given, "workspace").iter().map(|name| self.root.join(text(name, "a repository")));
                Ok(Workspace::new(names)?)
            }
        }
    }

    pub fn snapshot(&self, given: &Value) -> Snapshot {
        match self.made(given) {
            Some(Made::Snapshot(snapshot)) => snapshot,
            _ => panic!("{given} is no snapshot"),
        }
    }

    pub fn storage(&self, given: &Value) -> Arc<dyn Storage> {
        match self.made(given) {
            Some(Made::Storage(storage)) => storage,
            _ => panic!("{given} is no storage"),
        }
    }

    pub fn agent(&self, given: &Value) -> Arc<dyn Agent> {
        match self.made(given) {
            Some(Made::Agent(agent)) => agent,
            _ => panic!("{given} is no agent"),
        }
    }

    /// The members of `given` that are not `null`, as texts.
    pub fn texts(given: &Value) -> Vec<(String, String)> {
        if given.is_null() {
            return Vec::new();
        }
        object(given, "texts").iter().map(|(key, value)| (key.clone(), text(value, key).to_owned())).collect()
    }
}
