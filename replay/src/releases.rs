//! Histories out of released versions: each release of a crate is a commit on its predecessor, and a patch release
//! of an older line meets the next line in a merge. Real changes between real texts, of any size, where no
//! repository is at hand. Cargo fetches the releases, as for any build.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::git::{Git, Result};

/// Major, minor, patch.
type Version = (u64, u64, u64);

/// Makes a repository below `to` for each crate of `names`; `VERSIONS` bounds how many releases each has.
pub fn make(to: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    let most = crate::number("VERSIONS", 20)?;
    std::fs::create_dir_all(to).map_err(|why| format!("{}: {why}", to.display()))?;
    names.iter().map(|name| history_of(to, name, most)).collect()
}

fn history_of(to: &Path, name: &str, most: usize) -> Result<PathBuf> {
    let repo = to.join(name);
    if repo.join("HEAD").exists() {
        return Ok(repo);
    }
    // Resolving any version makes cargo learn all of them.
    fetch(to, name, "*")?;
    let known = versions(name)?;
    let mut lines: BTreeMap<(u64, u64), Vec<Version>> = BTreeMap::new();
    for version in known {
        lines.entry((version.0, version.1)).or_default().push(version);
    }
    // Lines that went on after the next one had begun make the merges; the newest lines are the history.
    let mut wanted: Vec<Version> = Vec::new();
    for patches in lines.values().rev() {
        let room = most.saturating_sub(wanted.len());
        wanted.extend(patches.iter().take(1).chain(patches.iter().skip(1).rev().take(3)).take(room));
    }
    wanted.sort_unstable();
    wanted.dedup();
    std::fs::create_dir_all(&repo).map_err(|why| format!("{}: {why}", repo.display()))?;
    let git = Git::new(&repo);
    git.run(&["init", "-q", "--bare", "-b", "main"])?;
    let mut commits: BTreeMap<Version, String> = BTreeMap::new();
    for version in wanted {
        let text = format!("{}.{}.{}", version.0, version.1, version.2);
        let source = match fetch(to, name, &format!("={text}")) {
            Ok(source) => source,
            // Yanked since cargo last looked, say.
            Err(why) => {
                eprintln!("without {name} {text}: {}", why.lines().next().unwrap_or_default());
                continue;
            }
        };
        let tree = tree_of(&git, &source)?;
        let mut args = vec!["commit-tree".to_owned(), "-m".to_owned(), text.clone(), tree.clone()];
        // The patch before it, else the first release of the line before.
        let older = commits.range(..version).filter(|(other, _)| other.2 == 0 || same_line(other, &version));
        if let Some((_, parent)) = older.max_by(|a, b| nearness(a.0, b.0, &version)) {
            args.extend(["-p".to_owned(), parent.clone()]);
        }
        let commit = git.lines(&args)?.into_iter().next().unwrap_or_default();
        git.run(&["update-ref", &format!("refs/heads/v{text}"), &commit])?;
        commits.insert(version, commit);
    }
    merges(&git, &commits)?;
    Ok(repo)
}

fn same_line(a: &Version, b: &Version) -> bool {
    (a.0, a.1) == (b.0, b.1)
}

fn nearness(a: &Version, b: &Version, to: &Version) -> Ordering {
    same_line(a, to).cmp(&same_line(b, to)).then(a.cmp(b))
}

/// Merges the last patch of each line into the first release of the next one.
fn merges(git: &Git, commits: &BTreeMap<Version, String>) -> Result<()> {
    for (version, patch) in commits.iter().filter(|(version, _)| version.2 > 0) {
        let next =
            commits.iter().find(|(other, _)| (other.0, other.1) > (version.0, version.1) && other.2 == 0);
        let Some((_, next)) = next else { continue };
        let tree = format!("{next}^{{tree}}");
        let args = ["commit-tree", "-m", "merge", "-p", next, "-p", patch, &tree];
        let merge = git.lines(&args)?.into_iter().next().unwrap_or_default();
        let name = format!("refs/heads/merge-{}.{}.{}", version.0, version.1, version.2);
        git.run(&["update-ref", &name, &merge])?;
    }
    Ok(())
}

