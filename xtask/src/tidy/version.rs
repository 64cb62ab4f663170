//! One version number: the workspace's. Whatever else has to spell it out must spell the same.

/// What keeps the workspace's version in another file, or differs from it.
pub fn check(texts: &[(&str, String)], breaches: &mut Vec<String>) {
    let text = |file: &str| texts.iter().find(|(name, _)| *name == file).map(|(_, text)| text.as_str());
    let Some(version) = text("Cargo.toml").and_then(workspace_version) else {
        breaches.push("Cargo.toml: [workspace.package] has no version".to_owned());
        return;
    };
    for (file, text) in texts {
        let name = file.rsplit('/').next().unwrap_or(file);
        let mut differs = |line: usize, found: &str| {
            breaches.push(format!("{file}:{line}: version {found} where the workspace has {version}"));
        };
        match name {
            "Cargo.toml" if has(text, "[package]") && !has(text, "version.workspace = true") => {
                differs(1, "of its own");
            }
            "Cargo.lock" => locked(text, version, &mut differs),
            "pyproject.toml" => python(text, version, &mut differs),
            "package.json" | "package-lock.json" => npm(text, version, &mut differs),
            _ => {}
        }
    }
}

fn has(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line == wanted)
}

fn workspace_version(manifest: &str) -> Option<&str> {
    let section = manifest.lines().skip_while(|line| *line != "[workspace.package]").skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| quoted(line.strip_prefix("version = ")?))
}

/// Packages of a lock file that come from no registry are ours.
fn locked(text: &str, version: &str, differs: &mut impl FnMut(usize, &str)) {
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(found) = line.strip_prefix("version = ").and_then(quoted) else { continue };
        let ours = lines.get(at + 1).is_none_or(|next| !next.starts_with("source = "));
        // The first line is the version of the format, which is no text.
        if ours && found != version {
            differs(at + 1, found);
        }
    }
}

/// The wheel's version is the crate's, unless it says one of its own.
fn python(text: &str, version: &str, differs: &mut impl FnMut(usize, &str)) {
    let mut found = false;
    for (at, line) in text.lines().enumerate() {
        if let Some(own) = line.strip_prefix("version = ").and_then(quoted) {
            found = true;
            if own != version {
                differs(at + 1, own);
            }
        }
        found |= line == "dynamic = [\"version\"]";
    }
    if text.lines().any(|line| line == "[project]") && !found {
        differs(1, "of nobody knows what");
    }
}

/// The package's own version and those of its platforms' packages, wherever they are named.
fn npm(text: &str, version: &str, differs: &mut impl FnMut(usize, &str)) {
    let mut ours = false;
    for (at, line) in text.lines().enumerate() {
        let Some((name, value)) = line.trim_start().split_once(": ") else { continue };
        let Some(value) = quoted(value.trim_end_matches(',')) else { continue };
        match name {
            "\"name\"" => ours = value.starts_with("handoff-node"),
            // The version of whatever was named last; only ours is ours to keep.
            "\"version\"" if ours => {
                ours = false;
                if value != version {
                    differs(at + 1, value);
                }
            }
            _ if name.starts_with("\"handoff-node-") && value != version => differs(at + 1, value),
            _ => {}
        }
    }
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(change: impl Fn(&str) -> Option<&'static str>) -> Vec<String> {
        let files = [
            (
                "Cargo.toml",
                "[workspace]\n[workspace.package]\nversion = \"0.1.0\"\n\n[workspace.dependencies]\nversion = \"9\"\n",
            ),
            ("a/Cargo.toml", "[package]\nname = \"a\"\nversion.workspace = true\n"),
            (
                "Cargo.lock",
                "version = 4\n[[package]]\nname = \"a\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"b\"\nversion = \"7\"\nsource = \"r\"\n",
            ),
            ("py/pyproject.toml", "[project]\nname = \"a\"\ndynamic = [\"version\"]\n"),
            (
                "node/package.json",
                "{\n  \"name\": \"handoff-node\",\n  \"version\": \"0.1.0\",\n  \"devDependencies\": { \"x\": \"5\" }\n}\n",
            ),
            (
                "node/package-lock.json",
                "{\n  \"name\": \"handoff-node\",\n  \"version\": \"0.1.0\",\n    \"node_modules/x\": {\n      \"version\": \"5\"\n",
            ),
        ];
        let texts: Vec<(&str, String)> =
            files.iter().map(|(file, text)| (*file, change(file).unwrap_or(text).to_owned())).collect();
        let mut found = Vec::new();
        check(&texts, &mut found);
        found
    }

    #[test]
    fn every_place_that_could_differ_is_looked_at() {
        assert_eq!(breaches(|_| None), Vec::<String>::new());
        for (file, text) in [
            ("Cargo.toml", "[workspace.package]\nedition = \"2024\"\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n"),
            ("Cargo.lock", "version = 4\n[[package]]\nname = \"a\"\nversion = \"0.0.9\"\n"),
            ("py/pyproject.toml", "[project]\nname = \"a\"\nversion = \"0.0.9\"\n"),
            ("py/pyproject.toml", "[project]\nname = \"a\"\n"),
            ("node/package.json", "{\n  \"name\": \"handoff-node\",\n  \"version\": \"0.0.9\"\n}\n"),
            (
                "node/package.json",
                "{\n  \"name\": \"handoff-node\",\n  \"version\": \"0.1.0\",\n  \"handoff-node-linux-x64-gnu\": \"0.0.9\"\n}\n",
            ),
            ("node/package-lock.json", "{\n  \"name\": \"handoff-node\",\n  \"version\": \"0.0.9\",\n"),
        ] {
            let found = breaches(|name| (name == file).then_some(text));
            assert_eq!(found.len(), 1, "{file} {text:?} gave {found:?}");
            assert!(found.iter().all(|line| line.starts_with(file)), "{found:?}");
        }
    }
}
