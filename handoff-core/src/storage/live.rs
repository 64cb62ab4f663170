//! Whether a storage keeps the one promise that everything rests on, asked of the real thing.

use bytes::Bytes;

use super::{Key, PutNew, Storage, StorageError};
use crate::id::OpId;
use crate::join;

/// Rounds of racing creates, and racers in each.
const ROUNDS: usize = 5;
const RACERS: usize = 8;

/// Finds out whether `storage` really creates at most once: one after the other, then in 5 rounds of 8 racing
/// creates. There are stores that take the condition and ignore it, and stores that look first and write later; both
/// lose messages without a word. About 50 requests below `probe/`, which are deleted again; run it once for each
/// store and process, before anything is written.
///
/// # Errors
/// [`StorageError`] that says what went wrong: either the store must not be used, or it could not be asked.
pub async fn live_check(storage: &dyn Storage) -> Result<(), StorageError> {
    let mut keys = Vec::new();
    let checked = check(storage, &mut keys).await;
    let deleted = storage.delete(&keys).await;
    checked.and(deleted)
}

async fn check(storage: &dyn Storage, keys: &mut Vec<Key>) -> Result<(), StorageError> {
    let key = |keys: &mut Vec<Key>| {
        let key: Result<Key, _> = format!("probe/{}", OpId::new()).parse();
        let key = key.map_err(|why| StorageError::new("a key for the check").because(why))?;
        keys.push(key.clone());
        Ok::<_, StorageError>(key)
    };
    let alone = key(keys)?;
    for (body, expected) in [("first", PutNew::Created), ("second", PutNew::Exists)] {
        if storage.put_new(&alone, body.into()).await? != expected {
            return Err(refuse(&format!("said of the {body} create of {alone} not {expected:?}")));
        }
    }
    expect(storage, &alone, "first").await?;
    for _ in 0..ROUNDS {
        let key = key(keys)?;
        let racer = |number: usize| {
            let key = &key;
            async move { storage.put_new(key, Bytes::from(format!("racer {number}"))).await }
        };
        let answers = join::all((0..RACERS).map(racer)).await;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut won = (0..RACERS).zip(&answers).filter(|(_, put)| **put == PutNew::Created);
        match (won.next(), won.count()) {
            (Some((winner, _)), 0) => expect(storage, &key, &format!("racer {winner}")).await?,
            (None, _) => return Err(refuse(&format!("let nobody create {key}"))),
            (Some(_), others) => {
                return Err(refuse(&format!("let {} of {RACERS} create {key}", others + 1)));
            }
        }
    }
    Ok(())
}

async fn expect(storage: &dyn Storage, key: &Key, body: &str) -> Result<(), StorageError> {
    if storage.get(key, None).await?.is_some_and(|found| found == body) {
        return Ok(());
    }
    Err(refuse(&format!("does not give back what it said it had created at {key}")))
}

fn refuse(what: &str) -> StorageError {
    StorageError::new(format!(
        "this store {what}; two sessions could overwrite each other, so it cannot be used: choose a store with \
         conditional writes (If-None-Match), or update it"
    ))
}
