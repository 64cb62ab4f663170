//! Times capture, and apply with undo, on two checkouts: what bindings in other languages are measured beside.
//!
//! `time_calls LAPTOP CLOUD ROUNDS` prints one line of JSON with the medians in milliseconds.

use std::time::Instant;

use handoff_core::{ApplyOptions, CaptureOptions, Control, Workspace, apply, capture, undo};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [laptop, cloud, rounds] = args.as_slice() else {
        // Run as an example among others: nothing to time.
        return Ok(());
    };
    let (laptop, cloud) = (Workspace::new([laptop])?, Workspace::new([cloud])?);
    let (mut captures, mut applies) = (Vec::new(), Vec::new());
    for _ in 0..rounds.parse::<u32>()? {
        let began = Instant::now();
        let snapshot = capture(&laptop, &CaptureOptions::default())?;
        captures.push(began.elapsed().as_secs_f64() * 1000.0);
        let began = Instant::now();
        let report = apply(&snapshot, &cloud, &ApplyOptions::default())?;
        applies.push(began.elapsed().as_secs_f64() * 1000.0);
        let id = report.apply_id.ok_or("nothing was written")?;
        undo(&cloud, &id, &Control::default())?;
    }
    println!("{{\"capture\":{:.3},\"apply\":{:.3}}}", median(captures), median(applies));
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}
