//! What a caller chooses, and what a plan tells.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::path::RelPath;
use crate::progress::Control;
use crate::secrets::SecretScanner;
use crate::snapshot::{HistoryCutReason, Omission, RepoFailure};

/// What to capture, and how much of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaptureOptions {
    /// Largest file carried, in bytes; larger ones are omitted with a reason. Default 100 MiB.
    pub max_file_bytes: u64,
    /// Most content carried, in bytes, before compression; what does not fit is omitted. Default 1 GiB.
    pub max_total_bytes: u64,
    /// Most entries per snapshot. Default 50,000.
    pub max_entries: u64,
    /// Patterns in gitignore syntax of changed paths to leave out; each is listed as an omission.
    pub exclude: Vec<String>,
    /// Secrets that may travel all the same, each by its exact path and rule, as the omission names them. What was
    /// allowed is recorded in the entry.
    pub allow_secrets: Vec<AllowSecret>,
    /// Rules for secrets beside the built-in ones, and without some of those.
    pub secret_rules: SecretRules,
    /// Patterns in gitignore syntax of ignored files to carry; everything else that git ignores stays behind. An
    /// ignored directory that matches is carried whole. Asking for a file does not allow the secrets in it: that is
    /// [`allow_secrets`](Self::allow_secrets). Default none.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let app = dir.path().join("app");
    /// # std::process::Command::new("git").args(["init", "-q"]).arg(&app).status()?;
    /// use handoff_core::{CaptureOptions, Workspace, capture};
    ///
    /// std::fs::write(app.join(".gitignore"), "/local/\n*.log\n")?;
    /// std::fs::create_dir(app.join("local"))?;
    /// std::fs::write(app.join("local/settings.toml"), "port = 8080\n")?;
    /// std::fs::write(app.join("debug.log"), "much\n")?;
    ///
    /// let mut options = CaptureOptions::default();
    /// options.include_ignored = vec!["/local/*.toml".into()];
    /// options.list_ignored = true;
    /// let snapshot = capture(&Workspace::new([&app])?, &options)?;
    /// let repo = &snapshot.manifest().repos[0];
    /// assert!(repo.entries.iter().any(|entry| entry.path == "local/settings.toml".into() && entry.flags.ignored));
    /// assert_eq!(repo.omissions[0].path, "debug.log".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub include_ignored: Vec<String>,
    /// Whether each work tree's `.worktreeinclude` counts like [`include_ignored`](Self::include_ignored): a file of
    /// patterns in gitignore syntax at its root, by which a project names the ignored files that another checkout
    /// needs. Default true.
    pub worktree_include: bool,
    /// Whether ignored files that are not carried are listed as omissions: an ignored directory as one, files by name
    /// while they are few. Default false.
    pub list_ignored: bool,
    /// Whether directories with nothing in them travel, which git does not know. Default true.
    pub empty_dirs: bool,
    /// Whether contents of HEAD travel for changed tracked files, so that a target without them can merge.
    pub bases: Bases,
    /// Whether commits travel that no remote-tracking ref has.
    pub history: CaptureHistory,
    /// Most unpushed commits carried; with more, none are, and the manifest says so. Default 10,000.
    pub max_history_commits: u64,
    /// Most bytes that unpushed commits may take, compressed; with more, none are carried, and the manifest says so.
    /// Default 64 MiB.
    pub max_history_bytes: u64,
    /// Time after which the capture ends with what it has, marked partial: what it did not come to is listed as
    /// omitted, by directory where it was not even listed. Checked between paths and inside large files, so it is
    /// kept to within some milliseconds. Default none.
    pub deadline: Option<Duration>,
    /// What cancelling leaves. Default nothing.
    pub on_cancel: OnCancel,
    /// How long nobody may have written to a file before it is read, and again after, for its content to be taken
    /// for whole. Only files that were written to in the last moment, twice this long, are looked at again, all
    /// together and after the window has passed; a capture of others waits for nothing. A program that pauses longer
    /// than this in the middle of saving a file cannot be told from one that is done. Zero looks only at whether the
    /// file changes while it is read. Default 50 ms. At most an hour.
    pub quiet: Duration,
    /// Times a file that keeps changing is read before it is kept and flagged `unstable`, and a repository that keeps
    /// changing is captured before it is kept and flagged `workspace_moving`; 0 counts as 1. Default 4.
    pub attempts: u32,
    /// Content kept in memory before it goes to an unlinked temporary file, in bytes. Default 32 MiB.
    pub spool_memory: u64,
    /// Directory in whose file system that temporary file is. Default none: the system's for temporary files. Name the
    /// directory that the snapshot will be saved to, and [`Snapshot::save`](crate::Snapshot::save) need not copy it; not
    /// one that is captured.
    pub spool_dir: Option<PathBuf>,
    /// Progress and cancellation.
    pub control: Control,
}

