//! Workspace states: a base commit, a model of what was done to it, and a checkout in that state.
//!
//! Contents are from a pool whose objects the template repository already has, so a state of any kind costs
//! two or three git processes.

mod data;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use data::{NEW, base, pool};

use super::git;
use super::repo::{Format, Repo, at, copy_tree, scratch_in_memory};

/// A content of the pool, by number.
pub type Content = usize;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    File {
        content: Content,
        executable: bool,
    },
    /// To one of [`LINKS`].
    Link(usize),
}

/// What the index has at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staged {
    Item(Item),
    IntentToAdd,
}

/// What is done to one path (`slot`s count through [`Template::paths`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Only on disk: an unstaged change, an untracked file, a type change.
    Write(Item),
    /// Only staged; the disk keeps what it has.
    Stage(Item),
    /// Written and staged.
    WriteAndStage(Item),
    /// Staged, then changed again.
    StageThenWrite(Item, Item),
    /// Staged, then put back as committed.
    StageThenRevert(Item),
    /// `rm`.
    Remove,
    /// `git rm --cached`.
    Unstage,
    /// `git rm`.
    RemoveAndUnstage,
    /// Staged, then removed from disk.
    StageThenRemove(Item),
    /// The executable bit turned on disk, and staged if so.
    Chmod { staged: bool },
    /// `git mv` to another slot, edited afterwards if so.
    Rename { to: usize, then: Option<Item> },
    /// `git add -N` of a new file.
    IntentToAdd(Item),
}

impl Action {
    /// Replaces every item by what `map` makes of it.
    pub fn map_items(&mut self, map: impl Fn(Item) -> Item) {
        match self {
            Self::Write(item)
            | Self::Stage(item)
            | Self::WriteAndStage(item)
            | Self::StageThenRevert(item)
            | Self::StageThenRemove(item)
            | Self::Rename { then: Some(item), .. }
            | Self::IntentToAdd(item) => *item = map(*item),
            Self::StageThenWrite(staged, written) => (*staged, *written) = (map(*staged), map(*written)),
            Self::Remove
            | Self::Unstage
            | Self::RemoveAndUnstage
            | Self::Chmod { .. }
            | Self::Rename { .. } => {}
        }
    }
}

/// A state as it is generated: what was done, and in what circumstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    pub steps: Vec<(usize, Action)>,
    pub detached: bool,
    /// Whether git has looked at the files since they were changed.
    pub refreshed: bool,
    /// Whether the files were changed just now, within the index's own time stamp.
    pub racy: bool,
    /// Whether git has looked at the target's files, too.
    pub target_refreshed: bool,
    /// Whether the apply waits for the disk.
    pub durable: bool,
    /// Whether everything is applied, and captured, once more.
    pub again: bool,
}

/// Targets of symlinks. None leaves the work tree, wherever the link is; those that would are in the hostile tests.
pub const LINKS: &[&[u8]] =
    &[b"README.md", b"nowhere/at/all", b"src", b".", b"deep/er/mod.rs", b"n\xc3\xa4ch\xff", b"with space"];

/// Numbers of contents with a use of their own.
const IGNORE_RULES: [Content; 5] = [20, 21, 22, 23, 24];
const LINE_FEED_TEXTS: [Content; 6] = [0, 1, 2, 7, 8, 9];
const IDENT_TEXTS: [Content; 4] = [25, 26, 1, 7];
/// What the base commit says of line endings, encodings and filters. No program is set for the filter.
pub const ATTRIBUTES: &str = "*.crlf text eol=crlf\n*.u16 text working-tree-encoding=UTF-16LE\n*.id text ident\n\
                          *.lfs filter=lfs diff=lfs merge=lfs -text\n";
pub const CONTENTS: usize = 20;

/// A repository at its base commit and all that is needed to make checkouts in some state.
pub struct Template {
    scratch: tempfile::TempDir,
    pub repo: Repo,
    /// Tracked slots first, then new ones.
    pub paths: Vec<Vec<u8>>,
    tracked: usize,
    pool: Vec<Vec<u8>>,
    blob_ids: Vec<String>,
    link_ids: Vec<String>,
    head: BTreeMap<Vec<u8>, Item>,
    commit: Option<String>,
}

/// How many slots there are.
pub fn slots() -> usize {
    base().len() + NEW.len()
}

