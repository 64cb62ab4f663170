//! Capture while others write: nothing torn, mixed or missed without being said.

mod at_work;
mod ends;
mod loose;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use handoff_core::snapshot::Layer;
use handoff_core::{CaptureOptions, Snapshot, Workspace, capture};

use crate::support::repo::{Format, Repo, scratch, undisturbed};

/// How a program saves a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Over the old bytes, from the start, in several writes; every version has the same length.
    InPlace,
    /// Emptied, then written in several writes.
    Truncate,
    /// Written beside it and renamed over it.
    Rename,
    /// A record at the end, in several writes.
    Append,
}

/// A file that a program keeps saving.
struct Doomed {
    name: &'static str,
    style: Style,
}

const FILES: [Doomed; 4] = [
    Doomed { name: "in_place.txt", style: Style::InPlace },
    Doomed { name: "truncate.txt", style: Style::Truncate },
    Doomed { name: "rename.txt", style: Style::Rename },
    Doomed { name: "append.log", style: Style::Append },
];

/// Lines of one version.
const LINES: usize = 400;

/// Writes that one save takes.
const CHUNKS: usize = 5;

/// Milliseconds between two writes of one save, in turn; well below the window, so that a machine that is slow to wake a thread
/// rarely makes it more.
const PAUSES: [u64; 4] = [1, 8, 25, 45];

/// Between two saves: mostly longer than the window, so that some captures find the file at rest.
const REST: Duration = Duration::from_millis(180);

/// A pause from which on a save may look finished; less than twice the default of `CaptureOptions::quiet`.
const WINDOW: Duration = Duration::from_millis(95);

fn line(name: &str, version: usize, number: usize) -> String {
    format!("{name} version {version:06} line {number:04} of {LINES:04}\n")
}

fn version(name: &str, version: usize) -> Vec<u8> {
    (0..LINES).flat_map(|number| line(name, version, number).into_bytes()).collect()
}

/// The versions that `content` consists of if it is whole, else what is wrong.
fn versions(file: &Doomed, content: &[u8]) -> Result<Vec<usize>, String> {
    let text = std::str::from_utf8(content).unwrap();
    let mut found = Vec::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(first) = lines.next() {
        let number = first.split(' ').nth(2).and_then(|number| number.parse().ok());
        let number: usize = number.unwrap_or(usize::MAX);
        let rest: Vec<&str> = lines.by_ref().take(LINES - 1).collect();
        let whole = first == line(file.name, number, 0)
            && rest.len() == LINES - 1
            && (1..).zip(&rest).all(|(at, text)| **text == line(file.name, number, at));
        if !whole {
            return Err(format!("torn at {first:?}, {} lines of {}", rest.len() + 1, text.len()));
        }
        found.push(number);
    }
    let one = file.style != Style::Append;
    if found.is_empty() || (one && found.len() != 1) {
        return Err(format!("{} versions in one file", found.len()));
    }
    Ok(found)
}

/// Something about one file that took from one moment to another.
#[derive(Debug)]
struct Span {
    name: &'static str,
    from: Instant,
    to: Instant,
}

/// Pauses in the middle of a save that were so long that nobody could have told: the machine was busy.
type Late = Mutex<Vec<Span>>;

/// Saves `file` again and again until told to stop.
fn keep_saving(root: &Path, file: &Doomed, stop: &AtomicBool, late: &Late) {
    let path = root.join(file.name);
    let mut number = 1;
    while !stop.load(Ordering::Relaxed) {
        let content = version(file.name, number);
        let temporary = root.join(format!(".{}.tmp", file.name));
        let mut last = Instant::now();
        let mut out = match file.style {
            Style::InPlace => File::options().write(true).open(&path).unwrap(),
            Style::Truncate => File::create(&path).unwrap(),
            Style::Rename => File::create(&temporary).unwrap(),
            Style::Append => File::options().append(true).open(&path).unwrap(),
        };
        for chunk in content.chunks(content.len() / CHUNKS + 1) {
            let begin = last;
            last = Instant::now();
            out.write_all(chunk).unwrap();
            let end = Instant::now();
            if end - begin > WINDOW {
                late.lock().unwrap().push(Span { name: file.name, from: begin, to: end });
            }
            std::thread::sleep(Duration::from_millis(PAUSES[number % PAUSES.len()]));
        }
        drop(out);
        if file.style == Style::Rename {
            fs::rename(&temporary, &path).unwrap();
        }
        number += 1;
        std::thread::sleep(REST);
    }
}

