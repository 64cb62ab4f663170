//! Three-way merge of lines, deciding as `git merge-file --diff-algorithm=histogram` decides.
//!
//! The hunks base→ours and base→theirs are walked together. Hunks that overlap or touch form one conflict, whose
//! extent grows until an unchanged line of both sides separates it from the next; two equal hunks at the same place
//! are an agreement. Git's default marker style then looks into each conflict and drops what both sides have in
//! common, which resolves a conflict only when both sides are equal as a whole; its diff3 style never does. The
//! verdict here is that of the default style, the text of a conflict that of the diff3 style: such a text may show
//! a block whose two sides are equal beside the one that is really in conflict.

use std::ops::Range;

use super::compact::Lowest;
use super::diff::{File, Hunk, Lines, hunks};
use super::{Labels, Merged};

/// Length of a conflict marker.
const MARKER: usize = 7;

/// Whose lines stand in a region of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    Ours,
    Theirs,
    Conflict,
}

/// A place where a side differs from the base, as line ranges of the three files.
#[derive(Debug)]
struct Region {
    pick: Pick,
    base: Range<usize>,
    ours: Range<usize>,
    theirs: Range<usize>,
}

pub(super) fn merge(base: &[u8], ours: &[u8], theirs: &[u8], labels: Labels<'_>) -> Merged {
    if ours == theirs || base == theirs {
        return Merged::Clean(ours.to_vec());
    }
    if base == ours {
        return Merged::Clean(theirs.to_vec());
    }
    let (mut lines, base) = Lines::new(base);
    let (ours, theirs) = (lines.file(ours, &base), lines.file(theirs, &base));
    let our_hunks = hunks(&base.ids, &ours.ids, lines.distinct(), &mut Lowest);
    let their_hunks = hunks(&base.ids, &theirs.ids, lines.distinct(), &mut Lowest);
    let mut regions = regions(&our_hunks, &their_hunks, &ours.ids, &theirs.ids);

    let files = Files { base, ours, theirs };
    if regions.iter().all(|region| region.pick != Pick::Conflict || files.sides_agree(region)) {
        for region in &mut regions {
            if region.pick == Pick::Conflict {
                region.pick = Pick::Ours;
            }
        }
        return Merged::Clean(files.write(&regions, labels));
    }
    let conflicts = regions.iter().filter(|region| region.pick == Pick::Conflict).count();
    Merged::Conflict { text: files.write(&regions, labels), conflicts }
}

/// One side's hunks, consumed from the front.
struct Side<'a> {
    hunks: &'a [Hunk],
    /// The side position of base line 0 shifted by all hunks consumed: base position + shift = side position.
    shift: isize,
}

impl<'a> Side<'a> {
    fn new(hunks: &'a [Hunk]) -> Self {
        Self { hunks, shift: 0 }
    }

    fn next(&self) -> Option<&'a Hunk> {
        self.hunks.first()
    }

    fn consume(&mut self) {
        if let Some((hunk, rest)) = self.hunks.split_first() {
            self.shift = hunk.new.end as isize - hunk.old.end as isize;
            self.hunks = rest;
        }
    }

    /// The lines of this side that stand where `base` stands in the base, `base` being unchanged at its edges or
    /// beginning or ending with `hunk`.
    fn lines_of(&self, base: &Range<usize>, hunk: Option<&Hunk>) -> Range<usize> {
        let place = |at: usize| at.saturating_add_signed(self.shift);
        match hunk {
            None => place(base.start)..place(base.end),
            Some(hunk) => {
                // A hunk that an earlier one of the other side already met can begin far before this one; the
                // region will be joined to that conflict, and only its end counts.
                let before = hunk.old.start - base.start;
                let after = base.end - hunk.old.end;
                hunk.new.start.saturating_sub(before)..hunk.new.end + after
            }
        }
    }
}

fn regions(our_hunks: &[Hunk], their_hunks: &[Hunk], our_ids: &[u32], their_ids: &[u32]) -> Vec<Region> {
    let mut ours = Side::new(our_hunks);
    let mut theirs = Side::new(their_hunks);
    let mut regions = Vec::new();
    loop {
        let (pick, base, our_hunk, their_hunk) = match (ours.next(), theirs.next()) {
            (None, None) => return regions,
            (Some(a), None) => (Some(Pick::Ours), a.old.clone(), Some(a), None),
            (None, Some(b)) => (Some(Pick::Theirs), b.old.clone(), None, Some(b)),
            (Some(a), Some(b)) => {
                if a.old.end < b.old.start {
                    (Some(Pick::Ours), a.old.clone(), Some(a), None)
                } else if b.old.end < a.old.start {
                    (Some(Pick::Theirs), b.old.clone(), None, Some(b))
                } else {
                    let equal = a.old == b.old && our_ids.get(a.new.clone()) == their_ids.get(b.new.clone());
                    let base = a.old.start.min(b.old.start)..a.old.end.max(b.old.end);
                    (if equal { None } else { Some(Pick::Conflict) }, base, Some(a), Some(b))
                }
            }
        };
        if let Some(pick) = pick {
            // A hunk still pending on the other side, in part behind us, knows where its side stands.
            let ours_at = ours.lines_of(&base, our_hunk);
            let theirs_at = theirs.lines_of(&base, their_hunk);
            append(&mut regions, Region { pick, base: base.clone(), ours: ours_at, theirs: theirs_at });
        }
        // Of two hunks that meet, the one that ends later stays: it may meet the other side's next hunk as well.
        let end = |hunk: Option<&Hunk>| hunk.map_or(usize::MAX, |hunk| hunk.old.end);
        let first_end = end(our_hunk).min(end(their_hunk));
        if end(our_hunk) == first_end {
            ours.consume();
        }
        if end(their_hunk) == first_end {
            theirs.consume();
        }
    }
}

