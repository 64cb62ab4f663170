//! What keeps commits at home is named, and the files travel all the same.

use handoff_core::snapshot::{HistoryCut, HistoryCutReason};
use handoff_core::{AllowSecret, CaptureHistory, CaptureOptions, HistoryOutcome, Verdict, apply, capture};

use super::{Stage, assert_planned, objects, outcome, stage};
use crate::support::git;
use crate::support::repo::{Format, Repo, undisturbed};

/// A key of the form that its issuer gives, put together here so that no scanner takes this file for a leak.
fn token() -> String {
    format!("sk_live_{}", "4qk2VZ8nT0wYr7LmXb3HcPd9")
}

/// The cut of a capture with `options`, and what the report says of it.
fn cut(stage: &Stage, options: &CaptureOptions) -> (HistoryCut, String) {
    stage.here.write("uncommitted.txt", "x\n");
    let snapshot = capture(&stage.here.workspace(), options).unwrap();
    assert_planned(&stage.here, options, &snapshot);
    let history = snapshot.manifest().repos[0].history.clone().unwrap();
    assert!(history.parts.is_empty(), "whole or not at all");
    let why = history.cut.unwrap();
    let report = apply(&snapshot, &stage.there.workspace(), &objects()).unwrap();
    assert_eq!(outcome(&report), (HistoryOutcome::NotCaptured, Some(why.reason.as_str())));
    assert_eq!(report.verdict, Verdict::Partial);
    assert_eq!(stage.there.read("uncommitted.txt"), b"x\n");
    (why, report.to_string())
}

#[test]
fn a_secret_in_a_commit_keeps_all_of_them_at_home() {
    let stage = stage(Format::Sha1);
    stage.here.write("src/config.txt", format!("key = {}\n", token()));
    let bad = stage.here.commit("oops");
    stage.here.write("src/config.txt", "key = none\n");
    stage.here.commit("taken out again, but it is in the history");
    let (why, text) = cut(&stage, &undisturbed());
    assert_eq!(why.reason, HistoryCutReason::SecretContent);
    assert_eq!(why.rule.as_deref(), Some("stripe_live_key"));
    assert_eq!((why.path, why.commit.map(|id| id.to_string())), (Some("src/config.txt".into()), Some(bad)));
    assert!(text.contains("rule stripe_live_key keeps src/config.txt in commit"), "{text}");
    assert!(!text.contains(&token()));

    let mut allowed = undisturbed();
    allowed.allow_secrets = vec![AllowSecret::new("src/config.txt", "stripe_live_key")];
    let snapshot = capture(&stage.here.workspace(), &allowed).unwrap();
    assert!(snapshot.manifest().repos[0].history.as_ref().unwrap().cut.is_none());
}

#[test]
fn a_file_that_is_named_like_a_secret_does_so_too() {
    let stage = stage(Format::Sha1);
    stage.here.write("deploy/id_rsa", "not even a key\n");
    stage.here.commit("oops");
    let (why, _) = cut(&stage, &undisturbed());
    assert_eq!((why.reason, why.rule.as_deref()), (HistoryCutReason::SecretName, Some("id_rsa*")));
}

#[test]
fn a_secret_in_a_message_or_in_who_wrote_it_keeps_them_at_home() {
    let names: [&[&str]; 2] = [
        &["commit", "-q", "--allow-empty", "-m", "use KEY for now"],
        &["commit", "-q", "--allow-empty", "-m", "fine", "--author=KEY <n@example.invalid>"],
    ];
    for args in names {
        let stage = stage(Format::Sha1);
        let args: Vec<String> = args.iter().map(|arg| arg.replace("KEY", &token())).collect();
        stage.here.git(&args);
        let bad = stage.here.head();
        stage.here.commit("later");
        let (why, text) = cut(&stage, &undisturbed());
        assert_eq!((why.reason, why.path), (HistoryCutReason::SecretContent, None));
        assert_eq!(why.rule.as_deref(), Some("stripe_live_key"));
        assert_eq!(why.commit.map(|id| id.to_string()), Some(bad.clone()));
        assert!(text.contains(&bad) && !text.contains(&token()), "{text}");
        let mut allowed = undisturbed();
        allowed.allow_secrets = vec![AllowSecret::new("", "stripe_live_key")];
        let snapshot = capture(&stage.here.workspace(), &allowed).unwrap();
        assert!(snapshot.manifest().repos[0].history.as_ref().unwrap().cut.is_none());
    }
}

