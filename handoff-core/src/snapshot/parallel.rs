//! One reader, one hasher, several workers: reading and hashing are serial by nature, compressing and writing
//! are not.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::blob::{LARGE_BLOCK, Packer};
use super::spool::AddError;
use crate::digest::{Digest, Hasher};
use crate::error::Error;
use crate::progress::Control;

/// Beyond this many workers the hashing is the limit, and memory would grow for nothing.
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
///
/// The calling thread hashes and does nothing else, since that takes longest of what cannot be shared out;
/// whichever worker has nothing to do reads on.
pub(super) fn stream(
    reader: &mut (dyn Read + Send),
    first: Chunk,
    control: &Control,
    packer: impl Fn() -> Result<Packer, Error>,
    store: &Store<'_>,
) -> Result<(Digest, u64), AddError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    let packers = (0..workers).map(|_| packer()).collect::<Result<Vec<_>, _>>()?;
    let source = Mutex::new(Source { reader, first: Some(first), next: 0 });
    let run = Run {
        control,
        source,
        spare: Mutex::default(),
        failure: Mutex::default(),
        stop: AtomicBool::new(false),
    };
    let (to_hash, chunks) = sync_channel(workers + 2);
    let read = std::thread::scope(|scope| {
        for mut packer in packers {
            // The hasher is done once every worker is, also when one panics, so each has an end of its own.
            let (run, to_hash) = (&run, to_hash.clone());
            scope.spawn(move || {
                while let Some((at, chunk)) = run.next(&to_hash) {
                    if let Err(error) = store(at, chunk.bytes(), &mut packer) {
                        run.fail(error.into());
                    }
                    run.give_back(chunk);
                }
            });
        }
        drop(to_hash);
        let (mut hasher, mut len) = (Hasher::new(), 0);
        for chunk in chunks {
            hasher.update(chunk.bytes());
            len += chunk.bytes().len() as u64;
            run.give_back(chunk);
        }
        (hasher.finish(), len)
    });
    match run.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(read),
    }
}

struct Run<'a> {
    control: &'a Control,
    source: Mutex<Source<'a>>,
    /// Buffers to use again.
    spare: Mutex<Vec<Vec<u8>>>,
    failure: Mutex<Option<AddError>>,
    stop: AtomicBool,
}

struct Source<'a> {
    reader: &'a mut (dyn Read + Send),
    first: Option<Chunk>,
    next: usize,
}

impl Run<'_> {
    /// The next chunk with its number, which the hasher gets, too; `None` at the end.
    fn next(&self, to_hash: &SyncSender<Arc<Chunk>>) -> Option<(usize, Arc<Chunk>)> {
        // Held until the hasher has the chunk, because it must get them in order.
        let mut source = self.source.lock().ok()?;
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let read = self.control.check().map_err(AddError::Spool).and_then(|()| match source.first.take() {
            Some(first) => Ok(first),
            None => {
                let buffer = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
                Chunk::read(source.reader, buffer.unwrap_or_default()).map_err(AddError::Source)
            }
        });
        match read {
            Ok(chunk) if !chunk.bytes().is_empty() => {
                let (at, chunk) = (source.next, Arc::new(chunk));
                source.next += 1;
                to_hash.send(Arc::clone(&chunk)).ok()?;
                Some((at, chunk))
            }
            Ok(_) => {
                self.stop.store(true, Ordering::Relaxed);
                None
            }
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    fn fail(&self, error: AddError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whoever of hasher and worker is last leaves the buffer for the next chunk.
    fn give_back(&self, chunk: Arc<Chunk>) {
        if let Some(chunk) = Arc::into_inner(chunk) {
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(chunk.buffer);
        }
    }
}
