//! Which checkouts and files belong together.

use std::path::PathBuf;

use handoff_core::{RelPath, Touched, Workspace};
use serde_json::json;

use super::{Ended, off_thread};
use crate::args::{Args, bytes_of, os_path, path_json};
use crate::handle::{Handle, Held};
use crate::operation::Context;
use crate::{Failure, Reply};

fn reply(workspace: Workspace) -> Reply {
    let repos = workspace.repos().iter();
    let loose = workspace.loose_files().iter();
    let value = json!({
        "handle": { "$handle": 0 },
        "repos": repos.map(|repo| json!({ "name": repo.name, "root": path_json(&repo.root) })).collect::<Vec<_>>(),
        "loose_files": loose
            .map(|file| json!({ "name": file.name, "path": path_json(&file.path) }))
            .collect::<Vec<_>>(),
        "loose_root": workspace.loose_root().map(path_json),
        "left_out": workspace
            .left_out()
            .iter()
            .map(|left| json!({ "path": path_json(&left.path), "reason": left.reason }))
            .collect::<Vec<_>>(),
    });
    Reply { value, body: None, handles: vec![Handle::from(Held::Workspace(workspace))] }
}

pub async fn new(mut args: Args, _: Context) -> Ended {
    let roots = args.paths("roots")?;
    let wide = args.word("wide", &[("refuse", false), ("allow", true)])?.unwrap_or(false);
    let mut loose: Vec<(Vec<u8>, PathBuf)> = Vec::new();
    for (index, file) in args.list("loose_files")?.unwrap_or_default().into_iter().enumerate() {
        let name = file.get("name").cloned().unwrap_or_default();
        let name = bytes_of(&format!("loose_files[{index}].name"), name)?;
        let path = file.get("path").cloned().unwrap_or_default();
        loose.push((name, os_path(&format!("loose_files[{index}]"), path)?));
    }
    let loose_root = args.opt_path("loose_root")?;
    args.finish()?;
    let work = move || {
        let mut workspace = match (roots.is_empty(), wide) {
            (true, _) if !loose.is_empty() || loose_root.is_some() => Workspace::without_checkouts(),
            (_, true) => Workspace::new_anywhere(roots)?,
            (_, false) => Workspace::new(roots)?,
        };
        for (name, path) in loose {
            workspace = workspace.with_loose_file(RelPath::new(name), path)?;
        }
        if let Some(root) = loose_root {
            workspace = workspace.with_loose_root(root)?;
        }
        Ok(workspace)
    };
    off_thread(work).await.map(reply)
}

pub async fn discover(mut args: Args, _: Context) -> Ended {
    let written = args.paths("written")?.into_iter().map(Touched::Written);
    let touched: Vec<_> = written.chain(args.paths("read")?.into_iter().map(Touched::Read)).collect();
    let loose_root = args.opt_path("loose_root")?;
    args.finish()?;
    off_thread(move || landing(Workspace::discover_touched(touched)?, loose_root)).await.map(reply)
}

pub async fn from_declarations(mut args: Args, _: Context) -> Ended {
    let path = args.path("path")?;
    let loose_root = args.opt_path("loose_root")?;
    args.finish()?;
    off_thread(move || landing(Workspace::from_declarations(path)?, loose_root)).await.map(reply)
}

fn landing(workspace: Workspace, loose_root: Option<PathBuf>) -> Result<Workspace, handoff_core::Error> {
    match loose_root {
        Some(root) => workspace.with_loose_root(root),
        None => Ok(workspace),
    }
}

pub async fn to_declarations(mut args: Args, _: Context) -> Ended {
    let workspace = args.held("workspace", Handle::workspace)?;
    args.finish()?;
    workspace.to_declarations().map(Reply::of).map_err(Failure::from)
}
