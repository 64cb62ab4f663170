//! Applying, previewing, undoing.

use handoff_core::{ApplyId, ApplyOptions, ApplyReport, Durability, OnConflict, Staging, SymlinkPolicy};
use serde_json::{Value, json};

use super::{Ended, off_thread};
use crate::bridge::args::Args;
use crate::bridge::handle::Handle;
use crate::bridge::operation::Context;
use crate::bridge::{Failure, Reply};

/// A report with its text for people.
pub fn report_json(report: &ApplyReport) -> Value {
    json!({ "report": report, "text": report.to_string() })
}

/// The options that every apply takes.
pub fn options(args: &mut Args, context: &Context) -> Result<ApplyOptions, Failure> {
    let mut options = ApplyOptions::default();
    let conflicts =
        [("keep", OnConflict::Keep), ("markers", OnConflict::Markers), ("theirs", OnConflict::Theirs)];
    args.word_into("on_conflict", &conflicts, &mut options.on_conflict)?;
    args.word_into(
        "staging",
        &[("restore", Staging::Restore), ("leave", Staging::Leave)],
        &mut options.staging,
    )?;
    let durability = [("full", Durability::Full), ("process", Durability::Process)];
    args.word_into("durability", &durability, &mut options.durability)?;
    let symlinks = [("inside", SymlinkPolicy::Inside), ("anywhere", SymlinkPolicy::Anywhere)];
    args.word_into("symlinks", &symlinks, &mut options.symlinks)?;
    options.map = args.json("map")?.unwrap_or_default();
    options.control = context.control();
    Ok(options)
}

async fn applying(
    mut args: Args,
    context: Context,
    verb: fn(
        &handoff_core::Snapshot,
        &handoff_core::Workspace,
        &ApplyOptions,
    ) -> Result<ApplyReport, handoff_core::Error>,
) -> Ended {
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    let workspace = args.held("workspace", Handle::workspace)?;
    let options = options(&mut args, &context)?;
    args.finish()?;
    let report = off_thread(move || verb(&snapshot, &workspace, &options)).await?;
    Ok(Reply::of(report_json(&report)))
}

pub async fn preview(args: Args, context: Context) -> Ended {
    applying(args, context, handoff_core::preview).await
}

pub async fn apply(args: Args, context: Context) -> Ended {
    applying(args, context, handoff_core::apply).await
}

pub async fn undo(mut args: Args, context: Context) -> Ended {
    let workspace = args.held("workspace", Handle::workspace)?;
    let id: ApplyId = args.parsed("apply_id")?;
    args.finish()?;
    let control = context.control();
    let report = off_thread(move || handoff_core::undo(&workspace, &id, &control)).await?;
    Ok(Reply::of(report_json(&report)))
}
