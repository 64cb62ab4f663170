//! Every verb on a run in every state: a table of what comes of it. States that only a moment has are written into the
//! storage as a process that was there at that moment would have left them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future;
use handoff_core::{
    Affordance, Clock as _, ContinueRequest, Continued, Cursor, Digest, Error, MemoryStorage, PullRequest,
    RunId, SessionId, StartRequest, Storage as _, SystemClock,
};
use serde_json::{Value, json};

use super::cast::{Bench, House};
use super::faults::Jumpy;
use super::stage::{acting, ana, block_on, environment, say};
use crate::support::repo::{Format, Repo, scratch_in_memory};

/// What each verb comes to in each state: what it returned, or with `!` the kind of its error. An unstored run has no
/// conversation, a vanished one a holder that has been silent for a term; a worker that sees that one for the first time
/// has to wait a term of its own. One of the future is in a state that this version does not know.
const TABLES: [&str; 2] = [
    "
    | state            | continue          | answer        | cancel           | pull        | result      | delete        |
    | absent           | ! not_found       | ! not_found   | ! not_found      | ! not_found | ! not_found | ! not_found   |
    | deleted          | ! not_found       | ! not_found   | ! not_found      | ! not_found | ! not_found | ! not_found   |
    | queued           | appended          | ! wrong_state | cancelled        | the talk    | none        | ! wrong_state |
    | running          | delivered         | ! wrong_state | running          | the talk    | none        | ! wrong_state |
    | blocked          | ! not_continuable | same session  | blocked          | the talk    | none        | ! wrong_state |
    | vanished         | new session       | ! wrong_state | cancelled        | the talk    | none        | ! wrong_state |
    | vanished blocked | ! not_continuable | new session   | cancelled        | the talk    | none        | ! wrong_state |
    | succeeded        | new session       | ! wrong_state | succeeded        | the talk    | none        | gone          |
    | failed           | new session       | ! wrong_state | failed           | the talk    | none        | gone          |
    | cancelled        | new session       | ! wrong_state | cancelled        | the talk    | none        | gone          |
    | budget_exhausted | new session       | ! wrong_state | budget_exhausted | the talk    | none        | gone          |
    | lost             | new session       | ! wrong_state | failed           | the talk    | none        | gone          |
    | unstored         | ! not_continuable | ! wrong_state | succeeded        | nothing     | none        | gone          |
    | of_the_future    | ! not_continuable | ! wrong_state | of_the_future    | the talk    | none        | ! wrong_state |
",
    "
    | state            | watch       | wait             | parent      | button               | session          |
    | absent           | ! not_found | ! not_found      | ! not_found | none: NotFound       | ! not_found      |
    | deleted          | ! not_found | ! not_found      | ! not_found | none: NotFound       | ! not_found      |
    | queued           | goes on     | ! timed_out      | children    | FollowUp             | succeeded        |
    | running          | goes on     | ! timed_out      | children    | FollowUp             | ! leased         |
    | blocked          | goes on     | blocked          | children    | respond              | ! leased         |
    | vanished         | goes on     | ! timed_out      | children    | FollowUp             | ! leased         |
    | vanished blocked | goes on     | blocked          | children    | respond              | ! leased         |
    | succeeded        | ends        | succeeded        | children    | FollowUp             | succeeded        |
    | failed           | ends        | failed           | children    | FollowUp             | failed           |
    | cancelled        | ends        | cancelled        | children    | FollowUp             | cancelled        |
    | budget_exhausted | ends        | budget_exhausted | children    | FollowUp             | budget_exhausted |
    | lost             | ends        | failed           | children    | FollowUp             | lost             |
    | unstored         | ends        | succeeded        | children    | none: NoConversation | succeeded        |
    | of_the_future    | goes on     | ! timed_out      | children    | Watch                | of_the_future    |
",
];

/// The rows of a table: the state, and what each verb is to come to.
fn rows(table: &str) -> Vec<(String, Vec<(String, String)>)> {
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_matches('|');
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = table.trim().lines().map(cells);
    let heads = lines.next().unwrap();
    let row = |row: Vec<String>| {
        assert_eq!(row.len(), heads.len(), "{row:?}");
        (row[0].clone(), heads.iter().cloned().zip(row.iter().cloned()).skip(1).collect())
    };
    lines.map(row).collect()
}

/// Rewrites the latest record of `run` as the next one.
fn record(memory: &MemoryStorage, run: RunId, change: impl Fn(&mut Value)) {
    let body = block_on(memory.get(&format!("r/{run}/l/00000000").parse().unwrap(), None)).unwrap().unwrap();
    let json = body.splitn(2, |byte| *byte == b'\n').nth(1).unwrap();
    let mut record: Value = serde_json::from_slice(json).unwrap();
    change(&mut record["run"]);
    let json = serde_json::to_vec(&record).unwrap();
    let mut body = format!("handoff-record/1 json {}\n", Digest::of(&json)).into_bytes();
    body.extend(json);
    block_on(memory.put_new(&format!("r/{run}/l/00000001").parse().unwrap(), Bytes::from(body))).unwrap();
}

