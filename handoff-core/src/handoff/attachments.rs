//! Contents that messages name, stored under their hash.

use crate::conversation::Attachment;
use crate::error::Error;
use crate::storage::Storage;

pub(super) async fn put(
    storage: &dyn Storage,
    name: &str,
    media_type: &str,
    content: Vec<u8>,
) -> Result<Attachment, Error> {
    let _ = (storage, name, media_type, content);
    todo!()
}

pub(super) async fn get(storage: &dyn Storage, attachment: &Attachment) -> Result<Vec<u8>, Error> {
    let _ = (storage, attachment);
    todo!()
}