fn tree_of(git: &Git, source: &Path) -> Result<String> {
    let work_tree = format!("--work-tree={}", source.display());
    let index = git.dir.join("replay-index");
    let _ = std::fs::remove_file(&index);
    git.feed(
        &["-c", "core.bare=false", &work_tree, "add", "-A", "-f", source.to_str().unwrap_or(".")],
        b"",
        Some(&index),
    )?;
    git.feed(
        &["rm", "-q", "--cached", "--ignore-unmatch", ".cargo-ok", ".cargo_vcs_info.json"],
        b"",
        Some(&index),
    )?;
    Ok(String::from_utf8_lossy(&git.feed(&["write-tree"], b"", Some(&index))?).trim().to_owned())
}

/// Has cargo fetch one release and returns where it is unpacked.
fn fetch(to: &Path, name: &str, version: &str) -> Result<PathBuf> {
    let project = to.join("fetch");
    let failed = |why: std::io::Error| format!("{}: {why}", project.display());
    let _ = std::fs::remove_dir_all(&project);
    std::fs::create_dir_all(project.join("src")).map_err(failed)?;
    std::fs::write(project.join("src/lib.rs"), "").map_err(failed)?;
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\n\
         {name} = {{ version = \"{version}\", default-features = false }}\n"
    );
    std::fs::write(project.join("Cargo.toml"), manifest).map_err(failed)?;
    let cargo = |args: &[&str]| -> Result<Vec<u8>> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(args)
            .current_dir(&project)
            .output()
            .map_err(|why| format!("cargo cannot be run: {why}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(output.stdout) } else { Err(format!("cargo {args:?}: {said}")) }
    };
    cargo(&["fetch", "--quiet"])?;
    let metadata = cargo(&["metadata", "--format-version=1", "--offline"])?;
    let metadata = String::from_utf8_lossy(&metadata);
    let marker = "\"manifest_path\":\"";
    let unpacked = metadata.match_indices(marker).find_map(|(at, _)| {
        let path = metadata.get(at + marker.len()..)?.split('"').next()?;
        let directory = Path::new(path).parent()?;
        let rest = directory.file_name()?.to_str()?.strip_prefix(name)?.strip_prefix('-')?;
        let wanted = version.strip_prefix('=');
        rest.starts_with(|c: char| c.is_ascii_digit()).then_some(())?;
        wanted.is_none_or(|wanted| rest == wanted).then(|| directory.to_owned())
    });
    unpacked.ok_or_else(|| format!("cargo has not unpacked {name} {version}"))
}

/// The versions that cargo's own copy of the index lists, without pre-releases and yanked ones.
fn versions(name: &str) -> Result<Vec<Version>> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let home = home.ok_or("no home of cargo")?;
    let place = match name.len() {
        1 | 2 => format!("{}/{name}", name.len()),
        3 => format!("3/{}/{name}", name.get(..1).unwrap_or_default()),
        _ => format!("{}/{}/{name}", name.get(..2).unwrap_or_default(), name.get(2..4).unwrap_or_default()),
    };
    let indexes =
        std::fs::read_dir(home.join("registry/index")).map_err(|why| format!("cargo's index: {why}"))?;
    let mut out = Vec::new();
    for index in indexes.flatten() {
        let Ok(bytes) = std::fs::read(index.path().join(".cache").join(&place)) else { continue };
        let fields: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
        for pair in fields.windows(2) {
            let [version, facts] = pair else { continue };
            if facts.starts_with(b"{") && !String::from_utf8_lossy(facts).contains("\"yanked\":true") {
                out.extend(parse(&String::from_utf8_lossy(version)));
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    if out.is_empty() { Err(format!("cargo's index lists no version of {name}")) } else { Ok(out) }
}

fn parse(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(|part| part.parse::<u64>().ok());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}
