//! Reading through a file that may be large, which ends when the capture does.

use std::fs::File;
use std::io::{self, Read};

use super::read::Stop;
use crate::progress::{Control, Until};

/// Why a file could not be read: its own trouble, or the end of the whole capture.
pub(super) enum ReadError {
    File(io::Error),
    Fatal(Stop),
}

/// A source that fails when it is time to end.
pub(super) struct Ending<'a, R> {
    pub source: R,
    pub until: &'a Until,
}

impl<R: Read> Read for Ending<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.until.reached() {
            None => self.source.read(buffer),
            Some(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Reads all of `file` through `each`, checking for cancellation.
pub(super) fn copy(
    file: &mut File,
    control: &Control,
    until: &Until,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), ReadError> {
    let mut file = Ending { source: file, until };
    let mut buffer = vec![0; 1 << 20];
    loop {
        control.check().map_err(|why| ReadError::Fatal(why.into()))?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(buffer.get(..count).unwrap_or_default()),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(ReadError::File(why)),
        }
    }
}
