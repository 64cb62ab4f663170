//! Objects that arrived and are not to be stored, kept for as long as later ones build on them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::id::Oid;

/// In a file without a name, made with the first of them: how much comes is the sender's to say, and must not be
/// memory.
#[derive(Default)]
pub(super) struct Held {
    file: Option<Mutex<File>>,
    end: u64,
    places: HashMap<Oid, (u64, u32)>,
}

impl Held {
    pub(super) fn keep(&mut self, oid: Oid, data: &[u8]) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => self.file.insert(file),
            None => self.file.insert(Mutex::new(tempfile::tempfile()?)),
        };
        let file = file.get_mut().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(data)?;
        // No object of a part is longer than 4 GiB.
        self.places.insert(oid, (self.end, data.len() as u32));
        self.end += data.len() as u64;
        Ok(())
    }

    pub(super) fn read(&self, oid: &Oid) -> Option<Vec<u8>> {
        let (start, len) = *self.places.get(oid)?;
        let mut file = self.file.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start)).ok()?;
        let mut data = vec![0; len as usize];
        file.read_exact(&mut data).ok()?;
        Some(data)
    }
}
