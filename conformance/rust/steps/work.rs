//! Workspaces, capture, apply, snapshots.

use std::path::Path;
use std::time::Duration;

use handoff_core::secrets;
use handoff_core::snapshot::{Layer, Limits};
use handoff_core::{
    AllowSecret, ApplyHistory, ApplyOptions, Bases, CaptureHistory, CaptureOptions, Control, Durability,
    OnCancel, OnConflict, RelPath, Snapshot, Staging, SymlinkPolicy, Touched, Workspace,
};
use serde_json::{Value, json};

use super::unknown;
use crate::case::{list, only, text};
use crate::data::{self, Failure};
use crate::disk;
use crate::given::Given;
use crate::world::{Ended, Made, Outcome, World};

pub fn step(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Ended {
    Ok(match verb {
        "workspace.new" => opened(new_workspace(given)?),
        "workspace.discover" => {
            let written = given.texts("written").unwrap_or_default().into_iter();
            let read = given.texts("read").unwrap_or_default().into_iter();
            let touched = written.map(|path| Touched::Written(path.into()));
            let touched = touched.chain(read.map(|path| Touched::Read(path.into())));
            opened(Workspace::discover_touched(touched)?)
        }
        "workspace.from_declarations" => opened(Workspace::from_declarations(given.text("path"))?),
        "workspace.to_declarations" => {
            Value::from(world.workspace(&given.need("workspace"))?.to_declarations()?).into()
        }
        "plan" => {
            let workspace = world.workspace(&given.need("workspace"))?;
            let options = capture_options(world, given)?;
            data::plan(&handoff_core::plan(&workspace, &options)?).into()
        }
        "capture" => {
            let workspace = world.workspace(&given.need("workspace"))?;
            let options = capture_options(world, given)?;
            state(handoff_core::capture(&workspace, &options)?)
        }
        "preview" => applying(world, given, handoff_core::preview)?,
        "apply" => applying(world, given, handoff_core::apply)?,
        "undo" => {
            let workspace = world.workspace(&given.need("workspace"))?;
            let id = given.parsed("apply_id")?;
            data::report(&handoff_core::undo(&workspace, &id, &Control::default())?).into()
        }
        "secrets.rules" => {
            let rules = secrets::rules().into_iter();
            Value::from(rules.map(|rule| json!({ "id": rule.id, "about": rule.about })).collect::<Vec<_>>())
                .into()
        }
        "secrets.scan" => {
            let found = secrets::scan(&disk::content_of(&given.need("content"))).into_iter();
            let one = |found: secrets::Finding| json!({ "rule": found.rule, "start": found.range.start, "end": found.range.end });
            Value::from(found.map(one).collect::<Vec<_>>()).into()
        }
        "secrets.redact" => disk::plain(&secrets::redact(&disk::content_of(&given.need("content")))).into(),
        "snapshot.open" => state(Snapshot::open(given.text("path"))?),
        _ => of_snapshot(verb, world, given)?,
    })
}

fn opened(workspace: Workspace) -> Outcome {
    Outcome { result: data::workspace(&workspace), made: Some(Made::Workspace(workspace)), seen: None }
}

pub fn state(snapshot: Snapshot) -> Outcome {
    Outcome { result: data::snapshot(&snapshot), made: Some(Made::Snapshot(snapshot)), seen: None }
}

fn of_snapshot(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Ended {
    let snapshot = world.snapshot(&given.need("snapshot"));
    Ok(match verb {
        "snapshot.save" => {
            snapshot.save(given.text("path"))?;
            Outcome::default()
        }
        "snapshot.verify" => {
            snapshot.verify()?;
            Outcome::default()
        }
        // A bundle in memory, cut or with a bit flipped on the way, and read again.
        "snapshot.bytes" => {
            let mut bytes = Vec::new();
            snapshot.write_to(&mut bytes)?;
            let place = |number: u64| usize::try_from(number).unwrap();
            if let Some(cut) = given.number("cut") {
                bytes.truncate(bytes.len() - place(cut));
            }
            if let Some(flip) = given.number("flip") {
                bytes[place(flip)] ^= 1;
            }
            if let Some(more) = given.opt_text("append") {
                bytes.extend_from_slice(more.as_bytes());
            }
            state(Snapshot::read_from_with(bytes.as_slice(), &Limits::default())?)
        }
        "snapshot.read" => {
            let path = RelPath::new(std::os::unix::ffi::OsStringExt::into_vec(
                disk::name_of(&given.need("path")).into_os_string(),
            ));
            let layers = [("worktree", Layer::Worktree), ("index", Layer::Index), ("head", Layer::Head)];
            let mut layer = Layer::Worktree;
            given.word_into("layer", &layers, &mut layer)?;
            let found = snapshot.read(&given.text("repo"), &path, layer)?;
            found.map_or(Value::Null, |found| disk::plain(&found)).into()
        }
        "snapshot.diff" => data::diff(&snapshot.diff(&world.snapshot(&given.need("newer"))))?.into(),
        "snapshot.diff_base" => data::diff(&snapshot.diff_base())?.into(),
        "snapshot.since" => state(snapshot.since(&world.snapshot(&given.need("base")))?),
        _ => unknown(verb),
    })
}

fn new_workspace(given: &mut Given<'_>) -> Result<Workspace, Failure> {
    let roots = given.texts("roots").unwrap_or_default();
    let loose = World::texts(&given.take("loose_files"));
    let loose_root = given.opt_text("loose_root");
    let mut wide = false;
    given.word_into("wide", &[("allow", true), ("refuse", false)], &mut wide)?;
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
}

fn capture_options(world: &World<'_>, given: &mut Given<'_>) -> Result<CaptureOptions, Failure> {
    let mut options = CaptureOptions::default();
    given.number_into("max_file_bytes", &mut options.max_file_bytes);
    given.number_into("max_total_bytes", &mut options.max_total_bytes);
    given.number_into("max_entries", &mut options.max_entries);
    options.exclude = given.texts("exclude").unwrap_or_default();
    options.include_ignored = given.texts("include_ignored").unwrap_or_default();
    for one in list(&given.take("allow_secrets"), "allow_secrets") {
        only(one, "path rule repo", "an allowance");
        let mut allowed = AllowSecret::new(text(&one["path"], "path"), text(&one["rule"], "rule"));
        allowed.repo = one["repo"].as_str().map(str::to_owned);
        options.allow_secrets.push(allowed);
    }
    let rules = given.take("secret_rules");
    if !rules.is_null() {
        only(&rules, "names disabled scanners", "secret_rules");
        let texts = |key: &str| list(&rules[key], key).iter().map(|one| text(one, key).to_owned()).collect();
        options.secret_rules.names = texts("names");
        options.secret_rules.disabled = texts("disabled");
        for scanner in list(&rules["scanners"], "scanners") {
            let Some(Made::Scanner(scanner)) = world.made(scanner) else { panic!("{scanner} is no scanner") };
            options.secret_rules.scanners.push(scanner);
        }
    }
    given.flag_into("worktree_include", &mut options.worktree_include);
    given.flag_into("list_ignored", &mut options.list_ignored);
    given.flag_into("empty_dirs", &mut options.empty_dirs);
    given.word_into("bases", &[("always", Bases::Always), ("never", Bases::Never)], &mut options.bases)?;
    let words =
        [("auto", CaptureHistory::Auto), ("all", CaptureHistory::All), ("never", CaptureHistory::Never)];
    given.word_into("history", &words, &mut options.history)?;
    given.number_into("max_history_commits", &mut options.max_history_commits);
    given.number_into("max_history_bytes", &mut options.max_history_bytes);
    options.deadline = given.millis("deadline");
    let on_cancel = [("fail", OnCancel::Fail), ("partial", OnCancel::Partial)];
    given.word_into("on_cancel", &on_cancel, &mut options.on_cancel)?;
    if let Some(attempts) = given.number("attempts") {
        options.attempts = u32::try_from(attempts).unwrap();
    }
    // Nobody writes meanwhile.
    options.quiet = given.millis("quiet").unwrap_or(Duration::ZERO);
    Ok(options)
}

/// The options that every apply takes.
pub fn apply_options(given: &mut Given<'_>) -> Result<ApplyOptions, Failure> {
    let mut options = ApplyOptions::default();
    let conflicts =
        [("keep", OnConflict::Keep), ("markers", OnConflict::Markers), ("theirs", OnConflict::Theirs)];
    given.word_into("on_conflict", &conflicts, &mut options.on_conflict)?;
    let staging = [("restore", Staging::Restore), ("leave", Staging::Leave)];
    given.word_into("staging", &staging, &mut options.staging)?;
    let history = [
        ("leave", ApplyHistory::Leave),
        ("objects", ApplyHistory::Objects),
        ("branch", ApplyHistory::Branch),
    ];
    given.word_into("history", &history, &mut options.history)?;
    // No power is cut while scenarios run.
    options.durability = Durability::Process;
    let durability = [("full", Durability::Full), ("process", Durability::Process)];
    given.word_into("durability", &durability, &mut options.durability)?;
    let symlinks = [("inside", SymlinkPolicy::Inside), ("anywhere", SymlinkPolicy::Anywhere)];
    given.word_into("symlinks", &symlinks, &mut options.symlinks)?;
    options.map = given.json("map").unwrap_or_default();
    Ok(options)
}

type Verb =
    fn(&Snapshot, &Workspace, &ApplyOptions) -> Result<handoff_core::ApplyReport, handoff_core::Error>;

fn applying(world: &World<'_>, given: &mut Given<'_>, verb: Verb) -> Ended {
    let snapshot = world.snapshot(&given.need("snapshot"));
    let workspace = world.workspace(&given.need("workspace"))?;
    Ok(data::report(&verb(&snapshot, &workspace, &apply_options(given)?)?).into())
}

/// What only the runner does.
pub fn own(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Ended {
    Ok(match verb {
        "edit" => {
            let at = given.text("at");
            disk::run(Path::new(&at), list(&given.raw("actions"), "actions"));
            Outcome::default()
        }
        "copy" => {
            disk::copy(given.text("at").as_ref(), given.text("to").as_ref());
            Outcome::default()
        }
        "tree" => disk::tree(given.text("at").as_ref()).into(),
        "git" => {
            let (at, arguments) = (given.text("at"), given.texts("args").unwrap_or_default());
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            disk::plain(&disk::git(at.as_ref(), &arguments)).into()
        }
        "seen" => world.seen(&given.raw("of")).into(),
        _ => unknown(verb),
    })
}
