//! Looking for secrets in what is being read anyway.

use std::collections::{BTreeSet, HashSet};
use std::io::Read;

use super::{Outcome, Reader};
use crate::capture::scan::Candidate;
use crate::capture::secrets::Looked;
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
        let looked = self.secrets.look(self.repo_name, &candidate.path, most(candidate), content);
        self.judge(candidate, looked)
    }

    /// Reads `source` to its end through `sink`, looking at what passes. Nothing if it holds a secret.
    pub(super) fn watched<T>(
        &mut self,
        candidate: &Candidate,
        source: &mut (dyn Read + Send),
        sink: impl FnOnce(&mut (dyn Read + Send)) -> T,
    ) -> Option<T> {
        let path = &candidate.path;
        let (done, looked) = self.secrets.watch(self.repo_name, path, most(candidate), source, sink);
        self.judge(candidate, looked).then_some(done)
    }

    /// The first of `found` that the committed version of the file does not hold already.
    fn judge(&mut self, candidate: &Candidate, looked: Looked) -> bool {
        let Looked { found, allowed } = looked;
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
            let all = self.secrets.all(&content);
            known.extend(all.into_iter().map(|found| (found.rule, found.value)));
        }
        let new = found.into_iter().find(|found| !known.contains(&(found.rule.clone(), found.value)));
        let Some(new) = new else { return true };
        self.secret.found.get_or_insert((new.rule, new.line));
        false
    }

    /// The outcome, or the omission of a candidate in which a secret was found; `before` is what had been added until
    /// then.
    pub(super) fn without_secrets(
        &mut self,
        candidate: &Candidate,
        allowed: Vec<String>,
        before: u64,
        outcome: Outcome,
    ) -> Outcome {
        let Secret { found, allowed: contents } = std::mem::take(&mut self.secret);
        match (found, outcome) {
            (Some((rule, line)), _) => {
                // What was stored of it is not named by the manifest, and does not count.
                self.give_back(self.added - before);
                self.added = before;
                let size = Some(candidate.bytes()).filter(|bytes| *bytes > 0);
                let omission = super::omission(candidate, OmissionReason::SecretContent, Some(rule), size);
                Outcome::Omission(Omission { line: Some(line), ..omission })
            }
            (None, Outcome::Entry(mut entry)) => {
                let all: BTreeSet<_> = contents.into_iter().chain(allowed).collect();
                entry.flags.allowed_secrets = all.into_iter().collect();
                Outcome::Entry(entry)
            }
            (None, other) => other,
        }
    }
}

/// How many findings are worth keeping: of a file that is not committed, the first decides.
fn most(candidate: &Candidate) -> usize {
    if candidate.head.is_some() { MOST } else { 1 }
}
