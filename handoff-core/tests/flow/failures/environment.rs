//! Names, settings, variables and programs that have nothing to do with the work.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use handoff_core::{Note, Outcome, Snapshot, Verdict};

use super::{Pair, carry, numbered, of, paths, repo, travelled, worked_on};
use crate::support::driver::{Job, Operation};
use crate::support::git;
use crate::support::purity::fingerprint;
use crate::support::repo::{Format, Repo};
use crate::support::snapshot::{Parts, path};

/// Whole files changed by their line endings: openai/codex#25048, #7903, entireio/cli#2376.
#[test]
fn failure_21_line_endings() {
    let crlf = |text: String| text.replace('\n', "\r\n");
    let pair = Pair::new(|base| {
        base.write("a.txt", numbered(&[])).write("b.txt", numbered(&[])).write("c.txt", numbered(&[]));
    });
    pair.target.git(&["config", "core.autocrlf", "true"]);
    for name in ["a.txt", "b.txt", "c.txt"] {
        pair.target.write(name, crlf(numbered(&[])));
    }
    pair.target.refresh();
    pair.source.write("a.txt", numbered(&[(3, "there")])).write("b.txt", numbered(&[(3, "there")]));
    pair.target.write("b.txt", crlf(numbered(&[(25, "here")])));
    let report = pair.carry();
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(pair.target.read("a.txt"), crlf(numbered(&[(3, "there")])).as_bytes());
    assert_eq!(pair.target.read("b.txt"), crlf(numbered(&[(3, "there"), (25, "here")])).as_bytes());
    assert!(of(&report, "a.txt").notes.contains(&Note::EolConverted), "and it is said");
    // And back: the laptop gets its own endings again, and nothing that only ends otherwise is a change.
    let back = travelled(&[&pair.target]);
    assert_eq!(paths(repo(&back, "app")), ["a.txt", "b.txt"]);
    let report = carry(&back, &pair.source);
    assert_eq!(report.verdict, Verdict::Complete, "{report}");
    assert_eq!(pair.source.read("b.txt"), numbered(&[(3, "there"), (25, "here")]).as_bytes());
}

/// Names outside ASCII were deleted or misread: anomalyco/opencode#10208, #40648, #47382.
#[test]
fn failure_22_paths_are_bytes() {
    let names: [&[u8]; 14] = [
        "日本語/ファイル.txt".as_bytes(),
        b"\"quoted\"",
        b"new\nline",
        b"tab\there",
        b"\xff\xfe invalid",
        b":(top)x",
        b"[id].tsx",
        b"-rf",
        b"*",
        b"?",
        b"a\\b",
        "e\u{301}".as_bytes(),
        "\u{e9}".as_bytes(),
        b" leading and trailing ",
    ];
    let pair = Pair::new(|base| {
        for name in names.iter().take(7) {
            base.write(name, "tracked\n");
        }
    });
    for (number, name) in names.iter().enumerate() {
        if number % 3 == 0 && number < 7 {
            pair.source.remove(name);
        } else {
            pair.source.write(name, format!("edited {number}\n"));
        }
    }
    pair.there_and_back();
    pair.source.git(&["add", "-A"]);
    pair.there_and_back();
}

/// Settings of the user's git changed what a patch holds: pingdotgg/t3code#9438, nilbuild/diffity#31.
#[test]
fn failure_23_user_git_config_changes_results() {
    let pair = worked_on();
    let wanted = travelled(&[&pair.source]).id();
    for (key, value) in [
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.external", "false"),
        ("diff.renames", "copies"),
        ("diff.context", "0"),
        ("color.ui", "always"),
        ("color.diff", "always"),
        ("core.quotePath", "false"),
        ("core.pager", "false"),
        ("diff.tool", "vimdiff"),
        ("status.showUntrackedFiles", "no"),
        ("core.abbrev", "4"),
        ("core.untrackedCache", "true"),
        ("core.checkStat", "minimal"),
        ("core.trustctime", "false"),
        ("core.preloadIndex", "false"),
        ("index.threads", "1"),
        ("core.safecrlf", "true"),
        ("apply.whitespace", "fix"),
        ("merge.conflictStyle", "zdiff3"),
        ("core.hooksPath", "/nonexistent"),
        ("commit.gpgSign", "true"),
        ("i18n.commitEncoding", "ISO-8859-1"),
        ("core.precomposeUnicode", "true"),
        ("advice.statusHints", "false"),
    ] {
        pair.source.git(&["config", key, value]);
        assert_eq!(travelled(&[&pair.source]).id(), wanted, "{key}={value}");
        pair.source.git(&["config", "--unset", key]);
    }
}