/// A hub over a storage with one run in that state.
fn scene(state: &str) -> (Bench, RunId, SessionId) {
    let memory = MemoryStorage::new();
    let clock = Jumpy::default();
    let (mine, no_consent) = (clock.clone(), state == "unstored");
    let bench = Bench::over(memory.clone(), move |builder| {
        builder.clock(Arc::new(mine.clone())).policy(Arc::new(House { no_consent, ..House::default() }))
    });
    if state == "absent" {
        return (bench, RunId::new(), SessionId::new());
    }
    let started = block_on(bench.hub.start(StartRequest::new(ana(), environment(), "go"))).unwrap();
    let (run, vanished) = (started.run, state.starts_with("vanished"));
    let run_state = match state {
        "vanished" => "running",
        "vanished blocked" => "blocked",
        "deleted" | "unstored" => "succeeded",
        "lost" => "failed",
        other => other,
    };
    if state != "queued" {
        record(&memory, run, |run| {
            run["state"] = json!(run_state);
            run["epoch"] = json!(1);
            run["sessions"][0]["epoch"] = json!(1);
            run["sessions"][0]["agent"] = json!("test");
            run["sessions"][0]["state"] = match state {
                "running" | "blocked" | "vanished" | "vanished blocked" => json!("running"),
                "deleted" | "unstored" => json!("succeeded"),
                other => json!(other),
            };
            if run_state == "blocked" {
                let message = handoff_core::Message::assistant("Which?").id;
                run["question"] = json!({"message": message, "text": "Which?"});
            }
        });
    }
    if state == "deleted" {
        block_on(bench.hub.delete_run(&run, &ana())).unwrap();
    }
    if vanished {
        // Seen alive once, and silent for a term since.
        block_on(bench.hub.affordance(&run, &ana())).unwrap();
        clock.forward(1_000);
    }
    (bench, run, started.session)
}

fn of<T>(outcome: Result<T, Error>, text: impl FnOnce(T) -> String) -> String {
    match outcome {
        Ok(value) => text(value),
        Err(error) => format!("! {}", error.kind()),
    }
}

fn outcome(state: &str, verb: &str, laptop: &Repo) -> String {
    let (bench, run, session) = scene(state);
    let hub = &bench.hub;
    let said = || ContinueRequest::new(run, ana(), "more");
    match verb {
        "continue" => of(block_on(hub.continue_run(said())), |continued| match continued {
            Continued::Delivered { .. } => "delivered".to_owned(),
            Continued::Appended { .. } => "appended".to_owned(),
            Continued::NewSession { .. } => "new session".to_owned(),
            other => format!("{other:?}"),
        }),
        "answer" => of(block_on(hub.answer(said())), |to| {
            if to == session { "same session" } else { "new session" }.to_owned()
        }),
        "cancel" => of(block_on(hub.cancel(&run, &ana())), |()| {
            of(block_on(hub.run(&run, &ana())), |run| run.state.to_string())
        }),
        "pull" => of(block_on(hub.pull(PullRequest::new(run, ana()), &laptop.workspace())), |pulled| {
            if pulled.conversation.is_some() { "the talk" } else { "nothing" }.to_owned()
        }),
        "result" => of(block_on(hub.result(&run, &ana())), |state| {
            if state.is_some() { "a state" } else { "none" }.to_owned()
        }),
        "delete" => of(block_on(hub.delete_run(&run, &ana())), |()| "gone".to_owned()),
        "watch" => {
            let to_the_end = async {
                let mut watch = hub.watch(&run, &ana(), Cursor::default()).await?;
                while watch.next().await?.is_some() {}
                Ok("ends".to_owned())
            };
            let patience = async {
                SystemClock.sleep(Duration::from_millis(150)).await;
                Ok("goes on".to_owned())
            };
            of(block_on(future::or(to_the_end, patience)), |text| text)
        }
        "wait" => {
            of(block_on(hub.wait(&run, &ana(), Duration::from_millis(50))), |run| run.state.to_string())
        }
        "parent" => {
            let mut request = StartRequest::new(ana(), environment(), "child");
            request.parent = Some(run);
            let both = block_on(hub.fan_out(request, vec!["a".into(), "b".into()]));
            of(both, |both| {
                assert!(both.iter().all(Result::is_ok), "{both:?}");
                "children".to_owned()
            })
        }
        "button" => of(block_on(hub.affordance(&run, &ana())), |button| match button {
            Affordance::Respond { .. } => "respond".to_owned(),
            Affordance::Unavailable { reason } => format!("none: {reason:?}"),
            other => format!("{other:?}"),
        }),
        "session" => {
            of(bench.run(run, session, acting(|session| say(session, "did"))), |state| state.to_string())
        }
        other => panic!("no verb {other}"),
    }
}

#[test]
fn every_verb_in_every_state_comes_to_what_the_table_says() {
    let scratch = scratch_in_memory();
    let laptop = Repo::init(scratch.path().join("app"), Format::Sha1);
    laptop.write("a.txt", "a\n");
    laptop.commit("base");
    let mut wrong = Vec::new();
    let mut count = 0;
    for (state, row) in TABLES.into_iter().flat_map(rows) {
        for (verb, expected) in row {
            let found = outcome(&state, &verb, &laptop);
            if found != expected {
                wrong.push(format!("{verb} of one that is {state}: {found}, not {expected}"));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(count, 14 * 11);
}
