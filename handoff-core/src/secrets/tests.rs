//! What is found, what is not, and that it does not matter in which pieces content comes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use proptest::prelude::*;

use super::sample::sample;
use super::*;

fn found(text: &str) -> Vec<(String, Range<usize>)> {
    scan(text.as_bytes()).into_iter().map(|finding| (finding.rule, finding.range)).collect()
}

#[test]
fn every_rule_finds_generated_secrets_wherever_they_stand() {
    let mut missed = 0;
    let mut all = 0;
    for rule in rules() {
        for seed in 0..1_000_u64.div_ceil(RULES.len() as u64) * 2 {
            let (secret, at) = sample(rule.id, seed).unwrap();
            for (before, after) in
                [("", ""), ("KEY=", "\n"), ("{\"k\": \"", "\"}"), ("one\\n", "\\n"), ("https://u:", "@host/")]
            {
                let text = format!("{before}{secret}{after}");
                let expected = vec![(rule.id.to_owned(), before.len() + at..before.len() + secret.len())];
                // A key ends with its last line, whatever follows.
                let right = found(&text) == expected;
                all += 1;
                missed += usize::from(!right);
            }
        }
    }
    assert!(all >= 5_000 && missed * 100 <= all, "{missed} of {all} missed");
}

#[test]
fn a_token_with_a_wrong_sum_is_found_if_it_looks_random() {
    let text = format!("ghp_{}", "Zq3wX8vK1mB7nC5tR2yP9sD4fG6hJ0kLaE2u");
    assert_eq!(found(&text), [("github_token".to_owned(), 0..40)]);
}

#[test]
fn placeholders_and_published_examples_are_not_found() {
    let twenty = "A1b2C3d4E5f6G7h8I9j0";
    for text in [
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        "AKIAI44QH8DHBEXAMPLE".to_owned(),
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        "AWS_SECRET_ACCESS_KEY=je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY".to_owned(),
        format!("ghp_{}", "x".repeat(36)),
        format!("ghp_{}", "abcdefghijklmnopqrstuvwxyz0123456789"),
        format!("ghp_{}", "1234567890".repeat(4).split_at(36).0),
        format!("sk_live_{}", "0".repeat(24)),
        "sk-ant-api03-...".to_owned(),
        "xoxb-your-token-here".to_owned(),
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX".to_owned(),
        "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----".to_owned(),
        "if line.starts_with(\"-----BEGIN PRIVATE KEY-----\") { parse(line) }".to_owned(),
        format!("-----BEGIN PUBLIC KEY-----\n{twenty}{twenty}{twenty}\n-----END PUBLIC KEY-----"),
        format!("-----BEGIN CERTIFICATE-----\n{twenty}{twenty}{twenty}\n-----END CERTIFICATE-----"),
        format!("{twenty}AKIA{}", "Q3EGRZ7WKPNY5TUJ"),
        format!("AKIA{}", "Q3EGRZ7WKPNY5TUJQ3EG"),
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c".to_owned(),
        "hf_transfer_enabled_by_default_in_hub".to_owned(),
        "postgres://user:password@localhost/db".to_owned(),
    ] {
        assert_eq!(found(&text), [], "{text}");
    }
}

#[test]
fn a_key_in_other_dresses_is_found_to_its_end() {
    let (key, _) = sample("private_key", 3).unwrap();
    for text in [
        key.clone(),
        key.replace('\n', "\r\n"),
        key.replace('\n', "\\n"),
        key.replace('\n', "\n    "),
        key.replace('\n', "\n+"),
        key.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1),
    ] {
        assert_eq!(found(&text), [("private_key".to_owned(), 0..text.len())], "{text}");
        // A transcript may cut it anywhere behind its first line.
        let cut = &text[..text.len() - 60];
        let ends = found(cut)[0].1.end;
        assert!(ends >= cut.trim_end().len() - 16, "{ends} of {}: {cut}", cut.len());
    }
}