/// Run by a hook, a tool worked on the hook's repository: ai-sdlc-framework/ai-sdlc#461 (27 commits leaked).
#[test]
fn failure_24_an_inherited_environment_hits_another_repository() {
    let pair = worked_on();
    let wanted = travelled(&[&pair.source]).id();
    let other = Repo::init(pair.scratch.path().join("other"), Format::Sha1);
    other.write("other.txt", "other\n");
    other.commit("other");
    let remote = pair.scratch.path().join("remote.git");
    git::git(pair.scratch.path(), &["init", "-q", "--bare", "--template=", remote.to_str().unwrap()]);
    let bundle = pair.scratch.path().join("app.handoff");
    let job = Job::new(Operation::Capture, &pair.source.root, &pair.scratch.path().join("answer"))
        .with_bundle(&bundle);
    let driver = job.command();
    let hook = other.git_dir().join("hooks/pre-push");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(
        &hook,
        "#!/bin/sh\nenv > \"$SEEN\"\nexec \"$DRIVER\" --exact support::driver::child --nocapture\n",
    )
    .unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let seen = pair.scratch.path().join("environment");
    let mut push = git::command(&other.root);
    push.args(["push", "-q", remote.to_str().unwrap(), "main"])
        .env("DRIVER", driver.get_program())
        .env("SEEN", &seen);
    push.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "core.bare").env("GIT_CONFIG_VALUE_0", "true");
    for (name, value) in driver.get_envs() {
        push.env(name, value.unwrap());
    }
    let before = fingerprint(&other.git_dir().join("objects"));
    let answer = job.answer_of(push).unwrap();
    assert!(answer.error.is_none(), "{:?}", answer.error);
    assert!(fs::read_to_string(seen).unwrap().contains("GIT_"), "the hook has an environment of git's");
    assert_eq!(Snapshot::open(&bundle).unwrap().id(), wanted);
    assert!(before == fingerprint(&other.git_dir().join("objects")));
}

/// Settings in a repository ran programs: atlassian/atlascode#1918, mistralai/mistral-vibe#962 (CVSS 8.8).
#[test]
fn failure_25_repository_config_runs_programs() {
    let pair = worked_on();
    let proof = pair.scratch.path().join("ran");
    let spy = pair.scratch.path().join("spy");
    fs::write(&spy, format!("#!/bin/sh\ntouch {}\ncat\n", proof.display())).unwrap();
    fs::set_permissions(&spy, fs::Permissions::from_mode(0o755)).unwrap();
    let spy = spy.to_str().unwrap();
    for side in [&pair.source, &pair.target] {
        for key in [
            "core.fsmonitor",
            "core.sshCommand",
            "core.editor",
            "core.pager",
            "filter.spy.clean",
            "filter.spy.smudge",
            "filter.spy.process",
            "diff.spy.command",
            "diff.spy.textconv",
            "diff.external",
            "merge.spy.driver",
            "core.alternateRefsCommand",
            "credential.helper",
            "gpg.program",
            "uploadpack.packObjectsHook",
        ] {
            side.git(&["config", key, spy]);
        }
        side.git(&["config", "core.hooksPath", "hooks"]);
        fs::create_dir_all(side.git_dir().join("info")).unwrap();
        fs::write(side.git_dir().join("info/attributes"), "* filter=spy diff=spy merge=spy\n").unwrap();
        for hook in [
            "post-index-change",
            "post-checkout",
            "pre-commit",
            "reference-transaction",
            "fsmonitor-watchman",
        ] {
            fs::create_dir_all(side.at("hooks")).unwrap();
            fs::copy(spy, side.at(format!("hooks/{hook}"))).unwrap();
        }
    }
    pair.target.write("a.txt", numbered(&[(25, "here")]));
    let report = carry(&travelled(&[&pair.source]), &pair.target);
    assert!(report.count(&Outcome::Applied) > 0, "{report}");
    super::undone(&report, &pair.target);
    assert!(!proof.exists(), "a program was run");
}

/// Archives and links led out of the work tree: openai/openai-agents-python#3093, nesquena/hermes-webui#4405.
/// Every such name, and hard links: `every_row_of_the_corpus_ends_as_it_must` in `flow::hostile` (row 85, `hard_link`).
#[test]
fn failure_26_escapes_through_symlinks_and_archives() {
    let pair = worked_on();
    let outside = pair.scratch.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "somebody's\n").unwrap();
    // A link is captured as a link, whatever it points to.
    pair.source.link("leak", outside.join("secret").to_str().unwrap());
    let snapshot = travelled(&[&pair.source]);
    let text: Vec<u8> = Parts::of(&snapshot).blobs.concat();
    assert!(!text.windows(10).any(|window| window == b"somebody's"), "what a link points to is not carried");
    let mut parts = Parts::of(&snapshot);
    for name in [
        "../escaped",
        "/tmp/handoff-escaped",
        ".git/hooks/post-checkout",
        ".GIT/config",
        "git~1/config",
        "planted/x",
        "sub/.git/config",
        "a/../../x",
    ] {
        parts.add_file(path(name), b"hostile\n");
    }
    pair.target.link("planted", outside.to_str().unwrap());
    let hooks = fingerprint(&pair.target.git_dir().join("config"));
    let before = fingerprint(&outside);
    let report = super::applied(&parts.snapshot().unwrap(), &pair.target);
    for (_, file) in report.files().filter(|(_, file)| file.reason.is_some()) {
        assert_eq!((&file.outcome, file.hash), (&Outcome::Skipped, None), "{file:?}");
    }
    assert_eq!(report.count(&Outcome::Skipped), 9, "eight names and a link out of the tree: {report}");
    assert_eq!(of(&report, "leak").outcome, Outcome::Skipped);
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Applied, "{report}");
    assert!(before == fingerprint(&outside) && hooks == fingerprint(&pair.target.git_dir().join("config")));
    assert!(!pair.scratch.path().join("cloud/escaped").exists());
}
