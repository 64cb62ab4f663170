//! Creating: once, whoever else tries.

use bytes::Bytes;
use futures_lite::future::{poll_once, yield_now};

use super::bench::{Bench, ensure, said, text};
use crate::join;
use crate::storage::{Key, PutNew};

/// Racers for one key.
const RACERS: usize = 8;

pub(super) async fn once(bench: &Bench) -> Result<(), String> {
    let key = bench.key("a/object")?;
    for (body, expected) in
        [("first", PutNew::Created), ("second, and longer", PutNew::Exists), ("first", PutNew::Exists)]
    {
        let put = bench.storage.put_new(&key, body.into()).await.map_err(|error| said("creating", &error))?;
        ensure(put == expected, || format!("{put:?} was said where {expected:?} is true"))?;
        let found = bench.get(&key).await?;
        ensure(found.as_deref() == Some(b"first"), || format!("then the body was {found:?}"))?;
    }
    Ok(())
}

pub(super) async fn empty(bench: &Bench) -> Result<(), String> {
    let key = bench.key("empty")?;
    for expected in [PutNew::Created, PutNew::Exists] {
        let put = bench.storage.put_new(&key, Bytes::new()).await;
        let put = put.map_err(|error| said("creating", &error))?;
        ensure(put == expected, || format!("{put:?} was said where {expected:?} is true"))?;
    }
    let found = bench.get(&key).await?;
    ensure(found.as_ref().is_some_and(Bytes::is_empty), || format!("the body was {found:?}"))?;
    ensure(bench.list(10).await? == [key], || "it was not listed".to_owned())
}

fn racer(number: usize) -> Bytes {
    // Of different lengths, so that a mixture is no racer's.
    Bytes::from(format!("racer {number} ").repeat(number * 40 + 1))
}

async fn judge(bench: &Bench, key: &Key, puts: &[PutNew]) -> Result<(), String> {
    let winners: Vec<_> = (0..).zip(puts).filter(|(_, put)| **put == PutNew::Created).collect();
    let [(winner, _)] = winners[..] else {
        return Err(format!("{} of {} creates of {key} won", winners.len(), puts.len()));
    };
    for storage in [&bench.storage, &bench.other()] {
        let found = storage.get(key, None).await.map_err(|error| said("reading", &error))?;
        ensure(found == Some(racer(winner)), || format!("{key} has not the winner's body"))?;
    }
    Ok(())
}

pub(super) async fn race(bench: &Bench) -> Result<(), String> {
    for round in 0..12 {
        let key = bench.key(&format!("round-{round}"))?;
        let racers = (0..RACERS).map(|number| bench.storage.put_new(&key, racer(number)));
        let puts: Result<Vec<_>, _> = join::all(racers).await.into_iter().collect();
        judge(bench, &key, &puts.map_err(|error| said("creating", &error))?).await?;
    }
    Ok(())
}

pub(super) async fn race_of_threads(bench: &Bench) -> Result<(), String> {
    const ROUNDS: usize = 40;
    let keys = bench.keys((0..ROUNDS).map(|round| format!("log/{round:04}")))?;
    let all = keys.clone();
    // Over all keys without waiting for each other, so that some are a step ahead.
    let puts = bench.apart(RACERS, move |number, storage| {
        let keys = all.clone();
        async move {
            let mut puts = Vec::new();
            for key in &keys {
                puts.push(
                    storage.put_new(key, racer(number)).await.map_err(|error| said("creating", &error))?,
                );
            }
            Ok(puts)
        }
    });
    let puts = puts.await?;
    for (round, key) in keys.iter().enumerate() {
        let puts: Vec<_> = puts.iter().filter_map(|puts| puts.get(round).copied()).collect();
        judge(bench, key, &puts).await?;
    }
    Ok(())
}

pub(super) async fn odd_keys(bench: &Bench) -> Result<(), String> {
    let long = "l".repeat(128);
    let room = 512 - bench.prefix.as_str().len() - 1;
    let mut longest = String::new();
    while longest.len() + 2 <= room {
        longest.push_str("d/");
    }
    longest.push_str(if longest.len() == room { "" } else { "x" });
    let longest = longest.trim_end_matches('/');
    let mut names = vec![
        "-",
        "_",
        "0",
        "00",
        "a.",
        "a..",
        "a..b",
        "a.b/c.d",
        "con",
        "nul.txt",
        "aux",
        "lpt1",
        "x-y_z.0",
        "e/_/-",
        "e/0",
        "json.json",
        "00000000000000000000",
    ];
    names.extend([long.as_str(), longest]);
    let mut keys = bench.keys(names)?;
    bench.fill(&keys).await?;
    for key in &keys {
        let found = bench.get(key).await?;
        ensure(found == Some(text(key)), || format!("{key} gave {found:?}"))?;
    }
    keys.sort();
    ensure(bench.list(100).await? == keys, || "the list has other keys".to_owned())
}

pub(super) async fn many_at_once(bench: &Bench) -> Result<(), String> {
    let keys = bench.keys((0..64).map(|number| format!("{number}")))?;
    let all = keys.clone();
    let served = bench.apart(8, move |number, storage| {
        let mine: Vec<Key> = all.iter().skip(number * 8).take(8).cloned().collect();
        async move {
            let storage = &storage;
            let requests = mine.iter().map(|key| async move {
                let put = storage.put_new(key, text(key)).await.map_err(|error| said("creating", &error))?;
                let found = storage.get(key, None).await.map_err(|error| said("reading", &error))?;
                ensure(put == PutNew::Created && found == Some(text(key)), || format!("{key} was not served"))
            });
            join::all(requests).await.into_iter().collect::<Result<(), _>>()
        }
    });
    served.await?;
    ensure(bench.list(100).await?.len() == keys.len(), || "some are not listed".to_owned())
}

pub(super) async fn dropped(bench: &Bench) -> Result<(), String> {
    for round in 0..40 {
        let key = bench.key(&format!("{round}"))?;
        let first = Bytes::from(vec![b'1'; 100_000]);
        let second = Bytes::from(vec![b'2'; 50_000]);
        {
            let mut create = Box::pin(bench.storage.put_new(&key, first.clone()));
            for _ in 0..round % 4 {
                if poll_once(&mut create).await.is_some() {
                    break;
                }
                yield_now().await;
            }
        }
        let put = bench.storage.put_new(&key, second.clone()).await;
        let put = put.map_err(|error| said("creating", &error))?;
        let expected = if put == PutNew::Created { second } else { first };
        for _ in 0..3 {
            let found = bench.get(&key).await?;
            ensure(found.as_ref() == Some(&expected), || {
                format!("after a dropped create, and another that said {put:?}, the body is of neither")
            })?;
        }
    }
    Ok(())
}
