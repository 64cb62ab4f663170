//! The floor of every walk: the system calls and nothing else.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Done;

/// Directories that are still to be listed, and how many are being listed.
struct Todo {
    dirs: Vec<PathBuf>,
    active: usize,
}

/// Lists every directory of `root` but `.git` and looks at every file, on all cores. Does nothing with what it sees.
pub fn walk(root: &Path) -> Done {
    let todo = Mutex::new(Todo { dirs: vec![root.to_owned()], active: 0 });
    let lock = || todo.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || -> io::Result<()> {
        loop {
            let next = {
                let mut todo = lock();
                let next = todo.dirs.pop();
                if next.is_none() && todo.active == 0 {
                    return Ok(());
                }
                todo.active += usize::from(next.is_some());
                next
            };
            let Some(dir) = next else {
                std::thread::yield_now();
                continue;
            };
            let below = list(&dir);
            let mut todo = lock();
            todo.active -= 1;
            todo.dirs.append(&mut below?);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work()?;
        others
            .into_iter()
            .try_for_each(|other| other.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    })?;
    Ok(())
}

/// The directories in `dir`, each of whose files is looked at by the directory's handle, as a capture does.
fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut below = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            std::hint::black_box(entry.metadata()?);
        } else if entry.file_name() != ".git" {
            below.push(entry.path());
        }
    }
    Ok(below)
}
