//! `working-tree-encoding`: files that are UTF-8 in git and something else on disk. gix knows the attribute, but
//! writes UTF-16 as UTF-8 and tells byte orders apart less well than git, so these conversions are our own.

use encoding_rs::{DecoderResult, EncoderResult};

/// How the files of a path are encoded on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// `UTF-16` and `UTF-32`, of two or four bytes a unit.
    Unicode { unit: usize, order: Order },
    /// One byte a character, of the same number.
    Latin1,
    /// Any other that is known by name.
    Named(&'static encoding_rs::Encoding),
}

/// Which byte order a Unicode encoding has, and whether a mark says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The file begins with a mark; without one it is not what it should be.
    Marked,
    /// Always this one, and a mark is a mistake.
    Fixed { big: bool },
}

impl Encoding {
    /// The encoding that `.gitattributes` calls `label`: `Ok(None)` for UTF-8, `Err` for one nobody knows.
    pub fn named(label: &[u8]) -> Result<Option<Self>, ()> {
        let label = std::str::from_utf8(label).map_err(|_| ())?.to_ascii_lowercase();
        // Git takes `utf16` for `utf-16`.
        let name = match label.strip_prefix("utf") {
            Some(rest) => format!("utf-{}", rest.strip_prefix('-').unwrap_or(rest)),
            None => label,
        };
        let unicode = |unit, order| Ok(Some(Self::Unicode { unit, order }));
        match name.as_str() {
            "utf-8" => Ok(None),
            "utf-16" | "utf-16le-bom" => unicode(2, Order::Marked),
            "utf-16le" => unicode(2, Order::Fixed { big: false }),
            "utf-16be" => unicode(2, Order::Fixed { big: true }),
            "utf-32" => unicode(4, Order::Marked),
            "utf-32le" => unicode(4, Order::Fixed { big: false }),
            "utf-32be" => unicode(4, Order::Fixed { big: true }),
            // The web's names mean windows-1252 by these.
            "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "latin-1" | "l1" => Ok(Some(Self::Latin1)),
            other => encoding_rs::Encoding::for_label_no_replacement(other.as_bytes())
                .map(|known| Some(Self::Named(known)))
                .ok_or(()),
        }
    }

    /// Bytes on disk as UTF-8; `None` where they are not in this encoding, or would not come out the same again.
    pub fn decode(self, disk: &[u8]) -> Option<Vec<u8>> {
        if disk.is_empty() {
            return Some(Vec::new());
        }
        let text = match self {
            Self::Unicode { unit, order } => {
                let (big, marked) = byte_order(disk, unit);
                let (big, rest) = match order {
                    Order::Marked if marked => (big, disk.get(unit..)?),
                    Order::Fixed { big } if !marked => (big, disk),
                    _ => return None,
                };
                decode_unicode(rest, unit, big)?
            }
            Self::Latin1 => disk.iter().map(|byte| char::from(*byte)).collect(),
            Self::Named(encoding) => {
                let mut decoder = encoding.new_decoder_without_bom_handling();
                let mut text =
                    String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(disk.len())?);
                match decoder.decode_to_string_without_replacement(disk, &mut text, true) {
                    (DecoderResult::InputEmpty, _) => text,
                    _ => return None,
                }
            }
        };
        let text = text.into_bytes();
        (self.encode(&text, disk).as_deref() == Some(disk)).then_some(text)
    }

    /// UTF-8 as bytes on disk, in the byte order of `like` where that has one; `None` where it cannot be expressed.
    pub fn encode(self, text: &[u8], like: &[u8]) -> Option<Vec<u8>> {
        if text.is_empty() {
            return Some(Vec::new());
        }
        let text = std::str::from_utf8(text).ok()?;
        match self {
            Self::Unicode { unit, order } => {
                let (big, mark) = match order {
                    // As git on the machines of today, where nothing says otherwise.
                    Order::Marked => (matches!(byte_order(like, unit), (true, true)), "\u{feff}"),
                    Order::Fixed { big } => (big, ""),
                };
                let mut out = Vec::with_capacity((text.len() + 1) * unit);
                for c in mark.chars().chain(text.chars()) {
                    if unit == 4 {
                        push(&mut out, &u32::from(c).to_be_bytes(), big);
                    } else {
                        c.encode_utf16(&mut [0; 2])
                            .iter()
                            .for_each(|u| push(&mut out, &u.to_be_bytes(), big));
                    }
                }
                Some(out)
            }
            Self::Latin1 => text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
            Self::Named(encoding) => {
                let mut encoder = encoding.new_encoder();
                let room = encoder.max_buffer_length_from_utf8_without_replacement(text.len())?;
                let mut out = Vec::with_capacity(room);
                match encoder.encode_from_utf8_to_vec_without_replacement(text, &mut out, true) {
                    (EncoderResult::InputEmpty, _) => Some(out),
                    _ => None,
                }
            }
        }
    }
}

