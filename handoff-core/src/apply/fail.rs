//! Named points between the steps of an apply, at which tests let it die as if the power went.

/// Dies here when a test says so; nothing otherwise.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn point(_: &'static str) {}

/// Whether two files may be exchanged, as far as tests allow it.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn may_exchange() -> bool {
    true
}

#[cfg(test)]
pub(super) use armed::{Died, arm, at, disarm, may_exchange, point, without_exchange};

#[cfg(test)]
mod armed {
    use std::cell::{Cell, RefCell};

    type Deed = (&'static str, Box<dyn FnMut()>);

    thread_local! {
        static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
        static DEED: RefCell<Option<Deed>> = const { RefCell::new(None) };
        static EXCHANGE: Cell<bool> = const { Cell::new(true) };
    }

    /// Does `deed` each time the calling thread passes the point `name`, while `work` runs.
    pub(in crate::apply) fn at<R>(
        name: &'static str,
        deed: impl FnMut() + 'static,
        work: impl FnOnce() -> R,
    ) -> R {
        DEED.set(Some((name, Box::new(deed))));
        let result = work();
        DEED.set(None);
        result
    }

    /// Runs `work` as on a file system that cannot exchange two files.
    pub(in crate::apply) fn without_exchange<R>(work: impl FnOnce() -> R) -> R {
        EXCHANGE.set(false);
        let result = work();
        EXCHANGE.set(true);
        result
    }

    pub(in crate::apply) fn may_exchange() -> bool {
        EXCHANGE.get()
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
        DEED.with_borrow_mut(|deed| {
            if let Some((at, deed)) = deed
                && *at == name
            {
                deed();
            }
        });
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
