//! Repositories in odd shapes: conflicts of files and directories, repositories in repositories, git directories
//! in odd places.

use super::*;

/// Every repository of the snapshot with its paths.
fn repos(snapshot: &Snapshot) -> Vec<(&str, Vec<String>)> {
    snapshot.manifest().repos.iter().map(|repo| (repo.name.as_str(), paths(repo))).collect()
}

impl Scratch {
    fn captured(&self) -> Snapshot {
        self.capture_with(&CaptureOptions::default())
    }

    /// A repository with one commit as the submodule `sub`, committed.
    fn with_submodule() -> Self {
        let scratch = Self::new();
        let lib = scratch.dir.path().join("lib");
        fs::create_dir(&lib).unwrap();
        scratch.git_in(&lib, &["init", "-q"]);
        fs::write(lib.join("f"), "f").unwrap();
        scratch.git_in(&lib, &["add", "f"]);
        scratch.git_in(&lib, &["commit", "-q", "-m", "lib"]);
        let allow = ["-c", "protocol.file.allow=always"];
        scratch.git(&[&allow[..], &["submodule", "add", "-q", &lib.to_string_lossy(), "sub"]].concat());
        scratch.git(&["commit", "-q", "-m", "submodule"]);
        scratch
    }
}

#[test]
fn a_file_and_a_directory_of_one_name_in_the_index_are_one_entry_each() {
    let scratch = Scratch::new();
    let oid = scratch.git(&["rev-parse", "HEAD:a.txt"]);
    let oid = oid.trim();
    scratch.git(&["rm", "-q", "--cached", "a.txt"]);
    let info = format!("100644 {oid} 1\ta.txt\n100644 {oid} 2\ta.txt\n100644 {oid} 3\ta.txt/x\n");
    let file = scratch.dir.path().join("info");
    fs::write(&file, info).unwrap();
    let script = "git update-index --index-info < \"$0\"";
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(&file)
        .current_dir(scratch.app())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .status()
        .unwrap();
    assert!(status.success());
    let repo = scratch.capture();
    assert_eq!(paths(&repo), ["a.txt", "a.txt/x"]);
    assert!(entry(&repo, "a.txt").worktree.is_some() && entry(&repo, "a.txt/x").worktree.is_none());
    // The other way round: the directory is on disk, with a file in it that is new.
    fs::remove_file(scratch.app().join("a.txt")).unwrap();
    scratch.write("a.txt/x", "x");
    scratch.write("a.txt/new", "new");
    let repo = scratch.capture();
    assert_eq!(paths(&repo), ["a.txt", "a.txt/new", "a.txt/x"]);
    assert!(entry(&repo, "a.txt").worktree.is_none() && entry(&repo, "a.txt/x").worktree.is_some());
}

#[test]
fn a_repository_at_a_tracked_directory_hides_nothing() {
    let scratch = Scratch::new();
    scratch.git_in(&scratch.app().join("src"), &["init", "-q"]);
    scratch.write("src/d.txt", "changed");
    fs::remove_file(scratch.app().join("src/deep/c.txt")).unwrap();
    std::os::unix::fs::symlink("d.txt", scratch.app().join("src/deep/c.txt")).unwrap();
    scratch.write("src/new", "new");
    let repo = scratch.capture();
    assert_eq!(paths(&repo), ["src/d.txt", "src/deep/c.txt", "src/new"]);
    assert!(repo.omissions.is_empty(), "{:?}", repo.omissions);
    // A link to a repository that is no longer there makes an ordinary directory.
    scratch.write("gone/.git", "gitdir: ../nowhere\n");
    scratch.write("gone/f", "f");
    std::os::unix::fs::symlink("f", scratch.app().join("gone/link")).unwrap();
    let repo = scratch.capture();
    assert!(paths(&repo).contains(&"gone/f".to_owned()) && paths(&repo).contains(&"gone/link".to_owned()));
    assert!(repo.omissions.is_empty(), "{:?}", repo.omissions);
}

#[test]
fn git_directories_are_never_walked_whatever_their_name() {
    let scratch = Scratch::new();
    scratch.git(&["init", "-q", "--separate-git-dir", "meta"]);
    scratch.write("new", "n");
    let repo = scratch.capture();
    assert_eq!(paths(&repo), ["new"]);
    assert!(repo.omissions.is_empty(), "{:?}", repo.omissions);
}

