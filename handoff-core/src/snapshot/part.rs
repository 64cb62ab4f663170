//! One part of the unpushed commits: git objects, compressed together against versions that the receiver has.
//!
//! Objects of one kind and path stand next to each other, so that one is found in the window as a variation of the
//! one before; what they vary first is an object that the receiver has, and is put in front as a prefix. That takes
//! the place of git's deltas, and needs no search for good pairs.

use std::io::{self, Read, Write};

use zstd::stream::raw::{CParameter, DParameter};

use crate::id::{ObjectFormat, Oid};

/// What a part begins with.
const MAGIC: &[u8; 4] = b"HOH1";

/// Magic, number of bases, number of objects, length of the objects.
const HEADER: usize = 16;

/// Kind and length before each object.
const OBJECT_HEADER: usize = 5;

/// Worth its time: unpushed commits are few, and are sent more often than they are made.
const LEVEL: i32 = 12;

/// A window of 8 MiB, which is what a reader grants.
const WINDOW_LOG: u32 = 23;

/// The longest object that is carried.
pub(crate) const MAX_OBJECT: usize = 32 << 20;

/// The most bytes of objects in a part, as a reader accepts it: one longest object beside a full part.
const MAX_RAW: usize = MAX_OBJECT + RAW + (1 << 20);

/// Bytes of objects from which on a part is full.
pub(crate) const RAW: usize = 2 << 20;

/// The most bytes of bases: together with a full part they fit into the window.
pub(crate) const BASES: usize = 4 << 20;

/// The longest part that is read.
pub(crate) const MAX_PART: u64 = (MAX_RAW + HEADER + MAX_BASES * 32) as u64;

/// The most bases of a part.
pub(crate) const MAX_BASES: usize = 16 << 10;

/// The most objects of a part: far more than fit into a full one, unless they are empty.
pub(crate) const MAX_OBJECTS: usize = 128 << 10;

/// The kinds of objects, with git's numbers for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ObjectKind {
    Commit = 1,
    Tree = 2,
    Blob = 3,
}

/// An object as git names it: without the header that is hashed before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub kind: ObjectKind,
    pub data: Vec<u8>,
}

/// A part that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

/// The part that holds `objects`, in this order, compressed against the contents of `bases`.
pub(crate) fn encode(bases: &[(Oid, Vec<u8>)], objects: &[Object]) -> io::Result<Vec<u8>> {
    let prefix = bases.iter().map(|(_, content)| content.as_slice()).collect::<Vec<_>>().concat();
    let raw: usize = objects.iter().map(|object| OBJECT_HEADER + object.data.len()).sum();
    let mut out = Vec::with_capacity(HEADER + raw / 4);
    out.extend_from_slice(MAGIC);
    for number in [bases.len(), objects.len(), raw] {
        let number = u32::try_from(number).map_err(|_| io::ErrorKind::InvalidInput)?;
        out.extend_from_slice(&number.to_le_bytes());
    }
    for (oid, _) in bases {
        out.extend_from_slice(oid.as_bytes());
    }
    let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(out, LEVEL, &prefix)?;
    encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
    encoder.set_parameter(CParameter::ContentSizeFlag(false))?;
    for object in objects {
        encoder.write_all(&[object.kind as u8])?;
        encoder.write_all(&(object.data.len() as u32).to_le_bytes())?;
        encoder.write_all(&object.data)?;
    }
    encoder.finish()
}

/// The ids of the bases that a part needs.
pub(crate) fn bases(part: &[u8], format: ObjectFormat) -> Result<Vec<Oid>, Damaged> {
    let header = Header::read(part)?;
    let ids = part.get(HEADER..HEADER + header.bases * id_len(format)).ok_or(Damaged)?;
    ids.chunks_exact(id_len(format)).map(|id| Oid::from_bytes(id).ok_or(Damaged)).collect()
}

