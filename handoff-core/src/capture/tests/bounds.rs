//! What options leave out: by size, by name, by time; and what a plan says of it.

use super::*;

#[test]
fn limits_leave_out_the_file_and_never_the_repository() {
    let scratch = Scratch::new();
    scratch.write("big", vec![b'x'; 5_000]);
    scratch.write("small", "s");
    scratch.write("a.txt", vec![b'y'; 6_000]);
    let mut options = CaptureOptions { max_file_bytes: 1_000, ..CaptureOptions::default() };
    let repo = scratch.capture_with(&options).manifest().repos[0].clone();
    assert_eq!(paths(&repo), ["small"]);
    assert_eq!(
        omitted(&repo),
        [("a.txt".into(), OmissionReason::TooLarge), ("big".into(), OmissionReason::TooLarge)]
    );
    assert_eq!(repo.omissions[1].size, Some(5_000));
    options = CaptureOptions { max_total_bytes: 6_500, ..CaptureOptions::default() };
    let (first, again) = (scratch.capture_with(&options), scratch.capture_with(&options));
    assert_eq!(first.id(), again.id());
    assert_eq!(omitted(&first.manifest().repos[0]), [("big".into(), OmissionReason::OverBudget)]);
    options = CaptureOptions { max_entries: 1, ..CaptureOptions::default() };
    let repo = scratch.capture_with(&options).manifest().repos[0].clone();
    assert_eq!((repo.entries.len(), repo.omissions.len()), (1, 2));
}

#[test]
fn a_large_file_that_was_only_touched_is_no_omission() {
    let scratch = Scratch::new();
    scratch.write("big", vec![b'x'; 50_000]);
    scratch.git(&["add", "big"]);
    scratch.git(&["commit", "-q", "-m", "big"]);
    scratch.write("big", vec![b'x'; 50_000]);
    let options = CaptureOptions { max_file_bytes: 1_000, ..CaptureOptions::default() };
    let repo = scratch.capture_with(&options).manifest().repos[0].clone();
    assert!(repo.entries.is_empty() && repo.omissions.is_empty(), "{repo:?}");
}

#[test]
fn exclusions_are_listed_with_their_pattern() {
    let scratch = Scratch::new();
    scratch.write("out/x.o", "o");
    scratch.write("keep.c", "c");
    scratch.write("src/d.txt", "changed");
    let exclude = vec!["out/".to_owned(), "/src/*.txt".to_owned()];
    let options = CaptureOptions { exclude, ..CaptureOptions::default() };
    let repo = scratch.capture_with(&options).manifest().repos[0].clone();
    assert_eq!(paths(&repo), ["keep.c"]);
    let rules: Vec<_> = repo.omissions.iter().map(|omission| omission.rule.clone().unwrap()).collect();
    assert_eq!(rules, ["out/", "/src/*.txt"]);
}

#[test]
fn a_plan_names_what_the_capture_then_carries() {
    let scratch = Scratch::new();
    // Older than the index, so that stat data alone proves the files unchanged.
    for path in ["src/d.txt", "src/deep/c.txt"] {
        let file = fs::File::options().write(true).open(scratch.app().join(path)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    }
    scratch.git(&["update-index", "-q", "--refresh"]);
    scratch.write("a.txt", "changed\n");
    scratch.write("new", "12345");
    fs::remove_file(scratch.app().join("b.txt")).unwrap();
    let plan = plan(&Workspace::new([scratch.app()]).unwrap(), &CaptureOptions::default()).unwrap();
    let planned: Vec<_> =
        plan.repos[0].files.iter().map(|f| (f.path.to_string(), f.change, f.bytes)).collect();
    assert_eq!(
        planned,
        [
            ("a.txt".to_owned(), PlannedChange::Modified, 8),
            ("b.txt".to_owned(), PlannedChange::Deleted, 0),
            ("new".to_owned(), PlannedChange::Untracked, 5),
        ]
    );
    assert_eq!(paths(&scratch.capture()), ["a.txt", "b.txt", "new"]);
}

#[test]
fn a_deadline_yields_a_partial_snapshot_and_cancelling_yields_none() {
    let scratch = Scratch::new();
    scratch.write("new", "n");
    let options = CaptureOptions { deadline: Some(Duration::ZERO), ..CaptureOptions::default() };
    let snapshot = scratch.capture_with(&options);
    assert_eq!(snapshot.manifest().partial, Some(PartialReason::Deadline));
    let options = CaptureOptions::default();
    options.control.cancel.cancel();
    let outcome = capture(&Workspace::new([scratch.app()]).unwrap(), &options);
    assert!(matches!(outcome, Err(Error::Cancelled)));
}
