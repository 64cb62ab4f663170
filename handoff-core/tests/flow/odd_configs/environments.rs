//! Environments that must not change a capture: what a hook, a shell, a container or a service leaves behind.

use super::{Odd, arranged, env, odd, shell};

pub(super) const ROWS: &[Odd] = &[
    env("GIT_DIR of another", &[("GIT_DIR", "@other/.git")]),
    env("GIT_DIR of nothing", &[("GIT_DIR", "@scratch/nowhere")]),
    env("GIT_WORK_TREE of another", &[("GIT_DIR", "@other/.git"), ("GIT_WORK_TREE", "@other")]),
    env("GIT_INDEX_FILE", &[("GIT_INDEX_FILE", "@other/.git/index")]),
    env("GIT_INDEX_FILE of nothing", &[("GIT_INDEX_FILE", "@scratch/nowhere")]),
    env(
        "GIT_OBJECT_DIRECTORY",
        &[
            ("GIT_OBJECT_DIRECTORY", "@scratch/nowhere"),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "@scratch/none"),
        ],
    ),
    env("GIT_COMMON_DIR", &[("GIT_COMMON_DIR", "@other/.git")]),
    env(
        "settings by GIT_CONFIG_COUNT",
        &[
            ("GIT_CONFIG_COUNT", "2"),
            ("GIT_CONFIG_KEY_0", "core.fileMode"),
            ("GIT_CONFIG_VALUE_0", "false"),
            ("GIT_CONFIG_KEY_1", "core.excludesFile"),
            ("GIT_CONFIG_VALUE_1", "@scratch/all"),
        ],
    ),
    env("settings by GIT_CONFIG_PARAMETERS", &[("GIT_CONFIG_PARAMETERS", "'core.filemode'='false'")]),
    Odd {
        env: &[("GIT_CONFIG_GLOBAL", "@scratch/global"), ("GIT_CONFIG_SYSTEM", "@scratch/global")],
        ..arranged("GIT_CONFIG_GLOBAL", "", |scene| {
            std::fs::write(scene.scratch.join("global"), "[core]\n\tfileMode = false\n\tautocrlf = true\n")
                .unwrap();
        })
    },
    env(
        "GIT_CEILING_DIRECTORIES",
        &[("GIT_CEILING_DIRECTORIES", "/"), ("GIT_DISCOVERY_ACROSS_FILESYSTEM", "0")],
    ),
    env("GIT_NAMESPACE", &[("GIT_NAMESPACE", "elsewhere")]),
    env(
        "pathspecs",
        &[("GIT_LITERAL_PATHSPECS", "0"), ("GIT_GLOB_PATHSPECS", "1"), ("GIT_ICASE_PATHSPECS", "1")],
    ),
    env(
        "tracing by variables",
        &[
            ("GIT_TRACE", "@scratch/mark"),
            ("GIT_TRACE2", "@scratch/mark"),
            ("GIT_TRACE2_EVENT", "@scratch/mark"),
            ("GIT_TRACE_SETUP", "@scratch/mark"),
        ],
    ),
    env(
        "inside a hook",
        &[
            ("GIT_DIR", ".git"),
            ("GIT_PREFIX", "sub/"),
            ("GIT_QUARANTINE_PATH", "@scratch/nowhere"),
            ("GIT_EXEC_PATH", "@scratch/nowhere"),
            ("GIT_REFLOG_ACTION", "commit"),
        ],
    ),
    env("attributes from elsewhere", &[("GIT_ATTR_SOURCE", "HEAD"), ("GIT_ATTR_NOSYSTEM", "0")]),
    env("other defaults", &[("GIT_DEFAULT_HASH", "sha256"), ("GIT_DEFAULT_REF_FORMAT", "reftable")]),
    env(
        "replacements and grafts",
        &[("GIT_REPLACE_REF_BASE", "refs/heads/"), ("GIT_GRAFT_FILE", "@scratch/none")],
    ),
    env(
        "lazy fetching",
        &[("GIT_NO_LAZY_FETCH", "0"), ("GIT_ALLOW_PROTOCOL", "ext:file"), ("GIT_SSH_COMMAND", "false")],
    ),
    env("a locale of its own", &[("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")]),
    env("a locale that is not there", &[("LC_ALL", "xx_XX.EUC-9"), ("LANGUAGE", "xx")]),
    env("no locale", &[("LC_ALL", "C"), ("LANG", "")]),
    env("a time zone", &[("TZ", "Pacific/Kiritimati")]),
    env("a clock of another source", &[("SOURCE_DATE_EPOCH", "0"), ("GIT_TEST_DATE_NOW", "1")]),
    Odd { without: &["HOME", "USER", "LOGNAME"], ..odd("no home") },
    env("a home that is a file", &[("HOME", "/dev/null")]),
    env("a home that is not there", &[("HOME", "@scratch/nowhere")]),
    env("an empty home", &[("HOME", ""), ("XDG_CONFIG_HOME", "")]),
    env("XDG directories", &[("XDG_CONFIG_HOME", "@scratch/nowhere"), ("XDG_CACHE_HOME", "/dev/null")]),
    Odd {
        env: &[("XDG_CONFIG_HOME", "@scratch")],
        ..arranged("settings below XDG_CONFIG_HOME", "", |scene| {
            std::fs::create_dir(scene.scratch.join("git")).unwrap();
            std::fs::write(scene.scratch.join("git/config"), "[status]\n\tshowUntrackedFiles = no\n")
                .unwrap();
        })
    },
    Odd {
        ..arranged("settings of the user", "", |scene| {
            let text = "[status]\n\tshowUntrackedFiles = no\n[core]\n\tfsmonitor = true\n[diff]\n\tignoreSubmodules = all\n";
            std::fs::write(scene.scratch.join(".gitconfig"), text).unwrap();
        })
    },
    Odd { without: &["PATH"], ..odd("no PATH") },
    env("a PATH of nothing", &[("PATH", "@scratch/nowhere")]),
    env("no place for temporary files", &[("TMPDIR", "@scratch/nowhere")]),
    env(
        "editors, pagers, askers",
        &[("GIT_EDITOR", "false"), ("GIT_PAGER", "false"), ("GIT_ASKPASS", "false")],
    ),
    env("a differ", &[("GIT_EXTERNAL_DIFF", "false"), ("GIT_DIFF_OPTS", "-u0")]),
    env(
        "a language server's variables",
        &[("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("NO_COLOR", "1")],
    ),
    shell("umask 0", "umask 0"),
    shell("umask 0077", "umask 0077"),
    shell("in the root directory", "cd /"),
    shell("in the git directory", "cd '@other/.git'"),
    shell("few open files", "ulimit -n 64"),
    shell("no standard input", "exec <&-"),
    shell("a low priority", "renice -n 19 $$ >/dev/null 2>&1 || :"),
];
