//! Bodies: seen by all, cut where asked, replaced as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::bench::{Bench, ensure, noise, said};
use crate::storage::{Key, PutNew, Storage};

async fn holds(storage: &dyn Storage, key: &Key, expected: Option<&[u8]>, when: &str) -> Result<(), String> {
    let found = storage.get(key, None).await.map_err(|error| said("reading", &error))?;
    ensure(found.as_deref() == expected, || format!("{when}, another handle reads something else"))?;
    let Some((folder, _)) = key.as_str().rsplit_once('/') else {
        return Err("a key without a folder".into());
    };
    let folder: Key = folder.parse().map_err(|why| format!("{why}"))?;
    let listed = storage.list(&folder, None, 100).await.map_err(|error| said("listing", &error))?;
    let listed = listed.iter().find(|meta| meta.key == *key).map(|meta| meta.size);
    ensure(listed == expected.map(|body| body.len() as u64), || {
        format!("{when}, another handle lists {listed:?} bytes")
    })
}

pub(super) async fn seen_by_all(bench: &Bench) -> Result<(), String> {
    let (one, two) = (&bench.storage, bench.other());
    for round in 0..5 {
        let key = bench.key(&format!("seen/{round}"))?;
        holds(&*two, &key, None, "before anything").await?;
        one.put_new(&key, "created".into()).await.map_err(|error| said("creating", &error))?;
        holds(&*two, &key, Some(b"created"), "after put_new").await?;
        one.put(&key, "put".into()).await.map_err(|error| said("writing", &error))?;
        holds(&*two, &key, Some(b"put"), "after put").await?;
        let stream = Box::pin(futures_lite::stream::iter([Ok(Bytes::from("streamed"))]));
        one.put_stream(&key, stream).await.map_err(|error| said("streaming", &error))?;
        holds(&*two, &key, Some(b"streamed"), "after put_stream").await?;
        one.delete(std::slice::from_ref(&key)).await.map_err(|error| said("deleting", &error))?;
        holds(&*two, &key, None, "after delete").await?;
        let put = two.put_new(&key, "again".into()).await.map_err(|error| said("creating", &error))?;
        ensure(put == PutNew::Created, || "what was deleted cannot be created again".to_owned())?;
        holds(&**one, &key, Some(b"again"), "after put_new by the other").await?;
    }
    Ok(())
}

pub(super) async fn ranges(bench: &Bench) -> Result<(), String> {
    let key = bench.key("ranged")?;
    let body = noise(1, 1_000);
    bench.storage.put_new(&key, body.clone().into()).await.map_err(|error| said("creating", &error))?;
    for (start, end) in [
        (0, 0),
        (0, 1),
        (0, 1_000),
        (0, 1_001),
        (5, 10),
        (990, 1_000),
        (990, 2_000),
        (999, 1_000),
        (999, u64::MAX),
        (1_000, 1_000),
        (1_000, 1_001),
        (5_000, 6_000),
        (10, 5),
        (u64::MAX - 1, u64::MAX),
    ] {
        let found = bench.storage.get(&key, Some(start..end)).await;
        let found = found.map_err(|error| said(&format!("reading {start}..{end}"), &error))?;
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
        let expected = body.get(within(start)..within(end)).unwrap_or_default();
        ensure(found.as_deref() == Some(expected), || {
            format!("{start}..{end} of 1,000 bytes gave {:?} bytes", found.map(|found| found.len()))
        })?;
    }
    Ok(())
}

pub(super) async fn absent(bench: &Bench) -> Result<(), String> {
    bench.fill(&[bench.key("some/thing")?]).await?;
    // Never there, a folder, and below an object.
    for name in ["nothing", "some", "some/thing/below", "so", "some/thin", "a/b/c/d"] {
        let key = bench.key(name)?;
        for range in [None, Some(0..10), Some(5..5)] {
            let found = bench.storage.get(&key, range).await.map_err(|error| said("reading", &error))?;
            ensure(found.is_none(), || format!("{name} gave {found:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn large(bench: &Bench) -> Result<(), String> {
    let key = bench.key("large")?;
    let body = Bytes::from(noise(2, 16 << 20));
    bench.storage.put_new(&key, body.clone()).await.map_err(|error| said("creating", &error))?;
    ensure(bench.get(&key).await?.as_ref() == Some(&body), || "it came back otherwise".to_owned())?;
    let found =
        bench.storage.get(&key, Some(7 << 20..9 << 20)).await.map_err(|error| said("reading", &error))?;
    ensure(found.as_deref() == body.get(7 << 20..9 << 20), || "its middle came back otherwise".to_owned())
}

pub(super) async fn replaced(bench: &Bench) -> Result<(), String> {
    let key = bench.key("hint")?;
    for body in ["a first and long body", "short", "", "longer again"] {
        bench.storage.put(&key, body.into()).await.map_err(|error| said("writing", &error))?;
        let found = bench.get(&key).await?;
        ensure(found.as_deref() == Some(body.as_bytes()), || format!("{body:?} came back as {found:?}"))?;
    }
    let put = bench.storage.put_new(&key, "new".into()).await.map_err(|error| said("creating", &error))?;
    ensure(put == PutNew::Exists, || "what was put can be created".to_owned())
}

/// A body of which every byte says how long it is.
fn uniform(number: u8) -> Bytes {
    Bytes::from(vec![number; 20_000 + usize::from(number) * 1_000])
}

pub(super) async fn never_torn(bench: &Bench) -> Result<(), String> {
    let key = bench.key("replaced/often")?;
    bench.storage.put(&key, uniform(0)).await.map_err(|error| said("writing", &error))?;
    let done = Arc::new(AtomicBool::new(false));
    let work = move |number: usize, storage: Arc<dyn Storage>| {
        let (key, done) = (key.clone(), Arc::clone(&done));
        async move {
            if number == 0 {
                let write = async {
                    for body in (0..100).cycle().take(200) {
                        storage.put(&key, uniform(body)).await.map_err(|error| said("writing", &error))?;
                    }
                    Ok(())
                };
                let written = write.await;
                done.store(true, Ordering::SeqCst);
                return written;
            }
            while !done.load(Ordering::SeqCst) {
                let found = storage.get(&key, None).await.map_err(|error| said("reading", &error))?;
                let found = found.ok_or("it was gone for a moment")?;
                let whole = found.first().is_some_and(|first| found == uniform(*first));
                ensure(whole, || format!("a reader saw {} bytes of a mixture or a part", found.len()))?;
            }
            Ok(())
        }
    };
    bench.apart(3, work).await.map(drop)
}
