//! Contents that messages name, stored under their hash.

use bytes::Bytes;

use crate::conversation::Attachment;
use crate::digest::Digest;
use crate::error::Error;
use crate::log;
use crate::storage::{Key, Storage};

fn key(blob: &Digest) -> Result<Key, Error> {
    let name = blob.to_string();
    let folder = name.get(..2).unwrap_or_default();
    format!("a/{folder}/{name}").parse().map_err(|_| Error::format("an attachment", "its key"))
}

pub(super) async fn put(
    storage: &dyn Storage,
    name: &str,
    media_type: &str,
    content: Vec<u8>,
) -> Result<Attachment, Error> {
    let attachment = Attachment::of(name, media_type, &content);
    let key = key(&attachment.blob)?;
    if !log::put_new(storage, &key, Bytes::from(content)).await?.won() {
        // Somebody stored other bytes under this hash: then the store is damaged, and must not be believed.
        return Err(Error::Corrupt { what: format!("attachment {}", attachment.blob) });
    }
    Ok(attachment)
}

pub(super) async fn get(storage: &dyn Storage, attachment: &Attachment) -> Result<Vec<u8>, Error> {
    let what = || format!("attachment {} ({})", attachment.name, attachment.blob);
    let body = log::get(storage, &key(&attachment.blob)?).await?.ok_or_else(|| Error::not_found(what()))?;
    if Digest::of(&body) == attachment.blob { Ok(body.into()) } else { Err(Error::Corrupt { what: what() }) }
}