/// The objects of a part, given the contents of its bases one after another. Takes no more memory than the part
/// says, and that is bounded.
pub(crate) fn decode(part: &[u8], format: ObjectFormat, prefix: &[u8]) -> Result<Vec<Object>, Damaged> {
    let header = Header::read(part)?;
    let stored = part.get(HEADER + header.bases * id_len(format)..).ok_or(Damaged)?;
    let mut decoder =
        zstd::stream::read::Decoder::with_ref_prefix(stored, prefix).map_err(|_| Damaged)?.single_frame();
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(|_| Damaged)?;
    let mut raw = Vec::with_capacity(header.raw.min(RAW));
    // One byte more would show a frame that is longer than it says.
    decoder.by_ref().take(header.raw as u64 + 1).read_to_end(&mut raw).map_err(|_| Damaged)?;
    if raw.len() != header.raw {
        return Err(Damaged);
    }
    let mut rest = raw.as_slice();
    let mut objects = Vec::with_capacity(header.objects.min(raw.len() / OBJECT_HEADER));
    for _ in 0..header.objects {
        let (kind, after) = rest.split_first().ok_or(Damaged)?;
        let kind = match kind {
            1 => ObjectKind::Commit,
            2 => ObjectKind::Tree,
            3 => ObjectKind::Blob,
            _ => return Err(Damaged),
        };
        let (len, after) = after.split_first_chunk::<4>().ok_or(Damaged)?;
        let (data, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or(Damaged)?;
        objects.push(Object { kind, data: data.to_vec() });
        rest = after;
    }
    if rest.is_empty() { Ok(objects) } else { Err(Damaged) }
}

struct Header {
    bases: usize,
    objects: usize,
    raw: usize,
}

impl Header {
    fn read(part: &[u8]) -> Result<Self, Damaged> {
        let header: &[u8; HEADER] = part.first_chunk().ok_or(Damaged)?;
        let (magic, numbers) = header.split_first_chunk::<4>().ok_or(Damaged)?;
        let mut numbers = numbers.chunks_exact(4).map(|number| {
            number.try_into().map(u32::from_le_bytes).map(|number| number as usize).map_err(|_| Damaged)
        });
        let mut next = || numbers.next().unwrap_or(Err(Damaged));
        let (bases, objects, raw) = (next()?, next()?, next()?);
        let fits = bases <= MAX_BASES && raw <= MAX_RAW && objects <= MAX_OBJECTS.min(raw / OBJECT_HEADER);
        if magic == MAGIC && fits { Ok(Self { bases, objects, raw }) } else { Err(Damaged) }
    }
}

fn id_len(format: ObjectFormat) -> usize {
    match format {
        ObjectFormat::Sha1 => 20,
        ObjectFormat::Sha256 => 32,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn oid(n: u8) -> Oid {
        Oid::from_bytes(&[n; 20]).unwrap()
    }

    fn text(seed: usize) -> Vec<u8> {
        (0..400).flat_map(|n| format!("line {} of {seed}\n", n * 7919 % 1000).into_bytes()).collect()
    }

    fn sample() -> (Vec<(Oid, Vec<u8>)>, Vec<Object>) {
        let mut changed = text(1);
        changed.extend_from_slice(b"and one more\n");
        let objects = vec![
            Object { kind: ObjectKind::Commit, data: b"tree ...".to_vec() },
            Object { kind: ObjectKind::Tree, data: Vec::new() },
            Object { kind: ObjectKind::Blob, data: changed },
        ];
        (vec![(oid(1), text(1))], objects)
    }

    #[test]
    fn what_was_put_in_comes_out_and_a_base_saves_most_of_it() {
        let (bases_in, objects) = sample();
        let part = encode(&bases_in, &objects).unwrap();
        assert_eq!(bases(&part, ObjectFormat::Sha1), Ok(vec![oid(1)]));
        assert_eq!(decode(&part, ObjectFormat::Sha1, &bases_in[0].1), Ok(objects.clone()));
        assert!(part.len() < 200, "{}", part.len());
        assert!(encode(&[], &objects).unwrap().len() > part.len() * 2);
    }

    #[test]
    fn another_base_gives_other_objects_or_none_and_never_a_panic() {
        let (bases_in, objects) = sample();
        let part = encode(&bases_in, &objects).unwrap();
        let other = text(2);
        assert_ne!(decode(&part, ObjectFormat::Sha1, &other), Ok(objects.clone()));
        for at in 0..part.len() {
            let _ = decode(&part[..at], ObjectFormat::Sha1, &bases_in[0].1);
            for bit in 0..8 {
                let mut damaged = part.clone();
                damaged[at] ^= 1 << bit;
                let _ = bases(&damaged, ObjectFormat::Sha1);
                let _ = decode(&damaged, ObjectFormat::Sha1, &bases_in[0].1);
            }
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let (bases_in, objects) = sample();
        let part = encode(&bases_in, &objects).unwrap();
        for (at, value) in [(4, u32::MAX), (8, u32::MAX), (12, u32::MAX), (12, 1), (8, 2), (8, 4)] {
            let mut lying = part.clone();
            lying[at..at + 4].copy_from_slice(&value.to_le_bytes());
            assert_eq!(decode(&lying, ObjectFormat::Sha1, &bases_in[0].1), Err(Damaged), "{at} {value}");
        }
    }
}
