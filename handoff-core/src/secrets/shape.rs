//! What has to stand around a trigger for it to be a secret. Written out rather than as regular expressions: each
//! check is a few comparisons on bytes that are there already, and the bounds on its reach are plain to see.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A set of bytes.
#[derive(Clone, Copy)]
pub(super) struct Alphabet([u64; 4]);

impl Alphabet {
    const fn of(bytes: &[u8]) -> Self {
        Self::with(Self([0; 4]), bytes)
    }

    #[allow(clippy::indexing_slicing, reason = "a constant function has no iterators; the indices are bytes")]
    pub const fn with(mut self, bytes: &[u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            self.0[bytes[at] as usize >> 6] |= 1 << (bytes[at] & 63);
            at += 1;
        }
        self
    }

    fn has(&self, byte: u8) -> bool {
        self.0.get(byte as usize >> 6).is_some_and(|bits| bits >> (byte & 63) & 1 == 1)
    }

    /// All of them.
    pub fn signs(&self) -> Vec<u8> {
        (0..=u8::MAX).filter(|byte| self.has(*byte)).collect()
    }

    /// How many bytes from the start of `bytes` on are of this alphabet.
    fn run(&self, bytes: &[u8]) -> usize {
        bytes.iter().position(|byte| !self.has(*byte)).unwrap_or(bytes.len())
    }
}

pub(super) const HEX: Alphabet = Alphabet::of(b"0123456789abcdef");
pub(super) const UPPER_BASE32: Alphabet = Alphabet::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
pub(super) const UPPER_ALNUM: Alphabet = Alphabet::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
pub(super) const ALNUM: Alphabet = UPPER_ALNUM.with(b"abcdefghijklmnopqrstuvwxyz");
pub(super) const WORD: Alphabet = ALNUM.with(b"_");
pub(super) const BASE64URL: Alphabet = WORD.with(b"-");
pub(super) const BASE64: Alphabet = ALNUM.with(b"+/=");
const DIGITS: Alphabet = Alphabet::of(b"0123456789");

/// How a rule decides.
pub(super) enum Check {
    /// So many bytes of an alphabet follow, look random, and end there.
    Token {
        alphabet: Alphabet,
        least: usize,
        most: usize,
    },
    /// 30 letters and digits and the CRC-32 of them in six more, in base 62. Without a right sum they have to look
    /// random, so that a token whose issuer changes the sum is still kept at home.
    Crc32,
    With(fn(&Place<'_>) -> Option<Range<usize>>),
}

/// Where a trigger was found.
pub(super) struct Place<'a> {
    /// The bytes around it, [`super::BEFORE`] and [`super::AFTER`] at most.
    pub bytes: &'a [u8],
    /// The whole trigger, within `bytes`.
    pub trigger: Range<usize>,
}

impl Check {
    /// The secret at `place`, as a range of its bytes.
    pub fn find(&self, place: &Place<'_>) -> Option<Range<usize>> {
        match self {
            Self::Token { alphabet, least, most } => {
                let run = place.begins()?.run(alphabet)?;
                let body = place.bytes.get(run.clone())?;
                let fits = (*least..=*most).contains(&body.len()) && is_random(body);
                fits.then_some(place.trigger.start..run.end)
            }
            Self::Crc32 => {
                let run = place.begins()?.run(&WORD)?;
                let body = place.bytes.get(run.clone()).filter(|body| body.len() == 36)?;
                (ALNUM.run(body) == 36 && (has_sum(body) || is_random(body)))
                    .then_some(place.trigger.start..run.end)
            }
            Self::With(find) => find(place),
        }
    }
}

impl<'a> Place<'a> {
    fn after(&self) -> &'a [u8] {
        self.bytes.get(self.trigger.end..).unwrap_or_default()
    }

    /// This place, unless the trigger is the end of a longer word.
    fn begins(&self) -> Option<&Self> {
        self.is_start(self.trigger.start).then_some(self)
    }

    /// Whether a word may begin at `at`: also behind `\n` and the like in a string literal, and behind `%3D` in an
    /// address.
    fn is_start(&self, at: usize) -> bool {
        let before = self.bytes.get(at.saturating_sub(3)..at).unwrap_or_default();
        match before {
            [] => true,
            [.., b'\\', b'n' | b'r' | b't'] => true,
            [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => true,
            [.., last] => !WORD.has(*last),
        }
    }

    /// The bytes of `alphabet` behind the trigger, unless a word goes on after them.
    fn run(&self, alphabet: &Alphabet) -> Option<Range<usize>> {
        let len = alphabet.run(self.after());
        let next = self.after().get(len).copied().unwrap_or(b' ');
        (!WORD.has(next)).then_some(self.trigger.end..self.trigger.end + len)
    }
}

/// Whether the last six bytes are the sum of those before.
fn has_sum(body: &[u8]) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((random, sum)) = body.split_last_chunk::<6>() else { return false };
    let said = sum.iter().try_fold(0_u64, |value, byte| {
        Some(value * 62 + DIGITS.iter().position(|digit| digit == byte)? as u64)
    });
    said == Some(u64::from(crc32fast::hash(random)))
}

