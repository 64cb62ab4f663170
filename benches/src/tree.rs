//! A generated repository of many small files, made once and then switched between states. Contents, names,
//! times and commits are functions of numbers, so two trees of one size are clones of each other.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::{Done, corpus, script};

/// How far a tree is from its first commit. The files that change are spread evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Tracked files with an edit near their beginning.
    pub modified: usize,
    /// Untracked files.
    pub new: usize,
}

/// One tree.
pub struct Tree {
    root: PathBuf,
    files: usize,
}

impl Tree {
    /// The tree `name` of so many files under `dir`, clean and on its first commit.
    pub fn at(dir: &Path, name: &str, files: usize) -> Done<Self> {
        fs::create_dir_all(dir)?;
        let tree = Self { root: dir.canonicalize()?.join(format!("{name}3-{files}")), files };
        if tree.root.join(".git/bench-ready").exists() {
            tree.clean()?;
        } else {
            println!("making {} files in {}", files, tree.root.display());
            tree.make()?;
        }
        Ok(tree)
    }

    /// Its root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn make(&self) -> Done {
        if self.root.exists() {
            fs::remove_dir_all(&self.root)?;
        }
        fs::create_dir_all(&self.root)?;
        self.git(&["init", "-q", "-b", "main"])?;
        let mut import =
            script::git(&self.root, &["-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"]);
        let mut child = import.stdin(Stdio::piped()).spawn()?;
        let mut out = BufWriter::new(child.stdin.take().ok_or("no pipe")?);
        write!(
            out,
            "commit refs/heads/main\ncommitter bench <bench@example.invalid> 1700000000 +0000\ndata 4\nbase"
        )?;
        for file in 0..self.files {
            let text = base(file)?;
            write!(out, "\nM 100644 inline {}\ndata {}\n{text}", path(file), text.len())?;
        }
        writeln!(out)?;
        drop(out);
        if !child.wait()?.success() {
            return Err("git fast-import failed".into());
        }
        // As a server or `git gc` packs: fast-import makes deltas of whatever came one after the other, fifty deep, and
        // a file of HEAD in a real clone is seldom one.
        self.git(&["repack", "-a", "-d", "-f", "-q"])?;
        for file in 0..self.files {
            self.write(&path(file), &base(file)?)?;
        }
        self.git(&["read-tree", "HEAD"])?;
        self.git(&["update-index", "-q", "--refresh"])?;
        let head = script::git(&self.root, &["rev-parse", "HEAD"]).output()?.stdout;
        fs::write(self.private("base"), head)?;
        fs::copy(self.private("../index"), self.private("index"))?;
        fs::write(self.private("ready"), "")?;
        Ok(())
    }

    /// Brings the tree into `state`.
    pub fn set(&self, state: State) -> Done {
        self.clean()?;
        self.expect(state)?;
        for (nth, file) in self.chosen(state.modified) {
            self.write(&path(file), &edited(file, nth)?)?;
        }
        for nth in 0..state.new {
            self.write(&self.new_path(nth), &base(self.files + nth)?)?;
        }
        Ok(())
    }

    /// Notes that something else will bring the tree into `state`, so that [`clean`](Self::clean) undoes that.
    pub fn expect(&self, state: State) -> Done {
        Ok(fs::write(self.private("state"), format!("{} {}", state.modified, state.new))?)
    }

    /// Undoes whatever state the tree is in: files, index, HEAD and our own journal.
    pub fn clean(&self) -> Done {
        let noted = fs::read_to_string(self.private("state")).unwrap_or_default();
        let mut numbers = noted.split(' ').filter_map(|number| number.parse::<usize>().ok());
        let state = State { modified: numbers.next().unwrap_or(0), new: numbers.next().unwrap_or(0) };
        let diverged = self.private("diverged").exists();
        for (nth, file) in self.chosen(state.modified) {
            let text = if diverged && nth.is_multiple_of(2) { moved_on(&base(file)?) } else { base(file)? };
            self.write(&path(file), &text)?;
        }
        for nth in 0..state.new {
            self.discard(&self.root.join(self.new_path(nth)))?;
        }
        self.discard(&self.private("../handoff"))?;
        fs::copy(self.private(if diverged { "index-diverged" } else { "index" }), self.private("../index"))?;
        self.git(&["update-index", "-q", "--refresh"])
    }

    /// Moves `path` out of the tree. Not deleted before all is measured: for a minute after a deletion, ext4 looks
    /// through the deleted inodes of a directory's neighbourhood before each new file, which nobody who applies
    /// once would meet.
    fn discard(&self, path: &Path) -> Done {
        if !path.exists() {
            return Ok(());
        }
        let trash = self.root.with_extension("trash");
        fs::create_dir_all(&trash)?;
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Ok(fs::rename(path, trash.join(name))?)
    }

    /// Empties what [`clean`](Self::clean) has moved out of the way.
    pub fn empty_trash(&self) -> Done {
        let trash = self.root.with_extension("trash");
        if trash.exists() { Ok(fs::remove_dir_all(trash)?) } else { Ok(()) }
    }

    /// Writes to disk whatever waits to be written on the tree's file system.
    pub fn settle(&self) -> Done {
        let done = std::process::Command::new("sync").arg("--file-system").arg(&self.root).status()?;
        if done.success() { Ok(()) } else { Err("sync failed".into()) }
    }

    /// Commits an edit near the end of every other file that `state` modifies; [`reunite`](Self::reunite) takes it back.
    pub fn diverge(&self, state: State) -> Done {
        self.clean()?;
        for (_, file) in self.chosen(state.modified).filter(|(nth, _)| nth.is_multiple_of(2)) {
            self.write(&path(file), &moved_on(&base(file)?))?;
        }
        self.git(&["commit", "-q", "-a", "-m", "move on"])?;
        self.expect(state)?;
        fs::copy(self.private("../index"), self.private("index-diverged"))?;
        Ok(fs::write(self.private("diverged"), "")?)
    }

    /// Back to the first commit.
    pub fn reunite(&self) -> Done {
        let base = fs::read_to_string(self.private("base"))?;
        self.git(&["update-ref", "refs/heads/main", base.trim()])?;
        let _ = fs::remove_file(self.private("diverged"));
        self.clean()
    }

    /// A file in the git directory that is ours.
    pub fn private(&self, name: &str) -> PathBuf {
        match name.strip_prefix("../") {
            Some(name) => self.root.join(".git").join(name),
            None => self.root.join(format!(".git/bench-{name}")),
        }
    }

    /// Runs git in the tree.
    pub fn git(&self, args: &[&str]) -> Done {
        let status = script::git(&self.root, args).stdout(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(format!("git {} failed: {status}", args.join(" ")).into()) }
    }

    fn chosen(&self, count: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..count).map(move |nth| (nth, nth * self.files / count.max(1)))
    }

    fn new_path(&self, nth: usize) -> String {
        path(nth * self.files / 1000.min(self.files)).replace("file", &format!("new{nth}_"))
    }

    /// Writes a file with a time long past, so that git need not suspect it of having just changed.
    fn write(&self, path: &str, text: &str) -> Done {
        let path = self.root.join(path);
        let mut file = match File::create(&path) {
            Ok(file) => file,
            Err(_) => {
                fs::create_dir_all(path.parent().ok_or("no parent")?)?;
                File::create(&path)?
            }
        };
        file.write_all(text.as_bytes())?;
        // Another content has another time, even at the same size.
        let seconds = text.bytes().map(u64::from).sum::<u64>();
        Ok(file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + seconds))?)
    }
}

