//! Ignored files that are to travel: patterns of the caller, and those of a `.worktreeinclude` file.

use std::io::Read as _;

use rustix::fs::{Mode, OFlags};

use super::{Patterns, Repo};

/// The file, at the root of a work tree, in which a project lists the ignored files that other checkouts need.
/// Several tools read it; a file is meant when it matches here and git ignores it.
const FILE: &str = ".worktreeinclude";

/// Bytes of the file that are read at most.
const FILE_LIMIT: u64 = 1 << 20;

/// Which ignored files travel. A path is asked for by either list.
#[derive(Default)]
pub(crate) struct Include {
    lists: Vec<Patterns>,
    /// Where matches may be.
    reach: Reach,
}

/// Where below the root patterns can match, so that an ignored directory is only listed where one of them can.
#[derive(Default)]
struct Reach {
    /// Some pattern matches at any depth.
    anywhere: bool,
    /// Components of the patterns that are tied to the root.
    tied: Vec<Vec<Vec<u8>>>,
}

impl Repo {
    /// What `patterns`, each in gitignore syntax, and the work tree's `.worktreeinclude` (if `with_file`) ask for.
    /// As git does with `.gitignore`, a link of that name is not followed.
    pub fn include(&self, patterns: &[String], with_file: bool) -> Include {
        let mut include = Include::default();
        if !patterns.is_empty() {
            include.add(Patterns::new(patterns), patterns.iter().map(String::as_bytes));
        }
        if let Some(text) = with_file.then(|| self.read_include()).flatten() {
            include.add(Patterns::from_file(&text, FILE), text.split(|byte| *byte == b'\n'));
        }
        include
    }

    fn read_include(&self) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(self.root().join(FILE), flags, Mode::empty()).ok()?;
        let file = std::fs::File::from(file);
        let mut text = Vec::new();
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        file.take(FILE_LIMIT).read_to_end(&mut text).ok()?;
        Some(text)
    }
}

impl Include {
    fn add<'a>(&mut self, patterns: Patterns, lines: impl Iterator<Item = &'a [u8]>) {
        self.lists.push(patterns);
        lines.for_each(|line| self.reach.add(line));
    }

    /// Whether `path`, a file or (with a slash behind it) a directory, is asked for.
    pub fn asks_for(&self, path: &[u8]) -> bool {
        self.lists.iter().any(|list| list.matching(path).is_some())
    }

    /// Whether anything below the directory `path` (without a slash behind it) may be asked for, the directory
    /// itself being none that is.
    pub fn may_reach_below(&self, path: &[u8]) -> bool {
        self.reach.anywhere || self.reach.tied.iter().any(|components| leads_below(components, path))
    }
}

impl Reach {
    fn add(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        // Neither a comment nor an exception asks for anything.
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"!") {
            return;
        }
        let line = line.strip_suffix(b"/").unwrap_or(line);
        if !line.contains(&b'/') {
            self.anywhere = true;
            return;
        }
        let components = line.split(|byte| *byte == b'/').filter(|component| !component.is_empty());
        self.tied.push(components.map(<[u8]>::to_vec).collect());
    }
}

/// Whether a pattern of these components can match below `directory`. Says yes where it is not sure.
fn leads_below(components: &[Vec<u8>], directory: &[u8]) -> bool {
    let mut pattern = components.iter();
    for name in directory.split(|byte| *byte == b'/') {
        match pattern.next() {
            None => return false,
            Some(component) if component == b"**" => return true,
            Some(component) if component.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\')) => {}
            Some(component) if component == name => {}
            Some(_) => return false,
        }
    }
    pattern.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn include(patterns: &[&str]) -> Include {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let mut include = Include::default();
        include.add(Patterns::new(&patterns), patterns.iter().map(String::as_bytes));
        include
    }

    #[test]
    fn patterns_mean_what_they_mean_in_a_gitignore() {
        let wanted = include(&[".env*", "!.env.example", "/config/local.json", "cache/"]);
        for path in [".env", "deep/er/.env.local", "config/local.json", "a/cache/x/y", "cache/"] {
            assert!(wanted.asks_for(path.as_bytes()), "{path}");
        }
        for path in [".env.example", "deep/config/local.json", "cache", "other"] {
            assert!(!wanted.asks_for(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn directories_are_entered_only_where_a_match_can_be() {
        let tied = include(&["/build/keep/*.bin", "a/**/z", "# comment", "", "!b/c"]);
        for path in ["build", "build/keep", "a", "a/b/c/d"] {
            assert!(tied.may_reach_below(path.as_bytes()), "{path}");
        }
        for path in ["node_modules", "build/other", "b", "build/keep/x"] {
            assert!(!tied.may_reach_below(path.as_bytes()), "{path}");
        }
        assert!(include(&["*.key"]).may_reach_below(b"node_modules/x"));
    }
}
