//! Storages, and workspace states in them.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use futures_lite::StreamExt as _;
use handoff_core::storage::{DirOptions, DirStorage};
use handoff_core::{Error, Key, MemoryStorage, PutNew, Snapshots, Storage, StorageError};
use serde_json::{Value, json};

use super::{Ended, off_thread, snapshot};
use crate::args::Args;
use crate::handle::{Handle, Held};
use crate::operation::Context;
use crate::port::{ForeignStorage, foreign_body};
use crate::{Failure, Reply};

fn held(storage: impl Storage) -> Reply {
    Reply::handle(Held::Storage(Arc::new(storage)).into())
}

/// An error of a storage that was called directly.
fn failed(action: &str) -> impl Fn(StorageError) -> Failure {
    move |error| {
        let retryable = error.retryable;
        Error::Storage { action: action.to_owned(), retryable, source: error.into() }.into()
    }
}

pub async fn memory(args: Args, _: Context) -> Ended {
    args.finish()?;
    Ok(held(MemoryStorage::new()))
}

pub async fn dir(mut args: Args, _: Context) -> Ended {
    let path = args.path("path")?;
    let mut options = DirOptions::default();
    args.word_into("durability", &[("full", true), ("process", false)], &mut options.sync)?;
    args.word_into("network", &[("refuse", false), ("allow", true)], &mut options.allow_network)?;
    args.finish()?;
    let what = format!("opening {}", path.display());
    let open = move || Ok(DirStorage::open_with(path, &options));
    off_thread(open).await?.map(held).map_err(failed(&what))
}

pub async fn foreign(mut args: Args, _: Context) -> Ended {
    let storage = args.foreign("storage")?;
    args.finish()?;
    Ok(held(ForeignStorage(storage)))
}

pub async fn put_new(mut args: Args, _: Context) -> Ended {
    let storage = args.held("storage", Handle::storage)?;
    let key: Key = args.parsed("key")?;
    let body = args.body();
    args.finish()?;
    let found = storage.put_new(&key, body).await.map_err(failed("creating an object"))?;
    Ok(Reply::of(if found == PutNew::Created { "created" } else { "exists" }))
}

pub async fn put(mut args: Args, _: Context) -> Ended {
    let storage = args.held("storage", Handle::storage)?;
    let key: Key = args.parsed("key")?;
    let body = args.body();
    args.finish()?;
    storage.put(&key, body).await.map_err(failed("writing an object"))?;
    Ok(Reply::default())
}

pub async fn put_stream(mut args: Args, _: Context) -> Ended {
    let storage = args.held("storage", Handle::storage)?;
    let key: Key = args.parsed("key")?;
    let body = foreign_body(args.foreign("stream")?);
    args.finish()?;
    storage.put_stream(&key, body).await.map_err(failed("writing an object"))?;
    Ok(Reply::default())
}

pub async fn get(mut args: Args, _: Context) -> Ended {
    let storage = args.held("storage", Handle::storage)?;
    let key: Key = args.parsed("key")?;
    let range = match args.inner("range")? {
        None => None,
        Some(mut range) => {
            let (start, end) = (range.number("start")?, range.number("end")?);
            range.finish()?;
            Some(start.unwrap_or_default()..end.unwrap_or(u64::MAX))
        }
    };
    args.finish()?;
    let body = storage.get(&key, range).await.map_err(failed("reading an object"))?;
    Ok(Reply { value: body.is_some().into(), body, handles: Vec::new() })
}

pub async fn list(mut args: Args, _: Context) -> Ended {
    let storage = args.held("storage", Handle::storage)?;
    let prefix: Key = args.parsed("prefix")?;
    let after: Option<Key> = args.opt_parsed("after")?;
    let limit = usize::try_from(args.number("limit")?.unwrap_or(1_000)).unwrap_or(usize::MAX);
    args.finish()?;
    let list = storage.list(&prefix, after.as_ref(), limit).await.map_err(failed("listing objects"))?;
    let item = |meta: &handoff_core::Meta| {
        let since = meta.modified.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
        let modified = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        json!({ "key": meta.key, "size": meta.size, "modified": modified })
    };
    Ok(Reply::of(list.iter().map(item).collect::<Vec<Value>>()))
}

pub async fn delete(mut args: Args, _: Context) -> Ended {
    let storage = args.held("storage", Handle::storage)?;
    let mut keys: Vec<Key> = Vec::new();
    for (index, key) in args.texts("keys")?.unwrap_or_default().into_iter().enumerate() {
        keys.push(key.parse().map_err(|why| {
            Failure::argument(format!("keys[{index}]"), format_args!("cannot be used: {why}"))
        })?);
    }
    args.finish()?;
    storage.delete(&keys).await.map_err(failed("deleting objects"))?;
    Ok(Reply::default())
}

/// The next piece of a body that an implementer was given.
pub async fn next_piece(mut args: Args, _: Context) -> Ended {
    let shared = args.held("body", Handle::body)?;
    args.finish()?;
    let taken = shared.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut stream) = taken else {
        return Err(Failure::argument("body", "is being read by another call, or has failed"));
    };
    let piece: Option<Bytes> = match stream.next().await {
        None => {
            // Whoever asks again hears the same; the stream itself may not be asked any more.
            stream = Box::pin(futures_lite::stream::empty());
            None
        }
        Some(Ok(piece)) => Some(piece),
        Some(Err(source)) => {
            return Err(Error::Io { action: "reading", path: "the body".into(), source }.into());
        }
    };
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    Ok(Reply { value: piece.is_some().into(), body: piece, handles: Vec::new() })
}

pub async fn snapshots(mut args: Args, _: Context) -> Ended {
    let storage = args.held("storage", Handle::storage)?;
    args.finish()?;
    Ok(Reply::handle(Held::Snapshots(Snapshots::new(storage)).into()))
}

pub async fn save_snapshot(mut args: Args, _: Context) -> Ended {
    let snapshots = args.held("snapshots", Handle::snapshots)?;
    let snapshot = args.held("snapshot", Handle::snapshot)?;
    let parent = args.json("parent")?;
    args.finish()?;
    let stored = snapshots.save(&snapshot, parent.as_ref()).await?;
    Ok(Reply::of(json!({
        "reference": stored.reference,
        "new_blobs": stored.new_blobs,
        "new_bytes": stored.new_bytes,
        "shared_blobs": stored.shared_blobs,
    })))
}

pub async fn load_snapshot(mut args: Args, _: Context) -> Ended {
    let snapshots = args.held("snapshots", Handle::snapshots)?;
    let reference = args.json("reference")?.ok_or_else(|| Failure::argument("reference", "is missing"))?;
    args.finish()?;
    Ok(snapshot::reply(snapshots.load(&reference).await?))
}
