//! Bodies of the fuzz targets, as plain functions: stable Rust replays the committed seeds through them in every
//! test run, and `cargo fuzz` drives the same functions with coverage. A panic is a finding.

use handoff_core::snapshot::Limits;
use handoff_core::{Manifest, RelPath, Snapshot};

/// One target: its name, which is also the directory of its seeds, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[("bundle", bundle), ("manifest", manifest), ("path", path)];

/// A bundle from anywhere: refused with an error, or read, and then the same after being written again.
pub fn bundle(data: &[u8]) {
    // Small enough that no input can make the fuzzer itself run out of memory.
    let mut limits = Limits::default();
    limits.blob_bytes = 4 << 20;
    limits.total_bytes = 16 << 20;
    let Ok(snapshot) = Snapshot::read_from_with(data, &limits) else { return };
    for repo in &snapshot.manifest().repos {
        for entry in &repo.entries {
            let states = [&entry.head, &entry.index, &entry.worktree];
            for blob in states.into_iter().flatten().filter_map(|state| state.blob) {
                // Each content was checked on reading, so each is there.
                let content = snapshot.blob(&blob);
                assert!(content.is_ok(), "a bundle was accepted without content {blob}: {content:?}");
            }
        }
    }
    let mut written = Vec::new();
    assert!(snapshot.write_to(&mut written).is_ok(), "what was read cannot be written");
    match Snapshot::read_from_with(written.as_slice(), &limits) {
        Ok(again) => assert_eq!(again.id(), snapshot.id(), "writing changed the snapshot"),
        Err(why) => panic!("what was written cannot be read: {why}"),
    }
}

/// A manifest from anywhere: refused, or read, and then its canonical form is the very same bytes.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = Manifest::from_canonical(data, &Limits::default()) else { return };
    match manifest.to_canonical() {
        Ok(written) => assert_eq!(written, data, "two forms of one manifest were accepted"),
        Err(why) => panic!("what was read cannot be written: {why}"),
    }
    assert!(manifest.id().is_ok());
}

/// A path of any bytes: its JSON form gives it back, and its text form can neither break a line of a report
/// nor steer a terminal.
pub fn path(data: &[u8]) {
    let path = RelPath::new(data);
    let json = serde_json::to_vec(&path).ok();
    let back = json.as_deref().and_then(|json| serde_json::from_slice::<RelPath>(json).ok());
    assert_eq!(back.as_ref(), Some(&path), "the JSON form lost something");
    let shown = path.to_string();
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!shown.contains(steers), "{shown:?} is not safe to print");
    if let Some(parent) = path.parent() {
        let joined = [parent, b"/", path.name()].concat();
        assert_eq!(joined, path.as_bytes(), "parent and name are not the whole");
    } else {
        assert_eq!(path.name(), path.as_bytes());
    }
}
