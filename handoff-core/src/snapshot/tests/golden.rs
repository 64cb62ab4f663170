//! The committed examples of the format. `HANDOFF_BLESS=1 cargo test golden` writes them anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::PathBuf;

use serde_json::Value;

use super::{entry, file, manifest, oid, omission, repo, untracked};
use crate::snapshot::{part, *};

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn blessing() -> bool {
    std::env::var_os("HANDOFF_BLESS").is_some()
}

/// Compares with a committed file, or writes it.
fn check(name: &str, bytes: &[u8]) {
    let path = package("tests/golden").join(name);
    if blessing() {
        std::fs::write(&path, bytes).unwrap();
    }
    let committed = std::fs::read(&path).unwrap();
    let shown = String::from_utf8_lossy(&committed);
    assert_eq!(
        String::from_utf8_lossy(bytes),
        shown,
        "{name} changed: a change of the format needs a new version"
    );
}

const MAIN: &[u8] = b"fn main() {\n    println!(\"hello\");\n}\n";
const MAIN_CHANGED: &[u8] = b"fn main() {\n    println!(\"hello, world\");\n}\n";
const NOTES: &[u8] = b"line\n";

/// A snapshot with most of what the format has: two repositories, all layers, all kinds of files.
fn small() -> Snapshot {
    let spool = Spool::new(u64::MAX);
    let notes = NOTES.repeat(100);
    for content in [MAIN, MAIN_CHANGED, &notes, b"main.rs", b"", NOTES] {
        spool.add(content).unwrap();
    }
    let mut main = entry("src/main.rs");
    main.head = Some(file(MAIN));
    main.index = Some(FileState { blob: None, ..file(MAIN) });
    main.worktree = Some(FileState { mode: Mode::Executable, eol: Some(Eol::Native), ..file(MAIN_CHANGED) });
    let mut gone = entry("src/gone.rs");
    gone.head = Some(FileState { blob: None, ..file(b"gone") });
    let mut both = entry("src/both.rs");
    both.worktree = Some(file(MAIN));
    both.flags.stages =
        (1..=3).map(|stage| Stage { stage, state: file(MAIN), extra: Extra::new() }).collect();
    let mut link = untracked("src/link", b"main.rs");
    link.worktree.as_mut().unwrap().mode = Mode::Symlink;
    let mut odd = untracked("", b"");
    odd.path = RelPath::new(*b"src/odd\xff\"\n\xe2\x80\xa8");
    let mut env = untracked("local/settings.toml", NOTES);
    env.flags.ignored = true;
    let mut empty = entry("void");
    empty.flags = EntryFlags { empty_dir: true, untracked: true, ..EntryFlags::default() };
    let mut app = repo("app", vec![untracked("notes.txt", &notes), both, gone, link, main, odd, env, empty]);
    app.entries.sort_by(|a, b| a.path.cmp(&b.path));
    app.head.branch = Some("feature/\u{e9}".into());
    app.head.upstream = Some("origin/main".into());
    app.head.ahead = Some(2);
    app.head.behind = Some(0);
    app.id.remotes = vec!["example.com/team/app".into()];
    app.operation =
        Some(Operation { heads: vec![oid(b"other")], kind: OperationKind::Merge, extra: Extra::new() });
    app.stashes = 1;
    app.omissions = vec![
        Omission {
            rule: Some(".env*".into()),
            size: Some(120),
            ..omission(".env", OmissionReason::SecretName)
        },
        Omission { count: Some(3000), ..omission("target/", OmissionReason::Ignored) },
    ];
    let failed =
        RepoFailure { kind: "repository".into(), message: "reading the index".into(), extra: Extra::new() };
    let lib = RepoManifest {
        failed: Some(failed),
        object_format: None,
        head: Head::default(),
        flags: RepoFlags { submodule: true, ..RepoFlags::default() },
        ..repo("lib", Vec::new())
    };
    let mut manifest = manifest(vec![app, lib]);
    manifest.environment.insert("rustc".into(), "1.95.0".into());
    manifest.partial = Some(PartialReason::Deadline);
    let mut loose = untracked("notes/todo.md", NOTES);
    loose.worktree.as_mut().unwrap().oid = None;
    manifest.loose_files = vec![loose];
    manifest.loose_omissions =
        vec![Omission { size: Some(1 << 30), ..omission("dump.sql", OmissionReason::TooLarge) }];
    manifest.extra.insert("of_a_newer_version".into(), serde_json::json!({"kept": [1, null, "as it is"]}));
    spool.finish(manifest).unwrap()
}

#[test]
fn golden_manifest() {
    let snapshot = small();
    check("manifest-v1.json", &snapshot.manifest().to_canonical().unwrap());
    check("manifest-v1.id", format!("{}\n", snapshot.id()).as_bytes());
    let committed = std::fs::read(package("tests/golden/manifest-v1.json")).unwrap();
    let read = Manifest::from_canonical(&committed, &Limits::default()).unwrap();
    assert_eq!(&read, snapshot.manifest());
}

