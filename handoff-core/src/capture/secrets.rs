//! What a caller says about secrets, and what follows from it for one path.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::sync::Arc;

use super::read::omission;
use super::scan::{Candidate, Disk, Nested};
use super::{AllowSecret, CaptureOptions};
use crate::error::Error;
use crate::git::{NORMALISE_LIMIT, Patterns};
use crate::path::RelPath;
use crate::secrets::{Found, SecretScanner, Stream, names, rules};
use crate::snapshot::{Extra, Omission, OmissionReason};

/// The rules of one capture.
pub(super) struct Secrets<'a> {
    scanners: &'a [Arc<dyn SecretScanner>],
    disabled: &'a [String],
    /// The caller's own patterns of names.
    names: Option<Patterns>,
    /// By path.
    allowed: HashMap<&'a RelPath, Vec<&'a AllowSecret>>,
}

/// What the name of a path means.
pub(super) enum Named {
    /// It may travel; these rules would have kept it and the caller allowed it.
    Travels(Vec<String>),
    Omitted(Omission),
}

/// What was found in a content. Where it is, never what it is.
#[derive(Default)]
pub(super) struct Looked {
    /// In order; of rules that are not set aside.
    pub found: Vec<Found>,
    /// Rules that found something and were set aside for this path.
    pub allowed: BTreeSet<String>,
}

impl<'a> Secrets<'a> {
    pub fn new(options: &'a CaptureOptions) -> Result<Self, Error> {
        let said = &options.secret_rules;
        let invalid = |argument, why| Err(Error::InvalidArgument { argument, why });
        if let Some(empty) = said.names.iter().find(|pattern| pattern.trim().is_empty()) {
            let why = format!("holds the pattern {empty:?}, which matches nothing; leave it out");
            return invalid("secret_rules.names", why);
        }
        // The ids of foreign scanners are not known, so with one any id may be right.
        let known =
            |id: &str| names::all().any(|name| name == id) || rules().iter().any(|rule| rule.id == id);
        if let Some(unknown) = said.disabled.iter().find(|id| said.scanners.is_empty() && !known(id)) {
            return invalid("secret_rules.disabled", format!("there is no rule {unknown:?}"));
        }
        let mut allowed: HashMap<_, Vec<_>> = HashMap::new();
        for allow in &options.allow_secrets {
            allowed.entry(&allow.path).or_default().push(allow);
        }
        let names = (!said.names.is_empty()).then(|| Patterns::new(&said.names));
        Ok(Self { scanners: &said.scanners, disabled: &said.disabled, names, allowed })
    }

    /// Whether the caller has switched the rule off.
    fn is_disabled(&self, rule: &str) -> bool {
        self.disabled.iter().any(|disabled| disabled == rule)
    }

    /// Whether the caller lets this path travel in spite of this rule.
    fn is_allowed(&self, repo: &str, path: &RelPath, rule: &str) -> bool {
        self.allowed.get(path).is_some_and(|allowed| {
            allowed
                .iter()
                .any(|allow| allow.rule == rule && allow.repo.as_ref().is_none_or(|name| name == repo))
        })
    }

    /// Judges the name of a path that is not committed. What is committed is no news to whoever has the
    /// repository, so that only its new content is looked at.
    pub fn by_name(&self, repo: &str, candidate: &Candidate) -> Named {
        let is_dir = matches!(candidate.disk, Disk::EmptyDir) && candidate.index.is_none();
        if candidate.head.is_some() || !candidate.stages.is_empty() || is_dir {
            return Named::Travels(Vec::new());
        }
        match self.name(repo, &candidate.path) {
            Ok(allowed) => Named::Travels(allowed),
            Err(rule) => {
                let size = Some(candidate.bytes()).filter(|bytes| *bytes > 0);
                Named::Omitted(omission(candidate, OmissionReason::SecretName, Some(rule), size))
            }
        }
    }

