//! Kinds of checkout: forms of the index, configurations, places of the git directory, operations under way.
//! Each is put around a generated state, and says how near to that state the target must come.

use std::fs;
use std::path::Path;

use super::git;
use super::repo::{Repo, copy_tree};
use super::states::Template;

/// What the states are drawn over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    Sha1,
    Sha256,
    Unborn,
}

/// What the target must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Status, index, bytes and modes as git sees them at the source.
    Same,
    /// The same as git saw before it was told not to look (`assume-unchanged` and the like).
    AsBefore,
    /// The same, but for what one side's file system is said not to have: modes or links.
    SameButModes,
    SameButLinks,
    /// The same, line endings aside.
    SameText,
    /// As [`Same`](Self::Same); what is absent by `skip-worktree` is at the target as committed.
    Sparse,
    /// The same but for paths with conflict stages, whose files arrive and whose stages are in the snapshot.
    Stages,
    /// Every path that git would call changed is carried or listed, and what is carried arrives or is reported.
    Listed,
    /// Nothing is captured, and the error says what to do.
    Refused,
}

/// One kind of checkout.
pub struct Setting {
    pub name: &'static str,
    pub base: Base,
    pub reach: Reach,
    /// Makes the source's checkout at the base commit.
    pub place: fn(&Template, &Path) -> Repo,
    /// Done to source and target before anything is changed.
    pub before: fn(&Repo, &Repo),
    /// Done to source and target when everything is changed.
    pub after: fn(&Repo, &Repo),
}

fn plain(template: &Template, directory: &Path) -> Repo {
    template.checkout(directory, false)
}

fn nothing(_: &Repo, _: &Repo) {}

impl Setting {
    const fn new(name: &'static str) -> Self {
        Self { name, base: Base::Sha1, reach: Reach::Same, place: plain, before: nothing, after: nothing }
    }

    const fn over(self, base: Base) -> Self {
        Self { base, ..self }
    }

    const fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    const fn at(self, place: fn(&Template, &Path) -> Repo) -> Self {
        Self { place, ..self }
    }

    const fn before(self, before: fn(&Repo, &Repo)) -> Self {
        Self { before, ..self }
    }

    const fn after(self, after: fn(&Repo, &Repo)) -> Self {
        Self { after, ..self }
    }

    /// Whether `HEAD` is a file of the work tree's own git directory, where a state can detach it.
    pub fn detaches(&self) -> bool {
        std::ptr::fn_addr_eq(self.place, plain as fn(&Template, &Path) -> Repo)
    }
}

/// Runs git with leave to write the index.
fn write_index(repo: &Repo, args: &[&str]) {
    write_index_with(repo, args, b"");
}

/// Leaves only a part checked out. Git keeps a file that may have been changed, as far as it can tell from the times of
/// a copy, so those are brought up to date first.
fn narrow(repo: &Repo, args: &[&str]) {
    repo.refresh();
    write_index(repo, args);
    assert!(!repo.exists(".hidden/file"), "git {args:?} has left all of it");
}

fn write_index_with(repo: &Repo, args: &[&str], stdin: &[u8]) {
    let output = git::output(&repo.root, args, stdin);
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Appends to the repository's configuration, which is quicker than asking git to.
fn set(repo: &Repo, text: &str) {
    let dot = repo.root.join(".git");
    let file = if dot.is_dir() {
        dot.join("config")
    } else {
        Path::new(&git::line(&repo.root, &["rev-parse", "--path-format=absolute", "--git-common-dir"]))
            .join("config")
    };
    let old = fs::read_to_string(&file).unwrap();
    fs::write(file, format!("{old}{text}")).unwrap();
}

fn extension(repo: &Repo, text: &str) {
    let file = repo.git_dir().join("config");
    let old = fs::read_to_string(&file).unwrap();
    fs::write(&file, old.replace("repositoryformatversion = 0", "repositoryformatversion = 1")).unwrap();
    set(repo, text);
}

/// Paths that `args` list, of which a file or link is there.
fn present(repo: &Repo, args: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for path in git::git(&repo.root, args).split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
        if fs::symlink_metadata(repo.at(path)).is_ok_and(|meta| !meta.is_dir()) {
            out.extend_from_slice(path);
            out.push(0);
        }
    }
    out
}

