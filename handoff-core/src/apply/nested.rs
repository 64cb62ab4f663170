//! Repositories inside those of a workspace. An apply reaches them by the names in its snapshot; an undo has only
//! the work trees to go by, so it looks.

use std::path::PathBuf;

use crate::git::{Found, Repo, ScanOptions, os_path};
use crate::progress::{Control, Until};

/// The work trees of all repositories inside those at `roots`, which are not among them. What cannot be looked
/// through has none.
pub(super) fn nested(roots: &[PathBuf], control: &Control) -> Vec<PathBuf> {
    let mut todo = roots.to_vec();
    let mut found: Vec<PathBuf> = Vec::new();
    let until = Until::default();
    while let Some(root) = todo.pop() {
        let Ok(repo) = Repo::open_at(&root) else { continue };
        let Ok(index) = repo.index() else { continue };
        let options = ScanOptions { control, until: &until, include: None, list_ignored: false };
        let Ok(scanned) = repo.scan(&index, &options) else { continue };
        for path in scanned.paths {
            if !matches!(path.found, Found::NestedRepo | Found::Submodule { present: true }) {
                continue;
            }
            let bytes = path.path.as_bytes();
            let inner = root.join(os_path(bytes.strip_suffix(b"/").unwrap_or(bytes)));
            if !roots.contains(&inner) && !found.contains(&inner) {
                todo.push(inner.clone());
                found.push(inner);
            }
        }
    }
    found.sort();
    found
}
