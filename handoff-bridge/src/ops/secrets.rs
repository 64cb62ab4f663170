//! Rules for secrets, and searches of the host's.

use std::sync::Arc;

use futures_lite::future;
use handoff_core::SecretRules;
use handoff_core::secrets::{self, Finding, SecretScanner};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Op, Work, op};
use crate::args::{self, Args};
use crate::failure::Failure;
use crate::foreign::{ForeignCall, Host};
use crate::operation::Reply;

pub(super) static OPS: &[Op] = &[op("secrets.rules", &[], list), op("secrets.scan", &["body?"], scan)];

fn list(_: Args) -> Result<Work, Failure> {
    Ok(Work::block(|_| {
        let rules = secrets::rules().into_iter().map(|rule| json!({ "id": rule.id, "about": rule.about }));
        Ok(Reply::of(rules.collect()))
    }))
}

fn scan(mut args: Args) -> Result<Work, Failure> {
    let content = args.body()?;
    Ok(Work::block(move |_| {
        let found = secrets::scan(&content).into_iter();
        let found = found
            .map(|found| json!({ "rule": found.rule, "start": found.range.start, "end": found.range.end }));
        Ok(Reply::of(found.collect()))
    }))
}

/// The argument `secret_rules`.
pub(super) fn rules(args: &mut Args) -> Result<SecretRules, Failure> {
    let mut rules = SecretRules::default();
    let Some(given) = args.take("secret_rules") else { return Ok(rules) };
    let Value::Object(given) = given else {
        return Err(Failure::argument("secret_rules", format!("is {}; pass an object", args::noun(&given))));
    };
    for (name, value) in given {
        let place = format!("secret_rules.{name}");
        let Value::Array(items) = value else {
            return Err(Failure::argument(&place, format!("is {}; pass a list", args::noun(&value))));
        };
        for (at, item) in items.into_iter().enumerate() {
            let place = format!("{place}[{at}]");
            match name.as_str() {
                "names" => rules.names.push(args::text(item, &place)?),
                "disabled" => rules.disabled.push(args::text(item, &place)?),
                "scanners" => rules.scanners.push(Arc::new(Scanner(args.foreign_in(&item, &place)?))),
                _ => return Err(Failure::argument(&place, "is unknown; pass names, scanners or disabled")),
            }
        }
    }
    Ok(rules)
}

/// A search of the host's. One that fails finds a secret in everything it was given: nothing travels unsearched.
#[derive(Debug)]
struct Scanner(Host);

#[derive(Deserialize)]
struct Found {
    rule: String,
    start: usize,
    end: usize,
}

impl SecretScanner for Scanner {
    fn scan(&self, content: &[u8]) -> Vec<Finding> {
        let everything = || vec![Finding::new("scanner_failed", 0..content.len())];
        let body = Some(content.to_vec().into());
        let call = ForeignCall { method: "scan", args: json!({}), body, handles: Vec::new() };
        let Ok(reply) = future::block_on(self.0.call(call)) else { return everything() };
        let Ok(found) = serde_json::from_value::<Vec<Found>>(reply.value) else { return everything() };
        let whole = |found: &Found| found.start <= found.end && found.end <= content.len();
        if !found.iter().all(whole) {
            return everything();
        }
        found.into_iter().map(|found| Finding::new(found.rule, found.start..found.end)).collect()
    }
}
