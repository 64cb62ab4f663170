//! What is to become of one file outside any repository, before anything is written.

use std::collections::HashMap;

use super::Loose;
use crate::apply::OnConflict;
use crate::apply::entry::{Change, Post, Source, skipped};
use crate::apply::journal::PLAIN;
use crate::apply::plan::{Decision, Facts, Shape, decide};
use crate::apply::sides::Trouble;
use crate::apply::state::{self, HELD, Here, State};
use crate::path::{PathLimits, RelPath};
use crate::report::{Detail, FileReport, Note, Outcome};
use crate::rooted::Refusal;
use crate::snapshot::{Entry, Mode};

/// What planning one file came to, besides its report.
pub(super) enum Step {
    Nothing,
    /// The incoming version is kept beside the journal.
    Keep,
    Write(Box<Change>),
}

impl Loose<'_> {
    pub(super) fn decide(&self, entry: &Entry, report: &mut FileReport) -> Result<Step, Trouble> {
        let Some(incoming) = &entry.worktree else { return Ok(Step::Nothing) };
        let (here, needs_dirs) = match self.root.dir(entry.path.parent().unwrap_or_default()) {
            Ok(dir) => {
                let here = state::read(&dir, entry.path.name(), HELD, None);
                (here.map_err(|why| Trouble::io(&why))?, false)
            }
            Err(Refusal::Missing) => (Here::Absent, true),
            Err(Refusal::Io(why)) => return Err(Trouble::io(&why)),
            Err(refusal) => {
                *report = skipped(report.clone(), refusal.reason());
                return Ok(Step::Nothing);
            }
        };
        let content = here.content();
        report.hash = content.map(|content| content.hash);
        let exec = incoming.mode == Mode::Executable;
        let facts = Facts {
            base: Shape::Absent,
            incoming: Shape::File { exec },
            here: here.shape(),
            here_is_base: false,
            here_is_incoming: content
                .is_some_and(|content| Some(content.hash) == incoming.blob && here.shape() != Shape::Symlink),
            incoming_is_base: false,
            mergeable: false,
        };
        let detail = match decide(&facts) {
            Decision::Unchanged => return Ok(Step::Nothing),
            Decision::Refuse(reason) => {
                *report = skipped(report.clone(), reason);
                return Ok(Step::Nothing);
            }
            Decision::Apply { detail, .. } => detail,
            _ if self.options.on_conflict == OnConflict::Theirs && here.state().is_some() => {
                report.notes.push(Note::TookTheirs);
                if facts.here == Shape::Symlink { Detail::Type } else { Detail::Modified }
            }
            _ => {
                report.outcome = Outcome::Conflict;
                report.detail = Some(Detail::ExistsHere);
                return Ok(Step::Keep);
            }
        };
        if content.is_some_and(|content| content.stat.links > 1) {
            report.notes.push(Note::HardlinkBroken);
        }
        report.outcome = Outcome::Applied;
        report.detail = Some(detail.clone());
        let private = content.is_some_and(|content| content.stat.mode & 0o077 == 0);
        Ok(Step::Write(Box::new(Change {
            path: entry.path.clone(),
            entry: None,
            pre: here.state().unwrap_or(State::Absent),
            pre_stat: content.map(|content| content.stat),
            post: Post::File { exec, private, content: Source::Carried(incoming.clone()) },
            detail,
            markers: false,
            needs_dirs,
        })))
    }
}

/// Why a file is refused whatever the target holds.
pub(super) fn refusal(entry: &Entry, faults: &HashMap<RelPath, &'static str>) -> Option<&'static str> {
    if let Err(fault) = entry.path.check(&PathLimits::default()) {
        return Some(fault.reason());
    }
    let first = entry.path.components().next().unwrap_or_default();
    if first.eq_ignore_ascii_case(PLAIN.as_bytes()) {
        return Some("path_reserved_name");
    }
    match &entry.worktree {
        Some(state) if state.mode.is_file() && !entry.flags.empty_dir => {}
        _ => return Some("type_not_allowed"),
    }
    faults.get(&entry.path).copied()
}
