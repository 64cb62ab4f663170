//! Looking for secrets in what is being read anyway.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Read};

use super::Reader;
use crate::capture::scan::Candidate;
use crate::git::NORMALISE_LIMIT;
use crate::secrets::{Found, Stream};
use crate::snapshot::{Mode, Omission, OmissionReason};

/// Findings kept of one file that is committed: each may be there already.
const MOST: usize = 1_000;

/// What was found in the layers of one candidate. Where it is, never what it is.
#[derive(Default)]
pub(super) struct Secret {
    /// Rule and line of the first that must not travel.
    pub found: Option<(String, u64)>,
    /// Rules that would have kept it at home, and the caller allowed.
    pub allowed: BTreeSet<String>,
}

impl Reader<'_> {
    /// Whether `content`, in the form git stores, may travel. Remembers the secret if not.
    pub(super) fn may_travel(&mut self, candidate: &Candidate, content: &[u8]) -> bool {
        let mut allowed = BTreeSet::new();
        let found = {
            let wanted = self.wanted(candidate, &mut allowed);
            Stream::new(self.secrets.scanners, wanted, most(candidate)).of(content)
        };
        self.judge(candidate, found, allowed)
    }

    /// Reads `source` to its end through `sink`, looking at what passes. An error of `sink` is only one if no secret
    /// was found: reading then ends early.
    pub(super) fn watched<T>(
        &mut self,
        candidate: &Candidate,
        source: &mut dyn Read,
        sink: impl FnOnce(&mut dyn Read) -> T,
    ) -> Option<T> {
        let mut allowed = BTreeSet::new();
        let (done, found) = {
            let wanted = self.wanted(candidate, &mut allowed);
            let stream = Stream::new(self.secrets.scanners, wanted, most(candidate));
            let mut watch = Watch { source, stream, seen: 0, text: true };
            let done = sink(&mut watch);
            (done, watch.stream.finish())
        };
        self.judge(candidate, found, allowed).then_some(done)
    }

    /// Which findings count: those of rules that are neither disabled nor allowed here.
    fn wanted<'b>(
        &self,
        candidate: &'b Candidate,
        allowed: &'b mut BTreeSet<String>,
    ) -> impl FnMut(&str) -> bool + use<'b, '_> {
        let (secrets, repo) = (self.secrets, self.repo_name);
        move |rule| {
            if secrets.is_allowed(repo, &candidate.path, rule) {
                allowed.insert(rule.to_owned());
                return false;
            }
            !secrets.is_disabled(rule)
        }
    }

    /// The first of `found` that the committed version of the file does not hold already.
    fn judge(&mut self, candidate: &Candidate, found: Vec<Found>, allowed: BTreeSet<String>) -> bool {
        self.secret.allowed.extend(allowed);
        if found.is_empty() {
            return true;
        }
        let mut known = HashSet::new();
        if let Some(head) = candidate.head.as_ref().filter(|head| head.mode != Mode::Gitlink)
            && found.len() < MOST
            && self.blobs.size(&head.oid).is_some_and(|size| size <= self.options.max_file_bytes)
            && let Ok(Some(content)) = self.blobs.read(&head.oid)
        {
            let all = Stream::new(self.secrets.scanners, |_: &str| true, usize::MAX).of(&content);
            known.extend(all.into_iter().map(|found| (found.rule, found.value)));
        }
        let new = found.into_iter().find(|found| !known.contains(&(found.rule.clone(), found.value)));
        let Some(new) = new else { return true };
        self.secret.found.get_or_insert((new.rule, new.line));
        false
    }

    /// The omission of a candidate with a secret.
    pub(super) fn secret_omission(candidate: &Candidate, rule: String, line: u64) -> Omission {
        let size = Some(candidate.bytes()).filter(|bytes| *bytes > 0);
        let omission = super::omission(candidate, OmissionReason::SecretContent, Some(rule), size);
        Omission { line: Some(line), ..omission }
    }
}

/// How many findings are worth keeping: of a file that is not committed, the first decides.
fn most(candidate: &Candidate) -> usize {
    if candidate.head.is_some() { MOST } else { 1 }
}

/// A reader that looks at what it hands on.
struct Watch<'a, F> {
    source: &'a mut dyn Read,
    stream: Stream<'a, F>,
    seen: u64,
    text: bool,
}

impl<F: FnMut(&str) -> bool> Read for Watch<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let piece = buffer.get(..count).unwrap_or_default();
        if self.seen == 0 {
            self.text = !piece.iter().take(8000).any(|byte| *byte == 0);
        }
        self.seen += count as u64;
        // Disk images, archives and the like are no place where a secret is written in clear by mistake, and are
        // the largest files of all, so only their beginning is looked at.
        if self.text || self.seen <= NORMALISE_LIMIT {
            self.stream.feed(piece);
        }
        if self.stream.is_full() {
            return Err(io::Error::other("it holds a secret"));
        }
        Ok(count)
    }
}
