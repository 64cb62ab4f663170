//! What reading gives.

use crate::capture::settle::Watch;
use crate::error::Error;
use crate::snapshot::{Entry, Omission, PartialReason};

/// Why reading stops: the trouble of this repository, or of the capture as a whole.
pub(in crate::capture) enum Stop {
    Repository(Error),
    Capture(Error),
}

impl From<Error> for Stop {
    fn from(why: Error) -> Self {
        if matches!(why, Error::Cancelled) { Self::Capture(why) } else { Self::Repository(why) }
    }
}

impl Stop {
    /// The trouble, where there is no repository that it could be the trouble of.
    pub fn into_error(self) -> Error {
        let (Self::Repository(why) | Self::Capture(why)) = self;
        why
    }
}

/// What became of a candidate.
pub(in crate::capture) enum Outcome {
    Unchanged,
    Entry(Box<Entry>),
    Omission(Omission),
}

/// What reading a candidate gave.
pub(in crate::capture) struct Read {
    pub outcome: Outcome,
    /// Bytes of content added for it, all layers together.
    pub bytes: u64,
    /// It is to be looked at again.
    pub watch: Option<Watch>,
    /// The walk saw it, and nothing was there any more.
    pub gone: bool,
    /// Why it was not read.
    pub cut: Option<PartialReason>,
}

impl From<Outcome> for Read {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, bytes: 0, watch: None, gone: false, cut: None }
    }
}
