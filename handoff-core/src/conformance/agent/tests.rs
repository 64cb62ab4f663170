#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_lite::future::block_on;

use super::{Subject, check, names, run};
use crate::agent::{ActiveSession, Agent, AgentError, AgentInfo, CommandAgent, SessionEnd};
use crate::budget::Usage;
use crate::clock::{Clock as _, SystemClock};
use crate::conversation::Message;

#[test]
fn programs_keep_the_contract_however_they_get_their_prompt() {
    let script = "case $line in wait*) sleep 300;; esac; echo first; echo second >&2; echo done";
    let by_input = CommandAgent::new("sh", ["-c", &format!("read -r line; {script}")]);
    let by_argument = CommandAgent::new("sh", ["-c", &format!("line=$1; {script}"), "sh", "{prompt}"]);
    // Its input stays open for answers, and nothing that it says is a question.
    let asking = by_argument.clone().questions("ASK ");
    for agent in [by_input, by_argument, asking] {
        let mut subject = Subject::new(Arc::new(agent.grace(Duration::from_millis(200))), "hello", "wait");
        subject.grace = Duration::from_secs(20);
        let report = block_on(check(&subject));
        assert!(report.passed(), "{report}");
        assert_eq!(report.cases.len(), names().count());
    }
}

/// Ways of being wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    /// Nothing.
    Right,
    /// It does not look whether it is to stop.
    Deaf,
    /// It says that it succeeded though it was stopped.
    Boasts,
    /// It tries again for ever when a write is refused.
    Insists,
    /// It says nothing.
    Mute,
    /// It does not look whether a write went well.
    Careless,
    /// It speaks as the user.
    Poses,
    /// All its messages have one id.
    OneId,
    /// It reports usage since the last report, and not in total.
    Increments,
    /// It is somebody else each time.
    Changes,
    /// It says in one session what belongs into another.
    Mixes,
    /// After a failure it does nothing any more.
    Sulks,
    /// It panics at what it does not expect.
    Fragile,
    /// It panics where there is no directory.
    Homeless,
}

struct Player {
    wrong: Wrong,
    asked: AtomicU64,
    failed: AtomicBool,
    last: Mutex<Option<ActiveSession>>,
}

#[async_trait]
impl Agent for Player {
    fn describe(&self) -> AgentInfo {
        let number = if self.wrong == Wrong::Changes { self.asked.fetch_add(1, Ordering::SeqCst) } else { 0 };
        AgentInfo::native(format!("player {number}"))
    }

    async fn run(&self, session: ActiveSession) -> Result<SessionEnd, AgentError> {
        let done = self.answer(&session).await;
        if !matches!(done, Ok(SessionEnd::Succeeded)) {
            self.failed.store(true, Ordering::SeqCst);
        }
        done
    }
}

impl Player {
    fn new(wrong: Wrong) -> Self {
        Self { wrong, asked: AtomicU64::new(0), failed: AtomicBool::new(false), last: Mutex::default() }
    }

    async fn answer(&self, session: &ActiveSession) -> Result<SessionEnd, AgentError> {
        let prompt = &session.facts().prompt;
        assert!(self.wrong != Wrong::Fragile || prompt == "hello" || prompt == "wait", "{prompt}");
        assert!(self.wrong != Wrong::Homeless || session.facts().root.is_dir());
        if self.wrong == Wrong::Sulks && self.failed.load(Ordering::SeqCst) {
            return Err(AgentError::new("no more"));
        }
        if prompt == "wait" {
            // Not for ever, so that the test ends.
            for _ in 0..400 {
                if session.cancelled() && self.wrong != Wrong::Deaf {
                    let boasts = self.wrong == Wrong::Boasts;
                    return Ok(if boasts { SessionEnd::Succeeded } else { SessionEnd::Cancelled });
                }
                SystemClock.sleep(Duration::from_millis(10)).await;
            }
        }
        if self.wrong == Wrong::Mute {
            return Ok(SessionEnd::Succeeded);
        }
        let mut messages = vec![Message::assistant("one"), Message::assistant("two")];
        match self.wrong {
            Wrong::Poses => messages.push(Message::user("thank you")),
            Wrong::OneId => messages[1].id = messages[0].id,
            _ => {}
        }
        let whom = match self.wrong {
            Wrong::Mixes => self.last.lock().unwrap().get_or_insert_with(|| session.clone()).clone(),
            _ => session.clone(),
        };
        loop {
            match whom.append(messages.clone()).await {
                Err(_)
                    if self.wrong == Wrong::Insists && self.asked.fetch_add(1, Ordering::SeqCst) < 2_000 =>
                {
                    SystemClock.sleep(Duration::from_millis(10)).await;
                }
                Err(_) if self.wrong == Wrong::Careless => break,
                done => break done?,
            }
        }
        for used in [5, if self.wrong == Wrong::Increments { 3 } else { 8 }] {
            session.usage(Usage::of("tokens", used)).await?;
        }
        Ok(SessionEnd::Succeeded)
    }
}

fn subject(wrong: Wrong) -> Subject {
    let mut subject = Subject::new(Arc::new(Player::new(wrong)), "hello", "wait");
    // Longer than a deaf one waits would hide it.
    subject.grace = Duration::from_secs(2);
    subject.patience = Duration::from_secs(if wrong == Wrong::Insists { 2 } else { 45 });
    subject
}

#[test]
fn an_agent_in_this_process_keeps_the_contract() {
    let report = block_on(check(&subject(Wrong::Right)));
    assert!(report.passed(), "{report}");
}

#[test]
fn every_case_finds_out_an_agent_that_is_wrong() {
    let rows = [
        ("it returns soon after it is asked to stop", Wrong::Deaf),
        ("one that is asked to stop before it begins returns soon", Wrong::Deaf),
        ("one that was stopped does not say that it succeeded", Wrong::Boasts),
        ("one whose writes are refused returns soon", Wrong::Insists),
        ("what it answers is appended", Wrong::Mute),
        ("it succeeds only when what it said is stored", Wrong::Careless),
        ("it speaks as itself and not as the user", Wrong::Poses),
        ("every message has an id of its own", Wrong::OneId),
        ("what it has used never falls", Wrong::Increments),
        ("it is what it says each time it is asked", Wrong::Changes),
        ("sessions at once do not mix", Wrong::Mixes),
        ("a session after a failed one is as any other", Wrong::Sulks),
        ("a prompt of a mebibyte is no trouble", Wrong::Fragile),
        ("odd prompts end the turn and nothing else", Wrong::Fragile),
        ("a working directory that is gone ends the turn", Wrong::Homeless),
    ];
    for name in names() {
        assert!(rows.iter().any(|(row, _)| *row == name), "no agent is wrong in {name:?}");
    }
    std::thread::scope(|scope| {
        for (name, wrong) in rows {
            scope.spawn(move || {
                let case = block_on(run(name, &subject(wrong))).unwrap();
                assert!(case.failure.is_some(), "{name:?} passed an agent that is {wrong:?}");
            });
        }
    });
}

#[test]
fn a_case_that_is_not_there_is_none() {
    assert_eq!(block_on(run("no such case", &subject(Wrong::Right))), None);
}
