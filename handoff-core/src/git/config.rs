//! Settings that lead to other files: read from configuration that is not trusted, so judged before they are used.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;
use gix::config::path::interpolate::Context;

use super::os_path;
use crate::error::Error;

const EXCLUDES: &str = "core.excludesFile";
const ATTRIBUTES: &str = "core.attributesFile";

/// A file that is always empty.
const EMPTY: &str = "/dev/null";

/// Makes gix use the files of patterns that the configuration names, as git does. Our sections alone are trusted,
/// so each setting is looked up, resolved and appended as our own.
pub(super) fn trust_pattern_files(repo: &mut gix::Repository, root: &Path) -> Result<(), Error> {
    let mut ours = Vec::new();
    for key in [EXCLUDES, ATTRIBUTES] {
        let Some(named) = repo.config_snapshot().plumbing().path(key) else { continue };
        let file = if named.is_empty() {
            // Set to nothing: not even the default file is used.
            PathBuf::from(EMPTY)
        } else {
            let home = gix::path::env::home_dir();
            let context = Context { home_dir: home.as_deref(), ..Context::default() };
            let file = named
                .interpolate(context)
                .map_err(|why| Error::repository(root, format!("reading {key}"), without_values(&why)))?;
            // Git runs at the root of the work tree, so that is what it is relative to.
            readable(key, root, root.join(file))?
        };
        let mut setting = key.as_bytes().to_vec();
        setting.push(b'=');
        setting.extend_from_slice(file.as_os_str().as_bytes());
        ours.push(setting);
    }
    if ours.is_empty() {
        return Ok(());
    }
    let failed = |why: gix::Error| Error::repository(root, "reading the configuration", without_values(&why));
    let mut config = repo.config_snapshot_mut();
    config
        .append_config(ours.iter().map(|setting| setting.as_bstr()), gix::config::Source::Api)
        .map_err(failed)?;
    config.commit().map_err(failed)?;
    Ok(())
}

/// What an error about the configuration says, without the values it quotes: a location may hold a password. So do
/// the error's details, which is why only text is left of it.
pub(super) fn without_values(why: &(dyn std::error::Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(why);
    while let Some(why) = next {
        let text = why.to_string();
        let plain =
            text.split(['\'', '"', '`', '\n']).next().unwrap_or_default().trim_end_matches([' ', ':']);
        // Some errors repeat the one below them.
        if !plain.is_empty() && said.last().is_none_or(|last| last != plain) {
            said.push(plain.to_owned());
        }
        next = why.source();
    }
    said.join(": ")
}

/// `file`, if reading it comes to an end.
fn readable(key: &str, root: &Path, file: PathBuf) -> Result<PathBuf, Error> {
    match std::fs::metadata(&file) {
        Ok(meta) if meta.is_file() || file == Path::new(EMPTY) => Ok(file),
        // As git, which uses neither a default nor anything else then.
        Err(_) => Ok(PathBuf::from(EMPTY)),
        Ok(meta) if meta.is_dir() && key == ATTRIBUTES => Ok(PathBuf::from(EMPTY)),
        Ok(_) => Err(Error::Unsupported {
            feature: format!("{key} set to what is not a regular file"),
            path: root.to_owned(),
            remedy: format!("set {key} to a file or unset it"),
        }),
    }
}

/// Refuses a repository whose `core.worktree` names another directory than the one at hand: which of the two is
/// meant is not ours to guess, and a repository must not lead a capture to files outside of it.
pub(super) fn check_worktree(repo: &gix::Repository, root: &Path, git_dir: &Path) -> Result<(), Error> {
    // A linked work tree is found by its own link; the setting in the shared file is the main work tree's.
    if repo.git_dir() != repo.common_dir() {
        return Ok(());
    }
    let Some(named) = repo.config_snapshot().string("core.worktree").filter(|named| !named.is_empty()) else {
        return Ok(());
    };
    let named = git_dir.join(os_path(&named));
    if named.canonicalize().is_ok_and(|named| named == root) {
        return Ok(());
    }
    Err(Error::Unsupported {
        feature: "core.worktree set to another directory".into(),
        path: root.to_owned(),
        remedy: "unset it there (`git config --unset core.worktree`), or use `git worktree add` for a second checkout"
            .into(),
    })
}

/// Why a git directory without a work tree of its own is no workspace.
pub(super) fn without_worktree(repo: &gix::Repository, path: &Path) -> Error {
    let config = repo.config_snapshot();
    let elsewhere = config.string("core.worktree").filter(|named| !named.is_empty());
    if elsewhere.is_none() || config.boolean("core.bare") == Some(true) {
        return Error::BareRepository { path: path.to_owned() };
    }
    Error::Unsupported {
        feature: "a git directory whose core.worktree is elsewhere".into(),
        path: path.to_owned(),
        remedy: format!(
            "name the work tree instead; where it has no `.git`, write a file of that name with the line `gitdir: {}` into it",
            path.display()
        ),
    }
}

/// Makes sure that the repository's own settings were read. A file that could not be read counts as empty for gix, and
/// without its settings other files would be changed ones, and the repository another.
pub(super) fn check_loaded(repo: &gix::Repository, git_dir: &Path, common_dir: &Path) -> Result<(), Error> {
    use gix::config::Source;
    let config = repo.config_snapshot();
    let of_worktree = config.boolean("extensions.worktreeConfig") == Some(true);
    let files =
        [(Source::Local, common_dir.join("config")), (Source::Worktree, git_dir.join("config.worktree"))];
    for (source, path) in files {
        if source == Source::Worktree && !of_worktree {
            continue;
        }
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => continue,
            Err(why) => return Err(Error::io("reading", &path, why)),
        };
        let has_settings = text.split(|byte| *byte == b'\n').any(|line| line.trim_ascii().starts_with(b"["));
        if has_settings && !config.plumbing().sections().any(|section| section.meta().source == source) {
            return Err(Error::repository(
                &path,
                "reading the settings",
                "the file could not be read a moment ago",
            ));
        }
    }
    Ok(())
}