/// The slot of a path that is in the template.
pub fn slot_of(path: &str) -> usize {
    let base = base();
    let mut paths = base.iter().map(|(path, _)| *path).chain(NEW.iter().copied());
    paths.position(|other| other == path.as_bytes()).expect("a path of the template")
}

/// Whether the base commit has a link at this slot.
pub fn is_link(slot: usize) -> bool {
    base().get(slot).is_some_and(|(_, item)| matches!(item, Item::Link(_)))
}

impl Template {
    /// The slot that `to` of a rename means: one that the base commit does not have.
    pub fn renamed(to: usize) -> usize {
        base().len() + to % NEW.len()
    }

    /// With `unborn`, the same slots over a repository without a commit.
    pub fn new(format: Format, unborn: bool) -> Self {
        let scratch = scratch_in_memory();
        let source = Repo::init(scratch.path().join("source"), format);
        let pool = pool();
        let blob_ids = store(&source, &scratch.path().join("pool"), &pool);
        let links: Vec<_> = LINKS.iter().map(|link| link.to_vec()).collect();
        let link_ids = store(&source, &scratch.path().join("links"), &links);
        let base = base();
        let mut paths: Vec<Vec<u8>> = base.iter().map(|(path, _)| path.to_vec()).collect();
        let tracked = paths.len();
        paths.extend(NEW.iter().map(|path| path.to_vec()));
        let mut template = Self {
            repo: source.clone(),
            scratch,
            paths,
            tracked,
            pool,
            blob_ids,
            link_ids,
            head: BTreeMap::new(),
            commit: None,
        };
        source.write(".gitattributes", ATTRIBUTES);
        if unborn {
            // No commit could hold the attributes.
            fs::rename(source.at(".gitattributes"), source.git_dir().join("info-attributes")).unwrap();
            fs::create_dir_all(source.git_dir().join("info")).unwrap();
            fs::rename(source.git_dir().join("info-attributes"), source.git_dir().join("info/attributes"))
                .unwrap();
        } else {
            template.head = base.iter().map(|(path, item)| (path.to_vec(), *item)).collect();
            for (path, item) in &base {
                template.put(&source, path, *item);
            }
            template.commit = Some(source.commit("base"));
            // A clone has one pack and few files, which is what makes copies cheap.
            template.repo = source.clone_to(template.scratch.path().join("template"));
            // The pool's objects are no part of the history, so the clone lacks them.
            store(&template.repo, &template.scratch.path().join("pool"), &template.pool);
            store(&template.repo, &template.scratch.path().join("links"), &links);
            template.repo.git(&["repack", "-q", "-a", "-d", "-k"]);
            for entry in fs::read_dir(template.repo.git_dir().join("objects")).unwrap() {
                let _ = fs::remove_dir(entry.unwrap().path());
            }
        }
        template
    }

    fn bytes(&self, path: &[u8], content: Content) -> Vec<u8> {
        let stored = &self.pool[content];
        if path.ends_with(b".u16") {
            return stored.iter().flat_map(|byte| [*byte, 0]).collect();
        }
        if !path.ends_with(b".crlf") {
            return stored.clone();
        }
        let mut bytes = Vec::with_capacity(stored.len() + 64);
        for byte in stored {
            if *byte == b'\n' {
                bytes.push(b'\r');
            }
            bytes.push(*byte);
        }
        bytes
    }

    fn put(&self, repo: &Repo, path: &[u8], item: Item) {
        match item {
            Item::File { content, executable } => {
                repo.write(path, self.bytes(path, content)).executable(path, executable);
            }
            Item::Link(target) => {
                repo.link(path, LINKS[target]);
            }
        }
    }

    /// Keeps an item within what its path can have: ignore rules for ignore files, text where lines are converted.
    fn fit(&self, path: &[u8], item: Item) -> Item {
        let content = match item {
            Item::File { content, .. } => content,
            Item::Link(target) => target,
        };
        let executable = matches!(item, Item::File { executable: true, .. });
        if path.ends_with(b".id") && !matches!(item, Item::Link(_)) {
            Item::File { content: IDENT_TEXTS[content % IDENT_TEXTS.len()], executable }
        } else if path.ends_with(b".gitignore") {
            Item::File { content: IGNORE_RULES[content % IGNORE_RULES.len()], executable }
        } else if (path.ends_with(b".crlf") || path.ends_with(b".u16")) && !matches!(item, Item::Link(_)) {
            Item::File { content: LINE_FEED_TEXTS[content % LINE_FEED_TEXTS.len()], executable }
        } else {
            item
        }
    }

