//! No byte of a secret is in anything that leaves the library.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use handoff_core::secrets::rules;
use handoff_core::testing::secret_sample;
use handoff_core::{AllowSecret, ApplyOptions, CaptureOptions, Snapshot, apply, capture, plan, preview};

use crate::support::repo::{Format, Repo, scratch};

/// Every block of a bundle, decompressed, one after another: also what no index names.
fn blocks(bundle: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 16);
    while let Some(header) = bundle.get(at..at + 16) {
        let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap()) as usize;
        let (stored, raw) = (number(4), number(8));
        let payload = &bundle[at + 16..at + 16 + stored];
        out.extend(if stored < raw {
            zstd::bulk::decompress(payload, raw).unwrap()
        } else {
            payload.to_vec()
        });
        at += 16 + stored;
    }
    assert_eq!(at, bundle.len());
    out
}

#[test]
fn no_output_holds_a_secret_of_any_rule() {
    let scratch = scratch();
    let source = Repo::init(scratch.path().join("app"), Format::Sha1);
    source.write("plain.txt", "one\n").write("tracked.txt", "one\n").write("staged.txt", "one\n");
    source.commit("first");
    let target = source.clone_to(scratch.path().join("there/app"));

    let mut canaries = Vec::new();
    let mut canary = |rule: &str, seed: u64| {
        let (secret, at) = secret_sample(rule, seed).unwrap();
        // The middle: a part of it would be a leak, too.
        let value = &secret[at..];
        canaries.push(value[value.len() / 3..value.len() / 3 + 12].to_owned());
        secret
    };
    let (mut tracked, mut staged) = ("one\n".to_owned(), "one\n".to_owned());
    for (number, rule) in rules().into_iter().enumerate() {
        source.write(format!("new/{number}.txt"), format!("before\n{}\nafter\n", canary(rule.id, 1)));
        let _ = writeln!(tracked, "{}", canary(rule.id, 2));
        let _ = writeln!(staged, "{}", canary(rule.id, 3));
    }
    source.write(".env", format!("PASSWORD={}\n", canary("npm_token", 4)));
    source.write("big.log", "line\n".repeat(2 << 20) + &canary("npm_token", 5));
    source.write("staged.txt", staged);
    source.git(&["add", "staged.txt"]);
    source.write("tracked.txt", tracked).write("staged.txt", "two\n").write("plain.txt", "two\n");
    source.write("new/plain.txt", "harmless\n");

    let seen = Arc::new(Mutex::new(String::new()));
    let mut options = CaptureOptions::default();
    let events = Arc::clone(&seen);
    options.control.progress = Some(Arc::new(move |progress| {
        let _ = writeln!(events.lock().unwrap(), "{progress:?}");
    }));
    let mut out = String::new();
    let _ = writeln!(out, "{:?}", plan(&source.workspace(), &options).unwrap());
    let snapshot = capture(&source.workspace(), &options).unwrap();
    let repo = &snapshot.manifest().repos[0];
    let names: Vec<_> = repo.entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(names, ["new/plain.txt", "plain.txt"]);
    assert_eq!(repo.omissions.len(), rules().len() + 4, "each is listed");
    let bundle = scratch.path().join("work.handoff");
    snapshot.save(&bundle).unwrap();
    let bytes = std::fs::read(&bundle).unwrap();
    let opened = Snapshot::open(&bundle).unwrap();
    let before = preview(&opened, &target.workspace(), &ApplyOptions::default()).unwrap();
    let report = apply(&opened, &target.workspace(), &ApplyOptions::default()).unwrap();
    let _ = writeln!(out, "{snapshot:?} {opened:?} {:?} {options:?}", snapshot.manifest());
    let _ = writeln!(out, "{}", serde_json::to_string(snapshot.manifest()).unwrap());
    let _ = writeln!(out, "{:?}", snapshot.diff(&opened));
    for report in [&before, &report] {
        let _ = writeln!(out, "{report} {report:?} {}", serde_json::to_string(report).unwrap());
    }
    let mut wrong = CaptureOptions::default();
    wrong.exclude.push(" ".into());
    let _ = writeln!(out, "{:?}", capture(&source.workspace(), &wrong));
    out.push_str(&seen.lock().unwrap());

    let raw = blocks(&bytes);
    assert!(raw.windows(8).any(|part| part == b"harmless"), "the blocks were read");
    let texts = [out.as_bytes(), &bytes, &raw];
    for canary in &canaries {
        for text in texts {
            assert!(!memmem(text, canary.as_bytes()), "{canary} leaked");
        }
    }
    assert!(memmem(out.as_bytes(), b"github_token"), "rules are named");
}

fn memmem(text: &[u8], part: &[u8]) -> bool {
    let (first, rest) = part.split_first().unwrap();
    let mut starts = text.iter().enumerate().filter(|(_, byte)| *byte == first);
    starts.any(|(at, _)| text[at + 1..].starts_with(rest))
}

#[test]
fn a_report_names_the_rule_and_the_way_out() {
    let scratch = scratch();
    let source = Repo::init(scratch.path().join("app"), Format::Sha1);
    source.write("a.txt", "one\n");
    source.commit("first");
    let target = source.clone_to(scratch.path().join("there/app"));
    source.write("web/.env", "A=1\n").write("web/.env.local", "A=1\n");
    source.write("key.txt", format!("\n{}\n", secret_sample("stripe_live_key", 1).unwrap().0));
    let snapshot = capture(&source.workspace(), &CaptureOptions::default()).unwrap();
    let report = apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
    let text = report.to_string();
    for part in [
        "not captured (secret_content): key.txt (rule stripe_live_key, line 2)",
        "not captured (secret_name): 2 paths below web/ such as web/.env (rule .env)",
        "allow_secrets",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }

    let mut options = CaptureOptions::default();
    options.allow_secrets.push(AllowSecret::new("key.txt", "stripe_live_key"));
    let snapshot = capture(&source.workspace(), &options).unwrap();
    apply(&snapshot, &target.workspace(), &ApplyOptions::default()).unwrap();
    assert_eq!(target.read("key.txt"), source.read("key.txt"));
    assert!(!target.exists("web/.env"));
}
