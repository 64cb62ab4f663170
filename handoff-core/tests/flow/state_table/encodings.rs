//! `working-tree-encoding`: files that git stores as UTF-8 and that are something else on disk.

use handoff_core::{Outcome, Verdict};

use super::{Pair, carry, entry, numbered, of, paths, repo};
use crate::support::git;
use crate::support::repo::Repo;

/// Names as `.gitattributes` spells them, and how git writes such a file.
const ENCODINGS: [(&str, fn(&str) -> Vec<u8>); 7] = [
    ("UTF-16", |text| with_bom(&[0xff, 0xfe], le(text))),
    ("UTF-16LE", le),
    ("UTF-16BE", be),
    ("UTF-16LE-BOM", |text| with_bom(&[0xff, 0xfe], le(text))),
    ("UTF-32LE", |text| text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
    ("ISO-8859-1", |text| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()),
    ("UTF-8", |text| text.as_bytes().to_vec()),
];

fn le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn be(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn with_bom(bom: &[u8], mut text: Vec<u8>) -> Vec<u8> {
    text.splice(0..0, bom.iter().copied());
    text
}

/// Git with iconv names the stored form, where it can.
fn stored_id(repo: &Repo, path: &str) -> Option<String> {
    let out = git::output(&repo.root, &["hash-object", path], b"");
    out.status.success().then(|| String::from_utf8(out.stdout).unwrap().trim().to_owned())
}

fn pair(name: &str, eol: &str, encode: fn(&str) -> Vec<u8>) -> Pair {
    let pair = Pair::new(|base| {
        base.write(".gitattributes", format!("*.txt text working-tree-encoding={name} {eol}\n"));
        for path in ["edit.txt", "merge.txt", "same.txt"] {
            base.write(path, encode(&format!("é {}", on_disk(eol, &numbered(&[])))));
        }
    });
    for clone in [&pair.source, &pair.target] {
        // Whichever byte order git chose, ours is as good and stored the same.
        for path in ["edit.txt", "merge.txt", "same.txt"] {
            clone.write(path, encode(&format!("é {}", on_disk(eol, &numbered(&[])))));
        }
        clone.refresh();
        assert_eq!(clone.git(&["status", "--porcelain"]), b"", "{name}: git itself");
    }
    pair
}

fn on_disk(eol: &str, text: &str) -> String {
    if eol.contains("crlf") { text.replace('\n', "\r\n") } else { text.to_owned() }
}

#[test]
fn working_tree_encoding() {
    for (name, encode) in ENCODINGS {
        for eol in ["", "eol=lf", "eol=crlf"] {
            let what = format!("{name} {eol}");
            let pair = pair(name, eol, encode);
            let (source, target) = (&pair.source, &pair.target);
            assert_eq!(
                paths(repo(&pair.snapshot(), "app")),
                Vec::<String>::new(),
                "{what}: nothing is changed"
            );
            let text = |edits: &[(usize, &str)]| encode(&format!("é {}", on_disk(eol, &numbered(edits))));
            source.write("edit.txt", text(&[(3, "ÿ there")])).write("merge.txt", text(&[(3, "ÿ there")]));
            source.write("new.txt", text(&[(1, "new")]));
            target.write("merge.txt", text(&[(25, "here ü")]));
            let snapshot = pair.snapshot();
            assert_eq!(paths(repo(&snapshot, "app")), ["edit.txt", "merge.txt", "new.txt"], "{what}");
            for path in ["edit.txt", "merge.txt", "new.txt"] {
                let told = entry(repo(&snapshot, "app"), path);
                assert_eq!(told.flags.raw, None, "{what}: {path}");
                let oid = told.worktree.as_ref().unwrap().oid.map(|oid| oid.to_string());
                assert_eq!(oid, stored_id(source, path), "{what}: {path} is named as git stores it");
            }
            let report = carry(&snapshot, target);
            assert_eq!(report.verdict, Verdict::Complete, "{what}: {report}");
            assert_eq!(of(&report, "edit.txt").outcome, Outcome::Applied, "{what}");
            assert_eq!(of(&report, "merge.txt").outcome, Outcome::Merged, "{what}");
            assert!(target.read("edit.txt") == source.read("edit.txt"), "{what}");
            assert!(target.read("new.txt") == source.read("new.txt"), "{what}");
            let both = text(&[(3, "ÿ there"), (25, "here ü")]);
            assert!(target.read("merge.txt") == both, "{what}: merged in the encoding of the file");
        }
    }
}

#[test]
fn a_byte_order_other_than_gits_is_no_change() {
    let pair = pair("UTF-16", "", |text| with_bom(&[0xfe, 0xff], be(text)));
    assert_eq!(paths(repo(&pair.snapshot(), "app")), Vec::<String>::new());
    let edited = with_bom(&[0xfe, 0xff], be(&format!("é {}", numbered(&[(3, "there")]))));
    pair.source.write("edit.txt", &edited);
    pair.target.write("edit.txt", with_bom(&[0xff, 0xfe], le(&format!("é {}", numbered(&[(25, "here")])))));
    let report = pair.carry();
    assert_eq!(of(&report, "edit.txt").outcome, Outcome::Merged, "{report}");
    let merged = with_bom(&[0xff, 0xfe], le(&format!("é {}", numbered(&[(3, "there"), (25, "here")]))));
    assert!(pair.target.read("edit.txt") == merged, "the target's own byte order is kept");
}

#[test]
fn what_does_not_fit_its_encoding_travels_raw() {
    let pair = pair("UTF-16", "", |text| with_bom(&[0xff, 0xfe], le(text)));
    pair.source.write("edit.txt", b"plain text where UTF-16 is promised, odd\n");
    let snapshot = pair.snapshot();
    let told = entry(repo(&snapshot, "app"), "edit.txt");
    assert_eq!(told.flags.raw.as_deref(), Some("working-tree-encoding"), "{told:?}");
    let report = carry(&snapshot, &pair.target);
    assert_eq!(of(&report, "edit.txt").outcome, Outcome::Applied, "{report}");
    assert_eq!(pair.target.read("edit.txt"), b"plain text where UTF-16 is promised, odd\n");
    // The other way round: what the target has fits nothing, so it cannot be merged and stays.
    pair.target.write("merge.txt", b"not UTF-16 either, and odd\n");
    pair.source.write("merge.txt", with_bom(&[0xff, 0xfe], le(&numbered(&[(3, "there")]))));
    let report = pair.carry();
    assert_eq!(of(&report, "merge.txt").outcome, Outcome::Conflict, "{report}");
    assert_eq!(pair.target.read("merge.txt"), b"not UTF-16 either, and odd\n");
}

#[test]
fn an_encoding_that_nobody_knows_travels_raw() {
    let pair = Pair::new(|base| {
        base.write("a.txt", numbered(&[])).write("b.txt", numbered(&[]));
    });
    for clone in [&pair.source, &pair.target] {
        clone.write(".git/info/attributes", "*.txt working-tree-encoding=EBCDIC-nowhere\n");
    }
    pair.source.write("a.txt", numbered(&[(3, "there")]));
    let snapshot = pair.snapshot();
    assert_eq!(paths(repo(&snapshot, "app")), ["a.txt"]);
    let told = entry(repo(&snapshot, "app"), "a.txt");
    assert_eq!(told.flags.raw.as_deref(), Some("working-tree-encoding"), "{told:?}");
    let report = carry(&snapshot, &pair.target);
    assert_eq!(of(&report, "a.txt").outcome, Outcome::Applied, "{report}");
}
