//! Compressed blocks: the only module that knows `zstd`.
//!
//! All contents of a snapshot are one stream of bytes, cut into blocks that are compressed on their own, so
//! that any blob can be read without the ones before it. A block that compression does not shrink is stored
//! as it is: its stored length is then its raw length, and for a compressed one it is less.

use std::io;
use std::sync::Mutex;

use zstd::bulk::Compressor;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Fastest of zstd's ordinary levels; level 3 makes a capture no slower by much and the result little smaller.
const LEVEL: i32 = 1;

/// The window a decoder may be asked to keep: 8 MiB. The library's own default is 128 MiB.
const WINDOW_LOG_MAX: u32 = 23;

/// The most that is reserved on the word of a length that nothing has proven yet.
pub(super) const UNPROVEN: usize = 1 << 20;

/// The raw length that batched small contents are cut at.
pub(super) const SMALL_BLOCK: usize = 256 << 10;

/// The raw length of the blocks of one large content.
pub(super) const LARGE_BLOCK: usize = 1 << 20;

/// The largest raw length of a block that is read.
pub(super) const MAX_BLOCK: u32 = 8 << 20;

/// Compresses blocks one after another, keeping its tables.
pub(super) struct Packer {
    compressor: Compressor<'static>,
    out: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { compressor: Compressor::new(LEVEL)?, out: Vec::new() })
    }

    /// The compressed form of `raw`, or `None` when that would save less than a 32nd.
    pub(super) fn pack(&mut self, raw: &[u8]) -> Option<&[u8]> {
        let worthwhile = raw.len() - (raw.len() / 32).max(1).min(raw.len());
        self.out.clear();
        self.out.reserve_exact(worthwhile);
        // The one error to expect is that the result does not fit, and in any other case, too, storing the
        // bytes as they are is right.
        self.compressor.compress_to_buffer(raw, &mut self.out).ok()?;
        (self.out.len() <= worthwhile && !self.out.is_empty()).then_some(self.out.as_slice())
    }
}

/// Bytes that are not what a length or checksum says they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

/// Decompresses blocks on any number of threads, keeping the tables of as many decoders as are used at once.
#[derive(Default)]
pub(super) struct Unpacker(Mutex<Vec<Decoder<'static>>>);

impl Unpacker {
    /// Replaces the content of `out` by the `raw` bytes that `stored` stands for.
    ///
    /// `stored` must be one whole zstd frame with nothing around it when it is shorter than `raw`, and the
    /// bytes themselves when it is as long. Output stops one byte after `raw`, and no more memory is
    /// reserved than about twice what was produced so far, whatever a header claims.
    pub(super) fn unpack(&self, stored: &[u8], raw: usize, out: &mut Vec<u8>) -> Result<(), Damaged> {
        out.clear();
        if stored.len() >= raw {
            if stored.len() > raw {
                return Err(Damaged);
            }
            out.extend_from_slice(stored);
            return Ok(());
        }
        let pooled = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        let mut decoder = match pooled {
            Some(decoder) => decoder,
            None => new_decoder().map_err(|_| Damaged)?,
        };
        decoder.reinit().map_err(|_| Damaged)?;
        let done = decode(&mut decoder, stored, raw, out);
        // A decoder that failed is not used again.
        if done.is_ok() {
            self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(decoder);
        }
        done
    }
}

fn new_decoder() -> io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
    Ok(decoder)
}

