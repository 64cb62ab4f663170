//! Which symlinks may be made. Pure: targets are judged as text, because what they lead to can change later.

use super::RelPath;
use super::alias::{git_file, is_git_alias};
use super::check::{PathFault, Platform};

/// Longest target of a symlink, in bytes: what Linux can read back.
const TARGET_BYTES: usize = 4095;

/// How far a symlink may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkReach {
    /// Only to what is below the root.
    Inside,
    /// Anywhere but into a git directory.
    Anywhere,
}

/// Whether a symlink at `path`, itself [checked](RelPath::check) and reached without any link on the way, may
/// have this `target`.
///
/// Within [`LinkReach::Inside`], `..` is allowed only at the start of a target, where it climbs real
/// directories. After a name it may climb from wherever another link leads: `d/../x` is outside when `d` is a
/// link to `.`, and each of the two links alone looks harmless.
pub(crate) fn check_link(
    path: &RelPath,
    target: &[u8],
    reach: LinkReach,
    platform: Platform,
) -> Result<(), PathFault> {
    if protected_git_file(path) {
        return Err(PathFault::ProtectedGitFile);
    }
    if target.is_empty() {
        return Err(PathFault::NotNormalized);
    }
    if target.contains(&0) {
        return Err(PathFault::Nul);
    }
    if target.len() > TARGET_BYTES {
        return Err(PathFault::SymlinkTooLong);
    }
    let is_separator = |byte: &u8| *byte == b'/' || (platform == Platform::Windows && *byte == b'\\');
    if target.split(is_separator).any(is_git_alias) {
        return Err(PathFault::SymlinkGit);
    }
    if reach == LinkReach::Anywhere {
        return Ok(());
    }
    let has_drive = platform == Platform::Windows && target.contains(&b':');
    if target.first().is_some_and(is_separator) || has_drive {
        return Err(PathFault::SymlinkAbsolute);
    }
    let mut height = path.components().count().saturating_sub(1);
    let mut named = false;
    for component in target.split(is_separator) {
        match component {
            b"" | b"." => {}
            b".." if named || height == 0 => return Err(PathFault::SymlinkEscapes),
            b".." => height -= 1,
            _ => named = true,
        }
    }
    Ok(())
}

/// Whether git reads the file at `path` to learn what to do, so that no symlink may stand in its place:
/// `.gitmodules`, `.gitattributes`, `.gitignore`, `.mailmap`, by whatever name a file system knows them. Links
/// below a directory of such a name count too, as they do for git.
pub(crate) fn protected_git_file(path: &RelPath) -> bool {
    path.components().any(|component| git_file(component).is_some())
}
