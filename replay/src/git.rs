//! Git as the oracle, and the histories it is asked about.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// What went wrong, as a sentence for people.
pub type Result<T> = std::result::Result<T, String>;

/// A repository to ask.
#[derive(Debug, Clone)]
pub struct Git {
    pub dir: PathBuf,
}

/// A file in a tree: mode and id, as git prints them.
pub type Item = (String, String);
/// The files of a tree by path.
pub type Tree = BTreeMap<Vec<u8>, Item>;

impl Git {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Git without anything of this machine's configuration, and without any attributes: a merge of blobs.
    pub fn command(&self) -> Command {
        let mut command = Command::new(std::env::var_os("HANDOFF_GIT").unwrap_or_else(|| "git".into()));
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_AUTHOR_NAME", "Author")
            .env("GIT_AUTHOR_EMAIL", "author@example.com")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_NAME", "Committer")
            .env("GIT_COMMITTER_EMAIL", "committer@example.com")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.autocrlf=false"])
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        command
    }

    pub fn output<A: AsRef<OsStr>>(&self, args: &[A]) -> Result<Output> {
        self.command().args(args).output().map_err(|why| format!("git cannot be run: {why}"))
    }

    /// Standard output of a git command that must succeed.
    pub fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Result<Vec<u8>> {
        let output = self.output(args)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let args: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned()).collect();
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("`git {}` in {}: {}", args.join(" "), self.dir.display(), said.trim()))
    }

    /// Its lines, as text.
    pub fn lines<A: AsRef<OsStr>>(&self, args: &[A]) -> Result<Vec<String>> {
        Ok(String::from_utf8_lossy(&self.run(args)?).lines().map(str::to_owned).collect())
    }

    /// Like [`run`](Self::run), fed `stdin`, with another index where one is given.
    pub fn feed(&self, args: &[&str], stdin: &[u8], index: Option<&Path>) -> Result<Vec<u8>> {
        let mut command = self.command();
        if let Some(index) = index {
            command.env("GIT_INDEX_FILE", index);
        }
        let failed = |why: std::io::Error| format!("git {args:?}: {why}");
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            // None of the commands fed here answers before it has read everything.
            pipe.write_all(stdin).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(format!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// All files of a commit or tree.
    pub fn tree(&self, name: &str) -> Result<Tree> {
        let mut tree = Tree::new();
        for line in self.run(&["ls-tree", "-r", "-z", "--full-tree", name])?.split(|byte| *byte == 0) {
            let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
            let (head, path) = line.split_at(tab);
            let head = String::from_utf8_lossy(head);
            let mut words = head.split(' ');
            let (mode, id) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
            tree.insert(path.iter().skip(1).copied().collect(), (mode.to_owned(), id.to_owned()));
        }
        Ok(tree)
    }
}

/// `git cat-file --batch`, kept running.
pub struct Objects {
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Objects {
    pub fn of(git: &Git) -> Result<Self> {
        let failed = || "git cat-file has no pipes".to_owned();
        let mut child = git
            .command()
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| format!("git cat-file: {why}"))?;
        let ask = child.stdin.take().ok_or_else(failed)?;
        let answer = BufReader::new(child.stdout.take().ok_or_else(failed)?);
        Ok(Self { child, ask, answer })
    }

    pub fn blob(&mut self, id: &str) -> Result<Vec<u8>> {
        let failed = |why: std::io::Error| format!("git cat-file: {why}");
        writeln!(self.ask, "{id}").map_err(failed)?;
        self.ask.flush().map_err(failed)?;
        let mut header = String::new();
        self.answer.read_line(&mut header).map_err(failed)?;
        let size = header.trim_end().rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
        let Some(size) = size else { return Err(format!("git cat-file: {}", header.trim_end())) };
        let mut content = vec![0; size + 1];
        self.answer.read_exact(&mut content).map_err(failed)?;
        content.pop();
        Ok(content)
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
