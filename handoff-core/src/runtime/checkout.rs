//! Preparing a place on this machine: clones of an environment's repositories.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Place, RuntimeError, SessionSpec};
use crate::environment::{Environment, EnvironmentRepo};
use crate::id::EnvironmentId;

/// Environments whose repositories are cloned by the git on this machine, one fresh clone a session.
#[derive(Debug, Clone)]
pub struct Checkouts {
    root: PathBuf,
    environments: BTreeMap<EnvironmentId, Environment>,
}

impl Checkouts {
    /// Places below `root`, which is created when it is needed: `root/<run>/<session>/<number>/<repository>`, where
    /// the number counts the times that the session was given a place.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), environments: BTreeMap::new() }
    }

    /// Offers one more environment.
    #[must_use]
    pub fn with(mut self, environment: Environment) -> Self {
        self.environments.insert(environment.id.clone(), environment);
        self
    }

    /// The environment named `id`.
    ///
    /// # Errors
    /// [`RuntimeError::not_found`], naming those there are.
    pub fn environment(&self, id: &EnvironmentId) -> Result<Environment, RuntimeError> {
        self.environments.get(id).cloned().ok_or_else(|| {
            let known: Vec<_> = self.environments.keys().map(EnvironmentId::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            RuntimeError::not_found(format!("there is no environment {id} here; known are: {known}"))
        })
    }

    /// Clones the repositories of the session's environment, into a new directory each time, with a directory `files` beside
    /// them for what belongs to no repository. Blocks: run it where that does no harm.
    ///
    /// # Errors
    /// What git said, or why a name or directory cannot be used.
    pub fn prepare(&self, spec: &SessionSpec) -> Result<Place, RuntimeError> {
        let environment = self.environment(&spec.environment)?;
        let session = self.root.join(spec.run.to_string()).join(spec.session.to_string());
        fs::create_dir_all(&session).map_err(|error| failed("making", &session, error))?;
        // A directory of its own each time: two workers may prepare for one session, and only later does one of them
        // win it; the other must not have cleared the winner's files.
        let mut number = 1_u64;
        let root = loop {
            let root = session.join(number.to_string());
            match fs::create_dir(&root) {
                Ok(()) => break root,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(failed("making", &root, error)),
            }
        };
        let root = root.canonicalize().map_err(|error| failed("looking up", &root, error))?;
        let mut repos = Vec::with_capacity(environment.repos.len());
        for repo in &environment.repos {
            repos.push(clone(repo, &root)?);
        }
        let loose = loose(&root)?;
        let mut place = Place::new(root, repos);
        place.loose = Some(loose);
        place.variables = environment.variables;
        Ok(place)
    }
}

/// A directory for files outside any repository, whose name no repository has.
fn loose(root: &Path) -> Result<PathBuf, RuntimeError> {
    let mut number = 0_u64;
    loop {
        let name = if number == 0 { "files".to_owned() } else { format!("files-{number}") };
        let dir = root.join(name);
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed("making", &dir, error)),
        }
    }
}

fn failed(action: &str, path: &Path, error: std::io::Error) -> RuntimeError {
    RuntimeError::new(format!("{action} {} failed", path.display())).because(error)
}

fn clone(repo: &EnvironmentRepo, root: &Path) -> Result<PathBuf, RuntimeError> {
    let mut parts = Path::new(&repo.name).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) || repo.name == ".git" {
        return Err(RuntimeError::new(format!(
            "{:?} is no directory name; give each repository of the environment a plain one",
            repo.name
        )));
    }
    let target = root.join(&repo.name);
    if target.exists() {
        let why = format!("two repositories of the environment are named {}; rename one", repo.name);
        return Err(RuntimeError::new(why));
    }
    let no_options = OsStr::new("--");
    // From where this process is, which a relative source means.
    git(
        Path::new("."),
        [
            OsStr::new("clone"),
            OsStr::new("--quiet"),
            no_options,
            OsStr::new(&repo.source),
            target.as_os_str(),
        ],
    )?;
    if let Some(reference) = &repo.reference {
        if reference.starts_with('-') {
            return Err(RuntimeError::new(format!("{reference:?} is no branch, tag or commit")));
        }
        git(&target, [OsStr::new("checkout"), OsStr::new("--quiet"), OsStr::new(reference), no_options])?;
    }
    Ok(target)
}

/// Runs git without prompts. It is this machine's own git with its user's configuration, which may be what gives
/// access to the source.
fn git<'a>(dir: &Path, args: impl IntoIterator<Item = &'a OsStr>) -> Result<(), RuntimeError> {
    let args: Vec<_> = args.into_iter().collect();
    let shown: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let mut command = Command::new("git");
    // A hub inside a hook or an alias must not have the clone end up in that repository.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") && !name.to_string_lossy().starts_with("GIT_CONFIG") {
            command.env_remove(name);
        }
    }
    command.args(&args).current_dir(dir).env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
    let done = command.output().map_err(|error| {
        RuntimeError::new("git could not be run; install it, or prepare places yourself").because(error)
    })?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.lines().last().unwrap_or("no message").to_owned();
    Err(RuntimeError::new(format!("`git {}` failed: {said}", shown.join(" "))))
}
