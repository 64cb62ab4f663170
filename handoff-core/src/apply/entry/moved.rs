//! A file that the snapshot has moved and the target has changed: the target's changes go to the new place.

use super::look::Found;
use super::{Change, Context, Plan, Planned, Post, Source, begin};
use crate::apply::OnConflict;
use crate::apply::merge::{self, Outcome as Merge};
use crate::apply::plan::{Decision, Pick, Shape, decide};
use crate::apply::sides::{Reader, Trouble};
use crate::apply::state::HELD;
use crate::report::{Detail, FileReport, Outcome};
use crate::snapshot::{Entry, FileState};

/// What will be at the new place.
enum Content {
    Bytes(Vec<u8>, bool),
    Conflict(Detail),
}

/// Plans both entries together: the one whose file is `gone` and the `new` one that it became. `None` where that
/// makes no sense at the target, so that each is planned for itself.
pub(in crate::apply) fn plan_moved(
    context: &Context<'_>,
    reader: &mut Reader<'_>,
    gone: &Entry,
    new: &Entry,
) -> Result<Option<(Planned, Planned)>, Trouble> {
    let (Ok(mut gone_report), Ok(mut new_report)) = (begin(context, gone), begin(context, new)) else {
        return Ok(None);
    };
    let Some(incoming) = new.worktree.as_ref().filter(|state| state.size <= HELD) else { return Ok(None) };
    let old = Plan { context, reader, entry: gone, path: gone.path.clone() };
    let Ok(here) = old.look(&gone.path)? else { return Ok(None) };
    let Ok(there) = old.look(&new.path)? else { return Ok(None) };
    if context.earlier.contains_key(&new.path)
        || there.here.shape() != Shape::Absent
        || !matches!(here.here.shape(), Shape::File { .. })
        || here.here.content().is_none_or(|content| content.bytes.is_none())
    {
        return Ok(None);
    }
    let joined = Entry { head: gone.head.clone(), ..new.clone() };
    let mut plan = Plan { context, reader: old.reader, entry: &joined, path: new.path.clone() };
    let Some(content) = plan.content(incoming, &here)? else { return Ok(None) };
    let was = here.here.content();
    let private = was.is_some_and(|content| content.stat.mode & 0o077 == 0);
    gone_report.hash = was.map(|content| content.hash);
    match content {
        Content::Bytes(bytes, exec) => {
            gone_report.message = Some(format!("the snapshot has moved it to {}", new.path));
            gone_report.outcome = Outcome::Applied;
            gone_report.detail = Some(Detail::Deleted);
            new_report.message = Some(format!("moved from {}, with what was changed there", gone.path));
            new_report.outcome = Outcome::Merged;
            let source = Plan { context, reader: plan.reader, entry: gone, path: gone.path.clone() };
            let removal = source.change(&here, Post::Nothing, Detail::Deleted);
            let post = Post::File { exec, private, content: Source::Bytes(bytes) };
            let creation =
                Change { entry: None, ..source.change_at(&new.path, &there, post, Detail::Created) };
            Ok(Some((planned(gone_report, Some(removal)), planned(new_report, Some(creation)))))
        }
        // Markers or the snapshot's side: each for itself, as if nothing had been moved.
        Content::Conflict(_) if context.options.on_conflict != OnConflict::Keep => Ok(None),
        Content::Conflict(detail) => {
            let both =
                format!("the snapshot has moved {} to {}, and both sides changed it", gone.path, new.path);
            for report in [&mut gone_report, &mut new_report] {
                report.outcome = Outcome::Conflict;
                report.detail = Some(detail.clone());
                report.message = Some(both.clone());
            }
            gone_report.at = Some(new.path.clone());
            let mut new_planned = planned(new_report, None);
            new_planned.keep = new.worktree.clone();
            Ok(Some((planned(gone_report, None), new_planned)))
        }
    }
}

fn planned(report: FileReport, change: Option<Change>) -> Planned {
    Planned { report, change, keep: None }
}

impl Plan<'_, '_, '_> {
    fn content(&mut self, incoming: &FileState, here: &Found) -> Result<Option<Content>, Trouble> {
        let facts = self.facts(&here.here)?;
        let exec_here = facts.here.exec().unwrap_or(false);
        let (pick, exec) = match decide(&facts) {
            Decision::Unchanged => (Pick::Here, exec_here),
            Decision::Combine { content, exec } | Decision::Apply { content, exec, .. } => (content, exec),
            Decision::Merge { exec } => {
                let base = self.entry.head.clone();
                let merged = merge::three_way(self.reader, &self.path, base.as_ref(), incoming, &here.here)?;
                return Ok(Some(match merged {
                    Merge::Clean(bytes) => Content::Bytes(bytes, exec),
                    Merge::Conflict(_) | Merge::NoBase => Content::Conflict(Detail::Content),
                    Merge::NotText => Content::Conflict(Detail::Binary),
                }));
            }
            Decision::Conflict(detail) => return Ok(Some(Content::Conflict(detail))),
            Decision::Refuse(_) => return Ok(None),
        };
        Ok(match pick {
            Pick::Here => here
                .here
                .content()
                .and_then(|content| content.bytes.clone())
                .map(|bytes| Content::Bytes(bytes, exec)),
            Pick::Incoming => Some(Content::Bytes(self.reader.incoming(&self.path, incoming)?.0, exec)),
        })
    }
}
