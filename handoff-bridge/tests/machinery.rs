//! Requests as the languages make them: what is refused, what is cancelled, what is let go of.

#![allow(clippy::result_large_err, reason = "as in the crate itself")]

use std::time::Duration;

use futures_lite::future::block_on;
use handoff_bridge::{Failure, Handle, Reply, Request, start};
use handoff_core::testing::laptop_and_cloud;
use serde_json::{Value, json};

fn run(op: &str, args: Value, handles: &[Handle]) -> Result<Reply, Failure> {
    block_on(start(Request { args, handles: handles.to_vec(), ..Request::new(op) }).wait())
}

#[test]
fn work_travels_and_comes_back() -> Result<(), Box<dyn std::error::Error>> {
    let (_dir, laptop, cloud) = laptop_and_cloud()?;
    let here = run("workspace.new", json!({ "roots": [laptop] }), &[])?.handles.remove(0);
    let there = run("workspace.new", json!({ "roots": [cloud] }), &[])?.handles.remove(0);
    let snapshot = run("capture", json!({ "workspace": { "$handle": 0 } }), &[here])?;
    let both = [snapshot.handles.first().cloned().ok_or("no handle")?, there];
    let args = json!({ "snapshot": { "$handle": 0 }, "workspace": { "$handle": 1 } });
    let report = run("apply", args, &both)?.value;
    assert_eq!(report.pointer("/report/verdict"), Some(&json!("complete")));
    assert_eq!(std::fs::read(cloud.join("notes.txt"))?, b"first\nsecond\n");
    let args = json!({ "workspace": { "$handle": 1 }, "apply_id": report.pointer("/report/apply_id") });
    run("undo", args, &both)?;
    assert_eq!(std::fs::read(cloud.join("notes.txt"))?, b"first\n");
    Ok(())
}

#[test]
fn what_is_wrong_is_refused_by_name() -> Result<(), Box<dyn std::error::Error>> {
    let (_dir, laptop, _) = laptop_and_cloud()?;
    let workspace = run("workspace.new", json!({ "roots": [laptop] }), &[])?.handles.remove(0);
    let closed = workspace.clone();
    let wrong = [
        ("capture", json!({}), "workspace", "missing"),
        ("capture", json!({ "workspace": 5 }), "workspace", "a number"),
        ("capture", json!({ "workspace": { "$handle": 9 } }), "workspace", "pass an object"),
        ("capture", json!({ "workspace": { "$handle": 0 }, "colour": 1 }), "colour", "is not known"),
        ("capture", json!({ "workspace": { "$handle": 0 }, "bases": "some" }), "bases", "always, never"),
        ("capture", json!({ "workspace": { "$handle": 0 }, "exclude": ["a", 5] }), "exclude[1]", "a string"),
        ("capture", json!({ "workspace": { "$handle": 0 }, "deadline": -5 }), "deadline", "whole number"),
        ("capture", json!({ "workspace": { "$handle": 0 }, "spool_dir": "a\0b" }), "spool_dir", "zero byte"),
        ("snapshot.manifest", json!({ "snapshot": { "$handle": 0 } }), "snapshot", "is a workspace"),
        ("capture", json!({ "colour": 1 }), "colour", "is not known; known are: workspace, max_file_bytes"),
        ("secrets.rules", json!({ "colour": 1 }), "colour", "there are no arguments"),
        ("nothing.at_all", json!({}), "op", "is not known"),
    ];
    for (op, args, argument, says) in wrong {
        let failure = run(op, args.clone(), std::slice::from_ref(&workspace)).err().ok_or("accepted")?;
        assert_eq!(failure.kind, "invalid_argument", "{op} {args}");
        assert_eq!(failure.argument.as_deref(), Some(argument), "{op} {args}: {failure}");
        assert!(failure.message.contains(says), "{op} {args}: {failure}");
    }
    closed.close();
    let failure =
        run("plan", json!({ "workspace": { "$handle": 0 } }), &[workspace]).err().ok_or("accepted")?;
    assert!(failure.message.contains("closed"), "{failure}");
    Ok(())
}

#[test]
fn a_cancelled_operation_settles_as_cancelled() -> Result<(), Box<dyn std::error::Error>> {
    let (_dir, laptop, _) = laptop_and_cloud()?;
    let workspace = run("workspace.new", json!({ "roots": [laptop] }), &[])?.handles;
    // Far more quiet than anybody has: the capture waits until it is cancelled.
    let args = json!({ "workspace": { "$handle": 0 }, "quiet": 3_600_000 });
    let operation = start(Request { args, handles: workspace, ..Request::new("capture") });
    block_on(operation.next_event()).ok_or("no progress")?;
    operation.cancel();
    let outcome = block_on(operation.wait());
    assert_eq!(outcome.err().map(|failure| failure.kind).as_deref(), Some("cancelled"));
    assert!(matches!(operation.wait_timeout(Duration::ZERO), Some(Err(_))), "the outcome is had once");
    Ok(())
}

/// Operations that panic are there in what is built for development, and no language can list them.
#[test]
#[cfg(debug_assertions)]
fn a_panic_is_an_error_wherever_it_is() {
    for place in ["begin", "poll", "block", "off_thread"] {
        let op = format!("defect.{place}");
        assert!(handoff_bridge::operations().all(|known| known.name != op));
        // More often than there are threads that poll.
        for _ in 0..6 {
            let failure = run(&op, json!({}), &[]).expect_err("it panics");
            assert!(failure.message.contains("a defect of handoff's; please report"), "{op}: {failure}");
        }
    }
    assert!(run("storage.memory", json!({}), &[]).is_ok());
}
