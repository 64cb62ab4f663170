//! Two clones of the history: one in which work lies uncommitted, one that it is brought to.

use std::fs;
use std::path::Path;
use std::time::Duration;

use handoff_core::{
    AllowSecret, ApplyOptions, ApplyReport, CaptureOptions, Durability, Snapshot, Workspace, apply, capture,
};

use handoff_core::snapshot::OmissionReason;

use crate::git::{Git, Result, Tree};
use crate::history::Case;

pub struct Stage {
    /// Every object of the history; the given repository is only read, once.
    pub mirror: Git,
    source: Git,
    target: Git,
}

/// What a handoff came to.
pub struct Handed {
    pub snapshot: Snapshot,
    pub report: ApplyReport,
    /// The target's work tree afterwards, as git would commit it.
    pub tree: Tree,
    pub id: String,
}

impl Stage {
    /// Clones `repo` to below `scratch`.
    pub fn new(repo: &Path, scratch: &Path) -> Result<Self> {
        let here = Git::new(scratch);
        let path = |name: &str| scratch.join(name);
        let clone = ["clone", "-q", "--mirror", "--no-hardlinks"];
        let mirror = path("mirror.git");
        let (from, to) = (repo.to_string_lossy(), mirror.to_string_lossy());
        here.run(&[&clone[..], &[&from, &to]].concat())?;
        let checkout = |name: &str| -> Result<Git> {
            let app = path(name).join("app");
            fs::create_dir_all(path(name)).map_err(|why| why.to_string())?;
            here.run(&["clone", "-q", "-s", "--no-checkout", &to, &app.to_string_lossy()])?;
            let git = Git::new(app);
            for (key, value) in [("core.logAllRefUpdates", "false"), ("core.excludesFile", "/dev/null")] {
                git.run(&["config", key, value])?;
            }
            Ok(git)
        };
        let (source, target) = (checkout("source")?, checkout("target")?);
        Ok(Self { mirror: Git::new(mirror), source, target })
    }

    /// Captures the case's work at its base and applies it to ours.
    pub fn hand_over(&self, case: &Case) -> Result<Handed> {
        check_out(&self.source, &case.theirs)?;
        // Everything since the base is uncommitted now, and on disk.
        self.source.run(&["reset", "-q", &case.base])?;
        let ignored = self.source.run(&["ls-files", "-z", "-o", "-i", "--exclude-standard"])?;
        if !ignored.is_empty() {
            // Committed against the ignore rules; unless staged, it is no change to git either.
            self.source.feed(&["update-index", "--add", "-z", "--stdin"], &ignored, None)?;
        }
        check_out(&self.target, &case.ours)?;
        let workspace = |git: &Git| Workspace::new([&git.dir]).map_err(|why| why.to_string());
        let mut options = CaptureOptions::default();
        // Nobody else writes here.
        options.quiet = Duration::ZERO;
        let captured = |options: &CaptureOptions| {
            capture(&workspace(&self.source)?, options).map_err(|why| format!("capture: {why}"))
        };
        let mut snapshot = captured(&options)?;
        // Histories hold names and texts that look like secrets. What stays at home is not what is compared here, so each
        // is allowed, by exact path and rule; one file may break several rules, one after another.
        loop {
            let allowed = options.allow_secrets.len();
            for (_, omission) in snapshot.omissions() {
                let one =
                    omission.rule.as_ref().map(|rule| AllowSecret::new(omission.path.clone(), rule.as_str()));
                let secret =
                    matches!(omission.reason, OmissionReason::SecretName | OmissionReason::SecretContent);
                options
                    .allow_secrets
                    .extend(one.filter(|one| secret && !options.allow_secrets.contains(one)));
            }
            if options.allow_secrets.len() == allowed {
                break;
            }
            snapshot = captured(&options)?;
        }
        let mut options = ApplyOptions::default();
        options.durability = Durability::Process;
        let report =
            apply(&snapshot, &workspace(&self.target)?, &options).map_err(|why| format!("apply: {why}"))?;
        let index = self.target.dir.join(".git/replay-index");
        fs::copy(self.target.dir.join(".git/index"), &index).map_err(|why| why.to_string())?;
        self.target.feed(&["add", "-A", "-f"], b"", Some(&index))?;
        let id = self.target.feed(&["write-tree"], b"", Some(&index))?;
        let id = String::from_utf8_lossy(&id).trim().to_owned();
        let tree = self.target.tree(&id)?;
        // Thousands of journals are of no use to anybody.
        let _ = fs::remove_dir_all(self.target.dir.join(".git/handoff"));
        Ok(Handed { snapshot, report, tree, id })
    }
}

fn check_out(git: &Git, commit: &str) -> Result<()> {
    git.run(&["checkout", "-q", "-f", "--detach", commit])?;
    git.run(&["clean", "-f", "-f", "-d", "-x", "-q"])?;
    Ok(())
}
