//! Repositories inside those of a workspace, which an apply may have written to under the name of the outer one.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::git::{Found, Repo, ScanOptions, os_path};
use crate::progress::{Control, Until};

/// A repository of a workspace.
pub(super) struct Inside {
    pub root: PathBuf,
    /// The caller named it; it was not only found in another.
    pub named: bool,
}

/// `roots` and the submodules and untracked repositories inside them, each once. One that cannot be opened is left
/// out: nothing can have been applied to it.
pub(super) fn with_nested<'p>(
    roots: impl Iterator<Item = &'p Path>,
    control: &Control,
) -> Result<Vec<Inside>, Error> {
    let mut found: Vec<Inside> = roots.map(|root| Inside { root: root.to_owned(), named: true }).collect();
    let mut at = 0;
    while let Some(root) = found.get(at).map(|one| one.root.clone()) {
        at += 1;
        // The roots that the caller named are opened again by whoever undoes, and told of where that fails.
        let Ok(repo) = Repo::open_at(&root) else { continue };
        let Ok(index) = repo.index() else { continue };
        let scanned = match repo.scan(
            &index,
            &ScanOptions { control, until: &Until::default(), include: None, list_ignored: false },
        ) {
            Ok(scanned) => scanned,
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(_) => continue,
        };
        for path in scanned.paths {
            if !matches!(path.found, Found::NestedRepo | Found::Submodule { present: true }) {
                continue;
            }
            let inner = repo.root().join(os_path(path.path.as_bytes()));
            let opens = Repo::open_at(&inner).is_ok_and(|repo| repo.root() == inner);
            if opens && found.iter().all(|one| one.root != inner) {
                found.push(Inside { root: inner, named: false });
            }
        }
    }
    Ok(found)
}
