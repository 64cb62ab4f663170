//! The life of runs, end to end, on real repositories.

mod stage;
mod story;
