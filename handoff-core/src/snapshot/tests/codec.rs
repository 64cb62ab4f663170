use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;

/// A manifest with every field filled.
fn full() -> Manifest {
    let mut changed = entry("src/main.rs");
    changed.flags = EntryFlags {
        allowed_secrets: vec![".env".into()],
        assume_unchanged: true,
        auto_run: true,
        empty_dir: false,
        ignored: true,
        intent_to_add: true,
        raw: Some("filter=lfs".into()),
        skip_worktree: true,
        stages: vec![Stage { stage: 1, state: file(b"base"), extra: Extra::new() }],
        unstable: true,
        untracked: false,
        extra: Extra::new(),
    };
    changed.head = Some(FileState { eol: Some(Eol::Native), ..file(b"head") });
    changed.index = Some(FileState { blob: None, mode: Mode::Executable, ..file(b"index") });
    changed.worktree =
        Some(FileState { oid: None, mode: Mode::Symlink, ..file(b"worktree \"quoted\" \x7f\n") });
    let odd = entry(RelPath::new(*b"odd\xff"));
    let app = RepoManifest {
        flags: RepoFlags { sparse: true, shallow: true, ..RepoFlags::default() },
        head: Head {
            ahead: Some(2),
            behind: Some(0),
            branch: Some("main".into()),
            commit: Some(oid(b"c")),
            upstream: Some("origin/main".into()),
            extra: Extra::new(),
        },
        history: Some(history()),
        id: RepoIdentity { remotes: vec!["host/app".into()], roots: vec![oid(b"r")], extra: Extra::new() },
        omissions: vec![Omission {
            count: Some(3),
            rule: Some("*.pem".into()),
            size: Some(1 << 40),
            ..omission("keys/", OmissionReason::SecretName)
        }],
        operation: Some(Operation {
            heads: vec![oid(b"m")],
            kind: OperationKind::Merge,
            extra: Extra::new(),
        }),
        stashes: 4,
        ..repo("app", vec![odd, changed])
    };
    let failed = RepoFailure { kind: "repository".into(), message: "no".into(), extra: Extra::new() };
    let lib = RepoManifest { failed: Some(failed), object_format: None, ..repo("lib", Vec::new()) };
    Manifest {
        environment: [("rustc".into(), "1.95".into())].into(),
        loose_files: vec![untracked("notes.md", b"loose")],
        loose_omissions: vec![omission("big", OmissionReason::TooLarge)],
        partial: Some(PartialReason::Deadline),
        ..manifest(vec![app, lib])
    }
}

/// Unpushed commits with every field there is; no writer sets a cut and parts at once.
fn history() -> History {
    let cut = HistoryCut {
        commit: Some(oid(b"c")),
        path: Some("config".into()),
        rule: Some("jwt".into()),
        ..HistoryCut::new(HistoryCutReason::SecretContent)
    };
    let parts = vec![HistoryPart::new(Digest::of(b"part"), 4)];
    History { commits: 2, cut: Some(cut), parts, prerequisites: vec![oid(b"p")], extra: Extra::new() }
}

fn decode(bytes: &[u8]) -> Result<Manifest, Error> {
    Manifest::from_canonical(bytes, &Limits::default())
}

fn decode_text(text: impl AsRef<str>) -> Result<Manifest, Error> {
    decode(text.as_ref().as_bytes())
}

/// The manifest of one repository with these entries and omissions, as text.
fn with(entries: &str, omissions: &str) -> String {
    let omissions =
        if omissions.is_empty() { String::new() } else { format!(",\"omissions\":[{omissions}]") };
    format!(
        r#"{{"format":"handoff-snapshot/1","repos":[{{"entries":[{entries}],"head":{{}},"id":{{}},"name":"a"{omissions}}}]}}"#
    )
}

