//! Whether Rust, Python and Node say the same of every scenario in `conformance/cases`, byte for byte, and whether a
//! binding that is broken on purpose would be found out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Counts, Done, cargo, root, run, run_counting};
use crate::scratch::Scratch;
use crate::{node, python};

/// The variable that names the folder for transcripts, in every runner.
pub const TRANSCRIPTS: &str = "HANDOFF_TRANSCRIPTS";
/// The variable that breaks a binding, which its runner then does not notice by itself.
const FAULT: &str = "HANDOFF_SEEDED_FAULT";
const LANGUAGES: [&str; 3] = ["rust", "python", "node"];
/// Fewer scenarios are too few to speak of parity.
const FEWEST: usize = 300;
/// Differences that are printed one by one.
const SHOWN: usize = 20;

/// Where the runners write what they saw.
pub fn transcripts() -> PathBuf {
    root().join("target/parity")
}

/// Transcripts of earlier runs would be taken for those of this one.
pub fn clear() -> Done {
    let place = transcripts();
    match std::fs::remove_dir_all(&place) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {why}", place.display())),
        _ => Ok(()),
    }
}

/// `cargo xtask parity`: all three runners, on packages made anew, then the comparison.
pub fn all() -> Done {
    clear()?;
    let mut tests = cargo(&["test", "--locked", "-p", "handoff-scenarios"]);
    run(tests.env(TRANSCRIPTS, transcripts()))?;
    python::installed()?;
    let mut counts = Counts::default();
    let mut tests = python::in_parallel();
    run_counting(tests.arg("tests/test_parity.py").env(TRANSCRIPTS, transcripts()), &mut counts)?;
    node::prepare()?;
    run(node::tests().arg("test/parity.test.mjs").env(TRANSCRIPTS, transcripts()))?;
    compare()
}

/// Compares what the runners wrote, and shows that a fault would be seen.
pub fn compare() -> Done {
    let transcripts = LANGUAGES.map(|language| Transcript::read(language, &transcripts()));
    let [rust, python, node] = transcripts;
    let (rust, python, node) = (rust?, python?, node?);
    for other in [&python, &node] {
        let differences = rust.differences(other, &Part::Whole);
        if !differences.is_empty() {
            let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
            return Err(format!("{} differences, of which\n{shown}", differences.len()));
        }
    }
    let count = rust.scenarios();
    if count < FEWEST {
        return Err(format!("{count} scenarios ran, and there have to be {FEWEST}"));
    }
    println!("{count} scenarios in {} steps are the same in {}", rust.lines.len(), LANGUAGES.join(", "));
    let faulty = transcripts_of_faults();
    let scratch = Scratch::new();
    let (mut in_python, mut in_node) = (python::pytest(), node::tests());
    scratch.give(in_python.arg("tests/test_parity.py"));
    scratch.give(in_node.arg("test/parity.test.mjs"));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| seeded(&mut in_python, &rust, "python", &faulty));
        let this = seeded(&mut in_node, &rust, "node", &faulty);
        this.and(other.join().unwrap_or_else(|_| Err("the fault in python panicked".into())))
    })
}

fn transcripts_of_faults() -> PathBuf {
    transcripts().join("faulty")
}

/// Runs one binding with a fault; an error unless the comparison finds it.
fn seeded(runner: &mut Command, good: &Transcript, language: &str, place: &Path) -> Done {
    run(runner.env(TRANSCRIPTS, place).env(FAULT, "1"))?;
    let faulty = Transcript::read(language, place)?;
    let differences = good.differences(&faulty, &Part::OfOther);
    let first = differences.first().ok_or_else(|| {
        format!("a fault was put into {language} on purpose, and the comparison did not find it")
    })?;
    println!("a fault in {language} was found, {} times, first:\n{first}", differences.len());
    Ok(())
}

/// Whether scenarios that only one side ran are a difference.
#[derive(PartialEq)]
enum Part {
    Whole,
    OfOther,
}

/// What one language said: scenario, step, and the result as canonical JSON.
struct Transcript {
    language: String,
    lines: BTreeMap<(String, String), String>,
}

impl Transcript {
    fn read(language: &str, place: &Path) -> Result<Self, String> {
        // One file, or one of each process that ran a part.
        let failed = |why| format!("the transcript of {language} in {}: {why}", place.display());
        let mut text = String::new();
        for entry in std::fs::read_dir(place).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(&format!("{language}.")) && name.ends_with(".tsv") {
                text += &std::fs::read_to_string(&path).map_err(failed)?;
            }
        }
        if text.is_empty() {
            return Err(format!("there is no transcript of {language} in {}", place.display()));
        }
        Self::parse(language, &text)
    }

    fn parse(language: &str, text: &str) -> Result<Self, String> {
        let mut lines = BTreeMap::new();
        for line in text.lines() {
            let mut parts = line.splitn(3, '\t').map(str::to_owned);
            let (Some(scenario), Some(step), Some(result)) = (parts.next(), parts.next(), parts.next())
            else {
                return Err(format!("the transcript of {language} has the odd line {line:?}"));
            };
            if lines.insert((scenario, step), result).is_some() {
                return Err(format!("the transcript of {language} has a step twice: {line:?}"));
            }
        }
        Ok(Self { language: language.to_owned(), lines })
    }

    fn scenarios(&self) -> usize {
        let mut names: Vec<&String> = self.lines.keys().map(|(scenario, _)| scenario).collect();
        names.dedup();
        names.len()
    }

    fn differences(&self, other: &Self, part: &Part) -> Vec<String> {
        let mut found = Vec::new();
        for (place, result) in &self.lines {
            let (scenario, step) = place;
            match other.lines.get(place) {
                Some(same) if same == result => {}
                Some(different) => {
                    let (ours, theirs) = around(result, different);
                    found.push(format!(
                        "  {scenario}, step {step}\n    {}: {ours}\n    {}: {theirs}",
                        self.language, other.language
                    ));
                }
                None if *part == Part::Whole => {
                    found.push(format!("  {scenario}, step {step}: only in {}", self.language));
                }
                None => {}
            }
        }
        let more = other.lines.keys().filter(|place| !self.lines.contains_key(*place));
        found.extend(
            more.map(|(scenario, step)| format!("  {scenario}, step {step}: only in {}", other.language)),
        );
        found
    }
}

/// Both texts around the first place where they differ.
fn around(ours: &str, theirs: &str) -> (String, String) {
    let same = ours.chars().zip(theirs.chars()).take_while(|(one, other)| one == other).count();
    let cut = |text: &str| text.chars().skip(same.saturating_sub(60)).take(160).collect();
    (cut(ours), cut(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_different_a_missing_and_a_further_step_are_found() {
        let read = |language: &str, text: &str| Transcript::parse(language, text).expect("well formed");
        let rust = read("rust", "a/one\t1 capture\t{\"n\":1}\na/one\t2 apply\t{}\na/two\t1 capture\t{}\n");
        let same = read("node", "a/one\t1 capture\t{\"n\":1}\na/one\t2 apply\t{}\na/two\t1 capture\t{}\n");
        assert_eq!((rust.scenarios(), rust.differences(&same, &Part::Whole).len()), (2, 0));
        let other = read("node", "a/one\t1 capture\t{\"n\":2}\na/two\t1 capture\t{}\na/two\t2 apply\t{}\n");
        let found = rust.differences(&other, &Part::Whole);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found.iter().any(|line| line.contains("a/one, step 1 capture") && line.contains("{\"n\":2}"))
        );
        assert_eq!(rust.differences(&other, &Part::OfOther).len(), 2);
        assert!(Transcript::parse("node", "half a line\n").is_err());
    }
}
