//! What a person sees. Colours and bars keep quiet when the output is no terminal or `NO_COLOR` is set.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use console::style;
use handoff_core::{ApplyReport, CancelToken, Control, Phase, Progress};
use indicatif::{ProgressBar, ProgressStyle};

pub fn step(number: u32, title: &str) {
    println!("\n{} {}", style(format!("{number}.")).cyan().bold(), style(title).bold());
}

/// A proof and how it came out.
pub fn verdict(holds: bool, claim: &str) {
    if holds {
        println!("  {} {claim}", style("✓").green().bold());
    } else {
        println!("  {} {}: {claim}", style("✗").red().bold(), style("NOT SO").red().bold());
    }
}

/// Lines of `git status --short`, coloured as git does, at most `most` of them.
pub fn listing(lines: &[String], most: usize) {
    for line in lines.iter().take(most) {
        let (mark, path) = line.split_at_checked(2).unwrap_or((line, ""));
        let (staged, unstaged) = mark.split_at_checked(1).unwrap_or((mark, ""));
        if mark == "??" {
            println!("    {}{path}", style(mark).red());
        } else {
            println!("    {}{}{path}", style(staged).green(), style(unstaged).red());
        }
    }
    if lines.len() > most {
        println!("    {}", style(format!("and {} more", lines.len() - most)).dim());
    }
}

/// Output of another program, indented, without the headers of a diff, at most `most` lines, cut at the width
/// of the terminal.
pub fn quoted(text: &str, most: usize) {
    let width = columns().saturating_sub(6);
    let body: Vec<&str> =
        text.lines().skip_while(|line| !console::strip_ansi_codes(line).starts_with("@@")).collect();
    for line in body.iter().take(most) {
        println!("      {}", console::truncate_str(line, width, "…"));
    }
    if body.len() > most {
        println!("      {}", style(format!("… {} more lines", body.len() - most)).dim());
    }
}

/// The report as an agent would read it, folded to the width of the terminal.
pub fn report(report: &ApplyReport) {
    let width =
        console::Term::stdout().size_checked().map_or(usize::MAX, |(_, columns)| usize::from(columns));
    for line in report.to_string().lines() {
        for part in fold(line, width.saturating_sub(7)) {
            println!("    {} {part}", style("│").dim());
        }
    }
}

/// Columns of the terminal; without one, lines may be of any length.
pub fn columns() -> usize {
    console::Term::stdout().size_checked().map_or(usize::MAX, |(_, columns)| usize::from(columns))
}

/// `line` in parts of at most `width` characters, broken between words; the later parts are indented further.
fn fold(line: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(line.len() - line.trim_start().len() + 4);
    let mut parts = Vec::new();
    let mut part = String::new();
    for word in line.split_inclusive(' ') {
        if !part.trim().is_empty() && part.chars().count() + word.trim_end().chars().count() > width {
            parts.push(std::mem::replace(&mut part, indent.clone()));
        }
        part.push_str(word);
    }
    parts.push(part);
    parts
}

pub fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

pub fn millis(time: Duration) -> String {
    if time.as_millis() < 10_000 {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

pub fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// One bar per phase of an operation; finished ones stay on the screen.
#[derive(Clone, Default)]
pub struct Bars(Arc<Mutex<Option<(Phase, ProgressBar)>>>);

impl Bars {
    pub fn new() -> Self {
        Self::default()
    }

    /// What the operation reports through.
    pub fn control(&self) -> Control {
        let bars = self.clone();
        Control { progress: Some(Arc::new(move |progress| bars.show(progress))), cancel: CancelToken::new() }
    }

    fn show(&self, progress: &Progress) {
        // A poisoned lock would mean that drawing panicked; the operation need not care.
        let Ok(mut current) = self.0.lock() else { return };
        if current.as_ref().is_none_or(|(phase, _)| *phase != progress.phase) {
            if let Some((_, bar)) = current.take() {
                bar.abandon();
            }
            let bar = ProgressBar::new(progress.total);
            let pattern = "  {prefix:>7.dim} {bar:28.cyan} {pos}/{len} {msg:.dim}";
            bar.set_style(
                ProgressStyle::with_template(pattern).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_prefix(progress.phase.as_str());
            *current = Some((progress.phase, bar));
        }
        let Some((_, bar)) = current.as_ref() else { return };
        bar.set_length(progress.total.max(progress.done));
        bar.set_position(progress.done);
        let size = Some(progress.bytes).filter(|size| *size > 0).map(bytes);
        let words = [size, progress.path.clone()];
        bar.set_message(words.into_iter().flatten().collect::<Vec<_>>().join(" "));
    }

    /// Leaves the last bar as it is.
    pub fn finish(&self) {
        if let Ok(mut current) = self.0.lock()
            && let Some((_, bar)) = current.take()
        {
            bar.abandon();
        }
    }
}
