//! The public surface is what `conformance/surface.txt` says: the operations of this crate with their arguments, and the
//! public names of `handoff-core`, read from its sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::{FnArg, Item, Pat, Signature, UseTree, Visibility};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The cells of one column that are not empty.
fn column(number: usize) -> Outcome<BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("conformance/surface.txt"))?;
    let mut cells = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let row: Vec<&str> = line.split(" | ").collect();
        assert_eq!(row.len(), 4, "operation, Rust, Python, Node: {line}");
        if let Some(cell) = row.get(number).filter(|cell| **cell != "-") {
            assert!(cells.insert((*cell).to_owned()), "twice: {cell}");
        }
    }
    Ok(cells)
}

fn same(found: &BTreeSet<String>, written: &BTreeSet<String>) {
    let missing: Vec<_> = found.difference(written).collect();
    let gone: Vec<_> = written.difference(found).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "conformance/surface.txt differs: add or change the lines, and do the same in Python and Node\n\
         missing there: {missing:#?}\nno longer here: {gone:#?}"
    );
}

#[test]
fn nothing_stands_twice() -> Outcome {
    (0..4).try_for_each(|number| column(number).map(drop))
}

#[test]
fn the_operations_are_those_of_surface_txt() -> Outcome {
    let cell = |known: handoff_bridge::Signature| {
        format!("{}({})", known.name, known.arguments().collect::<Vec<_>>().join(", "))
    };
    same(&handoff_bridge::operations().map(cell).collect(), &column(0)?);
    Ok(())
}

#[test]
fn the_public_names_of_the_core_are_those_of_surface_txt() -> Outcome {
    let core = root().join("handoff-core/src");
    let mut sources = Sources::default();
    sources.read(&core, &core.join("lib.rs"), "")?;
    let mut found = BTreeSet::new();
    for (name, (module, item)) in sources.exports("", &mut Vec::new()) {
        sources.describe(&name, &module, &item, &mut found);
    }
    assert!(found.len() > 300, "the sources were read: {}", found.len());
    same(&found, &column(1)?);
    Ok(())
}

/// Arguments that a language gives under another name: the operation's, its argument, the language's.
const OTHERWISE: &[(&str, &str, &str)] = &[
    ("agent.command", "name", "info"),
    ("agent.command", "models", "info"),
    ("agent.command", "kind", "info"),
    ("conversation.fork", "new_id", "id"),
    ("conversation.messages", "from", "start"),
    ("session.messages", "from", "start"),
    ("storage.dir", "path", "directory"),
    ("storage.get", "range", "start"),
    ("storage.put_stream", "stream", "body"),
    ("workspace.new", "loose_files", "loose"),
    ("workspace.new", "wide", "anywhere"),
];

