//! Reading the cases; `conformance/README.md` describes their form.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

pub type Object = Map<String, Value>;

/// One row of one case.
pub struct Scenario {
    pub area: String,
    pub name: String,
    pub templates: Object,
    pub repos: Object,
    pub then: Vec<Value>,
    pub steps: Vec<Value>,
}

/// Refuses keys that are not known, so that a slip is not passed over.
pub fn only(given: &Value, known: &str, what: &str) {
    let given = object(given, what);
    for key in given.keys() {
        assert!(known.split(' ').any(|known| known == key), "{what} has the unknown key {key}");
    }
}

pub fn object<'a>(given: &'a Value, what: &str) -> &'a Object {
    given.as_object().unwrap_or_else(|| panic!("{what} is no object: {given}"))
}

pub fn text<'a>(given: &'a Value, what: &str) -> &'a str {
    given.as_str().unwrap_or_else(|| panic!("{what} is no text: {given}"))
}

pub fn list<'a>(given: &'a Value, what: &str) -> &'a [Value] {
    match given {
        Value::Null => &[],
        Value::Array(items) => items,
        other => panic!("{what} is no list: {other}"),
    }
}

/// All of them, in order of file and place.
pub fn scenarios() -> Vec<Scenario> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> = std::fs::read_dir(&cases).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<Scenario> {
    let area = path.file_stem().unwrap().to_str().unwrap();
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap())
        .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    only(&file, "format about templates cases", area);
    assert_eq!(file["format"], json!(1), "{area}: this runner reads format 1");
    let mut found = Vec::new();
    for case in list(&file["cases"], "cases") {
        let name = text(&case["name"], "a name");
        only(case, "name about repos then steps rows", name);
        let rows = match &case["rows"] {
            Value::Null => vec![json!({})],
            rows => list(rows, "rows").to_vec(),
        };
        for row in rows {
            let row = object(&row, "a row");
            let mut used = BTreeSet::new();
            let mut filled =
                |part: &str| filled(&case[part], row, &mut used).unwrap_or_else(|| panic!("{name}: {part}"));
            let (repos, then, steps) = (filled("repos"), filled("then"), filled("steps"));
            for key in row.keys().filter(|key| *key != "row") {
                assert!(used.contains(key.as_str()), "{name}: no place takes {key}");
            }
            let row = row.get("row").map(|row| format!(": {}", text(row, "a row's name")));
            let name = format!("{name}{}", row.unwrap_or_default());
            let steps = list(&steps, "steps").to_vec();
            let expects = steps.iter().any(|step| step.get("expect").or_else(|| step.get("error")).is_some());
            assert!(expects, "{name} expects nothing");
            found.push(Scenario {
                area: area.to_owned(),
                name,
                templates: file["templates"].as_object().cloned().unwrap_or_default(),
                repos: repos.as_object().cloned().unwrap_or_default(),
                then: list(&then, "then").to_vec(),
                steps,
            });
        }
    }
    found
}

/// `value` with the row's values in its places; a value of null takes its member away.
fn filled(value: &Value, row: &Object, used: &mut BTreeSet<String>) -> Option<Value> {
    Some(match value {
        Value::String(text) => {
            let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
                return Some(value.clone());
            };
            used.insert(name.to_owned());
            let found = row.get(name).unwrap_or_else(|| panic!("no value for {text}"));
            return Some(found.clone()).filter(|found| !found.is_null());
        }
        Value::Array(items) => items.iter().filter_map(|item| filled(item, row, used)).collect(),
        Value::Object(members) => Value::Object(
            members.iter().filter_map(|(key, item)| Some((key.clone(), filled(item, row, used)?))).collect(),
        ),
        other => other.clone(),
    })
}
