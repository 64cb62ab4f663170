//! A fork while other threads are at work: it waits until they hold no lock, so that none stays locked in the child. While
//! it holds them it may lose the GIL to another thread; so nobody waits for one of them with the GIL, see `start`.

use std::cell::RefCell;

use pyo3::prelude::*;

use crate::{executor, gate};

thread_local! {
    /// What the thread that forks holds meanwhile.
    static HELD: RefCell<Option<Box<dyn std::any::Any>>> = const { RefCell::new(None) };
}

/// Called before a fork.
#[pyfunction]
pub fn before_fork() {
    let locks = (executor::lock(), handoff_bridge::locks());
    HELD.with_borrow_mut(|held| *held = Some(Box::new(locks)));
}

/// Called after it, in the parent.
#[pyfunction]
pub fn after_fork_in_parent() {
    drop(HELD.take());
}

/// Called after it, in the child.
#[pyfunction]
pub fn after_fork_in_child() {
    drop(HELD.take());
    gate::forked();
}
