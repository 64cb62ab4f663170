//! Settings and forms of a repository that must not change a capture.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Odd, arranged, config};
use crate::support::git;

/// Settings alone.
pub(super) const ROWS: &[Odd] = &[
    config("status.showUntrackedFiles=no", "[status]\n\tshowUntrackedFiles = no\n"),
    config(
        "other status settings",
        "[status]\n\tshort = true\n\tbranch = true\n\trelativePaths = true\n\trenames = copies\n\tshowStash = true\n\tsubmoduleSummary = true\n",
    ),
    config("diff.ignoreSubmodules=all", "[diff]\n\tignoreSubmodules = all\n\tsubmodule = log\n"),
    config("submodule.<name>.ignore=all", "[submodule \"mod\"]\n\tignore = all\n\tactive = false\n"),
    config("submodule.recurse", "[submodule]\n\trecurse = true\n\tfetchJobs = 0\n"),
    config(
        "prefixes of diffs",
        "[diff]\n\tnoprefix = true\n\tmnemonicPrefix = true\n\trenames = copies\n\talgorithm = patience\n\tcontext = 0\n\torderFile = nowhere\n",
    ),
    arranged(
        "diff.external and textconv",
        "[diff]\n\texternal = @scratch/program\n[diff \"mark\"]\n\ttextconv = @scratch/program\n",
        |scene| {
            scene.program("program");
            scene.meta("info/attributes", "*.txt diff=mark\n");
        },
    ),
    config("colours", "[color]\n\tui = always\n\tstatus = always\n\tdiff = always\n"),
    config("core.quotePath=false", "[core]\n\tquotePath = false\n"),
    config("core.quotePath=true", "[core]\n\tquotePath = true\n"),
    arranged("core.fsmonitor=true", "[core]\n\tfsmonitor = true\n", |_| {}),
    arranged(
        "core.fsmonitor is a program",
        "[core]\n\tfsmonitor = @scratch/program\n\tfsmonitorHookVersion = 2\n",
        |scene| scene.program("program"),
    ),
    config("core.preloadIndex=false", "[core]\n\tpreloadIndex = false\n"),
    config("index.threads=1", "[index]\n\tthreads = 1\n"),
    config(
        "index.threads=64",
        "[index]\n\tthreads = 64\n\trecordEndOfIndexEntries = true\n\trecordOffsetTable = true\n",
    ),
    config("feature.experimental", "[feature]\n\texperimental = true\n"),
    config("core.precomposeUnicode", "[core]\n\tprecomposeUnicode = true\n"),
    config("core.protectNTFS and HFS", "[core]\n\tprotectNTFS = true\n\tprotectHFS = true\n"),
    config("core.excludesFile is missing", "[core]\n\texcludesFile = @scratch/nowhere\n"),
    config("core.excludesFile in no home", "[core]\n\texcludesFile = ~/nowhere\n"),
    arranged("core.excludesFile of comments", "[core]\n\texcludesFile = @scratch/rules\n", |scene| {
        fs::write(scene.scratch.join("rules"), "# nothing\n\n  \n").unwrap();
    }),
    config("core.attributesFile is missing", "[core]\n\tattributesFile = @scratch/nowhere\n"),
    arranged(
        "signing",
        "[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = @scratch/program\n[user]\n\tsigningKey = none\n",
        |scene| scene.program("program"),
    ),
    arranged("core.hooksPath", "[core]\n\thooksPath = @scratch\n", |scene| {
        for hook in ["post-index-change", "pre-commit", "fsmonitor-watchman", "post-checkout"] {
            scene.program(hook);
        }
    }),
    arranged("include.path", "[include]\n\tpath = @scratch/more\n", |scene| {
        fs::write(scene.scratch.join("more"), "[status]\n\tshowUntrackedFiles = no\n").unwrap();
    }),
    config("include.path is missing", "[include]\n\tpath = @scratch/nowhere\n\tpath = relative/nowhere\n"),
    arranged(
        "includeIf",
        "[includeIf \"gitdir:**\"]\n\tpath = @scratch/more\n[includeIf \"onbranch:main\"]\n\tpath = @scratch/more\n[includeIf \"hasconfig:remote.*.url:**\"]\n\tpath = @scratch/more\n",
        |scene| {
            fs::write(scene.scratch.join("more"), "[diff]\n\tignoreSubmodules = all\n").unwrap();
        },
    ),
    config(
        "safe.directory and safe.bareRepository",
        "[safe]\n\tdirectory =\n\tdirectory = /nowhere\n\tbareRepository = explicit\n",
    ),
    config(
        "pagers, editors, aliases",
        "[core]\n\tpager = false\n\teditor = false\n[alias]\n\tstatus = !false\n[pager]\n\tstatus = true\n",
    ),
    config(
        "advice",
        "[advice]\n\tstatusHints = false\n\tstatusUoption = true\n\tstatusAheadBehindWarning = true\n",
    ),
    config(
        "a promisor remote",
        "[remote \"origin\"]\n\turl = https://example.com/app.git\n\tpromisor = true\n\tpartialclonefilter = blob:none\n",
    ),
    config(
        "a remote that would run something",
        "[remote \"origin\"]\n\turl = ext::false %S\n\tuploadpack = false\n\tvcs = nothing\n",
    ),
    config(
        "transports",
        "[url \"https://example.com/\"]\n\tinsteadOf = gh:\n[http]\n\tproxy = http://127.0.0.1:1\n[protocol]\n\tallow = never\n",
    ),
    config(
        "small limits",
        "[core]\n\tbigFileThreshold = 1\n\tpackedGitLimit = 1\n\tdeltaBaseCacheLimit = 1\n\tcompression = 0\n",
    ),
    config("core.checkStat=minimal", "[core]\n\tcheckStat = minimal\n\ttrustctime = false\n"),
    config(
        "merging and rebasing",
        "[merge]\n\tconflictStyle = zdiff3\n\trenames = false\n[rebase]\n\tautoStash = true\n[rerere]\n\tenabled = true\n[pull]\n\trebase = merges\n",
    ),
    config(
        "tracing",
        "[trace2]\n\teventTarget = @scratch/mark\n\tnormalTarget = @scratch/mark\n\tperfTarget = @scratch/mark\n",
    ),
    config("encodings of messages", "[i18n]\n\tcommitEncoding = latin1\n\tlogOutputEncoding = utf-16\n"),
    config(
        "housekeeping",
        "[gc]\n\tauto = 1\n[maintenance]\n\tauto = true\n\tautoDetach = true\n[core]\n\tsharedRepository = group\n\tlogAllRefUpdates = always\n",
    ),
    config(
        "git-lfs is installed",
        "[filter \"lfs\"]\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n\tprocess = git-lfs filter-process\n\trequired = true\n",
    ),
    config("core.safecrlf=true", "[core]\n\tsafecrlf = true\n"),
    config(
        "sparse settings without patterns",
        "[index]\n\tsparse = true\n[core]\n\tsparseCheckoutCone = true\n",
    ),
    config(
        "settings in odd spellings",
        "[CORE]\r\n\tQUOTEPATH = FALSE ; a comment\r\n\tpreloadindex\r\n[Status] showUntrackedFiles = \\\r\nno\r\n",
    ),
    config(
        "settings nobody knows",
        "[handoff]\n\tunknown = yes\n[core]\n\tunknownSetting = 17k\n[a \"b\\\"c\"]\n\td\n",
    ),
];

