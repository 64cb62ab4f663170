//! Where HEAD and branches point, and moving them: one ref at a time, under git's own locks, and only from what was
//! expected.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock::{take, unlock};
use super::{Repo, from_gix, to_gix};
use crate::error::Error;
use crate::id::Oid;

/// Where HEAD is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadState {
    /// The branch, in full; absent when detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit; absent on a branch without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Oid>,
}

impl HeadState {
    /// Whether `HEAD` itself says the same; on a branch, the commit is the branch's to say.
    fn names_the_same(&self, other: &Self) -> bool {
        self.branch == other.branch && (self.branch.is_some() || self.commit == other.commit)
    }
}

impl Repo {
    /// Where HEAD is now.
    pub fn head_state(&self) -> Result<HeadState, Error> {
        let repo = self.local();
        let mut head = repo.head().map_err(|why| self.failed("reading HEAD", why))?;
        let branch = head.referent_name().map(|name| name.as_bstr().to_string());
        let commit = head.try_peel_to_id().map_err(|why| self.failed("reading HEAD", why))?;
        Ok(HeadState { branch, commit: commit.and_then(|id| from_gix(id.detach())) })
    }

    /// The commit that the ref `name` (in full) points to; `None` when there is no such ref.
    pub fn ref_commit(&self, name: &str) -> Result<Option<Oid>, Error> {
        let repo = self.local();
        let found = repo.try_find_reference(name).map_err(|why| self.failed("reading a branch", why))?;
        let Some(mut found) = found else { return Ok(None) };
        let id = found.peel_to_id().map_err(|why| self.failed("reading a branch", why))?;
        Ok(from_gix(id.detach()))
    }

    /// Whether `new` has everything that `old` has.
    pub fn is_ahead_of(&self, new: &Oid, old: &Oid) -> bool {
        let (Some(new), Some(old)) = (to_gix(new), to_gix(old)) else { return false };
        new == old
            || self.local().merge_base(new, old).ok().flatten().is_some_and(|base| base.detach() == old)
    }

    /// The full name of the branch `name`, if git would accept it.
    pub fn branch_name(name: &str) -> Option<String> {
        let full = format!("refs/heads/{name}");
        let valid = gix::refs::FullName::try_from(full.as_str()).is_ok();
        (valid && !name.starts_with('-') && name != "HEAD").then_some(full)
    }

