//! Generated texts and edits, the same for the same seed.

/// SplitMix64.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What the lines of a case are drawn from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// 0 to 40 lines of 3 to 12 different ones, edited all over.
    Dense,
    /// 50 to 400 lines, mostly different, a few edits.
    Sparse,
    /// Sparse, and whole blocks move or repeat.
    Moved,
    /// Statements between braces and blank lines.
    Code,
    /// Dense, each line ending in LF or CR LF.
    Endings,
    /// Blank lines of several widths between few others.
    Blank,
    /// 100 to 700 lines of very few different ones: too frequent to anchor a split.
    Frequent,
}

pub(super) const KINDS: [Kind; 7] =
    [Kind::Dense, Kind::Sparse, Kind::Moved, Kind::Code, Kind::Endings, Kind::Blank, Kind::Frequent];

struct Source {
    kind: Kind,
    alphabet: usize,
    cr_lf: usize,
}

impl Source {
    fn line(&self, rng: &mut Rng) -> String {
        let word = match self.kind {
            Kind::Dense | Kind::Endings | Kind::Frequent => format!("l{}", rng.below(self.alphabet)),
            Kind::Sparse | Kind::Moved => match rng.below(10) {
                0 => String::new(),
                1 => format!("    common {}", rng.below(4)),
                _ => format!("line {}", rng.below(5_000)),
            },
            Kind::Code => {
                let indent = "    ".repeat(rng.below(4));
                match rng.below(9) {
                    0 | 1 => String::new(),
                    2 => format!("{indent}}}"),
                    3 => format!("{indent}if a{} {{", rng.below(self.alphabet)),
                    4 => format!("{indent}return;"),
                    _ => format!("{indent}call{}(x);", rng.below(self.alphabet * 4)),
                }
            }
            Kind::Blank => match rng.below(6) {
                0 => "x".repeat(1 + rng.below(self.alphabet)),
                1 => "\t".to_owned(),
                2 | 3 => String::new(),
                _ => " ".repeat(rng.below(3)),
            },
        };
        let end = if rng.chance(self.cr_lf) { "\r\n" } else { "\n" };
        word + end
    }

    fn edit(&self, rng: &mut Rng, lines: &mut Vec<String>, edits: usize) {
        for _ in 0..edits {
            let at = rng.below(lines.len() + 1);
            let reach = (1 + rng.below(4)).min(lines.len() - at);
            match rng.below(if matches!(self.kind, Kind::Moved) { 8 } else { 6 }) {
                0 | 1 => drop(
                    lines.splice(at..at, (0..1 + rng.below(3)).map(|_| self.line(rng)).collect::<Vec<_>>()),
                ),
                2 => drop(lines.drain(at..at + reach)),
                3 | 4 => {
                    let with: Vec<_> = (0..1 + rng.below(3)).map(|_| self.line(rng)).collect();
                    lines.splice(at..at + reach, with);
                }
                5 => {
                    let copy = lines[at..at + reach].to_vec();
                    lines.splice(at..at, copy);
                }
                _ => {
                    let size = (1 + rng.below(20)).min(lines.len() - at);
                    let block: Vec<_> = lines.drain(at..at + size).collect();
                    let to = rng.below(lines.len() + 1);
                    lines.splice(to..to, block);
                }
            }
        }
    }
}

fn text(rng: &mut Rng, lines: &[String]) -> Vec<u8> {
    let mut text = lines.concat();
    if rng.chance(20) {
        let kept = text.trim_end_matches('\n').len();
        text.truncate(kept.max(text.len().saturating_sub(1)));
    }
    text.into_bytes()
}

fn source(rng: &mut Rng) -> (Source, Vec<String>) {
    let kind = KINDS[rng.below(KINDS.len())];
    let cr_lf = match kind {
        Kind::Endings => [100, 50, 90][rng.below(3)],
        _ if rng.chance(5) => 100,
        _ => 0,
    };
    let alphabet = match kind {
        Kind::Frequent => 1 + rng.below(5),
        _ => 3 + rng.below(10),
    };
    let source = Source { kind, alphabet, cr_lf };
    let size = match kind {
        Kind::Dense | Kind::Endings | Kind::Blank => rng.below(41),
        Kind::Code => rng.below(120),
        Kind::Sparse | Kind::Moved => 50 + rng.below(350),
        // Some so large that the fallback cuts its search short.
        Kind::Frequent if rng.chance(10) => 2_000 + rng.below(4_000),
        Kind::Frequent => 100 + rng.below(600),
    };
    let lines = (0..size).map(|_| source.line(rng)).collect();
    (source, lines)
}

fn edited(rng: &mut Rng, source: &Source, from: &[String]) -> Vec<String> {
    let mut lines = from.to_vec();
    let most = match source.kind {
        Kind::Dense | Kind::Endings | Kind::Blank => 10,
        Kind::Code => 12,
        Kind::Sparse | Kind::Moved => 8,
        Kind::Frequent => 40,
    };
    let edits = if lines.len() > 1_000 { rng.below(lines.len() / 2) } else { rng.below(most) };
    source.edit(rng, &mut lines, edits);
    lines
}

/// Base, ours and theirs.
pub(super) fn triple(rng: &mut Rng) -> (Kind, [Vec<u8>; 3]) {
    let (source, base) = source(rng);
    let mut ours = edited(rng, &source, &base);
    // Sides often share part of their edits.
    let mut theirs = if rng.chance(25) { ours.clone() } else { edited(rng, &source, &base) };
    if rng.chance(30) {
        let edits = 1 + rng.below(3);
        source.edit(rng, &mut theirs, edits);
    }
    if rng.chance(2) {
        ours.clear();
    }
    if rng.chance(2) {
        theirs.clear();
    }
    let base = if rng.chance(3) { Vec::new() } else { base };
    (source.kind, [text(rng, &base), text(rng, &ours), text(rng, &theirs)])
}

/// An old and a new text.
pub(super) fn pair(rng: &mut Rng) -> (Kind, [Vec<u8>; 2]) {
    let (kind, [old, new, _]) = triple(rng);
    (kind, [old, new])
}
