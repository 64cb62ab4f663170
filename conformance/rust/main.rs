//! The scenarios of `conformance/cases`, by way of the public interface of `handoff-core`. `cargo xtask parity` compares
//! what every language says. `HANDOFF_TRANSCRIPTS` names a folder for the transcript.
#![allow(
    clippy::result_large_err,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod agent;
mod case;
mod data;
mod disk;
mod expect;
mod given;
mod ports;
mod steps;
mod world;

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use disk::Templates;
use world::World;

#[test]
fn every_scenario_ends_as_it_says() {
    let all = case::scenarios();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let templates = Templates::new(root.join("templates"));
    let next = AtomicUsize::new(0);
    let ended: Vec<Mutex<Result<String, String>>> =
        all.iter().map(|_| Mutex::new(Err("it did not run".into()))).collect();
    let work = || {
        while let Some(scenario) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let number = next.load(Ordering::Relaxed);
            let at = all.iter().position(|one| std::ptr::eq(one, scenario)).unwrap_or(number);
            let place = root.join(format!("s{at}"));
            std::fs::create_dir(&place).unwrap();
            let ran = catch_unwind(AssertUnwindSafe(|| World::new(scenario, &place, &templates).run()));
            *ended[at].lock().unwrap() = ran.unwrap_or_else(|why| Err(said(&*why)));
            let _ = std::fs::remove_dir_all(place);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let (mut transcript, mut wrong) = (String::new(), String::new());
    for (scenario, ended) in all.iter().zip(ended) {
        match ended.into_inner().unwrap() {
            Ok(lines) => transcript.push_str(&lines),
            Err(why) => writeln!(wrong, "{}/{}: {why}", scenario.area, scenario.name).unwrap(),
        }
    }
    if let Some(to) = std::env::var_os("HANDOFF_TRANSCRIPTS") {
        std::fs::create_dir_all(&to).unwrap();
        std::fs::write(std::path::Path::new(&to).join("rust.tsv"), transcript).unwrap();
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The words of a panic.
fn said(why: &(dyn std::any::Any + Send)) -> String {
    let text = why.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| why.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
