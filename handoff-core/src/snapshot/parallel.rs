//! One reader, several workers: reading and hashing are serial by nature, compressing is not.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Arc, Mutex};

use super::blob::{LARGE_BLOCK, Packer};
use super::spool::AddError;
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::progress::Control;

/// Beyond this many workers the reader's hashing is the limit, and memory would grow for nothing.
const MAX_WORKERS: usize = 8;

/// A buffer of [`LARGE_BLOCK`] bytes that is used over and over, so that it is cleared only once.
pub(super) struct Chunk {
    buffer: Vec<u8>,
    len: usize,
}

impl Chunk {
    /// Reads until the chunk is full or the reader ends.
    pub(super) fn read(reader: &mut dyn Read, mut buffer: Vec<u8>) -> io::Result<Self> {
        buffer.resize(LARGE_BLOCK, 0);
        let mut len = 0;
        while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
            match reader.read(rest) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        Ok(Self { buffer, len })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

/// Stores one chunk: its number, its bytes, and what compresses it.
pub(super) type Store<'a> = dyn Fn(usize, &[u8], &mut Packer) -> Result<(), Error> + Sync + 'a;

/// Passes `first` and then the rest of `reader`, in chunks of [`LARGE_BLOCK`] numbered from 0, to `store` on
/// several threads. Holds a few chunks per thread at a time. Returns digest and length of the whole.
pub(super) fn stream(
    reader: &mut dyn Read,
    first: Chunk,
    control: &Control,
    packer: impl Fn() -> Result<Packer, Error>,
    store: &Store<'_>,
) -> Result<(Digest, u64), AddError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    let packers = (0..workers).map(|_| packer()).collect::<Result<Vec<_>, _>>()?;
    let failure: Mutex<Option<Error>> = Mutex::default();
    let stop = AtomicBool::new(false);
    let (work, taken) = sync_channel(workers);
    let (spare, spares) = channel::<Vec<u8>>();
    let taken = Arc::new(Mutex::new(taken));
    let read = std::thread::scope(|scope| {
        for mut packer in packers {
            let (taken, spare, failure, stop) = (Arc::clone(&taken), spare.clone(), &failure, &stop);
            scope.spawn(move || {
                while let Some((at, chunk)) = next(&taken) {
                    if !stop.load(Ordering::Relaxed)
                        && let Err(error) = store(at, chunk.bytes(), &mut packer)
                    {
                        stop.store(true, Ordering::Relaxed);
                        failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
                    }
                    // The reader may be gone already.
                    let _ = spare.send(chunk.buffer);
                }
            });
        }
        // Without a worker left, sending fails; and without a sender, the workers end.
        drop(taken);
        let work = work;
        let mut hasher = Hasher::new();
        let mut len = 0;
        let mut chunk = first;
        let mut at = 0;
        while !chunk.bytes().is_empty() && !stop.load(Ordering::Relaxed) {
            control.check()?;
            len += chunk.bytes().len() as u64;
            // Hashed before it is handed over; the queue keeps the workers busy meanwhile.
            hasher.update(chunk.bytes());
            if work.send((at, chunk)).is_err() {
                break;
            }
            at += 1;
            let spare = spares.try_recv().unwrap_or_default();
            chunk = Chunk::read(reader, spare).map_err(AddError::Source)?;
        }
        Ok((hasher.finish(), len))
    });
    match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some(error) => Err(AddError::Spool(error)),
        None => read,
    }
}

fn next(taken: &Mutex<Receiver<(usize, Chunk)>>) -> Option<(usize, Chunk)> {
    taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv().ok()
}
