//! Unpushed commits of the snapshot, made available in the target.

use super::ApplyHistory;
use super::session::Session;
use crate::error::Error;
use crate::git::{Arrival, Refused};
use crate::id::Oid;
use crate::progress::Phase;
use crate::report::{HistoryOutcome, HistoryReport};
use crate::snapshot::part::{BASES, MAX_PART, bases, decode};
use crate::snapshot::{History, HistoryCut, HistoryCutReason, HistoryPart};

/// Why the commits could not be taken: a stable word, and the same for people.
struct Trouble {
    reason: &'static str,
    message: String,
}

fn trouble(reason: &'static str, message: impl Into<String>) -> Trouble {
    Trouble { reason, message: message.into() }
}

impl Session<'_> {
    /// Takes the snapshot's commits into the target's object database, where that is asked for. Refs are not touched.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; objects that were stored by then are named by nothing.
    pub(super) fn take_history(&mut self, writes: bool) -> Result<(), Error> {
        let Some(history) = &self.manifest.history else { return Ok(()) };
        let mut report = HistoryReport::new(history.commits, HistoryOutcome::NotAsked);
        let here = self.manifest.head.commit.is_some_and(|head| self.repo.has_object(&head));
        let unknown = history.cut.as_ref().is_some_and(|cut| cut.reason == HistoryCutReason::NoRemote);
        if here && unknown {
            return Ok(());
        }
        if here {
            report.outcome = HistoryOutcome::Present;
        } else if let Some(cut) = &history.cut {
            report.outcome = HistoryOutcome::NotCaptured;
            report.reason = Some(cut.reason.as_str().to_owned());
            report.message = Some(why_cut(cut));
        } else if self.options.history != ApplyHistory::Leave {
            match self.take_parts(history, writes)? {
                Ok(()) => report.outcome = HistoryOutcome::Stored,
                Err(Trouble { reason, message }) => {
                    report.outcome = HistoryOutcome::Failed;
                    report.reason = Some(reason.to_owned());
                    report.message = Some(message);
                }
            }
            if writes && report.outcome == HistoryOutcome::Stored {
                self.drift = self.repo.drift(&self.manifest.head)?;
            }
        }
        let here = matches!(report.outcome, HistoryOutcome::Stored | HistoryOutcome::Present);
        if let Some(tip) = self.manifest.head.commit.filter(|_| here)
            && !self.has_merged(&tip)
        {
            report.message = Some(format!("`git merge {tip}` brings them into this branch"));
        }
        self.history = Some(report);
        Ok(())
    }

    fn has_merged(&self, tip: &Oid) -> bool {
        let here = self.repo.head_state().ok().and_then(|head| head.commit);
        here.is_some_and(|here| self.repo.is_ahead_of(&here, tip))
    }

    fn take_parts(&self, history: &History, writes: bool) -> Result<Result<(), Trouble>, Error> {
        let format = self.repo.format();
        if self.manifest.object_format != Some(format) {
            let why = "the target names its objects by another hash; use a clone of the same kind";
            return Ok(Err(trouble("object_format", why)));
        }
        if let Some(missing) = history.prerequisites.iter().find(|id| !self.repo.has_object(id)) {
            let why = format!("they build on {missing}, which is not here; fetch it and apply again");
            return Ok(Err(trouble("prerequisite_missing", why)));
        }
        let mut meter = self.options.control.phase(Phase::History, history.parts.len() as u64);
        let mut arrival = Arrival::new(&self.repo, writes);
        for (at, part) in history.parts.iter().enumerate() {
            let which = format!("part {} of {}", at + 1, history.parts.len());
            if let Err(trouble) = self.take_part(part, &which, &mut arrival) {
                return Ok(Err(trouble));
            }
            meter.step(1, part.size, None)?;
        }
        match self.manifest.head.commit {
            Some(head) if arrival.has(&head) => Ok(Ok(())),
            _ => Ok(Err(trouble("incomplete", "the commit that HEAD was at is not among them"))),
        }
    }

    fn take_part(&self, part: &HistoryPart, which: &str, arrival: &mut Arrival<'_>) -> Result<(), Trouble> {
        let damaged = || trouble("damaged", format!("{which} is damaged; get the snapshot anew"));
        if part.size > MAX_PART || self.snapshot.blob_size(&part.blob) != Some(part.size) {
            return Err(damaged());
        }
        let content = self.snapshot.blob(&part.blob).map_err(|why| {
            trouble("damaged", format!("{which} is damaged ({why}); get the snapshot anew"))
        })?;
        let format = self.repo.format();
        let mut prefix = Vec::new();
        for base in bases(&content, format).map_err(|_| damaged())? {
            let Some(data) = arrival.base(&base) else {
                let why = format!(
                    "they are stored as changes of object {base}, which is not here; fetch and apply again"
                );
                return Err(trouble("base_missing", why));
            };
            if prefix.len() + data.len() > BASES {
                return Err(damaged());
            }
            prefix.extend_from_slice(&data);
        }
        let objects = decode(&content, format, &prefix).map_err(|_| damaged())?;
        match arrival.take(objects) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refused::TooMany)) => {
                Err(trouble("too_many_objects", "there are more than a million objects"))
            }
            Ok(Err(Refused::Malformed)) => {
                Err(trouble("malformed", "one of the objects is not what git would make"))
            }
            Ok(Err(Refused::Unsafe(path))) => {
                Err(trouble("unsafe_path", format!("a tree has the name {path}, which no checkout may have")))
            }
            Ok(Err(Refused::Incomplete(oid))) => Err(trouble(
                "incomplete",
                format!("object {oid} is named by one of them, and neither came nor is here"),
            )),
            Err(why) => Err(trouble("cannot_write", why.to_string())),
        }
    }
}

fn why_cut(cut: &HistoryCut) -> String {
    let mut place = String::new();
    if let Some(path) = &cut.path {
        place.push_str(&format!(" {path}"));
    }
    if let Some(commit) = &cut.commit {
        place.push_str(&format!(" in commit {commit}"));
    }
    let rule = cut.rule.as_deref().unwrap_or_default();
    match cut.reason.as_str() {
        "secret_name" | "secret_content" => format!(
            "rule {rule} keeps{place} at the source, and with it the commits; take it out of them, or allow it by path and rule"
        ),
        "too_many_commits" => {
            "there are more than the capture's limit; push the branch, or raise max_history_commits".into()
        }
        "too_large" => format!(
            "they are larger than the capture's limit{place}; push the branch, or raise max_history_bytes"
        ),
        "no_remote" => "no remote-tracking ref there says which commits are anywhere else; fetch there once, or capture with history all".into(),
        "unreadable" => format!("the source lacks objects of them{place}; `git fsck` there says which"),
        _ => "the capture ended before they were read".into(),
    }
}
