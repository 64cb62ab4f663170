//! What a user would run instead, as commands. Numbers in the names are those of the list of baselines.

use std::path::Path;
use std::process::Command;

/// A program without this machine's git settings.
pub fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("GIT_")) {
            command.env_remove(name);
        }
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").current_dir(dir);
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "bench")
            .env(format!("GIT_{role}_EMAIL"), "bench@example.invalid");
        command.env(format!("GIT_{role}_DATE"), "1700000000 +0000");
    }
    command
}

/// `git …` in `dir`.
pub fn git(dir: &Path, args: &[&str]) -> Command {
    let mut command = command("git", dir);
    command.args(args);
    command
}

/// A shell script in `dir`, with `$1`, `$2`, … from `args`.
pub fn shell(dir: &Path, script: &str, args: &[&Path]) -> Command {
    let mut command = command("sh", dir);
    command.args(["-e", "-c", script, "sh"]).args(args);
    command
}

/// B0: listing the changes, with no content read: the floor.
pub fn status(repo: &Path) -> Command {
    git(repo, &["--no-optional-locks", "status", "--porcelain=v2", "-z", "-uall"])
}

/// B0 with git's untracked cache, from an index of its own (`$GIT_INDEX_FILE`) that has one.
pub fn status_with_untracked_cache(repo: &Path, index: &Path) -> Command {
    let settings = ["-c", "core.untrackedCache=true", "-c", "status.showUntrackedFiles=all"];
    let mut command = git(repo, &settings);
    command.args(["--no-optional-locks", "status", "--porcelain=v2", "-z"]).env("GIT_INDEX_FILE", index);
    command
}

/// B4: everything hashed into objects beside the repository; `$1` is an empty directory.
pub const ADD_FRESH_INDEX: &str = r#"
objects=$(git rev-parse --path-format=absolute --git-path objects)
mkdir "$1/o"
export GIT_INDEX_FILE="$1/i" GIT_OBJECT_DIRECTORY="$1/o" GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects"
git read-tree HEAD; git add -A; git write-tree"#;

/// B5: the same from a copy of the index, so that unchanged files are not hashed.
pub const ADD_COPIED_INDEX: &str = r#"
objects=$(git rev-parse --path-format=absolute --git-path objects)
mkdir "$1/o"; cp -p "$(git rev-parse --git-path index)" "$1/i"
export GIT_INDEX_FILE="$1/i" GIT_OBJECT_DIRECTORY="$1/o" GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects"
git add -A; git write-tree"#;

/// B7: changed and new files as a compressed archive (no deletions, no base, no index); `$1` is an empty directory.
pub const TAR_CHANGED: &str = r#"
{ git diff-index -z --name-only --diff-filter=d HEAD; git ls-files -z -o --exclude-standard; } |
tar --null --no-recursion -T - -cf - | zstd -q -3 -o "$1/out.tar.zst""#;

/// One file as a compressed archive: `$1` the file's name, `$2` the archive.
pub const TAR_ONE: &str = r#"tar -cf - "$1" | zstd -q -1 -T2 -f -o "$2""#;

/// The same, and on the disk when it ends, as a saved bundle is.
pub const TAR_ONE_SYNCED: &str = r#"tar -cf - "$1" | zstd -q -1 -T2 -f -o "$2"; sync "$2""#;

/// What compressing the file takes on its own, at the level and on the cores of [`TAR_ONE`].
pub const ZSTD_ONE: &str = r#"zstd -q -1 -T2 -f -o "$2" "$1""#;

/// A5: a merge of commits with the result checked out: `$1` is a file holding the incoming commit's id.
pub const MERGE_TREE: &str = r#"
tree=$(git merge-tree --write-tree HEAD "$(cat "$1")" | head -n 1)
git read-tree -m -u HEAD "$tree""#;
