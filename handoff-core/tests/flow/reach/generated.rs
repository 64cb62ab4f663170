//! Generated states with ignored files, empty directories and loose files beside what git knows: there and back,
//! with git as the judge of what is ignored.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::Path;

use handoff_core::{
    ApplyOptions, Control, Durability, Outcome, Snapshot, Workspace, apply, capture, preview, undo,
};
use proptest::prelude::*;

use super::{asked_for, consenting};
use crate::flow::against_git::{cases, draw, story};
use crate::support::purity::assert_untouched;
use crate::support::repo::{Format, Repo, scratch_in_memory};
use crate::support::states::{Story, Template};
use crate::support::{git, oracle};

/// Paths that the rules of the template, or of the generated states, may ignore.
const EXTRA: &[&str] = &[
    "trace.log",
    "deep/down/trace.log",
    "build/cache/one",
    "build/cache/two.bin",
    "build/x.tmp",
    "fresh/y.tmp",
    "fresh/y.log",
    "src/odd \"name\".log",
    "latin.tmp",
    "build/.env",
];

/// Directories that may be empty.
const VOID: &[&str] =
    &["void", "void2/in/side", "src/void", "build/void", "fresh/void", "dir/void", "logs.log"];

/// What is asked for; the first asks for nothing.
const PATTERNS: &[&[&str]] = &[
    &[],
    &["*.log"],
    &["build/"],
    &["/build/cache/", "!two.bin"],
    &["*", "!*.tmp"],
    &["*.tmp", ".env"],
    &["**/cache/*"],
];

#[derive(Debug, Clone)]
struct Extras {
    files: BTreeMap<usize, u8>,
    void: BTreeSet<usize>,
    patterns: usize,
    /// Whether the patterns are in a `.worktreeinclude`.
    by_file: bool,
    loose: BTreeMap<u8, Vec<u8>>,
}

fn extras() -> impl Strategy<Value = Extras> {
    let files = prop::collection::btree_map(0..EXTRA.len(), any::<u8>(), 0..6);
    let void = prop::collection::btree_set(0..VOID.len(), 0..4);
    let loose = prop::collection::btree_map(0..6_u8, prop::collection::vec(any::<u8>(), 0..40), 0..3);
    (files, void, 0..PATTERNS.len(), any::<bool>(), loose)
        .prop_map(|(files, void, patterns, by_file, loose)| Extras { files, void, patterns, by_file, loose })
}

/// Puts the extras into a checkout, as far as what is there lets them be.
fn put(extras: &Extras, repo: &Repo) {
    for (at, seed) in &extras.files {
        let path = repo.at(EXTRA[*at]);
        if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.is_dir() {
            fs::write(path, [*seed; 7]).unwrap();
        }
    }
    for at in &extras.void {
        let _ = fs::create_dir_all(repo.at(VOID[*at]));
    }
}

