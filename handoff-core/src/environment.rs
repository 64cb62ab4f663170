//! Where a run executes: its repositories and the models it offers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::EnvironmentId;
use crate::snapshot::Extra;

/// A place where sessions can run, as its [`Runtime`](crate::Runtime) describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// The repositories it checks out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repos: Vec<EnvironmentRepo>,
    /// Models it can offer; empty means that it does not say, and any is tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Variables set for the agent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Environment {
    /// An environment without repositories.
    pub fn new(id: EnvironmentId) -> Self {
        Self { id, repos: Vec::new(), models: Vec::new(), variables: BTreeMap::new(), extra: Extra::new() }
    }

    /// With one more repository, checked out as `name` from `source`.
    #[must_use]
    pub fn with_repo(mut self, name: impl Into<String>, source: impl Into<String>) -> Self {
        self.repos.push(EnvironmentRepo {
            name: name.into(),
            source: source.into(),
            reference: None,
            extra: Extra::new(),
        });
        self
    }
}

/// One repository of an [`Environment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EnvironmentRepo {
    /// The directory it is checked out as; also matched against a snapshot's repositories when identities do not tell.
    pub name: String,
    /// Where it is cloned from: a URL or a path, which may be relative to the directory of the process that clones.
    pub source: String,
    /// The branch, tag or commit that is checked out; absent means the source's default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
