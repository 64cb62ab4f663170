//! What became of commits that the source had not pushed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::names;

/// What became of a repository's unpushed commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryReport {
    /// The branch that the checkout was put on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How many there are.
    pub commits: u64,
    /// More for people: about the reason, or how to have the commits in the branch that is checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What became of them.
    pub outcome: HistoryOutcome,
    /// Why they are not where they were asked to be: a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

names! {
    /// What became of unpushed commits.
    HistoryOutcome {
        /// The snapshot has them; nobody asked for them.
        NotAsked = "not_asked",
        /// The target has them.
        Present = "present",
        /// They are in the target's object database, every id computed anew; no ref names them.
        Stored = "stored",
        /// They are here, and the checkout is at the snapshot's commit, on its branch.
        Moved = "moved",
        /// The snapshot does not carry them; see `reason`.
        NotCaptured = "not_captured",
        /// They could not be taken; see `reason`.
        Failed = "failed",
    }
}

impl HistoryReport {
    pub(crate) fn new(commits: u64, outcome: HistoryOutcome) -> Self {
        Self { branch: None, commits, message: None, outcome, reason: None }
    }

    /// Whether something that was asked for is not there.
    pub(crate) fn is_lacking(&self) -> bool {
        self.reason.is_some()
    }
}

impl fmt::Display for HistoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count =
            if self.commits == 1 { "1 commit".to_owned() } else { format!("{} commits", self.commits) };
        match self.outcome.as_str() {
            "not_asked" => write!(
                f,
                "{count} not pushed at the source came with the snapshot; apply with history to have them"
            ),
            "present" if self.commits == 0 => write!(f, "this checkout stays at its own commit"),
            "present" => write!(f, "{count} not pushed at the source; they are here"),
            "moved" if self.commits == 0 => write!(f, "this checkout was put on the source's commit"),
            "moved" => {
                write!(f, "{count} not pushed at the source; this checkout was put on the last of them")
            }
            "stored" => write!(f, "{count} not pushed at the source were stored here"),
            _ if self.reason.as_deref() == Some("no_remote") => {
                write!(f, "the source's commits did not come")
            }
            _ => write!(f, "{count} not pushed at the source did not come"),
        }?;
        self.message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
    }
}
