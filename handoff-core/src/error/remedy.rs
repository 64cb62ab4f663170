//! What to do about a reason: one table for errors of the operating system and for every reason of a report.

use std::io;

use super::errno_name;

/// Reasons and what to do about them, as the second half of a sentence.
const REMEDIES: &[(&[&str], &str)] = &[
    (&["ENOSPC", "EDQUOT"], "free some space there and try again"),
    (&["EFBIG"], "allow larger files there (`ulimit -f`) and try again"),
    (&["EACCES", "EPERM"], "give this user the right to it and try again"),
    (&["EROFS", "cannot_write"], "make the place writable and try again"),
    (&["EMFILE", "ENFILE"], "allow more open files (`ulimit -n`) and try again"),
    (&["ENOMEM"], "free some memory and try again"),
    (&["EIO", "ESTALE", "ENXIO", "ENODEV", "EBADF"], "check the disk or mount that it is on and try again"),
    (&["ENOENT", "not_found"], "check that it is there and try again"),
    (&["ENOTDIR", "EISDIR", "ELOOP", "EEXIST", "ENOTEMPTY"], "move away what is in its place and try again"),
    (
        &["ENAMETOOLONG", "path_too_long", "path_too_deep", "symlink_too_long"],
        "use a shorter path at the source",
    ),
    (
        &["EBUSY", "ETXTBSY", "EAGAIN", "EDEADLK", "ENOLCK", "resource_busy"],
        "stop what uses it and try again",
    ),
    (
        &["EXDEV", "EMLINK", "ENOSYS", "ENOTSUP", "EINVAL", "EOVERFLOW", "unsupported"],
        "use a file system that can do this",
    ),
    (&["EPIPE"], "keep the reader open until everything is written"),
    (&["ETIMEDOUT", "EINTR", "io_error"], "try again"),
    (&["EILSEQ", "invalid_input"], "use a name without NUL and in UTF-8"),
    (&["unexpected_eof", "invalid_data"], "transfer it again"),
    // What a snapshot holds and a target does not take.
    (&["no_target"], "pass an explicit mapping, or a directory for files outside any repository"),
    (&["blob_missing", "blob_mismatch", "corrupt", "truncated", "format"], "transfer the snapshot again"),
    (&["limit"], "open the snapshot with a larger limit if you trust the source"),
    (&["symlink_absolute", "symlink_escapes"], "allow such links if you trust the source"),
    (
        &["symlink_git", "protected_git_file", "path_git_dir", "path_git_alias", "embedded_bare_repo"],
        "git would act on it, so it is never written; make it by hand if it is meant",
    ),
    (
        &["path_traversal", "path_absolute", "path_not_normalized", "path_nul", "path_prefix_conflict"],
        "no capture makes such a path; ask where the snapshot comes from before using the rest",
    ),
    (
        &[
            "path_reserved_name",
            "path_trailing_dot_space",
            "path_ads",
            "path_illegal",
            "path_not_encodable",
            "path_collision",
        ],
        "rename it at the source",
    ),
    (&["mode_not_allowed"], "give it an ordinary mode at the source"),
    (&["type_not_allowed"], "hand that repository off by itself"),
    (&["parent_is_symlink"], "put a directory in the place of the symlink above it and apply again"),
    (&["parent_is_git_dir"], "nothing is ever written into a git directory"),
    (&["parent_is_submodule"], "a repository of its own is above it; name that one in the workspace"),
    (&["parent_is_file"], "move the file away that is in the place of its directory and apply again"),
    (&["parent_missing"], "make the directory above it and apply again"),
    (&["target_is_special"], "move the pipe, socket or device away and apply again"),
    (&["not_checked_out"], "add it to the sparse checkout (`git sparse-checkout add`) and apply again"),
    (&["repository", "not_a_repository"], "run `git fsck` there and apply again"),
    (
        &["attributes_unreadable", "working-tree-encoding"],
        "mend the attributes that hold for it (`git check-attr -a` shows them) and apply again",
    ),
    // What a snapshot does not carry.
    (&["ignored"], "name it in include_ignored or .worktreeinclude at the source and capture again"),
    (
        &["secret_name", "secret_content"],
        "make it anew here, or capture again with allow_secrets naming its path and rule",
    ),
    (&["too_large", "over_budget"], "raise the limit at the source and capture again"),
    (&["special_file"], "make the pipe, socket or device anew here"),
    (&["unreadable"], "make it readable at the source and capture again"),
    (&["unstable"], "capture again when nothing writes to it"),
    (&["excluded"], "take it out of `exclude` at the source and capture again"),
    (
        &["submodule_uninitialised"],
        "nothing is missing unless it should be checked out there; then run `git submodule update --init`",
    ),
    (&["operation_state"], "finish the operation at the source, or begin it again here"),
    (&["deadline"], "capture again with more time"),
    (&["cancelled"], "capture again"),
    (&["vanished"], "capture again if it should be there"),
    (
        &["head_moved"],
        "move HEAD and the branch back first (`git reflog` shows where they were), then undo again",
    ),
    // What is not restored of the index.
    (&["index_locked"], "wait for the git that holds index.lock, or remove a stale one, and apply again"),
    (&["target_differs"], "the index says something else here; stage it by hand if it is meant"),
    (&["not_written"], "its file is not as in the snapshot; stage it by hand"),
    (&["failed"], "see that the git directory can be written and apply again"),
];

/// What to do about an error of the operating system.
pub(crate) fn of_io(error: &io::Error) -> &'static str {
    remedy(&errno_name(error)).unwrap_or("see what the system says about it and try again")
}

/// What to do about a reason of a report; `None` for one that this version does not know.
pub(crate) fn remedy(reason: &str) -> Option<&'static str> {
    REMEDIES.iter().find(|(reasons, _)| reasons.contains(&reason)).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::PathFault;
    use crate::snapshot::OmissionReason;

    #[test]
    fn every_reason_has_one_remedy() {
        let faults = PathFault::ALL.iter().map(|fault| fault.reason());
        for reason in faults.chain(OmissionReason::KNOWN.iter().copied()).chain(super::super::errno::all()) {
            assert!(remedy(reason).is_some(), "{reason} has no remedy");
        }
        let mut all: Vec<&str> = REMEDIES.iter().flat_map(|(reasons, _)| reasons.iter().copied()).collect();
        all.sort_unstable();
        let before = all.len();
        all.dedup();
        assert_eq!(before, all.len(), "a reason stands twice");
    }
}
