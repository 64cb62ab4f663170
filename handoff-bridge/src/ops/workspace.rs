//! Which checkouts and files belong together.

use std::path::PathBuf;

use handoff_core::{RelPath, Touched, Workspace};
use serde_json::{Value, json};

use super::{Op, Work, op};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::handle::Handle;
use crate::operation::Reply;
use crate::value;

pub(super) static OPS: &[Op] = &[
    op("workspace.new", &["roots?", "loose?", "loose_root?", "anywhere?"], new),
    op("workspace.discover", &["written", "read?", "loose_root?"], discover),
    op("workspace.from_declarations", &["path", "loose_root?"], from_declarations),
    op("workspace.to_declarations", &["workspace"], to_declarations),
];

fn new(mut args: Args) -> Result<Work, Failure> {
    let roots = args.paths("roots")?;
    let loose = loose(&mut args)?;
    let loose_root = args.opt_path("loose_root")?;
    let anywhere = args.opt_bool("anywhere")?.unwrap_or_default();
    Ok(Work::block(move |_| {
        let mut workspace = if roots.is_empty() && (!loose.is_empty() || loose_root.is_some()) {
            Workspace::without_checkouts()
        } else if anywhere {
            Workspace::new_anywhere(roots)?
        } else {
            Workspace::new(roots)?
        };
        for (name, path) in loose {
            workspace = workspace.with_loose_file(name, path)?;
        }
        reply(workspace, loose_root)
    }))
}

/// Files by the name that they travel under.
fn loose(args: &mut Args) -> Result<Vec<(RelPath, PathBuf)>, Failure> {
    let Some(given) = args.opt_list("loose")? else { return Ok(Vec::new()) };
    let read = |(at, item): (usize, Value)| {
        let place = format!("loose[{at}]");
        let part = |name: &str| {
            let found = item.get(name).cloned();
            found.ok_or_else(|| Failure::argument(&place, format!("lacks {name}; pass a name and a path")))
        };
        let (name, path) = (part("name")?, part("path")?);
        Ok((args::rel_path(name, &format!("{place}.name"))?, args::path(path, &format!("{place}.path"))?))
    };
    given.into_iter().enumerate().map(read).collect()
}

fn discover(mut args: Args) -> Result<Work, Failure> {
    let written = args.paths("written")?.into_iter().map(Touched::Written);
    let touched: Vec<_> = written.chain(args.paths("read")?.into_iter().map(Touched::Read)).collect();
    let loose_root = args.opt_path("loose_root")?;
    Ok(Work::block(move |_| reply(Workspace::discover_touched(touched)?, loose_root)))
}

fn from_declarations(mut args: Args) -> Result<Work, Failure> {
    let path = args.path("path")?;
    let loose_root = args.opt_path("loose_root")?;
    Ok(Work::block(move |_| reply(Workspace::from_declarations(path)?, loose_root)))
}

fn to_declarations(mut args: Args) -> Result<Work, Failure> {
    let workspace = args.handle::<Workspace>("workspace", "workspace")?;
    Ok(Work::block(move |_| Ok(Reply::of(workspace.to_declarations()?.into()))))
}

fn reply(mut workspace: Workspace, loose_root: Option<PathBuf>) -> Result<Reply, Failure> {
    if let Some(root) = loose_root {
        workspace = workspace.with_loose_root(root)?;
    }
    let repo =
        |repo: &handoff_core::WorkspaceRepo| json!({ "name": repo.name, "root": value::of_path(&repo.root) });
    let loose = |file: &handoff_core::LooseFile| json!({ "name": value::of_bytes(file.name.as_bytes()), "path": value::of_path(&file.path) });
    let left = |left: &handoff_core::LeftOut| json!({ "path": value::of_path(&left.path), "reason": left.reason.as_str() });
    let info = json!({
        "handle": { "$handle": 0 },
        "repos": workspace.repos().iter().map(repo).collect::<Vec<_>>(),
        "loose_files": workspace.loose_files().iter().map(loose).collect::<Vec<_>>(),
        "loose_root": workspace.loose_root().map(value::of_path),
        "left_out": workspace.left_out().iter().map(left).collect::<Vec<_>>(),
    });
    Ok(Reply { value: info, body: None, handles: vec![Handle::new("workspace", workspace)] })
}
