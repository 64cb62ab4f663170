//! Apply beside git's ways of bringing the same changes into a work tree.

use std::fs;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use handoff_benches::measure::{Side, compare};
use handoff_benches::table::{Goal, Table};
use handoff_benches::tree::{State, Tree};
use handoff_benches::{Done, Sizes, child, script};
use handoff_core::{Bases, Durability};

const OURS: &str = "handoff apply (survives a power cut)";
const OURS_PROCESS: &str = "handoff apply (survives a crash only)";
const GIT_APPLY: &str = "git apply";
const GIT_APPLY_3WAY: &str = "git apply --3way";
const MERGE_TREE: &str = "git merge-tree, read-tree -m -u";

fn main() -> ExitCode {
    handoff_benches::main("apply", run)
}

fn run(sizes: &Sizes) -> Done {
    let mut table = Table::default();
    let out = sizes.out()?;
    let state = State { modified: sizes.scaled(200), new: sizes.scaled(1000) };
    let source = Tree::at(&sizes.dir, "source", sizes.files)?;
    let target = Tree::at(&sizes.dir, "target", sizes.files)?;
    target.reunite()?;
    source.set(state)?;
    let (bundle, patch, commit) = (out.join("work.handoff"), out.join("work.patch"), out.join("theirs"));
    prepare(&source, &target, &bundle, &patch, &commit)?;

    // Every side starts from a clean tree and leaves the same change behind. What putting it back has written goes
    // to disk first, or whoever syncs would pay for it.
    let reset = || target.clean().and_then(|()| target.expect(state)).and_then(|()| target.settle());
    let ours = |durability| {
        let (bundle, target) = (&bundle, &target);
        move || child::apply_command(bundle, target.root(), durability)
    };
    let patched = |option: &'static str| {
        let (patch, target) = (&patch, &target);
        move || {
            let mut command = script::git(target.root(), &["apply", "--quiet", "--whitespace=nowarn"]);
            command.args(Some(option).filter(|option| !option.is_empty())).arg(patch);
            command
        }
    };
    let merged = || script::shell(target.root(), script::MERGE_TREE, &[&commit]);

    let clean = compare(
        sizes.rounds,
        sizes.slow_rounds,
        &[
            Side::new(OURS, ours(Durability::Full)).after(reset),
            Side::new(OURS_PROCESS, ours(Durability::Process)).after(reset),
            Side::new(GIT_APPLY, patched("")).after(reset),
            Side::new(GIT_APPLY_3WAY, patched("--3way")).after(reset).slow(),
            Side::new(MERGE_TREE, merged).after(reset),
        ],
    )?;
    let title =
        format!("apply, {} paths to a clean target of {} files", state.modified + state.new, sizes.files);
    table.case(&title, &clean, &[Goal { beside: GIT_APPLY, share: 2.0 }]);
    table.memory(&title, &clean, 128.0);

    target.diverge(state)?;
    let diverged = compare(
        sizes.rounds,
        sizes.slow_rounds,
        &[
            Side::new(OURS, ours(Durability::Full)).after(reset),
            Side::new(OURS_PROCESS, ours(Durability::Process)).after(reset),
            Side::new(GIT_APPLY_3WAY, patched("--3way")).after(reset).slow(),
            Side::new(MERGE_TREE, merged).after(reset),
        ],
    )?;
    let title =
        format!("apply, the same to a target that changed {} of the files too", state.modified.div_ceil(2));
    table.case(&title, &diverged, &[]);
    table.memory(&title, &diverged, 128.0);

    target.reunite()?;
    source.clean()?;
    fs::remove_dir_all(out)?;
    target.empty_trash()?;
    table.close()
}

/// The same change as a bundle, as a patch, and as a commit that the target already has.
fn prepare(source: &Tree, target: &Tree, bundle: &Path, patch: &Path, commit: &Path) -> Done {
    if !child::capture_command(source.root(), bundle, Bases::Always).status()?.success() {
        return Err("the capture failed".into());
    }
    let index = bundle.with_extension("index");
    fs::copy(source.private("../index"), &index)?;
    let with_index = |mut command: std::process::Command| {
        command.env("GIT_INDEX_FILE", &index).stdout(Stdio::null());
        command
    };
    for args in [&["add", "-A", "-N"][..], &["diff", "--binary", "--no-color", "HEAD"]] {
        let mut command = with_index(script::git(source.root(), args));
        if args.contains(&"diff") {
            command.stdout(fs::File::create(patch)?);
        }
        if !command.status()?.success() {
            return Err(format!("git {} failed", args.join(" ")).into());
        }
    }
    fs::copy(source.private("../index"), &index)?;
    let script = r#"git add -A; git commit-tree -p HEAD -m theirs "$(git write-tree)""#;
    let mut command = with_index(script::shell(source.root(), script, &[]));
    // Objects go straight to the target, so that its merge finds them.
    command.env("GIT_DIR", target.root().join(".git")).env("GIT_WORK_TREE", source.root());
    let output = command.stdout(Stdio::piped()).output()?;
    if !output.status.success() {
        return Err("the incoming commit could not be made".into());
    }
    let id = String::from_utf8(output.stdout)?;
    fs::write(commit, id.trim())?;
    target.git(&["update-ref", "refs/bench/theirs", id.trim()])?;
    target.git(&["repack", "-a", "-d", "-q"])
}
