//! Passes that a storage breaks off.

use super::*;

/// A storage that fails at every call in turn, and one that fails by chance: what is needed stays, and a later pass ends it.
#[test]
fn a_pass_that_breaks_off_anywhere_does_no_harm() {
    for at in 0.. {
        let scene = Scene::new();
        let run = scene.start(WorkspaceSource::Snapshot(scene.state("of the run")));
        scene.save("of nobody", None);
        scene.clock.days(2);
        scene.collect();
        scene.clock.days(2);
        let calls = Arc::new(Mutex::new(0));
        let failing = FailsAt { inner: scene.memory.clone(), at, calls: Arc::clone(&calls) };
        let broke = block_on(hub(Arc::new(failing), &scene.clock).collect(&CollectOptions::default()));
        let reference = run.sessions[0].snapshot_in.clone().unwrap();
        block_on(scene.hub.snapshots().load(&reference)).unwrap();
        scene.collect_all();
        block_on(scene.hub.snapshots().load(&reference)).unwrap();
        assert_eq!((scene.keys("s").len(), scene.keys("k").len()), (1, 1), "after a failure at call {at}");
        if *calls.lock().unwrap() <= at {
            broke.unwrap();
            assert!(at > 10, "{at} calls are no pass");
            break;
        }
    }
    let scene = Scene::new();
    let run = scene.start(WorkspaceSource::Snapshot(scene.state("of the run")));
    scene.save("of nobody", None);
    let faulty = Faulty::new(Arc::new(scene.memory.clone()), 7, 60);
    let over = hub(Arc::new(faulty.clone()), &scene.clock);
    for _ in 0..12 {
        scene.clock.days(2);
        let _ = block_on(over.collect(&CollectOptions::default()));
    }
    assert!(faulty.happened(Fault::After) > 0, "{faulty:?}");
    assert_eq!((scene.keys("s").len(), scene.keys("k").len()), (1, 1));
    block_on(scene.hub.snapshots().load(&run.sessions[0].snapshot_in.clone().unwrap())).unwrap();
}

#[derive(Clone)]
struct FailsAt {
    inner: MemoryStorage,
    at: u64,
    calls: Arc<Mutex<u64>>,
}

impl FailsAt {
    fn call(&self) -> Result<(), crate::storage::StorageError> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        if *calls - 1 == self.at { Err(crate::storage::StorageError::new("by design")) } else { Ok(()) }
    }
}

#[async_trait]
impl Storage for FailsAt {
    async fn put_new(
        &self,
        key: &Key,
        body: bytes::Bytes,
    ) -> Result<crate::storage::PutNew, crate::storage::StorageError> {
        self.call()?;
        self.inner.put_new(key, body).await
    }

    async fn put(&self, key: &Key, body: bytes::Bytes) -> Result<(), crate::storage::StorageError> {
        self.call()?;
        self.inner.put(key, body).await
    }

    async fn put_stream(
        &self,
        key: &Key,
        body: crate::storage::BodyStream,
    ) -> Result<(), crate::storage::StorageError> {
        self.call()?;
        self.inner.put_stream(key, body).await
    }

    async fn get(
        &self,
        key: &Key,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Option<bytes::Bytes>, crate::storage::StorageError> {
        self.call()?;
        self.inner.get(key, range).await
    }

    async fn list(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<crate::storage::Meta>, crate::storage::StorageError> {
        self.call()?;
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), crate::storage::StorageError> {
        self.call()?;
        // Half of it is done.
        self.inner.delete(&keys[..keys.len() / 2]).await?;
        self.call()?;
        self.inner.delete(keys).await
    }
}
