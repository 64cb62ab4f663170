//! The text of a report: bounded whatever the report holds, most important things first, and for every trouble
//! what to do about it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::{
    Action, ApplyReport, Detail, Drift, DriftKind, FileReport, LooseReport, Outcome, RepoReport,
    StagingReport,
};
use crate::error::remedy;
use crate::path::RelPath;

/// Most bytes of the text.
const LIMIT: usize = 16 << 10;

/// Most bytes of one line.
const LINE: usize = 600;

/// Conflicts named one by one, in all repositories together.
const CONFLICTS: usize = 25;

/// Groups of other paths named for each repository and outcome.
const GROUPS: usize = 8;

/// Repositories described one by one.
const REPOS: usize = 20;

/// A text that takes lines until it is full.
struct Text {
    out: String,
    cut: bool,
}

impl Text {
    fn line(&mut self, line: &str) {
        // Room for the last line, which says that something is missing.
        let room = LIMIT - 200;
        let line = shorten(line);
        if self.cut || self.out.len() + line.len() + 1 > room {
            self.cut = true;
            return;
        }
        self.out.push_str(&line);
        self.out.push('\n');
    }
}

fn shorten(line: &str) -> String {
    if line.len() <= LINE {
        return line.to_owned();
    }
    let end = (0..=LINE).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", line.get(..end).unwrap_or_default())
}

impl fmt::Display for ApplyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Text { out: String::new(), cut: false };
        text.line(&self.headline());
        if let (Some(id), Action::Apply) = (&self.apply_id, &self.action) {
            text.line(&format!("to take it back: undo with apply id {id}"));
        }
        let mut conflicts = CONFLICTS;
        for repo in self.repos.iter().take(REPOS) {
            repo.describe(&self.action, &mut text, &mut conflicts);
        }
        if let Some(loose) = &self.loose {
            loose.describe(&self.action, &mut text, &mut conflicts);
        }
        if self.repos.len() > REPOS {
            text.line(&format!("… and {} more repositories", self.repos.len() - REPOS));
        }
        f.write_str(&text.out)?;
        if text.cut {
            f.write_str("… cut here; the JSON form of this report has every path\n")?;
        }
        Ok(())
    }
}

impl ApplyReport {
    fn headline(&self) -> String {
        let mut line = format!("{}: {}", self.action, self.verdict);
        let counts = counts(self.files().map(|(_, file)| file));
        if counts.is_empty() {
            line.push_str(", no changed paths");
        }
        for (at, (word, count)) in counts.iter().enumerate() {
            let _ = write!(line, "{}{count} {word}", if at == 0 { " — " } else { ", " });
        }
        line
    }
}

/// How many paths ended how, in a fixed order, without zeros.
fn counts<'a>(files: impl Iterator<Item = &'a FileReport>) -> Vec<(String, usize)> {
    let order = [
        Outcome::Applied,
        Outcome::Merged,
        Outcome::Unchanged,
        Outcome::Conflict,
        Outcome::Skipped,
        Outcome::Failed,
        Outcome::NotCaptured,
    ];
    let mut found: BTreeMap<&Outcome, usize> = BTreeMap::new();
    for file in files {
        *found.entry(&file.outcome).or_default() += 1;
    }
    let rank = |outcome: &Outcome| order.iter().position(|known| known == outcome).unwrap_or(order.len());
    let mut out: Vec<_> = found.into_iter().collect();
    out.sort_by_key(|(outcome, _)| rank(outcome));
    out.into_iter().map(|(outcome, count)| (outcome.as_str().replace('_', " "), count)).collect()
}

impl LooseReport {
    fn describe(&self, action: &Action, text: &mut Text, conflicts: &mut usize) {
        let (kind, remedy) = (DriftKind::Same, String::new());
        let as_repository = RepoReport {
            drift: Drift { ahead: None, behind: None, kind, remedy, source: None, target: None },
            files: self.files.clone(),
            findings: self.findings.clone(),
            history: None,
            name: "files outside any repository".into(),
            staging: StagingReport::default(),
            target: self.target.clone(),
        };
        as_repository.describe(action, text, conflicts);
    }
}

