//! What the tests stand on: fixtures, oracles, and the driver for runs in another process.

pub mod driver;
pub mod git;
pub mod kinds;
pub mod oracle;
pub mod purity;
pub mod repo;
pub mod rights;
pub mod scene;
pub mod settings;
pub mod snapshot;
pub mod states;
pub mod trace;
