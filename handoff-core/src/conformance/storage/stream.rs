//! Bodies in pieces: all or nothing.

use std::io;

use bytes::Bytes;
use futures_lite::future::{poll_once, yield_now};
use futures_lite::stream::{self, StreamExt as _};

use super::bench::{Bench, ensure, noise, said};
use crate::storage::BodyStream;

/// The bytes of `body` in uneven pieces, empty ones among them.
fn pieces(body: &[u8]) -> Vec<io::Result<Bytes>> {
    let mut pieces = vec![Ok(Bytes::new())];
    let mut rest = body;
    for size in [1, 100, 65_536, 3, 1 << 20, 700_000].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.extend([Ok(Bytes::copy_from_slice(piece)), Ok(Bytes::new())]);
        rest = after;
    }
    pieces
}

pub(super) async fn whole(bench: &Bench) -> Result<(), String> {
    for size in [0, 1, 100_000, 20 << 20] {
        let key = bench.key(&format!("pack/{size}"))?;
        let body = noise(3, size);
        let stream: BodyStream = Box::pin(stream::iter(pieces(&body)));
        bench.storage.put_stream(&key, stream).await.map_err(|error| said("streaming", &error))?;
        let found = bench.get(&key).await?;
        ensure(found.as_deref() == Some(&body[..]), || {
            format!("{size} bytes came back as {:?}", found.map(|found| found.len()))
        })?;
    }
    Ok(())
}

pub(super) async fn failed(bench: &Bench) -> Result<(), String> {
    for size in [0, 10, 100_000, 6 << 20] {
        let key = bench.key(&format!("failed/{size}"))?;
        let mut items = pieces(&noise(4, size));
        items.push(Err(io::Error::other("the source is gone")));
        items.push(Ok(Bytes::from("never to be asked for")));
        let put = bench.storage.put_stream(&key, Box::pin(stream::iter(items))).await;
        ensure(put.is_err(), || format!("a stream that failed after {size} bytes was taken for whole"))?;
        let found = bench.get(&key).await?.map(|found| found.len());
        ensure(found.is_none(), || format!("{found:?} of {size} bytes were stored of a stream that failed"))?;
    }
    ensure(bench.list(10).await?.is_empty(), || "a failed stream is listed".to_owned())
}

pub(super) async fn dropped(bench: &Bench) -> Result<(), String> {
    for size in [10, 6 << 20] {
        let key = bench.key(&format!("dropped/{size}"))?;
        let body = stream::iter(pieces(&noise(5, size))).chain(stream::pending());
        {
            let mut put = Box::pin(bench.storage.put_stream(&key, Box::pin(body)));
            for _ in 0..200 {
                let done = poll_once(&mut put).await;
                ensure(done.is_none(), || "a stream that never ended was taken for whole".to_owned())?;
                yield_now().await;
            }
        }
        let found = bench.get(&key).await?.map(|found| found.len());
        ensure(found.is_none(), || format!("{found:?} of {size} bytes were stored of a dropped stream"))?;
    }
    ensure(bench.list(10).await?.is_empty(), || "a dropped stream is listed".to_owned())
}