/// Adds a unit that is given with its high byte first.
fn push(out: &mut Vec<u8>, unit: &[u8], big: bool) {
    if big { out.extend_from_slice(unit) } else { out.extend(unit.iter().rev()) }
}

/// Whether `bytes` begin with a mark, and whether that is of the order with the high byte first.
fn byte_order(bytes: &[u8], unit: usize) -> (bool, bool) {
    let (big, little): (&[u8], &[u8]) =
        if unit == 4 { (&[0, 0, 0xfe, 0xff], &[0xff, 0xfe, 0, 0]) } else { (&[0xfe, 0xff], &[0xff, 0xfe]) };
    (bytes.starts_with(big), bytes.starts_with(big) || bytes.starts_with(little))
}

fn decode_unicode(bytes: &[u8], unit: usize, big: bool) -> Option<String> {
    let units = bytes.chunks_exact(unit);
    if !units.remainder().is_empty() {
        return None;
    }
    let numbers = units.map(|unit| {
        let number = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
        if big { unit.iter().fold(0, number) } else { unit.iter().rev().fold(0, number) }
    });
    if unit == 4 {
        return numbers.map(char::from_u32).collect();
    }
    char::decode_utf16(numbers.map(|number| number as u16)).collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn named(label: &str) -> Encoding {
        Encoding::named(label.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn names_are_those_git_knows() {
        assert_eq!(Encoding::named(b"UTF8"), Ok(None));
        assert_eq!(named("Utf16"), named("UTF-16"));
        assert_eq!(named("latin-1"), Encoding::Latin1);
        assert!(matches!(named("SHIFT-JIS"), Encoding::Named(_)));
        assert_eq!(Encoding::named(b"EBCDIC-nowhere"), Err(()));
        assert_eq!(Encoding::named(b"\xff"), Err(()));
    }

    #[test]
    fn marks_are_needed_or_forbidden() {
        let utf16 = named("UTF-16");
        assert_eq!(utf16.decode(b"\xff\xfea\0").as_deref(), Some(&b"a"[..]));
        assert_eq!(utf16.decode(b"\xfe\xff\0a").as_deref(), Some(&b"a"[..]));
        assert_eq!(utf16.decode(b"a\0"), None);
        assert_eq!(named("UTF-16LE").decode(b"\xff\xfea\0"), None);
        assert_eq!(utf16.encode(b"a", b"").as_deref(), Some(&b"\xff\xfea\0"[..]));
        assert_eq!(utf16.encode(b"a", b"\xfe\xff").as_deref(), Some(&b"\xfe\xff\0a"[..]));
    }

    #[test]
    fn what_does_not_come_out_the_same_is_refused() {
        // An odd byte, half a pair, and bytes beyond the code.
        for (label, bytes) in [
            ("UTF-16LE", &b"a\0b"[..]),
            ("UTF-16LE", b"\0\xd8a\0"),
            ("UTF-32BE", b"\0\x11\0\0"),
            ("SHIFT-JIS", b"\x81"),
        ] {
            assert_eq!(named(label).decode(bytes), None, "{label}");
        }
        assert_eq!(Encoding::Latin1.encode("€".as_bytes(), b""), None);
        assert_eq!(Encoding::Latin1.decode(b"\x80\xe9").as_deref(), Some("\u{80}é".as_bytes()));
        let japanese = named("SHIFT-JIS").decode(b"\x93\xfa\x96{").unwrap();
        assert_eq!(japanese, "日本".as_bytes());
    }
}
