//! Timing sides against each other.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Done;
use crate::calls::median;
use crate::child::{self, Used};

/// One way of doing the work.
pub struct Side<'a> {
    /// As in the table.
    pub name: &'static str,
    /// Brings the files into the state from which the work starts; not timed.
    pub before: Box<dyn Fn() -> Done + 'a>,
    /// The work.
    pub command: Box<dyn Fn() -> Command + 'a>,
    /// Whether it takes seconds, and so gets fewer rounds.
    pub slow: bool,
}

impl<'a> Side<'a> {
    /// A side that needs no preparation.
    pub fn new(name: &'static str, command: impl Fn() -> Command + 'a) -> Self {
        Self { name, before: Box::new(|| Ok(())), command: Box::new(command), slow: false }
    }

    /// With a preparation before each run.
    pub fn after(mut self, before: impl Fn() -> Done + 'a) -> Self {
        self.before = Box::new(before);
        self
    }

    /// With fewer rounds.
    pub fn slow(mut self) -> Self {
        self.slow = true;
        self
    }
}

/// What was measured of one side.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The side.
    pub name: &'static str,
    /// The median of wall-clock times, in milliseconds.
    pub median: f64,
    /// The fastest and the slowest.
    pub range: (f64, f64),
    /// Processor time and memory, from a run of its own.
    pub used: Used,
}

/// Runs every side once to warm up and to see what it uses, then `rounds` times in turn, the order rotating
/// so that no side always follows the same other. The first side is ours.
pub fn compare(rounds: usize, slow_rounds: usize, sides: &[Side<'_>]) -> Done<Vec<Taken>> {
    let mut times = vec![Vec::new(); sides.len()];
    let mut uses = Vec::new();
    for side in sides {
        (side.before)()?;
        uses.push(child::used(&(side.command)()).map_err(|why| format!("{}: {why}", side.name))?);
    }
    for round in 0..rounds {
        for turn in 0..sides.len() {
            let at = (turn + round) % sides.len();
            let (Some(side), Some(times)) = (sides.get(at), times.get_mut(at)) else { continue };
            if side.slow && round >= slow_rounds {
                continue;
            }
            (side.before)()?;
            times.push(once(side)?);
        }
    }
    let taken = sides.iter().zip(times).zip(uses);
    Ok(taken.map(|((side, times), used)| Taken::of(side.name, times, used)).collect())
}

fn once(side: &Side<'_>) -> Done<f64> {
    let mut command = (side.command)();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    let taken = start.elapsed();
    if !status.success() {
        return Err(format!("{} failed ({status}): {command:?}", side.name).into());
    }
    Ok(taken.as_secs_f64() * 1000.0)
}

impl Taken {
    fn of(name: &'static str, mut times: Vec<f64>, used: Used) -> Self {
        times.sort_by(f64::total_cmp);
        let range = (times.first().copied().unwrap_or(f64::NAN), times.last().copied().unwrap_or(f64::NAN));
        Self { name, median: median(times), range, used }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers_of_rounds() {
        let used = Used { cpu: 0.0, peak_mib: 0.0 };
        assert_eq!(Taken::of("x", vec![9.0, 1.0, 5.0], used).median, 5.0);
        assert_eq!(Taken::of("x", vec![9.0, 1.0, 5.0, 3.0], used).median, 4.0);
        assert_eq!(Taken::of("x", vec![9.0, 1.0], used).range, (1.0, 9.0));
    }
}
