//! Bad input of every sort, met for real, with what is said of it. Nothing is lost in any: whatever the case was
//! about is as it was afterwards, or as the report says.

use std::fs;
use std::path::Path;

use handoff_core::snapshot::Limits;
use handoff_core::{ApplyOptions, CaptureOptions, Control, Error, Snapshot, Workspace, apply, capture, undo};

use crate::flow::bad_input::changed;
use crate::support::driver::{Answer, Job, Operation, failure};
use crate::support::git;
use crate::support::oracle;
use crate::support::purity::{assert_untouched, fingerprint};
use crate::support::repo::{Format, Repo, scratch};
use crate::support::rights::{as_nobody, in_namespace};

type Case = (String, String);

/// The whole message, with the scratch directory called by one name.
fn told(scratch: &Path, error: &Error) -> String {
    let told = failure(error);
    format!("{}: {}", told.kind, masked(scratch, &told.message))
}

fn masked(scratch: &Path, text: &str) -> String {
    let real = scratch.canonicalize().unwrap();
    let text = text.replace(real.to_str().unwrap(), "$DIR").replace(scratch.to_str().unwrap(), "$DIR");
    // The name of a temporary file is chance.
    match text.split_once("/.handoff-") {
        Some((before, after)) => format!("{before}/.handoff-…{}", after.get(6..).unwrap_or_default()),
        None => text,
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    [workspaces(), damaged_repositories(), bundles(), targets(), places()].concat()
}

fn workspaces() -> Vec<Case> {
    let scratch = scratch();
    let root = scratch.path();
    fs::create_dir(root.join("plain")).unwrap();
    fs::write(root.join("file.txt"), "a file\n").unwrap();
    git::git(root, &["init", "-q", "--bare", "bare.git"]);
    let refused = |name: &str| told(root, &Workspace::new([root.join(name)]).unwrap_err());
    let mut cases = vec![
        ("a directory that is no repository".to_owned(), refused("plain")),
        ("a directory that is not there".to_owned(), refused("absent")),
        ("a file".to_owned(), refused("file.txt")),
        ("a bare repository".to_owned(), refused("bare.git")),
        ("no directory at all".to_owned(), told(root, &Workspace::new::<&Path>([]).unwrap_err())),
        ("the root directory".to_owned(), told(root, &Workspace::new(["/"]).unwrap_err())),
    ];
    let home = root.join("home");
    changed(&home);
    let job = Job::new(Operation::Capture, &home, &root.join("answer"));
    let mut command = job.command();
    command.env("HOME", home.canonicalize().unwrap());
    let error = job.answer_of(command).unwrap().error.expect("the home directory is refused");
    cases.push(("the home directory".into(), format!("{}: {}", error.kind, masked(root, &error.message))));
    let declared = root.join("declared.jsonl");
    fs::write(&declared, "{\"version\":1,\"kind\":\"repo\",\"path\":\"app\"}\n").unwrap();
    let error = Workspace::from_declarations(&declared).unwrap_err();
    cases.push(("a declaration with a relative path".into(), told(root, &error)));
    cases
}

fn damaged_repositories() -> Vec<Case> {
    let scratch = scratch();
    let mut cases = Vec::new();
    let mut case = |what: &str, damage: &dyn Fn(&Repo)| {
        let repo = changed(&scratch.path().join(what.replace(' ', "-")).join("app"));
        damage(&repo);
        let captured = Workspace::new([&repo.root]).and_then(|workspace| {
            assert_untouched(&[&repo.root], || capture(&workspace, &CaptureOptions::default()))
        });
        let text = match captured {
            Err(error) => told(scratch.path(), &error),
            Ok(snapshot) => {
                let captured = &snapshot.manifest().repos[0];
                let failed = captured.failed.as_ref().expect("the damage is told of");
                assert!(captured.entries.is_empty(), "{what}: what is damaged has no entries");
                format!("{}: {}: {}", captured.name, failed.kind, masked(scratch.path(), &failed.message))
            }
        };
        cases.push((what.to_owned(), text));
    };
    let index = |repo: &Repo| repo.git_dir().join("index");
    case("an index cut in half", &|repo| {
        let bytes = fs::read(index(repo)).unwrap();
        fs::write(index(repo), &bytes[..bytes.len() / 2]).unwrap();
    });
    case("an empty index", &|repo| fs::write(index(repo), "").unwrap());
    case("a HEAD that says nothing", &|repo| fs::write(repo.git_dir().join("HEAD"), "noise\n").unwrap());
    case("a missing commit", &|repo| {
        let head = repo.head();
        fs::remove_file(repo.git_dir().join("objects").join(&head[..2]).join(&head[2..])).unwrap();
    });
    case("a settings file that cannot be read", &|repo| {
        fs::write(repo.git_dir().join("config"), "[core\n").unwrap();
    });
    cases
}

/// CRC-32 as the format has it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8)
            .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (0_u32.wrapping_sub(crc & 1))))
    })
}

