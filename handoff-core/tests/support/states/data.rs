//! The contents and paths that states are made of.

use super::Item;

/// Every content of the pool.
pub fn pool() -> Vec<Vec<u8>> {
    let lines = |skip: usize, edit: usize| -> Vec<u8> {
        (0..40)
            .filter(|n| *n != skip)
            .map(|n| if n == edit { format!("line {n} edited\n") } else { format!("line {n}\n") })
            .collect::<String>()
            .into_bytes()
    };
    let noise = |len: usize, mut seed: u32| -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            bytes.push(seed as u8);
        }
        bytes
    };
    let mut altered = noise(1024, 7);
    altered[512] ^= 1;
    let texts: [Vec<u8>; 27] = [
        b"".to_vec(),
        b"one\n".to_vec(),
        // As long as the one before: only the content tells them apart.
        b"two\n".to_vec(),
        b"no newline at the end".to_vec(),
        b"dos\r\nlines\r\n".to_vec(),
        b"mixed\r\nlines\nold mac\rend\n".to_vec(),
        noise(1024, 7),
        lines(99, 99),
        lines(99, 20),
        lines(0, 39),
        noise(300 << 10, 11),
        "a longer text, line after line after line\n".repeat(1700).into_bytes(),
        b"caf\xe9 in latin-1 \xff\xfe\n".to_vec(),
        altered,
        b"<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n".to_vec(),
        [vec![b'x'; 100_000], b"\n".to_vec()].concat(),
        b"#!/bin/sh\necho run\n".to_vec(),
        b"\xef\xbb\xbfwith a byte order mark\n".to_vec(),
        b"NUL in\0the middle\n".to_vec(),
        b"\n\n\n".to_vec(),
        b"*.log\nbuild/\n".to_vec(),
        b"*.log\nbuild/\n*.tmp\n".to_vec(),
        b"\n".to_vec(),
        b"fresh/\n*.log\nbuild/\n".to_vec(),
        b"*.log\n!debug.log\nsrc/\n".to_vec(),
        b"tagged $Id$ text\n".to_vec(),
        b"tagged $Id$ text\nand more $Id$\n".to_vec(),
    ];
    texts.to_vec()
}

/// Tracked paths of the base commit.
pub fn base() -> Vec<(&'static [u8], Item)> {
    let file = |content| Item::File { content, executable: false };
    vec![
        (b"README.md", file(7)),
        (b"src/lib.rs", file(7)),
        (b"src/deep/er/mod.rs", file(1)),
        (b"src/deep/er/empty", file(0)),
        (b"run.sh", Item::File { content: 16, executable: true }),
        (b"data.bin", file(6)),
        (b"big.bin", file(10)),
        (b"link-to-file", Item::Link(0)),
        (b"src/link-inside", Item::Link(4)),
        (b"link-to-dir", Item::Link(2)),
        (b"dangling", Item::Link(1)),
        (b"with space/and \"quotes\".txt", file(1)),
        (b"new\nline", file(2)),
        (b"latin-\xe9\xff.txt", file(3)),
        ("unicode-é-日本.txt".as_bytes(), file(12)),
        (b"-dash", file(1)),
        (b":(top)x", file(2)),
        (b"[id].tsx", file(7)),
        (b"back\\slash", file(1)),
        (b"tab\there", file(3)),
        (b".gitignore", file(20)),
        (b".hidden/file", file(1)),
        (b"dir/a", file(1)),
        (b"dir/b/c", file(2)),
        (b"file-or-dir", file(7)),
        (b"win.crlf", file(7)),
        (b"sub/win.crlf", file(1)),
        (b"wide.u16", file(7)),
        (b"tag.id", file(25)),
        (b"model.lfs", file(6)),
    ]
}

/// Paths that the base commit does not have. Some are directories of the base, or below its files.
pub const NEW: &[&[u8]] = &[
    b"new.txt",
    b"src/new.rs",
    b"fresh/dir/one",
    b"fresh/dir/two",
    b"fresh/x",
    b"odd ?*name",
    b"\xff\xfe",
    b"-n",
    b"README.MD",
    "unicode-e\u{301}.txt".as_bytes(),
    b"dir",
    b"file-or-dir/inner",
    b"src/deep",
    b"link-to-dir/below",
    b"~tilde",
    b"new.crlf",
    b"debug.log",
    b"build/out.o",
    b"src/keep.tmp",
    b"src/.gitignore",
    b"fresh/wide.u16",
    b"fresh/tag.id",
    b"fresh/model.lfs",
];
