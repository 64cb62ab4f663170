//! The rules of live runs: follow-ups, cancelling, going away and coming back, bringing work home.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use handoff_core::{
    ActiveSession, Affordance, AgentInfo, ContinueDecision, ContinueRequest, Continued, Cursor, Error,
    ErrorKind, Event, Handoff, ListRequest, Message, Outcome, PullAction, PullRequest, RunState, SessionEnd,
    SessionState, StartRequest, Verdict, undo,
};

use super::cast::{Bench, House, Signal, Told, actor, another_hub, objects, wait_until};
use super::stage::{Actor, Stage, acting, ana, block_on, environment, file, say};

fn follow(run: handoff_core::RunId, text: &str) -> ContinueRequest {
    ContinueRequest::new(run, ana(), text)
}

/// Users' lines of a run's conversation.
fn asked(hub: &Handoff, run: handoff_core::RunId) -> Vec<String> {
    let run = block_on(hub.run(&run, &ana())).unwrap();
    let id = run.conversation.unwrap();
    let messages = block_on(hub.conversations().messages(&id, 0, 100_000)).unwrap();
    let users = messages.into_iter().filter(|message| message.role == handoff_core::Role::User);
    users.map(|message| message.text).collect()
}

#[test]
fn a_follow_up_reaches_the_live_session_exactly_once_and_in_order() {
    let (begun, sent) = (Signal::default(), Signal::default());
    let (at_work, all_sent) = (begun.clone(), sent.clone());
    let stage = Stage::new(acting(move |session| {
        at_work.give();
        let mut heard = Vec::new();
        while !all_sent.given() && !session.cancelled() {
            heard.extend(block_on(session.follow_ups())?);
        }
        heard.extend(block_on(session.follow_ups())?);
        let heard: Vec<_> = heard.into_iter().map(|message| message.text).collect();
        say(session, format!("heard {}", heard.join(" ")))
    }));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    begun.wait();
    for number in 0..20 {
        let to = block_on(stage.hub.continue_run(follow(started.run, &number.to_string()))).unwrap();
        assert_eq!(to, Continued::Delivered { session: started.session });
    }
    sent.give();
    let run = stage.wait(&started.run);
    let all: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    assert!(
        stage.said(&run).contains(&format!("assistant: heard {}", all.join(" "))),
        "{:?}",
        stage.said(&run)
    );
    assert_eq!(run.sessions.len(), 1);
}

/// Several people say something while sessions end at once; nothing is lost, doubled, or out of one's own order.
#[test]
fn a_follow_up_while_the_session_is_ending_is_never_lost_and_never_twice() {
    let rounds = if std::env::var_os("HANDOFF_KILL_ALL").is_some() { 300 } else { 12 };
    for round in 0..rounds {
        let stage = Stage::new(acting(|session| {
            say(session, format!("did {}", session.facts().prompt.replace("\n\n", " ")))
        }));
        let started = block_on(stage.hub.start(StartRequest::new(ana(), environment(), "go"))).unwrap();
        std::thread::scope(|scope| {
            for person in 0..3 {
                let hub = stage.hub.clone();
                scope.spawn(move || {
                    for number in 0..5 {
                        let mut request = follow(started.run, &format!("{person}.{number}"));
                        request.idempotency_key = Some(format!("{person}.{number}"));
                        block_on(hub.continue_run(request.clone())).unwrap();
                        if number % 2 == 0 {
                            block_on(hub.continue_run(request)).unwrap();
                        }
                        std::thread::sleep(Duration::from_micros(
                            (round * 7 + number * 13 + person) % 29 * 300,
                        ));
                    }
                });
            }
        });
        let mut run = stage.wait(&started.run);
        wait_until("everything to be answered", || {
            let taken_in = stage.said(&run).iter().filter(|line| line.starts_with("user")).count();
            run = stage.wait(&started.run);
            taken_in >= 16 && run.state.is_terminal()
        });
        let said = stage.said(&run);
        for person in 0..3 {
            let of: Vec<_> =
                said.iter().filter(|line| line.starts_with(&format!("user: {person}."))).collect();
            let want: Vec<_> = (0..5).map(|number| format!("user: {person}.{number}")).collect();
            assert_eq!(of, want.iter().collect::<Vec<_>>(), "round {round}: {said:?}");
        }
        let answers: Vec<_> = said
            .iter()
            .filter(|line| line.starts_with("assistant"))
            .flat_map(|line| line.split(' '))
            .collect();
        for person in 0..3 {
            for number in 0..5 {
                let word = format!("{person}.{number}");
                assert_eq!(answers.iter().filter(|there| **there == word).count(), 1, "{word}: {said:?}");
            }
        }
        assert!(run.sessions.iter().all(|session| session.state == SessionState::Succeeded), "{run:?}");
    }
}

