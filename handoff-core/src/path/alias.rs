//! Names that some file system takes for `.git`.
//!
//! The rules hold on every platform, because a snapshot that is harmless here may be passed on to a machine
//! where it is not, and because disks are shared between systems (a Windows drive under Linux, say).

/// Whether `component` is `.git` but for the case of its letters.
pub(crate) fn is_dot_git(component: &[u8]) -> bool {
    component.eq_ignore_ascii_case(b".git")
}

/// Whether some file system could take `component` for a git directory or for one of git's own dot files by
/// a name that only machines write: `.git` in any case, with code points that HFS+ ignores, with the trailing
/// dots and spaces that Windows drops, with an NTFS stream, behind a backslash, or as a short (8.3) name.
pub(crate) fn is_git_alias(component: &[u8]) -> bool {
    if is_plainly_other(component) {
        return false;
    }
    // Both readings of a backslash count: as a separator, and as part of a name that is cut there.
    component.split(|byte| *byte == b'\\').any(|piece| {
        let name = plain_name(piece);
        name == ".git" || short_name(&name).is_some_and(|stem| stem == "git" || is_hashed_stem(stem))
    })
}

/// Which of git's own dot files `component` could be taken for (`.gitmodules`, `.gitattributes`, `.gitignore`,
/// `.mailmap`), by the same rules as [`is_git_alias`]. Git reads these, and must not be led elsewhere by a symlink.
pub(crate) fn git_file(component: &[u8]) -> Option<&'static str> {
    // Name, first six letters of the short name, and the short name's other form with a hash of the name.
    const FILES: [(&str, &str, &str); 4] = [
        (".gitmodules", "gitmod", "gi7eba"),
        (".gitattributes", "gitatt", "gi7d29"),
        (".gitignore", "gitign", "gi250a"),
        (".mailmap", "mailma", "maba30"),
    ];
    if is_plainly_other(component) {
        return None;
    }
    component.split(|byte| *byte == b'\\').find_map(|piece| {
        let name = plain_name(piece);
        let stem = short_name(&name);
        FILES.iter().find_map(|(file, short, hashed)| {
            // With many digits after the tilde the stem gets shorter, down to nothing.
            let is_short = stem.is_some_and(|stem| stem == *short || hashed.starts_with(stem));
            (name == *file || is_short).then_some(*file)
        })
    })
}

/// Nearly every honest name: it cannot be an alias, so nothing needs to be taken apart.
fn is_plainly_other(component: &[u8]) -> bool {
    !component.starts_with(b".")
        && component.iter().all(|byte| byte.is_ascii() && !matches!(byte, b'~' | b'\\'))
}

/// What is left of a name when everything is removed that some file system ignores, in lower case.
fn plain_name(name: &[u8]) -> String {
    // What follows an invalid byte cannot matter to a file system that demands valid names and cannot be
    // part of an alias on one that does not; git too judges the part before it.
    let valid = name.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let stream = valid.find(':').unwrap_or(valid.len());
    let mut plain: String = valid
        .get(..stream)
        .unwrap_or(valid)
        .chars()
        .filter(|c| !is_ignorable(*c))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    plain.truncate(plain.trim_end_matches(['.', ' ']).len());
    plain
}

/// The stem of an 8.3 name such as `git~1`.
fn short_name(name: &str) -> Option<&str> {
    let (stem, number) = name.split_once('~')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(stem)
}

/// Windows' second form of a short name for something that begins with `.gi`: two letters and a hash.
fn is_hashed_stem(stem: &str) -> bool {
    stem.strip_prefix("gi")
        .is_some_and(|hash| hash.len() == 4 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Code points without a look of their own. HFS+ ignores some of them in names; the others are refused in the
/// same places because no honest name needs them there.
pub(super) const fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}