/// Forms that git itself makes.
pub(super) const FORMS: &[Odd] = &[
    arranged("core.untrackedCache", "[core]\n\tuntrackedCache = true\n", |scene| {
        scene.git(&["update-index", "--force-untracked-cache"]);
        scene.git(&["status"]);
    }),
    arranged("a monitor's extension", "", |scene| {
        scene.git(&["-c", "core.fsmonitor=/bin/false", "update-index", "--fsmonitor"]);
    }),
    arranged("index.version=4", "[index]\n\tversion = 4\n", |scene| {
        scene.git(&["update-index", "--index-version", "4"])
    }),
    arranged("feature.manyFiles", "[feature]\n\tmanyFiles = true\n", |scene| {
        scene.git(&["-c", "feature.manyFiles=true", "update-index", "--force-write-index"]);
    }),
    arranged("index.skipHash", "[index]\n\tskipHash = true\n", |scene| {
        scene.git(&["-c", "index.skipHash=true", "update-index", "--force-write-index"]);
    }),
    arranged("a split index", "[core]\n\tsplitIndex = true\n", |scene| {
        scene.git(&["update-index", "--split-index"])
    }),
    arranged("resolve-undo in the index", "", |scene| {
        // A conflict in a file that is resolved to what it was.
        let repo = &scene.repo;
        let id = git::line(&repo.root, &["rev-parse", ":same.txt"]);
        let other = git::line(&repo.root, &["rev-parse", ":edited.txt"]);
        let stages = format!(
            "0 {} 0\tsame.txt\n100644 {other} 1\tsame.txt\n100644 {id} 2\tsame.txt\n100644 {other} 3\tsame.txt\n",
            "0".repeat(id.len())
        );
        git::git_with(&repo.root, &["update-index", "--index-info"], stages.as_bytes());
        scene.git(&["add", "same.txt"]);
        assert!(!repo.git(&["ls-files", "--resolve-undo"]).is_empty());
    }),
    arranged("alternates", "", |scene| {
        let (own, lent) = (scene.repo.git_dir().join("objects"), scene.scratch.join("lent"));
        fs::rename(&own, lent).unwrap();
        fs::create_dir_all(own.join("pack")).unwrap();
        scene.meta("objects/info/alternates", "@scratch/lent\n# a comment\n");
    }),
    arranged("one pack", "", |scene| scene.git(&["gc", "-q", "--prune=now"])),
    arranged("a multi-pack index and a commit graph", "", |scene| {
        scene.git(&["repack", "-q", "-d", "--write-midx"]);
        scene.git(&["commit-graph", "write", "--reachable", "--changed-paths"]);
    }),
    arranged("packed refs", "", |scene| scene.git(&["pack-refs", "--all"])),
    arranged("HEAD is a link, as it once was", "", |scene| {
        let head = scene.repo.git_dir().join("HEAD");
        fs::remove_file(&head).unwrap();
        symlink("refs/heads/main", head).unwrap();
    }),
    arranged("refs that lead nowhere", "", |scene| {
        scene.meta("refs/remotes/origin/HEAD", "ref: refs/remotes/origin/gone\n");
        scene.meta("refs/heads/broken", "no id\n");
        scene.meta("FETCH_HEAD", "garbage\n");
        scene.meta("ORIG_HEAD", "garbage\n");
    }),
    arranged("settings of the work tree", "[extensions]\n\tworktreeConfig = true\n", |scene| {
        let file = scene.repo.git_dir().join("config");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("repositoryformatversion = 0", "repositoryformatversion = 1")).unwrap();
        scene
            .meta("config.worktree", "[core]\n\tpreloadIndex = false\n[status]\n\tshowUntrackedFiles = no\n");
    }),
    arranged(
        "extensions of a partial clone",
        "[extensions]\n\tpartialClone = origin\n[remote \"origin\"]\n\turl = @scratch/nowhere\n\tpromisor = true\n",
        |scene| {
            let file = scene.repo.git_dir().join("config");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, text.replace("repositoryformatversion = 0", "repositoryformatversion = 1"))
                .unwrap();
        },
    ),
    arranged("shallow", "", |scene| {
        let head = scene.repo.head();
        scene.meta("shallow", &format!("{head}\n"));
    }),
    arranged("a sparse checkout of everything", "", |scene| {
        scene.git(&["sparse-checkout", "set", "--no-cone", "/*"])
    }),
    arranged("a sparse index of all that has changed", "[index]\n\tsparse = true\n", |scene| {
        // Git leaves a file where it is that may have been changed, as far as it can tell from a copy's times.
        scene.repo.refresh();
        scene.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "sub", "new"]);
        scene.repo.assert_sparse_index();
    }),
    arranged("empty files of rules", "", |scene| {
        scene.meta("info/exclude", "");
        scene.meta("info/attributes", "\n");
    }),
    arranged("no hooks, no info, no logs", "", |scene| {
        for name in ["hooks", "info", "logs", "branches"] {
            let _ = fs::remove_dir_all(scene.repo.git_dir().join(name));
        }
    }),
    arranged("the git directory is elsewhere", "", |scene| {
        let elsewhere = scene.scratch.join("meta.git");
        fs::rename(scene.repo.git_dir(), &elsewhere).unwrap();
        fs::write(scene.repo.root.join(".git"), format!("gitdir: {}\n", elsewhere.display())).unwrap();
    }),
    arranged("locks are held", "", |scene| {
        for lock in ["index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock"] {
            scene.meta(lock, "");
        }
    }),
    arranged("somebody else owns it", "", |scene| {
        if crate::support::rights::is_root() {
            let status =
                std::process::Command::new("chown").args(["-R", "12345"]).arg(&scene.repo.root).status();
            assert!(status.unwrap().success());
        }
    }),
];