#[test]
fn a_queued_run_takes_a_follow_up_into_its_prompt_and_is_launched_again() {
    let bench = Bench::new();
    let started = block_on(bench.hub.start(StartRequest::new(ana(), environment(), "one"))).unwrap();
    let to = block_on(bench.hub.continue_run(follow(started.run, "two"))).unwrap();
    assert_eq!(to, Continued::Appended { session: started.session });
    assert_eq!(bench.runtime.launched.lock().unwrap().len(), 2, "whoever was to launch it may have crashed");
    let agent = acting(|session| say(session, session.facts().prompt.clone()));
    assert_eq!(bench.run(started.run, started.session, agent).unwrap(), SessionState::Succeeded);
    assert_eq!(asked(&bench.hub, started.run), ["one", "two"]);
    // The same for a later session, which finds the mark of the one before it in the inbox.
    let three = block_on(bench.hub.continue_run(follow(started.run, "three"))).unwrap();
    let Continued::NewSession { session, .. } = three else { panic!("{three:?}") };
    let four = block_on(bench.hub.continue_run(follow(started.run, "four"))).unwrap();
    assert_eq!(four, Continued::Appended { session });
}

#[test]
fn what_was_said_before_a_question_is_no_answer_to_it() {
    let (begun, said) = (Signal::default(), Signal::default());
    let (at_work, go) = (begun.clone(), said.clone());
    let stage = Stage::new(acting(move |session| {
        at_work.give();
        go.wait_in(session);
        let answer = block_on(session.block(Message::assistant("Which?")))?;
        let heard: Vec<_> = block_on(session.follow_ups())?.into_iter().map(|message| message.text).collect();
        say(session, format!("answer {}, besides {heard:?}", answer.text))
    }));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    begun.wait();
    block_on(stage.hub.continue_run(follow(started.run, "by the way"))).unwrap();
    said.give();
    stage.wait(&started.run);
    block_on(stage.hub.answer(follow(started.run, "this"))).unwrap();
    wait_until("the end", || block_on(stage.hub.run(&started.run, &ana())).unwrap().state.is_terminal());
    let run = stage.wait(&started.run);
    assert_eq!(stage.said(&run).last().unwrap(), "assistant: answer this, besides [\"by the way\"]");
}

#[test]
fn cancelling_ends_a_queued_a_running_and_a_blocked_run() {
    let bench = Bench::new();
    let started = block_on(bench.hub.start(StartRequest::new(ana(), environment(), "go"))).unwrap();
    block_on(bench.hub.cancel(&started.run, &ana())).unwrap();
    let agent = acting(|session| say(session, "too late"));
    assert_eq!(bench.run(started.run, started.session, agent).unwrap(), SessionState::Cancelled);
    for blocks in [false, true] {
        let begun = Signal::default();
        let at_work = begun.clone();
        let stage = Stage::new(acting(move |session: &ActiveSession| {
            at_work.give();
            if blocks {
                block_on(session.block(Message::assistant("Which?")))?;
            }
            Signal::default().wait_in(session);
            Ok(SessionEnd::Cancelled)
        }));
        let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
        begun.wait();
        if blocks {
            assert_eq!(stage.wait(&started.run).state, RunState::Blocked);
        }
        block_on(stage.hub.cancel(&started.run, &ana())).unwrap();
        wait_until("the end", || block_on(stage.hub.run(&started.run, &ana())).unwrap().state.is_terminal());
        let run = stage.wait(&started.run);
        assert_eq!((run.state.clone(), run.question.clone()), (RunState::Cancelled, None));
        assert!(run.sessions[0].snapshot_out.is_some(), "what it did until then is kept");
        block_on(stage.hub.cancel(&started.run, &ana())).unwrap();
        assert_eq!(stage.wait(&started.run), run, "cancelling an ended run does nothing");
    }
}

