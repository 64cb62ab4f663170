//! Planning all entries of one repository, on two threads where there are many, and staging what they come to.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::entry::{self, Context, Earlier, failed};
use super::fail;
use super::journal::Home;
use super::rename::Renames;
use super::session::{MANY, Session};
use super::sides::{Reader, Trouble};
use super::write::{self, Staged};
use crate::error::Error;
use crate::id::ApplyId;
use crate::join;
use crate::path::{After, PathLimits, RelPath, SetItem, check_set};
use crate::progress::{Meter, Phase};
use crate::report::{Detail, FileReport, Finding, FindingKind, Outcome};
use crate::snapshot::{Entry, Mode};

/// Entries that a thread takes at a time: neighbours, because their contents are neighbours in the snapshot.
const BATCH: usize = 16;

/// What planning one entry came to.
pub(super) struct Row {
    pub at: usize,
    pub report: FileReport,
    /// The staged write, and whether directories are missing above it.
    pub staged: Option<(Staged, bool)>,
}

/// What the planning threads share.
struct Shared<'s, 'a> {
    session: &'s Session<'a>,
    /// Absent in a preview.
    id: Option<&'s ApplyId>,
    /// Numbers of operations, even ones for the first thread and odd ones for the second.
    numbers: [AtomicU64; 2],
    announce: Mutex<()>,
    meter: Mutex<Meter<'s>>,
}

fn in_parallel(
    shared: &Shared<'_, '_>,
    context: &Context<'_>,
    entries: &[Entry],
    wanted: &[usize],
) -> Result<Vec<Row>, Error> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let work = |thread: usize| -> Result<Vec<Row>, Error> {
        let mut worker = Worker::new(shared, thread);
        let mut rows = Vec::new();
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            if start >= wanted.len() || stop.load(Ordering::Relaxed) {
                return Ok(rows);
            }
            let end = wanted.len().min(start + BATCH);
            for at in wanted.get(start..end).unwrap_or_default() {
                let Some(entry) = entries.get(*at) else { continue };
                match worker.one(context, *at, entry) {
                    Ok(row) => rows.push(row),
                    Err(why) => {
                        stop.store(true, Ordering::Relaxed);
                        return Err(why);
                    }
                }
            }
        }
    };
    join::shares(|| work(0), [|| work(1)])
}

/// One planning thread.
struct Worker<'w, 's, 'a> {
    shared: &'w Shared<'s, 'a>,
    thread: usize,
    reader: Reader<'w>,
    /// Where new contents of a directory wait, by the directory.
    beside: HashMap<Vec<u8>, Option<RelPath>>,
}

impl<'w, 's, 'a> Worker<'w, 's, 'a> {
    fn new(shared: &'w Shared<'s, 'a>, thread: usize) -> Self {
        Self { shared, thread, reader: shared.session.reader(), beside: HashMap::new() }
    }

    fn one(&mut self, context: &Context<'_>, at: usize, entry: &Entry) -> Result<Row, Error> {
        let planned = entry::plan(context, &mut self.reader, entry);
        let mut report = planned.report;
        let mut staged = None;
        match (planned.change, self.shared.id) {
            (Some(change), Some(id)) => {
                let needs_dirs = change.needs_dirs;
                match self.stage(id, change) {
                    Ok(one) => staged = Some((one, needs_dirs)),
                    Err(trouble) => report = failed(report, &trouble),
                }
                fail::point("plan: staged");
            }
            (Some(change), None) => {
                // A preview reads what an apply would write, so that it tells what that would meet.
                if let entry::Post::File { content: entry::Source::Carried(state), .. } = &change.post
                    && let Err(trouble) = self.reader.copy(state, &mut io::sink())
                {
                    report = failed(report, &trouble);
                }
            }
            (None, _) => {}
        }
        if self.shared.id.is_some() && report.outcome == Outcome::Conflict {
            self.shared.session.keep(&mut report, planned.keep.as_ref());
        }
        let mut meter = self.shared.meter.lock().unwrap_or_else(PoisonError::into_inner);
        meter.step(1, 0, Some(&entry.path))?;
        Ok(Row { at, report, staged })
    }

    fn stage(&mut self, id: &ApplyId, change: entry::Change) -> Result<Staged, Trouble> {
        let session = self.shared.session;
        let record = session.record(id)?;
        let device = session.home().map_or(0, |home| home.device);
        let parent = change.path.parent().unwrap_or_default().to_vec();
        let beside = match self.beside.get(&parent) {
            Some(known) => known.clone(),
            None => {
                let found =
                    write::beside(&session.root, device, &change.path).map_err(|why| Trouble::io(&why))?;
                self.beside.insert(parent, found.clone());
                found
            }
        };
        let n = self.shared.numbers.get(self.thread).map_or(0, |next| next.fetch_add(2, Ordering::Relaxed));
        if let Some(dir) = &beside {
            let _one = self.shared.announce.lock().unwrap_or_else(PoisonError::into_inner);
            record.announce(vec![record.beside_path(dir, n)]).map_err(|why| Trouble::io(&why))?;
        }
        write::stage(&session.root, session.snapshot, record, n, change, beside)
    }
}

