//! Putting a captured state into checkouts, and taking it back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use handoff_core::{
    ApplyId, ApplyOptions, ApplyReport, Control, Durability, FileReport, OnConflict, Snapshot, Staging,
    SymlinkPolicy, Workspace, apply, preview, undo,
};
use serde_json::{Value, json};

use super::{Op, Work, op};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::operation::Reply;
use crate::value;

const ARGS: &[&str] =
    &["snapshot", "workspace", "on_conflict?", "staging?", "durability?", "symlinks?", "map?"];

pub(super) static OPS: &[Op] =
    &[op("apply", ARGS, write), op("preview", ARGS, look), op("undo", &["workspace", "apply_id"], take_back)];

fn write(args: Args) -> Result<Work, Failure> {
    decide(args, apply)
}

fn look(args: Args) -> Result<Work, Failure> {
    decide(args, preview)
}

type Verb = fn(&Snapshot, &Workspace, &ApplyOptions) -> Result<ApplyReport, handoff_core::Error>;

fn decide(mut args: Args, verb: Verb) -> Result<Work, Failure> {
    let snapshot = args.handle::<Snapshot>("snapshot", "snapshot")?;
    let workspace = args.handle::<Workspace>("workspace", "workspace")?;
    let mut options = options(&mut args)?;
    Ok(Work::block(move |context| {
        options.control = context.control();
        reply(&verb(&snapshot, &workspace, &options)?)
    }))
}

fn take_back(mut args: Args) -> Result<Work, Failure> {
    let workspace = args.handle::<Workspace>("workspace", "workspace")?;
    let id = args.parse::<ApplyId>("apply_id")?;
    Ok(Work::block(move |context| {
        let control: Control = context.control();
        reply(&undo(&workspace, &id, &control)?)
    }))
}

/// How to apply.
pub(crate) fn options(args: &mut Args) -> Result<ApplyOptions, Failure> {
    let mut options = ApplyOptions::default();
    let words =
        [("keep", OnConflict::Keep), ("markers", OnConflict::Markers), ("theirs", OnConflict::Theirs)];
    if let Some(on_conflict) = args.choice("on_conflict", &words)? {
        options.on_conflict = on_conflict;
    }
    if let Some(staging) =
        args.choice("staging", &[("restore", Staging::Restore), ("leave", Staging::Leave)])?
    {
        options.staging = staging;
    }
    let words = [("full", Durability::Full), ("process", Durability::Process)];
    if let Some(durability) = args.choice("durability", &words)? {
        options.durability = durability;
    }
    let words = [("inside", SymlinkPolicy::Inside), ("anywhere", SymlinkPolicy::Anywhere)];
    if let Some(symlinks) = args.choice("symlinks", &words)? {
        options.symlinks = symlinks;
    }
    options.map = map(args)?;
    Ok(options)
}

fn map(args: &mut Args) -> Result<BTreeMap<String, String>, Failure> {
    match args.take("map") {
        None => Ok(BTreeMap::new()),
        Some(Value::Object(names)) => {
            let names = names.into_iter();
            names.map(|(from, to)| Ok((from.clone(), args::text(to, &format!("map.{from}"))?))).collect()
        }
        Some(other) => {
            Err(Failure::argument("map", format!("is {}; pass names by name", args::noun(&other))))
        }
    }
}

fn reply(report: &ApplyReport) -> Result<Reply, Failure> {
    Ok(Reply::of(of_report(report)?))
}

/// A report as its JSON and as its text.
pub(crate) fn of_report(report: &ApplyReport) -> Result<Value, Failure> {
    let text = report.to_string();
    if let Ok(report) = value::of(report) {
        return Ok(json!({ "report": report, "text": text }));
    }
    // Paths of this machine that are not UTF-8 have no place in the report's own JSON; here they have.
    let mut report = report.clone();
    let mut paths: Vec<(Vec<Place>, PathBuf)> = Vec::new();
    for (at, repo) in report.repos.iter_mut().enumerate() {
        let place = vec![Place::Name("repos"), Place::At(at)];
        set_aside(&place, &mut repo.target, &mut repo.files, &mut paths);
    }
    if let Some(loose) = &mut report.loose {
        set_aside(&[Place::Name("loose")], &mut loose.target, &mut loose.files, &mut paths);
    }
    let mut written = value::of(&report)?;
    for (place, path) in paths {
        put(&mut written, &place, value::of_path(&path));
    }
    Ok(json!({ "report": written, "text": text }))
}

#[derive(Clone)]
enum Place {
    Name(&'static str),
    At(usize),
}

fn set_aside(
    place: &[Place],
    target: &mut Option<PathBuf>,
    files: &mut [FileReport],
    paths: &mut Vec<(Vec<Place>, PathBuf)>,
) {
    let below = |rest: &[Place]| [place, rest].concat();
    paths.extend(target.take().map(|path| (below(&[Place::Name("target")]), path)));
    for (at, file) in files.iter_mut().enumerate() {
        let place = below(&[Place::Name("files"), Place::At(at), Place::Name("incoming")]);
        paths.extend(file.incoming.take().map(|path| (place, path)));
    }
}

fn put(value: &mut Value, place: &[Place], path: Value) {
    let Some((last, way)) = place.split_last() else { return };
    let mut here = value;
    for step in way {
        let next = match step {
            Place::Name(name) => here.get_mut(*name),
            Place::At(at) => here.get_mut(*at),
        };
        let Some(next) = next else { return };
        here = next;
    }
    if let (Place::Name(name), Value::Object(fields)) = (last, here) {
        fields.insert((*name).to_owned(), path);
    }
}
