//! What git says of a checkout, and whether two checkouts are in the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use handoff_core::snapshot::{Entry, Omission};
use handoff_core::{ApplyReport, FileReport, Manifest, Outcome, RelPath};

use super::git;
use super::repo::Repo;

/// A path of a work tree as git sees files: kind, executable bit, bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Disk {
    File { executable: bool, content: Vec<u8> },
    Link(Vec<u8>),
    Special,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { executable, content } => {
                let shown = &content[..content.len().min(60)];
                write!(f, "file x={executable} {} bytes \"{}\"", content.len(), shown.escape_ascii())
            }
            Self::Link(target) => write!(f, "link to \"{}\"", target.escape_ascii()),
            Self::Special => f.write_str("special file"),
        }
    }
}

/// A content with every `$Id: …$` of git's `ident` folded to `$Id$`: the long form is the commit's own doing, and
/// both forms are the same content to git. Only paths that end in `.id` have the attribute.
pub fn folded(path: &[u8], content: Vec<u8>) -> Vec<u8> {
    if !path.ends_with(b".id") {
        return content;
    }
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content.as_slice();
    while let Some(at) = rest.windows(5).position(|window| window == b"$Id: ") {
        let Some(end) = rest[at + 5..].iter().position(|byte| *byte == b'$') else { break };
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"$Id$");
        rest = &rest[at + 5 + end + 1..];
    }
    out.extend_from_slice(rest);
    out
}

/// Every file of a work tree, git directories left out.
pub fn files(root: &Path) -> BTreeMap<Vec<u8>, Disk> {
    fn visit(root: &Path, directory: &Path, found: &mut BTreeMap<Vec<u8>, Disk>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap() == ".git" {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            let disk = if meta.is_dir() {
                visit(root, &path, found);
                continue;
            } else if meta.is_symlink() {
                Disk::Link(fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else if meta.is_file() {
                Disk::File {
                    executable: meta.permissions().mode() & 0o100 != 0,
                    content: folded(path.as_os_str().as_bytes(), fs::read(&path).unwrap()),
                }
            } else {
                Disk::Special
            };
            found.insert(path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec(), disk);
        }
    }
    let mut found = BTreeMap::new();
    visit(root, root, &mut found);
    found
}

/// Everything that counts as the state of a checkout.
#[derive(PartialEq, Eq, Clone)]
pub struct State {
    /// `git status --porcelain=v2 -z`, split at NUL.
    pub status: Vec<Vec<u8>>,
    /// `git ls-files -s -z`, split at NUL.
    pub index: Vec<Vec<u8>>,
    /// The work tree without ignored files.
    pub files: BTreeMap<Vec<u8>, Disk>,
    /// Ignored files; they stay where they are.
    pub ignored: BTreeSet<Vec<u8>>,
}

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The state of the checkout at `repo`.
pub fn state(repo: &Repo) -> State {
    let root = &repo.root;
    let status = split(&git::git(
        root,
        &["status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignored=no", "--no-ahead-behind"],
    ));
    let index = split(&git::git(root, &["ls-files", "-s", "-z"]));
    let ignored: BTreeSet<_> =
        split(&git::git(root, &["ls-files", "-z", "-o", "-i", "--exclude-standard"])).into_iter().collect();
    let mut files = files(root);
    files.retain(|path, _| !ignored.contains(path));
    State { status, index, files, ignored }
}

/// How `found` differs from `wanted`; empty when it does not. Paths that are ignored on either side stay out of
/// it: they do not travel.
pub fn difference(wanted: &State, found: &State) -> String {
    let mut lines = Vec::new();
    let show = |line: &Vec<u8>| line.escape_ascii().to_string();
    for (what, a, b) in [("status", &wanted.status, &found.status), ("index", &wanted.index, &found.index)] {
        for line in a.iter().filter(|line| !b.contains(line)) {
            lines.push(format!("{what} lacks  {}", show(line)));
        }
        for line in b.iter().filter(|line| !a.contains(line)) {
            lines.push(format!("{what} has    {}", show(line)));
        }
        if lines.is_empty() && a != b {
            lines.push(format!("{what} has the right lines in another order"));
        }
    }
    let paths: BTreeSet<_> = wanted.files.keys().chain(found.files.keys()).collect();
    for path in paths {
        let (a, b) = (wanted.files.get(path), found.files.get(path));
        if a != b && !wanted.ignored.contains(path) && !found.ignored.contains(path) {
            lines.push(format!("{}: wanted {a:?}, found {b:?}", path.escape_ascii()));
        }
    }
    lines.join("\n")
}

/// What is wrong with `report` as an account of `manifest`: each path of it once, no other path, and no outcome
/// that contradicts an omission. Empty when it is sound.
pub fn unsound(manifest: &Manifest, report: &ApplyReport) -> String {
    let mut lines = Vec::new();
    if report.repos.len() != manifest.repos.len() {
        lines.push(format!("{} repositories reported of {}", report.repos.len(), manifest.repos.len()));
    }
    for repo in &manifest.repos {
        let Some(told) = report.repos.iter().find(|told| told.name == repo.name) else {
            lines.push(format!("repository {} is not reported", repo.name));
            continue;
        };
        account(&repo.entries, &repo.omissions, &told.files, &mut lines);
    }
    let loose = report.loose.as_ref().map_or(&[][..], |loose| &loose.files);
    account(&manifest.loose_files, &manifest.loose_omissions, loose, &mut lines);
    lines.join("\n")
}

fn account(entries: &[Entry], omissions: &[Omission], files: &[FileReport], lines: &mut Vec<String>) {
    let mut open: BTreeMap<&RelPath, (usize, bool)> = BTreeMap::new();
    for entry in entries {
        open.entry(&entry.path).or_default().0 += 1;
    }
    for omission in omissions {
        let place = open.entry(&omission.path).or_default();
        *place = (place.0 + 1, true);
    }
    for file in files {
        let Some((left, omitted)) = open.get_mut(&file.path) else {
            lines.push(format!("{}: reported, but not in the manifest", file.path));
            continue;
        };
        if *left == 0 {
            lines.push(format!("{}: reported more often than it is in the manifest", file.path));
            continue;
        }
        *left -= 1;
        if *omitted != (file.outcome == Outcome::NotCaptured) {
            lines.push(format!("{}: omitted={omitted}, but reported as {}", file.path, file.outcome));
        }
    }
    for (path, _) in open.iter().filter(|(_, (left, _))| *left > 0) {
        lines.push(format!("{path}: in the manifest, but not reported"));
    }
}
