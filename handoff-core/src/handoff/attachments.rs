//! Contents that messages name, stored under their hash.
//!
//! Each time under a name never used before, so that a collection of garbage cannot hit what somebody has just stored
//! again. Who names a content leaves a mark first: then what is needed is known without reading a transcript.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::conversation::{Attachment, Message};
use crate::digest::Digest;
use crate::error::Error;
use crate::id::OpId;
use crate::join;
use crate::log;
use crate::storage::{Key, Storage};

/// Copies of one content that a reader tries; a damaged one is not the end.
const COPIES: usize = 8;

fn key(text: &str) -> Result<Key, Error> {
    text.parse().map_err(|_| Error::format("an attachment", "its key"))
}

fn prefix(blob: &Digest) -> Result<Key, Error> {
    let name = blob.to_string();
    let folder = name.get(..2).unwrap_or_default();
    key(&format!("a/{folder}/{name}"))
}

pub(super) async fn put(
    storage: &dyn Storage,
    name: &str,
    media_type: &str,
    content: Vec<u8>,
) -> Result<Attachment, Error> {
    let attachment = Attachment::of(name, media_type, &content);
    let prefix = prefix(&attachment.blob)?;
    let key = key(&format!("{prefix}/{}", OpId::new()))?;
    if !log::put_new(storage, &key, Bytes::from(content)).await?.won() {
        return Err(Error::Corrupt { what: format!("the new attachment {key}") });
    }
    Ok(attachment)
}

pub(super) async fn get(storage: &dyn Storage, attachment: &Attachment) -> Result<Vec<u8>, Error> {
    let what = || format!("attachment {} ({})", attachment.name, attachment.blob);
    let copies = log::list(storage, &prefix(&attachment.blob)?, None, COPIES).await?;
    let mut missing = Error::not_found(what());
    for copy in copies {
        let Some(body) = log::get(storage, &copy.key).await? else { continue };
        if Digest::of(&body) == attachment.blob {
            return Ok(body.into());
        }
        missing = Error::Corrupt { what: what() };
    }
    Err(missing)
}

/// Says that `holder`, a conversation's or a run's part of the storage, names the attachments of these messages. To be
/// done before the messages are stored.
pub(super) async fn mark(storage: &dyn Storage, holder: &str, messages: &[Message]) -> Result<(), Error> {
    let named = messages.iter().flat_map(|message| &message.attachments);
    let blobs: BTreeSet<Digest> = named.map(|attachment| attachment.blob).collect();
    let marks = blobs.iter().map(|blob| async move {
        let key = key(&format!("{holder}/a/{blob}"))?;
        log::put_new(storage, &key, Bytes::new()).await
    });
    for mark in join::all(marks).await {
        mark?;
    }
    Ok(())
}