#[test]
fn whatever_an_operation_takes_can_be_given_in_both_languages() -> Outcome {
    let text = std::fs::read_to_string(root().join("conformance/surface.txt"))?;
    let mut looked_at = 0;
    for row in text.lines().map(|line| line.split(" | ").collect::<Vec<_>>()) {
        let [operation, _, python, node] = row.as_slice() else { continue };
        let Some(known) = handoff_bridge::operations().find(|known| before(operation) == known.name) else {
            continue;
        };
        // What the method is called on, and what is between a language and this crate.
        let noun = known.name.split('.').next().unwrap_or_default();
        let own = |name: &str| {
            name == "hub" || name == "manifest" || name.trim_end_matches('s') == noun.trim_end_matches('s')
        };
        for cell in [python, node].into_iter().filter(|cell| cell.contains('(')) {
            let given = words(cell);
            for name in known.arguments().filter(|name| !own(name)) {
                let other = OTHERWISE.iter().find(|(of, argument, _)| *of == known.name && *argument == name);
                let there = given.contains(name) || other.is_some_and(|(.., other)| given.contains(*other));
                assert!(there, "{name} of {} cannot be given by {cell}", known.name);
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 200, "the lines were read: {looked_at}");
    Ok(())
}

fn before(cell: &str) -> &str {
    cell.split('(').next().unwrap_or_default()
}

/// The words of a cell in snake case.
fn words(cell: &str) -> BTreeSet<String> {
    let snake = cell.chars().flat_map(|c| {
        let upper = c.is_uppercase().then_some('_');
        upper.into_iter().chain(c.to_lowercase())
    });
    let spelled: String = snake.collect();
    spelled.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
}

/// Every module of the core that is not a test, by path: `snapshot::diff`.
#[derive(Default)]
struct Sources(BTreeMap<String, Vec<Item>>);

impl Sources {
    fn read(&mut self, dir: &Path, file: &Path, module: &str) -> Outcome {
        let parsed = syn::parse_file(&std::fs::read_to_string(file)?)?;
        for item in &parsed.items {
            let Item::Mod(inner) = item else { continue };
            if hidden(&inner.attrs) || inner.content.is_some() {
                continue;
            }
            let name = inner.ident.to_string();
            let below = dir.join(&name);
            let files = [dir.join(format!("{name}.rs")), below.join("mod.rs")];
            let file = files.iter().find(|file| file.exists()).ok_or(format!("no file of {name}"))?;
            self.read(&below, file, &join(module, &name))?;
        }
        self.0.insert(module.to_owned(), parsed.items);
        Ok(())
    }

    /// What a module offers: name → where it is defined, and as what.
    fn exports(&self, module: &str, under_way: &mut Vec<String>) -> BTreeMap<String, (String, String)> {
        let mut found = BTreeMap::new();
        if under_way.iter().any(|one| one == module) {
            return found;
        }
        under_way.push(module.to_owned());
        for item in self.0.get(module).into_iter().flatten() {
            match item {
                Item::Use(import) if public(&import.vis) && !hidden(&import.attrs) => {
                    self.imported(module, &import.tree, &mut Vec::new(), &mut found, under_way);
                }
                Item::Mod(inner) if public(&inner.vis) && !hidden(&inner.attrs) => {
                    let name = inner.ident.to_string();
                    for (below, place) in self.exports(&join(module, &name), under_way) {
                        found.insert(format!("{name}::{below}"), place);
                    }
                }
                _ => {
                    if let Some((vis, name)) = named(item)
                        && public(vis)
                        && !hidden(attrs(item))
                    {
                        found.insert(name.clone(), (module.to_owned(), name));
                    }
                }
            }
        }
        under_way.pop();
        // What is offered in more than one place is told of once, where its name is shortest.
        if module.is_empty() {
            let mut nearest: BTreeMap<(String, String), String> = BTreeMap::new();
            for (name, place) in &found {
                let kept = nearest.entry(place.clone()).or_insert_with(|| name.clone());
                if name.matches("::").count() < kept.matches("::").count() {
                    kept.clone_from(name);
                }
            }
            found.retain(|name, place| nearest.get(place) == Some(name));
        }
        found
    }

    fn imported(
        &self,
        module: &str,
        tree: &UseTree,
        path: &mut Vec<String>,
        found: &mut BTreeMap<String, (String, String)>,
        under_way: &mut Vec<String>,
    ) {
        let mut add = |name: &str, offered: String, under_way: &mut Vec<String>| {
            let from = self.resolve(module, path);
            // A private import makes names public as well, so the definition is looked for below.
            let place = self.exports(&from, under_way).remove(name);
            found.insert(offered, place.unwrap_or((from, name.to_owned())));
        };
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.imported(module, &step.tree, path, found, under_way);
                path.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.imported(module, tree, path, found, under_way);
                }
            }
            UseTree::Name(leaf) => add(&leaf.ident.to_string(), leaf.ident.to_string(), under_way),
            UseTree::Rename(leaf) => add(&leaf.ident.to_string(), leaf.rename.to_string(), under_way),
            UseTree::Glob(_) => {
                let from = self.resolve(module, path);
                found.extend(self.exports(&from, under_way));
            }
        }
    }

    fn resolve(&self, module: &str, path: &[String]) -> String {
        match path.first().map(String::as_str) {
            Some("crate") => path.get(1..).unwrap_or_default().join("::"),
            Some("super") => {
                let above = module.rsplit_once("::").map_or("", |(above, _)| above);
                self.resolve(above, path.get(1..).unwrap_or_default())
            }
            Some("self") => self.resolve(module, path.get(1..).unwrap_or_default()),
            _ => join(module, &path.join("::")),
        }
    }

    /// The cells of one public name.
    fn describe(&self, name: &str, module: &str, item: &str, found: &mut BTreeSet<String>) {
        let defined = self
            .0
            .get(module)
            .into_iter()
            .flatten()
            .find(|one| named(one).is_some_and(|(_, own)| own == item));
        let Some(defined) = defined else {
            found.insert(name.to_owned());
            return;
        };
        let own = |signature: &Signature| format!("{name}::{}({})", signature.ident, arguments(signature));
        match defined {
            Item::Fn(function) => {
                found.insert(format!("{name}({})", arguments(&function.sig)));
                return;
            }
            Item::Struct(one) => {
                let fields = one.fields.iter().filter(|field| public(&field.vis));
                let fields = fields.filter_map(|field| field.ident.as_ref().map(ToString::to_string));
                found.insert(braces(name, fields));
            }
            Item::Enum(one) => {
                found.insert(braces(name, one.variants.iter().map(|variant| variant.ident.to_string())));
            }
            Item::Trait(one) => {
                found.insert(name.to_owned());
                for member in &one.items {
                    if let syn::TraitItem::Fn(function) = member {
                        found.insert(own(&function.sig));
                    }
                }
            }
            _ => _ = found.insert(name.to_owned()),
        }
        // Wherever in the part of the crate that defines it, `snapshot` for `snapshot::store`, but not where another type of
        // that name is at home.
        let part = module.split("::").next().unwrap_or_default();
        let at_home = |items: &[Item]| items.iter().any(|one| named(one).is_some_and(|(_, own)| own == item));
        let files = self.0.iter().filter(|(other, items)| {
            other.split("::").next() == Some(part) && (other.as_str() == module || !at_home(items))
        });
        for block in files.flat_map(|(_, items)| items) {
            let Item::Impl(block) = block else { continue };
            let syn::Type::Path(of) = &*block.self_ty else { continue };
            let is_it = of.path.segments.last().is_some_and(|last| last.ident == item);
            if !is_it || block.trait_.is_some() || hidden(&block.attrs) {
                continue;
            }
            for member in &block.items {
                if let syn::ImplItem::Fn(function) = member
                    && public(&function.vis)
                    && !hidden(&function.attrs)
                {
                    found.insert(own(&function.sig));
                }
            }
        }
    }
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() || name.is_empty() { format!("{module}{name}") } else { format!("{module}::{name}") }
}

