//! Rust source as the rules see it: comments and literals blanked, test modules marked.

use std::path::Path;
use std::process::Command;

/// One file.
pub struct Source<'a> {
    pub file: &'a str,
    /// Lines that are not in a test module.
    pub lines_outside_tests: usize,
    /// Each line without comments and literals, and whether it belongs to tests.
    lines: Vec<(String, bool)>,
}

impl<'a> Source<'a> {
    /// Reads `text`; a file whose path starts with one of `tests` is all tests.
    pub fn read(file: &'a str, text: &str, tests: &[String]) -> Self {
        let code = blank(text);
        let all_tests = file.ends_with("/tests.rs")
            || ["/tests/", "tests/", "/benches/"].iter().any(|dir| file.contains(dir))
            || tests.iter().any(|test| {
                file.strip_prefix(test.as_str()).is_some_and(|rest| rest.starts_with(['.', '/']))
            });
        let mut lines: Vec<(String, bool)> = code.lines().map(|line| (line.to_owned(), all_tests)).collect();
        if !all_tests {
            mark_test_modules(&mut lines);
        }
        let lines_outside_tests = lines.iter().filter(|(_, test)| !test || all_tests).count();
        Self { file, lines_outside_tests: if all_tests { 0 } else { lines_outside_tests }, lines }
    }

    /// Every line of code with its number.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().enumerate().map(|(number, (line, _))| (number + 1, line.as_str()))
    }

    /// The lines that are not tests.
    pub fn code_outside_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.lines.iter().enumerate().filter(|(_, (_, test))| !test);
        lines.map(|(number, (line, _))| (number + 1, line.as_str()))
    }
}

/// Where the modules are that `file` declares with `#[cfg(test)] mod name;`, without `.rs` or `/mod.rs`.
pub fn test_modules(file: &str, text: &str) -> Vec<String> {
    let dir = match file.rsplit_once('/') {
        Some((dir, "mod.rs" | "lib.rs" | "main.rs")) => dir.to_owned(),
        _ => file.trim_end_matches(".rs").to_owned(),
    };
    let code = blank(text);
    let mut found = Vec::new();
    let mut test = false;
    for line in code.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let name = line.strip_suffix(';').and_then(|line| line.rsplit_once("mod ")).map(|(_, name)| name);
        if let Some(name) = name.filter(|_| test) {
            found.push(format!("{dir}/{name}"));
        }
        // Other attributes may stand between the two.
        test = line.starts_with("#[cfg(test)]") || test && line.starts_with("#[");
    }
    found
}

/// Marks from `#[cfg(test)]` to the brace that closes the item after it.
fn mark_test_modules(lines: &mut [(String, bool)]) {
    let mut depth = None;
    for (line, test) in lines {
        if depth.is_none() && line.trim_start().starts_with("#[cfg(test)]") {
            depth = Some(0_i64);
        }
        let Some(open) = depth.as_mut() else { continue };
        *test = true;
        for c in line.chars() {
            match c {
                '{' => *open += 1,
                '}' => *open -= 1,
                _ => {}
            }
        }
        if *open == 0 && (line.contains('}') || line.trim_end().ends_with(';')) {
            depth = None;
        }
    }
}

/// The text with comments and the insides of literals as spaces, line breaks kept.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = literal(rest, out.chars().next_back());
        if skipped == 0 {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        } else {
            let (inside, after) = rest.split_at_checked(skipped).unwrap_or((rest, ""));
            out.extend(inside.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    out
}

/// How many bytes of comment or literal `text` starts with.
fn literal(text: &str, before: Option<char>) -> usize {
    let end_after = |from: usize, mark: &str| {
        text.get(from..).and_then(|rest| rest.find(mark)).map_or(text.len(), |at| from + at + mark.len())
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return end_after(2, "*/");
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && (text.starts_with('r') || text.starts_with("br")) {
        let marks = text.trim_start_matches(['b', 'r']);
        let hashes = marks.len() - marks.trim_start_matches('#').len();
        if marks.get(hashes..).is_some_and(|rest| rest.starts_with('"')) {
            let start = text.len() - marks.len() + hashes + 1;
            return end_after(start, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    // A character, not a lifetime: 'x' or '\…'.
    if text.starts_with('\'') {
        let mut chars = text.chars().skip(1);
        match (chars.next(), chars.next()) {
            (Some('\\'), _) => return quoted(text, '\''),
            (Some(c), Some('\'')) => return 2 + c.len_utf8(),
            _ => {}
        }
    }
    0
}

fn quoted(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether a line of code names the crate: `name::`, `use name`.
pub fn names_crate(line: &str, name: &str) -> bool {
    occurrences(line, name).any(|(before, after)| {
        !before.ends_with("::")
            && !before.ends_with('.')
            && (after.starts_with("::") || before.trim() == "use")
    })
}

/// Whether a line of code names the crate's own module: `crate::name`, or in the braces of `crate::{…}`.
pub fn names_module(line: &str, name: &str) -> bool {
    occurrences(line, name).any(|(before, after)| {
        before.ends_with("crate::")
            || (before.contains("crate::{")
                && before.ends_with(['{', ' ', ','])
                && after.starts_with([':', ',', '}']))
    })
}

/// What stands before and after each whole-word occurrence of `word`.
fn occurrences<'l>(line: &'l str, word: &'l str) -> impl Iterator<Item = (&'l str, &'l str)> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).filter_map(move |(at, _)| {
        let (before, after) = (line.get(..at)?, line.get(at + word.len()..)?);
        (!before.ends_with(in_word) && !after.starts_with(in_word)).then_some((before, after))
    })
}

/// The files git tracks or could add, or in a copy without git's help every file outside target directories.
pub fn tracked(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|why| format!("git could not be started: {why}"))?;
    if output.status.success() {
        let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        return Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect());
    }
    let mut files = Vec::new();
    walk(root, "", &mut files).map_err(|why| format!("reading {}: {why}", root.display()))?;
    Ok(files)
}

fn walk(root: &Path, below: &str, files: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            if name != "target" && name != ".git" {
                walk(root, &path, files)?;
            }
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_test_modules_are_found_through_their_declaration() {
        let text =
            "mod blob;\n#[cfg(test)]\nmod golden;\n#[cfg(test)]\n#[rustfmt::skip]\nmod more;\nmod last;\n";
        assert_eq!(test_modules("a/snapshot/mod.rs", text), ["a/snapshot/golden", "a/snapshot/more"]);
        assert_eq!(test_modules("a/text.rs", text), ["a/text/golden", "a/text/more"]);
        let tests = ["a/golden".to_owned()];
        assert_eq!(Source::read("a/golden.rs", "x", &tests).lines_outside_tests, 0);
        assert_eq!(Source::read("a/golden_not.rs", "x", &tests).lines_outside_tests, 1);
    }

    #[test]
    fn comments_and_literals_are_blanked_and_nothing_else() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b\nc */ d", "a     \n     d"),
            (r#"f("a\"b", 'c', '\'', x)"#, "f(      ,    ,     , x)"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("r#\"a\"b\"# + r\"c\"", "         +     "),
            ("let error = for_r; bar\"x\"", "let error = for_r; bar   "),
        ] {
            assert_eq!(blank(text), code, "{text}");
        }
    }
}