/// What a number of captures found.
#[derive(Debug, Default)]
struct Tally {
    whole: AtomicUsize,
    flagged: AtomicUsize,
    absent: AtomicUsize,
    /// During which capture, and what is wrong.
    torn: Mutex<Vec<(Span, String)>>,
}

impl Tally {
    fn add(&self, snapshot: &Snapshot, from: Instant) {
        let manifest = snapshot.manifest();
        // Of the repository, or of no repository.
        let (entries, omissions, excused) = match manifest.repos.first() {
            Some(repo) => {
                assert_eq!(repo.failed, None);
                (&repo.entries, &repo.omissions, repo.flags.workspace_moving)
            }
            None => (&manifest.loose_files, &manifest.loose_omissions, false),
        };
        let name = manifest.repos.first().map_or("", |repo| &repo.name);
        for file in &FILES {
            let Some(entry) = entries.iter().find(|entry| entry.path == file.name.into()) else {
                // The first two are committed, and may not have been saved yet.
                let as_committed = !name.is_empty() && matches!(file.style, Style::InPlace | Style::Truncate);
                let omitted = omissions.iter().any(|omission| omission.path == file.name.into());
                assert!(as_committed || omitted || excused, "{} is missing without a word", file.name);
                self.absent.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            if entry.flags.unstable {
                self.flagged.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let content = snapshot.read(name, &entry.path, Layer::Worktree).unwrap().unwrap();
            match versions(file, &content) {
                Ok(_) => {
                    self.whole.fetch_add(1, Ordering::Relaxed);
                }
                Err(why) => {
                    let span = Span { name: file.name, from, to: Instant::now() };
                    self.torn.lock().unwrap().push((span, why));
                }
            }
        }
    }
}

/// Runs `work` while all files are being saved. Also returns the pauses that were too long for anybody to tell.
fn beside_writers<T>(root: &Path, work: impl FnOnce() -> T) -> (T, Vec<Span>) {
    let (stop, late) = (AtomicBool::new(false), Late::default());
    let result = std::thread::scope(|scope| {
        for file in &FILES {
            let (stop, late) = (&stop, &late);
            scope.spawn(move || keep_saving(root, file, stop, late));
        }
        let _stopped = Stop(&stop);
        work()
    });
    (result, late.into_inner().unwrap())
}

/// Stops the writers also when a test fails, which would else wait for them forever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A repository in which two of the files are committed and two are new.
fn scene(root: PathBuf) -> Repo {
    let repo = Repo::init(root, Format::Sha1);
    for (at, file) in FILES.iter().enumerate() {
        repo.write(file.name, version(file.name, 0));
        if at == 1 {
            repo.commit("base");
        }
    }
    repo.write("quiet.txt", "nobody writes to this one\n");
    repo
}

/// Captures `count` times on a few threads, since most of the time is spent waiting.
fn captures(workspace: &Workspace, count: usize, options: &CaptureOptions) -> Tally {
    let (tally, left) = (Tally::default(), AtomicUsize::new(count));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let take = || {
                    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                };
                while take() {
                    let from = Instant::now();
                    tally.add(&capture(workspace, options).unwrap(), from);
                }
            });
        }
    });
    tally
}

fn race(count: usize, whole: usize) {
    let scratch = scratch();
    let repo = scene(scratch.path().join("app"));
    race_of(count, whole, &repo.root, &repo.workspace());
}

/// Of the files that were looked at, how many in a hundred may be dropped because their save was late.
const MOST_DROPPED: usize = 2;

/// How often as many captures are taken once more, where a busy machine made too many saves late or files unstable.
const ROUNDS: usize = 6;

/// Takes `count` captures beside writers, and more until `least` files were whole. None may be torn, unless its save
/// took so long that nobody could have told; those must be few, or the run proves nothing.
fn race_of(count: usize, least: usize, root: &Path, workspace: &Workspace) {
    let (mut whole, mut flagged, mut absent, mut dropped) = (0, 0, 0, 0);
    for round in 1..=ROUNDS {
        let (tally, late) = beside_writers(root, || captures(workspace, count, &CaptureOptions::default()));
        let overlap = |a: &Span, b: &Span| a.name == b.name && a.from < b.to && b.from < a.to;
        let torn = tally.torn.into_inner().unwrap();
        let (late_ones, torn): (Vec<_>, Vec<_>) =
            torn.into_iter().partition(|(span, _)| late.iter().any(|late| overlap(span, late)));
        assert!(torn.is_empty(), "{} files were torn without a word: {torn:?}", torn.len());
        whole += tally.whole.into_inner();
        flagged += tally.flagged.into_inner();
        absent += tally.absent.into_inner();
        dropped += late_ones.len();
        println!(
            "{} captures: {whole} files whole, {flagged} flagged, {absent} absent, {dropped} dropped; {} late saves",
            round * count,
            late.len()
        );
        let few = dropped * 100 <= MOST_DROPPED * (whole + flagged + absent + dropped);
        if few && whole >= least {
            return;
        }
    }
    panic!("{whole} files whole of at least {least}, {dropped} dropped: this machine is too busy to tell");
}

