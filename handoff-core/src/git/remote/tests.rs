//! Forms of locations, and what they must never say.

use super::{names_of, rewritten};

/// Each row: what it is known by, and the ways of writing it.
const ONE_NAME: &[(&str, &[&str])] = &[
    (
        "github.com/o/r",
        &[
            "https://github.com/o/r.git",
            "https://github.com/o/r",
            "https://github.com/o/r/",
            "https://github.com//o/r.git//",
            "https://user:secret@GitHub.com/O/R",
            "https://ghp_token@github.com/o/r",
            "https://x-access-token:ghs_token@github.com/o/r.git",
            "https://user:p%40ss@github.com:443/o/r.git?token=secret#secret",
            "https://user:p@ss@github.com/o/r",
            "http://www.github.com/o/r",
            "ssh://git@github.com:22/o/r.git/",
            "ssh://git@ssh.github.com:443/o/r.git",
            "git@ssh.github.com:o/r.git",
            "git+ssh://git@github.com/o/r",
            "git@github.com:o/r.git",
            "GIT@GITHUB.COM:o/r.git",
            "github.com:/o/r",
            "git@[github.com:22]:o/r",
            "git://github.com/o/r",
            "  https://github.com./o/r\n",
            "HTTPS://github.com/o/./r",
        ],
    ),
    (
        "gist.github.com/0123abcd",
        &["https://gist.github.com/0123abcd.git", "git@gist.github.com:0123ABCD.git"],
    ),
    (
        "gitlab.com/group/sub/deeper/r",
        &[
            "https://gitlab.com/group/sub/deeper/r.git",
            "https://oauth2:glpat-secret@gitlab.com/Group/Sub/deeper/r.git",
            "https://gitlab-ci-token:secret@gitlab.com/group/sub/deeper/r",
            "git@gitlab.com:group/sub/deeper/r.git",
            "ssh://git@altssh.gitlab.com:443/group/sub/deeper/r.git",
        ],
    ),
    (
        "bitbucket.org/team/r",
        &[
            "https://someone@bitbucket.org/team/r.git",
            "https://x-token-auth:secret@bitbucket.org/Team/r.git",
            "git@bitbucket.org:team/r.git",
            "ssh://git@altssh.bitbucket.org:443/team/r.git",
        ],
    ),
    (
        "dev.azure.com/org/my project/r",
        &[
            "https://dev.azure.com/org/My%20Project/_git/r",
            "https://org@dev.azure.com/org/My%20Project/_git/R",
            "https://org:secret@dev.azure.com/org/My%20Project/_git/_optimized/r",
            "https://org.visualstudio.com/My%20Project/_git/r",
            "https://org.visualstudio.com/DefaultCollection/My%20Project/_git/r",
            "git@ssh.dev.azure.com:v3/org/My%20Project/r",
            "ssh://git@ssh.dev.azure.com/v3/org/My%20Project/r",
            "ssh://git@ssh.dev.azure.com:22/v3/org/My%20Project/r",
            "org@vs-ssh.visualstudio.com:v3/org/My%20Project/r",
            "ssh://org@vs-ssh.visualstudio.com:22/My%20Project/_ssh/r",
        ],
    ),
    (
        "dev.azure.com/org/r/r",
        &[
            "https://dev.azure.com/org/_git/r",
            "https://dev.azure.com/org/r/_git/r",
            "https://org.visualstudio.com/_git/r",
            "ssh://org@vs-ssh.visualstudio.com/_ssh/r",
        ],
    ),
    (
        "git.sr.ht/~user/r",
        &["https://git.sr.ht/~user/r", "git@git.sr.ht:~user/r", "ssh://git@git.sr.ht/~user/r"],
    ),
    (
        // The case of a path is the server's business where we do not know it.
        "code.example.com/Team/Repo",
        &[
            "https://code.example.com/Team/Repo.git",
            "https://token@code.example.com:8443/Team/Repo",
            "ssh://git@code.example.com:2222/Team/Repo.git",
            "gitea@CODE.example.com:Team/Repo.git",
            "git://code.example.com:9418/Team/Repo.git",
            "ftps://code.example.com/Team/Repo.git",
        ],
    ),
    ("stash.example.com/~user/r", &["ssh://git@stash.example.com:7999/~user/r.git"]),
    (
        "host.example.com/srv/git/r",
        &["git@host.example.com:/srv/git/r.git", "ssh://host.example.com/srv/git/r"],
    ),
    (
        "[2001:db8::1]/o/r",
        &["ssh://git@[2001:DB8::1]:22/o/r.git", "git@[2001:db8::1]:o/r", "https://[2001:db8::1]/o/r"],
    ),
    ("intranet/o/r", &["ssh://git@intranet/o/r.git", "intranet:o/r.git", "http://intranet:8080/o/r"]),
    ("bücher.example/o/r", &["https://BÜCHER.example/o/r"]),
    ("h.example/a b/ü/r", &["https://h.example/a%20b/%C3%BC/r.git"]),
    ("h.example/a%2Fb/%FF/100%/r", &["https://h.example/a%2Fb/%FF/100%/r"]),
    ("h.example/@scope/r", &["https://h.example/@scope/r.git"]),
    ("h.example/r.github.io", &["https://h.example/r.github.io", "https://h.example/r.github.io.git"]),
];

