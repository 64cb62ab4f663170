//! The decision for one path, as a pure function of what the three sides hold. Reading the sides and acting on
//! the decision is elsewhere; preview and apply share this.

use crate::report::Detail;

/// What one side holds at a path, as far as the decision cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Absent,
    File {
        exec: bool,
    },
    Symlink,
    /// A directory that cannot simply be replaced.
    Directory,
    /// Pipe, socket, device.
    Special,
}

impl Shape {
    fn is_file(self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// Whether both are files or both are symlinks.
    pub(super) fn same_kind(self, other: Self) -> bool {
        (self.is_file() && other.is_file()) || (self == Self::Symlink && other == Self::Symlink)
    }

    pub(super) fn exec(self) -> Option<bool> {
        match self {
            Self::File { exec } => Some(exec),
            _ => None,
        }
    }
}

/// Everything the decision rests on. The three `…_is_…` facts speak of content alone and only where both
/// sides are of the same kind (file or symlink); they are false otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub base: Shape,
    pub incoming: Shape,
    pub here: Shape,
    pub here_is_base: bool,
    pub here_is_incoming: bool,
    pub incoming_is_base: bool,
    /// All sides are text whose bytes are at hand and small enough to merge line by line.
    pub mergeable: bool,
}

/// Whose content ends up on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    Incoming,
    Here,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// The target already is as the snapshot wants it, or the snapshot wants nothing.
    Unchanged,
    /// Write (or, where `incoming` is absent, delete) and report `applied`.
    Apply {
        detail: Detail,
        content: Pick,
        exec: bool,
    },
    /// Write a combination that needs no text merge (content of one side, executable bit of the other).
    Combine {
        content: Pick,
        exec: bool,
    },
    /// Merge the texts; clean is `merged`, else `conflict: content`.
    Merge {
        exec: bool,
    },
    Conflict(Detail),
    /// The target holds something that no file may replace.
    Refuse(&'static str),
}

/// The table of the design's section 6, for one path.
pub(super) fn decide(facts: &Facts) -> Decision {
    let Facts { base, incoming, here, .. } = *facts;
    if here == Shape::Special {
        return Decision::Refuse("target_is_special");
    }
    if here == incoming && (here == Shape::Absent || facts.here_is_incoming) {
        return Decision::Unchanged;
    }
    // The snapshot changes nothing in the work tree here (only the index, say), so the target's own stays.
    if incoming == base && (incoming == Shape::Absent || facts.incoming_is_base) {
        return Decision::Unchanged;
    }
    if here == base && (here == Shape::Absent || facts.here_is_base) {
        return take_incoming(facts);
    }
    match (base, incoming, here) {
        (_, _, Shape::Directory) => {
            Decision::Conflict(if base == Shape::Absent { Detail::ExistsHere } else { Detail::Type })
        }
        (_, Shape::Absent, _) => Decision::Conflict(Detail::ModifiedHere),
        (_, _, Shape::Absent) => Decision::Conflict(Detail::DeletedHere),
        (base, Shape::File { exec: theirs }, Shape::File { exec: ours })
            if base.is_file() || base == Shape::Absent =>
        {
            combine_files(facts, base.exec(), theirs, ours)
        }
        (Shape::Absent, ..) => Decision::Conflict(Detail::ExistsHere),
        (Shape::Symlink, Shape::Symlink, Shape::Symlink) => Decision::Conflict(Detail::Binary),
        _ => Decision::Conflict(Detail::Type),
    }
}

/// What taking the snapshot's side amounts to, given what is here. Also used when a conflict is to be resolved
/// in favour of the snapshot.
pub(super) fn take_incoming(facts: &Facts) -> Decision {
    let exec = facts.incoming.exec().unwrap_or(false);
    let detail = match (facts.here, facts.incoming) {
        (Shape::Absent, _) => Detail::Created,
        (_, Shape::Absent) => Detail::Deleted,
        (Shape::File { .. }, Shape::File { .. }) if facts.here_is_incoming => Detail::Mode,
        (Shape::File { .. }, Shape::File { .. }) | (Shape::Symlink, Shape::Symlink) => Detail::Modified,
        _ => Detail::Type,
    };
    let content = if detail == Detail::Mode { Pick::Here } else { Pick::Incoming };
    Decision::Apply { detail, content, exec }
}

