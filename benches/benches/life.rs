//! What a handoff costs as its parts grow: forks of short and long conversations, the memory of a reader, and what goes on
//! with a run after a small edit. `HANDOFF_BENCH_STRICT=1` makes a missed goal an error.

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use futures_lite::future::block_on;
use handoff_benches::{Done, Sizes, child};
use handoff_core::conformance::Counting;
use handoff_core::storage::{DirOptions, DirStorage};
use handoff_core::{
    ActorId, AppendRequest, CaptureOptions, ConversationId, Conversations, ForkPoint, Message, Snapshots,
    Storage, Workspace, capture,
};

/// Of the time of a fork of ten messages.
const FORK: f64 = 1.2;
/// Of the memory that reading a tenth takes.
const MEMORY: f64 = 1.25;
/// Asked of this same binary: read a conversation and say nothing.
const READ: &str = "HANDOFF_BENCH_READ";

fn main() -> ExitCode {
    handoff_benches::main("life", |sizes| match std::env::var(READ) {
        Ok(what) => read_all(&what),
        Err(_) => run(sizes),
    })
}

fn open(dir: &std::path::Path) -> Done<DirStorage> {
    let mut options = DirOptions::default();
    // The disk's own time would hide everything else.
    options.sync = false;
    Ok(DirStorage::open_with(dir, &options)?)
}

fn run(sizes: &Sizes) -> Done {
    let mut missed = 0;
    let mut judge = |what: &str, ratio: f64, goal: f64| {
        let verdict = if ratio <= goal { "met" } else { "MISSED" };
        missed += usize::from(ratio > goal);
        println!("  {what:<52} {ratio:>7.3}×  ≤ {goal:.2}× {verdict}");
    };
    let out = sizes.out()?;
    let long = if sizes.files < 40_000 { 20_000 } else { 100_000 };
    let ana: ActorId = "ana".parse()?;
    let storage = Counting::new(Arc::new(open(&out.join("store"))?));
    let conversations = Conversations::new(Arc::new(storage.clone()));
    let fill = |count: usize| -> Done<ConversationId> {
        let id = block_on(conversations.create(&ana))?.id;
        for _ in 0..count / 10 {
            let messages = (0..10).map(|_| Message::user("x".repeat(200))).collect();
            block_on(conversations.append(&id, AppendRequest::new(messages)))?;
        }
        Ok(id)
    };
    let (few, tenth, many) = (fill(10)?, fill(long / 10)?, fill(long)?);

    println!("\nthe life of runs");
    // In turn, so that neither always has the warmer store.
    let (mut times, mut requests) = ([Vec::new(), Vec::new()], [0, 0]);
    for _ in 0..sizes.rounds * 20 {
        for ((id, times), requests) in [few, many].iter().zip(&mut times).zip(&mut requests) {
            let before = storage.requests();
            let start = Instant::now();
            block_on(conversations.fork(id, &ForkPoint::Head, &ana))?;
            times.push(start.elapsed().as_secs_f64());
            *requests = (storage.requests() - before).total();
        }
    }
    let [short, long_one] = times.map(median);
    judge(&format!("fork of {long} messages, time ÷ of 10"), long_one / short, FORK);
    let [of_few, of_many] = requests;
    judge(&format!("  requests: {of_many} and {of_few}"), of_many as f64 / of_few as f64, 1.0);

    let reader = |id: &ConversationId| -> Done<f64> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(READ, format!("{}\n{id}", out.join("store").display()));
        Ok(child::used(&command)?.peak_mib)
    };
    let (small, large) = (reader(&tenth)?, reader(&many)?);
    let what = format!("reading {long} messages, peak {large:.1} MiB ÷ of a tenth");
    judge(&what, large / small, MEMORY);

    let laptop = out.join("laptop");
    std::fs::create_dir_all(&laptop)?;
    let git = |args: &[&str]| -> Done {
        let output = handoff_benches::script::git(&laptop, args).output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    };
    git(&["init", "--quiet", "--template="])?;
    let files = sizes.scaled(2_000);
    for number in 0..files {
        std::fs::write(laptop.join(format!("{number}.bin")), noise(number as u64 + 1, 4_000))?;
    }
    let workspace = Workspace::new([&laptop])?;
    let snapshots = Snapshots::new(Arc::new(storage.clone()));
    let first = block_on(snapshots.save(&capture(&workspace, &CaptureOptions::default())?, None))?;
    std::fs::write(laptop.join("0.bin"), "a small edit\n")?;
    let edited = capture(&workspace, &CaptureOptions::default())?;
    let before = storage.requests();
    let second = block_on(snapshots.save(&edited, Some(&first.reference)))?;
    let asked = (storage.requests() - before).total();
    println!("  going on after one edit in {files} files: {asked} requests");
    judge("  contents uploaded ÷ contents changed", second.new_blobs as f64, 1.0);
    match std::env::var_os("HANDOFF_BENCH_STRICT").is_some_and(|strict| strict != "0") && missed > 0 {
        true => Err(format!("{missed} goals missed").into()),
        false => Ok(()),
    }
}

/// Reads a whole conversation, a page at a time, as a host shows one.
fn read_all(what: &str) -> Done {
    let (dir, id) = what.split_once('\n').ok_or("no conversation is named")?;
    let storage: Arc<dyn Storage> = Arc::new(open(dir.as_ref())?);
    let (conversations, id) = (Conversations::new(storage), id.parse()?);
    let mut from = 0;
    loop {
        let page = block_on(conversations.messages(&id, from, 500))?;
        if page.is_empty() {
            return Ok(());
        }
        from += page.len() as u64;
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Bytes that do not compress.
fn noise(mut seed: u64, len: usize) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}
