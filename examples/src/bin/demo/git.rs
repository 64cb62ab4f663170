//! Git as a person would use it to set the scene. The SDK runs none of this.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Done;

/// A checkout.
pub struct Git {
    root: PathBuf,
}

impl Git {
    /// The checkout that `path` is in.
    pub fn find(path: &Path) -> Done<Self> {
        let here = Self { root: path.to_owned() };
        let root = here
            .lines(&["rev-parse", "--show-toplevel"])
            .map_err(|why| format!("{} is not in a checkout: {why}", path.display()))?;
        Ok(Self { root: PathBuf::from(root.into_iter().next().unwrap_or_default()) })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A clone in `to`, on the same commit and with the same remotes, as another machine would have it. Objects
    /// are copied: a clone that borrows or links them would touch the original's whenever it writes the same one.
    pub fn clone_to(&self, to: &Path) -> Done<Self> {
        let source = self.root.to_str().ok_or("the checkout's path is not UTF-8")?;
        let dest = to.to_str().ok_or("the scratch path is not UTF-8")?;
        self.run(&["clone", "--quiet", "--no-hardlinks", "--template=", source, dest])?;
        let clone = Self { root: to.to_owned() };
        clone.run(&["remote", "remove", "origin"])?;
        // No remote at all is an answer too: the two are then known by their first commits.
        for line in self.lines(&["config", "--get-regexp", r"^remote\..*\.url$"]).unwrap_or_default() {
            if let Some((name, url)) = line.split_once(' ') {
                clone.run(&["config", name, url])?;
            }
        }
        // A linked work tree has a HEAD of its own, which the clone does not follow.
        if let Some(head) = self.head()
            && clone.head().as_ref() != Some(&head)
        {
            clone.run(&["checkout", "--quiet", "-B", "handoff-demo", &head])?;
        }
        Ok(clone)
    }

    /// The commit that is checked out; `None` before the first one.
    pub fn head(&self) -> Option<String> {
        self.lines(&["rev-parse", "--verify", "--quiet", "HEAD"]).ok()?.into_iter().next()
    }

    /// `branch main at 1a2b3c4`, for people.
    pub fn place(&self) -> String {
        let word = |args: &[&str]| self.lines(args).ok().and_then(|lines| lines.into_iter().next());
        let commit = word(&["rev-parse", "--verify", "--quiet", "--short", "HEAD"])
            .unwrap_or_else(|| "no commit yet".to_owned());
        match word(&["symbolic-ref", "--quiet", "--short", "HEAD"]) {
            Some(branch) => format!("branch {branch} at {commit}"),
            None => format!("detached at {commit}"),
        }
    }

    /// The lines of `git status --short`.
    pub fn changes(&self) -> Done<Vec<String>> {
        self.lines(&[
            "-c",
            "core.quotePath=false",
            "status",
            "--short",
            "--untracked-files=all",
            "--ignore-submodules=all",
        ])
    }

    /// Tracked files that are plain text of a size to edit by hand; the longer ones first.
    pub fn text_files(&self) -> Done<Vec<String>> {
        let mut found = Vec::new();
        for entry in self.names(&["ls-files", "-z", "--stage"])? {
            let Some((meta, path)) = entry.split_once('\t') else { continue };
            if !meta.starts_with("100644") {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(self.root.join(path)) else { continue };
            if (1..60_000).contains(&text.len()) && !text.contains(['\0', '\r']) {
                found.push((text.lines().count() < 24, path.to_owned()));
            }
        }
        // There is room for two edits apart from each other in the longer ones; a stable sort keeps the order.
        found.sort_by_key(|(short, _)| *short);
        let long = found.iter().filter(|(short, _)| !short).count();
        found.truncate(if long < 6 { 6 } else { long });
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// A coloured diff of one file of the work tree against `commit`.
    pub fn diff(&self, commit: &str, path: &str) -> Done<String> {
        let colour = colour();
        let args = ["--literal-pathspecs", "diff", "-U2", &colour, "--no-ext-diff", commit, "--", path];
        Ok(String::from_utf8_lossy(&self.run(&args)?).into_owned())
    }

    /// A coloured diff of two files.
    pub fn compare(&self, old: &Path, new: &Path) -> Done<String> {
        let mut command = self.command(&["diff", "--no-index", &colour(), "--no-ext-diff", "--"]);
        // The exit status only says whether they differ.
        Ok(String::from_utf8_lossy(&command.arg(old).arg(new).output()?.stdout).into_owned())
    }

    /// What `args` print, one item per NUL.
    pub fn names(&self, args: &[&str]) -> Done<Vec<String>> {
        let out = self.run(args)?;
        let names = out.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        // A name that is not UTF-8 is shown lossily and then not found, which leaves it alone.
        Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    pub fn lines(&self, args: &[&str]) -> Done<Vec<String>> {
        Ok(String::from_utf8_lossy(&self.run(args)?).lines().map(str::to_owned).collect())
    }

    /// Runs `git args`, returning what it prints.
    pub fn run(&self, args: &[&str]) -> Done<Vec<u8>> {
        let output = self.command(args).output().map_err(|why| format!("git could not be started: {why}"))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("git {} failed: {}", args.join(" "), said.trim()).into())
    }

    /// Git with nothing of this machine's settings, so that the demo is the same everywhere and runs no hook.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("GIT_")) {
                command.env_remove(name);
            }
        }
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        // Reading must not refresh the index of the checkout that is only looked at.
        command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1").env("GIT_TERMINAL_PROMPT", "0");
        for setting in [
            "core.fsmonitor=false",
            "core.hooksPath=/dev/null",
            "safe.directory=*",
            "commit.gpgSign=false",
            "gc.auto=0",
            "user.name=handoff demo",
            "user.email=demo@example.invalid",
        ] {
            command.args(["-c", setting]);
        }
        command.arg("-C").arg(&self.root).args(args);
        command
    }
}

fn colour() -> String {
    format!("--color={}", if console::colors_enabled() { "always" } else { "never" })
}