#[test]
fn the_direct_form_is_the_sorted_one() {
    let full = full();
    let direct = full.to_canonical().unwrap();
    let mut value = serde_json::to_value(&full).unwrap();
    value.sort_all_objects();
    assert_eq!(String::from_utf8(direct.clone()).unwrap(), value.to_string());
    assert_eq!(decode(&direct).unwrap(), full);
    assert_eq!(full.id().unwrap().0, Digest::of(&direct));
}

#[test]
fn unknown_fields_and_names_survive_everywhere() {
    let mut value = serde_json::to_value(full()).unwrap();
    fn grow(value: &mut serde_json::Value, key: Option<&str>) {
        match value {
            serde_json::Value::Object(fields) => {
                // A path's base64 form is not a structure of its own, and the environment holds text only.
                if fields.contains_key("base64") || key == Some("environment") {
                    return;
                }
                fields.iter_mut().for_each(|(key, value)| grow(value, Some(key)));
                fields.insert("aaa_new".into(), serde_json::json!({"z": [1, -2, null, true], "a": "é\u{1}"}));
                fields.insert("zzz_new".into(), serde_json::json!(u64::MAX));
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|value| grow(value, key)),
            serde_json::Value::String(text)
                if matches!(key, Some("mode" | "eol" | "reason" | "kind" | "partial")) =>
            {
                text.push_str("_of_tomorrow");
            }
            _ => {}
        }
    }
    grow(&mut value, None);
    value.sort_all_objects();
    let text = value.to_string();
    let read = decode_text(&text).unwrap();
    assert_eq!(String::from_utf8(read.to_canonical().unwrap()).unwrap(), text);
    let entry = &read.repos[0].entries[1];
    assert_eq!(entry.worktree.as_ref().unwrap().mode, Mode::Unknown("symlink_of_tomorrow".into()));
    assert_eq!(entry.flags.stages[0].state.extra["zzz_new"], u64::MAX);
}

