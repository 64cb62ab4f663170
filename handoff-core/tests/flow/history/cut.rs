//! What keeps commits at home is named, and the files travel all the same.

use handoff_core::snapshot::{HistoryCut, HistoryCutReason};
use handoff_core::{AllowSecret, CaptureHistory, CaptureOptions, HistoryOutcome, Verdict, apply, capture};

use super::{Stage, objects, outcome, stage};
use crate::support::repo::{Format, undisturbed};

/// A key of the form that its issuer gives, put together here so that no scanner takes this file for a leak.
fn token() -> String {
    format!("sk_live_{}", "4qk2VZ8nT0wYr7LmXb3HcPd9")
}

/// The cut of a capture with `options`, and what the report says of it.
fn cut(stage: &Stage, options: &CaptureOptions) -> (HistoryCut, String) {
    stage.here.write("uncommitted.txt", "x\n");
    let snapshot = capture(&stage.here.workspace(), options).unwrap();
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
    let blob = crate::support::git::line(&stage.here.root, &["rev-parse", "HEAD:gone.txt"]);
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
    assert!(capture(&stage.here.workspace(), &options).unwrap().manifest().repos[0].history.is_none());
}
