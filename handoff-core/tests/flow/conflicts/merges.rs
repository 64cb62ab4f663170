//! Three-way merges of generated edits, against `git merge-file`.

use handoff_core::{OnConflict, Outcome};
use proptest::prelude::*;

use super::{Scene, of, with};
use crate::flow::against_git::draw;
use crate::support::git;
use crate::support::repo::scratch;

/// Files merged in one apply.
const FILES: usize = 24;

/// A text as numbers of lines; equal numbers are equal lines, and there are few, so that texts repeat themselves.
type Text = Vec<u8>;

#[derive(Debug, Clone)]
struct Sides {
    base: Text,
    ours: Text,
    theirs: Text,
    /// Whether the last line of each lacks its newline.
    open: [bool; 3],
}

/// Replaces, inserts and removes runs of lines.
fn edited(base: Text) -> impl Strategy<Value = Text> {
    let edit = (any::<prop::sample::Index>(), 0_usize..4, prop::collection::vec(0_u8..30, 0..4));
    prop::collection::vec(edit, 0..4).prop_map(move |edits| {
        let mut text = base.clone();
        for (at, removed, inserted) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted);
        }
        text
    })
}

fn sides() -> impl Strategy<Value = Sides> {
    prop::collection::vec(0_u8..30, 0..40).prop_flat_map(|base| {
        let open = prop::array::uniform3(prop::bool::weighted(0.1));
        (Just(base.clone()), edited(base.clone()), edited(base), open)
            .prop_map(|(base, ours, theirs, open)| Sides { base, ours, theirs, open })
    })
}

fn text(lines: &Text, open: bool) -> Vec<u8> {
    let mut text: Vec<u8> =
        lines.iter().flat_map(|line| format!("line number {line}\n").into_bytes()).collect();
    if open {
        text.pop();
    }
    text
}

/// Git's clean result, or `None` for a conflict; and its text with diff3 markers.
fn oracle(directory: &std::path::Path, texts: &[Vec<u8>; 3]) -> (Option<Vec<u8>>, Vec<u8>) {
    for (name, text) in ["base", "ours", "theirs"].iter().zip(texts) {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let args = ["merge-file", "-p", "--diff3", "--diff-algorithm=histogram", "ours", "base", "theirs"];
    let output = git::output(directory, &args, b"");
    let code = output.status.code().unwrap();
    assert!(code < 128, "git 2.44 or newer is needed here: {}", String::from_utf8_lossy(&output.stderr));
    ((code == 0).then(|| output.stdout.clone()), output.stdout)
}

/// Conflict text without the names of the sides, which are each tool's own.
fn nameless(text: &[u8]) -> Vec<Vec<u8>> {
    let marker =
        |line: &[u8]| [&b"<<<<<<<"[..], b"|||||||", b">>>>>>>"].iter().any(|mark| line.starts_with(mark));
    text.split(|byte| *byte == b'\n')
        .map(|line| if marker(line) { line[..7].to_vec() } else { line.to_vec() })
        .collect()
}

#[test]
fn merges_are_those_of_git() {
    let conflicts = std::cell::Cell::new((0, 0));
    draw(prop::collection::vec(sides(), FILES), 9, 25, |files| {
        let texts: Vec<[Vec<u8>; 3]> = files
            .iter()
            .map(|s| [text(&s.base, s.open[0]), text(&s.ours, s.open[1]), text(&s.theirs, s.open[2])])
            .collect();
        let scene = Scene::new(|base| {
            base.write("always.txt", "always\n");
            for (number, [text, ..]) in texts.iter().enumerate() {
                base.write(format!("{number:02}.txt"), text);
            }
        });
        for (number, [_, ours, theirs]) in texts.iter().enumerate() {
            scene.target.write(format!("{number:02}.txt"), ours);
            scene.source.write(format!("{number:02}.txt"), theirs);
        }
        let report = scene.apply_with(&with(OnConflict::Markers));
        let scratch = scratch();
        for (number, sides) in texts.iter().enumerate() {
            let [base, ours, theirs] = sides;
            let path = format!("{number:02}.txt");
            let found = scene.target.read(&path);
            if theirs == base || ours == theirs {
                if found != *ours {
                    return Err(format!("{path}: there was nothing to merge"));
                }
                continue;
            }
            let file = of(&report, &path);
            let (clean, marked) = oracle(scratch.path(), sides);
            let (all, conflicting) = conflicts.get();
            conflicts.set((all + 1, conflicting + usize::from(clean.is_none())));
            let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match clean {
                Some(merged) => {
                    if file.outcome == Outcome::Conflict || found != merged {
                        return Err(format!(
                            "{path}: {} {:?}\nfound:\n{}\ngit:\n{}",
                            file.outcome,
                            file.detail,
                            shown(&found),
                            shown(&merged)
                        ));
                    }
                }
                None => {
                    if file.outcome != Outcome::Conflict {
                        return Err(format!("{path}: git has a conflict, we have {}", file.outcome));
                    }
                    if nameless(&found) != nameless(&marked) {
                        return Err(format!("{path}: found:\n{}\ngit:\n{}", shown(&found), shown(&marked)));
                    }
                }
            }
        }
        Ok(())
    });
    let (all, conflicting) = conflicts.get();
    eprintln!("{conflicting} conflicts in {all} merges");
    assert!(conflicting > all / 20 && conflicting < all * 19 / 20, "the generator is one-sided");
}