/// Gives up to three tracked paths stages of a conflict, in all the forms that git makes.
fn stages(repo: &Repo) {
    let listed = git::git(&repo.root, &["ls-files", "-s", "-z"]);
    let forms: [&[u8]; 7] = [b"123", b"23", b"12", b"13", b"1", b"2", b"3"];
    let lines: Vec<&[u8]> = listed.split(|byte| *byte == 0).filter(|line| line.starts_with(b"100")).collect();
    let mut info = Vec::new();
    for (number, line) in lines.iter().enumerate().filter(|(number, _)| number % 9 == 3).take(3) {
        let tab = line.iter().position(|byte| *byte == b'\t').unwrap();
        let (head, path) = (&line[..tab - 2], &line[tab..]);
        let zeros = "0".repeat(head.len() - 7);
        info.extend_from_slice(format!("0 {zeros} 0").as_bytes());
        info.extend_from_slice(path);
        info.push(0);
        for stage in forms[(number + lines.len()) % forms.len()] {
            info.extend_from_slice(head);
            info.extend_from_slice(&[b' ', *stage]);
            info.extend_from_slice(path);
            info.push(0);
        }
    }
    write_index_with(repo, &["update-index", "-z", "--index-info"], &info);
}

/// Says in the git directory that something is under way.
fn under_way(repo: &Repo, files: &[&str]) {
    let head = format!("{}\n", repo.head());
    for file in files {
        let path = repo.git_dir().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = match *file {
            "rebase-merge/head-name" | "BISECT_START" => "refs/heads/main\n",
            "BISECT_LOG" => "git bisect start\n",
            "MERGE_MODE" | "BISECT_NAMES" | "rebase-merge/git-rebase-todo" => "\n",
            _ => &head,
        };
        fs::write(path, text).unwrap();
    }
}

/// A small repository below `root`, with a change in it.
fn nested(root: &Path, path: &str, commit: bool) {
    let inner = Repo::init(root.join(path), super::repo::Format::Sha1);
    inner.write("inner.txt", "inner\n");
    if commit {
        inner.commit("inner");
        inner.write("inner.txt", "edited\n").write("new.txt", "new\n");
    }
}

/// Puts a submodule at `mod` into the checkout's HEAD and index. Fixed dates give every checkout the same commits.
fn submodule(repo: &Repo, checked_out: bool) {
    let inner = Repo::init(repo.root.join("mod"), super::repo::Format::Sha1);
    inner.write("inner.txt", "inner\n");
    let id = inner.commit("inner");
    write_index(repo, &["update-index", "--add", "--cacheinfo", &format!("160000,{id},mod")]);
    repo.write(".gitmodules", "[submodule \"mod\"]\n\tpath = mod\n\turl = ../mod\n");
    write_index(repo, &["update-index", "--add", ".gitmodules"]);
    repo.git(&["commit", "-q", "-m", "submodule"]);
    if !checked_out {
        fs::remove_dir_all(repo.root.join("mod")).unwrap();
        fs::create_dir(repo.root.join("mod")).unwrap();
    }
}

fn linked(template: &Template, directory: &Path) -> Repo {
    let main = Repo { root: directory.with_file_name("main") };
    copy_tree(&template.repo.root, &main.root);
    main.git(&["worktree", "add", "-q", "--detach", directory.to_str().unwrap()]);
    Repo { root: directory.to_owned() }
}

fn of_bare(template: &Template, directory: &Path) -> Repo {
    let bare = directory.with_file_name("bare.git");
    copy_tree(&template.repo.git_dir(), &bare);
    let config = fs::read_to_string(bare.join("config")).unwrap().replace("bare = false", "bare = true");
    fs::write(bare.join("config"), config).unwrap();
    fs::remove_file(bare.join("index")).unwrap();
    git::git(&bare, &["worktree", "add", "-q", "--detach", directory.to_str().unwrap()]);
    Repo { root: directory.to_owned() }
}

fn apart(template: &Template, directory: &Path) -> Repo {
    let repo = template.checkout(directory, false);
    let meta = directory.with_file_name("meta.git");
    fs::rename(repo.git_dir(), &meta).unwrap();
    let config = fs::read_to_string(meta.join("config")).unwrap();
    fs::write(meta.join("config"), format!("{config}[core]\n\tworktree = {}\n", directory.display()))
        .unwrap();
    fs::write(repo.root.join(".git"), format!("gitdir: {}\n", meta.display())).unwrap();
    repo
}

fn borrowing(template: &Template, directory: &Path) -> Repo {
    let repo = template.checkout(directory, false);
    let (own, lent) = (repo.git_dir().join("objects"), directory.with_file_name("lent"));
    fs::rename(&own, &lent).unwrap();
    fs::create_dir_all(own.join("info")).unwrap();
    fs::create_dir_all(own.join("pack")).unwrap();
    fs::write(own.join("info/alternates"), format!("{}\n", lent.display())).unwrap();
    repo
}

/// Turns every link of the work tree into a file that holds its target, as a checkout without links has it.
fn links_to_files(repo: &Repo) {
    for (path, disk) in super::oracle::files(&repo.root) {
        if let super::oracle::Disk::Link(target) = disk {
            repo.remove(&path).write(&path, target);
        }
    }
}