#[test]
fn redaction_leaves_nothing_of_the_value() {
    for rule in rules() {
        let (secret, at) = sample(rule.id, 1).unwrap();
        let text = format!("before {secret} and {secret} after");
        let redacted = String::from_utf8(redact(text.as_bytes())).unwrap();
        assert!(!redacted.contains(&secret[at..]), "{}", rule.id);
        assert_eq!(redacted.matches(&format!("[secret: {}]", rule.id)).count(), 2, "{}", rule.id);
        assert!(redacted.starts_with("before ") && redacted.ends_with(" after"), "{redacted}");
    }
    let overlapping = [Finding::new("b", 2..6), Finding::new("a", 1..4), Finding::new("c", 90..99)];
    assert_eq!(redact_found(b"0123456789", &overlapping), b"0[secret: a]6789");
}

#[test]
fn the_search_stays_one_of_vectors() {
    let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), RULES.len(), "ids are unique");
    let [long, short] = &SEARCH.sets;
    assert!(long.rules.len() <= 64 && short.rules.len() <= 8);
    // The other search has to find the same.
    let text: String = rules().iter().map(|rule| sample(rule.id, 5).unwrap().0 + "\n").collect();
    for set in &SEARCH.sets {
        let all = |set: &Set| {
            let (mut at, mut out) = (0, Vec::new());
            while let Some((number, range)) = set.next(text.as_bytes(), at) {
                at = range.end;
                out.push((number, range));
            }
            out
        };
        let plain = Set { vectors: None, plain: set.plain.clone(), rules: Vec::new() };
        assert_eq!(all(set), all(&plain));
    }
}

#[test]
fn every_name_rule_matches_in_every_spelling_and_depth() {
    assert!(names::all().count() >= 60);
    for pattern in names::all() {
        let path = match pattern.strip_suffix('/') {
            Some(dir) => format!("{dir}/config"),
            None => pattern.replace('*', "x"),
        };
        for path in [path.clone(), path.to_uppercase(), format!("a/b/{path}")] {
            assert!(names::names_of(path.as_bytes()).any(|rule| rule == pattern), "{pattern} {path}");
        }
    }
    for harmless in [
        ".env.example",
        "web/.env.local.sample",
        ".env.template",
        "environment",
        "src/env.rs",
        "credentials.py",
        "src/credentials_test.go",
        "lib/secrets.rs",
        "keyboard.rs",
        "schema.sql",
        "docs/ssh/config.md",
        "my.aws/notes",
        "monkey",
        "src/history.rs",
    ] {
        assert_eq!(names::names_of(harmless.as_bytes()).next(), None, "{harmless}");
    }
}

/// Finds a word, and thinks nothing of overlaps.
#[derive(Debug)]
struct Word(&'static str);

impl SecretScanner for Word {
    fn scan(&self, content: &[u8]) -> Vec<Finding> {
        let word = self.0.as_bytes();
        let at = content.windows(word.len()).enumerate().filter(|(_, part)| *part == word);
        at.map(|(at, _)| Finding::new("word", at..at + word.len())).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn content_in_pieces_has_the_same_secrets_in_the_same_lines(
        seeds in prop::collection::vec((0..RULES.len(), any::<u64>(), 0..30_000_usize), 1..12),
        cuts in prop::collection::vec(prop_oneof![1..50_usize, 1_000..90_000_usize], 1..20),
    ) {
        let mut text = String::new();
        for (rule, seed, gap) in seeds {
            text.push_str(&" word.\n".repeat(gap / 7));
            text.push(' ');
            text.push_str(&sample(RULES[rule].id, seed).unwrap().0);
        }
        let others: Vec<Arc<dyn SecretScanner>> = vec![Arc::new(Word("\n AK"))];
        let mut whole = Stream::new(&others, |_: &str| true, usize::MAX).of(text.as_bytes());
        whole.sort_by_key(|found| (found.offset, found.rule.clone()));
        let mut stream = Stream::new(&others, |_: &str| true, usize::MAX);
        let (mut rest, mut cuts) = (text.as_bytes(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            stream.feed(piece);
            rest = later;
        }
        let mut pieces = stream.finish();
        pieces.sort_by_key(|found| (found.offset, found.rule.clone()));
        let show = |all: &[Found]| all.iter().map(|f| (f.rule.clone(), f.offset, f.line)).collect::<Vec<_>>();
        prop_assert_eq!(show(&whole), show(&pieces));
        prop_assert!(whole == pieces);
        for found in &whole {
            let lines = text.as_bytes()[..found.offset as usize].iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(found.line, lines as u64 + 1);
        }
    }
}