/// Plans, and given an `id` stages, every entry. In order of the entries.
pub(super) fn rows(
    session: &Session<'_>,
    id: Option<&ApplyId>,
) -> Result<(Vec<Row>, Option<Finding>), Error> {
    let control = session.options.control.clone();
    let entries = &session.manifest.entries;
    let shared = Shared {
        session,
        id,
        numbers: [AtomicU64::new(0), AtomicU64::new(1)],
        announce: Mutex::new(()),
        meter: Mutex::new(control.phase(Phase::Plan, entries.len() as u64)),
    };
    let (faults, finding) = set_faults(entries, session.home(), session.repo.ignores_case());
    let mut context = Context {
        root: &session.root,
        options: session.options,
        faults,
        vacated: HashSet::new(),
        links: entries
            .iter()
            .filter(|entry| entry.worktree.as_ref().is_some_and(|state| state.mode == Mode::Symlink))
            .map(|entry| entry.path.clone())
            .collect(),
        earlier: earlier(session)?,
        renames: Renames::new(session.manifest),
        followed: HashMap::new(),
    };
    // Deletions first: what they vacate, other entries may move into.
    let (gone, rest): (Vec<usize>, Vec<usize>) = (0..entries.len()).partition(|at| {
        entries.get(*at).is_some_and(|entry| entry.worktree.is_none() && !entry.flags.empty_dir)
    });
    let mut rows = Vec::with_capacity(entries.len());
    let mut worker = Worker::new(&shared, 0);
    for at in gone {
        let Some(entry) = entries.get(at) else { continue };
        let row = worker.one(&context, at, entry)?;
        if matches!(&row.report.detail, Some(Detail::Deleted)) {
            context.vacated.insert(entry.path.clone());
            if let Some(to) = &row.report.at {
                context.followed.insert(to.clone(), entry.path.clone());
            }
        }
        rows.push(row);
    }
    if rest.len() < MANY {
        for at in rest {
            let Some(entry) = entries.get(at) else { continue };
            rows.push(worker.one(&context, at, entry)?);
        }
    } else {
        drop(worker);
        rows.extend(in_parallel(&shared, &context, entries, &rest)?);
    }
    rows.sort_by_key(|row| row.at);
    Ok((rows, finding))
}

/// Faults that lie in several entries together.
pub(super) fn set_faults(
    entries: &[Entry],
    home: Option<&Home>,
    ignores_case: bool,
) -> (HashMap<RelPath, &'static str>, Option<Finding>) {
    let fitting: Vec<&Entry> =
        entries.iter().filter(|entry| entry.path.check(&PathLimits::default()).is_ok()).collect();
    let items: Vec<SetItem<'_>> = fitting
        .iter()
        .map(|entry| SetItem {
            path: &entry.path,
            after: match &entry.worktree {
                _ if entry.flags.empty_dir => After::Dir,
                None => After::Gone,
                Some(_) => After::Leaf,
            },
        })
        .collect();
    let found = check_set(&items);
    let mut faults = HashMap::new();
    let mut finding = None;
    for collision in &found.collisions {
        let apart = match home {
            Some(home) if home.is_locked() => home.keeps_apart(collision.names.iter()).unwrap_or(false),
            _ => !ignores_case,
        };
        if apart {
            continue;
        }
        let names: Vec<String> =
            collision.names.iter().map(|name| RelPath::from(name.as_slice()).to_string()).collect();
        finding.get_or_insert_with(|| Finding {
            kind: FindingKind::Collision,
            message: format!("this file system takes these names for one: {}", names.join(", ")),
        });
        for at in &collision.items {
            if let Some(entry) = fitting.get(*at) {
                faults.insert(entry.path.clone(), "path_collision");
            }
        }
    }
    for (at, fault) in &found.faults {
        if let Some(entry) = fitting.get(*at) {
            faults.insert(entry.path.clone(), fault.reason());
        }
    }
    (faults, finding)
}

/// What earlier applies of this snapshot wrote here.
fn earlier(session: &Session<'_>) -> Result<HashMap<RelPath, Earlier>, Error> {
    let mut out = HashMap::new();
    let Some(home) = session.home() else { return Ok(out) };
    for id in home.applies()? {
        let Ok(Some(record)) = home.record(&id) else { continue };
        if !record.is_of(&session.snapshot.id(), &session.manifest.name).unwrap_or(false) {
            continue;
        }
        let Ok(journal) = record.read() else { continue };
        if !journal.done || journal.undoing || journal.damaged {
            continue;
        }
        for op in journal.ops {
            let earlier = Earlier { at: op.path.clone(), post: op.post.clone(), markers: op.markers };
            out.insert(op.reported().clone(), earlier);
        }
    }
    Ok(out)
}
