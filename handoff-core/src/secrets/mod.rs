//! Finds secrets in bytes, by rules of high confidence, and takes them out. Pure: no files, no git.
//!
//! Capture uses this to keep files with secrets at home. A host can use it for whatever else leaves the machine, such as
//! the transcript of a conversation:
//!
//! ```
//! use handoff_core::secrets;
//!
//! // The tail is put together here, so that no scanner takes this example for a secret.
//! let line = format!("export STRIPE_KEY=sk_live_{}", "4qk2VZ8nT0wYr7LmXb3HcPd9");
//! let found = secrets::scan(line.as_bytes());
//! assert_eq!(found[0].rule, "stripe_live_key");
//! assert_eq!(secrets::redact(line.as_bytes()), b"export STRIPE_KEY=[secret: stripe_live_key]");
//! ```
//!
//! A rule is here only if what it finds has a form of its own: a prefix of its issuer and a length, a check sum, a header.
//! Passwords have none, and are not found. Placeholders and the examples of documentations are told by their regularity.
//!
//! Content is looked at as it is: nothing is decompressed, decoded or decrypted, and text in UTF-16 is not read.

pub(crate) mod names;
mod rules;
pub(crate) mod sample;
mod shape;
mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind, Span, packed};

use self::rules::{RULES, Rule};
use self::shape::Place;
pub(crate) use self::stream::{Found, Stream};

/// Bytes before a trigger that a rule may look at.
const BEFORE: usize = 256;

/// Bytes from a trigger on that a rule may look at. A longer key is found and cut here.
const AFTER: usize = 16 << 10;

/// A secret in some bytes. It says where, never what.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The id of the rule that found it.
    pub rule: String,
    /// Where it is, in bytes.
    pub range: Range<usize>,
}

impl Finding {
    /// A finding of `rule` at `range`.
    pub fn new(rule: impl Into<String>, range: Range<usize>) -> Self {
        Self { rule: rule.into(), range }
    }
}

/// Something that finds secrets: a host's own rules, beside those of this module.
///
/// ```
/// use handoff_core::secrets::{Finding, SecretScanner};
///
/// /// Keys of our own service: `acme-` and 20 digits.
/// #[derive(Debug)]
/// struct Acme;
///
/// impl SecretScanner for Acme {
///     fn scan(&self, content: &[u8]) -> Vec<Finding> {
///         let text = String::from_utf8_lossy(content);
///         text.match_indices("acme-").map(|(at, _)| Finding::new("acme_key", at..at + 25)).collect()
///     }
/// }
///
/// assert_eq!(Acme.scan(b"key: acme-01234567890123456789")[0].range, 5..30);
/// ```
pub trait SecretScanner: fmt::Debug + Send + Sync {
    /// The secrets in `content`, in any order. Content over 8 MiB comes in pieces of about 1 MiB which overlap by
    /// 16 KiB. Called from several threads at once. Must not keep or print what it is given.
    fn scan(&self, content: &[u8]) -> Vec<Finding>;
}

/// One of the rules for content that this module has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleInfo {
    /// The stable id, which a caller allows or disables it by.
    pub id: &'static str,
    /// What it finds, for people.
    pub about: &'static str,
}

/// The rules for content, in order of id.
pub fn rules() -> Vec<RuleInfo> {
    let mut all: Vec<_> = RULES.iter().map(|rule| RuleInfo { id: rule.id, about: rule.about }).collect();
    all.sort_by_key(|rule| rule.id);
    all
}

/// The secrets in `content` by all rules, in order, none overlapping another. Linear in the length: some gigabytes a
/// second where there are none.
pub fn scan(content: &[u8]) -> Vec<Finding> {
    let mut found = Vec::new();
    each(content, 0..content.len(), &mut 0, &mut |rule, range| {
        found.push(Finding::new(rule, range));
        true
    });
    found
}

/// `content` with each secret replaced by `[secret: <rule>]`.
pub fn redact(content: &[u8]) -> Vec<u8> {
    redact_found(content, &scan(content))
}

/// `content` with what `found` says replaced by `[secret: <rule>]`, for findings of several scanners. Findings may
/// overlap; what lies outside `content` is ignored.
pub fn redact_found(content: &[u8], found: &[Finding]) -> Vec<u8> {
    let inside = |range: &Range<usize>| range.start < range.end.min(content.len());
    let mut order: Vec<_> = found.iter().filter(|finding| inside(&finding.range)).collect();
    order.sort_by_key(|finding| (finding.range.start, std::cmp::Reverse(finding.range.end)));
    let (mut out, mut at) = (Vec::with_capacity(content.len()), 0);
    for finding in order {
        if finding.range.start >= at {
            out.extend_from_slice(content.get(at..finding.range.start).unwrap_or_default());
            out.extend_from_slice(format!("[secret: {}]", finding.rule).as_bytes());
        }
        at = at.max(finding.range.end);
    }
    out.extend_from_slice(content.get(at..).unwrap_or_default());
    out
}

