//! What a JSON text would cost to parse, found in one pass that allocates nothing to speak of. A parser
//! builds a value for every two bytes of `[0,0,0,…]`; this refuses such a text before the parser sees it.

use super::limits::{HISTORY_PARTS, LOOSE_FILES, Limits, within};
use crate::error::Error;

/// Depth, counting from 1, of `{` of a repository (and of a loose file), and of an entry or omission.
const REPO_DEPTH: u64 = 3;
const ROW_DEPTH: u64 = 5;

/// Refuses a text that is nested too deep, or that has more parts than a manifest within `limits` can have.
/// Does not check that it is JSON.
pub(super) fn check(text: &[u8], limits: &Limits) -> Result<(), Error> {
    let (mut depth, mut values, mut repos, mut rows) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                // A string ends at the first quote that no backslash precedes.
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = bytes.next(),
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => {
                depth += 1;
                within("the manifest's nesting", depth, limits.json_depth)?;
                values += 1;
                if *byte == b'{' {
                    repos += u64::from(depth == REPO_DEPTH);
                    rows += u64::from(depth == ROW_DEPTH);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
    }
    // Unknown fields may hold objects of their own at these depths, hence the room beyond the limits; the
    // exact counts are checked on the parsed manifest.
    let room = 4096;
    within("the number of repositories in the manifest", repos, limits.repos + LOOSE_FILES + room)?;
    within("the number of entries in the manifest", rows, limits.entries + limits.omissions + room)?;
    // An entry with three layers has 17; this leaves room for fields of newer versions.
    let most =
        24 * (limits.entries + LOOSE_FILES) + 8 * (limits.omissions + HISTORY_PARTS) + 64 * limits.repos;
    within("the number of values in the manifest", values, most + room)
}
