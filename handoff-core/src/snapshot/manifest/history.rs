//! Commits that are nowhere but in the source.

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::digest::Digest;
use crate::id::Oid;
use crate::names::names;
use crate::path::RelPath;

/// The commits that HEAD reaches and no remote-tracking ref does, with all that is new in them. Their objects are in
/// [`parts`](Self::parts), unless [`cut`](Self::cut) says why they are not: they travel whole or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct History {
    /// How many commits there are; at least so many where counting was given up, 0 where it was not begun.
    pub commits: u64,
    /// Why they are not carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<HistoryCut>,
    /// The objects, oldest commits first. Each part builds on those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<HistoryPart>,
    /// The commits that the carried ones build on, which a target must have; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<Oid>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Some of the objects, as one content of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryPart {
    /// The SHA-256 of the content.
    pub blob: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl HistoryPart {
    pub(crate) fn new(blob: Digest, size: u64) -> Self {
        Self { blob, size, extra: Extra::new() }
    }
}

/// Why unpushed commits stayed at home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryCut {
    /// The commit that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Oid>,
    /// The file in that commit that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RelPath>,
    /// The reason.
    pub reason: HistoryCutReason,
    /// For secrets, the rule; never anything of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl HistoryCut {
    pub(crate) fn new(reason: HistoryCutReason) -> Self {
        Self { commit: None, path: None, reason, rule: None, extra: Extra::new() }
    }
}

names! {
    /// Why unpushed commits are not carried.
    HistoryCutReason {
        /// More than [`CaptureOptions::max_history_commits`](crate::CaptureOptions::max_history_commits).
        TooManyCommits = "too_many_commits",
        /// More bytes than [`CaptureOptions::max_history_bytes`](crate::CaptureOptions::max_history_bytes), or one
        /// object of more than 32 MiB.
        TooLarge = "too_large",
        /// A commit adds a file whose name is that of a secret.
        SecretName = "secret_name",
        /// A commit adds what looks like a secret, or its message or another of its own lines does (then without a
        /// path).
        SecretContent = "secret_content",
        /// Objects are missing or cannot be read.
        Unreadable = "unreadable",
        /// The capture ended early.
        Deadline = "deadline",
        /// There is no remote-tracking ref, so nothing tells which commits are anywhere else. They are not counted:
        /// `commits` is 0. [`CaptureHistory::All`](crate::CaptureHistory::All) carries all of them.
        NoRemote = "no_remote",
    }
}
