//! Running commands aloud.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a task returns: an error is a sentence for people.
pub type Done = Result<(), String>;

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.clone(), PathBuf::from)
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |chosen| root().join(chosen))
}

/// `cargo`, the one that runs us, in the workspace's root.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    // Set by the outer `cargo run`; a nested cargo that saw it would rebuild what it shares with the outer one.
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_PKG_NAME");
    command
}

/// The command as a person would type it, with the variables it sets.
fn spell(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.to_string_lossy(), quote(&value.to_string_lossy())));
        }
    }
    let program = PathBuf::from(command.get_program());
    words.push(program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned());
    words.extend(command.get_args().map(|arg| quote(&arg.to_string_lossy())));
    words.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

/// Prints and runs `command`; an error unless it succeeds.
pub fn run(command: &mut Command) -> Done {
    let line = spell(command);
    println!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed ({status})")),
        Err(why) => Err(format!("`{line}` could not be started: {why}")),
    }
}

/// Like [`run`], and counts the tests that the runner's closing lines speak of. The exit status alone decides;
/// the numbers are for the closing line. The runner writes them to stdout (cargo test) or stderr (nextest).
pub fn run_counting(command: &mut Command, counts: &mut Counts) -> Done {
    let line = spell(command);
    println!("$ {line}");
    let (reader, writer) = std::io::pipe().map_err(|why| format!("no pipe: {why}"))?;
    let stderr = writer.try_clone().map_err(|why| format!("no pipe: {why}"))?;
    let mut child = command
        .stdout(Stdio::from(writer))
        .stderr(Stdio::from(stderr))
        .spawn()
        .map_err(|why| format!("`{line}` could not be started: {why}"))?;
    // Our copies of the pipe's ends must go, or the reader below never sees its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for text in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&text);
        println!("{text}");
        counts.read(&text);
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed ({status})")),
        Err(why) => Err(format!("`{line}`: {why}")),
    }
}

/// Tests passed and failed, summed over runners.
#[derive(Default)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl Counts {
    /// Takes numbers from `test result: ok. 3 passed; 0 failed; …` and `Summary […] 3 tests run: 3 passed, …`.
    fn read(&mut self, line: &str) {
        let plain = strip_colours(line);
        let ours = plain.starts_with("test result: ") || plain.trim_start().starts_with("Summary [");
        if !ours && !closes_pytest(&plain) {
            return;
        }
        let words: Vec<&str> =
            plain.split([' ', ';', ',', '(', ')']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            if let [number, what] = pair
                && let Ok(number) = number.parse::<u64>()
            {
                match *what {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    _ => {}
                }
            }
        }
    }
}

/// Whether `line` is like `1 failed, 61 passed in 12.34s (0:01:02)`.
fn closes_pytest(line: &str) -> bool {
    let Some((_, took)) = line.rsplit_once(" in ") else { return false };
    let seconds = took.split(' ').next().and_then(|took| took.strip_suffix('s'));
    seconds.is_some_and(|seconds| seconds.parse::<f64>().is_ok())
}

fn strip_colours(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(c);
        }
    }
    out
}

/// The first line that a command prints, `None` when it cannot be run or fails.
pub fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(root()).stderr(Stdio::null()).output().ok()?;
    let mut lines = output.stdout.lines();
    output.status.success().then(|| lines.next().and_then(Result::ok).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_counted() {
        let mut counts = Counts::default();
        counts.read("test result: ok. 12 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out");
        counts.read("\u{1b}[32;1m     Summary\u{1b}[0m [   0.043s] 7 tests run: \u{1b}[1m5\u{1b}[0m passed (1 slow), 2 failed, 4 skipped");
        counts.read("1 failed, 61 passed in 12.34s (0:01:02)");
        counts.read("99 passed 99 failed in somebody's log");
        assert_eq!((counts.passed, counts.failed), (78, 4));
    }
}