/// Both sides are files and at least one of content and mode differs from the base on both.
fn combine_files(facts: &Facts, base: Option<bool>, theirs: bool, ours: bool) -> Decision {
    // With two possible values and a base, both sides cannot differ from the base and from each other;
    // without a base the snapshot's bit counts, as it does for the content it creates.
    let exec = if Some(ours) == base || base.is_none() { theirs } else { ours };
    if facts.here_is_incoming {
        return if exec == ours {
            Decision::Unchanged
        } else {
            Decision::Apply { detail: Detail::Mode, content: Pick::Here, exec }
        };
    }
    if base.is_none() {
        return Decision::Conflict(Detail::ExistsHere);
    }
    if facts.here_is_base {
        return Decision::Combine { content: Pick::Incoming, exec };
    }
    if facts.incoming_is_base {
        return if exec == ours {
            Decision::Unchanged
        } else {
            Decision::Combine { content: Pick::Here, exec }
        };
    }
    if facts.mergeable { Decision::Merge { exec } } else { Decision::Conflict(Detail::Binary) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F: Shape = Shape::File { exec: false };
    const X: Shape = Shape::File { exec: true };
    const L: Shape = Shape::Symlink;
    const NONE: Shape = Shape::Absent;
    const DIR: Shape = Shape::Directory;

    /// A side as shape and content name; equal names are equal contents.
    type Side = (Shape, &'static str);

    fn facts(base: Side, incoming: Side, here: Side, mergeable: bool) -> Facts {
        let same = |a: Side, b: Side| {
            let kind = |shape| match shape {
                Shape::File { .. } => 1,
                Shape::Symlink => 2,
                _ => 0,
            };
            kind(a.0) != 0 && kind(a.0) == kind(b.0) && a.1 == b.1
        };
        Facts {
            base: base.0,
            incoming: incoming.0,
            here: here.0,
            here_is_base: same(here, base),
            here_is_incoming: same(here, incoming),
            incoming_is_base: same(incoming, base),
            mergeable,
        }
    }

    fn apply(detail: Detail, content: Pick, exec: bool) -> Decision {
        Decision::Apply { detail, content, exec }
    }

    #[test]
    fn every_row_of_the_table() {
        use Decision::{Combine, Conflict, Merge, Refuse, Unchanged};
        use Pick::{Here, Incoming};
        let none = (NONE, "");
        let rows: &[(Side, Side, Side, bool, Decision)] = &[
            // T = S
            ((F, "b"), (F, "s"), (F, "s"), true, Unchanged),
            ((F, "b"), none, none, true, Unchanged),
            (none, (F, "s"), (F, "s"), true, Unchanged),
            ((F, "b"), (L, "s"), (L, "s"), true, Unchanged),
            // T = B
            ((F, "b"), (F, "s"), (F, "b"), true, apply(Detail::Modified, Incoming, false)),
            ((F, "b"), (F, "s"), (F, "b"), false, apply(Detail::Modified, Incoming, false)),
            ((F, "b"), none, (F, "b"), true, apply(Detail::Deleted, Incoming, false)),
            (none, (X, "s"), none, true, apply(Detail::Created, Incoming, true)),
            ((F, "b"), (X, "b"), (F, "b"), true, apply(Detail::Mode, Here, true)),
            ((F, "b"), (X, "s"), (F, "b"), true, apply(Detail::Modified, Incoming, true)),
            ((F, "b"), (L, "s"), (F, "b"), true, apply(Detail::Type, Incoming, false)),
            ((L, "b"), (F, "s"), (L, "b"), true, apply(Detail::Type, Incoming, false)),
            ((L, "b"), (L, "s"), (L, "b"), false, apply(Detail::Modified, Incoming, false)),
            // Both changed.
            ((F, "b"), (F, "s"), (F, "t"), true, Merge { exec: false }),
            ((F, "b"), (X, "s"), (F, "t"), true, Merge { exec: true }),
            ((F, "b"), (F, "s"), (X, "t"), true, Merge { exec: true }),
            ((X, "b"), (F, "s"), (X, "t"), true, Merge { exec: false }),
            ((F, "b"), (F, "s"), (F, "t"), false, Conflict(Detail::Binary)),
            ((L, "b"), (L, "s"), (L, "t"), false, Conflict(Detail::Binary)),
            ((F, "b"), (L, "s"), (F, "t"), false, Conflict(Detail::Type)),
            ((F, "b"), (F, "s"), (L, "t"), false, Conflict(Detail::Type)),
            ((L, "b"), (F, "s"), (F, "t"), false, Conflict(Detail::Type)),
            ((F, "b"), (F, "s"), (DIR, ""), false, Conflict(Detail::Type)),
            // Deletions against changes.
            ((F, "b"), none, (F, "t"), true, Conflict(Detail::ModifiedHere)),
            ((F, "b"), none, (X, "b"), true, Conflict(Detail::ModifiedHere)),
            ((F, "b"), (F, "s"), none, true, Conflict(Detail::DeletedHere)),
            ((F, "b"), (X, "b"), none, true, Conflict(Detail::DeletedHere)),
            // Both created.
            (none, (F, "s"), (F, "t"), true, Conflict(Detail::ExistsHere)),
            (none, (F, "s"), (L, "t"), true, Conflict(Detail::ExistsHere)),
            (none, (L, "s"), (F, "t"), true, Conflict(Detail::ExistsHere)),
            (none, (F, "s"), (DIR, ""), true, Conflict(Detail::ExistsHere)),
            (none, (X, "s"), (F, "s"), true, apply(Detail::Mode, Here, true)),
            // Content of one side, mode of the other.
            ((F, "b"), (F, "s"), (X, "b"), true, Combine { content: Incoming, exec: true }),
            ((F, "b"), (X, "b"), (F, "t"), true, Combine { content: Here, exec: true }),
            ((F, "b"), (F, "s"), (X, "s"), true, Unchanged),
            ((F, "b"), (X, "s"), (F, "s"), true, apply(Detail::Mode, Here, true)),
            // The snapshot changes only the index.
            ((F, "b"), (F, "b"), (F, "t"), true, Unchanged),
            ((F, "b"), (F, "b"), none, true, Unchanged),
            (none, none, (F, "t"), true, Unchanged),
            // What no file may replace.
            (none, (F, "s"), (Shape::Special, ""), true, Refuse("target_is_special")),
            ((F, "b"), none, (Shape::Special, ""), true, Refuse("target_is_special")),
        ];
        for (base, incoming, here, mergeable, expected) in rows {
            let facts = facts(*base, *incoming, *here, *mergeable);
            assert_eq!(&decide(&facts), expected, "base {base:?}, incoming {incoming:?}, here {here:?}");
        }
    }

    #[test]
    fn no_combination_writes_over_what_only_the_target_has() {
        let sides =
            [(NONE, ""), (F, "1"), (F, "2"), (F, "3"), (X, "1"), (X, "2"), (L, "1"), (L, "2"), (DIR, "")];
        for base in sides.into_iter().filter(|side| side.0 != DIR) {
            for incoming in sides.into_iter().filter(|side| side.0 != DIR) {
                for here in sides {
                    let facts = facts(base, incoming, here, true);
                    let decision = decide(&facts);
                    if let Decision::Apply { content: Pick::Incoming, .. } = decision {
                        assert_eq!(here, base, "{facts:?}: only an untouched target is replaced");
                    }
                    if let Decision::Combine { content: Pick::Incoming, .. } = decision {
                        assert_eq!(here.1, base.1, "{facts:?}: only untouched content is replaced");
                    }
                    if here == incoming && here.0 != DIR {
                        assert_eq!(decision, Decision::Unchanged, "{facts:?}");
                    }
                }
            }
        }
    }
}