fn public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

/// Whether it is for tests, or not part of the public interface.
fn hidden(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        syn::Meta::List(list) => {
            let words = list.tokens.to_string();
            list.path.is_ident("doc") && words == "hidden"
                || list.path.is_ident("cfg") && ["test", "doctest"].contains(&words.as_str())
        }
        _ => false,
    })
}

fn attrs(item: &Item) -> &[syn::Attribute] {
    match item {
        Item::Const(one) => &one.attrs,
        Item::Enum(one) => &one.attrs,
        Item::Fn(one) => &one.attrs,
        Item::Static(one) => &one.attrs,
        Item::Struct(one) => &one.attrs,
        Item::Trait(one) => &one.attrs,
        Item::Type(one) => &one.attrs,
        _ => &[],
    }
}

fn named(item: &Item) -> Option<(&Visibility, String)> {
    let (vis, name) = match item {
        Item::Const(one) => (&one.vis, &one.ident),
        Item::Enum(one) => (&one.vis, &one.ident),
        Item::Fn(one) => (&one.vis, &one.sig.ident),
        Item::Static(one) => (&one.vis, &one.ident),
        Item::Struct(one) => (&one.vis, &one.ident),
        Item::Trait(one) => (&one.vis, &one.ident),
        Item::Type(one) => (&one.vis, &one.ident),
        _ => return None,
    };
    Some((vis, name.to_string()))
}

fn braces(name: &str, parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", parts.join(", ")) }
}

fn arguments(signature: &Signature) -> String {
    let names = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Receiver(_) => None,
        FnArg::Typed(typed) => Some(match &*typed.pat {
            Pat::Ident(name) => name.ident.to_string(),
            _ => "_".to_owned(),
        }),
    });
    names.collect::<Vec<_>>().join(", ")
}
