//! Patterns of paths that are not the repository's own.

use gix::bstr::ByteSlice as _;

/// Patterns in gitignore syntax from a caller.
pub(crate) struct Patterns(gix::ignore::Search);

impl Patterns {
    pub fn new(patterns: &[String]) -> Self {
        Self(gix::ignore::Search::from_overrides(patterns.iter(), gix::ignore::search::Ignore::default()))
    }

    /// The patterns of a file's text.
    pub fn from_file(text: &[u8], name: &str) -> Self {
        let mut search = gix::ignore::Search::default();
        // Fails only for a base directory, and there is none.
        let _ = search.add_patterns_buffer(text, name, None, gix::ignore::search::Ignore::default());
        Self(search)
    }

    /// The pattern that decides for `path`, a file or (with a slash behind it) a directory, by itself or through a directory on the way; `None` where no
    /// pattern matches or the last that does is negative.
    pub fn matching(&self, path: &[u8]) -> Option<String> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| (at, true));
        // A path that ends in a slash is a directory's.
        let last = Some((path.len(), false)).filter(|_| !path.ends_with(b"/"));
        for (end, is_dir) in ends.chain(last) {
            let part = path.get(..end)?.as_bstr();
            let found = self.0.pattern_matching_relative_path(
                part,
                Some(is_dir),
                gix::glob::pattern::Case::Sensitive,
            );
            if let Some(found) = found.filter(|found| !found.pattern.is_negative()) {
                return Some(found.pattern.to_string());
            }
        }
        None
    }
}
