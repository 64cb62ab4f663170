//! Comparing results with what is expected, and writing them down.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::case::{list, text};

pub type Results = HashMap<String, Value>;

/// `value` without what is empty, and with the scenario's directory called `@`.
pub fn slim(value: Value, root: &str) -> Value {
    match value {
        Value::String(text) => text.replace(root, "@").into(),
        Value::Array(items) => items.into_iter().map(|item| slim(item, root)).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(key, item)| (key, slim(item, root)));
            Value::Object(members.filter(|(_, item)| !empty(item)).collect())
        }
        other => other,
    }
}

/// Absent, false, zero, and what has nothing in it, are one.
pub fn empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// Where `found` is not as `expected`, which may say less.
pub fn mismatch(expected: &Value, found: &Value, named: &Results, place: &str) -> Option<String> {
    if let Value::Object(members) = expected
        && let Some((word, given)) = members.iter().next()
        && word.starts_with('$')
        && members.len() == 1
    {
        return special(word, given, found, named, place);
    }
    if empty(expected) && !expected.is_object() {
        return (!empty(found)).then(|| format!("{place} is {found}, not empty"));
    }
    match (expected, found) {
        (Value::Object(members), Value::Object(_) | Value::Null) => members
            .iter()
            .find_map(|(key, want)| mismatch(want, &found[key.as_str()], named, &format!("{place}.{key}"))),
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => wanted
            .iter()
            .zip(items)
            .enumerate()
            .find_map(|(at, (want, item))| mismatch(want, item, named, &format!("{place}[{at}]"))),
        _ => (expected != found).then(|| format!("{place} is {found}, not {expected}")),
    }
}

fn special(word: &str, given: &Value, found: &Value, named: &Results, place: &str) -> Option<String> {
    let items = || list(found, place);
    match word {
        "$text" => {
            let given = text(given, word);
            let holds = found.as_str().is_some_and(|found| found.contains(given));
            (!holds).then(|| format!("{place} is {found}, without {given:?}"))
        }
        "$count" => {
            let count = items().len();
            (given.as_u64() != Some(count as u64)).then(|| format!("{place} has {count} items, not {given}"))
        }
        "$same" => {
            let other = dig(named, text(given, word));
            (other != *found).then(|| format!("{place} is {found}, and ${given} is {other}"))
        }
        "$not" => mismatch(given, found, named, place).is_none().then(|| format!("{place} is {found}")),
        "$has" => {
            let there =
                |want: &&Value| items().iter().any(|item| mismatch(want, item, named, place).is_none());
            let lacking = list(given, word).iter().find(|want| !there(want));
            lacking.map(|want| format!("{place} lacks {want}: {found}"))
        }
        "$lacks" => {
            let there =
                |want: &&Value| items().iter().any(|item| mismatch(want, item, named, place).is_none());
            list(given, word).iter().find(there).map(|want| format!("{place} has {want}: {found}"))
        }
        other => panic!("no expectation is called {other}"),
    }
}

/// What `name.member.0` stands for among the results that have names.
pub fn dig(named: &Results, path: &str) -> Value {
    let mut parts = path.split('.');
    let name = parts.next().unwrap_or_default();
    let mut found = named.get(name).unwrap_or_else(|| panic!("nothing is called {name}"));
    for part in parts {
        found = match found {
            Value::Array(items) => &items[part.parse::<usize>().expect("a place in a list")],
            other => &other[part],
        };
    }
    found.clone()
}

/// One line of a transcript.
pub fn line(area: &str, name: &str, step: &str, result: &Value) -> String {
    format!("{area}/{name}\t{step}\t{}\n", sorted(result))
}

/// Compact JSON with sorted members, whatever order the map at hand keeps.
fn sorted(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|one, other| one.0.cmp(other.0));
            let one = |(key, item): &(&String, &Value)| format!("{}:{}", json!(key), sorted(item));
            format!("{{{}}}", members.iter().map(one).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// `text` with every `before` and what follows it, so far as `length` says, replaced.
fn replaced(text: &str, before: &str, by: &str, length: fn(&str) -> Option<usize>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(before) {
        let behind = &rest[at + before.len()..];
        let inside =
            rest[..at].chars().next_back().is_some_and(|c| c.is_ascii_digit() || c.is_ascii_lowercase());
        match length(behind).filter(|_| !inside) {
            Some(length) => {
                out.push_str(&rest[..at]);
                out.push_str(by);
                rest = &behind[length..];
            }
            None => {
                out.push_str(&rest[..at + before.len()]);
                rest = behind;
            }
        }
    }
    out + rest
}

/// `text` with ids numbered in the order in which they come, and without times, random keys and places in lists.
pub fn masked(text: &str) -> String {
    let text = replaced(text, "k/", "<key>", |behind| {
        let hex =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase());
        let (short, long) = (behind.get(..2)?, behind.get(3..43)?);
        (hex(short) && behind.get(2..3) == Some("/") && hex(long)).then_some(43)
    });
    let text = replaced(&text, "\"next\":\"", "\"next\":\"<next>\"", |behind| Some(behind.find('"')? + 1));
    let text = text.as_str();
    let bytes = text.as_bytes();
    let word = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    let (mut known, mut out, mut at) = (HashMap::new(), String::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|byte| word(byte)).count();
        if length == 0 {
            let next = text[at..].chars().next().map_or(1, char::len_utf8);
            out.push_str(&text[at..at + next]);
            at += next;
            continue;
        }
        let run = &text[at..at + length];
        let hex =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let quoted = at > 0 && bytes[at - 1] == b'"';
        if length == 33 && bytes[at].is_ascii_lowercase() && hex(&run[1..]) {
            let number = known.len() + 1;
            let name = known.entry(run).or_insert_with(|| format!("<{}{number}>", &run[..1]));
            out.push_str(name);
        } else if length == 13
            && run.starts_with('1')
            && run.bytes().all(|byte| byte.is_ascii_digit())
            && !quoted
        {
            out.push_str("\"<time>\"");
        } else {
            out.push_str(run);
        }
        at += length;
    }
    out
}