    /// The ref that keeps a new ref `name` from being made: git keeps refs like files, so `a` and `a/b` cannot both be,
    /// loose or packed.
    pub fn ref_in_the_way(&self, name: &str) -> Result<Option<String>, Error> {
        let failed = |why: gix::Error| self.failed("looking for refs", why);
        let repo = self.local();
        let platform = repo.references().map_err(failed)?;
        let below = format!("{name}/");
        for found in platform.all().map_err(failed)? {
            // One that cannot be read is there all the same, and stops git too; its name is then not told.
            let Ok(found) = found else { continue };
            let found = found.name().as_bstr().to_string();
            if found.starts_with(&below)
                || name.strip_prefix(&found).is_some_and(|rest| rest.starts_with('/'))
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether another work tree of this repository is on the branch.
    pub fn is_checked_out_elsewhere(&self, branch: &str) -> bool {
        let mut heads = vec![self.common_dir().to_owned()];
        let linked = fs::read_dir(self.common_dir().join("worktrees")).into_iter().flatten().flatten();
        heads.extend(linked.map(|entry| entry.path()));
        heads.iter().filter(|dir| *dir != self.git_dir()).any(|dir| {
            fs::read_to_string(dir.join("HEAD")).is_ok_and(|text| text.trim() == format!("ref: {branch}"))
        })
    }

    /// Points the branch `name` to `new`, or removes it, if it is where `expected` says. False if it is not.
    /// Only branches that have no packed form may be removed: those that were made here a moment ago.
    pub fn move_branch(
        &self,
        name: &str,
        expected: Option<Oid>,
        new: Option<Oid>,
        claim: &Path,
    ) -> Result<bool, Error> {
        let file = self.common_dir().join(name);
        if expected.is_none() && self.ref_in_the_way(name)?.is_some() {
            return Ok(false);
        }
        if let Some(above) = file.parent() {
            fs::create_dir_all(above).map_err(|why| Error::io("creating", above, why))?;
        }
        let held = Held::take(self, file, claim)?;
        if self.ref_commit(name)? != expected {
            return Ok(false);
        }
        remove_empty(&held.file);
        match new {
            Some(new) => held.replace(&format!("{new}\n"))?,
            None => held.remove()?,
        }
        self.log_move(&self.common_dir().join("logs").join(name), expected, new);
        Ok(true)
    }

    /// Makes HEAD say what `new` says, if it says what `expected` says. False if it does not.
    pub fn move_head(&self, expected: &HeadState, new: &HeadState, claim: &Path) -> Result<bool, Error> {
        let held = Held::take(self, self.git_dir().join("HEAD"), claim)?;
        if !self.head_state()?.names_the_same(expected) {
            return Ok(false);
        }
        let text = match (&new.branch, new.commit) {
            (Some(branch), _) => format!("ref: {branch}\n"),
            (None, Some(commit)) => format!("{commit}\n"),
            (None, None) => return Ok(false),
        };
        held.replace(&text)?;
        self.log_move(&self.git_dir().join("logs/HEAD"), expected.commit, new.commit);
        Ok(true)
    }

    /// Removes locks of HEAD and of the branch that a killed process of ours left. The caller must know that none lives.
    pub fn unlock_refs(&self, branch: Option<&str>, claim: &Path) {
        let locks =
            branch.map(|name| self.common_dir().join(name)).into_iter().chain([self.git_dir().join("HEAD")]);
        for file in locks {
            let _ = unlock(&lock_of(&file), claim);
        }
        let _ = fs::remove_file(claim);
    }

    /// One line in the ref's log, where there is a log: it is for people, and its absence no fault.
    fn log_move(&self, log: &Path, old: Option<Oid>, new: Option<Oid>) {
        let none = "0".repeat(match self.format() {
            crate::id::ObjectFormat::Sha1 => 40,
            crate::id::ObjectFormat::Sha256 => 64,
        });
        let text = |oid: Option<Oid>| oid.map_or_else(|| none.clone(), |oid| oid.to_string());
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let line = format!(
            "{} {} handoff <handoff@localhost> {now} +0000\thandoff: put on the handed-off commit\n",
            text(old),
            text(new)
        );
        if let Ok(mut file) = fs::File::options().append(true).open(log) {
            let _ = file.write_all(line.as_bytes());
        }
    }
}

/// Directories that refs which are gone have left where one is to be; git removes them, too.
fn remove_empty(dir: &Path) {
    if !fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir()) {
        return;
    }
    let Ok(inside) = fs::read_dir(dir) else { return };
    inside.flatten().for_each(|entry| remove_empty(&entry.path()));
    // Fails where there is something in it.
    let _ = fs::remove_dir(dir);
}

fn lock_of(file: &Path) -> PathBuf {
    let mut lock = file.as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
}

/// Git's lock of one ref.
struct Held<'a> {
    content: fs::File,
    file: PathBuf,
    lock: PathBuf,
    claim: &'a Path,
    renamed: std::cell::Cell<bool>,
}

impl<'a> Held<'a> {
    fn take(repo: &Repo, file: PathBuf, claim: &'a Path) -> Result<Self, Error> {
        let lock = lock_of(&file);
        let content = take(&lock, claim, repo.root())?;
        Ok(Self { content, file, lock, claim, renamed: std::cell::Cell::new(false) })
    }

    fn replace(&self, text: &str) -> Result<(), Error> {
        let mut content = &self.content;
        let written = content.write_all(text.as_bytes()).and_then(|()| content.sync_data());
        written.map_err(|why| Error::io("writing", &self.lock, why))?;
        fs::rename(&self.lock, &self.file).map_err(|why| Error::io("replacing", &self.file, why))?;
        self.renamed.set(true);
        Ok(())
    }

    fn remove(&self) -> Result<(), Error> {
        match fs::remove_file(&self.file) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("removing", &self.file, why))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // After a rename the name may be somebody else's lock already.
        if !self.renamed.get() {
            let _ = fs::remove_file(&self.lock);
        }
        let _ = fs::remove_file(self.claim);
    }
}
