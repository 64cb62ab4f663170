//! What a run has used, and what it may use. Units are the host's own: tokens, cents, seconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Amounts by unit. Reports of one session are cumulative and merged by maximum, so that a report that
/// arrives twice, or late, does no harm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usage(pub BTreeMap<String, u64>);

impl Usage {
    /// One amount.
    pub fn of(unit: impl Into<String>, amount: u64) -> Self {
        Self(BTreeMap::from([(unit.into(), amount)]))
    }

    /// Takes in another report of the same session: the larger amount of each unit.
    pub fn merge(&mut self, other: &Self) {
        for (unit, amount) in &other.0 {
            let known = self.0.entry(unit.clone()).or_default();
            *known = (*known).max(*amount);
        }
    }

    /// Adds the usage of another session. Saturates.
    pub fn add(&mut self, other: &Self) {
        for (unit, amount) in &other.0 {
            let known = self.0.entry(unit.clone()).or_default();
            *known = known.saturating_add(*amount);
        }
    }

    /// The amount of `unit`; 0 when it was never reported.
    pub fn get(&self, unit: &str) -> u64 {
        self.0.get(unit).copied().unwrap_or_default()
    }
}

/// The most that a run may use, over all its sessions. A unit that is not named is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Budget(pub BTreeMap<String, u64>);

impl Budget {
    /// A limit on one unit.
    pub fn of(unit: impl Into<String>, limit: u64) -> Self {
        Self(BTreeMap::from([(unit.into(), limit)]))
    }

    /// What is left of each limited unit.
    pub fn remaining(&self, used: &Usage) -> Self {
        Self(
            self.0.iter().map(|(unit, limit)| (unit.clone(), limit.saturating_sub(used.get(unit)))).collect(),
        )
    }

    /// The first unit of which nothing is left.
    pub fn exhausted(&self, used: &Usage) -> Option<&str> {
        self.0.iter().find(|(unit, limit)| used.get(unit) >= **limit).map(|(unit, _)| unit.as_str())
    }
}
