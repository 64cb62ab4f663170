//! Snapshots: what is in them, reading, comparing, saving.

use handoff_core::Snapshot;
use handoff_core::snapshot::{Layer, Limits, SnapshotDiff};
use serde_json::{Value, json};

use super::{Op, Work, op};
use crate::args::Args;
use crate::failure::Failure;
use crate::handle::Handle;
use crate::operation::Reply;
use crate::value;

pub(super) static OPS: &[Op] = &[
    op("snapshot.open", &["path"], open),
    op("snapshot.from_bytes", &["body?"], from_bytes),
    op("snapshot.manifest", &["snapshot"], manifest),
    op("snapshot.read", &["snapshot", "repo", "path", "layer?"], read),
    op("snapshot.diff", &["snapshot", "newer"], diff),
    op("snapshot.diff_base", &["snapshot"], diff_base),
    op("snapshot.since", &["snapshot", "base"], since),
    op("snapshot.save", &["snapshot", "path"], save),
    op("snapshot.to_bytes", &["snapshot"], to_bytes),
    op("snapshot.verify", &["snapshot"], verify),
];

fn of(args: &mut Args) -> Result<Snapshot, Failure> {
    other(args, "snapshot")
}

fn other(args: &mut Args, name: &str) -> Result<Snapshot, Failure> {
    args.handle::<Snapshot>(name, "snapshot").map(|snapshot| (*snapshot).clone())
}

/// A snapshot, as a reply or part of one: its handle is the reply's first.
pub(crate) fn reply(snapshot: Snapshot) -> Result<Reply, Failure> {
    let value = info(&snapshot, 0);
    Ok(Reply { value, body: None, handles: vec![handle(snapshot)] })
}

/// What is said of a snapshot whose handle is number `at`.
pub(crate) fn info(snapshot: &Snapshot, at: usize) -> Value {
    let partial = snapshot.manifest().partial.as_ref().map(|partial| partial.as_str().to_owned());
    json!({ "handle": { "$handle": at }, "id": snapshot.id().to_string(), "partial": partial })
}

/// A snapshot's handle.
pub(crate) fn handle(snapshot: Snapshot) -> Handle {
    Handle::new("snapshot", snapshot)
}

fn open(mut args: Args) -> Result<Work, Failure> {
    let path = args.path("path")?;
    Ok(Work::block(move |_| reply(Snapshot::open(path)?)))
}

fn from_bytes(mut args: Args) -> Result<Work, Failure> {
    let bundle = args.body()?;
    Ok(Work::block(move |_| {
        let mut rest = &bundle[..];
        let snapshot = Snapshot::read_from_with(&mut rest, &Limits::default())?;
        if !rest.is_empty() {
            return Err(Failure::argument(
                "body",
                "goes on after the end of the bundle; pass the bundle alone",
            ));
        }
        reply(snapshot)
    }))
}

fn manifest(mut args: Args) -> Result<Work, Failure> {
    let snapshot = of(&mut args)?;
    Ok(Work::block(move |_| Ok(Reply::of(value::of(snapshot.manifest())?))))
}

fn read(mut args: Args) -> Result<Work, Failure> {
    let snapshot = of(&mut args)?;
    let (repo, path) = (args.text("repo")?, args.rel_path("path")?);
    let layers = [("head", Layer::Head), ("index", Layer::Index), ("worktree", Layer::Worktree)];
    let layer = args.choice("layer", &layers)?.unwrap_or(Layer::Worktree);
    Ok(Work::block(move |_| {
        let content = snapshot.read(&repo, &path, layer)?;
        Ok(Reply { value: content.is_some().into(), body: content.map(Into::into), handles: Vec::new() })
    }))
}

fn diff(mut args: Args) -> Result<Work, Failure> {
    let (snapshot, newer) = (of(&mut args)?, other(&mut args, "newer")?);
    Ok(Work::block(move |_| of_diff(&snapshot.diff(&newer))))
}

fn diff_base(mut args: Args) -> Result<Work, Failure> {
    let snapshot = of(&mut args)?;
    Ok(Work::block(move |_| of_diff(&snapshot.diff_base())))
}

fn of_diff(diff: &SnapshotDiff) -> Result<Reply, Failure> {
    let mut repos = Vec::with_capacity(diff.repos.len());
    for repo in &diff.repos {
        let changes = repo.changes.iter().map(|change| {
            Ok(json!({
                "path": value::of_bytes(change.path.as_bytes()),
                "kind": change.kind.as_str(),
                "old": value::of(&change.old)?,
                "new": value::of(&change.new)?,
            }))
        });
        repos.push(json!({
            "repo": repo.repo,
            "changes": changes.collect::<Result<Vec<_>, Failure>>()?,
            "unknown": repo.unknown.iter().map(|path| value::of_bytes(path.as_bytes())).collect::<Vec<_>>(),
            "same_head": repo.same_head,
        }));
    }
    let unified = diff.to_unified()?;
    Ok(Reply { value: json!({ "repos": repos }), body: Some(unified.into()), handles: Vec::new() })
}

fn since(mut args: Args) -> Result<Work, Failure> {
    let (snapshot, base) = (of(&mut args)?, other(&mut args, "base")?);
    Ok(Work::block(move |_| reply(snapshot.since(&base)?)))
}

fn save(mut args: Args) -> Result<Work, Failure> {
    let (snapshot, path) = (of(&mut args)?, args.path("path")?);
    Ok(Work::block(move |context| {
        snapshot.save_watched(path, &context.control())?;
        Ok(Reply::default())
    }))
}

fn to_bytes(mut args: Args) -> Result<Work, Failure> {
    let snapshot = of(&mut args)?;
    Ok(Work::block(move |context| {
        let mut bundle = Vec::new();
        snapshot.write_to_watched(&mut bundle, &context.control())?;
        Ok(Reply { body: Some(bundle.into()), ..Reply::default() })
    }))
}

fn verify(mut args: Args) -> Result<Work, Failure> {
    let snapshot = of(&mut args)?;
    Ok(Work::block(move |context| {
        snapshot.verify_watched(&context.control())?;
        Ok(Reply::default())
    }))
}
