//! Runs one operation of the library in another process: this test binary, asked for a single test.
//! So a run can be killed, traced, given other rights or another environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use handoff_core::{
    ApplyHistory, ApplyOptions, ApplyReport, CaptureOptions, Durability, OnConflict, Snapshot, Staging,
    Workspace, apply, capture, plan, preview, undo,
};
use serde::{Deserialize, Serialize};

const JOB: &str = "HANDOFF_TEST_JOB";

/// Looked up (in vain) right before and after the operation, so that a trace shows where it begins and ends.
pub const BEGIN: &str = "/handoff-test-begins";
pub const END: &str = "/handoff-test-ends";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    Capture,
    /// Finding the workspace of `roots`, taken for written paths.
    Discover,
    Plan,
    Preview,
    Apply,
    Undo,
}

/// What the other process is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    pub operation: Operation,
    pub roots: Vec<PathBuf>,
    /// Written by a capture, read by preview and apply.
    pub bundle: Option<PathBuf>,
    /// A capture's directory for contents, none of which then stay in memory.
    pub spool: Option<PathBuf>,
    /// For undo.
    pub apply_id: Option<String>,
    pub theirs: bool,
    pub leave_index: bool,
    /// Unpushed commits become available.
    pub objects: bool,
    /// The checkout moves to the snapshot's commit.
    pub branch: bool,
    /// Without waiting for the disk.
    pub fast: bool,
    /// The answer is written by `write` and not by `pwrite64`, for runs in which every call of the latter fails.
    pub plain_answer: bool,
    /// Where the [`Answer`] goes.
    pub answer: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answer {
    pub error: Option<Failure>,
    pub report: Option<ApplyReport>,
    /// Of a capture; of a discovery, everything found with what it was found to be.
    pub omissions: Vec<(String, String)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    pub kind: String,
    /// The message and those of its causes.
    pub message: String,
}

impl Job {
    pub fn new(operation: Operation, root: &Path, answer: &Path) -> Self {
        Self {
            operation,
            roots: vec![root.to_owned()],
            bundle: None,
            spool: None,
            apply_id: None,
            theirs: false,
            leave_index: false,
            objects: false,
            branch: false,
            fast: false,
            plain_answer: false,
            answer: answer.to_owned(),
        }
    }

    pub fn with_bundle(mut self, bundle: &Path) -> Self {
        self.bundle = Some(bundle.to_owned());
        self
    }

    /// The command that does the job, to be run as it is or under another program.
    pub fn command(&self) -> Command {
        self.command_of(&std::env::current_exe().unwrap())
    }

    /// Like [`command`](Self::command), with a copy of the binary: for users who may not enter the build directory.
    pub fn command_of(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .args(["--exact", "support::driver::child", "--nocapture", "--test-threads=1"])
            .env(JOB, serde_json::to_string(self).unwrap());
        command
    }

    /// Runs `command`, which does this job in the end, and reads the answer. `Err` with its output when there is none.
    pub fn answer_of(&self, mut command: Command) -> Result<Answer, String> {
        let output = command.output().map_err(|why| format!("{command:?}: {why}"))?;
        match std::fs::read(&self.answer) {
            Ok(answer) => {
                let _ = std::fs::remove_file(&self.answer);
                serde_json::from_slice(&answer).map_err(|why| why.to_string())
            }
            Err(_) => Err(format!(
                "{}\n{}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )),
        }
    }

    /// Runs the job in another process.
    pub fn run(&self) -> Answer {
        self.answer_of(self.command()).unwrap()
    }
}

/// An error with everything it says.
pub fn failure(error: &handoff_core::Error) -> Failure {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    Failure { kind: error.kind().as_str().to_owned(), message }
}

fn perform(job: &Job) -> Result<Answer, handoff_core::Error> {
    if job.operation == Operation::Discover {
        let found = Workspace::discover(&job.roots)?;
        let repos = found.repos().iter().map(|repo| (repo.root.display().to_string(), "repository".into()));
        let files = found.loose_files().iter().map(|file| (file.path.display().to_string(), "file".into()));
        let left =
            found.left_out().iter().map(|left| (left.path.display().to_string(), left.reason.to_string()));
        return Ok(Answer { omissions: repos.chain(files).chain(left).collect(), ..Answer::default() });
    }
    let workspace = Workspace::new(&job.roots)?;
    let mut options = ApplyOptions::default();
    if job.theirs {
        options.on_conflict = OnConflict::Theirs;
    }
    if job.leave_index {
        options.staging = Staging::Leave;
    }
    if job.objects {
        options.history = ApplyHistory::Objects;
    }
    if job.branch {
        options.history = ApplyHistory::Branch;
    }
    if job.fast {
        options.durability = Durability::Process;
    }
    let bundle = || Snapshot::open(job.bundle.as_deref().expect("a bundle"));
    let mut answer = Answer::default();
    match job.operation {
        Operation::Discover => unreachable!("done above"),
        Operation::Capture => {
            let mut options = super::repo::undisturbed();
            if job.spool.is_some() {
                options.spool_memory = 0;
                options.spool_dir.clone_from(&job.spool);
            }
            let snapshot = capture(&workspace, &options)?;
            for repo in &snapshot.manifest().repos {
                for omission in &repo.omissions {
                    answer.omissions.push((omission.path.to_string(), omission.reason.to_string()));
                }
            }
            if let Some(bundle) = &job.bundle {
                snapshot.save(bundle)?;
            }
        }
        Operation::Plan => {
            plan(&workspace, &CaptureOptions::default())?;
        }
        Operation::Preview => answer.report = Some(preview(&bundle()?, &workspace, &options)?),
        Operation::Apply => answer.report = Some(apply(&bundle()?, &workspace, &options)?),
        Operation::Undo => {
            let id = job.apply_id.as_deref().expect("an apply id").parse().unwrap();
            answer.report = Some(undo(&workspace, &id, &options.control)?);
        }
    }
    Ok(answer)
}

/// The other process of the tests that need one. Asked for nothing, it makes sure that asking works.
#[test]
fn child() {
    let Some(job) = std::env::var_os(JOB) else {
        let scratch = super::repo::scratch();
        let job = Job::new(Operation::Plan, scratch.path(), &scratch.path().join("answer"));
        assert_eq!(job.run().error.map(|error| error.kind).as_deref(), Some("not_a_repository"));
        return;
    };
    let job: Job = serde_json::from_str(job.to_str().unwrap()).unwrap();
    let _ = std::fs::symlink_metadata(BEGIN);
    let result = perform(&job);
    let _ = std::fs::symlink_metadata(END);
    let answer = result.unwrap_or_else(|error| Answer { error: Some(failure(&error)), ..Answer::default() });
    let text = serde_json::to_vec(&answer).unwrap();
    if job.plain_answer {
        std::fs::write(&job.answer, text).unwrap();
    } else {
        let file = std::fs::File::create(&job.answer).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &text, 0).unwrap();
    }
}
