//! An agent that does what a scenario says.

use std::time::Duration;

use async_trait::async_trait;
use handoff_core::conversation::Message;
use handoff_core::{ActiveSession, Agent, AgentError, AgentInfo, AgentKind, MessageId, SessionEnd, Usage};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::case::{list, object, only, text};
use crate::data;
use crate::disk;
use crate::ports::{Script, error_of};

/// Does what the script says in each session; the last list is for all further ones.
pub struct ScriptedAgent {
    script: Script,
    given: Value,
}

impl ScriptedAgent {
    pub fn new(script: Script, given: Value) -> Self {
        Self { script, given }
    }

    /// One act; `Some` ends the session.
    async fn act(&self, session: &ActiveSession, act: &Value) -> Result<Option<SessionEnd>, AgentError> {
        let (word, given) = object(act, "an act").iter().next().expect("an act has a word");
        let facts = session.facts();
        match word.as_str() {
            "say" => session.append(vec![said(given, "assistant")]).await?,
            "ask" => {
                let answer = session.block(said(given, "assistant")).await?;
                self.script.note(json!({ "answer": data::message(&answer) }));
            }
            "edit" => disk::run(&facts.repos[0], list(given, word)),
            "edit_root" => disk::run(&facts.root, list(given, word)),
            "usage" => session.usage(Usage(serde_json::from_value(given.clone()).unwrap())).await?,
            "remaining" => self.script.note(json!({ "remaining": session.remaining_budget() })),
            "checkpoint" => self.script.note(json!({ "checkpoint": session.checkpoint().await? })),
            "attach" => {
                only(given, "name text base64 times media_type say", "an attachment");
                let (name, media_type) = (text(&given["name"], "name"), given["media_type"].as_str());
                let made =
                    session.attach(name, media_type.unwrap_or_default(), disk::content_of(given)).await?;
                let mut message = Message::assistant(text(&given["say"], "say"));
                message.attachments = vec![made.clone()];
                session.append(vec![message]).await?;
                let content = session.read_attachment(&made).await?;
                self.script.note(json!({ "attached": disk::plain(&content) }));
            }
            "head" => self.script.note(json!({ "head": session.head().await? })),
            "messages" => {
                only(given, "from limit", "messages");
                let limit = given["limit"].as_u64().map_or(256, |limit| usize::try_from(limit).unwrap());
                let found = session.messages(given["from"].as_u64().unwrap_or(0), limit).await?;
                self.script.note(json!({ "messages": data::messages(&found) }));
            }
            "follow_ups" => {
                let found = session.follow_ups().await?;
                self.script.note(json!({ "follow_ups": data::messages(&found) }));
            }
            "wait_follow_up" => {
                let mut found = session.follow_ups().await?;
                while found.is_empty() {
                    async_io::Timer::after(Duration::from_millis(5)).await;
                    found = session.follow_ups().await?;
                }
                self.script.note(json!({ "follow_ups": data::messages(&found) }));
            }
            "wait_cancelled" => {
                while !session.cancelled() {
                    async_io::Timer::after(Duration::from_millis(5)).await;
                }
                self.script.note("told to stop".into());
            }
            "facts" => self.script.note(json!({
                "number": facts.number, "prompt": facts.prompt, "model": facts.model,
                "variables": facts.variables, "repos": facts.repos.len(),
                "restored": facts.restored.as_ref().map(|report| &report.verdict),
            })),
            "raise" => return Err(AgentError::new(error_of(given).1)),
            "end" => {
                return Ok(Some(match given.as_str() {
                    Some("succeeded") => SessionEnd::Succeeded,
                    Some("cancelled") => SessionEnd::Cancelled,
                    Some(other) => panic!("no end is called {other}"),
                    None => {
                        only(given, "failed", "an end");
                        SessionEnd::Failed(text(&given["failed"], "failed").to_owned())
                    }
                }));
            }
            other => panic!("no act is called {other}"),
        }
        Ok(None)
    }
}

#[async_trait]
impl Agent for ScriptedAgent {
    fn describe(&self) -> AgentInfo {
        let mut info = AgentInfo::native(self.given["name"].as_str().unwrap_or("scripted"));
        info.models =
            list(&self.given["models"], "models").iter().map(|one| text(one, "a model").into()).collect();
        match self.given["kind"].as_str() {
            None | Some("native") => {}
            Some("third_party") => info.kind = AgentKind::ThirdParty,
            Some(other) => panic!("no kind of agent is called {other}"),
        }
        info
    }

    async fn run(&self, session: ActiveSession) -> Result<SessionEnd, AgentError> {
        let sessions = list(&self.given["sessions"], "sessions");
        let number = usize::try_from(session.facts().number).unwrap().min(sessions.len());
        for act in list(&sessions[number - 1], "acts") {
            if let Some(end) = self.act(&session, act).await? {
                return Ok(end);
            }
        }
        Ok(SessionEnd::Succeeded)
    }
}

/// A message; `role` is whose a plain text is.
pub fn said(given: &Value, role: &str) -> Message {
    if let Some(words) = given.as_str() {
        return said(&json!({ "role": role, "text": words }), role);
    }
    only(given, "id kind role text tool_calls tool_results attachments at body", "a message");
    let mut fields = given.clone();
    let members = fields.as_object_mut().unwrap();
    members.entry("id").or_insert_with(|| json!(MessageId::new()));
    let body = members.remove("body");
    let message: Message = serde_json::from_value(fields).unwrap();
    match body {
        Some(body) => message.with_body(RawValue::from_string(body.to_string()).unwrap()),
        None => message,
    }
}

/// Several, or one.
pub fn all_said(given: &Value, role: &str) -> Vec<Message> {
    match given {
        Value::Array(items) => items.iter().map(|item| said(item, role)).collect(),
        one => vec![said(one, role)],
    }
}