    /// The rule that keeps a new file of this name at home, or else those that would have and were set aside.
    pub fn name(&self, repo: &str, path: &RelPath) -> Result<Vec<String>, String> {
        let rules = self.names(path.as_bytes());
        match rules.iter().find(|rule| !self.is_allowed(repo, path, rule)) {
            Some(rule) => Err(rule.clone()),
            None => Ok(rules),
        }
    }

    /// Looks at `content` of `path` for up to `most` secrets that are not set aside.
    pub fn look(&self, repo: &str, path: &RelPath, most: usize, content: &[u8]) -> Looked {
        let mut allowed = BTreeSet::new();
        let found = Stream::new(self.scanners, self.wanted(repo, path, &mut allowed), most).of(content);
        Looked { found, allowed }
    }

    /// Every secret in `content`, whatever the caller says.
    pub fn all(&self, content: &[u8]) -> Vec<Found> {
        Stream::new(self.scanners, |_: &str| true, usize::MAX).of(content)
    }

    /// Passes `source` to `sink`, looking at what is read. With `most` secrets found, reading fails, and what `sink`
    /// makes of that is of no interest.
    pub fn watch<T>(
        &self,
        repo: &str,
        path: &RelPath,
        most: usize,
        source: &mut (dyn Read + Send),
        sink: impl FnOnce(&mut (dyn Read + Send)) -> T,
    ) -> (T, Looked) {
        let mut allowed = BTreeSet::new();
        let (done, found) = {
            let stream = Stream::new(self.scanners, self.wanted(repo, path, &mut allowed), most);
            let mut looking = Looking { source, stream, seen: 0, text: true };
            let done = sink(&mut looking);
            (done, looking.stream.finish())
        };
        (done, Looked { found, allowed })
    }

    /// Which findings count: those of rules that are neither disabled nor allowed here.
    fn wanted(&self, repo: &str, path: &RelPath, allowed: &mut BTreeSet<String>) -> impl FnMut(&str) -> bool {
        |rule| {
            if self.is_allowed(repo, path, rule) {
                allowed.insert(rule.to_owned());
                return false;
            }
            !self.is_disabled(rule)
        }
    }

    /// Takes untracked repositories in directories of secrets from `nested`, and returns an omission for each.
    pub fn repositories(&self, repo: &str, nested: &mut Vec<Nested>) -> Vec<Omission> {
        let mut out = Vec::new();
        nested.retain(|nested| {
            if nested.is_submodule {
                return true;
            }
            let path = RelPath::new([nested.path.as_bytes(), b"/"].concat());
            let rule =
                self.names(path.as_bytes()).into_iter().find(|rule| !self.is_allowed(repo, &path, rule));
            let Some(rule) = rule else { return true };
            out.push(Omission {
                count: None,
                line: None,
                path,
                reason: OmissionReason::SecretName,
                rule: Some(rule),
                size: None,
                extra: Extra::new(),
            });
            false
        });
        out
    }

    fn names(&self, path: &[u8]) -> Vec<String> {
        let ours = names::names_of(path).filter(|rule| !self.is_disabled(rule)).map(str::to_owned);
        ours.chain(self.names.as_ref().and_then(|names| names.matching(path))).collect()
    }
}

/// A reader that looks at what it hands on.
struct Looking<'a, F> {
    source: &'a mut (dyn Read + Send),
    stream: Stream<'a, F>,
    seen: u64,
    text: bool,
}

impl<F: FnMut(&str) -> bool> Read for Looking<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let piece = buffer.get(..count).unwrap_or_default();
        if self.seen == 0 {
            self.text = !piece.iter().take(8000).any(|byte| *byte == 0);
        }
        self.seen += count as u64;
        // Disk images, archives and the like are no place where a secret is written in clear by mistake, and are
        // the largest files of all, so only their beginning is looked at.
        if self.text || self.seen <= NORMALISE_LIMIT {
            self.stream.feed(piece);
        }
        if self.stream.is_full() {
            return Err(io::Error::other("it holds a secret"));
        }
        Ok(count)
    }
}