/// Twenty files to a directory, twenty of those to a package.
fn path(file: usize) -> String {
    format!("package{:03}/module{:02}/file{file:05}.rs", file / 400 % 1000, file / 20 % 20)
}

/// 40 to 120 lines of source code, 2.8 KiB on average: as in many repositories most files are, while a few long ones are
/// not among them. Each file has lines of its own as long as there are enough.
fn base(file: usize) -> Done<String> {
    let (text, lines) = (corpus::text()?, corpus::lines()?);
    let count = 40 + Random::new(file as u64 + 1).next() as usize % 80;
    let from = file * 120 % (lines.len() - 120);
    let at = |line: usize| lines.get(line).copied().unwrap_or(text.len());
    Ok(text.get(at(from)..at(from + count)).unwrap_or_default().to_owned())
}

/// An edit near the beginning; every fourth file keeps its size.
fn edited(file: usize, nth: usize) -> Done<String> {
    let mut lines: Vec<String> = base(file)?.lines().map(str::to_owned).collect();
    let letter = |line: &String| line.find(|c: char| c.is_ascii_lowercase());
    match lines.iter_mut().skip(3).find_map(|line| letter(line).map(|at| (line, at))) {
        Some((line, at)) if nth.is_multiple_of(4) => line.replace_range(at..=at, "Z"),
        Some((line, _)) => line.push_str(" // edited here"),
        // A table of some other script.
        None => lines.insert(0, "// edited here".to_owned()),
    }
    Ok(lines.join("\n") + "\n")
}

/// An edit in the last line.
fn moved_on(text: &str) -> String {
    format!("{} // edited there\n", text.trim_end())
}

/// A small generator of pseudo-random numbers (splitmix64).
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "an endless sequence is no iterator worth having here")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Two to five syllables.
    pub fn word(&mut self) -> String {
        let syllables = 2 + self.next() % 4;
        (0..syllables)
            .flat_map(|_| {
                let pick = self.next();
                let of = |set: &[u8], at: u64| {
                    set.get(at as usize % set.len()).map_or('x', |byte| char::from(*byte))
                };
                [of(b"bcdfghklmnprstvw", pick), of(b"aeiou", pick >> 8)]
            })
            .collect()
    }
}
