//! Declarations of a workspace: a text file that scripts write, one JSON object a line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::discover::{Found, LeftOutReason, Place, file};
use super::{Workspace, too_wide};
use crate::error::Error;
use crate::git::Repo;

/// The version that is read and written.
const VERSION: u64 = 1;

/// Bytes of a file that are read at most.
const LIMIT: u64 = 16 << 20;

/// One line as it is written.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    version: u64,
    kind: &'a str,
    path: &'a str,
}

impl Workspace {
    /// The workspace that a declarations file names. Each line is a JSON object with `version` (1), `kind` (`repo` or
    /// `file`) and `path` (absolute): a repository with all its uncommitted work, or one file outside of the
    /// declared repositories. Blank lines do not count, fields that are not known here are passed over, and saying
    /// something twice is the same as once; so is a file in a repository that is declared, too.
    ///
    /// A declaration of another version or kind, and one of something that is not there, is listed by
    /// [`left_out`](Self::left_out), and the others count.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidArgument`] with the number of the line for anything that is no declaration:
    /// text that is not UTF-8 or not a JSON object, a field that is missing or of another type, a path that is not
    /// absolute.
    ///
    /// ```
    /// # let (dir, laptop, _) = handoff_core::testing::laptop_and_cloud()?;
    /// # let list = dir.path().join("declarations.jsonl");
    /// use handoff_core::Workspace;
    ///
    /// let line = format!("{{\"version\":1,\"kind\":\"repo\",\"path\":\"{}\"}}\n", laptop.display());
    /// std::fs::write(&list, line)?;
    /// let workspace = Workspace::from_declarations(&list)?;
    /// assert_eq!(workspace.repos()[0].name, "laptop");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_declarations(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let reading = |why| Error::io("reading", path, why);
        let size = std::fs::metadata(path).map_err(reading)?.len();
        if size > LIMIT {
            let what = format!("the size of {}", path.display());
            return Err(Error::Limit { what, limit: LIMIT, found: size });
        }
        let text = std::fs::read(path).map_err(reading)?;
        let mut found = Found::default();
        let mut files = BTreeSet::new();
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let declared = parse(line).map_err(|why| Error::InvalidArgument {
                argument: "declarations",
                why: format!("line {} of {} {why}; mend it or take it out", number + 1, path.display()),
            })?;
            match declared {
                Declared::Repository(path) => found.declared(path),
                Declared::File(path) => _ = files.insert(path),
                Declared::Unknown(path, reason) => found.leave(path, reason),
            }
        }
        for path in files {
            match file(&path) {
                Place::File(real) if found.repos.iter().any(|root| real.starts_with(root)) => {}
                Place::File(real) => _ = found.files.insert(real),
                // What is gone from a repository is that repository's deletion.
                Place::Nothing(LeftOutReason::Missing)
                    if found.repos.iter().any(|root| path.starts_with(root)) => {}
                Place::Nothing(reason) => found.leave(path, reason),
                Place::Repository(_) => {}
            }
        }
        Ok(found.into_workspace())
    }

    /// This workspace as a declarations file. Logical names are no part of it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming a path that is not UTF-8, which the format cannot hold.
    ///
    /// ```
    /// # let (_dir, laptop, _) = handoff_core::testing::laptop_and_cloud()?;
    /// use handoff_core::Workspace;
    ///
    /// let text = Workspace::new([&laptop])?.to_declarations()?;
    /// assert!(text.starts_with("{\"version\":1,\"kind\":\"repo\",\"path\":\"/"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_declarations(&self) -> Result<String, Error> {
        let repos = self.repos().iter().map(|repo| ("repo", &repo.root));
        let files = self.loose_files().iter().map(|file| ("file", &file.path));
        let mut out = String::new();
        for (kind, path) in repos.chain(files) {
            let invalid = |why: &str| Error::InvalidArgument {
                argument: "workspace",
                why: format!("holds {}, {why}", path.display()),
            };
            let path = path.to_str().ok_or_else(|| invalid("which is not UTF-8; rename it"))?;
            let line = Line { version: VERSION, kind, path };
            out.push_str(&serde_json::to_string(&line).map_err(|why| invalid(&why.to_string()))?);
            out.push('\n');
        }
        Ok(out)
    }
}

enum Declared {
    Repository(PathBuf),
    File(PathBuf),
    Unknown(PathBuf, LeftOutReason),
}

/// One line, or what is wrong with it.
fn parse(line: &[u8]) -> Result<Declared, String> {
    let line: Value = serde_json::from_slice(line).map_err(|why| format!("is not JSON ({why})"))?;
    let text = |field: &str| {
        let value = line.get(field).ok_or_else(|| format!("has no {field:?}"))?;
        value.as_str().ok_or_else(|| format!("has a {field:?} that is not text"))
    };
    let version = line.get("version").ok_or("has no \"version\"")?;
    let version = version.as_u64().ok_or("has a \"version\" that is not a number")?;
    if version != VERSION {
        // Another version may call its fields otherwise.
        let path = line.get("path").and_then(Value::as_str).unwrap_or_default();
        return Ok(Declared::Unknown(path.into(), LeftOutReason::UnknownVersion));
    }
    let (kind, path) = (text("kind")?, PathBuf::from(text("path")?));
    if !path.is_absolute() {
        return Err("has a path that is not absolute".into());
    }
    Ok(match kind {
        "repo" => Declared::Repository(path),
        "file" => Declared::File(path),
        _ => Declared::Unknown(path, LeftOutReason::UnknownKind),
    })
}

impl Found {
    fn declared(&mut self, path: PathBuf) {
        match Repo::discover(&path) {
            Ok(repo) if too_wide(repo.root()).is_some() => self.leave(path, LeftOutReason::TooWide),
            Ok(repo) => _ = self.repos.insert(repo.root().to_owned()),
            Err(Error::NotARepository { .. }) => self.leave(path, LeftOutReason::NotARepository),
            Err(Error::BareRepository { .. }) => self.leave(path, LeftOutReason::BareRepository),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.leave(path, LeftOutReason::Missing);
            }
            Err(_) => self.leave(path, LeftOutReason::Unreadable),
        }
    }
}