    /// A new checkout at the base commit, in `directory`, as a clean clone is.
    pub fn checkout(&self, directory: &Path, refreshed: bool) -> Repo {
        copy_tree(&self.repo.root, directory);
        let repo = Repo { root: directory.to_owned() };
        if refreshed {
            repo.refresh();
        }
        repo
    }

    /// A checkout in the state that `story` tells of.
    pub fn realise(&self, story: &Story, directory: &Path) -> Repo {
        let repo = self.checkout(directory, false);
        self.change(&repo, story);
        repo
    }

    /// Does to `repo`, a checkout of the base commit in whatever form, what `story` tells of.
    pub fn change(&self, repo: &Repo, story: &Story) {
        let model = self.model(story);
        self.write_index(repo, &model);
        let past = SystemTime::now() - Duration::from_secs(3600);
        let unchanged = |path: &Vec<u8>| model.disk.get(path) == self.head.get(path);
        for path in self.head.keys().filter(|path| !unchanged(path)) {
            // A sparse checkout does not have all of them.
            let _ = fs::remove_file(repo.at(path));
            let mut parent = repo.at(path);
            while parent.pop() && parent != repo.root && fs::remove_dir(&parent).is_ok() {}
        }
        for (path, item) in model.disk.iter().filter(|(path, _)| !unchanged(path)) {
            self.put(repo, path, *item);
            if !story.racy && matches!(item, Item::File { .. }) {
                fs::File::options().read(true).open(repo.at(path)).unwrap().set_modified(past).unwrap();
            }
        }
        let intents: Vec<u8> = model
            .index
            .iter()
            .filter(|(_, staged)| **staged == Staged::IntentToAdd)
            .flat_map(|(path, _)| [path.as_slice(), b"\0"].concat())
            .collect();
        if !intents.is_empty() {
            let args = ["add", "--sparse", "-f", "-N", "--pathspec-from-file=-", "--pathspec-file-nul"];
            git::git_with(&repo.root, &args, &intents);
        }
        if story.detached
            && let Some(commit) = &self.commit
        {
            fs::write(repo.git_dir().join("HEAD"), format!("{commit}\n")).unwrap();
        }
        if story.refreshed {
            repo.refresh();
        }
    }

    fn write_index(&self, repo: &Repo, model: &Model) {
        let mut lines = Vec::new();
        let zero = "0".repeat(self.blob_ids[0].len());
        // Git 2.47.3 puts a path that sorts behind the last entry of a sparse index there as it is, also when that entry is
        // the directory that it belongs in: the path is in the index twice then, as committed and as staged, and git's
        // commands do not agree on what it is. So an entry stands behind all of them meanwhile.
        const LAST: &[u8] = b"\xff\xff";
        for path in self.head.keys().filter(|path| !model.index.contains_key(*path)) {
            lines.extend_from_slice(format!("0 {zero} 0\t").as_bytes());
            lines.extend_from_slice(path);
            lines.push(0);
        }
        for (path, staged) in &model.index {
            let Staged::Item(item) = staged else { continue };
            if self.head.get(path) == Some(item) {
                continue;
            }
            let (mode, id) = match item {
                Item::File { content, executable } => {
                    (if *executable { "100755" } else { "100644" }, &self.blob_ids[*content])
                }
                Item::Link(target) => ("120000", &self.link_ids[*target]),
            };
            lines.extend_from_slice(format!("{mode} {id} 0\t").as_bytes());
            lines.extend_from_slice(path);
            lines.push(0);
        }
        if !lines.is_empty() {
            let line = |mode: &str, id: &str| [format!("{mode} {id} 0\t").as_bytes(), LAST, b"\0"].concat();
            lines.splice(0..0, line("100644", &self.blob_ids[0]));
            lines.extend(line("0", &zero));
            git::git_with(&repo.root, &["update-index", "-z", "--index-info"], &lines);
        }
    }

