//! Taking a run, restoring its workspace, and saying to the agent what was done.

use std::sync::Arc;

use super::Worker;
use super::live::{Core, root_of};
use super::turn::Turn;
use crate::access::LeaseState;
use crate::agent::{Agent, SessionFacts};
use crate::apply::{ApplyHistory, ApplyOptions, apply};
use crate::conversation::{Message, Role};
use crate::error::{Error, ErrorKind};
use crate::handoff::runs::Step;
use crate::id::OpId;
use crate::report::{ApplyReport, DriftKind, Outcome};
use crate::run::{
    MOST_NOT_RESTORED, NotRestored, NothingRestored, Restored, Run, RunState, Session, SessionState,
    SnapshotRef,
};
use crate::runtime::SessionSpec;

/// A run that this worker holds now.
pub(super) struct Taken {
    pub(super) run: Run,
    pub(super) session: Session,
    /// Which session of the run, from 1.
    pub(super) number: u64,
}

impl Worker {
    /// Takes the run for the session; `None` when there is nothing to take: it has ended or another does it.
    ///
    /// Writing the next record with a higher epoch is the one step that only one can do.
    pub(super) async fn take(&self, spec: &SessionSpec, agent: &dyn Agent) -> Result<Option<Taken>, Error> {
        let run = self.runs.load(&spec.run).await?;
        let lease = self.parts.leases.state(&run).await?;
        let info = agent.describe();
        let now = self.parts.clock.millis();
        let epoch = run.epoch + 1;
        let step = |run: &Run| {
            let mut next = run.clone();
            let Some(session) = next.sessions.last_mut().filter(|session| session.id == spec.session) else {
                return Ok(Step::Keep);
            };
            let may = match session.state {
                SessionState::Queued => true,
                // Its worker vanished: another goes on where the last checkpoint was.
                SessionState::Running if lease == LeaseState::Expired => true,
                SessionState::Running => return Err(Error::Leased { run: run.id }),
                _ => false,
            };
            // A record that somebody else wrote since the lease was judged is judged anew.
            if !may || run.epoch + 1 != epoch {
                return if may { Err(Error::Leased { run: run.id }) } else { Ok(Step::Keep) };
            }
            session.state = SessionState::Running;
            session.epoch = epoch;
            session.agent.clone_from(&info.name);
            session.agent_kind = info.kind;
            session.started.get_or_insert(now);
            next.epoch = epoch;
            next.state = RunState::Running;
            Ok(Step::Write(Box::new(next)))
        };
        let run = self.runs.update(&spec.run, &step).await?;
        let Some(session) = run.sessions.last().filter(|session| session.id == spec.session) else {
            return Ok(None);
        };
        if session.epoch != epoch || session.state != SessionState::Running {
            return Ok(None);
        }
        // The new epoch is a sign of life by itself; a beat that fails is made up for by the next.
        let _ = self.parts.leases.beat(&run.id, epoch).await;
        let (session, number) = (session.clone(), run.sessions.len() as u64);
        Ok(Some(Taken { session, number, run }))
    }

    /// How the session stands that was not there to take.
    pub(super) async fn state_of(&self, spec: &SessionSpec) -> Result<SessionState, Error> {
        let run = self.runs.load(&spec.run).await?;
        let session = run.sessions.iter().find(|session| session.id == spec.session);
        let session = session.ok_or_else(|| Error::not_found(format!("session {}", spec.session)))?;
        Ok(session.state.clone())
    }

    /// Fences the conversation, restores the workspace, and hands over the prompt.
    pub(super) async fn begin(&self, core: &Arc<Core>, taken: Taken) -> Result<Turn, Error> {
        let mut first_message = taken.session.first_message;
        if let Some(conversation) = &core.conversation {
            let head = self.conversations.fence(conversation, core.epoch, OpId::new()).await?;
            first_message.get_or_insert(head.messages);
            core.state().inbox_from = head.inbox;
        }
        let from = taken.session.snapshot_out.clone().or_else(|| taken.session.snapshot_in.clone());
        let (restored, report) = self.restore(core, from.as_ref()).await?;
        let note = note(&taken, core, &restored);
        core.record(move |session| {
            session.first_message = first_message;
            session.restored = Some(and_before(session.restored.take(), restored.clone()));
        })
        .await?;
        let asked = core.drain_with(vec![note]).await?;
        let mut prompt = text_of(&asked);
        // After a crash the prompt may be in the conversation already, and no longer in the inbox.
        if let (true, Some(conversation), Some(first)) =
            (prompt.is_empty(), &core.conversation, first_message)
        {
            let since = self.conversations.messages(conversation, first, 64).await?;
            let users: Vec<_> = since.into_iter().filter(|message| message.role == Role::User).collect();
            prompt = text_of(&users);
        }
        if prompt.is_empty() {
            prompt.clone_from(&taken.session.prompt);
        }
        let facts = SessionFacts {
            run: core.run,
            session: core.session,
            number: taken.number,
            prompt,
            model: taken.run.model.clone(),
            root: root_of(&core.place),
            variables: core.place.variables.clone(),
            repos: core.place.repos.clone(),
            restored: report,
            cancel: core.cancel.clone(),
        };
        Ok(Turn::new(Arc::clone(core), facts))
    }

