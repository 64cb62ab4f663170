//! Snapshots: opened, saved, read, compared.

use handoff_core::Snapshot;
use handoff_core::snapshot::{Layer, Limits, SnapshotDiff};
use serde_json::{Value, json};

use super::{Ended, off_thread};
use crate::args::Args;
use crate::handle::{Handle, Held};
use crate::operation::Context;
use crate::{Failure, Reply};

/// A snapshot with what it says.
pub fn json(snapshot: &Snapshot, handle: usize) -> Value {
    let manifest = snapshot.manifest();
    let partial = manifest.partial.as_ref();
    json!({ "handle": { "$handle": handle }, "id": snapshot.id(), "partial": partial, "manifest": manifest })
}

fn brief(snapshot: &Snapshot) -> Value {
    let partial = snapshot.manifest().partial.as_ref();
    json!({ "handle": { "$handle": 0 }, "id": snapshot.id(), "partial": partial })
}

/// Whether a reply has the manifest. A host that asks for it when it needs it need not be told all of it at once.
#[derive(Clone, Copy)]
pub enum Told {
    Whole,
    Brief,
}

impl Told {
    pub fn arg(args: &mut Args) -> Result<Self, Failure> {
        let words = [("with", Self::Whole), ("without", Self::Brief)];
        Ok(args.word("manifest", &words)?.unwrap_or(Self::Whole))
    }

    pub fn reply(self, snapshot: Snapshot) -> Reply {
        match self {
            Self::Whole => reply(snapshot),
            Self::Brief => {
                let value = brief(&snapshot);
                Reply { value, body: None, handles: vec![Handle::from(Held::Snapshot(snapshot))] }
            }
        }
    }
}

pub async fn manifest(mut args: Args, _: Context) -> Ended {
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    args.finish()?;
    off_thread(move || Ok(json!(snapshot.manifest()))).await.map(Reply::of)
}

pub fn reply(snapshot: Snapshot) -> Reply {
    let value = json(&snapshot, 0);
    Reply { value, body: None, handles: vec![Handle::from(Held::Snapshot(snapshot))] }
}

pub async fn open(mut args: Args, _: Context) -> Ended {
    let (path, told) = (args.path("path")?, Told::arg(&mut args)?);
    args.finish()?;
    off_thread(move || Snapshot::open(path)).await.map(|snapshot| told.reply(snapshot))
}

pub async fn from_bytes(mut args: Args, context: Context) -> Ended {
    let (body, told) = (args.body(), Told::arg(&mut args)?);
    args.finish()?;
    let control = context.control();
    off_thread(move || Snapshot::read_from_watched(body.as_ref(), &Limits::default(), &control))
        .await
        .map(|snapshot| told.reply(snapshot))
}

pub async fn to_bytes(mut args: Args, context: Context) -> Ended {
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    args.finish()?;
    let control = context.control();
    let work = move || {
        let mut bytes = Vec::new();
        snapshot.write_to_watched(&mut bytes, &control)?;
        Ok(bytes)
    };
    let bytes = off_thread(work).await?;
    Ok(Reply { body: Some(bytes.into()), ..Reply::default() })
}

pub async fn save(mut args: Args, context: Context) -> Ended {
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    let path = args.path("path")?;
    args.finish()?;
    let control = context.control();
    off_thread(move || snapshot.save_watched(path, &control)).await?;
    Ok(Reply::default())
}

pub async fn verify(mut args: Args, context: Context) -> Ended {
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    args.finish()?;
    let control = context.control();
    off_thread(move || snapshot.verify_watched(&control)).await?;
    Ok(Reply::default())
}

pub async fn read(mut args: Args, _: Context) -> Ended {
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    let repo = args.text("repo")?;
    let path = args.rel_path("path")?;
    let layers = [("worktree", Layer::Worktree), ("index", Layer::Index), ("head", Layer::Head)];
    let layer = args.word("layer", &layers)?.unwrap_or(Layer::Worktree);
    args.finish()?;
    let content = off_thread(move || snapshot.read(&repo, &path, layer)).await?;
    Ok(Reply { value: content.is_some().into(), body: content.map(Into::into), handles: Vec::new() })
}

pub async fn diff(mut args: Args, _: Context) -> Ended {
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    let newer = args.held("newer", Handle::snapshot)?;
    args.finish()?;
    diff_reply(move || snapshot.diff(&newer)).await
}

pub async fn diff_base(mut args: Args, _: Context) -> Ended {
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    args.finish()?;
    diff_reply(move || snapshot.diff_base()).await
}

async fn diff_reply(make: impl FnOnce() -> SnapshotDiff + Send + 'static) -> Ended {
    let work = move || {
        let diff = make();
        let unified = diff.to_unified()?;
        Ok((diff_json(&diff), unified))
    };
    let (value, unified) = off_thread(work).await?;
    Ok(Reply { value, body: Some(unified.into()), handles: Vec::new() })
}

fn diff_json(diff: &SnapshotDiff) -> Value {
    let repos = diff.repos.iter().map(|repo| {
        let changes = repo.changes.iter().map(|change| {
            json!({ "path": change.path, "kind": change.kind.as_str(), "old": change.old, "new": change.new })
        });
        json!({
            "repo": repo.repo,
            "changes": changes.collect::<Vec<_>>(),
            "unknown": repo.unknown,
            "same_head": repo.same_head,
        })
    });
    json!({ "repos": repos.collect::<Vec<_>>() })
}

pub async fn since(mut args: Args, _: Context) -> Ended {
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    let base = args.held("base", Handle::snapshot)?;
    args.finish()?;
    off_thread(move || snapshot.since(&base)).await.map(reply)
}
