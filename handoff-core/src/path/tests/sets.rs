//! Paths that only harm together.

use super::*;

fn set(items: &[(&str, After)]) -> (Vec<(String, &'static str)>, Vec<Vec<String>>) {
    let paths: Vec<RelPath> = items.iter().map(|(path, _)| RelPath::from(*path)).collect();
    let items: Vec<_> =
        paths.iter().zip(items).map(|(path, (_, after))| SetItem { path, after: *after }).collect();
    let found = check_set(&items);
    let text = |at: &usize| paths[*at].to_string_lossy().into_owned();
    (
        found.faults.iter().map(|(at, fault)| (text(at), fault.reason())).collect(),
        found.collisions.iter().map(|group| group.items.iter().map(text).collect()).collect(),
    )
}

#[test]
fn rows_61_and_62_a_file_where_a_directory_is_needed() {
    use After::{Dir, Gone, Leaf};
    let both = |items: &[(&str, After)]| set(items).0.into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    let benign = [("b", Leaf), ("c/d", Leaf), ("ab", Leaf)];
    let with = |items: &[(&'static str, After)]| [items, &benign].concat();
    assert_eq!(both(&with(&[("a", Leaf), ("a/post-checkout", Leaf)])), ["a", "a/post-checkout"]);
    assert_eq!(both(&with(&[("x/a", Leaf), ("x/a/b/c", Leaf), ("x/a/e", Dir)])), ["x/a", "x/a/b/c", "x/a/e"]);
    assert_eq!(set(&[("a/b", Leaf), ("a", Leaf)]).0[0].1, "path_prefix_conflict");
    for fine in [
        &[("a", Gone), ("a/b", Leaf)],
        &[("a", Leaf), ("a/b", Gone)],
        &[("a", Dir), ("a/b", Leaf)],
        &[("a", Gone), ("a/b", Gone)],
    ] {
        assert!(both(&with(fine)).is_empty(), "{fine:?}");
    }
}

#[test]
fn row_88_a_directory_that_git_takes_for_a_repository() {
    use After::{Dir, Gone, Leaf};
    let refused = |items: &[(&str, After)]| {
        set(items)
            .0
            .into_iter()
            .map(|(path, reason)| {
                assert_eq!(reason, "embedded_bare_repo");
                path
            })
            .collect::<Vec<_>>()
    };
    let bare = [("d/HEAD", Leaf), ("d/objects/x", Leaf), ("d/refs/x", Leaf), ("d/config", Leaf)];
    let all = ["d/HEAD", "d/objects/x", "d/refs/x", "d/config"];
    assert_eq!(refused(&[&bare[..], &[("d/readme", Leaf), ("e", Leaf), ("HEAD", Leaf)]].concat()), all);
    assert_eq!(refused(&[("HEAD", Leaf), ("objects", Dir), ("refs", Leaf), ("x", Leaf)]).len(), 3);
    assert_eq!(refused(&[("d/Head", Leaf), ("d/OBJECTS/x", Leaf), ("d/refs/x", Leaf)]).len(), 3);
    assert_eq!(refused(&[("d/HEAD", Leaf), ("d/commondir", Leaf), ("d/x", Leaf)]), ["d/HEAD", "d/commondir"]);
    for fine in [
        &bare[1..],
        &[("d/HEAD", Gone), ("d/objects/x", Leaf), ("d/refs/x", Leaf)],
        &[("d/head/x", Leaf), ("d/objects/x", Leaf), ("d/refs/x", Leaf)],
        &[("d/HEAD", Leaf), ("e/objects/x", Leaf), ("d/refs/x", Leaf)],
    ] {
        assert!(refused(fine).is_empty(), "{fine:?}");
    }
}

#[test]
fn rows_63_to_66_names_that_may_be_one() {
    use After::{Gone, Leaf};
    for (a, b) in [
        ("README", "readme"),
        ("\u{e9}", "e\u{301}"),
        ("\u{df}", "ss"),
        ("\u{1e9e}", "\u{df}"),
        ("\u{fb01}", "fi"),
        ("\u{3a3}", "\u{3c2}"),
        ("\u{212a}", "k"),
        ("x", "x."),
        ("x", "x\u{200c}"),
        ("\u{e9}\u{301}A", "e\u{301}\u{301}a"),
    ] {
        let (a, b) = (format!("d/{a}"), format!("d/{b}"));
        let (faults, groups) = set(&[(&a, Leaf), ("other", Leaf), (&b, Leaf)]);
        assert!(faults.is_empty());
        assert_eq!(groups, [[a.clone(), b.clone()]], "{a:?} {b:?}");
        assert!(set(&[(&a, Leaf), (&b, Gone)]).1.is_empty());
    }
    assert!(set(&[("a", Leaf), ("b", Leaf), ("d/a", Leaf)]).1.is_empty());
    // A link and a directory whose names differ only in case (git's CVE-2021-21300), and two spellings of one
    // directory.
    assert_eq!(set(&[("A", Leaf), ("a/x", Leaf), ("b", Leaf)]).1, [["A", "a/x"]]);
    assert_eq!(set(&[("D/x", Leaf), ("d/y", Leaf)]).1, [["D/x", "d/y"]]);
    let paths = [RelPath::from("README"), RelPath::from("readme")];
    let items = paths.each_ref().map(|path| SetItem { path, after: Leaf });
    let expected = BTreeSet::from([b"README".to_vec(), b"readme".to_vec()]);
    assert_eq!(check_set(&items).collisions[0].names, expected);
}

#[test]
fn folding_joins_every_form_of_every_character() {
    use unicode_normalization::UnicodeNormalization as _;
    let key = |text: String| crate::path::fold::fold(text.as_bytes()).into_owned();
    for c in (0x21..0x20000).filter_map(char::from_u32) {
        let plain = key(c.to_string());
        assert_eq!(key(c.to_uppercase().collect()), plain, "{c:?}");
        assert_eq!(key(c.to_lowercase().collect()), plain, "{c:?}");
        assert_eq!(key(c.nfc().collect()), plain, "{c:?}");
        assert_eq!(key(c.nfd().collect()), plain, "{c:?}");
    }
}

#[test]
fn a_hostile_set_costs_no_more_than_its_bytes() {
    let deep: Vec<RelPath> =
        (0..2_000).map(|number| RelPath::from(format!("n{number}/{}x", "a/".repeat(250)).as_str())).collect();
    let items: Vec<_> = deep.iter().map(|path| SetItem { path, after: After::Leaf }).collect();
    let found = check_set(&items);
    assert!(found.faults.is_empty() && found.collisions.is_empty());
}