#[test]
fn any_other_form_is_refused() {
    let entry = r#"{"path":"p"}"#;
    assert!(decode_text(with(entry, "")).is_ok());
    let good = with(entry, "");
    let bad = [
        format!("{good} "),
        good.replace("[{", "[ {"),
        good.replace(r#"{"format":"handoff-snapshot/1","#, "{")
            .replace("]}]}", r#"]}],"format":"handoff-snapshot/1"}"#),
        with(r#"{"worktree":null,"path":"p"}"#, ""),
        with(r#"{"path":"p","worktree":null}"#, ""),
        with(r#"{"flags":{},"path":"p"}"#, ""),
        with(r#"{"flags":{"untracked":false},"path":"p"}"#, ""),
        with(r#"{"path":"p","path":"p"}"#, ""),
        with(r#"{"new":1,"new":1,"path":"p"}"#, ""),
        with(r#"{"new":{"a":1,"a":1},"path":"p"}"#, ""),
        with(r#"{"new":{"b":1,"a":1},"path":"p"}"#, ""),
        with(r#"{"new":1.5,"path":"p"}"#, ""),
        with(r#"{"new":1e3,"path":"p"}"#, ""),
        with(r#"{"new":-0,"path":"p"}"#, ""),
        with(r#"{"new":18446744073709551616,"path":"p"}"#, ""),
        with(r#"{"path":"\u0070"}"#, ""),
        with(r#"{"path":{"base64":"cA=="}}"#, ""),
        with(r#"{"path":{"base64":"/w==","more":1}}"#, ""),
        with(r#"{"path":{"base64":"/x=="}}"#, ""),
        with(r#"{"path":"p"},"#, ""),
        with(r#"{"path":7}"#, ""),
        with(r#"{}"#, ""),
        good.replace("\"name\":\"a\"", "\"name\":\"a\",\"stashes\":0"),
        String::new(),
        "[]".into(),
        "{}".into(),
        "\u{feff}{}".into(),
    ];
    for text in bad {
        assert_eq!(decode_text(&text).unwrap_err().kind(), ErrorKind::Format, "{text}");
    }
    let mut text = good.into_bytes();
    let at = text.windows(3).position(|three| three == b"\"p\"").unwrap();
    text[at + 1] = 0xff;
    assert_eq!(decode(&text).unwrap_err().kind(), ErrorKind::Format, "not UTF-8");
}

#[test]
fn another_version_is_named_before_anything_else_is_judged() {
    for (format, kind) in [
        ("handoff-snapshot/2", ErrorKind::UnsupportedVersion),
        ("handoff-snapshot/1.1", ErrorKind::UnsupportedVersion),
        ("handoff-snapshot/", ErrorKind::UnsupportedVersion),
        ("other/1", ErrorKind::Format),
    ] {
        let error = decode_text(format!(r#"{{"format":"{format}","repos":"differently"}}"#)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(format), "{error}");
    }
}

#[test]
fn paths_and_names_occur_once_and_in_order() {
    let state = r#""worktree":{"mode":"regular","size":1}"#;
    for (entries, omissions, why) in [
        (r#"{"path":"a"},{"path":"a"}"#, "", "entry a occurs twice"),
        (r#"{"path":"b"},{"path":"a"}"#, "", "entry a is out of order"),
        (
            "",
            r#"{"path":"a","reason":"ignored"},{"path":"a","reason":"excluded"}"#,
            "omission a occurs twice",
        ),
        (
            "",
            r#"{"path":"b","reason":"ignored"},{"path":"a","reason":"ignored"}"#,
            "omission a is out of order",
        ),
        (r#"{"path":"a"}"#, r#"{"path":"a","reason":"ignored"}"#, "both an entry and an omission"),
        (
            r#"{"flags":{"stages":[{"stage":2,"state":{"mode":"regular","size":0}},{"stage":1,"state":{"mode":"regular","size":0}}]},"path":"a"}"#,
            "",
            "stages",
        ),
        (
            r#"{"flags":{"stages":[{"stage":4,"state":{"mode":"regular","size":0}}]},"path":"a"}"#,
            "",
            "stages",
        ),
    ] {
        let error = decode_text(with(entries, omissions)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Format);
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(decode_text(with(&format!(r#"{{"path":"a",{state}}},{{"path":"a/b"}}"#), "")).is_ok());
    let twice = manifest(vec![repo("a", vec![]), repo("a", vec![])]);
    assert_eq!(decode(&twice.to_canonical().unwrap()).unwrap_err().kind(), ErrorKind::Format);
    let unsorted = manifest(vec![repo("b", vec![]), repo("a", vec![])]);
    assert_eq!(decode(&unsorted.to_canonical().unwrap()).unwrap_err().kind(), ErrorKind::Format);
}

#[test]
fn sizes_may_not_overflow() {
    let huge = r#"{"mode":"regular","size":18446744073709551615}"#;
    assert!(decode_text(with(&format!(r#"{{"path":"a","worktree":{huge}}}"#), "")).is_ok());
    let sum = format!(r#"{{"head":{huge},"path":"a","worktree":{{"mode":"regular","size":1}}}}"#);
    assert!(decode_text(with(&sum, "")).unwrap_err().to_string().contains("64 bits"));
}

#[test]
fn what_costs_too_much_is_refused_before_it_is_parsed() {
    let deep = |depth: usize| {
        let new = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        with(&format!(r#"{{"new":{new},"path":"a"}}"#), "")
    };
    assert!(decode_text(deep(27)).is_ok());
    for depth in [28, 10_000, 1_000_000] {
        assert_eq!(decode_text(deep(depth)).unwrap_err().kind(), ErrorKind::Limit, "{depth}");
    }
    let many = |item: &str, count: usize| vec![item; count].join(",");
    for text in [
        with(&many("{}", 1_000_000), ""),
        with(&many(r#"{"path":""}"#, 1_000_000), ""),
        with("", &many(r#"{"path":"","reason":""}"#, 600_000)),
        with(&format!(r#"{{"new":[{}],"path":"a"}}"#, many("0", 8_000_000)), ""),
        with(&format!(r#"{{"new":[{}],"path":"a"}}"#, many("[]", 5_000_000)), ""),
        format!(r#"{{"format":"handoff-snapshot/1","repos":[{}]}}"#, many("{}", 1_000_000)),
        format!("{}{}", with("", ""), " ".repeat(33 << 20)),
    ] {
        assert_eq!(decode_text(&text).unwrap_err().kind(), ErrorKind::Limit, "{} bytes", text.len());
    }
    // The exact counts are checked after parsing.
    let entries: Vec<Entry> = (0..20).map(|i| entry(format!("{i:02}").as_str())).collect();
    let bytes = manifest(vec![repo("a", entries)]).to_canonical().unwrap();
    let limits = |entries| Limits { entries, ..Limits::default() };
    assert!(Manifest::from_canonical(&bytes, &limits(20)).is_ok());
    let error = Manifest::from_canonical(&bytes, &limits(19)).unwrap_err();
    assert!(matches!(error, Error::Limit { limit: 19, found: 20, .. }), "{error}");
    let above = Limits { json_depth: u64::MAX, entries: u64::MAX, ..Limits::default() };
    let text = deep(1000);
    assert_eq!(Manifest::from_canonical(text.as_bytes(), &above).unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn a_default_capture_at_its_limit_is_readable_by_default() {
    let state = |i: u32| file(&i.to_le_bytes());
    let entries: Vec<Entry> = (0..50_000)
        .map(|i| Entry {
            head: Some(state(i)),
            index: Some(state(i + 100_000)),
            worktree: Some(state(i + 50_000)),
            ..entry(format!("some/directory/with/a/long/name/{i:06}.rs").as_str())
        })
        .collect();
    let bytes = manifest(vec![repo("app", entries)]).to_canonical().unwrap();
    assert!(decode(&bytes).is_ok(), "{} bytes", bytes.len());
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 0..6).prop_map(|chars| chars.into_iter().collect())
}

fn extra() -> impl Strategy<Value = Extra> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        name().prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            proptest::collection::btree_map(name(), inner, 0..3)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    });
    proptest::collection::btree_map(name().prop_map(|name| format!("x{name}")), value, 0..2)
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let state = (any::<Option<[u8; 32]>>(), name(), any::<u32>(), extra())
        .prop_map(|(blob, mode, size, extra)| FileState {
            blob: blob.map(Digest::from_bytes),
            eol: None,
            mode: mode.as_str().into(),
            oid: blob.and_then(|blob| Oid::from_bytes(&blob)),
            size: size.into(),
            extra,
        })
        .boxed();
    let path = prop_oneof![
        name().prop_map(|name| RelPath::from(name.as_str())),
        proptest::collection::vec(any::<u8>(), 0..8).prop_map(RelPath::new)
    ];
    (path, proptest::option::of(state.clone()), proptest::option::of(state), any::<bool>(), extra()).prop_map(
        |(path, head, worktree, untracked, extra)| Entry {
            head,
            worktree,
            flags: EntryFlags { untracked, ..EntryFlags::default() },
            extra,
            ..entry(path)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn canonical_bytes_are_a_fixed_point(entries in proptest::collection::vec(any_entry(), 0..6), extra in extra()) {
        let mut entries = entries;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|a, b| a.path == b.path);
        let manifest = Manifest { extra, ..manifest(vec![repo("app", entries)]) };
        let bytes = manifest.to_canonical().unwrap();
        let read = decode(&bytes).unwrap();
        prop_assert_eq!(&read, &manifest);
        prop_assert_eq!(read.to_canonical().unwrap(), bytes);
    }

    #[test]
    fn changed_bytes_are_refused_or_mean_themselves(at in 0.0..1.0, with in any::<u8>()) {
        let mut bytes = full().to_canonical().unwrap();
        let at = (bytes.len() as f64 * at) as usize;
        bytes[at] = with;
        if let Ok(read) = decode(&bytes) {
            prop_assert_eq!(read.to_canonical().unwrap(), bytes);
        }
    }
}
