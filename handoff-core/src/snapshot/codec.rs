//! The canonical form of a manifest: JSON with sorted keys, no white space, integers only. One state has
//! one form, so its SHA-256 names the snapshot; a text in any other form is refused.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::io;

use serde::Deserialize;
use serde_json::Value;

use super::limits::{HISTORY_PARTS, LOOSE_FILES, Limits, within};
use super::manifest::*;
use super::shape;
use crate::digest::Digest;
use crate::error::Error;
use crate::id::SnapshotId;

/// What errors call the manifest.
const MANIFEST: &str = "the manifest";

impl Manifest {
    /// The canonical bytes: UTF-8 JSON, keys sorted by their bytes, no white space, absent where default.
    /// Linear in the manifest's size.
    ///
    /// # Errors
    /// [`Error::Format`] when an unknown field holds a number that is not an integer of 64 bits.
    pub fn to_canonical(&self) -> Result<Vec<u8>, Error> {
        // Most entries are below that, and growing copies what is there.
        let entries: usize = self.repos.iter().map(|repo| repo.entries.len()).sum();
        let mut out = Vec::with_capacity(1024 + entries * 512);
        self.write_canonical(&mut out)?;
        Ok(out)
    }

    fn write_canonical(&self, out: impl io::Write) -> Result<(), Error> {
        let fault = |why: serde_json::Error| Error::format(MANIFEST, why.to_string());
        if !has_extra(self) {
            // Fields are declared in alphabetical order, so the direct form is the sorted one.
            return serde_json::to_writer(out, self).map_err(fault);
        }
        let mut value = serde_json::to_value(self).map_err(fault)?;
        // Does nothing unless some crate of the program has switched on serde_json's insertion order.
        value.sort_all_objects();
        if has_fraction(&value) {
            return Err(Error::format(MANIFEST, "it holds a number that is not an integer of 64 bits"));
        }
        serde_json::to_writer(out, &value).map_err(fault)
    }

    /// The id: SHA-256 of the [canonical bytes](Self::to_canonical).
    ///
    /// # Errors
    /// As [`to_canonical`](Self::to_canonical).
    pub fn id(&self) -> Result<SnapshotId, Error> {
        Ok(SnapshotId(Digest::of(&self.to_canonical()?)))
    }

    /// Reads canonical bytes; the SHA-256 of `bytes` is then the snapshot's id. Unknown fields and unknown
    /// names are kept. Paths are not judged here: a bad one is refused on its own when it is applied.
    ///
    /// # Errors
    /// Each refuses the whole manifest. [`Error::UnsupportedVersion`] for another major version;
    /// [`Error::Limit`] beyond `limits`; [`Error::Format`] for what is not JSON or not a manifest, for any
    /// form but the canonical one (white space, unsorted or repeated keys, defaults written out, fractions),
    /// for repositories, entries or omissions out of order, for a name or path that occurs twice (an entry
    /// and an omission may not share a path either), and for sizes whose sum exceeds 64 bits.
    pub fn from_canonical(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let limits = limits.clamped();
        within("the manifest's size in bytes", bytes.len() as u64, limits.manifest_bytes)?;
        shape::check(bytes, &limits)?;
        check_version(bytes)?;
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|why| Error::format(MANIFEST, why.to_string()))?;
        manifest.check(&limits)?;
        // Written against the bytes that were read, so that there is no second copy of a large manifest.
        let mut rest = Rest(bytes);
        match manifest.write_canonical(&mut rest) {
            Ok(()) if rest.0.is_empty() => Ok(manifest),
            _ => Err(Error::format(MANIFEST, "it is not in canonical form")),
        }
    }

    /// Every content this manifest names, with its size.
    ///
    /// # Errors
    /// [`Error::Format`] when two states name one content with different sizes.
    pub(crate) fn contents(&self) -> Result<HashMap<Digest, u64>, Error> {
        let mut contents = HashMap::new();
        let files = self.states().filter_map(|state| Some((state.blob?, state.size)));
        for (blob, size) in files.chain(self.parts().map(|part| (part.blob, part.size))) {
            if contents.insert(blob, size).is_some_and(|other| other != size) {
                return Err(Error::format(MANIFEST, format!("it gives blob {blob} two sizes")));
            }
        }
        Ok(contents)
    }

    /// The parts of the unpushed commits of all repositories.
    fn parts(&self) -> impl Iterator<Item = &HistoryPart> {
        self.repos.iter().filter_map(|repo| repo.history.as_ref()).flat_map(|history| &history.parts)
    }

    /// Every state of every layer and stage.
    fn states(&self) -> impl Iterator<Item = &FileState> {
        self.repos.iter().flat_map(|repo| &repo.entries).chain(&self.loose_files).flat_map(entry_states)
    }

    /// The rules that a parser cannot know.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), Error> {
        let (loose, left_out) = (&self.loose_files, &self.loose_omissions);
        let count = |len: fn(&RepoManifest) -> usize, loose: usize| -> u64 {
            self.repos.iter().map(|repo| len(repo) as u64).sum::<u64>() + loose as u64
        };
        within("the number of loose files", (loose.len() + left_out.len()) as u64, LOOSE_FILES)?;
        within("the number of repositories", self.repos.len() as u64, limits.repos)?;
        within("the number of entries", count(|repo| repo.entries.len(), loose.len()), limits.entries)?;
        within(
            "the number of omissions",
            count(|repo| repo.omissions.len(), left_out.len()),
            limits.omissions,
        )?;
        if self.format != FORMAT {
            return Err(wrong_version(&self.format));
        }
        ascending(self.repos.iter().map(|repo| &repo.name), "repository")?;
        let places = self.repos.iter().map(|repo| (&repo.entries, &repo.omissions));
        for (entries, omissions) in places.chain([(loose, left_out)]) {
            ascending(entries.iter().map(|entry| &entry.path), "entry")?;
            check_omissions(omissions)?;
            check_paths(entries, omissions)?;
        }
        within("the number of parts of unpushed commits", self.parts().count() as u64, HISTORY_PARTS)?;
        self.states()
            .map(|state| state.size)
            .chain(self.parts().map(|part| part.size))
            .try_fold(0_u64, u64::checked_add)
            .map(drop)
            .ok_or_else(|| Error::format(MANIFEST, "the sum of its sizes exceeds 64 bits"))
    }
}

