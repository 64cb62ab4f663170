//! The same calls through Rust, Python and Node: a process for each that stays, so that starting it is in no time, and
//! that does one piece of work for each line on its stdin.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _, stdin};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use handoff_core::{ApplyOptions, CaptureOptions, Verdict, Workspace, apply, capture};
use nix::time::{ClockId, clock_gettime};

use crate::Done;

/// Wall-clock and processor time, in milliseconds.
pub type Spent = [f64; 2];

/// One language at work.
pub struct Caller {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Caller {
    /// Starts `command`, which answers lines with lines.
    pub fn start(mut command: Command) -> Done<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no pipe")?;
        let output = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        Ok(Self { child, input, output })
    }

    /// Has one piece of work done, and takes what each part of it took.
    pub fn ask(&mut self, work: &str) -> Done<BTreeMap<String, Spent>> {
        writeln!(self.input, "{work}")?;
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(format!("no answer: {}", self.child.wait()?).into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Lets it end.
    pub fn end(self) -> Done {
        let Self { mut child, input, .. } = self;
        drop(input);
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }
}

/// Rust's side: as the scripts in the other languages do it.
pub fn answer(source: &Path, target: &Path) -> Done {
    for line in stdin().lines() {
        line?;
        let (here, there) = (Workspace::new([source])?, Workspace::new([target])?);
        let (snapshot, captured) = timed(|| capture(&here, &CaptureOptions::default()))?;
        let (report, applied) = timed(|| apply(&snapshot, &there, &ApplyOptions::default()))?;
        if report.verdict != Verdict::Complete {
            return Err(format!("the verdict is {}", report.verdict).into());
        }
        println!("{}", serde_json::json!({ "capture": captured, "apply": applied }));
    }
    Ok(())
}

fn timed<T>(call: impl FnOnce() -> Result<T, handoff_core::Error>) -> Done<(T, Spent)> {
    let processor = || -> Done<f64> {
        let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
        Ok(time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6)
    };
    let (wall, cpu) = (Instant::now(), processor()?);
    let value = call()?;
    Ok((value, [wall.elapsed().as_secs_f64() * 1e3, processor()? - cpu]))
}

/// The middle one of `values`, the mean of two where there is no one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 { at(middle) } else { (at(middle.saturating_sub(1)) + at(middle)) / 2.0 }
}
