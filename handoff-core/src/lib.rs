//! Move an AI agent's uncommitted work between machines.

mod apply;
mod capture;
mod digest;
mod error;
mod git;
mod id;
mod names;
mod path;
mod progress;
mod report;
mod rooted;
pub mod snapshot;
#[doc(hidden)]
pub mod testing;
mod text;
mod workspace;

pub use apply::{ApplyOptions, Durability, OnConflict, Staging, SymlinkPolicy, apply, preview, undo};
pub use capture::{Bases, CaptureOptions, CapturePlan, PlannedChange, PlannedFile, RepoPlan, capture, plan};
pub use digest::{Digest, Hasher, ParseIdError};
pub use error::{Error, ErrorKind};
pub use id::{ApplyId, ObjectFormat, Oid, SnapshotId};
pub use path::RelPath;
pub use progress::{CancelToken, Control, Phase, Progress, ProgressFn};
pub use report::*;
pub use snapshot::{Manifest, Snapshot};
pub use workspace::{Workspace, WorkspaceRepo};