/// Takes nothing but the bytes it expects.
struct Rest<'a>(&'a [u8]);

impl io::Write for Rest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every state of one entry.
fn entry_states(entry: &Entry) -> impl Iterator<Item = &FileState> {
    let layers = [&entry.head, &entry.index, &entry.worktree].into_iter().flatten();
    layers.chain(entry.flags.stages.iter().map(|stage| &stage.state))
}

/// A major version that this code does not know is refused before its fields are looked at.
fn check_version(bytes: &[u8]) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow)]
        format: Cow<'a, str>,
    }
    let probe: Probe<'_> =
        serde_json::from_slice(bytes).map_err(|why| Error::format(MANIFEST, why.to_string()))?;
    if probe.format == FORMAT { Ok(()) } else { Err(wrong_version(&probe.format)) }
}

fn wrong_version(found: &str) -> Error {
    // The text is foreign, so it is quoted and cut.
    let found: String = found.chars().take(40).flat_map(char::escape_default).collect();
    match found.strip_prefix("handoff-snapshot/") {
        Some(_) => Error::UnsupportedVersion { what: MANIFEST.to_owned(), found, supported: FORMAT },
        None => Error::format(MANIFEST, format!("its format is \"{found}\"")),
    }
}

fn ascending<T: Ord + std::fmt::Display>(items: impl Iterator<Item = T>, what: &str) -> Result<(), Error> {
    let mut last: Option<T> = None;
    for item in items {
        match last.as_ref().map(|last| last.cmp(&item)) {
            Some(Ordering::Equal) => {
                return Err(Error::format(MANIFEST, format!("{what} {} occurs twice", Short(&item))));
            }
            Some(Ordering::Greater) => {
                return Err(Error::format(MANIFEST, format!("{what} {} is out of order", Short(&item))));
            }
            _ => last = Some(item),
        }
    }
    Ok(())
}

/// At most 200 characters of foreign text in a message.
struct Short<'a, T>(&'a T);

impl<T: std::fmt::Display> std::fmt::Display for Short<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        text.chars().take(200).try_for_each(|c| write!(f, "{}", c.escape_debug()))
    }
}

/// Omissions stand in order of path; only a directory may stand there more than once, for different reasons.
fn check_omissions(omissions: &[Omission]) -> Result<(), Error> {
    for (a, b) in omissions.iter().zip(omissions.iter().skip(1)) {
        let fault = match a.order().cmp(&b.order()) {
            _ if a.path == b.path && !a.path.as_bytes().ends_with(b"/") => "occurs twice",
            Ordering::Less => continue,
            Ordering::Equal => "occurs twice",
            Ordering::Greater => "is out of order",
        };
        return Err(Error::format(MANIFEST, format!("omission {} {fault}", Short(&b.path))));
    }
    Ok(())
}

/// No path is both an entry and an omission, and no entry has more stages than git has.
fn check_paths(entries: &[Entry], omissions: &[Omission]) -> Result<(), Error> {
    let omitted: HashSet<_> = omissions.iter().map(|omission| &omission.path).collect();
    for entry in entries {
        if omitted.contains(&entry.path) {
            let path = Short(&entry.path);
            return Err(Error::format(MANIFEST, format!("{path} is both an entry and an omission")));
        }
        let stages = entry.flags.stages.iter().map(|stage| stage.stage);
        if stages.clone().any(|stage| !(1..=3).contains(&stage)) || !stages.is_sorted_by(|a, b| a < b) {
            let path = Short(&entry.path);
            return Err(Error::format(MANIFEST, format!("{path} has stages other than 1, 2 and 3 in order")));
        }
    }
    Ok(())
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => !(number.is_u64() || number.is_i64()),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        _ => false,
    }
}

fn has_extra(manifest: &Manifest) -> bool {
    let state = |state: &FileState| !state.extra.is_empty();
    let entry = |entry: &Entry| {
        !entry.extra.is_empty()
            || !entry.flags.extra.is_empty()
            || entry_states(entry).any(state)
            || entry.flags.stages.iter().any(|stage| !stage.extra.is_empty())
    };
    let omission = |omission: &Omission| !omission.extra.is_empty();
    let repo = |repo: &RepoManifest| {
        !repo.extra.is_empty()
            || !repo.flags.extra.is_empty()
            || !repo.head.extra.is_empty()
            || !repo.id.extra.is_empty()
            || repo.failed.as_ref().is_some_and(|failed| !failed.extra.is_empty())
            || repo.operation.as_ref().is_some_and(|operation| !operation.extra.is_empty())
            || repo.history.as_ref().is_some_and(|history| {
                !history.extra.is_empty()
                    || history.cut.as_ref().is_some_and(|cut| !cut.extra.is_empty())
                    || history.parts.iter().any(|part| !part.extra.is_empty())
            })
            || repo.omissions.iter().any(omission)
            || repo.entries.iter().any(entry)
    };
    !manifest.extra.is_empty()
        || manifest.repos.iter().any(repo)
        || manifest.loose_files.iter().any(entry)
        || manifest.loose_omissions.iter().any(omission)
}