fn decode(
    decoder: &mut Decoder<'static>,
    stored: &[u8],
    raw: usize,
    out: &mut Vec<u8>,
) -> Result<(), Damaged> {
    let mut input = InBuffer::around(stored);
    loop {
        if out.len() == out.capacity() {
            let more = out.len().max(UNPROVEN).min((raw + 1).saturating_sub(out.len()));
            out.reserve_exact(more);
        }
        let before = (input.pos(), out.len());
        let at = out.len();
        let mut output = OutBuffer::around_pos(out, at);
        let hint = decoder.run(&mut input, &mut output).map_err(|_| Damaged)?;
        if out.len() > raw {
            return Err(Damaged);
        }
        if hint == 0 {
            break;
        }
        if (input.pos(), out.len()) == before {
            return Err(Damaged);
        }
    }
    if input.pos() == stored.len() && out.len() == raw { Ok(()) } else { Err(Damaged) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn unpack(stored: &[u8], raw: usize) -> Result<Vec<u8>, Damaged> {
        let mut out = Vec::new();
        Unpacker::default().unpack(stored, raw, &mut out).map(|()| out)
    }

    fn zstd_with(raw: &[u8], set: impl FnOnce(&mut zstd::stream::write::Encoder<'_, Vec<u8>>)) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        set(&mut encoder);
        io::Write::write_all(&mut encoder, raw).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_packed_unpacks_and_what_does_not_shrink_is_left() {
        let text = b"the same line again\n".repeat(20_000);
        let mut packer = Packer::new().unwrap();
        let packed = packer.pack(&text).unwrap().to_vec();
        assert!(packed.len() < text.len() / 10);
        assert_eq!(unpack(&packed, text.len()).unwrap(), text);
        let noise: Vec<u8> = (0..64_000_u32)
            .flat_map(|i| crate::Digest::of(&i.to_le_bytes()).as_bytes()[..4].to_vec())
            .collect();
        assert_eq!(packer.pack(&noise), None);
        assert_eq!(packer.pack(b""), None);
        assert_eq!(packer.pack(b"x"), None);
        assert_eq!(unpack(&noise, noise.len()).unwrap(), noise);
    }

    #[test]
    fn a_wrong_declared_size_is_found_either_way() {
        let zeros = vec![0; 3 << 20];
        let packed = Packer::new().unwrap().pack(&zeros).unwrap().to_vec();
        for wrong in [1000, zeros.len() - 1, zeros.len() + 1, zeros.len() * 2] {
            assert_eq!(unpack(&packed, wrong), Err(Damaged), "{wrong}");
        }
        // The size in the frame's own header may be absent, too.
        let streamed = zstd_with(&zeros, |_| {});
        assert_eq!(unpack(&streamed, zeros.len()).unwrap().len(), zeros.len());
        assert_eq!(unpack(&streamed, zeros.len() - 1), Err(Damaged));
    }

    #[test]
    fn a_bomb_stops_at_the_declared_size() {
        let bomb = zstd_with(&vec![0; 256 << 20], |_| {});
        assert!(bomb.len() < 64 << 10, "256 MiB in {} bytes", bomb.len());
        let mut out = Vec::new();
        assert_eq!(Unpacker::default().unpack(&bomb, 100_000, &mut out), Err(Damaged));
        assert!(out.capacity() <= 2 << 20, "{}", out.capacity());
        // A declared size that is a lie reserves nothing before bytes prove it.
        let tiny = Packer::new().unwrap().pack(&[0; 100]).unwrap().to_vec();
        let mut out = Vec::new();
        assert_eq!(Unpacker::default().unpack(&tiny, MAX_BLOCK as usize, &mut out), Err(Damaged));
        assert!(out.capacity() <= 2 << 20, "{}", out.capacity());
    }

    #[test]
    fn nested_concatenated_skippable_and_cut_frames_are_refused() {
        let text = b"some text that repeats, some text that repeats".repeat(50);
        let frame = Packer::new().unwrap().pack(&text).unwrap().to_vec();
        let nested = zstd_with(&frame, |_| {});
        assert_ne!(unpack(&nested, text.len()).as_ref(), Ok(&text));
        let twice = [frame.as_slice(), &frame].concat();
        assert_eq!(unpack(&twice, text.len() * 2), Err(Damaged));
        assert_eq!(unpack(&twice, text.len()), Err(Damaged));
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], frame.as_slice()].concat();
        assert_eq!(unpack(&skippable, text.len()), Err(Damaged));
        for cut in 0..frame.len() {
            assert_eq!(unpack(&frame[..cut], text.len()), Err(Damaged), "{cut}");
        }
    }

    #[test]
    fn a_window_beyond_8_mib_is_refused() {
        let zeros = vec![0; 1 << 20];
        let wide = zstd_with(&zeros, |encoder| encoder.window_log(27).unwrap());
        assert_eq!(unpack(&wide, zeros.len()), Err(Damaged));
    }
}
