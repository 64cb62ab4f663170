//! A search for secrets, as an object of the host's.

use std::fmt;
use std::sync::Arc;

use futures_lite::future::block_on;
use handoff_core::secrets::{Finding, SecretScanner};
use serde::Deserialize;
use serde_json::json;

use crate::{Foreign, ForeignCall};

/// A search of the host's. One that fails finds a secret in everything it was given: nothing travels unsearched.
pub struct ForeignScanner(pub Arc<dyn Foreign>);

impl fmt::Debug for ForeignScanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignScanner")
    }
}

#[derive(Deserialize)]
struct Found {
    rule: String,
    start: usize,
    end: usize,
}

impl SecretScanner for ForeignScanner {
    fn scan(&self, content: &[u8]) -> Vec<Finding> {
        let everything = || vec![Finding::new("scanner_failed", 0..content.len())];
        let call = ForeignCall { body: Some(content.to_vec().into()), ..ForeignCall::new("scan", json!({})) };
        let Ok(reply) = block_on(self.0.call(call)) else { return everything() };
        let Ok(found) = serde_json::from_value::<Vec<Found>>(reply.value) else { return everything() };
        if !found.iter().all(|found| found.start <= found.end && found.end <= content.len()) {
            return everything();
        }
        found.into_iter().map(|found| Finding::new(found.rule, found.start..found.end)).collect()
    }
}
