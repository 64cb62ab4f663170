//! What follows from the decision: the report, the bytes to write, and what is kept beside the journal.

use super::look::Found;
use super::{Change, Plan, Planned, Post, Source, skipped};
use crate::apply::OnConflict;
use crate::apply::merge::{self, Outcome as Merge};
use crate::apply::plan::{Decision, Facts, Pick, Shape, decide, take_incoming};
use crate::apply::sides::Trouble;
use crate::apply::state::{self, HELD, Here, State};
use crate::report::{Detail, FileReport, Note, Outcome};

/// Whether content with this flag is not in the form that its attributes promise, so that it cannot be merged.
fn is_broken(raw: &str) -> bool {
    !raw.starts_with("filter")
}

impl Plan<'_, '_, '_> {
    /// A directory with nothing in it. Where the snapshot's commit has a file at its place, that file is what has to
    /// go, as in any deletion.
    pub(super) fn empty_dir(&mut self, mut report: FileReport, found: Found) -> Result<Planned, Trouble> {
        Ok(match found.here {
            Here::EmptyDir | Here::Directory => Planned::done(report),
            Here::Absent => {
                report.outcome = Outcome::Applied;
                report.detail = Some(Detail::Created);
                let change = self.change(&found, Post::Dir, Detail::Created);
                Planned { report, change: Some(change), keep: None }
            }
            Here::Special => Planned::done(skipped(report, "target_is_special")),
            Here::Content(ref content) => {
                report.hash = Some(content.hash);
                let facts = self.facts(&found.here)?;
                let theirs = self.context.options.on_conflict == OnConflict::Theirs;
                let detail = match decide(&facts) {
                    Decision::Apply { .. } => None,
                    Decision::Conflict(detail) if facts.base != Shape::Absent => Some(detail),
                    _ => Some(Detail::ExistsHere),
                };
                match detail {
                    Some(detail) if !theirs => {
                        report.outcome = Outcome::Conflict;
                        report.detail = Some(detail);
                        return Ok(Planned::done(report));
                    }
                    Some(_) => report.notes.push(Note::TookTheirs),
                    None => {}
                }
                report.outcome = Outcome::Applied;
                report.detail = Some(Detail::Type);
                report.hash = None;
                let change = self.change(&found, Post::Dir, Detail::Type);
                Planned { report, change: Some(change), keep: None }
            }
        })
    }

    pub(super) fn change(&self, found: &Found, post: Post, detail: Detail) -> Change {
        Change {
            path: self.path.clone(),
            entry: (self.path != self.entry.path).then(|| self.entry.path.clone()),
            pre: found.here.state().unwrap_or(State::Absent),
            pre_stat: found.here.content().map(|content| content.stat),
            post,
            detail,
            markers: false,
            needs_dirs: found.needs_dirs,
        }
    }

    pub(super) fn act(
        &mut self,
        mut report: FileReport,
        found: Found,
        facts: &Facts,
    ) -> Result<Planned, Trouble> {
        report.hash = found.here.content().map(|content| content.hash);
        match decide(facts) {
            // Gone from the disk because it is not checked out, and still there for git.
            Decision::Unchanged
                if facts.incoming == Shape::Absent
                    && self.entry.head.is_some()
                    && self.entry.index.is_some()
                    && self.reader.index.is_skipped(&self.path) =>
            {
                report.message = Some(
                    "it is not checked out here (sparse checkout), so there is nothing to delete; check it out and \
                     delete it there"
                        .into(),
                );
                Ok(Planned::done(skipped(report, "not_checked_out")))
            }
            Decision::Unchanged => {
                if facts.incoming_is_base && facts.here != facts.incoming {
                    report.message =
                        Some("the snapshot does not change it; the target's own version stays".into());
                }
                Ok(Planned::done(report))
            }
            Decision::Refuse(reason) => Ok(Planned::done(skipped(report, reason))),
            Decision::Apply { detail, content, exec } => {
                self.write(report, &found, facts, Outcome::Applied, detail, content, exec)
            }
            Decision::Combine { content, exec } => {
                self.write(report, &found, facts, Outcome::Merged, Detail::Modified, content, exec)
            }
            Decision::Merge { exec } => self.merge(report, found, facts, exec),
            Decision::Conflict(detail) => self.conflict(report, found, facts, detail, None),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all of them are the decision, spelled out")]
    fn write(
        &mut self,
        mut report: FileReport,
        found: &Found,
        facts: &Facts,
        outcome: Outcome,
        detail: Detail,
        content: Pick,
        exec: bool,
    ) -> Result<Planned, Trouble> {
        let private = found.here.content().is_some_and(|content| content.stat.mode & 0o077 == 0);
        let post = match (&self.entry.worktree, content) {
            (None, _) => Post::Nothing,
            (Some(_), Pick::Here) => {
                let content = match found.here.content().and_then(|content| content.bytes.clone()) {
                    Some(bytes) => Source::Bytes(bytes),
                    None => Source::Here,
                };
                Post::File { exec, private, content }
            }
            (Some(state), Pick::Incoming) if facts.incoming == Shape::Symlink => {
                Post::Link(self.reader.carried(state)?)
            }
            (Some(state), Pick::Incoming) => {
                let content = if state.size <= HELD {
                    let raw = self.entry.flags.raw.is_some();
                    let (bytes, converted) = if raw {
                        (self.reader.carried(state)?, false)
                    } else {
                        self.reader.incoming(&self.path, state)?
                    };
                    if converted {
                        report.notes.push(Note::EolConverted);
                    }
                    Source::Bytes(bytes)
                } else {
                    Source::Carried(state.clone())
                };
                Post::File { exec, private, content }
            }
        };
        let links = found.here.content().map_or(0, |content| content.stat.links);
        if links > 1 && !matches!(post, Post::Nothing) {
            report.notes.push(Note::HardlinkBroken);
        }
        report.detail = (outcome == Outcome::Applied).then(|| detail.clone());
        report.outcome = outcome;
        let change = self.change(found, post, detail);
        Ok(Planned { report, change: Some(change), keep: None })
    }

    fn merge(
        &mut self,
        mut report: FileReport,
        found: Found,
        facts: &Facts,
        exec: bool,
    ) -> Result<Planned, Trouble> {
        let (Some(base), Some(incoming)) = (self.entry.head.clone(), self.entry.worktree.clone()) else {
            return self.conflict(report, found, facts, Detail::Content, None);
        };
        if self.entry.flags.raw.as_deref().is_some_and(is_broken) {
            return self.conflict(report, found, facts, Detail::Binary, None);
        }
        match merge::three_way(self.reader, &self.path, Some(&base), &incoming, &found.here)? {
            Merge::Clean(bytes) => {
                let here = found.here.content();
                let same_mode = facts.here.exec() == Some(exec);
                if same_mode && here.and_then(|content| content.bytes.as_deref()) == Some(&bytes) {
                    return Ok(Planned::done(report));
                }
                let private = here.is_some_and(|content| content.stat.mode & 0o077 == 0);
                if here.is_some_and(|content| content.stat.links > 1) {
                    report.notes.push(Note::HardlinkBroken);
                }
                report.outcome = Outcome::Merged;
                let post = Post::File { exec, private, content: Source::Bytes(bytes) };
                let change = self.change(&found, post, Detail::Modified);
                Ok(Planned { report, change: Some(change), keep: None })
            }
            Merge::Conflict(text) => self.conflict(report, found, facts, Detail::Content, Some(text)),
            Merge::NotText => self.conflict(report, found, facts, Detail::Binary, None),
            Merge::NoBase => {
                report.reason = Some("base_missing".into());
                report.message = Some(
                    "the committed version is neither in the snapshot nor here, so nothing can be merged"
                        .into(),
                );
                self.conflict(report, found, facts, Detail::Content, None)
            }
        }
    }

    fn conflict(
        &mut self,
        mut report: FileReport,
        found: Found,
        facts: &Facts,
        detail: Detail,
        mut markers: Option<Vec<u8>>,
    ) -> Result<Planned, Trouble> {
        let replaceable = found.here.state().is_some();
        if found.here.shape() == Shape::Directory {
            report.reason = Some("target_diverged".into());
        }
        if self.context.options.on_conflict == OnConflict::Theirs && replaceable {
            report.notes.push(Note::TookTheirs);
            report.reason = None;
            report.message = None;
            let Decision::Apply { detail, content, exec } = take_incoming(facts) else {
                return Ok(Planned::done(report));
            };
            return self.write(report, &found, facts, Outcome::Applied, detail, content, exec);
        }
        report.outcome = Outcome::Conflict;
        report.detail = Some(detail.clone());
        let keep = self.entry.worktree.clone();
        if self.context.options.on_conflict != OnConflict::Markers {
            return Ok(Planned { report, change: None, keep });
        }
        if markers.is_none()
            && detail == Detail::ExistsHere
            && !self.entry.flags.raw.as_deref().is_some_and(is_broken)
            && let Some(incoming) = &keep
            && facts.incoming.same_kind(facts.here)
            && facts.here != Shape::Symlink
            && let Merge::Conflict(text) =
                merge::three_way(self.reader, &self.path, None, incoming, &found.here)?
        {
            markers = Some(text);
        }
        let Some(text) = markers else { return Ok(Planned { report, change: None, keep }) };
        report.notes.push(Note::Markers);
        let here = found.here.content();
        let post = Post::File {
            exec: here.is_some_and(state::Content::exec),
            private: here.is_some_and(|content| content.stat.mode & 0o077 == 0),
            content: Source::Bytes(text),
        };
        let mut change = self.change(&found, post, Detail::Modified);
        change.markers = true;
        Ok(Planned { report, change: Some(change), keep })
    }
}
