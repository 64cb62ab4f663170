//! Listing and taking the uncommitted state of a workspace.

use handoff_core::{
    AllowSecret, Bases, CaptureOptions, CapturePlan, OnCancel, PlannedChange, PlannedFile, Workspace,
    capture, plan,
};
use serde_json::{Value, json};

use super::{Op, Work, op, secrets, snapshot};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::operation::Reply;
use crate::value;

const ARGS: &[&str] = &[
    "workspace",
    "include_ignored?",
    "exclude?",
    "allow_secrets?",
    "secret_rules?",
    "max_file_bytes?",
    "max_total_bytes?",
    "max_entries?",
    "worktree_include?",
    "list_ignored?",
    "empty_dirs?",
    "bases?",
    "deadline?",
    "on_cancel?",
    "quiet?",
    "attempts?",
    "spool_memory?",
    "spool_dir?",
];

pub(super) static OPS: &[Op] = &[op("capture", ARGS, take), op("plan", ARGS, list)];

fn take(mut args: Args) -> Result<Work, Failure> {
    let workspace = args.handle::<Workspace>("workspace", "workspace")?;
    let mut options = options(&mut args)?;
    Ok(Work::block(move |context| {
        options.control = context.control();
        snapshot::reply(capture(&workspace, &options)?)
    }))
}

fn list(mut args: Args) -> Result<Work, Failure> {
    let workspace = args.handle::<Workspace>("workspace", "workspace")?;
    let mut options = options(&mut args)?;
    Ok(Work::block(move |context| {
        options.control = context.control();
        Ok(Reply::of(of_plan(&plan(&workspace, &options)?)?))
    }))
}

fn options(args: &mut Args) -> Result<CaptureOptions, Failure> {
    let mut options = CaptureOptions::default();
    options.include_ignored = args.texts("include_ignored")?;
    options.exclude = args.texts("exclude")?;
    options.allow_secrets = allow_secrets(args)?;
    options.secret_rules = secrets::rules(args)?;
    set(&mut options.max_file_bytes, args.opt_u64("max_file_bytes")?);
    set(&mut options.max_total_bytes, args.opt_u64("max_total_bytes")?);
    set(&mut options.max_entries, args.opt_u64("max_entries")?);
    set(&mut options.worktree_include, args.opt_bool("worktree_include")?);
    set(&mut options.list_ignored, args.opt_bool("list_ignored")?);
    set(&mut options.empty_dirs, args.opt_bool("empty_dirs")?);
    set(&mut options.bases, args.choice("bases", &[("always", Bases::Always), ("never", Bases::Never)])?);
    options.deadline = args.opt_millis("deadline")?;
    let on_cancel = [("fail", OnCancel::Fail), ("partial", OnCancel::Partial)];
    set(&mut options.on_cancel, args.choice("on_cancel", &on_cancel)?);
    set(&mut options.quiet, args.opt_millis("quiet")?);
    if let Some(attempts) = args.opt_u64("attempts")? {
        options.attempts = u32::try_from(attempts)
            .map_err(|_| Failure::argument("attempts", format!("is {attempts}; pass a small number")))?;
    }
    set(&mut options.spool_memory, args.opt_u64("spool_memory")?);
    options.spool_dir = args.opt_path("spool_dir")?;
    Ok(options)
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

fn allow_secrets(args: &mut Args) -> Result<Vec<AllowSecret>, Failure> {
    let read = |(at, item): (usize, Value)| {
        let place = format!("allow_secrets[{at}]");
        let part = |name: &str| {
            let found = item.get(name).filter(|found| !found.is_null()).cloned();
            found.ok_or_else(|| Failure::argument(&place, format!("lacks {name}; pass a path and a rule")))
        };
        let path = args::rel_path(part("path")?, &format!("{place}.path"))?;
        let mut allowed = AllowSecret::new(path, args::text(part("rule")?, &format!("{place}.rule"))?);
        if let Ok(repo) = part("repo") {
            allowed.repo = Some(args::text(repo, &format!("{place}.repo"))?);
        }
        Ok(allowed)
    };
    args.opt_list("allow_secrets")?.unwrap_or_default().into_iter().enumerate().map(read).collect()
}

fn of_plan(plan: &CapturePlan) -> Result<Value, Failure> {
    let repos = plan.repos.iter().map(|repo| {
        Ok(json!({
            "name": repo.name,
            "files": repo.files.iter().map(of_file).collect::<Vec<_>>(),
            "omissions": value::of(&repo.omissions)?,
            "failed": value::of(&repo.failed)?,
        }))
    });
    Ok(json!({
        "repos": repos.collect::<Result<Vec<_>, Failure>>()?,
        "loose_files": plan.loose_files.iter().map(of_file).collect::<Vec<_>>(),
        "loose_omissions": value::of(&plan.loose_omissions)?,
    }))
}

fn of_file(file: &PlannedFile) -> Value {
    let change = match file.change {
        PlannedChange::Untracked => "untracked",
        PlannedChange::Ignored => "ignored",
        PlannedChange::EmptyDirectory => "empty_directory",
        PlannedChange::Modified => "modified",
        PlannedChange::Deleted => "deleted",
        _ => "other",
    };
    json!({ "path": value::of_bytes(file.path.as_bytes()), "change": change, "bytes": file.bytes })
}