/// Directories with nothing in them that git does not ignore.
fn void(repo: &Repo) -> BTreeSet<Vec<u8>> {
    fn visit(root: &Path, dir: &Path, found: &mut BTreeSet<Vec<u8>>) {
        let mut names = fs::read_dir(dir).unwrap().peekable();
        if names.peek().is_none() && dir != root {
            found.insert(dir.strip_prefix(root).unwrap().as_os_str().as_encoded_bytes().to_vec());
        }
        for entry in names {
            let path = entry.unwrap().path();
            if path.file_name().unwrap() != ".git" && fs::symlink_metadata(&path).unwrap().is_dir() {
                visit(root, &path, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    visit(&repo.root, &repo.root, &mut found);
    if found.is_empty() {
        return found;
    }
    let asked: Vec<u8> = found.iter().flat_map(|path| [path.as_slice(), b"/\0"].concat()).collect();
    let mut list = tempfile::tempfile().unwrap();
    list.write_all(&asked).unwrap();
    list.rewind().unwrap();
    // This command takes paths as they are, and refuses to be told so.
    let mut command = git::command(&repo.root);
    command.env_remove("GIT_LITERAL_PATHSPECS").args(["check-ignore", "-z", "--stdin", "--no-index"]);
    let answer = command.stdin(list).output().unwrap();
    assert!(matches!(answer.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&answer.stderr));
    for path in answer.stdout.split(|byte| *byte == 0) {
        found.remove(path.strip_suffix(b"/").unwrap_or(path));
    }
    found
}

fn text(error: handoff_core::Error) -> String {
    crate::support::driver::failure(&error).message
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: found {found:#?}, wanted {wanted:#?}")) }
}

fn there_and_back(
    template: &Template,
    story: &Story,
    extras: &Extras,
    met: &[Cell<u32>; 3],
) -> Result<(), String> {
    let scratch = scratch_in_memory();
    let top = scratch.path();
    let source = template.realise(story, &top.join("a/app"));
    put(extras, &source);
    let patterns = PATTERNS[extras.patterns];
    let mut options = consenting();
    if extras.by_file {
        fs::write(source.at(".worktreeinclude"), patterns.join("\n")).unwrap();
    } else {
        options.include_ignored = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    }
    options.list_ignored = story.again;
    let mut here = source.workspace();
    for (name, content) in &extras.loose {
        let path = top.join(format!("loose-{name}"));
        fs::write(&path, content).unwrap();
        here = here.with_loose_file(format!("d{}/f{name}", name % 2).as_str(), &path).map_err(text)?;
    }
    // What HEAD has counts as a change, ignored or not.
    let head: BTreeSet<Vec<u8>> =
        git::output(&source.root, &["ls-tree", "-r", "-z", "--name-only", "HEAD"], b"")
            .stdout
            .split(|byte| *byte == 0)
            .map(<[u8]>::to_vec)
            .collect();
    let mut wanted = if patterns.is_empty() { BTreeSet::new() } else { asked_for(&source, patterns) };
    wanted.retain(|path| !head.contains(path));
    let empty = void(&source);
    for (met, count) in met.iter().zip([wanted.len(), empty.len(), extras.loose.len()]) {
        met.set(met.get() + count as u32);
    }

    let taken = assert_untouched(&[&source.root], || capture(&here, &options)).map_err(text)?;
    let bundle = top.join("state.handoff");
    taken.save(&bundle).map_err(text)?;
    let snapshot = Snapshot::open(&bundle).map_err(text)?;
    let repo = &snapshot.manifest().repos[0];
    let marked = repo.entries.iter().filter(|entry| entry.flags.ignored && !entry.flags.empty_dir);
    let marked: BTreeSet<Vec<u8>> = marked.map(|entry| entry.path.as_bytes().to_vec()).collect();
    expect("ignored files that are carried", marked, wanted.clone())?;
    let carried = repo.entries.iter().filter(|entry| entry.flags.empty_dir && !entry.flags.ignored);
    let carried: BTreeSet<Vec<u8>> = carried.map(|entry| entry.path.as_bytes().to_vec()).collect();
    expect("empty directories that are carried", carried, empty.clone())?;
    if options.list_ignored {
        listed_or_carried(&source, &snapshot, &wanted)?;
    }

    let target = template.checkout(&top.join("b/app"), story.target_refreshed);
    let clean = (oracle::files(&target.root), void(&target));
    let root = top.join("inbox");
    fs::create_dir(&root).unwrap();
    let there =
        Workspace::new([&target.root]).and_then(|there| there.with_loose_root(&root)).map_err(text)?;
    let mut apply_options = ApplyOptions::default();
    apply_options.durability = Durability::Process;
    let foreseen = assert_untouched(&[&target.root, &root], || preview(&snapshot, &there, &apply_options))
        .map_err(text)?;
    let report = apply(&snapshot, &there, &apply_options).map_err(text)?;
    expect("the account", oracle::unsound(snapshot.manifest(), &report), String::new())?;
    let decisions = |report: &handoff_core::ApplyReport| -> Vec<String> {
        report.files().map(|(repo, f)| format!("{repo} {} {} {:?}", f.path, f.outcome, f.detail)).collect()
    };
    expect("what was done", decisions(&report), decisions(&foreseen))?;
    let astray: Vec<_> = report
        .files()
        .filter(|(_, f)| !matches!(f.outcome, Outcome::Applied | Outcome::Unchanged))
        .filter(|(_, f)| f.reason.as_deref() != Some("ignored"))
        .map(|(_, f)| format!("{f:?}"))
        .collect();
    expect("paths that are not in place", astray, Vec::new())?;
    let (a, b) = (oracle::files(&source.root), oracle::files(&target.root));
    for path in &wanted {
        expect("an ignored file", b.get(path), a.get(path))?;
    }
    for path in &empty {
        let at = target.at(path);
        let is_empty = at.is_dir() && fs::read_dir(&at).unwrap().next().is_none();
        expect(&format!("an empty directory at {}", path.escape_ascii()), is_empty, true)?;
    }
    for (name, content) in &extras.loose {
        let found = fs::read(root.join(format!("d{}/f{name}", name % 2))).map_err(|why| why.to_string())?;
        expect("a loose file", &found, content)?;
    }
    if let Some(id) = &report.apply_id {
        undo(&there, id, &Control::default()).map_err(text)?;
    }
    expect("the target's files, undone", oracle::files(&target.root), clean.0)?;
    expect("the target's empty directories, undone", void(&target), clean.1)?;
    let left = oracle::files(&root).into_keys().filter(|path| !path.starts_with(b".handoff/"));
    expect("loose files, undone", left.collect::<Vec<_>>(), Vec::new())
}

/// Every path that git ignores is carried, or listed, or in a directory that is.
fn listed_or_carried(source: &Repo, snapshot: &Snapshot, carried: &BTreeSet<Vec<u8>>) -> Result<(), String> {
    let repo = &snapshot.manifest().repos[0];
    let changed: BTreeSet<&[u8]> = repo.entries.iter().map(|entry| entry.path.as_bytes()).collect();
    for path in oracle::state(source).ignored.iter().filter(|path| !carried.contains(*path)) {
        let is_listed = repo.omissions.iter().any(|omission| {
            let listed = omission.path.as_bytes();
            listed == path.as_slice() || (listed.ends_with(b"/") && path.starts_with(listed))
        });
        if !is_listed && !changed.contains(path.as_slice()) {
            return Err(format!("{} is ignored, and neither carried nor listed", path.escape_ascii()));
        }
    }
    Ok(())
}

#[test]
fn what_was_asked_for_travels_with_any_state() {
    let template = Template::new(Format::Sha1, false);
    let met = [const { Cell::new(0) }; 3];
    let count = cases(200);
    draw((story(), extras()), 7, count, |(story, extras)| there_and_back(&template, &story, &extras, &met));
    let met = met.map(Cell::into_inner);
    eprintln!("ignored files, empty directories, loose files met: {met:?}");
    if count >= 100 {
        assert!(met.iter().all(|met| *met >= 50), "mend the generator: {met:?}");
    }
}
