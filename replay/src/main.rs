//! `make replay REPO=path`: the given history is the test. Commits and one side of each merge are put uncommitted
//! into a checkout of their base, captured, and applied to where the history has the other side; the outcome is
//! compared with `git merge-tree`, path by path, and every file merged line by line with `git merge-file`.
//!
//! The repository is cloned first and only read. `COUNT` bounds the cases of each kind. `TRIPLES` is how many texts are
//! to be merged, 4,000 a repository at most without it: where the cases have fewer, further commits are looked through,
//! and fewer in all repositories together are a failure. With `VERBOSE` every difference is printed, not only those that are not on the list of
//! `handoff-core/docs/limits.md`.

mod git;
mod history;
mod judge;
mod oracle;
mod releases;
mod stage;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use git::{Git, Objects, Result, Tree};
use history::{Case, Kind};
use judge::Category;
use text::Texts;

#[derive(Default)]
struct Tally {
    cases: usize,
    equal: usize,
    /// Conflicts: cases in which git has one, in which we do, in which both do.
    conflicts: [usize; 3],
    paths: usize,
}

/// Trees of commits, most of which are asked for several times.
struct Trees<'a> {
    git: &'a Git,
    known: HashMap<String, Rc<Tree>>,
}

impl Trees<'_> {
    fn of(&mut self, commit: &str) -> Result<Rc<Tree>> {
        if let Some(tree) = self.known.get(commit) {
            return Ok(Rc::clone(tree));
        }
        if self.known.len() > 200 {
            self.known.clear();
        }
        let tree = Rc::new(self.git.tree(commit)?);
        self.known.insert(commit.to_owned(), Rc::clone(&tree));
        Ok(tree)
    }
}

fn number(name: &str, usual: usize) -> Result<usize> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().map_err(|_| format!("{name} must be a number")),
        _ => Ok(usual),
    }
}

fn spell(case: &Case) -> String {
    let short = |id: &str| id.get(..10).unwrap_or(id).to_owned();
    format!("base {} here {} incoming {}", short(&case.base), short(&case.ours), short(&case.theirs))
}

/// Replays one history: whether it met the bar, and how many texts it merged.
fn replay(repo: &Path) -> Result<(bool, usize)> {
    let (count, most) = (number("COUNT", 300)?, number("TRIPLES", 4000)?);
    let asked = number("TRIPLES", 0)?;
    let verbose = std::env::var_os("VERBOSE").is_some_and(|value| !value.is_empty());
    let scratch = tempfile::tempdir().map_err(|why| format!("no scratch directory: {why}"))?;
    let stage = stage::Stage::new(repo, scratch.path())?;
    let git = &stage.mirror;
    let empty = oracle::empty_tree(git)?;
    let mut objects = Objects::of(git)?;
    let mut trees = Trees { git, known: HashMap::new() };
    let mut tallies: BTreeMap<Kind, Tally> = BTreeMap::new();
    let mut differences: BTreeMap<Category, (usize, usize)> = BTreeMap::new();
    let mut texts = Texts::default();
    println!("{}", repo.display());
    for case in history::cases(git, count)? {
        let [base, ours, theirs] = [trees.of(&case.base)?, trees.of(&case.ours)?, trees.of(&case.theirs)?];
        texts.merge(git, &mut objects, [&base, &ours, &theirs], most)?;
        let merged = oracle::merge(git, &empty, &case)?;
        let handed = stage.hand_over(&case).map_err(|why| format!("{}: {why}", spell(&case)))?;
        let found = judge::judge(&case, [&base, &ours, &theirs], &merged, &handed);
        let tally = tallies.entry(case.kind).or_default();
        tally.cases += 1;
        tally.equal += usize::from(found.is_empty());
        tally.paths += handed.report.files().count();
        let ours = handed.report.files().any(|(_, file)| file.outcome == handoff_core::Outcome::Conflict);
        let gits = !merged.conflicts.is_empty();
        let [git_conflicts, our_conflicts, both] = &mut tally.conflicts;
        *git_conflicts += usize::from(gits);
        *our_conflicts += usize::from(ours);
        *both += usize::from(gits && ours);
        let mut here: Vec<Category> = found.iter().map(|difference| difference.category).collect();
        here.dedup();
        for category in here {
            differences.entry(category).or_default().0 += 1;
        }
        for difference in &found {
            differences.entry(difference.category).or_default().1 += 1;
            if verbose || !difference.category.is_allowed() {
                let path = difference.path.escape_ascii();
                println!("{}: {}\n    {path}: {}", difference.category.name(), spell(&case), difference.what);
            }
        }
    }
    if texts.triples() < asked {
        for case in history::distant(git)? {
            let [base, ours, theirs] =
                [trees.of(&case.base)?, trees.of(&case.ours)?, trees.of(&case.theirs)?];
            texts.merge(git, &mut objects, [&base, &ours, &theirs], asked)?;
        }
    }
    print(&tallies, &differences, &texts);
    let wrong = differences.keys().any(|category| !category.is_allowed()) || !texts.wrong.is_empty();
    Ok((!wrong, texts.triples()))
}

fn print(tallies: &BTreeMap<Kind, Tally>, differences: &BTreeMap<Category, (usize, usize)>, texts: &Texts) {
    println!(
        "\n  {:<32}{:>8}{:>10}{:>8}{:>16}{:>12}{:>8}",
        "", "cases", "as git's", "paths", "git conflicts", "ours does", "both"
    );
    for kind in Kind::ALL {
        let Some(tally) = tallies.get(&kind) else { continue };
        let [git, ours, both] = tally.conflicts;
        let Tally { cases, equal, paths, .. } = tally;
        println!("  {:<32}{cases:>8}{equal:>10}{paths:>8}{git:>16}{ours:>12}{both:>8}", kind.name());
    }
    println!("\n  {:<48}{:>8}{:>8}", "differences from git", "cases", "paths");
    for category in Category::ALL {
        let (cases, paths) = differences.get(&category).copied().unwrap_or_default();
        println!("  {:<48}{cases:>8}{paths:>8}", category.name());
    }
    println!(
        "\n  {} texts merged: {} clean and the same bytes, {} conflicts in both, {} conflicts where git is clean, \
         {} wrong\n",
        texts.triples(),
        texts.clean,
        texts.conflicts,
        texts.careful,
        texts.wrong.len()
    );
    for wrong in &texts.wrong {
        println!("  {wrong}");
    }
}

fn run() -> Result<bool> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (mut good, mut merged) = (true, 0);
    let mut one = |repo: &Path| -> Result<()> {
        let (met, texts) = replay(repo)?;
        (good, merged) = (good && met, merged + texts);
        Ok(())
    };
    match args.split_first() {
        Some((first, rest)) if first == "--releases" => {
            let [to, names @ ..] = rest else {
                return Err("--releases needs a directory and names of crates".into());
            };
            for repo in releases::make(Path::new(to), names)? {
                one(&repo)?;
            }
        }
        Some(_) => {
            for repo in args.iter().map(PathBuf::from) {
                one(&repo)?;
            }
        }
        None => return Err("name a repository, or --releases DIRECTORY CRATE...".into()),
    }
    let asked = number("TRIPLES", 0)?;
    if merged < asked {
        return Err(format!(
            "{merged} texts were merged of the {asked} asked for; name more or longer histories"
        ));
    }
    Ok(good)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("replay: differences that are not on the list of handoff-core/docs/limits.md");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("replay: {why}");
            ExitCode::from(2)
        }
    }
}