/// What cancelling a capture leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnCancel {
    /// Nothing: the call fails with [`Error::Cancelled`](crate::Error::Cancelled). For people who changed their mind.
    #[default]
    Fail,
    /// What was read so far, marked partial, as at a deadline. For a machine that is about to go away: a lid that is
    /// being closed, a sandbox that is being taken down.
    Partial,
}

/// Whether the committed content of changed files travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Bases {
    /// Always: a merge at the target never depends on what the target has.
    #[default]
    Always,
    /// Never: smaller, but a target without the object cannot merge.
    Never,
}

/// Whether unpushed commits travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CaptureHistory {
    /// The commits that HEAD has and no remote-tracking ref has, with everything new in them. Where there is no
    /// remote-tracking ref, nothing tells which commits are anywhere else: none travel, and the manifest says so
    /// (`no_remote`).
    #[default]
    Auto,
    /// Every commit that HEAD has, whatever remotes have, so that a repository which was never pushed travels whole.
    /// The limits are the same. In a shallow clone, those that are here; the target must have what they build on.
    All,
    /// None.
    Never,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self {
            max_file_bytes: 100 << 20,
            max_total_bytes: 1 << 30,
            max_entries: 50_000,
            exclude: Vec::new(),
            allow_secrets: Vec::new(),
            secret_rules: SecretRules::default(),
            include_ignored: Vec::new(),
            worktree_include: true,
            list_ignored: false,
            empty_dirs: true,
            bases: Bases::default(),
            history: CaptureHistory::default(),
            max_history_commits: 10_000,
            max_history_bytes: 64 << 20,
            deadline: None,
            on_cancel: OnCancel::default(),
            quiet: Duration::from_millis(50),
            attempts: 4,
            spool_memory: 32 << 20,
            spool_dir: None,
            control: Control::default(),
        }
    }
}

/// One file that may travel though a rule finds a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AllowSecret {
    /// The repository's name, empty for files outside any; `None` for all of the workspace.
    pub repo: Option<String>,
    /// The file, exactly.
    pub path: RelPath,
    /// The rule, exactly: [`Omission::rule`].
    pub rule: String,
}

impl AllowSecret {
    /// Lets `path` travel, in whatever repository it is, in spite of `rule`.
    pub fn new(path: impl Into<RelPath>, rule: impl Into<String>) -> Self {
        Self { repo: None, path: path.into(), rule: rule.into() }
    }
}

/// A caller's changes to the rules for secrets. There is no switch for all of them.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SecretRules {
    /// Patterns in gitignore syntax of further names that stay at home; the pattern is the rule's id.
    pub names: Vec<String>,
    /// Further searches in contents.
    pub scanners: Vec<Arc<dyn SecretScanner>>,
    /// Ids of rules that are not to be applied.
    pub disabled: Vec<String>,
}

/// What a capture would carry, found without reading any content.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CapturePlan {
    /// One per repository, in order of name.
    pub repos: Vec<RepoPlan>,
    /// Files outside any repository, in order of their logical names.
    pub loose_files: Vec<PlannedFile>,
    /// Files outside any repository that would be left out.
    pub loose_omissions: Vec<Omission>,
}

/// One repository of a [`CapturePlan`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RepoPlan {
    /// The repository's name.
    pub name: String,
    /// Paths that look changed, with the bytes each would add. A path may turn out unchanged once it is read.
    pub files: Vec<PlannedFile>,
    /// Changed paths that would be left out.
    pub omissions: Vec<Omission>,
    /// Unpushed commits; absent where there are none, or nobody wants them.
    pub history: Option<PlannedHistory>,
    /// Why this repository cannot be captured.
    pub failed: Option<RepoFailure>,
}

/// The unpushed commits of a [`RepoPlan`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedHistory {
    /// How many there are; at least so many where counting was given up, 0 where it was not begun.
    pub commits: u64,
    /// Why none of them would travel, if that is known before they are read. Reading them may tell other reasons: a
    /// secret, their size.
    pub left_out: Option<HistoryCutReason>,
}

/// One path of a [`CapturePlan`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlannedFile {
    /// The path.
    pub path: RelPath,
    /// What happened to it.
    pub change: PlannedChange,
    /// Bytes of content that would be read; 0 for deletions.
    pub bytes: u64,
}

/// What a [`PlannedFile`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlannedChange {
    /// New to git, or outside any repository.
    Untracked,
    /// Ignored by git, and asked for.
    Ignored,
    /// A directory with nothing in it.
    EmptyDirectory,
    /// Tracked and different, staged or not.
    Modified,
    /// Tracked and gone.
    Deleted,
}
