//! One name for a remote repository, however its location is written.
//!
//! A name is `host/path`. Scheme, user, password, port, query, a final `.git` and superfluous slashes say nothing
//! about which repository it is, and some of them are secrets, so none of them is kept. What cannot be read with
//! certainty gives no name at all: a name that is missing costs a mapping, and a wrong one could hold a password.

/// Forges whose paths mean the same in either case, and the other hosts that lead to them.
const FOLDING: [(&str, &[&str]); 6] = [
    ("github.com", &["ssh.github.com", "www.github.com"]),
    ("gist.github.com", &[]),
    ("gitlab.com", &["altssh.gitlab.com", "www.gitlab.com"]),
    ("bitbucket.org", &["altssh.bitbucket.org", "www.bitbucket.org"]),
    ("codeberg.org", &["www.codeberg.org"]),
    (AZURE, &["ssh.dev.azure.com"]),
];

const AZURE: &str = "dev.azure.com";

/// The older hosts of Azure DevOps: the organisation is a part of the name, or the user.
const AZURE_OLD: &str = ".visualstudio.com";

/// A location taken apart.
struct Location<'a> {
    user: &'a str,
    host: String,
    path: Vec<String>,
    /// It was asked for over HTTP, where some servers put their repositories below a prefix.
    web: bool,
}

/// Every name that the location `url` may be known by: mostly one, and none for what is on this machine, which says
/// nothing on another.
pub(super) fn names_of(url: &str) -> Vec<String> {
    let Some(location) = parse(url.trim()) else { return Vec::new() };
    let Location { user, mut host, mut path, web } = location;
    if host == "localhost" || host.starts_with("127.") || matches!(host.as_str(), "[::1]" | "0.0.0.0") {
        return Vec::new();
    }
    if let Some((forge, _)) = FOLDING.iter().find(|(_, others)| others.contains(&host.as_str())) {
        host = (*forge).to_owned();
    }
    if host == AZURE || host.ends_with(AZURE_OLD) {
        return azure(user, &host, &path).into_iter().collect();
    }
    let known = FOLDING.iter().any(|(forge, _)| *forge == host);
    if known {
        path.iter_mut().for_each(|part| *part = part.to_lowercase());
    }
    let mut names = vec![format!("{host}/{}", path.join("/"))];
    // Bitbucket's own server and Gerrit have a prefix over HTTP that they have not over SSH. Elsewhere the same word
    // may be a group's name, so that both are kept.
    let prefixed = matches!(path.as_slice(), [first, _, _] if first == "scm")
        || matches!(path.as_slice(), [first, _, ..] if first == "a");
    if web && !known && prefixed {
        names.push(format!("{host}/{}", path.get(1..).unwrap_or_default().join("/")));
    }
    names
}

/// Azure DevOps, where the same repository has five forms.
fn azure(user: &str, host: &str, path: &[String]) -> Option<String> {
    let path: Vec<String> = path.iter().map(|part| part.to_lowercase()).collect();
    let mut parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let user = user.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if parts.first() == Some(&"v3") {
        // `v3/organisation/project/repository`, over SSH.
        let [_, organisation, project, repository] = parts.as_slice() else { return None };
        return Some(format!("{AZURE}/{organisation}/{project}/{repository}"));
    }
    let organisation = match host.strip_suffix(AZURE_OLD) {
        Some("vs-ssh") => user.as_str(),
        Some(organisation) => organisation,
        None if parts.is_empty() => return None,
        None => parts.remove(0),
    };
    parts.retain(|part| !matches!(*part, "defaultcollection" | "_optimized" | "_full"));
    match parts.as_slice() {
        [project, "_git" | "_ssh", repository] => {
            Some(format!("{AZURE}/{organisation}/{project}/{repository}"))
        }
        // The first repository of a project has its name.
        ["_git" | "_ssh", repository] => Some(format!("{AZURE}/{organisation}/{repository}/{repository}")),
        _ => None,
    }
    .filter(|_| !organisation.is_empty())
}

