//! Operations that panic, in each place where one can: with them the tests of both languages show that a defect of ours
//! becomes an error and ends nothing. Absent from what is released, and from [`operations`](super::operations) always.

use super::{Ended, off_thread};
use crate::operation::OnCancel;
use crate::{BoxFuture, Reply};

pub fn begin(op: &str) -> Option<(OnCancel, BoxFuture<'static, Ended>)> {
    let off = async { off_thread(|| Ok(panics::<Reply>("on a thread of its own"))).await };
    match op {
        "defect.begin" => panics("before anything is begun"),
        "defect.poll" => Some((OnCancel::Dropped, Box::pin(async { panics("where a future is polled") }))),
        "defect.block" => Some((OnCancel::Heeds, Box::pin(async { panics("where work blocks") }))),
        "defect.off_thread" => Some((OnCancel::Dropped, Box::pin(off))),
        _ => None,
    }
}

#[allow(clippy::panic, reason = "what it is for")]
fn panics<T>(place: &str) -> T {
    panic!("a defect that a test asked for, {place}")
}