#[test]
fn no_file_is_torn_without_a_word() {
    race(40, 1);
}

#[test]
#[ignore = "minutes; part of `make torture`"]
fn no_file_is_torn_without_a_word_in_a_thousand_captures() {
    race(1_000, 1_000);
}

/// The harness can tell: reading as most programs do, and capturing with the rule switched off, tear files.
#[test]
fn the_race_catches_who_trusts_stat_data() {
    let scratch = scratch();
    let repo = scene(scratch.path().join("app"));
    beside_writers(&repo.root, || {
        let look = |path: &Path| fs::metadata(path).map(|meta| (meta.len(), meta.modified().unwrap()));
        let mut torn = 0;
        for _ in 0..20_000 {
            for file in &FILES {
                let path = repo.at(file.name);
                let before = look(&path).unwrap();
                let content = fs::read(&path).unwrap();
                if look(&path).unwrap() == before && versions(file, &content).is_err() {
                    torn += 1;
                }
            }
            if torn > 0 {
                break;
            }
        }
        assert!(torn > 0, "a naive reader never saw a torn file");
        let mut tally = Tally::default();
        for _ in 0..50 {
            tally = captures(&repo.workspace(), 40, &undisturbed());
            if !tally.torn.lock().unwrap().is_empty() {
                return;
            }
        }
        panic!("captures without the rule never tore a file: {tally:?}");
    });
}

#[test]
fn a_file_that_is_never_quiet_is_flagged_and_the_others_are_not() {
    let scratch = scratch();
    let repo = scene(scratch.path().join("app"));
    let stop = AtomicBool::new(false);
    let snapshot = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut out = File::options().append(true).open(repo.at("append.log")).unwrap();
            while !stop.load(Ordering::Relaxed) {
                out.write_all(b"more\n").unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let _stopped = Stop(&stop);
        // On a busy machine the writer may be kept waiting for so long that the file is quiet.
        let taken = (0..50).map(|_| capture(&repo.workspace(), &CaptureOptions::default()).unwrap());
        let flagged = |snapshot: &Snapshot| {
            snapshot.manifest().repos[0].entries.iter().any(|entry| entry.flags.unstable)
        };
        taken.into_iter().find(flagged).expect("a file that is never quiet is flagged")
    });
    let entries = &snapshot.manifest().repos[0].entries;
    let flagged: Vec<_> =
        entries.iter().filter(|entry| entry.flags.unstable).map(|entry| entry.path.to_string()).collect();
    assert_eq!(flagged, ["append.log"]);
    assert!(entries.iter().any(|entry| entry.path == "quiet.txt".into()));
    let target = repo.clone_to(scratch.path().join("target/app"));
    let report = handoff_core::apply(&snapshot, &target.workspace(), &handoff_core::ApplyOptions::default());
    let report = report.unwrap();
    let noted = report.files().find(|(_, file)| file.path == "append.log".into()).unwrap().1;
    assert!(noted.notes.contains(&handoff_core::Note::Unstable), "{noted:?}");
}

/// A capture a moment after an edit has that edit, and the same one after the window has passed is the same.
#[test]
fn a_fresh_edit_is_captured_as_a_quiet_one() {
    let scratch = scratch();
    let repo = scene(scratch.path().join("app"));
    repo.write("quiet.txt", "edited just now\n").write("large.bin", vec![7; 9 << 20]);
    let fresh = capture(&repo.workspace(), &CaptureOptions::default()).unwrap();
    assert!(fresh.manifest().repos[0].entries.iter().all(|entry| !entry.flags.unstable));
    std::thread::sleep(Duration::from_millis(150));
    let quiet = capture(&repo.workspace(), &CaptureOptions::default()).unwrap();
    assert_eq!(fresh.id(), quiet.id());
}