    /// Applies the workspace state. A state that cannot be restored is said, and the session goes on without. One that
    /// cannot be had at the moment is an error: the session would leave a state without all of it.
    async fn restore(
        &self,
        core: &Arc<Core>,
        from: Option<&SnapshotRef>,
    ) -> Result<(Restored, Option<ApplyReport>), Error> {
        let nothing = |reason, message: String| Ok((Restored::Nothing { reason, message }, None));
        let Some(from) = from else {
            return nothing(NothingRestored::None, "the run has no workspace state".to_owned());
        };
        let snapshot = match self.snapshots.load(from).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let reason = match error.kind() {
                    ErrorKind::NotFound | ErrorKind::BlobMissing => NothingRestored::Missing,
                    ErrorKind::Storage | ErrorKind::Cancelled => return Err(error),
                    _ => NothingRestored::Damaged,
                };
                return nothing(reason, error.to_string());
            }
        };
        core.state().last_snapshot = Some(from.clone());
        let Some(workspace) = core.workspace.clone() else {
            return nothing(NothingRestored::NoTarget, "the environment has no repository".to_owned());
        };
        // On the branch it was on, with commits that are nowhere else, so that a later session goes on from there.
        let options = ApplyOptions { history: ApplyHistory::Branch, ..ApplyOptions::default() };
        match blocking::unblock(move || apply(&snapshot, &workspace, &options)).await {
            Ok(report) if report.repos.iter().all(|repo| repo.drift.kind == DriftKind::NoTarget) => {
                let why = "no repository of the environment is one of the workspace state's".to_owned();
                Ok((Restored::Nothing { reason: NothingRestored::NoTarget, message: why }, Some(report)))
            }
            Ok(report) => {
                let (summary, missing) = (report.to_string(), missing(&report));
                let verdict = report.verdict.clone();
                Ok((Restored::Applied { verdict, summary, missing }, Some(report)))
            }
            Err(error) => nothing(NothingRestored::Failed, error.to_string()),
        }
    }
}

/// Paths that the state carries and the work tree did not get. Of repositories that are not here nothing is captured
/// either, so that none of their paths can seem to have gone.
fn missing(report: &ApplyReport) -> Vec<NotRestored> {
    let here = report.repos.iter().filter(|repo| repo.drift.kind != DriftKind::NoTarget);
    let files = here.flat_map(|repo| repo.files.iter().map(|file| (&repo.name, file)));
    let lost = |outcome: &Outcome| matches!(outcome, Outcome::Conflict | Outcome::Skipped | Outcome::Failed);
    files
        .filter(|(_, file)| lost(&file.outcome))
        .map(|(repo, file)| NotRestored { repo: repo.clone(), path: file.path.clone() })
        .take(MOST_NOT_RESTORED)
        .collect()
}

/// What a session that was begun before did not get: what it had then is what its checkpoint has, which the worker that
/// goes on with it restores without a gap.
fn and_before(before: Option<Restored>, now: Restored) -> Restored {
    match (before, now) {
        (
            Some(Restored::Applied { missing: before, .. }),
            Restored::Applied { verdict, summary, mut missing },
        ) => {
            missing.extend(before);
            missing.sort();
            missing.dedup();
            missing.truncate(MOST_NOT_RESTORED);
            Restored::Applied { verdict, summary, missing }
        }
        (Some(Restored::Nothing { reason, message }), Restored::Applied { .. })
            if reason != NothingRestored::None =>
        {
            Restored::Nothing { reason, message }
        }
        (_, now) => now,
    }
}

/// What the agent is told of the move, in a class of its own and never as the user's words.
fn note(taken: &Taken, core: &Core, restored: &Restored) -> Message {
    let mut text = format!("This is session {} of run {}.", taken.number, core.run);
    text.push_str(
        " It runs on another machine, or in another place, than what came before: the working directory is ",
    );
    text.push_str(&root_of(&core.place).to_string_lossy());
    text.push_str(
        ", processes started earlier are gone, and absolute paths mentioned earlier may not exist here.\n",
    );
    if let Some(dir) = &core.place.loose {
        text.push_str("Files that belong to no repository are in ");
        text.push_str(&dir.to_string_lossy());
        text.push_str(", and what is put there goes along.\n");
    }
    match restored {
        Restored::Applied { summary, .. } => {
            text.push_str("The uncommitted work was restored. What became of each file:\n");
            text.push_str(summary);
        }
        Restored::Nothing { reason: NothingRestored::None, .. } => {
            text.push_str("There was no uncommitted work to restore.");
        }
        Restored::Nothing { message, .. } => {
            text.push_str("The uncommitted work could NOT be restored: ");
            text.push_str(message);
        }
    }
    if taken.run.fresh.is_some() {
        text.push_str("\nThe conversation so far did not come along.");
    }
    Message::note(text)
}

pub(super) fn text_of(messages: &[Message]) -> String {
    let texts: Vec<_> =
        messages.iter().map(|message| message.text.as_str()).filter(|text| !text.is_empty()).collect();
    texts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    fn applied(paths: &[&str]) -> Restored {
        let path = |path: &&str| NotRestored { repo: "app".to_owned(), path: (*path).into() };
        let missing = paths.iter().map(path).collect();
        Restored::Applied { verdict: Verdict::Partial, summary: String::new(), missing }
    }

    #[test]
    fn what_a_session_lacked_before_it_was_taken_over_it_lacks_still() {
        let nothing = |reason| Restored::Nothing { reason, message: "why".to_owned() };
        assert_eq!(and_before(None, applied(&["a"])), applied(&["a"]));
        assert_eq!(and_before(Some(applied(&["b", "a"])), applied(&["a", "c"])), applied(&["a", "b", "c"]));
        let failed = nothing(NothingRestored::Failed);
        assert_eq!(
            and_before(Some(failed.clone()), applied(&[])),
            failed,
            "its checkpoint stands on the commit alone"
        );
        assert_eq!(and_before(Some(nothing(NothingRestored::None)), applied(&[])), applied(&[]));
        assert_eq!(and_before(Some(applied(&["a"])), failed.clone()), failed);
    }
}
