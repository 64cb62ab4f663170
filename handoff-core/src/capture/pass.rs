//! Reading candidates on all cores.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::read::{Outcome, Read, Reader, Stop, omission};
use super::scan::Candidate;
use super::secrets::Named;
use super::settle::Look;
use super::{Run, limits};
use crate::git::{Index, Repo};
use crate::join;
use crate::path::RelPath;
use crate::progress::Phase;
use crate::rooted::Root;
use crate::snapshot::{OmissionReason, PartialReason};

/// Candidates a thread takes at once.
const BATCH: usize = 16;

/// What is read, and from where.
pub(super) struct Source<'a> {
    pub repo: &'a Repo,
    /// The repository's name in the snapshot.
    pub name: &'a str,
    pub index: &'a Index,
    pub root: &'a Root,
    /// Every `.gitattributes` that matters is as staged.
    pub attributes_as_staged: bool,
}

impl Run<'_> {
    /// Reads all candidates, then waits until all of them have been quiet. Beside them stands whether the attributes
    /// of all are as staged. `moved` is set when one was gone that had been there before.
    pub(super) fn read(
        &mut self,
        repo: &Repo,
        name: &str,
        index: &Index,
        candidates: (Vec<Candidate>, bool),
        moved: &mut bool,
    ) -> Result<Vec<(RelPath, Outcome)>, Stop> {
        let (candidates, attributes_as_staged) = candidates;
        let git_dirs = [repo.git_dir().to_owned(), repo.common_dir().to_owned()];
        let root = Root::open(repo.root(), &git_dirs)?.entering_repositories();
        let most = candidates.iter().fold(self.bytes, |sum, candidate| sum.saturating_add(candidate.bytes()));
        // Near the limit the order decides what still fits, so that the same state always gives the same snapshot.
        let in_order = self.tight || most > self.options.max_total_bytes;
        let source = Source { repo, name, index, root: &root, attributes_as_staged };
        let meter = Mutex::new(self.options.control.phase(Phase::Read, candidates.len() as u64));
        let mut reads = self.pass(&source, candidates.len(), in_order, |reader, at| {
            let Some(candidate) = candidates.get(at) else { return Ok(Outcome::Unchanged.into()) };
            let read = if let Some(omission) = limits::excluded(candidate, self.patterns) {
                Read::from(Outcome::Omission(omission))
            } else if let Some(why) = self.until.reached() {
                let reason = not_read(&why);
                let cut = Some(why);
                Read { cut, ..Outcome::Omission(omission(candidate, reason, None, None)).into() }
            } else {
                self.read_unless_named(reader, name, candidate)?
            };
            let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
            meter.step(1, read.bytes, Some(&candidate.path))?;
            Ok(read)
        })?;
        drop(meter);
        self.settle(&mut reads, |run, open, may_read| {
            run.pass(&source, open.len(), in_order, |reader, at| {
                let Some(open) = open.get(at) else { return Ok(Look::Moving) };
                let Some(candidate) = candidates.get(open.at) else { return Ok(Look::Moving) };
                if reader.is_settled(candidate, &open.watch)? {
                    return Ok(Look::Settled);
                }
                if !may_read || run.until.reached().is_some() {
                    return Ok(Look::Moving);
                }
                reader.give_back(open.bytes);
                Ok(Look::Again(Box::new(run.read_unless_named(reader, name, candidate)?)))
            })
        })?;
        for read in &mut reads {
            self.bytes = self.bytes.saturating_add(read.bytes);
            self.cut = self.cut.take().or(read.cut.take());
            *moved |= read.gone;
        }
        Ok(candidates
            .into_iter()
            .zip(reads)
            .map(|(candidate, read)| (candidate.path, read.outcome))
            .collect())
    }

    /// Reads a candidate, unless its name alone keeps it at home.
    fn read_unless_named(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        candidate: &Candidate,
    ) -> Result<Read, Stop> {
        match self.secrets.by_name(name, candidate) {
            Named::Omitted(omission) => Ok(Outcome::Omission(omission).into()),
            Named::Travels(allowed) => reader.read(candidate, allowed),
        }
    }

    /// Calls `visit` with each of the numbers below `count`, in any order and on several threads unless `in_order`.
    /// Results are in order.
    pub(super) fn pass<T: Send>(
        &self,
        source: &Source<'_>,
        count: usize,
        in_order: bool,
        visit: impl Fn(&mut Reader<'_>, usize) -> Result<T, Stop> + Sync,
    ) -> Result<Vec<T>, Stop> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get).min(8);
        let threads = if in_order { 1 } else { cores.min(count / BATCH + 1) };
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<(usize, T)>, Stop> {
            let left =
                if in_order { self.options.max_total_bytes.saturating_sub(self.bytes) } else { u64::MAX };
            let mut reader = Reader::new(source, &self.spool, self.options, self.secrets, self.until, left);
            let (mut out, mut turn) = (Vec::new(), 0..0);
            loop {
                if turn.is_empty() {
                    // A few neighbours at a time, because they are mostly in one directory.
                    let start = next.fetch_add(BATCH, Ordering::Relaxed);
                    turn = start..start.saturating_add(BATCH);
                }
                let Some(at) = turn.next() else { continue };
                if at >= count {
                    return Ok(out);
                }
                out.push((at, visit(&mut reader, at)?));
            }
        };
        let mut results = join::shares(work, (1..threads).map(|_| work))?;
        // What each thread gave is in order, which this sort makes use of: it moves each result about once.
        results.sort_by_key(|(at, _)| *at);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }
}

/// How a path is listed that was not come to.
pub(super) fn not_read(why: &PartialReason) -> OmissionReason {
    match why {
        PartialReason::Cancelled => OmissionReason::Cancelled,
        _ => OmissionReason::Deadline,
    }
}
