//! What a caller says about secrets, and what follows from it for one path.

use std::collections::HashMap;
use std::sync::Arc;

use super::read::omission;
use super::scan::{Candidate, Nested};
use super::{AllowSecret, CaptureOptions};
use crate::error::Error;
use crate::git::Patterns;
use crate::path::RelPath;
use crate::secrets::{SecretScanner, names, rules};
use crate::snapshot::{Extra, Omission, OmissionReason};

/// The rules of one capture.
pub(super) struct Secrets<'a> {
    pub scanners: &'a [Arc<dyn SecretScanner>],
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
    pub fn is_disabled(&self, rule: &str) -> bool {
        self.disabled.iter().any(|disabled| disabled == rule)
    }

    /// Whether the caller lets this path travel in spite of this rule.
    pub fn is_allowed(&self, repo: &str, path: &RelPath, rule: &str) -> bool {
        self.allowed.get(path).is_some_and(|allowed| {
            allowed
                .iter()
                .any(|allow| allow.rule == rule && allow.repo.as_ref().is_none_or(|name| name == repo))
        })
    }

    /// Judges the name of a path that is not committed. What is committed is no news to whoever has the
    /// repository, so that only its new content is looked at.
    pub fn by_name(&self, repo: &str, candidate: &Candidate) -> Named {
        let mut allowed = Vec::new();
        if candidate.head.is_some() || !candidate.stages.is_empty() {
            return Named::Travels(allowed);
        }
        for rule in self.names(candidate.path.as_bytes()) {
            if !self.is_allowed(repo, &candidate.path, &rule) {
                let size = Some(candidate.bytes()).filter(|bytes| *bytes > 0);
                return Named::Omitted(omission(candidate, OmissionReason::SecretName, Some(rule), size));
            }
            allowed.push(rule);
        }
        Named::Travels(allowed)
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
