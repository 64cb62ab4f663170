//! A world of events for tests: time, chance, and storages that are far away.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::Clock;
use crate::storage::{BodyStream, Key, MemoryStorage, Meta, PutNew, Storage, StorageError};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How bad it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Short delays.
    Light,
    /// Delays of minutes, doubled and lost requests, lost answers.
    Heavy,
}

#[derive(Clone)]
pub(super) struct World {
    inner: Arc<Mutex<Inner>>,
    trouble: Trouble,
}

struct Inner {
    /// Microseconds since the beginning.
    now: u64,
    chance: u64,
    /// Which task is at work.
    current: usize,
    tasks: Vec<Option<Task>>,
    /// When whom to wake; chance decides among those of one moment.
    events: BinaryHeap<Reverse<(u64, u64, usize)>>,
    /// When each host's last sign of life took effect.
    signs: Vec<u64>,
}

impl World {
    pub(super) fn new(seed: u64, trouble: Trouble) -> Self {
        let inner = Inner {
            now: 0,
            chance: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            current: 0,
            tasks: Vec::new(),
            events: BinaryHeap::new(),
            signs: vec![0; 8],
        };
        Self { inner: Arc::new(Mutex::new(inner)), trouble }
    }

    /// A number below `most`.
    pub(super) fn below(&self, most: u64) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        inner.next() % most.max(1)
    }

    pub(super) fn now(&self) -> Duration {
        Duration::from_micros(self.inner.lock().unwrap().now)
    }

    pub(super) fn last_sign_of(&self, host: usize) -> Duration {
        Duration::from_micros(self.inner.lock().unwrap().signs[host])
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut inner = self.inner.lock().unwrap();
        let number = inner.tasks.len();
        inner.tasks.push(Some(Box::pin(task)));
        let (now, tie) = (inner.now, inner.next());
        inner.events.push(Reverse((now, tie, number)));
    }

    /// Until nothing is left to happen.
    pub(super) fn run(&self) {
        loop {
            let (number, mut task) = {
                let mut inner = self.inner.lock().unwrap();
                let Some(Reverse((at, _, number))) = inner.events.pop() else { return };
                inner.now = inner.now.max(at);
                inner.current = number;
                let Some(task) = inner.tasks[number].take() else { continue };
                (number, task)
            };
            if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                self.inner.lock().unwrap().tasks[number] = Some(task);
            }
        }
    }

    pub(super) async fn pause(&self, micros: u64) {
        let until = self.inner.lock().unwrap().now + micros;
        let mut asked = false;
        std::future::poll_fn(move |_| {
            let mut inner = self.inner.lock().unwrap();
            if inner.now >= until {
                return Poll::Ready(());
            }
            if !asked {
                asked = true;
                let (tie, task) = (inner.next(), inner.current);
                inner.events.push(Reverse((until, tie, task)));
            }
            Poll::Pending
        })
        .await;
    }
}

impl Inner {
    fn next(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

/// A host's clocks: the monotonic one drifts, the time of day jumps by up to an hour either way.
pub(super) struct HostClock {
    world: World,
    offset: u64,
    /// Millionths faster or slower.
    drift: i64,
}

impl HostClock {
    pub(super) fn new(world: &World) -> Self {
        let offset = world.below(1 << 40);
        Self { world: world.clone(), offset, drift: world.below(2_001) as i64 - 1_000 }
    }
}

#[async_trait]
impl Clock for HostClock {
    fn monotonic(&self) -> Duration {
        let now = self.world.inner.lock().unwrap().now;
        Duration::from_micros(self.offset + now.saturating_add_signed(now as i64 / 1_000_000 * self.drift))
    }

    fn now(&self) -> SystemTime {
        let jump = self.world.below(7_200);
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + jump) + self.world.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.world.pause(duration.as_micros() as u64 + 1).await;
    }
}

/// The clock of a storage, which is right.
pub(super) struct TrueClock(pub(super) World);

#[async_trait]
impl Clock for TrueClock {
    fn monotonic(&self) -> Duration {
        self.0.now()
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.pause(duration.as_micros() as u64).await;
    }
}

/// One host's way to the storage that all share.
pub(super) struct HostStorage {
    world: World,
    memory: MemoryStorage,
    host: usize,
    /// Creates what is there already, as stores do that ignore the condition.
    overwrites: bool,
}

impl HostStorage {
    pub(super) fn new(world: &World, memory: MemoryStorage, host: usize) -> Self {
        Self { world: world.clone(), memory, host, overwrites: false }
    }

    pub(super) fn overwriting(mut self) -> Self {
        self.overwrites = true;
        self
    }

    /// The way there or back.
    async fn way(&self) {
        let heavy = self.world.trouble == Trouble::Heavy;
        let micros = match self.world.below(100) {
            0 if heavy => self.world.below(200_000_000),
            _ => self.world.below(15_000),
        };
        self.world.pause(micros).await;
    }

    fn lost(&self) -> bool {
        self.world.trouble == Trouble::Heavy && self.world.below(200) < 2
    }

    /// A request that comes twice, the second time whenever.
    fn double(&self, again: impl Future<Output = ()> + Send + 'static) {
        if self.world.trouble == Trouble::Heavy && self.world.below(100) < 5 {
            let world = self.world.clone();
            self.world.spawn(async move {
                let late = world.below(200_000_000);
                world.pause(late).await;
                again.await;
            });
        }
    }

    fn sign(&self, key: &Key) {
        if key.as_str().starts_with("r/") {
            let mut inner = self.world.inner.lock().unwrap();
            inner.signs[self.host] = inner.now;
        }
    }
}

#[async_trait]
impl Storage for HostStorage {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        self.way().await;
        if self.lost() {
            return Err(StorageError::new("the request was lost"));
        }
        let (memory, key_again, again) = (self.memory.clone(), key.clone(), body.clone());
        self.double(async move {
            let _ = memory.put_new(&key_again, again).await;
        });
        let put = if self.overwrites {
            self.memory.put(key, body).await.map(|()| PutNew::Created)
        } else {
            self.memory.put_new(key, body).await
        };
        self.sign(key);
        self.way().await;
        if self.lost() { Err(StorageError::retryable("the answer was lost")) } else { put }
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        // Hints depend on the machine's own clock, which is not of this world.
        if key.as_str().ends_with("/hint") {
            return Ok(());
        }
        self.way().await;
        if self.lost() {
            return Err(StorageError::new("the request was lost"));
        }
        let (memory, key_again, again) = (self.memory.clone(), key.clone(), body.clone());
        self.double(async move {
            let _ = memory.put(&key_again, again).await;
        });
        self.memory.put(key, body).await?;
        self.sign(key);
        self.way().await;
        if self.lost() { Err(StorageError::new("the answer was lost")) } else { Ok(()) }
    }

    async fn put_stream(&self, key: &Key, body: BodyStream) -> Result<(), StorageError> {
        self.memory.put_stream(key, body).await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        self.way().await;
        if self.lost() {
            return Err(StorageError::new("the request was lost"));
        }
        let got = self.memory.get(key, range).await;
        self.way().await;
        got
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        self.memory.list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        self.memory.delete(keys).await
    }
}