/// `None` for a path on this machine, and for what cannot be read with certainty.
fn parse(url: &str) -> Option<Location<'_>> {
    // `helper::address` is for a program to understand, and a command line for one of them.
    let scheme_end = url.find("://");
    if url.find("::").is_some_and(|at| at < scheme_end.unwrap_or(usize::MAX) && !url.contains('[')) {
        return None;
    }
    let (authority, path, web, decoded) = match scheme_end {
        Some(end) => {
            let scheme = url.get(..end)?.to_ascii_lowercase();
            let web = matches!(scheme.as_str(), "http" | "https");
            if !web && !matches!(scheme.as_str(), "ssh" | "git" | "git+ssh" | "ssh+git" | "ftp" | "ftps") {
                return None;
            }
            let (authority, path) = url.get(end + 3..)?.split_once('/')?;
            (authority, path.split(['?', '#']).next()?, web, true)
        }
        None => {
            // `user@host:path`; a slash before the colon, or a single letter, makes it a path.
            let bracket =
                url.find('[').filter(|at| !url.get(..*at).is_some_and(|user| user.contains(['/', ':'])));
            let colon = match bracket {
                Some(at) => at + url.get(at..)?.find("]:")? + 1,
                None => url.find(':')?,
            };
            let (before, path) = (url.get(..colon)?, url.get(colon + 1..)?);
            if before.contains(['/', '\\']) || before.len() == 1 {
                return None;
            }
            (before, path.split(['?', '#']).next()?, false, false)
        }
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = bare_host(host)?;
    // A slash in a password that nobody encoded: what stands before it is no host.
    if user.is_empty() && path.contains('@') && !host.contains(['.', ':']) {
        return None;
    }
    let decoded = decoded || host.ends_with(AZURE) || host.ends_with(AZURE_OLD);
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let path: Vec<String> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .map(|part| if decoded { decode(part) } else { part.to_owned() })
        .collect();
    if path.is_empty() || path.iter().any(|part| part == "..") {
        return None;
    }
    Some(Location { user, host, path, web })
}

/// The host in lower case, without port; `None` if it is not one.
fn bare_host(host: &str) -> Option<String> {
    // `[host:port]:path` is another way to name a port.
    let inner = host.strip_prefix('[').and_then(|host| host.split_once(']'));
    let host = match inner {
        Some((inner, port)) => {
            if !is_port(port.strip_prefix(':').unwrap_or(port)) {
                return None;
            }
            if inner.matches(':').count() >= 2 {
                let plain = inner.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.%".contains(&byte));
                return plain.then(|| format!("[{}]", inner.to_ascii_lowercase()));
            }
            inner
        }
        None => host,
    };
    let (host, port) = host.split_once(':').unwrap_or((host, ""));
    let host = host.strip_suffix('.').unwrap_or(host).to_lowercase();
    let plain = host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    (!host.is_empty() && plain && is_port(port)).then_some(host)
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Decodes percent-encoding, where what comes out is text that a path can hold.
fn decode(part: &str) -> String {
    let mut out = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| byte == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(decoded) if decoded > b' ' - 1 && !matches!(decoded, b'/' | b'%' | b'?' | b'#' | 0x7f) => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| part.to_owned())
}

/// What git makes of `url` by the longest of the prefixes that settings replace (`url.<base>.insteadOf`).
pub(super) fn rewritten(url: &str, rules: &[(String, String)]) -> Option<String> {
    let fitting = rules.iter().filter(|(_, prefix)| !prefix.is_empty() && url.starts_with(prefix.as_str()));
    let (base, prefix) = fitting.max_by_key(|(_, prefix)| prefix.len())?;
    Some(format!("{base}{}", url.get(prefix.len()..)?))
}

#[cfg(test)]
mod tests;
