//! Capture beside `git status`, which only lists, and beside ways of storing the same changes.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use handoff_benches::big::{self, Content};
use handoff_benches::measure::{Side, compare};
use handoff_benches::table::{Goal, Table};
use handoff_benches::tree::{State, Tree};
use handoff_benches::{Done, Sizes, child, script};
use handoff_core::{Bases, Snapshot};

const STATUS: &str = "git status --porcelain=v2 -z -uall";
const STATUS_CACHED: &str = "the same with git's untracked cache";
const ADD_FRESH: &str = "own index: read-tree, add -A, write-tree";
const ADD_COPIED: &str = "copied index: add -A, write-tree";
const TAR_CHANGED: &str = "diff-index + ls-files | tar | zstd -3";
const TAR_ONE: &str = "tar | zstd -1 -T2";
const TAR_ONE_SYNCED: &str = "the same, synced to the disk as ours is";
const ZSTD_ONE: &str = "the compressor alone: zstd -1 -T2";
const NO_BASES: &str = "handoff capture without committed versions";
const WALK: &str = "the floor: names and stats alone, no index";

fn main() -> ExitCode {
    handoff_benches::main("capture", run)
}

fn run(sizes: &Sizes) -> Done {
    let mut table = Table::default();
    let out = sizes.out()?;
    let tree = Tree::at(&sizes.dir, "source", sizes.files)?;
    let scale = |of| sizes.scaled(of);
    let (file, cached) = (out.join("work.handoff"), out.join("index-untracked-cache"));

    for (state, share) in [
        (State { modified: 0, new: 0 }, None),
        (State { modified: 1, new: 0 }, None),
        (State { modified: scale(80), new: scale(20) }, None),
        (State { modified: scale(200), new: scale(1000) }, Some(0.75)),
        (State { modified: scale(4000), new: scale(1000) }, Some(0.90)),
    ] {
        tree.set(state)?;
        let State { modified, new } = state;
        let title =
            format!("capture, {modified} modified and {new} new beside {} tracked files", sizes.files);
        let mut sides = vec![
            Side::new("handoff capture", || child::capture_command(tree.root(), &file, Bases::Always))
                .after(|| absent(&file)),
            Side::new(STATUS, || script::status(tree.root())),
            Side::new(WALK, || child::walk_command(tree.root())),
        ];
        if share.is_some() {
            let (root, file) = (tree.root(), &file);
            sides.push(
                Side::new(NO_BASES, || child::capture_command(root, file, Bases::Never))
                    .after(|| absent(file)),
            );
            untracked_cache(&tree, &cached)?;
            sides
                .push(Side::new(STATUS_CACHED, || script::status_with_untracked_cache(tree.root(), &cached)));
            sides.push(stored(TAR_CHANGED, script::TAR_CHANGED, &tree, &out));
            sides.push(stored(ADD_COPIED, script::ADD_COPIED_INDEX, &tree, &out).slow());
        }
        if share == Some(0.75) {
            sides.push(stored(ADD_FRESH, script::ADD_FRESH_INDEX, &tree, &out).slow());
        }
        let taken = compare(sizes.rounds, sizes.slow_rounds, &sides)?;
        let goals: Vec<Goal> = share.map(|share| Goal { beside: STATUS, share }).into_iter().collect();
        table.case(&title, &taken, &goals);
        table.memory(&title, &taken, 128.0);
        check(&file, state)?;
    }
    tree.clean()?;

    for content in [Content::Random, Content::Text, Content::Words] {
        let repo = big::repository(&sizes.dir, sizes.big_mib, content)?;
        let title = format!("capture, one untracked file of {} MiB, {content:?}", sizes.big_mib);
        let (file, archive) = (out.join("big.handoff"), out.join("big.tar.zst"));
        let tar = |text| script::shell(&repo, text, &[Path::new("big"), &archive]);
        // Both go before each run, so that none waits for what another left to be written; their sizes are kept.
        let sizes_mib = [Cell::new(0), Cell::new(0)];
        let clear = || {
            for (path, size) in [&file, &archive].into_iter().zip(&sizes_mib) {
                if let Ok(meta) = fs::metadata(path) {
                    size.set(meta.len() >> 20);
                }
                absent(path)?;
            }
            Ok(())
        };
        let sides = [
            Side::new("handoff capture", || child::capture_command(&repo, &file, Bases::Always)).after(clear),
            Side::new(TAR_ONE, || tar(script::TAR_ONE)).after(clear),
            Side::new(TAR_ONE_SYNCED, || tar(script::TAR_ONE_SYNCED)).after(clear),
            Side::new(ZSTD_ONE, || tar(script::ZSTD_ONE)).after(clear),
        ];
        let taken = compare(sizes.rounds.min(5), sizes.slow_rounds, &sides)?;
        table.case(&title, &taken, &[Goal { beside: TAR_ONE, share: 0.70 }]);
        table.memory(&title, &taken, 128.0);
        clear()?;
        println!("  size {} MiB, theirs {} MiB", sizes_mib[0].get(), sizes_mib[1].get());
    }
    fs::remove_dir_all(out)?;
    tree.empty_trash()?;
    table.close()
}

/// A way of storing the changes into a fresh directory.
fn stored<'a>(name: &'static str, text: &'static str, tree: &'a Tree, out: &'a Path) -> Side<'a> {
    let dir = out.join("stored");
    let fresh: PathBuf = dir.clone();
    Side::new(name, move || script::shell(tree.root(), text, &[&dir])).after(move || {
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        Ok(fs::create_dir(&fresh)?)
    })
}

/// An index like the tree's own, with an untracked cache that is filled.
fn untracked_cache(tree: &Tree, index: &Path) -> Done {
    fs::copy(tree.private("../index"), index)?;
    let settings = ["-c", "core.untrackedCache=true", "-c", "status.showUntrackedFiles=all"];
    for args in [&["update-index", "--untracked-cache"][..], &["status"], &["status"]] {
        let mut command = script::git(tree.root(), &settings);
        if !command
            .args(args)
            .env("GIT_INDEX_FILE", index)
            .stdout(std::process::Stdio::null())
            .status()?
            .success()
        {
            return Err("git could not make an untracked cache".into());
        }
    }
    Ok(())
}

fn absent(file: &Path) -> Done {
    match fs::remove_file(file) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why.into()),
        _ => Ok(()),
    }
}

/// The capture that was timed holds what there was to capture.
fn check(file: &Path, state: State) -> Done {
    let snapshot = Snapshot::open(file)?;
    let entries: usize = snapshot.manifest().repos.iter().map(|repo| repo.entries.len()).sum();
    if entries == state.modified + state.new {
        return Ok(());
    }
    Err(format!("the capture holds {entries} entries instead of {}", state.modified + state.new).into())
}