#[test]
fn a_secret_in_a_tag_that_was_merged_keeps_them_at_home() {
    let stage = stage(Format::Sha1);
    stage.here.git(&["checkout", "-q", "-b", "side", "origin/side"]);
    stage.here.commit("to be tagged");
    stage.here.git(&["tag", "-a", "v1", "-m", &format!("key {}", token())]);
    stage.here.git(&["checkout", "-q", "main"]);
    // git copies the text of a signed tag into the commit that merges it; whether it is a good signature is not asked.
    let tag = String::from_utf8(stage.here.git(&["cat-file", "tag", "v1"])).unwrap();
    let tag = tag.trim_end().replace('\n', "\n ");
    let line = |what: &str| git::line(&stage.here.root, &["rev-parse", what]);
    let who = "n <n@example.invalid> 1700000000 +0000";
    let commit = format!(
        "tree {}\nparent {}\nparent {}\nauthor {who}\ncommitter {who}\nmergetag {tag}\n\nmerge\n",
        line("HEAD^{tree}"),
        line("HEAD"),
        line("v1^{commit}"),
    );
    let merged =
        git::git_with(&stage.here.root, &["hash-object", "-t", "commit", "-w", "--stdin"], commit.as_bytes());
    let merged = String::from_utf8(merged).unwrap().trim().to_owned();
    stage.here.git(&["reset", "-q", "--hard", &merged]);
    let (why, _) = cut(&stage, &undisturbed());
    assert_eq!(why.reason, HistoryCutReason::SecretContent);
    assert_eq!(why.commit.map(|id| id.to_string()), Some(merged));
}

#[test]
fn a_name_is_looked_at_though_the_content_came_before_under_another() {
    let moves: [fn(&Stage); 4] = [
        // Renamed later.
        |stage| _ = stage.here.git(&["mv", "plain.txt", "id_rsa"]),
        // A copy beside it.
        |stage| _ = stage.here.write("deploy/id_rsa", "the same\n"),
        // The whole directory goes where such names mean something.
        |stage| _ = stage.here.git(&["mv", "conf", ".aws"]),
        // Deeper.
        |stage| {
            std::fs::create_dir(stage.here.at("home")).unwrap();
            stage.here.git(&["mv", "conf", "home/.aws"]);
        },
    ];
    for (at, step) in moves.iter().enumerate() {
        let stage = stage(Format::Sha1);
        stage.here.write("plain.txt", "the same\n").write("conf/profile", "nothing much\n");
        stage.here.commit("harmless");
        let mut options = undisturbed();
        assert!(
            capture(&stage.here.workspace(), &options).unwrap().manifest().repos[0]
                .history
                .as_ref()
                .unwrap()
                .cut
                .is_none(),
            "{at}"
        );
        step(&stage);
        let bad = stage.here.commit("not harmless");
        let (why, _) = cut(&stage, &options);
        assert_eq!(why.reason, HistoryCutReason::SecretName, "{at}");
        assert_eq!(why.commit.map(|id| id.to_string()), Some(bad), "{at}");
        options.allow_secrets = vec![AllowSecret::new(why.path.unwrap(), why.rule.unwrap())];
        let snapshot = capture(&stage.here.workspace(), &options).unwrap();
        assert!(snapshot.manifest().repos[0].history.as_ref().unwrap().cut.is_none(), "{at}");
    }
}

