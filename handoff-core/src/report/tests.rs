#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::digest::Digest;

fn file(path: &str, outcome: Outcome, reason: Option<&str>) -> FileReport {
    FileReport { reason: reason.map(str::to_owned), ..FileReport::new(path.into(), outcome) }
}

fn report(files: Vec<FileReport>) -> ApplyReport {
    let repo = RepoReport {
        drift: Drift {
            ahead: None,
            behind: Some(3),
            kind: DriftKind::Behind,
            remedy: "check out main".into(),
            source: None,
            target: None,
        },
        files,
        findings: Vec::new(),
        history: None,
        name: "app".into(),
        staging: StagingReport::default(),
        target: Some("/ws/app".into()),
    };
    let id = SnapshotId(Digest::of(b"s"));
    ApplyReport::new(Action::Apply, Some(ApplyId::new().unwrap()), vec![repo], None, id, true)
}

#[test]
fn the_verdict_says_what_the_files_say() {
    use Outcome::*;
    let rows: &[(Vec<FileReport>, Verdict)] = &[
        (vec![], Verdict::Complete),
        (vec![file("a", Applied, None), file("b", Unchanged, None)], Verdict::Complete),
        (vec![file("a", Merged, None), file("t/", NotCaptured, Some("ignored"))], Verdict::Complete),
        (vec![file("a", Merged, None), file("b", NotCaptured, Some("too_large"))], Verdict::Partial),
        (vec![file("a", Applied, None), file("b", Conflict, None)], Verdict::Partial),
        (vec![file("a", Failed, Some("ENOSPC"))], Verdict::NothingApplied),
    ];
    for (files, verdict) in rows {
        assert_eq!(&report(files.clone()).verdict, verdict, "{files:?}");
    }
}

#[test]
fn the_text_is_bounded_and_names_what_matters() {
    let mut files: Vec<FileReport> = (0..300_000)
        .map(|n| file(&format!("target/{}/{n}.o", "x".repeat(60)), Outcome::NotCaptured, Some("over_budget")))
        .collect();
    for n in 0..500 {
        let mut conflict = file(&format!("src/{n}\u{202e}{}.rs", "y".repeat(3000)), Outcome::Conflict, None);
        conflict.detail = Some(Detail::Content);
        conflict.incoming = Some("/ws/app/.git/handoff/incoming/1/src".into());
        files.push(conflict);
    }
    let report = report(files);
    let text = report.to_string();
    assert!(text.len() <= 16 << 10, "{} bytes", text.len());
    assert!(text.starts_with("apply: nothing_applied — 500 conflict, 300000 not captured\n"), "{text}");
    assert!(text.contains(&report.apply_id.unwrap().to_string()));
    assert!(text.contains("behind (3 commits missing here); check out main"));
    assert!(!text.contains('\u{202e}'), "names are escaped");
}

#[test]
fn the_json_form_reads_back() {
    let report = report(vec![file("a", Outcome::Failed, Some("EACCES"))]);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<ApplyReport>(&json).unwrap(), report);
}