impl RepoReport {
    fn describe(&self, action: &Action, text: &mut Text, conflicts: &mut usize) {
        let mut line = format!("\n{}", escape(&self.name));
        if let Some(target) = &self.target {
            let _ = write!(line, " → {}", path(target));
        }
        let counts: Vec<String> =
            counts(self.files.iter()).iter().map(|(word, count)| format!("{count} {word}")).collect();
        let _ = write!(
            line,
            ": {}",
            if counts.is_empty() { "no changed paths".into() } else { counts.join(", ") }
        );
        text.line(&line);
        if !matches!(self.drift.kind, DriftKind::Same | DriftKind::NoTarget) {
            text.line(&format!("  drift: {}", self.drift_text()));
        }
        if let Some(history) = &self.history {
            text.line(&format!("  history: {}", escape(&history.to_string())));
        }
        for finding in self.findings.iter().take(GROUPS) {
            text.line(&format!("  {}: {}", finding.kind, escape(&finding.message)));
        }
        self.describe_conflicts(action, text, conflicts);
        for outcome in [Outcome::Failed, Outcome::Skipped, Outcome::NotCaptured] {
            self.describe_groups(&outcome, text);
        }
        self.describe_placed(action, text);
        self.describe_staging(text);
    }

    fn drift_text(&self) -> String {
        let drift = &self.drift;
        let mut out = drift.kind.as_str().replace('_', " ");
        let counts: Vec<String> = [(drift.ahead, "more here"), (drift.behind, "missing here")]
            .into_iter()
            .filter_map(|(count, words)| {
                let count = count.filter(|count| *count > 0)?;
                Some(format!("{count} {} {words}", if count == 1 { "commit" } else { "commits" }))
            })
            .collect();
        if !counts.is_empty() {
            let _ = write!(out, " ({})", counts.join(", "));
        }
        if !drift.remedy.is_empty() {
            let _ = write!(out, "; {}", escape(&drift.remedy));
        }
        out
    }

    fn describe_conflicts(&self, action: &Action, text: &mut Text, left: &mut usize) {
        let all: Vec<&FileReport> =
            self.files.iter().filter(|file| file.outcome == Outcome::Conflict).collect();
        for file in all.iter().take(*left) {
            let mut line = format!("  conflict: {}", file.path);
            if let Some(at) = &file.at {
                let _ = write!(line, " (here {at})");
            }
            let _ = write!(line, ": {}", conflict(file, action));
            text.line(&line);
        }
        if all.len() > *left {
            text.line(&format!("  … and {} more conflicts", all.len() - *left));
        }
        *left = left.saturating_sub(all.len());
    }

    /// Paths that are not in place, by directory and reason.
    fn describe_groups(&self, outcome: &Outcome, text: &mut Text) {
        let mut groups: BTreeMap<(&str, &[u8]), Vec<&FileReport>> = BTreeMap::new();
        for file in self.files.iter().filter(|file| file.outcome == *outcome) {
            let reason = file.reason.as_deref().unwrap_or("unknown");
            let top = file.path.as_bytes().split(|byte| *byte == b'/').next().unwrap_or_default();
            let dir = if top.len() == file.path.as_bytes().len() { b"".as_slice() } else { top };
            groups.entry((reason, dir)).or_default().push(file);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(key, files)| (std::cmp::Reverse(files.len()), *key));
        let word = outcome.as_str().replace('_', " ");
        for ((reason, dir), files) in groups.iter().take(GROUPS) {
            let mut line = format!("  {word} ({}): ", escape(reason));
            match files.as_slice() {
                [only] => {
                    let _ = write!(line, "{}", only.path);
                    if let Some(message) = &only.message {
                        let _ = write!(line, " ({})", escape(message));
                    }
                }
                [first, ..] => {
                    let _ = write!(line, "{} paths", files.len());
                    if !dir.is_empty() {
                        let _ = write!(line, " below {}/", RelPath::from(*dir));
                    }
                    let _ = write!(line, " such as {}", first.path);
                    if let Some(rule) = first.message.as_ref().filter(|_| reason.starts_with("secret_")) {
                        let _ = write!(line, " ({})", escape(rule));
                    }
                }
                [] => {}
            }
            if let Some(advice) = remedy(reason) {
                let _ = write!(line, "; {advice}");
            }
            text.line(&line);
        }
        if groups.len() > GROUPS {
            let rest: usize = groups.iter().skip(GROUPS).map(|(_, files)| files.len()).sum();
            text.line(&format!("  {word}: … and {rest} more"));
        }
    }

