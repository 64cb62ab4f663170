//! Listing and taking the uncommitted state of a workspace; secrets in contents.

use handoff_core::{
    AllowSecret, Bases, CaptureHistory, CaptureOptions, CapturePlan, OnCancel, PlannedChange, PlannedFile,
    secrets,
};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Ended, off_thread, snapshot};
use crate::args::{Args, bytes_of};
use crate::handle::Handle;
use crate::operation::Context;
use crate::port::ForeignScanner;
use crate::{Failure, Reply};

fn options(args: &mut Args, context: &Context) -> Result<CaptureOptions, Failure> {
    let mut options = CaptureOptions::default();
    args.number_into("max_file_bytes", &mut options.max_file_bytes)?;
    args.number_into("max_total_bytes", &mut options.max_total_bytes)?;
    args.number_into("max_entries", &mut options.max_entries)?;
    options.exclude = args.texts("exclude")?.unwrap_or_default();
    options.include_ignored = args.texts("include_ignored")?.unwrap_or_default();
    for (index, item) in args.list("allow_secrets")?.unwrap_or_default().into_iter().enumerate() {
        options.allow_secrets.push(allow_secret(&format!("allow_secrets[{index}]"), item)?);
    }
    if let Some(mut rules) = args.inner("secret_rules")? {
        options.secret_rules.names = rules.texts("names")?.unwrap_or_default();
        options.secret_rules.disabled = rules.texts("disabled")?.unwrap_or_default();
        for (at, scanner) in rules.list("scanners")?.unwrap_or_default().into_iter().enumerate() {
            let scanner = rules.foreign_in(&format!("secret_rules.scanners[{at}]"), &scanner)?;
            options.secret_rules.scanners.push(Arc::new(ForeignScanner(scanner)));
        }
        rules.finish()?;
    }
    args.flag_into("worktree_include", &mut options.worktree_include)?;
    args.flag_into("list_ignored", &mut options.list_ignored)?;
    args.flag_into("empty_dirs", &mut options.empty_dirs)?;
    args.word_into("bases", &[("always", Bases::Always), ("never", Bases::Never)], &mut options.bases)?;
    let history =
        [("all", CaptureHistory::All), ("auto", CaptureHistory::Auto), ("never", CaptureHistory::Never)];
    args.word_into("history", &history, &mut options.history)?;
    args.number_into("max_history_commits", &mut options.max_history_commits)?;
    args.number_into("max_history_bytes", &mut options.max_history_bytes)?;
    options.deadline = args.millis("deadline")?;
    let on_cancel = [("fail", OnCancel::Fail), ("partial", OnCancel::Partial)];
    args.word_into("on_cancel", &on_cancel, &mut options.on_cancel)?;
    args.millis_into("quiet", &mut options.quiet)?;
    if let Some(attempts) = args.number("attempts")? {
        options.attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    }
    args.number_into("spool_memory", &mut options.spool_memory)?;
    options.spool_dir = args.opt_path("spool_dir")?;
    options.control = context.control();
    Ok(options)
}

fn allow_secret(name: &str, mut item: Value) -> Result<AllowSecret, Failure> {
    let mut field = |field: &str| item.get_mut(field).map(Value::take).filter(|value| !value.is_null());
    let path = field("path").ok_or_else(|| Failure::argument(format!("{name}.path"), "is missing"))?;
    let path = bytes_of(&format!("{name}.path"), path)?;
    let Some(Value::String(rule)) = field("rule") else {
        return Err(Failure::argument(format!("{name}.rule"), "is missing; pass the omission's rule"));
    };
    let mut allowed = AllowSecret::new(path.as_slice(), rule);
    allowed.repo = match field("repo") {
        None => None,
        Some(Value::String(repo)) => Some(repo),
        Some(_) => return Err(Failure::argument(format!("{name}.repo"), "is no string")),
    };
    Ok(allowed)
}

pub async fn capture(mut args: Args, context: Context) -> Ended {
    let workspace = args.held("workspace", Handle::workspace)?;
    let options = options(&mut args, &context)?;
    let told = snapshot::Told::arg(&mut args)?;
    args.finish()?;
    let captured = off_thread(move || handoff_core::capture(&workspace, &options)).await?;
    Ok(told.reply(captured))
}

pub async fn plan(mut args: Args, context: Context) -> Ended {
    let workspace = args.held("workspace", Handle::workspace)?;
    let options = options(&mut args, &context)?;
    args.finish()?;
    let plan = off_thread(move || handoff_core::plan(&workspace, &options)).await?;
    Ok(Reply::of(plan_json(&plan)))
}

fn plan_json(plan: &CapturePlan) -> Value {
    let repos = plan.repos.iter().map(|repo| {
        json!({
            "name": repo.name,
            "files": files_json(&repo.files),
            "omissions": repo.omissions,
            "history": repo.history.as_ref().map(|history| {
                json!({ "commits": history.commits, "left_out": history.left_out })
            }),
            "failed": repo.failed,
        })
    });
    json!({
        "repos": repos.collect::<Vec<_>>(),
        "loose_files": files_json(&plan.loose_files),
        "loose_omissions": plan.loose_omissions,
    })
}

fn files_json(files: &[PlannedFile]) -> Vec<Value> {
    let change = |change| match change {
        PlannedChange::Untracked => "untracked",
        PlannedChange::Ignored => "ignored",
        PlannedChange::EmptyDirectory => "empty_directory",
        PlannedChange::Modified => "modified",
        PlannedChange::Deleted => "deleted",
        _ => "unknown",
    };
    let file =
        |file: &PlannedFile| json!({ "path": file.path, "change": change(file.change), "bytes": file.bytes });
    files.iter().map(file).collect()
}

pub async fn secret_rules(args: Args, _: Context) -> Ended {
    args.finish()?;
    let rules = secrets::rules();
    Ok(Reply::of(rules.iter().map(|rule| json!({ "id": rule.id, "about": rule.about })).collect::<Vec<_>>()))
}

pub async fn scan_secrets(mut args: Args, _: Context) -> Ended {
    let content = args.body();
    args.finish()?;
    let found = off_thread(move || Ok(secrets::scan(&content))).await?;
    let finding = |found: &secrets::Finding| json!({ "rule": found.rule, "start": found.range.start, "end": found.range.end });
    Ok(Reply::of(found.iter().map(finding).collect::<Vec<_>>()))
}

pub async fn redact_secrets(mut args: Args, _: Context) -> Ended {
    let content = args.body();
    args.finish()?;
    let redacted = off_thread(move || Ok(secrets::redact(&content))).await?;
    Ok(Reply { body: Some(redacted.into()), ..Reply::default() })
}