#[test]
fn an_index_that_tracks_the_git_directory_leads_nobody_there() {
    let scratch = Scratch::new();
    scratch.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{},xgit/config", "1".repeat(40))]);
    scratch.write(".git/secret", "token");
    let index = scratch.app().join(".git/index");
    let bytes = fs::read(&index).unwrap();
    let at = bytes.windows(11).position(|window| window == b"xgit/config").unwrap();
    let mut bad = bytes;
    bad[at] = b'.';
    // Its place in the order is wrong now, and its checksum; neither is looked at.
    fs::write(&index, bad).unwrap();
    let snapshot = scratch.captured();
    let repo = &snapshot.manifest().repos[0];
    assert!(
        repo.entries
            .iter()
            .all(|entry| entry.worktree.is_none() || !entry.path.as_bytes().starts_with(b".git"))
    );
    assert!(repo.omissions.iter().all(|omission| !omission.path.to_string().contains("secret")));
}

#[test]
fn submodules_that_are_gone_broken_or_left_over_are_said_to_be() {
    let scratch = Scratch::with_submodule();
    assert_eq!(repos(&scratch.captured()), [("app", vec![]), ("app/sub", vec![])]);

    scratch.git(&["submodule", "deinit", "-q", "-f", "sub"]);
    assert_eq!(repos(&scratch.captured()), [("app", vec![])], "not checked out is as committed");
    scratch.write("sub/left", "over");
    let repo = scratch.capture();
    assert_eq!(omitted(&repo), [("sub/".to_owned(), OmissionReason::SubmoduleUninitialised)]);

    fs::remove_dir_all(scratch.app().join("sub")).unwrap();
    assert_eq!(scratch.git(&["status", "--porcelain"]), " D sub\n");
    let repo = scratch.capture();
    assert_eq!(paths(&repo), ["sub"]);
    assert!(entry(&repo, "sub").worktree.is_none() && entry(&repo, "sub").index.is_some());

    let scratch = Scratch::with_submodule();
    scratch.write("sub/f", "edited");
    fs::remove_dir_all(scratch.app().join(".git/modules")).unwrap();
    let snapshot = scratch.captured();
    let broken = &snapshot.manifest().repos[1];
    assert_eq!((broken.name.as_str(), broken.failed.is_some()), ("app/sub", true));
}

#[test]
fn an_excluded_directory_excludes_the_repositories_in_it() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.app().join("vendor/lib")).unwrap();
    scratch.git_in(&scratch.app().join("vendor/lib"), &["init", "-q"]);
    scratch.write("vendor/lib/f", "f");
    let options = CaptureOptions { exclude: vec!["vendor/".to_owned()], ..CaptureOptions::default() };
    let snapshot = scratch.capture_with(&options);
    assert_eq!(repos(&snapshot), [("app", vec![])]);
    let omission = &snapshot.manifest().repos[0].omissions[0];
    assert_eq!(
        (omission.path.to_string().as_str(), omission.rule.as_deref()),
        ("vendor/lib/", Some("vendor/"))
    );
    let plan = plan(&Workspace::new([scratch.app()]).unwrap(), &options).unwrap();
    assert_eq!((plan.repos.len(), plan.repos[0].omissions.len()), (1, 1));
}

#[test]
fn a_repository_named_by_the_caller_is_captured_once() {
    let scratch = Scratch::new();
    let inner = scratch.app().join("inner");
    fs::create_dir(&inner).unwrap();
    scratch.git_in(&inner, &["init", "-q"]);
    scratch.write("inner/f", "f");
    // A file stands for the repository it is in.
    let workspace = Workspace::new([scratch.app().join("a.txt"), inner]).unwrap();
    let snapshot = capture(&workspace, &CaptureOptions::default()).unwrap();
    assert_eq!(repos(&snapshot), [("app", vec![]), ("inner", vec!["f".to_owned()])]);
    let plan = plan(&workspace, &CaptureOptions::default()).unwrap();
    assert_eq!(plan.repos.iter().map(|repo| repo.name.as_str()).collect::<Vec<_>>(), ["app", "inner"]);
}
