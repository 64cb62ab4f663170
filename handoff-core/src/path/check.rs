//! Which paths may be written at all. Pure: nothing is opened, nothing depends on the machine but [`Platform::HOST`].

use super::RelPath;
use super::alias::{is_dot_git, is_git_alias};

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a path, a link or a set of paths is refused: a closed list with one stable word each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum PathFault { $($(#[$doc])* $name,)* }

        impl PathFault {
            /// Every fault.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word of reports.
            pub(crate) const fn reason(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

faults! {
    /// A component is `..`.
    Traversal = "path_traversal",
    /// It begins with `/`, or on Windows with a drive.
    Absolute = "path_absolute",
    /// It is empty, or has an empty or `.` component.
    NotNormalized = "path_not_normalized",
    /// It holds a NUL.
    Nul = "path_nul",
    /// The path or a component is longer than the limit.
    TooLong = "path_too_long",
    /// It has more components than the limit.
    TooDeep = "path_too_deep",
    /// A component is `.git` in some case.
    GitDir = "path_git_dir",
    /// A component is what some file system takes for `.git`.
    GitAlias = "path_git_alias",
    /// A component is a device's name on Windows.
    ReservedName = "path_reserved_name",
    /// A component ends in a dot or space, which Windows drops.
    TrailingDotSpace = "path_trailing_dot_space",
    /// A component names a stream of a file on NTFS.
    Ads = "path_ads",
    /// A component holds a character that Windows does not allow.
    Illegal = "path_illegal",
    /// It is not UTF-8 and the file system wants that.
    NotEncodable = "path_not_encodable",
    /// A symlink with an absolute target.
    SymlinkAbsolute = "symlink_absolute",
    /// A symlink whose target may lie outside the root.
    SymlinkEscapes = "symlink_escapes",
    /// A symlink into a git directory.
    SymlinkGit = "symlink_git",
    /// A symlink whose target is longer than systems allow.
    SymlinkTooLong = "symlink_too_long",
    /// A symlink in the place of a file that git reads.
    ProtectedGitFile = "protected_git_file",
    /// One entry is a file or link where another needs a directory.
    PrefixConflict = "path_prefix_conflict",
    /// Entries that together make a directory which git takes for a repository.
    EmbeddedBareRepo = "embedded_bare_repo",
}

/// Whose rules for names apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    /// Names are bytes.
    Posix,
    /// Names are UTF-8.
    Apple,
    /// Names are UTF-16, with reserved words and characters.
    Windows,
}

impl Platform {
    /// The platform of this build.
    pub(crate) const HOST: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_vendor = "apple") {
        Self::Apple
    } else {
        Self::Posix
    };
}

/// How large a path may be, and for which platform it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathLimits {
    /// Most bytes of the whole path. Default 4,096.
    pub path_bytes: usize,
    /// Most bytes of one component. Default 255.
    pub component_bytes: usize,
    /// Most components. Default 256.
    pub depth: usize,
    /// Default the platform of this build.
    pub platform: Platform,
}

impl Default for PathLimits {
    fn default() -> Self {
        Self { path_bytes: 4096, component_bytes: 255, depth: 256, platform: Platform::HOST }
    }
}

impl RelPath {
    /// The components, of which a path that [`check`](Self::check) accepts has at least one.
    pub(crate) fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.as_bytes().split(|byte| *byte == b'/')
    }

    /// Whether this path may be written below a root: relative, normalised, within `limits`, without any
    /// component that some file system takes for `.git`, and possible on the platform of `limits`.
    ///
    /// This alone makes no path safe to open: links and directories of the target are
    /// [`Root`](crate::rooted::Root)'s to judge.
    ///
    /// # Errors
    /// The first fault found.
    pub(crate) fn check(&self, limits: &PathLimits) -> Result<(), PathFault> {
        let bytes = self.as_bytes();
        if bytes.is_empty() {
            return Err(PathFault::NotNormalized);
        }
        if bytes.contains(&0) {
            return Err(PathFault::Nul);
        }
        if bytes.starts_with(b"/") {
            return Err(PathFault::Absolute);
        }
        if bytes.len() > limits.path_bytes {
            return Err(PathFault::TooLong);
        }
        if self.components().count() > limits.depth {
            return Err(PathFault::TooDeep);
        }
        for component in self.components() {
            check_component(component)?;
            if component.len() > limits.component_bytes {
                return Err(PathFault::TooLong);
            }
        }
        platform_fault(self, limits.platform).map_or(Ok(()), Err)
    }

    /// What keeps this path from existing on every platform; `None` for a path that can. The word is that of
    /// the fault it would be there. Only meaningful for a path that [`check`](Self::check) accepts here.
    pub(crate) fn portability(&self) -> Option<&'static str> {
        platform_fault(self, Platform::Windows).map(PathFault::reason)
    }
}

/// What no component may be on any platform. Length is not looked at.
pub(crate) fn check_component(component: &[u8]) -> Result<(), PathFault> {
    match component {
        b"" | b"." => Err(PathFault::NotNormalized),
        b".." => Err(PathFault::Traversal),
        _ if component.contains(&0) => Err(PathFault::Nul),
        _ if is_dot_git(component) => Err(PathFault::GitDir),
        _ if is_git_alias(component) => Err(PathFault::GitAlias),
        _ => Ok(()),
    }
}

fn platform_fault(path: &RelPath, platform: Platform) -> Option<PathFault> {
    if platform == Platform::Posix {
        return None;
    }
    if std::str::from_utf8(path.as_bytes()).is_err() {
        return Some(PathFault::NotEncodable);
    }
    if platform == Platform::Apple {
        return None;
    }
    let text = path.to_string_lossy();
    if let Some((drive, rest)) = text.split_once(':')
        && drive.chars().count() == 1
    {
        // `C:x` is a drive or a stream, depending on who reads it; either way it is no name.
        let absolute = rest.is_empty() || rest.starts_with('/');
        return Some(if absolute { PathFault::Absolute } else { PathFault::Illegal });
    }
    text.split('/').find_map(windows_fault)
}

/// The rules of Microsoft's "Naming Files, Paths, and Namespaces" for one component.
fn windows_fault(name: &str) -> Option<PathFault> {
    if name.chars().any(|c| c < ' ' || matches!(c, '<' | '>' | '"' | '|' | '?' | '*' | '\\')) {
        return Some(PathFault::Illegal);
    }
    if is_reserved(name) {
        return Some(PathFault::ReservedName);
    }
    if name.contains(':') {
        return Some(PathFault::Ads);
    }
    name.ends_with(['.', ' ']).then_some(PathFault::TrailingDotSpace)
}

/// Device names, which stay devices with any extension, and with spaces before it.
fn is_reserved(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or(name).trim_end_matches(' ').to_ascii_lowercase();
    if matches!(stem.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$" | "clock$") {
        return true;
    }
    // Superscript digits count as digits here, as they do for Windows.
    stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt")).is_some_and(|port| {
        let mut chars = port.chars();
        matches!(chars.next(), Some('0'..='9' | '¹' | '²' | '³')) && chars.next().is_none()
    })
}
