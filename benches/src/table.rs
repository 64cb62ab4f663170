//! Results as text.

use crate::Done;
use crate::measure::Taken;

/// The rows of one benchmark program.
#[derive(Default)]
pub struct Table {
    missed: Vec<String>,
}

/// What our side has to reach: a share of another side's time.
pub struct Goal {
    /// The other side's name.
    pub beside: &'static str,
    /// The largest share.
    pub share: f64,
}

impl Table {
    /// Prints one case: ours first, each other side with ours as a share of it.
    pub fn case(&mut self, title: &str, taken: &[Taken], goals: &[Goal]) {
        println!("\n{title}");
        println!(
            "  {:<42} {:>9} {:>17} {:>7} {:>9} {:>8}  goal",
            "", "median ms", "range ms", "CPU ms", "peak MiB", "ours ÷"
        );
        let Some(ours) = taken.first() else { return };
        for side in taken {
            let ratio = ours.median / side.median;
            let goal = goals.iter().find(|goal| goal.beside == side.name);
            let verdict = goal.map_or_else(String::new, |goal| {
                let met = ratio <= goal.share;
                if !met {
                    self.missed
                        .push(format!("{title}: {ratio:.2}× {}, the goal is {:.2}×", side.name, goal.share));
                }
                format!("≤ {:.2}× {}", goal.share, if met { "met" } else { "MISSED" })
            });
            let shown = if std::ptr::eq(side, ours) { "—".to_owned() } else { format!("{ratio:.2}×") };
            let range = format!("{:.1}–{:.1}", side.range.0, side.range.1);
            println!(
                "  {:<42} {:>9.1} {range:>17} {:>7.0} {:>9.1} {shown:>8}  {verdict}",
                side.name, side.median, side.used.cpu, side.used.peak_mib
            );
        }
    }

    /// A goal for the peak memory of our side.
    pub fn memory(&mut self, title: &str, taken: &[Taken], most_mib: f64) {
        let Some(ours) = taken.first() else { return };
        let met = ours.used.peak_mib < most_mib;
        if !met {
            self.missed
                .push(format!("{title}: peak {:.1} MiB, the goal is < {most_mib} MiB", ours.used.peak_mib));
        }
        println!(
            "  peak memory {:.1} MiB, goal < {most_mib} MiB {}",
            ours.used.peak_mib,
            if met { "met" } else { "MISSED" }
        );
    }

    /// Sums up; an error for missed goals only when `HANDOFF_BENCH_STRICT` is set, because a busy machine
    /// is no reason for a red build.
    pub fn close(self) -> Done {
        println!();
        for missed in &self.missed {
            println!("missed: {missed}");
        }
        if self.missed.is_empty() {
            println!("every goal is met");
        } else if std::env::var_os("HANDOFF_BENCH_STRICT").is_some_and(|strict| strict != "0") {
            return Err(format!("{} goals missed", self.missed.len()).into());
        }
        Ok(())
    }
}
