//! A store in a folder, shared by processes that may be killed at any moment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::block_on;
use handoff_core::storage::{DirOptions, DirStorage};
use handoff_core::{AppendRequest, ConversationId, Conversations, Key, Message, PutNew, Storage as _};
use serde::{Deserialize, Serialize};

const JOB: &str = "HANDOFF_TEST_STORE_JOB";

/// What another process does with a store.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Job {
    store: PathBuf,
    /// Whether it waits for the disk.
    sync: bool,
    /// Which of them it is.
    number: usize,
    what: What,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum What {
    /// Creates so many objects, each of which the others create too, and writes down which it won.
    Race { keys: usize, won: PathBuf },
    /// Creates the next number of a log, for ever.
    Log,
    /// Appends so many messages to a conversation.
    Append { conversation: ConversationId, count: usize },
}

impl Job {
    fn spawn(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "flow::storage::child", "--nocapture", "--test-threads=1"])
            .env(JOB, serde_json::to_string(self).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn open(&self) -> DirStorage {
        let mut options = DirOptions::default();
        options.sync = self.sync;
        DirStorage::open_with(&self.store, &options).unwrap()
    }
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// A body that says whose it is, from beginning to end.
fn body(writer: usize, seq: usize) -> Vec<u8> {
    format!("{writer}:{seq} ").repeat(100 + (seq * 37 + writer) % 3_000).into_bytes()
}

fn is_whole(found: &[u8], seq: usize) -> bool {
    (0..8).any(|writer| found == body(writer, seq))
}

/// The other process of these tests.
#[test]
fn child() {
    let Some(job) = std::env::var_os(JOB) else { return };
    let job: Job = serde_json::from_str(job.to_str().unwrap()).unwrap();
    let storage = job.open();
    match &job.what {
        What::Race { keys, won } => {
            let mut mine = Vec::new();
            for seq in 0..*keys {
                let key = key(&format!("race/{:02}/{seq:04}", seq / 50));
                if block_on(storage.put_new(&key, body(job.number, seq).into())).unwrap() == PutNew::Created {
                    mine.push(seq);
                }
            }
            std::fs::write(won, serde_json::to_vec(&mine).unwrap()).unwrap();
        }
        What::Log => {
            for seq in 0.. {
                let _ = block_on(storage.put_new(&number(seq), body(job.number, seq).into())).unwrap();
            }
        }
        What::Append { conversation, count } => {
            let conversations = Conversations::new(Arc::new(storage));
            for turn in 0..*count {
                let message = Message::user(format!("{}.{turn}", job.number));
                block_on(conversations.append(conversation, AppendRequest::new(vec![message]))).unwrap();
            }
        }
    }
}

fn number(seq: usize) -> Key {
    key(&format!("log/l/{seq:012}"))
}

/// A folder for a store, with hard links or with the lock that takes their place.
fn folder(lock: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    std::fs::create_dir(&store).unwrap();
    if lock {
        std::fs::write(store.join(".lock"), "").unwrap();
    }
    dir
}

fn all(jobs: &[Job]) {
    let children: Vec<_> = jobs.iter().map(Job::spawn).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn of_eight_processes_exactly_one_creates_each_object() {
    const KEYS: usize = 300;
    for lock in [false, true] {
        let dir = folder(lock);
        let store = dir.path().join("store");
        let won = |number: usize| dir.path().join(format!("won-{number}"));
        let jobs: Vec<_> = (0..8)
            .map(|number| {
                let what = What::Race { keys: KEYS, won: won(number) };
                Job { store: store.clone(), sync: false, number, what }
            })
            .collect();
        all(&jobs);
        let storage = DirStorage::open(&store).unwrap();
        let mut winners = vec![Vec::new(); KEYS];
        for number in 0..8 {
            let mine: Vec<usize> = serde_json::from_slice(&std::fs::read(won(number)).unwrap()).unwrap();
            mine.into_iter().for_each(|seq| winners[seq].push(number));
        }
        for (seq, winners) in winners.iter().enumerate() {
            assert_eq!(winners.len(), 1, "object {seq}, lock: {lock}");
            let key = key(&format!("race/{:02}/{seq:04}", seq / 50));
            let found = block_on(storage.get(&key, None)).unwrap().unwrap();
            assert!(found == body(winners[0], seq), "object {seq} is not its winner's, lock: {lock}");
        }
        assert_eq!(block_on(storage.list(&key("race"), None, KEYS + 1)).unwrap().len(), KEYS);
        assert_eq!(std::fs::read_dir(store.join(".tmp")).unwrap().count(), 0);
    }
}

#[test]
fn eight_processes_append_to_one_conversation_and_lose_nothing() {
    let dir = folder(false);
    let store = dir.path().join("store");
    let conversations = Conversations::new(Arc::new(DirStorage::open(&store).unwrap()));
    let conversation = block_on(conversations.create(&"ana".parse().unwrap())).unwrap().id;
    let jobs: Vec<_> = (0..8)
        .map(|number| {
            let what = What::Append { conversation, count: 30 };
            Job { store: store.clone(), sync: true, number, what }
        })
        .collect();
    all(&jobs);
    let messages = block_on(conversations.messages(&conversation, 0, usize::MAX)).unwrap();
    assert_eq!(messages.len(), 240);
    for number in 0..8 {
        let of = |message: &Message| Some(message.text.strip_prefix(&format!("{number}."))?.to_owned());
        let said: Vec<_> = messages.iter().filter_map(of).collect();
        assert_eq!(said, (0..30).map(|turn| turn.to_string()).collect::<Vec<_>>(), "writer {number}");
    }
}

/// How many numbers the log has: every one is whole, and none is left out.
fn check_log(store: &Path) -> usize {
    let storage = DirStorage::open(store).unwrap();
    let listed = block_on(storage.list(&key("log"), None, usize::MAX)).unwrap();
    for (seq, meta) in listed.iter().enumerate() {
        assert_eq!(meta.key, number(seq), "a number is left out");
    }
    listed.len()
}

#[test]
fn writers_killed_at_any_moment_leave_no_gap_and_no_torn_object() {
    let rounds = if std::env::var_os("HANDOFF_KILL_ALL").is_some() { 1_000 } else { 100 };
    for lock in [false, true] {
        let dir = folder(lock);
        let store = dir.path().join("store");
        let mut chance = 0x9e37_79b9_u32;
        let mut length = 0;
        let mut round = 0;
        // On a busy machine most are dead before they have written anything; then it takes more of them.
        while round < rounds / 2 || length <= rounds {
            assert!(round < rounds * 20, "hardly anything was written: {length} objects");
            round += 1;
            let mut children: Vec<_> = (0..4)
                .map(|number| {
                    Job { store: store.clone(), sync: round % 2 == 0, number, what: What::Log }.spawn()
                })
                .collect();
            // Not all at once: those left go on beside what the dead ones left behind.
            for child in &mut children {
                chance ^= chance << 13;
                chance ^= chance >> 17;
                chance ^= chance << 5;
                std::thread::sleep(Duration::from_millis(u64::from(chance % 25)));
                child.kill().unwrap();
            }
            for mut child in children {
                child.wait().unwrap();
            }
            if !store.join("log").exists() {
                continue;
            }
            let now = check_log(&store);
            assert!(now >= length, "the log went backwards, lock: {lock}");
            length = now;
        }
        let storage = DirStorage::open(&store).unwrap();
        for seq in 0..length {
            let found = block_on(storage.get(&number(seq), None)).unwrap().unwrap();
            assert!(is_whole(&found, seq), "number {seq} is torn, lock: {lock}");
        }
    }
}
