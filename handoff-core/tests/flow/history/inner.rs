//! Unpushed commits of repositories inside others: submodules and untracked ones. Each has its own.

use handoff_core::{HistoryOutcome, Snapshot, apply, capture};

use super::{assert_whole, objects, stage};
use crate::support::git;
use crate::support::repo::{Format, Repo, undisturbed};

#[test]
fn commits_of_a_submodule_and_of_an_untracked_repository_travel_with_theirs() {
    let stage = stage(Format::Sha1);
    let lib = Repo::init(stage.dir.path().join("lib"), Format::Sha1);
    lib.write("lib.txt", "lib\n");
    lib.commit("lib");
    let origin = Repo { root: stage.dir.path().join("origin") };
    let url = lib.root.to_str().unwrap();
    origin.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "sub"]);
    origin.commit("with a submodule");
    for clone in [&stage.here, &stage.there] {
        clone.git(&["pull", "-q"]);
        clone.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init"]);
        lib.clone_to(clone.at("tools/inner"));
    }
    let inside = |clone: &Repo| ["sub", "tools/inner"].map(|path| Repo { root: clone.at(path) });
    for (at, repo) in inside(&stage.here).iter().enumerate() {
        repo.write("lib.txt", format!("committed {at}\n"));
        repo.commit("not pushed");
        repo.write("lib.txt", format!("edited {at}\n"));
    }
    stage.here.git(&["add", "sub"]);
    stage.here.git(&["commit", "-q", "-m", "the outer one names it"]);

    let snapshot = capture(&stage.here.workspace(), &undisturbed()).unwrap();
    let counts: Vec<_> = snapshot
        .manifest()
        .repos
        .iter()
        .map(|repo| (repo.name.as_str(), repo.history.as_ref().map_or(0, |history| history.commits)))
        .collect();
    assert_eq!(counts, [("app", 1), ("app/sub", 1), ("app/tools/inner", 1)]);
    let report = apply(&snapshot, &stage.there.workspace(), &objects()).unwrap();
    for repo in &report.repos {
        assert_eq!(repo.history.as_ref().unwrap().outcome, HistoryOutcome::Stored, "{report}");
    }
    for (from, to) in inside(&stage.here).iter().zip(&inside(&stage.there)) {
        assert_whole(to, &from.head());
    }
    // The submodule's commit is an object of the submodule, which git does not ask the outer one for.
    assert_whole(&stage.there, &stage.here.head());
    let link = git::line(&stage.there.root, &["rev-parse", &format!("{}:sub", stage.here.head())]);
    assert_eq!(link, inside(&stage.here)[0].head());
}

/// A bundle in which a content was changed on the way is refused where that content is read, by name.
#[test]
fn a_part_that_was_tampered_with_is_named_and_nothing_of_it_is_stored() {
    let stage = stage(Format::Sha1);
    stage.here.write("src/0/0.txt", "rewritten\n");
    stage.here.commit("not pushed");
    let snapshot = capture(&stage.here.workspace(), &undisturbed()).unwrap();
    let file = stage.dir.path().join("work.handoff");
    snapshot.save(&file).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let (mut refused, mut unharmed) = (0, 0);
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&file, &bytes).unwrap();
        // The manifest and the index are looked at first, and are not what this is about.
        let Ok(opened) = Snapshot::open(&file) else { continue };
        let report = apply(&opened, &stage.there.workspace(), &objects()).unwrap();
        let history = report.repos[0].history.as_ref().unwrap();
        let stored =
            git::output(&stage.there.root, &["cat-file", "-e", &stage.here.head()], b"").status.success();
        if history.outcome == HistoryOutcome::Failed {
            assert_eq!(history.reason.as_deref(), Some("damaged"), "{report}");
            let message = history.message.as_deref().unwrap();
            assert!(
                message.starts_with("part 1 of 1 is damaged") && message.ends_with("get the snapshot anew"),
                "{message}"
            );
            assert!(!stored, "at {at}");
            refused += 1;
        } else {
            // A byte that only a reader from front to back looks at.
            assert!(stored, "at {at}");
            std::fs::remove_dir_all(stage.there.git_dir().join("objects")).unwrap();
            crate::support::repo::copy_tree(
                &stage.dir.path().join("origin/.git/objects"),
                &stage.there.git_dir().join("objects"),
            );
            unharmed += 1;
        }
    }
    assert!(refused > 20, "{refused} refused, {unharmed} unharmed");
}
