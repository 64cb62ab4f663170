//! What a snapshot does not carry, and why.

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::names::names;
use crate::path::RelPath;

/// A changed path, or a directory full of them, that is not carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Omission {
    /// How many files this stands for, when it is a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The line of the first secret, from 1, in the form git stores; a staged version's where only that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The path; a directory ends in `/`.
    pub path: RelPath,
    /// Why.
    pub reason: OmissionReason,
    /// The rule that decided, where several could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Bytes not carried, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Omission {
    /// What omissions are sorted by: path, reason, rule, each as it is written.
    pub(crate) fn order(&self) -> (&RelPath, &str, Option<&str>) {
        (&self.path, self.reason.as_str(), self.rule.as_deref())
    }
}

names! {
    /// Why a changed path is not carried.
    OmissionReason {
        /// Ignored by git and not asked for.
        Ignored = "ignored",
        /// Its name says that it holds secrets.
        SecretName = "secret_name",
        /// Its content looks like a secret.
        SecretContent = "secret_content",
        /// Larger than the limit for one file.
        TooLarge = "too_large",
        /// The limit for the whole snapshot was reached.
        OverBudget = "over_budget",
        /// A pipe, socket or device.
        SpecialFile = "special_file",
        /// It could not be read.
        Unreadable = "unreadable",
        /// It kept changing.
        Unstable = "unstable",
        /// Excluded by the caller.
        Excluded = "excluded",
        /// A submodule that is not checked out.
        SubmoduleUninitialised = "submodule_uninitialised",
        /// State of an operation under way. Reserved: no capture of this version writes it, since an operation is told
        /// of once for its repository ([`RepoManifest::operation`](super::RepoManifest::operation)).
        OperationState = "operation_state",
        /// The deadline passed first.
        Deadline = "deadline",
        /// The capture was cancelled first.
        Cancelled = "cancelled",
        /// It vanished between being found and being read.
        Vanished = "vanished",
    }
}