#[test]
fn golden_bundle() {
    let path = package("tests/golden/small.handoff");
    if blessing() {
        small().save(&path).unwrap();
    }
    // Another version of zstd may compress differently, so contents are compared and not compressed bytes.
    let committed = Snapshot::open(&path).unwrap();
    committed.verify().unwrap();
    let streamed = Snapshot::read_from(std::fs::File::open(&path).unwrap()).unwrap();
    let ours = small();
    for other in [&committed, &streamed] {
        assert_eq!(other.id(), ours.id());
        assert_eq!(other.manifest(), ours.manifest());
        let (theirs, ours) = (&other.0.store, &ours.0.store);
        assert_eq!(theirs.blobs(), ours.blobs(), "the same contents at the same places of the stream");
        let raws = |store: &store::Store| store.blocks().iter().map(|block| block.raw).collect::<Vec<_>>();
        assert_eq!(raws(theirs), raws(ours));
        for blob in ours.blobs() {
            assert_eq!(theirs.read(&blob.digest).unwrap(), ours.read(&blob.digest).unwrap());
        }
    }
}

#[test]
fn golden_bundle_with_blocks_in_another_order() {
    let path = package("tests/golden/spooled.handoff");
    let files = super::save::contents();
    if blessing() {
        let dir = path.parent().unwrap();
        super::save::snapshot_in(dir, 110, &files).save(&path).unwrap();
    }
    let committed = Snapshot::open(&path).unwrap();
    let streamed = Snapshot::read_from(std::fs::File::open(&path).unwrap()).unwrap();
    let places: Vec<u64> = committed
        .0
        .store
        .blocks()
        .iter()
        .map(|block| match block.place {
            store::Place::Frame(offset) => offset,
            store::Place::Memory(_) => panic!("an opened bundle has nothing in memory"),
        })
        .collect();
    assert!(!places.is_sorted(), "{places:?}");
    for other in [&committed, &streamed] {
        assert_eq!(other.id(), super::save::snapshot_in(&std::env::temp_dir(), 0, &files).id());
        super::save::assert_holds(other, &files);
    }
}

/// A JSON Schema validator for the keywords that our schema uses; any other keyword is an error, so that the
/// schema cannot say what is not checked here.
struct Schema(Value);

impl Schema {
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let fail = |why: &str| Err(format!("{at}: {why}: {value}"));
        for (keyword, rule) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$schema" | "$id" | "title" | "description" | "$defs" | "then" | "examples" => {}
                "$ref" => {
                    let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    self.check(self.0.pointer(pointer).unwrap(), value, at)?;
                }
                "type" => {
                    let is = match rule.as_str().unwrap() {
                        "object" => value.is_object(),
                        "array" => value.is_array(),
                        "string" => value.is_string(),
                        "boolean" => value.is_boolean(),
                        "integer" => value.is_i64() || value.is_u64(),
                        other => panic!("type {other}"),
                    };
                    if !is {
                        return fail("wrong type");
                    }
                }
                "const" if value != rule => return fail("not the constant"),
                "minimum" if value.as_i64().is_some_and(|value| value < rule.as_i64().unwrap()) => {
                    return fail("too small");
                }
                "maximum" if value.as_u64().is_some_and(|value| value > rule.as_u64().unwrap()) => {
                    return fail("too large");
                }
                "const" | "minimum" | "maximum" => {}
                "pattern" => {
                    let text = value.as_str().unwrap_or_default();
                    let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                    let fits = match rule.as_str().unwrap() {
                        "^[0-9a-f]{64}$" => hex && text.len() == 64,
                        "^([0-9a-f]{40}|[0-9a-f]{64})$" => hex && matches!(text.len(), 40 | 64),
                        other => panic!("pattern {other}"),
                    };
                    if !fits {
                        return fail("does not match");
                    }
                }
                "oneOf" => {
                    let fitting =
                        rule.as_array().unwrap().iter().filter(|one| self.check(one, value, at).is_ok());
                    if fitting.count() != 1 {
                        return fail("not exactly one of the forms");
                    }
                }
                "enum" if !rule.as_array().unwrap().contains(value) => return fail("not in the list"),
                "enum" => {}
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}/{number}"))?;
                    }
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        if value.get(name.as_str().unwrap()).is_none() {
                            return fail(&format!("lacks {name}"));
                        }
                    }
                }
                "properties" => {
                    for (name, rule) in rule.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            self.check(rule, value, &format!("{at}/{name}"))?;
                        }
                    }
                }
                "additionalProperties" => {
                    let none = serde_json::Map::new();
                    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
                    for (name, value) in value.as_object().into_iter().flatten() {
                        match rule {
                            _ if known.contains_key(name) => {}
                            Value::Bool(true) => {}
                            Value::Bool(false) => return fail(&format!("may not have {name}")),
                            rule => self.check(rule, value, &format!("{at}/{name}"))?,
                        }
                    }
                }
                other => panic!("keyword {other}"),
            }
        }
        Ok(())
    }
}

