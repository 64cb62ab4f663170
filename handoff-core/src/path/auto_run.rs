//! Files that some tool acts on by itself, so that writing one may amount to running something.

use super::RelPath;
use super::fold::fold;

/// Files that are read wherever they lie.
const FILES: &[&str] = &[
    // Shells and version switchers that act on `cd`.
    ".envrc",
    ".autoenv",
    ".autoenv.zsh",
    ".mise.toml",
    "mise.toml",
    // Git, its hooks and what runs from them.
    ".gitattributes",
    ".gitmodules",
    ".huskyrc",
    ".huskyrc.json",
    ".lintstagedrc",
    ".lintstagedrc.json",
    ".overcommit.yml",
    ".pre-commit-config.yaml",
    ".pre-commit-config.yml",
    ".simple-git-hooks.json",
    "lefthook.json",
    "lefthook.toml",
    "lefthook.yaml",
    "lefthook.yml",
    ".lefthook.toml",
    ".lefthook.yaml",
    ".lefthook.yml",
    "lefthook-local.yaml",
    "lefthook-local.yml",
    // Build tools and package managers that load code named in their settings.
    ".bazelrc",
    ".npmrc",
    ".pnpmfile.cjs",
    ".pnpmfile.mjs",
    ".yarnrc",
    ".yarnrc.yml",
    "rust-toolchain",
    "rust-toolchain.toml",
    // Editors and debuggers.
    ".dir-locals.el",
    ".dir-locals-2.el",
    ".exrc",
    ".gdbinit",
    ".lldbinit",
    ".nvim.lua",
    ".nvimrc",
    ".devcontainer.json",
    // CI.
    ".appveyor.yml",
    "appveyor.yml",
    ".cirrus.yml",
    ".drone.yml",
    ".gitlab-ci.yml",
    ".travis.yml",
    ".woodpecker.yml",
    "azure-pipelines.yaml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "cloudbuild.yaml",
    "jenkinsfile",
    // Agents: settings and standing instructions.
    ".aider.conf.yml",
    ".clinerules",
    ".cursorrules",
    ".mcp.json",
    ".windsurfrules",
    "agents.md",
    "agents.override.md",
    "claude.local.md",
    "claude.md",
    "gemini.md",
    "opencode.json",
    "opencode.jsonc",
    "warp.md",
];

/// Directories in which everything counts, however deep.
const DIRECTORIES: &[&str] = &[
    ".agents",
    ".amazonq",
    ".buildkite",
    ".circleci",
    ".claude",
    ".clinerules",
    ".codex",
    ".continue",
    ".cursor",
    ".devcontainer",
    ".forgejo",
    ".gemini",
    ".githooks",
    ".gitea",
    ".husky",
    ".kiro",
    ".lefthook",
    ".mvn",
    ".opencode",
    ".roo",
    ".run",
    ".warp",
    ".windsurf",
    ".woodpecker",
];

/// A directory and what counts in it: a file or a directory.
const INSIDE: &[(&str, &str)] = &[
    (".cargo", "config"),
    (".cargo", "config.toml"),
    (".config", "mise"),
    (".config", "mise.toml"),
    (".github", "actions"),
    (".github", "copilot-instructions.md"),
    (".github", "hooks"),
    (".github", "instructions"),
    (".github", "workflows"),
    (".idea", "externaldependencies.xml"),
    (".idea", "runconfigurations"),
    (".idea", "startup.xml"),
    (".idea", "watchertasks.xml"),
    (".idea", "workspace.xml"),
    (".junie", "guidelines.md"),
    (".vscode", "extensions.json"),
    (".vscode", "launch.json"),
    (".vscode", "mcp.json"),
    (".vscode", "settings.json"),
    (".vscode", "tasks.json"),
    (".yarn", "plugins"),
    (".yarn", "releases"),
    (".zed", "debug.json"),
    (".zed", "settings.json"),
    (".zed", "tasks.json"),
];

/// File names of any stem.
const SUFFIXES: &[&str] = &[".code-workspace"];

/// Whether some tool acts on the file at `path` without being told to: hook settings, CI workflows, editor
/// tasks, package managers' settings, agents' settings and instructions. In any directory, and by any name that
/// a file system could take for the known one. Source code, build scripts and the like, which run when a
/// person builds or tests, are not meant.
pub(crate) fn auto_run(path: &RelPath) -> bool {
    let components: Vec<_> = path.components().map(fold).collect();
    let is = |known: &&str, name: &[u8]| known.as_bytes() == name;
    let in_directory = components.windows(2).any(|pair| match pair {
        [directory, inside] => {
            DIRECTORIES.iter().any(|known| is(known, directory))
                || INSIDE.iter().any(|(outer, inner)| is(outer, directory) && is(inner, inside))
        }
        _ => false,
    });
    in_directory
        || components.last().is_some_and(|name| {
            FILES.iter().any(|known| is(known, name))
                || SUFFIXES.iter().any(|suffix| name.ends_with(suffix.as_bytes()))
        })
}
