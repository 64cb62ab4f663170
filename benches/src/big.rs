//! A repository with one big untracked file.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use crate::tree::Random;
use crate::{Done, corpus, script};

/// What the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Bytes that do not compress.
    Random,
    /// Source code: [`corpus`], over and over, which neither side's window reaches back to see.
    Text,
    /// Words that were made up, in any order: text that compresses badly and slowly.
    Words,
}

/// The repository with the file, made once; its root.
pub fn repository(dir: &Path, mib: u64, content: Content) -> Done<PathBuf> {
    let root = dir.join(format!("big2-{mib}-{content:?}").to_lowercase());
    let done = root.join(".git/bench-ready");
    if !done.exists() {
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        fs::create_dir_all(&root)?;
        fs::write(root.join("README.md"), "One big file lies beside this one.\n")?;
        for args in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-q", "-m", "base"]] {
            if !script::git(&root, args).status()?.success() {
                return Err(format!("git {} failed in {}", args.join(" "), root.display()).into());
            }
        }
        let mut out = BufWriter::with_capacity(1 << 20, File::create(root.join("big"))?);
        write(&mut out, mib << 20, content)?;
        out.into_inner()?.sync_all()?;
        fs::write(done, "")?;
    }
    Ok(root.canonicalize()?)
}

fn write(out: &mut impl std::io::Write, bytes: u64, content: Content) -> Done {
    if content == Content::Text {
        let text = corpus::text()?.as_bytes();
        let mut left = bytes as usize;
        while left > 0 {
            let take = left.min(text.len());
            out.write_all(text.get(..take).unwrap_or(text))?;
            left -= take;
        }
        return Ok(());
    }
    let mut random = Random::new(1);
    let words: Vec<String> = (0..4096).map(|_| random.word()).collect();
    let mut block = Vec::with_capacity(1 << 16);
    let mut left = bytes;
    while left > 0 {
        block.clear();
        while block.len() < 1 << 16 {
            let next = random.next();
            match content {
                Content::Random | Content::Text => block.extend_from_slice(&next.to_le_bytes()),
                Content::Words => {
                    // Small numbers are likelier, as common words are.
                    let pick = (next & 0xfff) as usize >> (next >> 12 & 7);
                    block.extend_from_slice(words.get(pick).map_or(b"", |word| word.as_bytes()));
                    block.push(if next >> 60 == 0 { b'\n' } else { b' ' });
                }
            }
        }
        let take = left.min(block.len() as u64);
        out.write_all(block.get(..take as usize).unwrap_or(&block))?;
        left -= take;
    }
    Ok(())
}