#[test]
fn fan_out_shares_one_stored_state() {
    let stage = Stage::new(acting(|session| {
        fs::write(file(session, "variant.txt"), &session.facts().prompt).unwrap();
        say(session, "done")
    }));
    let source = super::cast::conversation(&stage.hub, &["one"]);
    let mut request = stage.hand_off("");
    request.conversation = super::cast::stored(source);
    let prompts = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let started = block_on(stage.hub.fan_out(request, prompts)).unwrap();
    let runs: Vec<_> = started.into_iter().map(|started| stage.wait(&started.unwrap().run)).collect();
    let first = runs[0].sessions[0].snapshot_in.clone().unwrap();
    assert!(runs.iter().all(|run| run.sessions[0].snapshot_in.as_ref() == Some(&first)));
    let variant = |run: &handoff_core::Run| block_on(stage.hub.result(&run.id, &ana())).unwrap().unwrap();
    let diff = variant(&runs[0]).diff(&variant(&runs[2]));
    let text = format!("{:?}", diff.repos);
    assert!(text.contains("variant.txt") && !text.contains("new.txt"), "{text}");
    let none = block_on(stage.hub.fan_out(stage.hand_off(""), Vec::new())).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_repeated_call_returns_the_first_result() {
    let bench = Bench::new();
    let mut request = StartRequest::new(ana(), environment(), "one");
    request.idempotency_key = Some("start".into());
    let started = block_on(bench.hub.start(request.clone())).unwrap();
    assert_eq!(block_on(bench.hub.start(request.clone())).unwrap(), started);
    let agent = || acting(|session| say(session, session.facts().prompt.clone()));
    bench.run(started.run, started.session, agent()).unwrap();
    assert_eq!(block_on(bench.hub.start(request)).unwrap(), started, "also when it has ended");
    assert_eq!(block_on(bench.hub.list_runs(&ListRequest::new(ana()))).unwrap().runs.len(), 1);

    let mut more = follow(started.run, "two");
    more.idempotency_key = Some("more".into());
    let first = block_on(bench.hub.continue_run(more.clone())).unwrap();
    let Continued::NewSession { session, .. } = first else { panic!("{first:?}") };
    assert_eq!(block_on(bench.hub.continue_run(more.clone())).unwrap(), first);
    bench.run(started.run, session, agent()).unwrap();
    assert_eq!(block_on(bench.hub.continue_run(more)).unwrap(), first);
    assert_eq!(asked(&bench.hub, started.run), ["one", "two"]);
    assert_eq!(block_on(bench.hub.run(&started.run, &ana())).unwrap().sessions.len(), 2);
}

#[test]
fn a_repeated_answer_and_a_repeated_follow_up_begin_nothing_new() {
    let stage = Stage::new(acting(|session| {
        if session.facts().number == 1 {
            block_on(session.block(Message::assistant("Which?")))?;
        }
        say(session, "done")
    }));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    stage.wait(&started.run);
    let mut answer = follow(started.run, "this");
    answer.idempotency_key = Some("answer".into());
    let first = block_on(stage.hub.answer(answer.clone())).unwrap();
    wait_until("the end", || block_on(stage.hub.run(&started.run, &ana())).unwrap().state.is_terminal());
    assert_eq!(block_on(stage.hub.answer(answer)).unwrap(), first);
    let run = stage.wait(&started.run);
    assert_eq!(stage.said(&run).iter().filter(|line| *line == "user: this").count(), 1);
    assert_eq!(run.sessions.len(), 1);
}

#[test]
fn a_parent_with_live_children_is_not_continued() {
    let bench = Bench::new();
    let agent = || acting(|session| say(session, "done"));
    let parent = block_on(bench.hub.start(StartRequest::new(ana(), environment(), "parent"))).unwrap();
    bench.run(parent.run, parent.session, agent()).unwrap();
    let mut request = StartRequest::new(ana(), environment(), "child");
    request.parent = Some(parent.run);
    let child = block_on(bench.hub.start(request)).unwrap();
    let refused = block_on(bench.hub.continue_run(follow(parent.run, "more"))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongState);
    let mut children = ListRequest::new(ana());
    children.parent = Some(parent.run);
    assert_eq!(block_on(bench.hub.list_runs(&children)).unwrap().runs[0].id, child.run);
    bench.run(child.run, child.session, agent()).unwrap();
    block_on(bench.hub.continue_run(follow(parent.run, "more"))).unwrap();
}

#[test]
fn the_button_never_lies() {
    let offer = |stage: &Stage, run, who: &str| block_on(stage.hub.affordance(&run, &actor(who))).unwrap();
    for third_party in [false, true] {
        let (end, begun) = (Signal::default(), Signal::default());
        let (may_end, at_work) = (end.clone(), begun.clone());
        let info = if third_party { AgentInfo::third_party("codex") } else { AgentInfo::native("own") };
        let agent = Actor::named(info, move |session| {
            if session.facts().number == 1 {
                block_on(session.block(Message::assistant("Which?")))?;
                at_work.give();
                may_end.wait_in(session);
            }
            say(session, "done")
        });
        let stage = Stage::built(agent, |builder| builder.policy(Arc::new(House::default())));
        let run = block_on(stage.hub.start(stage.hand_off("go"))).unwrap().run;
        stage.wait(&run);
        assert_eq!(offer(&stage, run, "ana"), Affordance::Respond { question: "Which?".into() });
        block_on(stage.hub.answer(follow(run, "this"))).unwrap();
        begun.wait();
        let live = if third_party { Affordance::Watch } else { Affordance::FollowUp };
        assert_eq!(offer(&stage, run, "ana"), live);
        end.give();
        wait_until("the end", || block_on(stage.hub.run(&run, &ana())).unwrap().state.is_terminal());
        let ended = if third_party {
            Affordance::Continue { label: "Continue with codex".into() }
        } else {
            Affordance::FollowUp
        };
        assert_eq!(offer(&stage, run, "ana"), ended);
        block_on(stage.hub.continue_run(follow(run, "more"))).unwrap();
        let nothing = Affordance::Unavailable { reason: ContinueDecision::NotFound };
        assert_eq!(offer(&stage, run, "eve"), nothing);
        assert_eq!(offer(&stage, run, "ben"), nothing, "it began on ana's laptop");
        stage.wait(&run);
        let poor = House { budget: handoff_core::Budget::of("cents", 0), ..House::default() };
        let hub = another_hub(&stage, acting(|session| say(session, "")), poor);
        assert_eq!(block_on(hub.affordance(&run, &ana())).unwrap(), Affordance::ContinueLocally);
        assert!(block_on(hub.continue_run(follow(run, "more"))).is_err());
    }
    let house = House { no_consent: true, ..House::default() };
    let stage = Stage::built(acting(|session| say(session, "")), |builder| builder.policy(Arc::new(house)));
    let run = block_on(stage.hub.start(stage.hand_off("go"))).unwrap().run;
    stage.wait(&run);
    assert_eq!(
        offer(&stage, run, "ana"),
        Affordance::ContinueLocally,
        "there is no conversation to go on with"
    );
}

/// Starts, goes away, comes back as another process with nothing but the storage and a cursor.
#[test]
fn a_person_may_go_away_and_come_back() {
    let told = Told::default();
    let agent = || {
        acting(|session| {
            for number in 0..30 {
                block_on(session.append(vec![Message::assistant(format!("step {number}"))]))?;
            }
            block_on(session.block(Message::assistant("Go on?")))?;
            say(session, "done")
        })
    };
    let notify = told.clone();
    let stage = Stage::built(agent(), |builder| builder.notify(Arc::new(notify)));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    stage.wait(&started.run);
    wait_until("the notice", || !told.all().is_empty());
    assert_eq!(told.all(), ["asks Go on?"]);

    // Each event once and in order, whatever the pieces: after every one, another process goes on.
    let mut cursor = Cursor::default();
    let mut messages = Vec::new();
    let mut states = Vec::new();
    let mut answered = false;
    loop {
        let hub = another_hub(&stage, agent(), House::default());
        let text = format!("{}/{}", cursor.messages, cursor.records);
        let mut watch = block_on(hub.watch(&started.run, &ana(), cursor)).unwrap();
        match block_on(watch.next()).unwrap() {
            None => break,
            Some(Event::Message { index, message }) => {
                assert_eq!(index as usize, messages.len(), "at {text}");
                messages.push(format!("{}: {}", message.role, message.text));
            }
            Some(Event::Run(run)) => {
                states.push(run.state.to_string());
                if run.state == RunState::Blocked && !answered {
                    answered = true;
                    block_on(hub.answer(follow(started.run, "yes"))).unwrap();
                }
            }
            Some(_) => {}
        }
        cursor = watch.cursor();
    }
    let run = stage.wait(&started.run);
    assert_eq!(messages, stage.said(&run));
    states.dedup();
    assert_eq!(states, ["queued", "running", "blocked", "running", "succeeded"]);
    wait_until("the notice", || told.all().len() == 2);
    assert_eq!(told.all()[1], "ended succeeded");
    let rows = block_on(stage.hub.list_runs(&ListRequest::new(ana()))).unwrap().runs;
    assert_eq!(rows.len(), 1);
}

#[test]
fn a_run_of_fifty_sessions_is_one_row_with_one_conversation_and_right_totals() {
    // In one checkout, so that a session finds what the one before it left in the state that was stored, and nothing else.
    let stage = Stage::new(acting(|session| {
        let number = session.facts().number;
        block_on(session.usage(handoff_core::Usage::of("tokens", number)))?;
        let path = file(session, "notes.txt");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{text}session {number}\n")).unwrap();
        say(session, format!("did {}", session.facts().prompt))
    }));
    let mut request = stage.hand_off("1");
    request.task = "one row".to_owned();
    let started = block_on(stage.hub.start(request)).unwrap();
    stage.wait(&started.run);
    for number in 2..=50 {
        let continued = block_on(stage.hub.continue_run(follow(started.run, &number.to_string()))).unwrap();
        assert!(matches!(continued, Continued::NewSession { .. }), "{continued:?}");
        stage.wait(&started.run);
    }
    let state = block_on(stage.hub.result(&started.run, &ana())).unwrap().unwrap();
    let (_, notes) = state.entries().find(|(_, entry)| entry.path == "notes.txt".into()).unwrap();
    let text = state.blob(&notes.worktree.as_ref().unwrap().blob.unwrap()).unwrap();
    let lines: String = (1..=50).map(|number| format!("session {number}\n")).collect();
    assert_eq!(String::from_utf8(text).unwrap(), format!("first\nfrom the laptop\n{lines}"));
    let rows = block_on(stage.hub.list_runs(&ListRequest::new(ana()))).unwrap().runs;
    assert_eq!(rows.len(), 1);
    let run = &rows[0];
    assert_eq!((run.sessions.len(), run.usage().get("tokens")), (50, (1..=50).sum()));
    assert_eq!(run.conversation, started.conversation);
    assert!(run.sessions.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
    assert_eq!(asked(&stage.hub, run.id), (1..=50).map(|number| number.to_string()).collect::<Vec<_>>());
    let conversations: std::collections::BTreeSet<_> = objects(&stage.storage, "c")
        .into_iter()
        .filter_map(|(key, _)| Some(key.split('/').nth(1)?.to_owned()))
        .collect();
    assert_eq!(conversations.len(), 1);
}

#[test]
fn a_result_is_reviewed_previewed_pulled_and_undone() {
    let stage = Stage::new(acting(|session| {
        fs::write(file(session, "notes.txt"), "first\nfrom the laptop\nby the agent\n").unwrap();
        fs::write(file(session, "src/main.rs"), "fn main() { agent() }\n").unwrap();
        fs::write(file(session, "added.txt"), "added\n").unwrap();
        say(session, "done")
    }));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    stage.wait(&started.run);
    // The person went on too: once elsewhere in the same file, once in the same line.
    stage.laptop.write("notes.txt", "begin\nfirst\nfrom the laptop\n");
    stage.laptop.write("src/main.rs", "fn main() { person() }\n");
    let result = block_on(stage.hub.result(&started.run, &ana())).unwrap().unwrap();
    let began =
        block_on(stage.hub.run(&started.run, &ana())).unwrap().sessions[0].snapshot_in.clone().unwrap();
    let began = block_on(stage.hub.snapshots().load(&began)).unwrap();
    let diff = format!("{:?}", began.diff(&result).repos);
    assert!(diff.contains("added.txt") && !diff.contains("new.txt"), "only what the run did: {diff}");

    let workspace = stage.laptop.workspace();
    let before = stage.laptop.git(&["status", "--porcelain"]);
    let mut preview = PullRequest::new(started.run, ana());
    preview.action = PullAction::Preview;
    let conversations = objects(&stage.storage, "c").len();
    let previewed = block_on(stage.hub.pull(preview, &workspace)).unwrap();
    assert!(previewed.conversation.is_none());
    assert_eq!(
        (stage.laptop.git(&["status", "--porcelain"]), objects(&stage.storage, "c").len()),
        (before, conversations)
    );

    let pulled = block_on(stage.hub.pull(PullRequest::new(started.run, ana()), &workspace)).unwrap();
    let report = pulled.report.unwrap();
    assert_eq!(report.verdict, previewed.report.unwrap().verdict, "{report}");
    assert_ne!(report.verdict, Verdict::Complete);
    assert_eq!(stage.laptop.read("notes.txt"), b"begin\nfirst\nfrom the laptop\nby the agent\n");
    assert_eq!(stage.laptop.read("added.txt"), b"added\n");
    let conflicted = report
        .files()
        .any(|(_, file)| !matches!(file.outcome, Outcome::Applied | Outcome::Merged | Outcome::Unchanged));
    assert!(conflicted, "{report}");
    let fork = pulled.conversation.unwrap();
    assert_eq!((fork.owner, fork.lineage.unwrap().source), (ana(), started.conversation.unwrap()));

    undo(&workspace, &report.apply_id.unwrap(), &handoff_core::Control::default()).unwrap();
    assert_eq!(stage.laptop.read("notes.txt"), b"begin\nfirst\nfrom the laptop\n");
    assert_eq!(stage.laptop.read("src/main.rs"), b"fn main() { person() }\n");
    assert!(!stage.laptop.exists("added.txt"));
}

#[test]
fn a_runtime_that_cannot_launch_is_said_and_the_run_can_be_continued() {
    let bench = Bench::new();
    bench.runtime.refuse.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = block_on(bench.hub.start(StartRequest::new(ana(), environment(), "one"))).unwrap_err();
    assert!(matches!(error, Error::Runtime { .. }), "{error}");
    let run = block_on(bench.hub.list_runs(&ListRequest::new(ana()))).unwrap().runs.remove(0);
    assert_eq!(run.state, RunState::Failed);
    assert!(run.sessions[0].reason.contains("no machine is free"), "{}", run.sessions[0].reason);
    bench.runtime.refuse.store(false, std::sync::atomic::Ordering::Relaxed);
    let continued = block_on(bench.hub.continue_run(follow(run.id, "two"))).unwrap();
    let Continued::NewSession { session, .. } = continued else { panic!("{continued:?}") };
    bench.run(run.id, session, acting(|session| say(session, "done"))).unwrap();
    assert_eq!(asked(&bench.hub, run.id), ["one", "two"]);
}
