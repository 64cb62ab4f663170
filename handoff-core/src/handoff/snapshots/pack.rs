//! Packs: contents one behind the other in one object, so that a store sees tens of requests, not thousands.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::Located;
use crate::digest::Digest;
use crate::error::Error;
use crate::id::OpId;
use crate::log;
use crate::snapshot::Snapshot;
use crate::snapshot::pack::{squeeze, squeezer};
use crate::storage::{Key, Storage};

/// A pack is closed when it holds this much.
const TARGET: usize = 8 << 20;

/// Contents from this length on have a pack to themselves, which is streamed.
pub(super) const LARGE: u64 = 4 << 20;

/// Pieces that a streamed pack is handed over in.
const PIECE: usize = 1 << 20;

/// Fills packs and sends them off.
pub(super) struct Packs {
    storage: Arc<dyn Storage>,
    pub(super) keys: Vec<Key>,
    open: Vec<u8>,
    pub(super) stored: u64,
}

impl Packs {
    /// Packs after those that `keys` names already.
    pub(super) fn new(storage: Arc<dyn Storage>, keys: Vec<Key>) -> Self {
        Self { storage, keys, open: Vec::new(), stored: 0 }
    }

    /// Adds a content; sends the pack off when it is full.
    pub(super) async fn add(&mut self, content: &[u8]) -> Result<Located, Error> {
        let squeezed = squeeze(content);
        let stored = squeezed.as_deref().unwrap_or(content);
        if !self.open.is_empty() && self.open.len() + stored.len() > TARGET {
            self.send().await?;
        }
        let located = Located {
            pack: self.keys.len() as u32,
            offset: self.open.len() as u64,
            stored: stored.len() as u64,
            len: content.len() as u64,
        };
        self.open.extend_from_slice(stored);
        self.stored += located.stored;
        Ok(located)
    }

    /// Sends off what is open.
    pub(super) async fn send(&mut self) -> Result<(), Error> {
        if self.open.is_empty() {
            return Ok(());
        }
        let key = new_key()?;
        let body = Bytes::from(std::mem::take(&mut self.open));
        if !log::put_new(&*self.storage, &key, body).await?.won() {
            return Err(Error::Corrupt { what: format!("the new pack {key}") });
        }
        self.keys.push(key);
        Ok(())
    }

    /// Streams one large content into a pack of its own, in bounded memory.
    pub(super) async fn add_large(
        &mut self,
        snapshot: &Snapshot,
        blob: Digest,
        len: u64,
    ) -> Result<Located, Error> {
        self.send().await?;
        let key = new_key()?;
        let (pieces, body) = async_channel::bounded(2);
        let snapshot = snapshot.clone();
        // Dropped when the upload ends early; the channel is closed then, and the writing ends with an error.
        let writing = blocking::unblock(move || {
            let done = squeeze_into(&snapshot, &blob, pieces.clone());
            if let Err(error) = &done {
                // The store must not take what came so far for the whole.
                let _ = pieces.send_blocking(Err(io::Error::other(error.to_string())));
            }
            done
        });
        let put = self.storage.put_stream(&key, Box::pin(body)).await;
        let stored = writing.await;
        match (put, stored) {
            (Ok(()), Ok(stored)) => {
                self.keys.push(key);
                self.stored += stored;
                Ok(Located { pack: self.keys.len() as u32 - 1, offset: 0, stored, len })
            }
            (Err(error), _) => Err(Error::storage(format!("writing {key}"), error)),
            (_, Err(error)) => Err(error),
        }
    }
}

/// Sends a content's compressed form in pieces; returns its length.
fn squeeze_into(
    snapshot: &Snapshot,
    blob: &Digest,
    to: async_channel::Sender<io::Result<Bytes>>,
) -> Result<u64, Error> {
    let failed = |error| Error::io("compressing", Path::new("a pack"), error);
    let out = Pieces { to, open: Vec::with_capacity(PIECE), sent: 0 };
    let mut squeezer = squeezer(out).map_err(failed)?;
    snapshot.copy_blob(blob, &mut squeezer)?;
    let mut out = squeezer.finish().map_err(failed)?;
    out.end().map_err(failed)?;
    Ok(out.sent)
}

/// Hands over what is written to it in pieces.
struct Pieces {
    to: async_channel::Sender<io::Result<Bytes>>,
    open: Vec<u8>,
    sent: u64,
}

impl Pieces {
    fn end(&mut self) -> io::Result<()> {
        if !self.open.is_empty() {
            let piece = Bytes::from(std::mem::replace(&mut self.open, Vec::with_capacity(PIECE)));
            self.sent += piece.len() as u64;
            self.to.send_blocking(Ok(piece)).map_err(|_| io::Error::other("the upload ended early"))?;
        }
        Ok(())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open.extend_from_slice(bytes);
        if self.open.len() >= PIECE {
            self.end()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn new_key() -> Result<Key, Error> {
    // By chance and not by time, so that a store which spreads keys by their beginning spreads packs.
    let name = Digest::of(OpId::new().bytes()).to_string();
    let name = name.get(..40).unwrap_or(&name).to_owned();
    let folder = name.get(..2).unwrap_or_default();
    format!("k/{folder}/{name}").parse().map_err(|_| Error::format("a pack", "its key"))
}
