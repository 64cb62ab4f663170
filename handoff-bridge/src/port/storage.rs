//! Bytes under keys, kept by an object of the host's.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_lite::{StreamExt as _, future, stream};
use handoff_core::storage::{Access, BodyStream};
use handoff_core::{Key, Meta, PutNew, Storage, StorageError};
use serde_json::{Value, json};

use super::shape;
use crate::handle::{Handle, Held};
use crate::{Foreign, ForeignCall, ForeignError, Reply};

/// A storage of the host's.
pub struct ForeignStorage(pub Arc<dyn Foreign>);

impl ForeignStorage {
    async fn call(&self, call: ForeignCall) -> Result<Reply, StorageError> {
        self.0.call(call).await.map_err(|thrown: ForeignError| {
            let message = thrown.message.clone();
            let made = if thrown.retryable == Some(true) {
                StorageError::retryable(message)
            } else {
                StorageError::new(message)
            };
            made.because(thrown)
        })
    }
}

/// `body`, which fails once the other end of `over` is gone.
fn until(body: BodyStream, over: async_channel::Receiver<()>) -> BodyStream {
    Box::pin(stream::unfold((body, over), |(mut body, over)| async move {
        let ended = async {
            let _ = over.recv().await;
            Some(Err(io::Error::other("the call that this body belongs to is over")))
        };
        let piece = future::or(body.next(), ended).await;
        piece.map(|piece| (piece, (body, over)))
    }))
}

fn nonsense(method: &str, value: &Value, wanted: &str) -> StorageError {
    StorageError::new(format!(
        "{method} of this storage returned {}; it has to return {wanted}",
        shape(value)
    ))
}

#[async_trait]
impl Storage for ForeignStorage {
    async fn put_new(&self, key: &Key, body: Bytes) -> Result<PutNew, StorageError> {
        let args = json!({ "key": key });
        let call = ForeignCall { body: Some(body), ..ForeignCall::new("put_new", args) };
        let reply = self.call(call).await?;
        match reply.value.as_str() {
            Some("created") => Ok(PutNew::Created),
            Some("exists") => Ok(PutNew::Exists),
            _ => Err(nonsense("put_new", &reply.value, "created or exists")),
        }
    }

    async fn put(&self, key: &Key, body: Bytes) -> Result<(), StorageError> {
        let call = ForeignCall { body: Some(body), ..ForeignCall::new("put", json!({ "key": key })) };
        self.call(call).await.map(drop)
    }

    async fn put_stream(&self, key: &Key, body: BodyStream) -> Result<(), StorageError> {
        // Dropped with this call, however it ends, so that nobody waits for a piece that nobody asks for any more.
        let (_open, over) = async_channel::bounded(1);
        let body = Handle::from(Held::Body(Arc::new(Mutex::new(Some(until(body, over))))));
        let args = json!({ "key": key, "body": { "$handle": 0 } });
        let call = ForeignCall { handles: vec![body.clone()], ..ForeignCall::new("put_stream", args) };
        let done = self.call(call).await.map(drop);
        // The stream is only good during the call.
        body.close();
        done
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Option<Bytes>, StorageError> {
        let range = range.map(|range| json!({ "start": range.start, "end": range.end }));
        let reply = self.call(ForeignCall::new("get", json!({ "key": key, "range": range }))).await?;
        match (&reply.value, reply.body) {
            (Value::Null | Value::Bool(false), _) => Ok(None),
            (_, Some(body)) => Ok(Some(body)),
            // An empty body may come as none.
            (Value::Bool(true), None) => Ok(Some(Bytes::new())),
            (other, None) => Err(nonsense("get", other, "bytes or nothing")),
        }
    }

    async fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Meta>, StorageError> {
        let args = json!({ "prefix": prefix, "after": after, "limit": limit });
        let reply = self.call(ForeignCall::new("list", args)).await?;
        let wanted = "an array of objects with key, size and modified";
        let Value::Array(items) = &reply.value else { return Err(nonsense("list", &reply.value, wanted)) };
        items.iter().map(|item| meta(item).ok_or_else(|| nonsense("list", item, wanted))).collect()
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        self.call(ForeignCall::new("delete", json!({ "keys": keys }))).await.map(drop)
    }

    async fn presign(
        &self,
        key: &Key,
        access: Access,
        ttl: Duration,
    ) -> Result<Option<String>, StorageError> {
        let access = if access == Access::Get { "get" } else { "put_new" };
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let args = json!({ "key": key, "access": access, "ttl": ttl });
        match self.call(ForeignCall::new("presign", args)).await?.value {
            Value::Null => Ok(None),
            Value::String(url) => Ok(Some(url)),
            other => Err(nonsense("presign", &other, "a URL or nothing")),
        }
    }
}

fn meta(item: &Value) -> Option<Meta> {
    let key = item.get("key")?.as_str()?.parse().ok()?;
    let size = item.get("size")?;
    let size = size.as_u64().or_else(|| {
        size.as_f64().filter(|size| *size >= 0.0 && size.fract() == 0.0).map(|size| size as u64)
    })?;
    let modified = item.get("modified")?.as_f64().filter(|millis| millis.is_finite() && *millis >= 0.0)?;
    let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(modified as u64))?;
    Some(Meta::new(key, size, modified))
}