    fn model(&self, story: &Story) -> Model {
        let mut model = Model {
            index: self.head.iter().map(|(path, item)| (path.clone(), Staged::Item(*item))).collect(),
            disk: self.head.clone(),
        };
        for (slot, action) in &story.steps {
            let path = self.paths[slot % self.paths.len()].clone();
            let fit = |item: Item| self.fit(&path, item);
            match action {
                Action::Write(item) => model.write(&path, fit(*item)),
                Action::Stage(item) => model.stage(&path, Staged::Item(fit(*item))),
                Action::WriteAndStage(item) => {
                    model.write(&path, fit(*item));
                    model.stage(&path, Staged::Item(fit(*item)));
                }
                Action::StageThenWrite(staged, written) => {
                    model.stage(&path, Staged::Item(fit(*staged)));
                    model.write(&path, fit(*written));
                }
                Action::StageThenRevert(item) => {
                    model.stage(&path, Staged::Item(fit(*item)));
                    if let Some(committed) = self.head.get(&path) {
                        model.write(&path, *committed);
                    }
                }
                Action::Remove => {
                    model.disk.remove(&path);
                }
                Action::Unstage => {
                    model.index.remove(&path);
                }
                Action::RemoveAndUnstage => {
                    model.disk.remove(&path);
                    model.index.remove(&path);
                }
                Action::StageThenRemove(item) => {
                    model.stage(&path, Staged::Item(fit(*item)));
                    model.disk.remove(&path);
                }
                Action::Chmod { staged } => {
                    if let Some(Item::File { content, executable }) = model.disk.get(&path).copied() {
                        let turned = Item::File { content, executable: !executable };
                        model.write(&path, turned);
                        if *staged {
                            model.stage(&path, Staged::Item(turned));
                        }
                    }
                }
                Action::Rename { to, then } => {
                    let to = self.paths[self.tracked + to % (self.paths.len() - self.tracked)].clone();
                    let (Some(on_disk), Some(staged)) = (model.disk.remove(&path), model.index.remove(&path))
                    else {
                        continue;
                    };
                    model.write(&to, self.fit(&to, then.unwrap_or(on_disk)));
                    if let Staged::Item(item) = staged {
                        model.stage(&to, Staged::Item(self.fit(&to, item)));
                    }
                }
                Action::IntentToAdd(item) => {
                    if !model.index.contains_key(&path) {
                        model.write(&path, fit(*item));
                        model.stage(&path, Staged::IntentToAdd);
                    }
                }
            }
        }
        // Git records the intent to add only what is there to be added.
        let Model { index, disk } = &mut model;
        index.retain(|path, staged| *staged != Staged::IntentToAdd || disk.contains_key(path));
        model
    }
}

struct Model {
    index: BTreeMap<Vec<u8>, Staged>,
    disk: BTreeMap<Vec<u8>, Item>,
}

impl Model {
    fn write(&mut self, path: &[u8], item: Item) {
        make_room(&mut self.disk, path);
        self.disk.insert(path.to_vec(), item);
    }

    fn stage(&mut self, path: &[u8], staged: Staged) {
        make_room(&mut self.index, path);
        self.index.insert(path.to_vec(), staged);
    }
}

/// Removes what cannot exist beside `path`: files above it and everything below it.
fn make_room<T>(map: &mut BTreeMap<Vec<u8>, T>, path: &[u8]) {
    let below = [path, b"/"].concat();
    let above: BTreeSet<&[u8]> =
        path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| &path[..end]).collect();
    map.retain(|other, _| !other.starts_with(&below) && !above.contains(other.as_slice()));
}

/// Writes `contents` into the repository's object store and returns their ids.
fn store(repo: &Repo, directory: &Path, contents: &[Vec<u8>]) -> Vec<String> {
    fs::create_dir_all(directory).unwrap();
    let files: Vec<PathBuf> = (0..contents.len()).map(|number| at(directory, number.to_string())).collect();
    let mut list = String::new();
    for (file, content) in files.iter().zip(contents) {
        fs::write(file, content).unwrap();
        list.push_str(file.to_str().unwrap());
        list.push('\n');
    }
    let args = ["hash-object", "-w", "--no-filters", "--stdin-paths"];
    let ids = git::git_with(&repo.root, &args, list.as_bytes());
    String::from_utf8(ids).unwrap().lines().map(str::to_owned).collect()
}