/// Whether `body` may be random rather than written by a person: placeholders, sequences and repetitions are not.
pub(super) fn is_random(body: &[u8]) -> bool {
    let (mut counts, mut steps, mut run, mut longest) = ([0_u32; 256], 0, 1, 1);
    for byte in body {
        if let Some(count) = counts.get_mut(*byte as usize) {
            *count += 1;
        }
    }
    for pair in body.windows(2) {
        let [a, b] = pair else { continue };
        steps += usize::from(b.wrapping_sub(*a) == 1 || a.wrapping_sub(*b) == 1);
        run = if a == b { run + 1 } else { 1 };
        longest = longest.max(run);
    }
    let total = body.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum();
    // Random text of n bytes over 16 signs or more has nearly min(4, log2 n) bits a byte, or more.
    let enough = (total.log2() * 0.68).min(3.0);
    entropy > enough && steps * 4 < body.len() && longest < 6 && !says_example(body)
}

fn says_example(body: &[u8]) -> bool {
    const WORDS: &[&[u8]] =
        &[b"example", b"placeholder", b"xxxx", b"abcdef", b"your_", b"your-", b"12345678", b"redacted"];
    WORDS.iter().any(|word| body.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// `aws_secret_access_key = …` and its spellings: 40 signs in quotes or not.
pub(super) fn aws_secret(place: &Place<'_>) -> Option<Range<usize>> {
    const BETWEEN: Alphabet = Alphabet::of(b" \t\"'`\\:=>(,");
    const BODY: Alphabet = ALNUM.with(b"+/");
    let after = place.after();
    let gap = BETWEEN.run(after);
    let between = after.get(..gap).filter(|between| between.len() <= 12)?;
    between.iter().find(|byte| b":=>,(".contains(byte))?;
    let rest = after.get(gap..)?;
    let body = rest.get(..BODY.run(rest)).filter(|body| body.len() == 40)?;
    let next = rest.get(40).copied().unwrap_or(b' ');
    let mixed = [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit]
        .iter()
        .all(|kind| body.iter().any(kind));
    let start = place.trigger.end + gap;
    (next != b'=' && next != b'_' && mixed && is_random(body)).then_some(start..start + 40)
}

/// 64 bytes in base 64. The key of the storage emulator is the same everywhere.
pub(super) fn azure_storage(place: &Place<'_>) -> Option<Range<usize>> {
    let run = BASE64.run(place.after());
    let body = place.after().get(..run).filter(|body| body.len() == 88 && body.ends_with(b"=="))?;
    let emulator = body.starts_with(b"Eby8vdM02xNO");
    (!emulator && is_random(body)).then_some(place.trigger.end..place.trigger.end + 88)
}

/// A header that says private key, and the beginning of a key behind it: a parser's constant is no key.
pub(super) fn private_key(place: &Place<'_>) -> Option<Range<usize>> {
    const LABEL: Alphabet = UPPER_ALNUM.with(b" ");
    const BEGIN: &[u8] = b"-----BEGIN ";
    /// What may be before the first line of the key: PEM and PGP headers, comments, quotes.
    const PREAMBLE: usize = 512;
    /// The shortest line of a key; the shortest key there is has 64.
    const LINE: usize = 32;
    const BODY: Alphabet = BASE64.with(b"-_");
    let before = place.bytes.get(..place.trigger.start)?;
    let label = before.iter().rev().take(40).take_while(|byte| LABEL.has(**byte)).count();
    let dashes = before.len() - label;
    let start = (dashes + 6).checked_sub(BEGIN.len())?;
    let header = place.bytes.get(start..place.trigger.start)?;
    (header.starts_with(BEGIN) && header.ends_with(b"PRIVATE ")).then_some(())?;
    let begin = place.trigger.end;
    let rest = place.after();
    let end = memmem(rest, b"-----").unwrap_or(rest.len());
    let mut at = 0;
    let body = rest.get(..end)?;
    let line = loop {
        let left = body.get(at..)?;
        if at > PREAMBLE || left.is_empty() {
            return None;
        }
        let run = BODY.run(left);
        let line = left.get(..run)?;
        if run >= LINE && entropy_of_key(line) {
            break at;
        }
        // A sign of the line may be that of an escape: `\n` before the key's first.
        at += run.max(1);
    };
    if end < rest.len() {
        // Up to the end of the line that closes the key.
        let closing = rest.get(end..)?;
        let label = closing.get(5..).map_or(0, |label| LABEL.run(label));
        return Some(start..begin + end + (5 + label + 5).min(closing.len()));
    }
    // Cut off: as far as it goes on in lines like those of a key.
    let mut until = line;
    while let Some(left) = body.get(until..).filter(|left| !left.is_empty()) {
        let gap = left.iter().position(|byte| BODY.has(*byte)).unwrap_or(left.len());
        let gap = if left.get(..gap).is_some_and(|gap| gap.ends_with(b"\\")) { gap + 1 } else { gap };
        let run = left.get(gap..).map_or(0, |left| BODY.run(left));
        if run < 16 || gap > 16 {
            break;
        }
        until += gap + run;
    }
    Some(start..begin + until)
}

/// Keys have long stretches of zeros, so only how many signs there are counts.
fn entropy_of_key(line: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in line {
        if let Some(seen) = seen.get_mut(*byte as usize) {
            *seen = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() >= 12 && !says_example(line)
}

fn memmem(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Three parts in base 64: a JSON object with an algorithm, a JSON object, and a signature of 32 bytes or more.
pub(super) fn jwt(place: &Place<'_>) -> Option<Range<usize>> {
    let bytes = place.bytes.get(place.begins()?.trigger.start..)?;
    let (mut ends, mut at) = ([0; 3], 0);
    for end in &mut ends {
        let run = BASE64URL.run(bytes.get(at..)?);
        *end = at + run;
        at += run + 1;
        if run < 10 {
            return None;
        }
    }
    let [header, payload, signature] = ends;
    if bytes.get(header) != Some(&b'.') || bytes.get(payload) != Some(&b'.') {
        return None;
    }
    let decode = |range: Range<usize>| URL_SAFE_NO_PAD.decode(bytes.get(range)?).ok();
    let object = |range| {
        let value: serde_json::Value = serde_json::from_slice(&decode(range)?).ok()?;
        value.as_object().cloned()
    };
    let algorithm = object(0..header)?.get("alg")?.as_str()?.to_owned();
    let claims = object(header + 1..payload)?;
    // The token of the standard's home page, in every tutorial.
    let famous = claims.get("sub").and_then(serde_json::Value::as_str) == Some("1234567890");
    let signed = decode(payload + 1..signature)?.len() >= 32 && is_random(bytes.get(payload + 1..signature)?);
    (signed && !famous && algorithm != "none").then_some(place.trigger.start..place.trigger.start + signature)
}

/// `sk-…T3BlbkFJ…`: the mark in the midst is the issuer's name in base 64.
pub(super) fn openai(place: &Place<'_>) -> Option<Range<usize>> {
    let before = place.bytes.get(..place.trigger.start)?;
    let start = before.iter().rposition(|byte| !BASE64URL.has(*byte)).map_or(0, |at| at + 1);
    let head = before.get(start..)?;
    // Behind an escape, the word has one sign too many.
    let skip = memmem(head, b"sk-").filter(|at| *at <= 1)?;
    let run = place.run(&BASE64URL)?;
    let tail = place.bytes.get(run.clone())?;
    let long = head.len() - skip >= 18 && (20..=200).contains(&tail.len());
    (long && is_random(tail) && place.is_start(start + skip)).then_some(start + skip..run.end)
}

/// `SG.` and parts of 22 and 43 signs.
pub(super) fn sendgrid(place: &Place<'_>) -> Option<Range<usize>> {
    let after = place.begins()?.after();
    let first = after.get(..BASE64URL.run(after)).filter(|first| first.len() == 22)?;
    let rest = after.get(22..)?.strip_prefix(b".")?;
    let second = rest.get(..BASE64URL.run(rest)).filter(|second| second.len() == 43)?;
    (is_random(first) && is_random(second)).then_some(place.trigger.start..place.trigger.end + 66)
}

/// `xoxb-` and its kin: numbers and a random last part.
pub(super) fn slack(place: &Place<'_>) -> Option<Range<usize>> {
    const BODY: Alphabet = ALNUM.with(b"-");
    let run = place.begins()?.run(&BODY)?;
    let body = place.bytes.get(run.clone())?;
    let parts: Vec<_> = body.split(|byte| *byte == b'-').collect();
    let (last, numbers) = parts.split_last()?;
    let numbered = numbers.iter().any(|part| part.len() >= 9 && DIGITS.run(part) == part.len());
    ((20..=200).contains(&last.len()) && numbered && is_random(last)).then_some(place.trigger.start..run.end)
}

/// 14 signs before the mark, and 60 or more behind.
pub(super) fn terraform(place: &Place<'_>) -> Option<Range<usize>> {
    let start = place.trigger.start.checked_sub(14)?;
    let head = place.bytes.get(start..place.trigger.start)?;
    let run = place.run(&BASE64URL)?;
    let long = (60..=80).contains(&run.len()) && ALNUM.run(head) == 14;
    (long && place.is_start(start) && is_random(place.bytes.get(run.clone())?)).then_some(start..run.end)
}