const SPARSE: &[&str] =
    &["sparse-checkout", "set", "--no-cone", "/src/", "/.gitignore", "/.gitattributes", "*.crlf"];
const CONE: &[&str] = &["sparse-checkout", "set", "--cone", "src/deep", "dir"];

/// Every kind of checkout.
pub const SETTINGS: &[Setting] = &[
    Setting::new("ordinary"),
    Setting::new("sha-256").over(Base::Sha256),
    Setting::new("unborn branch").over(Base::Unborn),
    // Forms of the index.
    Setting::new("index version 4")
        .after(|source, _| write_index(source, &["update-index", "--index-version", "4"])),
    Setting::new("index version 4 at the target")
        .before(|_, target| write_index(target, &["update-index", "--index-version", "4"])),
    Setting::new("split index").before(|source, _| write_index(source, &["update-index", "--split-index"])),
    Setting::new("split index at the target")
        .before(|_, target| write_index(target, &["update-index", "--split-index"])),
    Setting::new("untracked cache").after(|source, _| {
        set(source, "[core]\n\tuntrackedCache = true\n");
        write_index(source, &["update-index", "--force-untracked-cache"]);
        let status = git::command(&source.root).env_remove("GIT_OPTIONAL_LOCKS").arg("status").output();
        assert!(status.unwrap().status.success());
    }),
    Setting::new("monitor in the index").after(|source, _| {
        write_index(source, &["-c", "core.fsmonitor=/bin/false", "update-index", "--fsmonitor"])
    }),
    Setting::new("index without checksum").after(|source, _| {
        write_index(source, &["-c", "index.skipHash=true", "update-index", "--force-write-index"]);
    }),
    Setting::new("index of many threads").after(|source, _| {
        write_index(source, &["-c", "index.threads=4", "update-index", "--force-write-index"]);
    }),
    Setting::new("assume-unchanged").reaching(Reach::AsBefore).after(|source, _| {
        let paths = present(source, &["diff-files", "--name-only", "--diff-filter=MT", "-z"]);
        write_index_with(source, &["update-index", "--assume-unchanged", "-z", "--stdin"], &paths);
    }),
    Setting::new("skip-worktree").reaching(Reach::AsBefore).after(|source, _| {
        let paths = present(source, &["diff-files", "--name-only", "--diff-filter=MT", "-z"]);
        write_index_with(source, &["update-index", "--skip-worktree", "-z", "--stdin"], &paths);
    }),
    Setting::new("sparse, by patterns").reaching(Reach::Sparse).before(|source, _| narrow(source, SPARSE)),
    Setting::new("sparse, by cone").reaching(Reach::Sparse).before(|source, _| narrow(source, CONE)),
    Setting::new("sparse index").reaching(Reach::Sparse).before(|source, _| {
        set(source, "[index]\n\tsparse = true\n");
        narrow(source, CONE);
        source.assert_sparse_index();
    }),
    Setting::new("sparse target").reaching(Reach::Listed).before(|_, target| narrow(target, CONE)),
    Setting::new("sparse index at the target").reaching(Reach::Listed).before(|_, target| {
        set(target, "[index]\n\tsparse = true\n");
        narrow(target, CONE);
        target.assert_sparse_index();
    }),
    // Operations under way.
    Setting::new("merge under way").reaching(Reach::Stages).after(|source, _| {
        stages(source);
        under_way(source, &["MERGE_HEAD", "MERGE_MSG", "MERGE_MODE"]);
    }),
    Setting::new("rebase under way").reaching(Reach::Stages).after(|source, _| {
        stages(source);
        let files = ["head-name", "onto", "orig-head", "git-rebase-todo", "interactive"];
        under_way(source, &files.map(|name| ["rebase-merge/", name].concat()).each_ref().map(String::as_str));
        under_way(source, &["REBASE_HEAD"]);
    }),
    Setting::new("cherry-pick under way").reaching(Reach::Stages).after(|source, _| {
        stages(source);
        under_way(source, &["CHERRY_PICK_HEAD", "MERGE_MSG"]);
    }),
    Setting::new("revert under way").reaching(Reach::Stages).after(|source, _| {
        stages(source);
        under_way(source, &["REVERT_HEAD", "MERGE_MSG"]);
    }),
    Setting::new("bisection under way")
        .after(|source, _| under_way(source, &["BISECT_LOG", "BISECT_START", "BISECT_NAMES"])),
    Setting::new("conflicts without an operation").reaching(Reach::Stages).after(|source, _| stages(source)),
    // Places.
    Setting::new("linked work tree").at(linked),
    Setting::new("work tree of a bare repository").at(of_bare),
    Setting::new("core.worktree").at(apart),
    Setting::new("borrowed objects").at(borrowing),
    Setting::new("packed refs").before(|source, _| write_index(source, &["pack-refs", "--all"])),
    Setting::new("shallow").before(|source, _| {
        fs::write(source.git_dir().join("shallow"), format!("{}\n", source.head())).unwrap();
    }),
    Setting::new("partial clone").before(|source, _| {
        extension(
            source,
            "[extensions]\n\tpartialClone = origin\n[remote \"origin\"]\n\tpromisor = true\n\
             \tpartialclonefilter = blob:none\n",
        );
    }),
    Setting::new("settings of its own").before(|source, _| {
        extension(source, "[extensions]\n\tworktreeConfig = true\n");
        fs::write(source.git_dir().join("config.worktree"), "[core]\n\tquotePath = false\n").unwrap();
    }),
    Setting::new("stash").after(|source, _| {
        write_index(source, &["update-ref", "--create-reflog", "-m", "WIP", "refs/stash", "HEAD"])
    }),
    Setting::new("reftable").reaching(Reach::Refused).after(|source, _| {
        // A log of a ref that is no branch cannot be migrated by every git.
        fs::remove_dir_all(source.git_dir().join("logs")).unwrap();
        write_index(source, &["refs", "migrate", "--ref-format=reftable"]);
    }),
    // Configurations.
    Setting::new("no modes at the source")
        .reaching(Reach::SameButModes)
        .before(|source, _| set(source, "[core]\n\tfileMode = false\n")),
    Setting::new("no modes at the target")
        .reaching(Reach::Listed)
        .before(|_, target| set(target, "[core]\n\tfileMode = false\n")),
    Setting::new("no links at the source").reaching(Reach::SameButLinks).after(|source, _| {
        set(source, "[core]\n\tsymlinks = false\n");
        links_to_files(source);
    }),
    Setting::new("ignoring case").before(|source, target| {
        set(source, "[core]\n\tignoreCase = true\n");
        set(target, "[core]\n\tignoreCase = true\n");
    }),
    Setting::new("precomposed names").before(|source, target| {
        set(source, "[core]\n\tprecomposeUnicode = true\n");
        set(target, "[core]\n\tprecomposeUnicode = true\n");
    }),
    Setting::new("autocrlf at the source")
        .reaching(Reach::SameText)
        .before(|source, _| set(source, "[core]\n\tautocrlf = true\n")),
    Setting::new("autocrlf at both ends").reaching(Reach::SameText).before(|source, target| {
        set(source, "[core]\n\tautocrlf = true\n");
        set(target, "[core]\n\tautocrlf = true\n");
    }),
    Setting::new("autocrlf=input at both ends").reaching(Reach::SameText).before(|source, target| {
        set(source, "[core]\n\tautocrlf = input\n");
        set(target, "[core]\n\tautocrlf = input\n");
    }),
    Setting::new("a filter whose program is missing").reaching(Reach::Listed).before(|source, target| {
        // Git itself cannot say what changed under a filter that must be run and cannot be.
        set(
            source,
            "[filter \"lfs\"]\n\tclean = handoff-no-such-program\n\tsmudge = handoff-no-such-program\n",
        );
        set(
            target,
            "[filter \"lfs\"]\n\tclean = handoff-no-such-program\n\tsmudge = handoff-no-such-program\n",
        );
    }),
    Setting::new("rules beside the repository").before(|source, target| {
        for repo in [source, target] {
            fs::create_dir_all(repo.git_dir().join("info")).unwrap();
            fs::write(repo.git_dir().join("info/exclude"), "*.tmp\n!keep.tmp\n/fresh/x\n").unwrap();
            fs::write(repo.git_dir().join("info/attributes"), "/src/*.rs text eol=lf -diff\n").unwrap();
        }
    }),
    // Repositories in repositories.
    Setting::new("nested repository")
        .reaching(Reach::Listed)
        .after(|source, _| nested(&source.root, "vendor/in", true)),
    Setting::new("nested repository without a commit")
        .reaching(Reach::Listed)
        .after(|source, _| nested(&source.root, "vendor/in", false)),
    Setting::new("submodule with changes").reaching(Reach::Listed).before(|source, target| {
        submodule(source, true);
        submodule(target, true);
        source.write("mod/inner.txt", "edited\n").write("mod/new.txt", "new\n");
    }),
    Setting::new("submodule with commits").reaching(Reach::Listed).before(|source, target| {
        submodule(source, true);
        submodule(target, true);
        let inner = Repo { root: source.root.join("mod") };
        inner.write("inner.txt", "committed\n").commit("more");
    }),
    Setting::new("submodule that is not checked out").reaching(Reach::Listed).before(|source, target| {
        submodule(source, false);
        submodule(target, false);
    }),
    Setting::new("empty directories").after(|source, _| {
        fs::create_dir_all(source.root.join("empty/inner")).unwrap();
        fs::create_dir_all(source.root.join("src/empty")).unwrap_or(());
    }),
];
