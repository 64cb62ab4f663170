//! What configuration, ignore rules and attributes do to a capture.

use super::*;

fn pipe(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
}

#[test]
fn a_file_of_ignore_rules_or_attributes_named_by_a_setting_counts() {
    let scratch = Scratch::new();
    for (key, rules) in [("core.excludesFile", "*.log\n"), ("core.attributesFile", "*.txt eol=crlf\n")] {
        let file = scratch.dir.path().join(key);
        fs::write(&file, rules).unwrap();
        scratch.git(&["config", key, &file.to_string_lossy()]);
    }
    scratch.write("x.log", "ignored");
    scratch.write("new", "n");
    scratch.write("a.txt", "one\r\n");
    assert_eq!(scratch.git(&["ls-files", "-o", "--exclude-standard"]), "new\n");
    assert_eq!(paths(&scratch.capture()), ["new"]);
    // Relative to the work tree, and one that does not exist is none.
    scratch.git(&["config", "core.excludesFile", "rules"]);
    assert_eq!(paths(&scratch.capture()), ["new", "x.log"]);
    scratch.write("rules", "*.log\nrules\n");
    assert_eq!(paths(&scratch.capture()), ["new"]);
}

#[test]
fn rules_that_cannot_be_read_to_an_end_are_refused_and_never_waited_for() {
    let scratch = Scratch::new();
    pipe(&scratch.dir.path().join("pipe"));
    scratch.git(&["config", "core.excludesFile", &scratch.dir.path().join("pipe").to_string_lossy()]);
    let refused = Workspace::new([scratch.app()]).unwrap_err().to_string();
    assert!(refused.contains("core.excludesFile") && refused.contains("unset it"), "{refused}");
    for name in ["exclude", "attributes"] {
        let scratch = Scratch::new();
        scratch.write("a.txt", "changed");
        let file = scratch.app().join(".git/info").join(name);
        let _ = fs::remove_file(&file);
        pipe(&file);
        let failed = scratch.capture().failed.unwrap();
        assert!(failed.message.contains(&format!("info/{name}")), "{}", failed.message);
    }
}

#[test]
fn below_an_ignore_file_that_is_a_pipe_tracked_files_are_captured_and_the_rest_is_listed() {
    let scratch = Scratch::new();
    pipe(&scratch.app().join("src/.gitignore"));
    scratch.write("src/d.txt", "changed");
    scratch.write("src/new", "n");
    scratch.write("src/dir/new", "n");
    scratch.write("src/deep/new", "n");
    scratch.write("new", "n");
    let repo = scratch.capture();
    assert_eq!(paths(&repo), ["new", "src/d.txt"]);
    let unreadable = |path: &str| (path.to_owned(), OmissionReason::Unreadable);
    assert_eq!(
        omitted(&repo),
        [
            ("src/.gitignore".to_owned(), OmissionReason::SpecialFile),
            unreadable("src/deep/new"),
            unreadable("src/dir/"),
            unreadable("src/new"),
        ]
    );
}

#[test]
fn below_attributes_that_are_a_pipe_content_travels_raw() {
    let scratch = Scratch::new();
    pipe(&scratch.app().join(".gitattributes"));
    scratch.write("src/d.txt", "changed\r\n");
    let repo = scratch.capture();
    assert_eq!(paths(&repo), ["src/d.txt"]);
    assert_eq!(entry(&repo, "src/d.txt").flags.raw.as_deref(), Some("attributes_unreadable"));
}

#[test]
fn a_repository_that_points_to_another_work_tree_is_refused() {
    let scratch = Scratch::new();
    let elsewhere = scratch.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("private"), "p").unwrap();
    fs::create_dir(scratch.app().join("inner")).unwrap();
    let inner = scratch.app().join("inner");
    scratch.git_in(&inner, &["init", "-q"]);
    scratch.git_in(&inner, &["config", "core.worktree", &elsewhere.to_string_lossy()]);
    let snapshot = scratch.capture_with(&CaptureOptions::default());
    let failed = snapshot.manifest().repos[1].failed.clone().unwrap();
    assert_eq!(failed.kind, "unsupported");
    assert!(failed.message.contains("core.worktree"), "{}", failed.message);
    assert!(matches!(Workspace::new([&inner]), Err(Error::Unsupported { .. })));
    // One that says what is so anyway is no trouble; submodules have it.
    scratch.git_in(&inner, &["config", "core.worktree", ".."]);
    assert_eq!(scratch.capture_with(&CaptureOptions::default()).manifest().repos[1].failed, None);
}

#[test]
fn the_upstream_is_found_by_plain_settings() {
    let scratch = Scratch::new();
    let clone = scratch.dir.path().join("clone");
    let source = scratch.app();
    scratch.git_in(scratch.dir.path(), &["clone", "-q", &source.to_string_lossy(), "clone"]);
    scratch.git_in(&clone, &["commit", "-q", "--allow-empty", "-m", "mine"]);
    scratch.git(&["commit", "-q", "--allow-empty", "-m", "theirs"]);
    scratch.git(&["commit", "-q", "--allow-empty", "-m", "theirs too"]);
    scratch.git_in(&clone, &["fetch", "-q"]);
    let head = |path: &Path| {
        let snapshot = capture(&Workspace::new([path]).unwrap(), &CaptureOptions::default()).unwrap();
        snapshot.manifest().repos[0].head.clone()
    };
    let found = head(&clone);
    assert_eq!(
        (found.upstream.as_deref(), found.ahead, found.behind),
        (Some("origin/main"), Some(1), Some(2))
    );
    scratch.git_in(&clone, &["checkout", "-q", "-b", "topic", "--track", "main"]);
    scratch.git_in(&clone, &["commit", "-q", "--allow-empty", "-m", "topic"]);
    let found = head(&clone);
    assert_eq!((found.upstream.as_deref(), found.ahead, found.behind), (Some("main"), Some(1), Some(0)));
}

#[test]
fn a_replaced_object_travels_as_what_its_id_says() {
    let scratch = Scratch::new();
    fs::write(scratch.dir.path().join("other"), "replacement").unwrap();
    let other = scratch.dir.path().join("other");
    let new = scratch.git(&["hash-object", "-w", &other.to_string_lossy()]);
    let old = scratch.git(&["rev-parse", "HEAD:a.txt"]);
    scratch.git(&["replace", old.trim(), new.trim()]);
    scratch.write("a.txt", "changed");
    let snapshot = scratch.capture_with(&CaptureOptions::default());
    let base = snapshot.read("app", &"a.txt".into(), Layer::Head).unwrap();
    assert_eq!(base.as_deref(), Some(&b"one\n"[..]));
}
