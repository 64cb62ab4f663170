//! The program's input, output and error output.

use std::io::{self, BufRead as _, BufReader, Read};

use super::LONGEST_LINE;

/// How much of the error output is kept for the reason of a failure, in bytes.
const KEPT_ERRORS: usize = 8 << 10;

/// A line, or a piece of one.
pub(super) struct Piece {
    pub(super) text: String,
    /// Whether it is where a line begins.
    pub(super) begins: bool,
}

/// Sends each line of `output` as it comes; a longer one than [`LONGEST_LINE`] in pieces.
pub(super) fn send_lines(output: impl Read, lines: &async_channel::Sender<Piece>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    let mut begins = true;
    loop {
        let room = LONGEST_LINE.saturating_sub(line.len()) as u64;
        let more = matches!((&mut output).take(room).read_until(b'\n', &mut line), Ok(1..));
        // A character that is cut in two by the piece's end waits for the rest of it.
        let cut = match std::str::from_utf8(&line) {
            Err(error) if more && error.error_len().is_none() => error.valid_up_to(),
            _ => line.len(),
        };
        let rest = line.split_off(cut);
        let text = String::from_utf8_lossy(&line).into_owned();
        let ends = text.ends_with('\n');
        if (!text.is_empty() && lines.send_blocking(Piece { text, begins }).is_err()) || !more {
            return;
        }
        begins = ends;
        line = rest;
    }
}

/// Writes what there is to say as it comes, then closes the input. One that does not read any more has heard enough.
pub(super) fn write_all(mut stdin: impl io::Write, to_say: &async_channel::Receiver<String>) {
    while let Ok(text) = to_say.recv_blocking() {
        if stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// An answer as the program reads it.
pub(super) fn one_line(answer: &str) -> String {
    let mut line = answer.lines().map(str::trim_end).collect::<Vec<_>>().join(" ");
    line.push('\n');
    line
}

/// The last part of what is written, read to the end so that the writer is never held up.
pub(super) fn tail(mut errors: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match errors.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
                if kept.len() > KEPT_ERRORS * 2 {
                    kept.drain(..kept.len() - KEPT_ERRORS);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let from = kept.len().saturating_sub(KEPT_ERRORS);
    String::from_utf8_lossy(kept.get(from..).unwrap_or_default()).trim().to_owned()
}
