//! What each step of a scenario calls.

mod hub;
mod runs;
mod stored;
mod work;

use crate::given::Given;
use crate::world::{Ended, World};

pub async fn step(verb: &str, world: &World<'_>, given: &mut Given<'_>) -> Ended {
    match verb.split_once('.').map_or(verb, |(noun, _)| noun) {
        "workspace" | "plan" | "capture" | "preview" | "apply" | "undo" | "snapshot" | "secrets" => {
            work::step(verb, world, given)
        }
        "storage" | "snapshots" | "conversations" | "conversation" => stored::step(verb, world, given).await,
        "port" | "agent" | "runtime" | "work" => runs::step(verb, world, given).await,
        "handoff" => hub::step(verb, world, given).await,
        _ => work::own(verb, world, given),
    }
}

/// A step that is not known.
fn unknown(verb: &str) -> ! {
    panic!("no step is called {verb}")
}