fn bundles() -> Vec<Case> {
    let scratch = scratch();
    let root = scratch.path();
    let source = changed(&root.join("app"));
    let file = root.join("whole.handoff");
    capture(&source.workspace(), &CaptureOptions::default()).unwrap().save(&file).unwrap();
    let whole = fs::read(&file).unwrap();
    let tried = root.join("tried.handoff");
    let open = |bytes: &[u8]| {
        fs::write(&tried, bytes).unwrap();
        let error = Snapshot::open(&tried).and_then(|snapshot| snapshot.verify()).unwrap_err();
        assert_eq!(fs::read(&tried).unwrap(), bytes, "the file is as it was");
        told(root, &error)
    };
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut newer = whole.clone();
    newer[8] = 2;
    let sum = crc(&newer[..12]);
    newer[12..16].copy_from_slice(&sum.to_le_bytes());
    let mut limits = Limits::default();
    limits.entries = 1;
    let limited = Snapshot::open_with(&file, &limits).unwrap_err();
    let of_newer_manifest =
        handoff_core::Manifest::from_canonical(br#"{"format":"handoff-snapshot/2"}"#, &Limits::default())
            .unwrap_err();
    let snapshot = Snapshot::open(&file).unwrap();
    let absent = handoff_core::Digest::of(b"no such content");
    vec![
        ("a bundle that is not there".into(), told(root, &Snapshot::open(root.join("absent")).unwrap_err())),
        ("a directory instead of a bundle".into(), told(root, &Snapshot::open(root).unwrap_err())),
        ("an empty bundle".into(), open(b"")),
        ("a bundle cut in half".into(), open(&whole[..whole.len() / 2])),
        ("a bundle without its last byte".into(), open(&whole[..whole.len() - 1])),
        ("a bundle with more after its end".into(), open(&[&whole[..], b"more"].concat())),
        ("a bundle with another bit in a content".into(), open(&flipped(60))),
        ("a bundle with another bit in its end".into(), open(&flipped(whole.len() - 20))),
        ("a text file".into(), open(b"just some text, long enough to be looked at\n")),
        ("a bundle of a newer version".into(), open(&newer)),
        ("a manifest of a newer version".into(), told(root, &of_newer_manifest)),
        ("a bundle beyond the limits".into(), told(root, &limited)),
        ("a content that no manifest names".into(), told(root, &snapshot.blob(&absent).unwrap_err())),
        (
            "a bundle saved to a directory that is not there".into(),
            told(root, &snapshot.save(root.join("no/such/x.handoff")).unwrap_err()),
        ),
        ("a bundle saved to no name".into(), told(root, &snapshot.save(root.join("..")).unwrap_err())),
    ]
}

fn targets() -> Vec<Case> {
    let scratch = scratch();
    let root = scratch.path();
    let source = changed(&root.join("source/app"));
    let snapshot = capture(&source.workspace(), &CaptureOptions::default()).unwrap();
    let other = Repo::init(root.join("target/other"), Format::Sha1);
    other.write("a.txt", "the target's own\n").write("c.txt", "c\n");
    other.commit("another beginning");
    let there = other.workspace();
    let refused = |options: &ApplyOptions| {
        let before = fingerprint(&other.root);
        let text = match apply(&snapshot, &there, options) {
            Ok(report) => masked(root, &report.to_string()),
            Err(error) => told(root, &error),
        };
        assert_eq!(before, fingerprint(&other.root), "nothing was written");
        text
    };
    let mut cases = vec![("a target of another name and history".into(), refused(&ApplyOptions::default()))];
    let mut wrong = ApplyOptions::default();
    wrong.map.insert("app".into(), "nothing".into());
    cases.push(("a mapping to nothing".into(), refused(&wrong)));
    let mut wrong = ApplyOptions::default();
    wrong.map.insert("nothing".into(), "other".into());
    cases.push(("a mapping from nothing".into(), refused(&wrong)));
    let cancelled = ApplyOptions::default();
    cancelled.control.cancel.cancel();
    cases.push(("a cancelled apply".into(), refused(&cancelled)));
    let unknown = format!("a{}", "0".repeat(32)).parse().unwrap();
    let error = undo(&there, &unknown, &Control::default()).unwrap_err();
    cases.push(("the undo of an unknown apply".into(), told(root, &error)));

    let mut mapped = ApplyOptions::default();
    mapped.map.insert("app".into(), "other".into());
    let journal = other.git_dir().join("handoff");
    std::os::unix::fs::symlink(root, &journal).unwrap();
    cases.push(("a journal that is a symlink".into(), refused(&mapped)));
    fs::remove_file(&journal).unwrap();

    let kept = other.read("a.txt");
    let report = apply(&snapshot, &there, &mapped).unwrap();
    assert_eq!(other.read("a.txt"), kept, "a conflict leaves the target's own");
    let id = report.apply_id.expect("something was written").to_string();
    let text =
        masked(root, &report.to_string()).replace(&id, "a…").replace(&snapshot.id().to_string()[..16], "…");
    cases.push(("a target with another history".into(), text));

    let lock = fs::File::open(journal.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    cases.push(("a target at which another apply is at work".into(), refused(&mapped)));
    cases
}

/// Places that refuse. What the report says is compared with the disk.
fn places() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |what: &str, run: &dyn Fn(&Job, &str, &Path) -> Answer| {
        let scratch = scratch();
        let root = scratch.path();
        everybody_may(root, 0o755);
        let base = Repo::init(root.join("target/app"), Format::Sha1);
        base.write("a.txt", "before\n");
        base.commit("base");
        let source = base.copy_to(root.join("source/app"));
        source.write("a.txt", "after\n").write("large.bin", noise(3_000_000));
        let bundle = root.join("work.handoff");
        capture(&source.workspace(), &CaptureOptions::default()).unwrap().save(&bundle).unwrap();
        everybody_may(&bundle, 0o644);
        fs::create_dir(root.join("answers")).unwrap();
        everybody_may(&root.join("answers"), 0o777);
        let job = Job::new(Operation::Apply, &base.root, &root.join("answers/answer")).with_bundle(&bundle);
        let before = oracle::state(&base);
        let answer = run(&job, base.root.to_str().unwrap(), root);
        let now = oracle::state(&base);
        let text = match (answer.report, answer.error) {
            (Some(report), _) => {
                for (_, file) in report.files() {
                    let path = file.path.as_bytes();
                    assert_eq!(file.outcome.as_str(), "failed", "{what}: {file:?}");
                    assert_eq!(
                        now.files.get(path),
                        before.files.get(path),
                        "{what}: {} is as it was",
                        file.path
                    );
                }
                report.to_string()
            }
            (None, Some(error)) => format!("{}: {}", error.kind, error.message),
            (None, None) => panic!("{what}: neither report nor error"),
        };
        assert!(
            oracle::difference(&before, &now).is_empty(),
            "{what}: {}",
            oracle::difference(&before, &now)
        );
        cases.push((what.to_owned(), masked(root, &text)));
    };
    case("a full disk", &|job, root, scratch| {
        let aside = scratch.join("aside");
        let aside = aside.to_str().unwrap();
        let setup = format!(
            "cp -a '{root}' '{aside}'; mount -t tmpfs -o size=1m none '{root}'; cp -a '{aside}/.' '{root}'; \
             head -c 10000000 /dev/zero > '{root}/.git/filler' 2>/dev/null || true"
        );
        let cleanup = format!(
            "rm -rf '{aside}'; cp -a '{root}' '{aside}'; umount '{root}'; rm -rf '{root}'; mv '{aside}' '{root}'"
        );
        in_namespace(job, &setup, &cleanup).unwrap()
    });
    case("a read-only target", &|job, root, _| {
        let setup = format!("mount --bind '{root}' '{root}'; mount -o remount,bind,ro '{root}'");
        in_namespace(job, &setup, "").unwrap()
    });
    case("a target that may not be written", &|job, root, scratch| {
        let git_dir = Path::new(root).join(".git");
        everybody_may(&git_dir, 0o555);
        let answer = as_nobody(job, scratch).unwrap();
        everybody_may(&git_dir, 0o755);
        answer
    });
    cases
}

fn everybody_may(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn noise(len: u32) -> Vec<u8> {
    (0..len).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