    fn describe_placed(&self, action: &Action, text: &mut Text) {
        let moved: Vec<String> = self
            .files
            .iter()
            .filter(|file| matches!(file.outcome, Outcome::Applied | Outcome::Merged))
            .filter_map(|file| file.at.as_ref().map(|at| format!("{} → {at}", file.path)))
            .collect();
        list(text, "renamed here, the change follows", &moved);
        if *action == Action::Undo {
            return;
        }
        let auto: Vec<String> = self
            .files
            .iter()
            .filter(|file| file.auto_run && matches!(file.outcome, Outcome::Applied | Outcome::Merged))
            .map(|file| file.path.to_string())
            .collect();
        list(text, "run by tools without being asked, look at them first", &auto);
        let edited: Vec<String> = self
            .files
            .iter()
            .filter(|file| {
                file.outcome != Outcome::Conflict && file.notes.contains(&super::Note::ConcurrentEdit)
            })
            .map(|file| file.path.to_string())
            .collect();
        list(text, "written to while the apply ran, both versions were kept", &edited);
    }

    fn describe_staging(&self, text: &mut Text) {
        let staging = &self.staging;
        if staging.restored == 0 && staging.left.is_empty() {
            return;
        }
        let mut line = format!("  staging: {} entries as in the snapshot", staging.restored);
        for (reason, count) in &staging.left {
            let example = staging.left_paths.iter().find(|(_, why)| why == reason);
            let _ = write!(line, ", {count} left ({}", escape(reason));
            if let Some((path, _)) = example {
                let _ = write!(line, ", such as {path}");
            }
            if let Some(advice) = remedy(reason) {
                let _ = write!(line, "; {advice}");
            }
            line.push(')');
        }
        text.line(&line);
    }
}

/// A line with the first few of `items`.
fn list(text: &mut Text, what: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let mut line = format!("  {what}: {}", items.iter().take(GROUPS).cloned().collect::<Vec<_>>().join(", "));
    if items.len() > GROUPS {
        let _ = write!(line, " and {} more", items.len() - GROUPS);
    }
    text.line(&line);
}

/// What the sides disagree in, and what to do.
fn conflict(file: &FileReport, action: &Action) -> String {
    let what = match &file.detail {
        Some(Detail::Content) => "both sides changed the same lines",
        Some(Detail::Binary) => "both sides changed it and it is not text",
        Some(Detail::Type) => "the sides made different kinds of file of it",
        Some(Detail::ModifiedHere) if *action == Action::Undo => "it was changed after the apply",
        Some(Detail::ModifiedHere) => "the snapshot deletes it, it was changed here",
        Some(Detail::DeletedHere) => "the snapshot changes it, it was deleted here",
        Some(Detail::ExistsHere) => "the snapshot creates it, it is here with other content",
        Some(Detail::ConcurrentEdit) => "it was changed while the apply ran",
        _ => "the sides disagree",
    };
    let mut out = what.to_owned();
    let marked = file.notes.contains(&super::Note::Markers);
    out.push_str(if marked {
        "; conflict markers are in the file, resolve them"
    } else if *action == Action::Preview {
        "; it would be left as it is here"
    } else {
        "; left as it is here"
    });
    match (&file.incoming, action) {
        (Some(kept), Action::Undo) => {
            let _ = write!(out, "; the version from before the apply is {}", path(kept));
        }
        (Some(kept), _) => {
            let _ = write!(out, "; the incoming version is {}", path(kept));
            if !marked {
                out.push_str(", compare and combine by hand");
            }
        }
        (None, _) if file.detail == Some(Detail::ModifiedHere) && *action != Action::Undo => {
            out.push_str("; delete it if that is right");
        }
        (None, _) => {}
    }
    if let Some(message) = &file.message {
        let _ = write!(out, " ({})", escape(message));
    }
    out
}

/// A path of the operating system for people, with everything escaped that could forge a line.
fn path(path: &Path) -> RelPath {
    RelPath::from(path.as_os_str().as_bytes())
}

fn escape(text: &str) -> RelPath {
    RelPath::from(text)
}