fn schema() -> Schema {
    let text = std::fs::read(package("docs/schema/manifest-v1.schema.json")).unwrap();
    Schema(serde_json::from_slice(&text).unwrap())
}

/// A manifest of one repository with unpushed commits, and their one part.
fn with_history() -> (Manifest, Vec<u8>, Vec<part::Object>) {
    let objects = vec![
        part::Object { kind: part::ObjectKind::Commit, data: b"tree ...\n".to_vec() },
        part::Object { kind: part::ObjectKind::Tree, data: Vec::new() },
        part::Object { kind: part::ObjectKind::Blob, data: [NOTES.repeat(100), b"more\n".to_vec()].concat() },
    ];
    let part = part::encode(&[(oid(b"base"), NOTES.repeat(100))], &objects).unwrap();
    let mut app = repo("app", Vec::new());
    // The part of the committed example, since another version of zstd may compress differently.
    let committed = std::fs::read(package("tests/golden/history-v1.part")).unwrap_or_else(|_| part.clone());
    app.history = Some(History {
        commits: 1,
        parts: vec![HistoryPart::new(Digest::of(&committed), committed.len() as u64)],
        prerequisites: vec![oid(b"p")],
        ..History::default()
    });
    (manifest(vec![app]), part, objects)
}

#[test]
fn golden_history() {
    let path = package("tests/golden/history-v1.part");
    if blessing() {
        std::fs::write(&path, with_history().1).unwrap();
    }
    let (manifest, _, objects) = with_history();
    check("manifest-v1-history.json", &manifest.to_canonical().unwrap());
    let committed = std::fs::read(&path).unwrap();
    assert_eq!(part::bases(&committed, crate::id::ObjectFormat::Sha1), Ok(vec![oid(b"base")]));
    assert_eq!(part::decode(&committed, crate::id::ObjectFormat::Sha1, &NOTES.repeat(100)), Ok(objects));
    let schema = schema();
    schema.check(&schema.0, &serde_json::to_value(&manifest).unwrap(), "").unwrap();
}

#[test]
fn golden_manifest_fits_the_schema() {
    let schema = schema();
    let value = serde_json::to_value(small().manifest()).unwrap();
    schema.check(&schema.0, &value, "").unwrap();
    // And the schema notices what is wrong.
    for (pointer, wrong) in [
        ("/format", serde_json::json!("handoff-snapshot/2")),
        ("/repos/0/name", Value::Null),
        ("/repos/0/entries/0/path", serde_json::json!({"base64": "/w==", "more": 1})),
        ("/repos/0/entries/0/worktree/blob", serde_json::json!("AB")),
        ("/repos/0/entries/0/worktree/size", serde_json::json!(-1)),
        ("/repos/0/entries/0/flags/untracked", serde_json::json!(false)),
        ("/repos/0/omissions/0", serde_json::json!({"path": "x"})),
        ("/repos/0/head/commit", serde_json::json!("main")),
        ("/environment/rustc", serde_json::json!(7)),
    ] {
        let mut value = value.clone();
        *value.pointer_mut(pointer).unwrap() = wrong;
        assert!(schema.check(&schema.0, &value, "").is_err(), "{pointer}");
    }
}

#[test]
fn the_schema_knows_every_field_and_name_that_the_code_knows() {
    let schema = schema().0;
    let known = |name: &str, names: &[&str]| {
        let listed = &schema["$defs"][name]["examples"];
        assert_eq!(listed, &serde_json::json!(names), "{name}");
    };
    known("mode", Mode::KNOWN);
    known("eol", Eol::KNOWN);
    known("omission_reason", OmissionReason::KNOWN);
    known("operation_kind", OperationKind::KNOWN);
    known("partial_reason", PartialReason::KNOWN);
    known("history_cut_reason", HistoryCutReason::KNOWN);
    // Every field of the golden manifest, which has nearly all, is described.
    fn fields(schema: &Value, rule: &Value, value: &Value, at: &str) {
        let rule = match rule.get("$ref").and_then(Value::as_str) {
            Some(pointer) => schema.pointer(pointer.strip_prefix('#').unwrap()).unwrap(),
            None => rule,
        };
        match value {
            Value::Object(map) if rule.get("properties").is_some() => {
                for (name, value) in map.iter().filter(|(name, _)| *name != "of_a_newer_version") {
                    let rule = rule["properties"].get(name).unwrap_or_else(|| panic!("{at}/{name}"));
                    fields(schema, rule, value, &format!("{at}/{name}"));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| fields(schema, &rule["items"], item, at)),
            _ => {}
        }
    }
    fields(&schema, &schema, &serde_json::to_value(small().manifest()).unwrap(), "");
}
