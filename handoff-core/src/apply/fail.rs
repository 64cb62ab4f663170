//! Named points between the steps of an apply, at which tests let it die as if the power went.

/// Dies here when a test says so; nothing otherwise.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn point(_: &'static str) {}

#[cfg(test)]
pub(super) use armed::{Died, arm, disarm, point};

#[cfg(test)]
mod armed {
    use std::cell::Cell;

    thread_local! {
        static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// The panic's payload.
    #[derive(Debug)]
    pub(in crate::apply) struct Died(pub &'static str);

    /// Lets the calling thread die at the point after the next `points`.
    pub(in crate::apply) fn arm(points: u64) {
        LEFT.set(Some(points));
    }

    /// Lets it live. Returns whether it was still armed, that is, there were fewer points.
    pub(in crate::apply) fn disarm() -> bool {
        LEFT.take().is_some()
    }

    pub(in crate::apply) fn point(name: &'static str) {
        match LEFT.get() {
            None => {}
            Some(0) => {
                LEFT.set(None);
                std::panic::panic_any(Died(name));
            }
            Some(left) => LEFT.set(Some(left - 1)),
        }
    }
}
