//! Lists and deletions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bench::{Bench, ensure, said, text};
use crate::storage::{Key, PutNew, Storage};

async fn page(
    storage: &dyn Storage,
    prefix: &Key,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<Key>, String> {
    let listed = storage.list(prefix, after, limit).await.map_err(|error| said("listing", &error))?;
    ensure(listed.len() <= limit, || format!("{} items for a limit of {limit}", listed.len()))?;
    Ok(listed.into_iter().map(|meta| meta.key).collect())
}

pub(super) async fn sorted(bench: &Bench) -> Result<(), String> {
    // In the order of their bytes '-' and '.' come before '/', and digits after it.
    let names = [
        "p-/x", "p-q", "p.", "p./x", "p.q/a", "p/0", "p/00", "p/1", "p/a-b", "p/a.b", "p/a/b", "p/a/c/d",
        "p/a0", "p/a_", "p/b", "p/b-c", "p0", "p0/x", "p_/x", "pp/x",
    ];
    // Some of these would be an object and a folder at once.
    let names: Vec<_> = names.into_iter().filter(|name| !["p.", "p0"].contains(name)).collect();
    let mut keys = bench.keys(names)?;
    // Not created in their order.
    keys.reverse();
    bench.fill(&keys).await?;
    keys.sort();
    let all = bench.storage.list(&bench.prefix, None, 100).await.map_err(|error| said("listing", &error))?;
    for (meta, key) in all.iter().zip(&keys) {
        ensure(meta.key == *key, || format!("{} was listed where {key} belongs", meta.key))?;
        ensure(meta.size == text(key).len() as u64, || format!("{key} was listed with {} bytes", meta.size))?;
    }
    ensure(all.len() == keys.len(), || format!("{} of {} were listed", all.len(), keys.len()))?;
    for name in ["p", "p/a", "p-", "p.q", "nothing", "p/b"] {
        let prefix = bench.key(name)?;
        let below: Vec<_> =
            keys.iter().filter(|key| **key != prefix && key.is_below(&prefix)).cloned().collect();
        let found = page(&*bench.storage, &prefix, None, 100).await?;
        ensure(found == below, || format!("below {name}, {found:?} was listed"))?;
    }
    Ok(())
}

pub(super) async fn pages(bench: &Bench) -> Result<(), String> {
    let mut keys = bench.keys((0..2_345).map(|number| match number % 3 {
        0 => format!("flat-{number:05}"),
        1 => format!("day/{:03}/{number:05}", number / 100),
        _ => format!("one/{number:05}"),
    }))?;
    bench.fill(&keys).await?;
    keys.sort();
    for limit in [keys.len() + 1, keys.len(), 1_000, 997] {
        let mut found = Vec::new();
        loop {
            let some = page(&*bench.storage, &bench.prefix, found.last(), limit).await?;
            found.extend_from_slice(&some);
            // A list that ignores `after` would go on for ever.
            if some.len() < limit || found.len() > keys.len() {
                break;
            }
        }
        ensure(found == keys, || format!("pages of {limit} gave {} of {} keys", found.len(), keys.len()))?;
    }
    // Continuing after any key, there or not, in the prefix or not.
    let names = ["flat-00003", "flat-00004", "day/010/01000", "day/010", "day", "one/zzz", "zzz", "-"];
    let mut after = bench.keys(names)?;
    after.extend(["0".parse(), "zzz".parse()].into_iter().flatten());
    after.push(bench.prefix.clone());
    for after in after {
        for limit in [0, 1, 20] {
            let expected: Vec<_> = keys.iter().filter(|key| **key > after).take(limit).cloned().collect();
            let found = page(&*bench.storage, &bench.prefix, Some(&after), limit).await?;
            ensure(found == expected, || format!("{limit} after {after} gave {found:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn stable(bench: &Bench) -> Result<(), String> {
    let stays = bench.keys((0..60).map(|number| format!("day/{}/stays-{number:03}", number / 10)))?;
    let goes = bench.keys((0..60).map(|number| format!("day/{}/goes-{number:03}", number / 10)))?;
    bench.fill(&stays).await?;
    let done = Arc::new(AtomicBool::new(false));
    let (prefix, kept) = (bench.prefix.clone(), stays.clone());
    let work = move |number: usize, storage: Arc<dyn Storage>| {
        let (prefix, stays, goes, done) = (prefix.clone(), kept.clone(), goes.clone(), Arc::clone(&done));
        async move {
            if number == 0 {
                let change = async {
                    for _ in 0..4 {
                        for key in &goes {
                            storage.put(key, text(key)).await.map_err(|error| said("writing", &error))?;
                        }
                        storage.delete(&goes).await.map_err(|error| said("deleting", &error))?;
                    }
                    Ok(())
                };
                let changed = change.await;
                done.store(true, Ordering::SeqCst);
                return changed;
            }
            while !done.load(Ordering::SeqCst) {
                let mut found = Vec::new();
                loop {
                    let some = page(&*storage, &prefix, found.last(), 25).await?;
                    found.extend_from_slice(&some);
                    if some.len() < 25 || found.len() > 1_000 {
                        break;
                    }
                }
                ensure(found.is_sorted(), || "a list beside changes was not sorted".to_owned())?;
                let missing = stays.iter().find(|key| found.binary_search(key).is_err());
                ensure(missing.is_none(), || format!("{missing:?} was missing from a list beside changes"))?;
            }
            Ok(())
        }
    };
    bench.apart(2, work).await.map(drop)
}

pub(super) async fn deleted(bench: &Bench) -> Result<(), String> {
    let keys = bench.keys(["a", "b/1", "b/2", "b/22", "c/d/e"])?;
    bench.fill(&keys).await?;
    let delete = |names: &'static [&'static str]| async move {
        let keys = bench.keys(names.iter())?;
        bench.storage.delete(&keys).await.map_err(|error| said("deleting", &error))
    };
    delete(&[]).await?;
    delete(&["nothing", "b", "b/1/below", "never/was"]).await?;
    ensure(bench.list(10).await? == keys, || "deleting what is absent deleted something".to_owned())?;
    delete(&["a", "nothing", "b/2", "a"]).await?;
    let left = bench.keys(["b/1", "b/22", "c/d/e"])?;
    ensure(bench.list(10).await? == left, || "the wrong objects are left".to_owned())?;
    let key = bench.key("b/2")?;
    ensure(bench.get(&key).await?.is_none(), || "a deleted object can be read".to_owned())?;
    let put = bench.storage.put_new(&key, "anew".into()).await.map_err(|error| said("creating", &error))?;
    ensure(put == PutNew::Created, || "what was deleted cannot be created again".to_owned())
}

pub(super) async fn many_deleted(bench: &Bench) -> Result<(), String> {
    let keys = bench.keys((0..1_500).map(|number| format!("{number}")))?;
    bench.fill(&keys).await?;
    bench.storage.delete(&keys).await.map_err(|error| said("deleting", &error))?;
    let left = bench.list(2_000).await?;
    ensure(left.is_empty(), || format!("{} are left", left.len()))
}