/// Sets that the search with vectors makes.
const SETS: usize = 16;

/// The search for all triggers at once.
struct Search {
    /// Those of four bytes and more, and the few of three, which by themselves would slow the others down.
    sets: [Set; 2],
}

/// Strings to look for: with vectors where the processor has them.
struct Set {
    vectors: Option<packed::Searcher>,
    plain: AhoCorasick,
    /// By number of the string: the rules it may be of, with what has to be right before it.
    rules: Vec<Vec<(&'static Rule, &'static str)>>,
}

static SEARCH: LazyLock<Search> = LazyLock::new(|| {
    let short = |key: &&str| key.len() < 4;
    Search { sets: [Set::new(|key| !short(key)), Set::new(|key| short(key))] }
});

impl Set {
    fn new(belongs: impl Fn(&&'static str) -> bool) -> Self {
        let mut all: Vec<(&str, Vec<(&'static Rule, &'static str)>)> = Vec::new();
        for rule in RULES {
            for trigger in rule.triggers {
                let (lead, key) = trigger.split_once('|').unwrap_or(("", trigger));
                if !belongs(&key) {
                    continue;
                }
                match all.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, rules)) => rules.push((rule, lead)),
                    None => all.push((key, vec![(rule, lead)])),
                }
            }
        }
        // The search deals strings out to sets by their number, and looks twice at each place where the upper halves of
        // four bytes and their lower halves occur in one set, in whatever string. So those that are alike go together.
        all.sort_by_key(|(key, _)| key.bytes().take(4).map(|byte| byte >> 4).rev().collect::<Vec<_>>());
        let share = all.len().div_ceil(SETS);
        let mut order: Vec<_> = all.into_iter().enumerate().collect();
        order.sort_by_key(|(at, _)| (at % share, at / share));
        let (keys, rules): (Vec<&str>, Vec<_>) = order.into_iter().map(|(_, one)| one).unzip();
        let vectors = packed::Config::new()
            .match_kind(packed::MatchKind::LeftmostFirst)
            .builder()
            .extend(&keys)
            .build();
        let plain = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .build(&keys)
            .expect("some dozens of short strings are within its limits");
        Self { vectors, plain, rules }
    }

    /// The next string from `from` on, by number.
    fn next(&self, bytes: &[u8], from: usize) -> Option<(usize, Range<usize>)> {
        let span = Span { start: from, end: bytes.len() };
        let found = match &self.vectors {
            Some(vectors) => vectors.find_in(bytes, span),
            None => self.plain.find(Input::new(bytes).span(span)),
        }?;
        Some((found.pattern().as_usize(), found.range()))
    }

    /// The secret around the string `number` at `key`.
    fn check(&self, bytes: &[u8], number: usize, key: &Range<usize>) -> Option<(&'static str, Range<usize>)> {
        let from = key.start.saturating_sub(BEFORE);
        let to = key.start.saturating_add(AFTER).min(bytes.len());
        let around = bytes.get(from..to)?;
        self.rules.get(number)?.iter().find_map(|(rule, lead)| {
            let start = key.start.checked_sub(lead.len()).filter(|start| *start >= from)?;
            (bytes.get(start..key.start) == Some(lead.as_bytes())).then_some(())?;
            let place = Place { bytes: around, trigger: start - from..key.end - from };
            let found = rule.check.find(&place)?;
            Some((rule.id, from + found.start..from + found.end))
        })
    }
}

/// Calls `visit` for each secret whose trigger begins within `starts`, until it returns false. `taken` is where the
/// last secret ended: what begins before is part of it. Each decision depends on the bytes from [`BEFORE`] before
/// the trigger to [`AFTER`] behind its start, and on no others.
fn each(
    bytes: &[u8],
    starts: Range<usize>,
    taken: &mut usize,
    visit: &mut dyn FnMut(&'static str, Range<usize>) -> bool,
) {
    let sets = &SEARCH.sets;
    let next = |set: &Set, from| set.next(bytes, from).filter(|(_, key)| key.start < starts.end);
    let mut heads = sets.each_ref().map(|set| (set, next(set, starts.start)));
    loop {
        let first = heads.iter_mut().filter(|(_, head)| head.is_some());
        let Some((set, head)) = first.min_by_key(|(_, head)| head.as_ref().map(|(_, key)| key.start)) else {
            return;
        };
        let Some((number, key)) = head.take() else { return };
        *head = next(set, key.end);
        if key.start < *taken {
            continue;
        }
        let Some((rule, found)) = set.check(bytes, number, &key) else { continue };
        *taken = (*taken).max(found.end);
        if !visit(rule, found) {
            return;
        }
    }
}