#[test]
fn without_a_remote_it_is_said_and_all_can_travel() {
    for format in [Format::Sha1, Format::Sha256] {
        let mut stage = stage(format);
        stage.here = Repo::init(stage.dir.path().join("alone/app"), format);
        stage.here.write("a.txt", "a\n");
        stage.here.commit("first");
        stage.here.write("b.txt", "b\n");
        stage.here.commit("second");
        // A clone of it lacks nothing, and hears nothing.
        let clone = stage.here.clone_to(stage.dir.path().join("clone/app"));
        stage.here.write("uncommitted.txt", "x\n");
        let snapshot = capture(&stage.here.workspace(), &undisturbed()).unwrap();
        let report = apply(&snapshot, &clone.workspace(), &objects()).unwrap();
        assert!(report.repos[0].history.is_none(), "{report}");
        assert_eq!(report.verdict, Verdict::Complete, "{report}");

        stage.there = Repo::init(stage.dir.path().join("empty/app"), format);
        let (why, text) = cut(&stage, &undisturbed());
        assert_eq!(why, handoff_cut("no_remote"));
        assert!(text.contains("capture with history all"), "{text}");

        let mut all = undisturbed();
        all.history = CaptureHistory::All;
        let snapshot = capture(&stage.here.workspace(), &all).unwrap();
        let history = snapshot.manifest().repos[0].history.clone().unwrap();
        assert_eq!((history.commits, history.prerequisites.len(), history.cut), (2, 0, None));
        let target = Repo::init(stage.dir.path().join("other/app"), format);
        let mut options = objects();
        options.history = handoff_core::ApplyHistory::Branch;
        options.map.insert("app".into(), "app".into());
        let report = apply(&snapshot, &target.workspace(), &options).unwrap();
        assert_eq!(outcome(&report), (HistoryOutcome::Moved, None), "{report}");
        assert_eq!(report.verdict, Verdict::Complete, "{report}");
        assert_eq!(target.head(), stage.here.head());
        super::assert_whole(&target, &stage.here.head());
        assert_eq!(target.read("b.txt"), b"b\n");
        all.max_history_commits = 1;
        let few = capture(&stage.here.workspace(), &all).unwrap();
        let why = few.manifest().repos[0].history.clone().unwrap().cut.unwrap();
        assert_eq!(why.reason, HistoryCutReason::TooManyCommits);
    }
}

/// A cut that says nothing but its reason.
fn handoff_cut(reason: &str) -> HistoryCut {
    serde_json::from_value(serde_json::json!({ "reason": reason })).unwrap()
}

#[test]
fn all_of_a_shallow_clone_names_what_it_ends_at() {
    let mut stage = stage(Format::Sha1);
    let url = format!("file://{}", stage.dir.path().join("origin").display());
    let root = stage.dir.path().join("shallow/app");
    git::git(stage.dir.path(), &["clone", "-q", "--depth=1", "--template=", &url, root.to_str().unwrap()]);
    stage.here = Repo { root };
    stage.here.commit("on top");
    let mut all = undisturbed();
    all.history = CaptureHistory::All;
    let snapshot = capture(&stage.here.workspace(), &all).unwrap();
    let history = snapshot.manifest().repos[0].history.clone().unwrap();
    let parent = git::line(&stage.there.root, &["rev-parse", "origin/main~1"]);
    assert_eq!(history.commits, 2);
    assert_eq!(history.prerequisites.iter().map(ToString::to_string).collect::<Vec<_>>(), [parent]);
    let report = apply(&snapshot, &stage.there.workspace(), &objects()).unwrap();
    assert_eq!(outcome(&report), (HistoryOutcome::Stored, None), "{report}");
    super::assert_whole(&stage.there, &stage.here.head());
}

#[test]
fn limits_are_said() {
    let stage = stage(Format::Sha1);
    for n in 0..4 {
        stage.here.write(format!("f{n}"), format!("{n}\n"));
        stage.here.commit("step");
    }
    let mut few = undisturbed();
    few.max_history_commits = 3;
    let (why, text) = cut(&stage, &few);
    assert_eq!(why.reason, HistoryCutReason::TooManyCommits);
    assert!(text.contains("push the branch, or raise max_history_commits"), "{text}");
    few.max_history_commits = 4;
    few.max_history_bytes = 100;
    assert_eq!(cut(&stage, &few).0.reason, HistoryCutReason::TooLarge);
}

#[test]
fn a_missing_object_is_said() {
    let stage = stage(Format::Sha1);
    stage.here.write("gone.txt", "gone\n");
    stage.here.commit("unpushed");
    let blob = git::line(&stage.here.root, &["rev-parse", "HEAD:gone.txt"]);
    std::fs::remove_file(stage.here.git_dir().join("objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let (why, _) = cut(&stage, &undisturbed());
    assert_eq!((why.reason, why.path), (HistoryCutReason::Unreadable, Some("gone.txt".into())));
}

#[test]
fn who_does_not_want_them_hears_nothing_of_them() {
    let stage = stage(Format::Sha1);
    stage.here.commit("unpushed");
    let mut options = undisturbed();
    options.history = CaptureHistory::Never;
    let snapshot = capture(&stage.here.workspace(), &options).unwrap();
    assert!(snapshot.manifest().repos[0].history.is_none());
    assert_planned(&stage.here, &options, &snapshot);
}
