//! The name rules: files that hold secrets by convention, whatever is in them.

/// Patterns of whole names in lower case, `*` for anything; with a slash inside, of the last components; with one
/// at the end, of a directory that the file is in. The pattern is the rule's id.
const NAMES: &[&str] = &[
    // Environments.
    ".env",
    ".env.*",
    // Keys and key stores.
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.ppk",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.ovpn",
    // Programs' credentials.
    ".npmrc",
    ".pypirc",
    ".netrc",
    "_netrc",
    ".git-credentials",
    ".pgpass",
    ".my.cnf",
    ".mylogin.cnf",
    ".htpasswd",
    ".dockercfg",
    ".docker/config.json",
    ".vault*",
    "credentials*",
    "secrets.*",
    "*service-account*.json",
    "*service_account*.json",
    // Directories of such.
    ".aws/",
    ".ssh/",
    ".gnupg/",
    ".kube/",
    ".config/gcloud/",
    ".terraform/",
    // State of infrastructure.
    "*.tfstate*",
    "*.tfvars",
    "*.tfvars.json",
    // What was typed.
    ".bash_history",
    ".zsh_history",
    ".sh_history",
    "fish_history",
    ".python_history",
    ".node_repl_history",
    ".psql_history",
    ".mysql_history",
    ".sqlite_history",
    ".rediscli_history",
    ".irb_history",
    // A browser's.
    "cookies",
    "cookies.txt",
    "cookies.sqlite",
    "login data",
    "logins.json",
    "key4.db",
    // Dumps of databases.
    "dump.sql",
    "*.dump",
    "*.dump.sql",
    "*_dump.sql",
    "*-dump.sql",
    "*.sql.gz",
    "*.sql.bz2",
    "*.sql.xz",
    "*.sql.zst",
    "dump.rdb",
];

/// Endings that make a template of an environment.
const TEMPLATES: &[&str] = &[".example", ".sample", ".template"];

/// Endings of programs and texts about secrets: `credentials.py` and `secrets.rs` are code.
const CODE: &[&str] = &[
    ".c", ".cc", ".cpp", ".cs", ".css", ".dart", ".ex", ".exs", ".go", ".h", ".hpp", ".html", ".java", ".js",
    ".jsx", ".kt", ".lua", ".md", ".mjs", ".php", ".pl", ".pm", ".py", ".pyi", ".r", ".rb", ".rs", ".rst",
    ".scala", ".svelte", ".swift", ".ts", ".tsx", ".vue",
];

/// The rules for names that `path` (with slashes, relative to anything) falls under, in a fixed order. Letters count as
/// equal in upper and lower case.
pub(crate) fn names_of(path: &[u8]) -> impl Iterator<Item = &'static str> {
    let path = path.to_ascii_lowercase();
    let name = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    NAMES.iter().copied().filter(move |pattern| falls_under(pattern, &path, name))
}

/// The ids of all rules for names.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied()
}

/// Whether `path`, whose last component begins at `name`, is of `pattern`.
fn falls_under(pattern: &str, path: &[u8], name: usize) -> bool {
    let ends_in = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending.as_bytes()));
    let name = path.get(name..).unwrap_or_default();
    match pattern.strip_suffix('/') {
        Some(dir) => {
            let begins = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
            let mut parts = std::iter::once(0).chain(begins).filter_map(|at| path.get(at..));
            parts.any(|part| part.strip_prefix(dir.as_bytes()).is_some_and(|rest| rest.starts_with(b"/")))
        }
        None if pattern.contains('/') => path
            .strip_suffix(pattern.as_bytes())
            .is_some_and(|before| before.is_empty() || before.ends_with(b"/")),
        None if !matches(pattern.as_bytes(), name) => false,
        None if pattern == ".env.*" => !ends_in(TEMPLATES),
        None => !(["credentials*", "secrets.*"].contains(&pattern) && ends_in(CODE)),
    }
}

/// Whether `name` is of `pattern`. Patterns are short and have two stars at most.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        // Nearly all patterns have one star at most, at the beginning or the end.
        Some((b'*', rest)) if !rest.contains(&b'*') => name.ends_with(rest),
        Some((b'*', rest)) => {
            rest.is_empty()
                || (0..=name.len()).any(|at| name.get(at..).is_some_and(|name| matches(rest, name)))
        }
        Some((first, rest)) => {
            name.split_first().is_some_and(|(byte, name)| byte == first && matches(rest, name))
        }
    }
}
