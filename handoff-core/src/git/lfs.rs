//! Git LFS pointers: what a committed file says about the content that stands in the work tree.

use crate::digest::Digest;

/// Pointers are below this many bytes (git-lfs, `docs/spec.md`).
const POINTER_LIMIT: usize = 1024;

/// The SHA-256 of the content that `stored` is the pointer of; `None` when it is no pointer.
pub(crate) fn lfs_content(stored: &[u8]) -> Option<Digest> {
    let text = std::str::from_utf8(stored).ok().filter(|text| text.len() < POINTER_LIMIT)?;
    if !text.starts_with("version https://git-lfs.github.com/spec/") {
        return None;
    }
    text.lines().find_map(|line| line.strip_prefix("oid sha256:")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_names_the_content_it_stands_for() {
        let hash = Digest::of(b"large");
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{hash}\nsize 5\n");
        assert_eq!(lfs_content(pointer.as_bytes()), Some(hash));
        assert_eq!(lfs_content(format!("oid sha256:{hash}\n").as_bytes()), None);
        assert_eq!(lfs_content(format!("{pointer}{}", "x".repeat(2_000)).as_bytes()), None);
    }
}