/// Servers with a prefix over HTTP: one of the names is that over SSH.
const PREFIXED: &[(&str, &str)] = &[
    ("https://stash.example.com/scm/~user/r.git", "ssh://git@stash.example.com:7999/~user/r.git"),
    ("https://stash.example.com/scm/proj/r.git", "ssh://git@stash.example.com:7999/proj/r.git"),
    ("https://lab.example.com/scm/team/r.git", "git@lab.example.com:scm/team/r.git"),
    ("https://review.example.com/a/plugins/r", "ssh://me@review.example.com:29418/plugins/r"),
    ("https://review.example.com/a/r", "https://review.example.com/r"),
    ("https://code.example.com/a/r", "git@code.example.com:a/r.git"),
];

#[test]
fn one_repository_has_one_name_however_it_is_written() {
    for (name, urls) in ONE_NAME {
        for url in *urls {
            assert_eq!(names_of(url), [*name], "{url}");
        }
    }
    for (web, ssh) in PREFIXED {
        let names = names_of(web);
        assert!(names_of(ssh).iter().any(|name| names.contains(name)), "{web} {ssh} {names:?}");
    }
    assert_eq!(names_of("https://github.com/a/r"), ["github.com/a/r"], "a user's name");
}

#[test]
fn different_repositories_have_different_names() {
    let mut seen = std::collections::BTreeSet::new();
    for (name, _) in ONE_NAME {
        assert!(seen.insert(*name));
    }
    for (a, b) in [
        ("https://github.com/o/r", "https://github.com/o/r2"),
        ("https://github.com/o/r", "https://gitlab.com/o/r"),
        ("https://code.example.com/o/r", "https://code.example.com/o/R"),
        ("https://dev.azure.com/org/p/_git/r", "https://dev.azure.com/org/q/_git/r"),
        ("https://h.example/a%2Fb/r", "https://h.example/a/b/r"),
    ] {
        assert_ne!(names_of(a), names_of(b));
    }
}

#[test]
fn what_is_on_this_machine_or_unclear_has_no_name() {
    for url in [
        "",
        "/srv/git/r.git",
        "file:///srv/r",
        "FILE://host/srv/r",
        "../r",
        "./a:b",
        "r",
        "C:\\r",
        "C:/r",
        "c:r",
        "\\\\server\\share\\r",
        "\\\\?\\C:\\r",
        "//server/share/r",
        "https://localhost:3000/o/r",
        "git@localhost:o/r",
        "http://127.0.0.1/o/r",
        "ssh://[::1]:22/r",
        "https://github.com",
        "https://github.com/",
        "https://github.com/.git",
        "git@github.com:",
        "https:///o/r",
        "https://h.example/../r",
        "ext::sh -c 'secret'",
        "ext::ssh -i key://secret %S host",
        "codecommit::eu-west-1://profile@r",
        "persistent-https://h.example/r",
        // A password with a slash that nobody encoded.
        "https://user:se/cret@h.example/o/r",
        "https://se/cret@h.example/o/r",
        "https://h ost/o/r",
        "https://h.example:secret/o/r",
        "https://dev.azure.com/org",
        "https://dev.azure.com/org/p/r",
        "ssh://vs-ssh.visualstudio.com/p/_ssh/r",
    ] {
        assert_eq!(names_of(url), [""; 0], "{url:?}");
    }
}

#[test]
fn no_name_holds_a_secret() {
    for (_, urls) in ONE_NAME {
        for name in urls.iter().flat_map(|url| names_of(url)) {
            for part in ["secret", "token", "glpat", "ghp", "p@ss", "oauth2"] {
                assert!(!name.contains(part), "{name}");
            }
        }
    }
}

#[test]
fn the_longest_prefix_is_replaced() {
    let rules = [("https://h.example/", "gh:"), ("https://mirror/", "https://"), ("x", "")]
        .map(|(base, prefix)| (base.to_owned(), prefix.to_owned()));
    assert_eq!(rewritten("gh:o/r", &rules).as_deref(), Some("https://h.example/o/r"));
    assert_eq!(rewritten("https://a/o", &rules).as_deref(), Some("https://mirror/a/o"));
    assert_eq!(rewritten("ssh://a/o", &rules), None);
}
