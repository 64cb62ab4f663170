//! How small things are stored: a line that says what follows, then JSON, compressed where that pays. Every record
//! carries the SHA-256 of what follows the line, which is checked on every read.

use std::io::Read;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::error::Error;

/// What a record begins with; the number is the format's major version.
const MAGIC: &str = "handoff-record/1";

/// The largest JSON of one record, in bytes, written or read.
pub(crate) const MAX_RECORD: u64 = 16 << 20;

/// JSON shorter than this is not worth compressing.
const WORTH_COMPRESSING: usize = 2 << 10;

/// `value` as a record. The same value gives the same bytes.
pub(crate) fn encode(what: &str, value: &impl Serialize) -> Result<Bytes, Error> {
    encode_within(what, value, MAX_RECORD)
}

/// As [`encode`], with another limit.
pub(crate) fn encode_within(what: &str, value: &impl Serialize, limit: u64) -> Result<Bytes, Error> {
    let json = serde_json::to_vec(value).map_err(|error| Error::format(what, error.to_string()))?;
    if json.len() as u64 > limit {
        return Err(Error::Limit { what: what.to_owned(), limit, found: json.len() as u64 });
    }
    let packed = if json.len() < WORTH_COMPRESSING { None } else { zstd::bulk::compress(&json, 3).ok() };
    let (form, payload) = match packed {
        Some(packed) if packed.len() < json.len() => ("zstd", packed),
        _ => ("json", json),
    };
    let mut body = format!("{MAGIC} {form} {}\n", Digest::of(&payload)).into_bytes();
    body.extend_from_slice(&payload);
    Ok(body.into())
}

/// The value in the record `body`; `what` names it in errors.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Error> {
    decode_within(what, body, MAX_RECORD)
}

/// As [`decode`], with another limit.
pub(crate) fn decode_within<T: DeserializeOwned>(what: &str, body: &[u8], limit: u64) -> Result<T, Error> {
    let json = open(what, body, limit)?;
    serde_json::from_slice(&json).map_err(|error| Error::format(what, error.to_string()))
}

fn open(what: &str, body: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    let damaged = || Error::Corrupt { what: what.to_owned() };
    let end = body.iter().take(128).position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let (line, payload) = body.split_at_checked(end).ok_or_else(damaged)?;
    let payload = payload.get(1..).unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| damaged())?;
    let mut words = line.split(' ');
    let (Some(magic), Some(form), Some(digest)) = (words.next(), words.next(), words.next()) else {
        return Err(damaged());
    };
    if magic != MAGIC {
        return Err(match magic.strip_prefix("handoff-record/") {
            Some(_) => {
                Error::UnsupportedVersion { what: what.to_owned(), found: magic.to_owned(), supported: MAGIC }
            }
            None => damaged(),
        });
    }
    let digest: Digest = digest.parse().map_err(|_| damaged())?;
    // Before anything is decompressed.
    if Digest::of(payload) != digest {
        return Err(damaged());
    }
    let json = match form {
        "json" => payload.to_vec(),
        "zstd" => inflate(payload, limit).ok_or_else(damaged)?,
        _ => return Err(damaged()),
    };
    if json.len() as u64 > limit {
        return Err(Error::Limit { what: what.to_owned(), limit, found: json.len() as u64 });
    }
    Ok(json)
}

/// Decompresses, stopping one byte beyond what a record may hold, whatever a header claims.
fn inflate(payload: &[u8], limit: u64) -> Option<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::new(payload).ok()?;
    decoder.window_log_max(24).ok()?;
    let mut json = Vec::new();
    decoder.take(limit + 1).read_to_end(&mut json).ok()?;
    Some(json)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        for value in [vec!["short".to_owned()], vec!["long, and the same again. ".repeat(200)]] {
            let body = encode("a record", &value).unwrap();
            assert_eq!(decode::<Vec<String>>("a record", &body).unwrap(), value);
            for at in 0..body.len() {
                for bit in 0..8 {
                    let mut bad = body.to_vec();
                    bad[at] ^= 1 << bit;
                    let read = decode::<Vec<String>>("a record", &bad);
                    assert!(read.is_err(), "bit {bit} of byte {at}");
                }
                assert!(decode::<Vec<String>>("a record", &body[..at]).is_err(), "cut at {at}");
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![b' '; 64 << 20];
        let payload = zstd::bulk::compress(&zeros, 1).unwrap();
        let mut body = format!("{MAGIC} zstd {}\n", Digest::of(&payload)).into_bytes();
        body.extend(payload);
        assert!(matches!(decode::<u8>("a bomb", &body), Err(Error::Limit { .. })));
    }
}
