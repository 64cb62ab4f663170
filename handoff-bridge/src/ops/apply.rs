//! Applying, previewing, undoing.

use std::path::PathBuf;

use handoff_core::{
    ApplyHistory, ApplyId, ApplyOptions, ApplyReport, Durability, FileReport, OnConflict, Staging,
    SymlinkPolicy,
};
use serde_json::{Value, json};

use super::{Ended, off_thread};
use crate::args::{Args, path_json};
use crate::handle::Handle;
use crate::operation::Context;
use crate::{Failure, Reply};

/// A report with its text for people.
pub fn report_json(report: &ApplyReport) -> Value {
    let text = report.to_string();
    if let Ok(report) = serde_json::to_value(report) {
        return json!({ "report": report, "text": text });
    }
    // Paths of this machine that are not UTF-8 have no place in the report's own JSON; here they have.
    let mut report = report.clone();
    let mut paths: Vec<(String, PathBuf)> = Vec::new();
    for (at, repo) in report.repos.iter_mut().enumerate() {
        set_aside(&format!("/repos/{at}"), &mut repo.target, &mut repo.files, &mut paths);
    }
    if let Some(loose) = &mut report.loose {
        set_aside("/loose", &mut loose.target, &mut loose.files, &mut paths);
    }
    let mut written = serde_json::to_value(&report).unwrap_or_default();
    for (place, path) in paths {
        if let Some((owner, name)) = place.rsplit_once('/')
            && let Some(Value::Object(fields)) = written.pointer_mut(owner)
        {
            fields.insert(name.to_owned(), path_json(&path));
        }
    }
    json!({ "report": written, "text": text })
}

fn set_aside(
    place: &str,
    target: &mut Option<PathBuf>,
    files: &mut [FileReport],
    paths: &mut Vec<(String, PathBuf)>,
) {
    paths.extend(target.take().map(|path| (format!("{place}/target"), path)));
    for (at, file) in files.iter_mut().enumerate() {
        paths.extend(file.incoming.take().map(|path| (format!("{place}/files/{at}/incoming"), path)));
    }
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
    let history = [
        ("leave", ApplyHistory::Leave),
        ("objects", ApplyHistory::Objects),
        ("branch", ApplyHistory::Branch),
    ];
    args.word_into("history", &history, &mut options.history)?;
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