/// Adds `region`, joining it to the last one if they meet on either side; picks that differ make a conflict.
fn append(regions: &mut Vec<Region>, region: Region) {
    match regions.last_mut() {
        Some(last) if region.ours.start <= last.ours.end || region.theirs.start <= last.theirs.end => {
            if last.pick != region.pick {
                last.pick = Pick::Conflict;
            }
            last.base.end = region.base.end;
            last.ours.end = region.ours.end;
            last.theirs.end = region.theirs.end;
        }
        _ => regions.push(region),
    }
}

struct Files<'a> {
    base: File<'a>,
    ours: File<'a>,
    theirs: File<'a>,
}

impl Files<'_> {
    /// Whether both sides have the same lines in `region`. Git does not look where a side has none.
    fn sides_agree(&self, region: &Region) -> bool {
        let ours = self.ours.ids.get(region.ours.clone()).unwrap_or_default();
        let theirs = self.theirs.ids.get(region.theirs.clone()).unwrap_or_default();
        !ours.is_empty() && ours == theirs
    }

    fn write(&self, regions: &[Region], labels: Labels<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.ours.bytes().max(self.theirs.bytes()));
        let mut done = 0;
        for region in regions {
            self.ours.copy(done..region.ours.start, &mut out);
            match region.pick {
                Pick::Ours => self.ours.copy(region.ours.clone(), &mut out),
                Pick::Theirs => self.theirs.copy(region.theirs.clone(), &mut out),
                Pick::Conflict => {
                    let end: &[u8] = if self.ends_in_cr_lf(region) { b"\r\n" } else { b"\n" };
                    marker(b'<', Some(labels.ours), end, &mut out);
                    self.ours.copy_terminated(region.ours.clone(), end, &mut out);
                    marker(b'|', Some(labels.base), end, &mut out);
                    self.base.copy_terminated(region.base.clone(), end, &mut out);
                    marker(b'=', None, end, &mut out);
                    self.theirs.copy_terminated(region.theirs.clone(), end, &mut out);
                    marker(b'>', Some(labels.theirs), end, &mut out);
                }
            }
            done = region.ours.end;
        }
        self.ours.copy(done..self.ours.lines.len(), &mut out);
        out
    }

    /// Whether the markers of `region` end in CR LF: the lines before it (or the first, or a line near that tells) on
    /// both sides and the base's first line must do so, and the base's must tell.
    fn ends_in_cr_lf(&self, region: &Region) -> bool {
        self.ours.cr_lf_at(region.ours.start.saturating_sub(1)) != Some(false)
            && self.theirs.cr_lf_at(region.theirs.start.saturating_sub(1)) != Some(false)
            && self.base.cr_lf_at(0) == Some(true)
    }
}

fn marker(sign: u8, label: Option<&str>, end: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[sign; MARKER]);
    if let Some(label) = label {
        out.push(b' ');
        out.extend_from_slice(label.as_bytes());
    }
    out.extend_from_slice(end);
}

impl File<'_> {
    fn bytes(&self) -> usize {
        self.lines.iter().map(|line| line.len()).sum()
    }

    fn copy(&self, lines: Range<usize>, out: &mut Vec<u8>) {
        for line in self.lines.get(lines).unwrap_or_default() {
            out.extend_from_slice(line);
        }
    }

    /// Copies, ending a last line that lacks its terminator with `end`, so that a marker can follow.
    fn copy_terminated(&self, lines: Range<usize>, end: &[u8], out: &mut Vec<u8>) {
        let lines = self.lines.get(lines).unwrap_or_default();
        for line in lines {
            out.extend_from_slice(line);
        }
        if lines.last().is_some_and(|line| !line.ends_with(b"\n")) {
            out.extend_from_slice(end);
        }
    }

    /// Whether line `at` ends in CR LF; for an unterminated last line, whether the one before does; `None` where no
    /// line tells.
    fn cr_lf_at(&self, at: usize) -> Option<bool> {
        let line = self.lines.get(at)?;
        let line = if line.ends_with(b"\n") { line } else { self.lines.get(at.checked_sub(1)?)? };
        Some(line.ends_with(b"\r\n"))
    }
}
