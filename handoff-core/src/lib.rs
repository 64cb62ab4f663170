//! Move an AI agent's uncommitted work between machines without losing a byte of it.
//!
//! An agent's work is in files that nobody has committed yet. This crate takes the uncommitted state of one or
//! more git checkouts as an immutable [`Snapshot`], carries it in one file, and applies it to other checkouts
//! that may have moved on meanwhile, with a report on every path.
//!
//! Two promises govern every decision:
//!
//! 1. **Nothing is lost silently.** Every changed path is an [`Entry`](snapshot::Entry) of the snapshot, or an
//!    [`Omission`](snapshot::Omission) with the reason, and ends exactly once in the [`ApplyReport`].
//! 2. **Status is what is on disk.** A path is called applied only after the bytes at the target were hashed
//!    again. No status is parsed from another tool's prose.
//!
//! # In one breath
//!
//! ```
//! use handoff_core::{ApplyOptions, CaptureOptions, Control, Snapshot, Verdict, Workspace};
//! use handoff_core::{apply, capture, undo};
//! # let (dir, laptop, cloud) = handoff_core::testing::laptop_and_cloud()?;
//! # let file = dir.path().join("work.handoff");
//!
//! // On one machine: everything uncommitted, into one file. Nothing in the checkout is touched.
//! let snapshot = capture(&Workspace::new([&laptop])?, &CaptureOptions::default())?;
//! snapshot.save(&file)?;
//!
//! // On another: applied, with a report on each path.
//! let there = Workspace::new([&cloud])?;
//! let report = apply(&Snapshot::open(&file)?, &there, &ApplyOptions::default())?;
//! assert_eq!(report.verdict, Verdict::Complete);
//! println!("{report}");
//!
//! // Not what was wanted: back as it was.
//! let id = report.apply_id.expect("something was written");
//! undo(&there, &id, &Control::default())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The way through
//!
//! - [`Workspace`] names the checkouts that belong together, and files outside of them; [`Workspace::discover`] finds them
//!   from the paths that an agent wrote.
//! - [`plan`] lists what would travel, with sizes, before any content is read: for consent.
//! - [`capture`] takes it. Limits, exclusions, deadline, progress and cancellation are in [`CaptureOptions`].
//! - [`Snapshot`] is the result: [`entries`](Snapshot::entries), [`omissions`](Snapshot::omissions),
//!   [`read`](Snapshot::read), [`diff`](Snapshot::diff), [`save`](Snapshot::save), [`open`](Snapshot::open).
//! - [`preview`] says what an apply would do, without writing; [`apply`] does it. Both share one planner.
//!   [`ApplyOptions`] decides about conflicts, staged state and durability.
//! - [`ApplyReport`] is the truth about it: [`Display`](std::fmt::Display) is a bounded text that an agent can act
//!   on, its JSON form is complete.
//! - [`undo`] puts back what an apply replaced, where it was not edited since.
//!
//! # What `Err` means
//!
//! [`Error`] means that nothing could be done. Trouble with one path, repository or blob is data in the snapshot
//! or report, and the rest goes on. [`ErrorKind`] is a stable name for each kind of error.
//!
//! # Essays
//!
//! The [`docs`] module holds the guide, the file format and the limits, as they are in the repository.

mod access;
mod agent;
mod apply;
mod budget;
mod capture;
mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod conversation;
mod digest;
mod environment;
mod error;
mod git;
mod handoff;
mod id;
mod join;
mod lease;
mod log;
mod names;
mod notify;
mod path;
mod policy;
mod progress;
mod record;
mod report;
mod rooted;
pub mod run;
pub mod runtime;
pub mod secrets;
pub mod snapshot;
pub mod storage;
#[doc(hidden)]
pub mod testing;
mod text;
mod workspace;

pub use access::{ContinueDecision, ContinueQuery, LeaseState, Owner, Relation, decide};
pub use agent::{
    ActiveSession, Agent, AgentError, AgentInfo, AgentKind, CommandAgent, SessionEnd, SessionFacts,
    SessionHost,
};
pub use apply::{
    ApplyHistory, ApplyOptions, Durability, OnConflict, Staging, SymlinkPolicy, apply, preview, undo,
};
pub use budget::{Budget, Usage};
pub use capture::{
    AllowSecret, Bases, CaptureHistory, CaptureOptions, CapturePlan, OnCancel, PlannedChange, PlannedFile,
    PlannedHistory, RepoPlan, SecretRules, capture, plan,
};
pub use clock::{Clock, SystemClock};
pub use conversation::{Attachment, ConversationHead, ForkPoint, Message, Role};
pub use digest::{Digest, Hasher, ParseIdError};
pub use environment::{Environment, EnvironmentRepo};
pub use error::{Error, ErrorKind};
pub use handoff::*;
pub use id::{
    ActorId, ApplyId, ConversationId, EnvironmentId, MessageId, ObjectFormat, Oid, OpId, RunId, SessionId,
    SnapshotId, TeamId,
};
pub use notify::{NoNotify, Notice, Notify};
pub use path::RelPath;
pub use policy::{OpenPolicy, Policy};
pub use progress::{CancelToken, Control, Phase, Progress, ProgressFn};
pub use report::*;
pub use run::{Origin, Run, RunState, Session, SessionState};
pub use runtime::{
    Checkouts, LocalRuntime, Place, QueueRuntime, RunSession, Runtime, RuntimeError, SessionSpec, WhenEmpty,
    WorkOptions,
};
pub use snapshot::{Manifest, Snapshot};
pub use storage::{DirStorage, Key, MemoryStorage, Meta, PutNew, Storage, StorageError};
pub use workspace::{LeftOut, LeftOutReason, LooseFile, Touched, Workspace, WorkspaceRepo};

/// Long texts, versioned with the code they describe.
pub mod docs {
    #[doc = include_str!("../docs/guide.md")]
    pub mod guide {}
    #[doc = include_str!("../docs/limits.md")]
    pub mod limits {}
    #[doc = include_str!("../docs/wire-format.md")]
    pub mod wire_format {}
}

/// The README's code is compiled with the documentation tests, so that it stays true.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
