//! Every operation, in one table. Each file has those of one noun.

mod apply;
mod capture;
mod secrets;
mod snapshot;
mod workspace;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::args::Args;
use crate::failure::Failure;
use crate::foreign::BoxFuture;
use crate::operation::{Context, Reply};

/// An operation's name and arguments.
#[derive(Debug, Clone, Copy)]
pub struct OpInfo {
    /// The name: a verb, or a noun and a verb.
    pub name: &'static str,
    /// The names of its arguments; those that may be left out end with `?`.
    pub args: &'static [&'static str],
}

/// An operation.
pub(crate) struct Op {
    pub(crate) info: OpInfo,
    /// Reads the arguments; what is left is the work.
    pub(crate) begin: fn(Args) -> Result<Work, Failure>,
}

type Outcome = Result<Reply, Failure>;

/// What is left to do once the arguments are read.
pub(crate) enum Work {
    /// Disk and CPU, on a thread of its own. It watches the context's token itself.
    Block(Box<dyn FnOnce(&Context) -> Outcome + Send>),
    /// Somebody else's service. Dropped when the operation is cancelled.
    Poll(Box<dyn FnOnce(Context) -> BoxFuture<'static, Outcome> + Send>),
    /// The same, but never dropped: it sees to it itself that it ends soon after the operation is cancelled.
    PollToEnd(Box<dyn FnOnce(Context) -> BoxFuture<'static, Outcome> + Send>),
}

impl Work {
    pub(crate) fn block(work: impl FnOnce(&Context) -> Outcome + Send + 'static) -> Self {
        Self::Block(Box::new(work))
    }

    pub(crate) fn poll<F>(work: impl FnOnce(Context) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self::Poll(Box::new(move |context| Box::pin(work(context))))
    }

    pub(crate) fn poll_to_end<F>(work: impl FnOnce(Context) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self::PollToEnd(Box::new(move |context| Box::pin(work(context))))
    }
}

/// Declares one operation.
pub(crate) const fn op(
    name: &'static str,
    args: &'static [&'static str],
    begin: fn(Args) -> Result<Work, Failure>,
) -> Op {
    Op { info: OpInfo { name, args }, begin }
}

/// The operations, by file.
static TABLES: &[&[Op]] = &[workspace::OPS, capture::OPS, snapshot::OPS, apply::OPS, secrets::OPS];

static INFOS: LazyLock<Vec<OpInfo>> = LazyLock::new(|| {
    let mut infos: Vec<_> = TABLES.iter().flat_map(|table| table.iter()).map(|op| op.info).collect();
    infos.sort_by_key(|info| info.name);
    infos
});

static BY_NAME: LazyLock<HashMap<&'static str, &'static Op>> =
    LazyLock::new(|| TABLES.iter().flat_map(|table| table.iter()).map(|op| (op.info.name, op)).collect());

/// Every operation with its arguments, in order of name.
pub fn operations() -> &'static [OpInfo] {
    &INFOS
}

pub(crate) fn find(name: &str) -> Result<&'static Op, Failure> {
    BY_NAME.get(name).copied().ok_or_else(|| {
        Failure::argument("op", format!("is {name:?}, which is no operation of this version; update handoff"))
    })
}
