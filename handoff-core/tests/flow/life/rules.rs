//! The rules of handing off and continuing, one test each, by name.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use handoff_core::run::{FreshStart, NothingRestored, Restored};
use handoff_core::{
    AgentInfo, Budget, Checkouts, ContinueDecision, ContinueRequest, Continued, ConversationSource,
    Environment, Error, ErrorKind, ForkPoint, HandoffBuilder, ListRequest, LocalRuntime, Message, Origin,
    Run, RunState, StartRequest, SystemClock, Usage, Verdict,
};

use super::cast::{Bench, House, Signal, actor, another_hub, conversation, objects, stored};
use super::stage::{Actor, Seen, Stage, acting, ana, block_on, environment, file, say, terms};

fn answering() -> Arc<Actor> {
    acting(|session| say(session, format!("did {}", session.facts().prompt)))
}

fn go_on(stage: &Stage, run: &Run, prompt: &str) -> Run {
    block_on(stage.hub.continue_run(ContinueRequest::new(run.id, ana(), prompt))).unwrap();
    stage.wait(&run.id)
}

fn started(stage: &Stage, request: StartRequest) -> Run {
    let started = block_on(stage.hub.start(request)).unwrap();
    stage.wait(&started.run)
}

#[test]
fn the_source_conversation_is_untouched_and_still_usable() {
    let stage = Stage::new(answering());
    let source = conversation(&stage.hub, &["one", "two", "three"]);
    let before = objects(&stage.storage, &format!("c/{source}"));
    let mut request = stage.hand_off("go on");
    request.conversation = stored(source);
    let run = started(&stage, request);
    assert_ne!(run.conversation, Some(source));
    assert_eq!(objects(&stage.storage, &format!("c/{source}")), before, "not one byte was written");
    let more = handoff_core::AppendRequest::new(vec![Message::user("meanwhile")]);
    assert_eq!(block_on(stage.hub.conversations().append(&source, more)).unwrap().messages, 4);
    assert!(stage.said(&run).iter().all(|line| line != "user: meanwhile"));
}

#[test]
fn the_transcript_is_whole() {
    let stage = Stage::new(answering());
    let texts: Vec<String> = (0..600).map(|number| format!("message {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let source = conversation(&stage.hub, &texts);
    let messages = block_on(stage.hub.conversations().messages(&source, 0, 1_000)).unwrap();
    // One beyond what one step holds, too.
    let mut large = messages.clone();
    large.extend((0..6).map(|number| Message::assistant(format!("{number}").repeat(1 << 20))));
    for (source, all) in [
        (stored(source), &messages),
        (ConversationSource::Messages(messages.clone()), &messages),
        (ConversationSource::Messages(large.clone()), &large),
    ] {
        let mut request = StartRequest::new(ana(), environment(), "go on");
        request.conversation = source;
        let run = started(&stage, request);
        let id = run.conversation.unwrap();
        let there = block_on(stage.hub.conversations().messages(&id, 0, 1_000)).unwrap();
        assert_eq!(there[..all.len()], **all);
    }
}

#[test]
fn attachments_are_available() {
    let seen = Seen::default();
    let notes = seen.clone();
    let stage = Stage::new(acting(move |session| {
        for message in block_on(session.messages(0, 100))? {
            for attachment in &message.attachments {
                let content = block_on(session.read_attachment(attachment))?;
                notes.note(format!("{}: {}", attachment.name, String::from_utf8_lossy(&content)));
            }
        }
        say(session, "seen")
    }));
    let source = conversation(&stage.hub, &["one"]);
    let conversations = stage.hub.conversations();
    let mut message = Message::user("look");
    message.attachments.push(block_on(conversations.attach("a.txt", "text/plain", b"old".into())).unwrap());
    block_on(conversations.append(&source, handoff_core::AppendRequest::new(vec![message]))).unwrap();
    let mut request = stage.hand_off("and this");
    request.conversation = stored(source);
    request.attachments = vec![("b.txt".into(), "text/plain".into(), b"new".into())];
    let run = started(&stage, request);
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    assert_eq!(seen.all(), ["a.txt: old", "b.txt: new"]);
}

#[test]
fn the_workspace_is_applied_before_the_first_answer() {
    let seen = Seen::default();
    let notes = seen.clone();
    let stage = Stage::new(acting(move |session| {
        notes.note(fs::read_to_string(file(session, "new.txt")).unwrap_or_else(|_| "nothing".into()));
        notes.note(session.facts().restored.as_ref().unwrap().verdict.to_string());
        say(session, "answer")
    }));
    let run = started(&stage, stage.hand_off("go"));
    assert_eq!(seen.all(), ["new\n", "complete"]);
    let said = stage.said(&run);
    let note = said.iter().position(|line| line.contains("The uncommitted work was restored")).unwrap();
    assert!(note < said.iter().position(|line| line == "assistant: answer").unwrap(), "{said:?}");
}

#[test]
fn failures_are_reported_and_work_proceeds() {
    let stage = Stage::new(answering());
    let request = stage.hand_off("go");
    let origin = crate::support::repo::Repo { root: stage.scratch.path().join("origin/app") };
    origin.write("notes.txt", "first\nfrom somebody else\n");
    origin.commit("somebody else");
    let run = started(&stage, request);
    assert_eq!(run.state, RunState::Succeeded);
    let Some(Restored::Applied { verdict, summary, .. }) = &run.sessions[0].restored else {
        panic!("{:?}", run.sessions[0].restored)
    };
    assert_ne!(*verdict, Verdict::Complete);
    assert!(summary.contains("notes.txt"), "{summary}");
    assert!(stage.said(&run).iter().any(|line| line.contains("notes.txt")), "the agent was told");
}

#[test]
fn the_environment_must_match_or_the_remedy_is_said() {
    let stage = Stage::new(answering());
    let other = Environment::new(environment()).with_repo("other", "/somewhere/other");
    let runtime = LocalRuntime::new(answering(), Checkouts::new(stage.scratch.path().join("r")).with(other));
    let hub = HandoffBuilder::new(Arc::new(stage.storage.clone())).terms(terms()).hub(Arc::new(runtime));
    let error = block_on(hub.start(stage.hand_off("go"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EnvironmentMismatch);
    assert!(error.to_string().contains("app") && error.to_string().contains("choose"), "{error}");
    let mut request = stage.hand_off("go");
    request.environment = "elsewhere".parse().unwrap();
    assert_eq!(block_on(stage.hub.start(request)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(objects(&stage.storage, ""), [], "nothing moved");
}

#[test]
fn without_consent_a_run_starts_fresh_says_so_and_still_gets_the_workspace() {
    let seen = Seen::default();
    let notes = seen.clone();
    let agent = acting(move |session| {
        notes.note(fs::read_to_string(file(session, "new.txt")).unwrap());
        notes.note(session.facts().prompt.clone());
        let told = block_on(session.messages(0, 10))?;
        notes.note(told[0].text.lines().last().unwrap_or_default());
        say(session, "done")
    });
    let house = House { no_consent: true, ..House::default() };
    let stage = Stage::built(agent, |builder| builder.policy(Arc::new(house)));
    let source = conversation(&stage.hub, &["secret"]);
    let before = objects(&stage.storage, "c");
    let mut request = stage.hand_off("go");
    request.conversation = stored(source);
    let run = started(&stage, request);
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    assert_eq!((run.conversation, run.fresh.clone()), (None, Some(FreshStart::NoConsent)));
    assert_eq!(seen.all(), ["new\n", "go", "The conversation so far did not come along."]);
    assert_eq!(objects(&stage.storage, "c"), before, "no conversation was stored");
}

#[test]
fn an_unsynced_conversation_is_a_typed_error_and_can_be_waited_for() {
    let stage = Stage::new(answering());
    let source = conversation(&stage.hub, &["one", "two"]);
    let before = objects(&stage.storage, "");
    let mut request = stage.hand_off("go");
    request.conversation = ConversationSource::Stored { id: source, at: ForkPoint::Head, messages: Some(3) };
    let error = block_on(stage.hub.start(request.clone())).unwrap_err();
    assert!(matches!(error, Error::Unsynced { have: 2, want: 3, .. }), "{error}");
    assert!(error.is_retryable());
    assert_eq!(objects(&stage.storage, ""), before, "nothing moved");
    let conversations = stage.hub.conversations();
    let short = block_on(conversations.wait_synced(&source, 3, Duration::from_millis(50), &SystemClock));
    assert_eq!(short.unwrap_err().kind(), ErrorKind::Unsynced);
    let late = conversations.clone();
    let append = std::thread::spawn(move || {
        let request = handoff_core::AppendRequest::new(vec![Message::user("three")]);
        block_on(late.append(&source, request)).unwrap();
    });
    block_on(conversations.wait_synced(&source, 3, Duration::from_secs(60), &SystemClock)).unwrap();
    append.join().unwrap();
    assert_eq!(started(&stage, request).state, RunState::Succeeded);
}

#[test]
fn an_insufficient_budget_is_refused_before_anything_moves() {
    let house = House { budget: Budget::of("cents", 0), ..House::default() };
    let stage = Stage::built(answering(), |builder| builder.policy(Arc::new(house)));
    let error = block_on(stage.hub.start(stage.hand_off("go"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BudgetExhausted);
    assert!(error.to_string().contains("cents"), "{error}");
    assert_eq!(objects(&stage.storage, ""), []);
    // And when a run is to be continued that has used everything.
    let stage = Stage::new(acting(|session| {
        block_on(session.usage(Usage::of("cents", 10)))?;
        say(session, "spent")
    }));
    let mut request = stage.hand_off("go");
    request.budget = Budget::of("cents", 10);
    let run = started(&stage, request);
    assert_eq!(run.state, RunState::BudgetExhausted);
    let before = objects(&stage.storage, "");
    let error = block_on(stage.hub.continue_run(ContinueRequest::new(run.id, ana(), "more"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BudgetExhausted);
    assert_eq!(objects(&stage.storage, ""), before, "nothing moved");
}

#[test]
fn the_model_stays_the_same() {
    let seen = Seen::default();
    let notes = seen.clone();
    let mut info = AgentInfo::native("test");
    info.models = vec!["small".into(), "large".into()];
    let agent = Actor::named(info, move |session| {
        notes.note(session.facts().model.clone().unwrap_or_default());
        say(session, "yes")
    });
    let stage = Stage::new(agent);
    let mut request = stage.hand_off("go");
    request.model = Some("huge".into());
    let error = block_on(stage.hub.start(request.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Model);
    assert!(error.to_string().contains("small, large"), "{error}");
    assert_eq!(objects(&stage.storage, ""), [], "refused before anything moved");
    request.model = Some("large".into());
    let run = started(&stage, request);
    let mut other = ContinueRequest::new(run.id, ana(), "more");
    other.model = Some("small".into());
    assert_eq!(block_on(stage.hub.continue_run(other)).unwrap_err().kind(), ErrorKind::Model);
    let run = go_on(&stage, &run, "more");
    assert_eq!((run.model.as_deref(), seen.all()), (Some("large"), vec!["large".into(), "large".into()]));
}

#[test]
fn the_follow_up_is_appended_to_the_same_conversation() {
    let stage = Stage::new(answering());
    let first = started(&stage, stage.hand_off("one"));
    let before = stage.said(&first);
    let second = go_on(&stage, &first, "two");
    assert_eq!(first.conversation, second.conversation);
    let after = stage.said(&second);
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(after.iter().filter(|line| *line == "user: two").count(), 1);
    assert_eq!(second.sessions[1].first_message, Some(before.len() as u64), "the session's boundary");
}

#[test]
fn the_run_keeps_its_identity() {
    let stage = Stage::new(answering());
    let mut request = StartRequest::new(ana(), environment(), "nightly\nand more");
    request.origin = Origin::Schedule;
    request.source = Some("every night at three".into());
    request.team = Some("core".parse().unwrap());
    let first = started(&stage, request);
    assert_eq!(first.task, "nightly");
    let second = go_on(&stage, &first, "again");
    let identity = |run: &Run| {
        let kept = (run.id, run.task.clone(), run.creator.clone(), run.environment.clone(), run.created);
        (kept, run.origin.clone(), run.source.clone(), run.team.clone(), run.model.clone())
    };
    assert_eq!(identity(&first), identity(&second));
    assert_eq!(second.sessions.len(), 2);
    assert!(second.epoch > first.epoch);
}

#[test]
fn usage_is_kept_per_session_and_in_total() {
    let stage = Stage::new(acting(|session| {
        for amount in [3, 7, 5] {
            block_on(session.usage(Usage::of("tokens", amount * session.facts().number)))?;
        }
        say(session, format!("left {:?}", session.remaining_budget().0.get("tokens")))
    }));
    let mut request = stage.hand_off("go");
    request.budget = Budget::of("tokens", 100);
    let run = started(&stage, request);
    let run = go_on(&stage, &run, "more");
    let used: Vec<_> = run.sessions.iter().map(|session| session.usage.get("tokens")).collect();
    assert_eq!((used, run.usage().get("tokens")), (vec![7, 14], 21));
    assert!(stage.said(&run).contains(&"assistant: left Some(79)".to_owned()));
}

#[test]
fn only_an_ended_run_gets_a_new_session() {
    let (begun, end) = (Signal::default(), Signal::default());
    let (at_work, may_end) = (begun.clone(), end.clone());
    let stage = Stage::new(acting(move |session| {
        at_work.give();
        may_end.wait_in(session);
        say(session, format!("did {}", session.facts().prompt))
    }));
    let started = block_on(stage.hub.start(stage.hand_off("one"))).unwrap();
    begun.wait();
    let continued = block_on(stage.hub.continue_run(ContinueRequest::new(started.run, ana(), "two")));
    assert_eq!(continued.unwrap(), Continued::Delivered { session: started.session });
    end.give();
    let run = stage.wait(&started.run);
    assert_eq!(run.sessions.len(), 1);
    let said = stage.said(&run);
    assert_eq!(said[1..], ["user: one", "assistant: did one", "user: two", "assistant: did two"]);
}

#[test]
fn a_blocked_run_takes_an_answer_and_nothing_else() {
    let stage = Stage::new(acting(|session| {
        let answer = block_on(session.block(Message::assistant("Which?")))?;
        say(session, format!("took {}", answer.text))
    }));
    let mut run = started(&stage, stage.hand_off("choose"));
    assert_eq!(run.state, RunState::Blocked);
    assert_eq!(run.question.as_ref().unwrap().text, "Which?");
    let refused = block_on(stage.hub.continue_run(ContinueRequest::new(run.id, ana(), "go on"))).unwrap_err();
    let Error::NotContinuable { reason, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*reason, ContinueDecision::Blocked);
    block_on(stage.hub.answer(ContinueRequest::new(run.id, ana(), "this"))).unwrap();
    // A run whose answer is on its way is not waited for in vain.
    run = stage.wait(&run.id);
    assert_eq!((run.state.clone(), run.question.clone(), run.sessions.len()), (RunState::Succeeded, None, 1));
    assert_eq!(stage.said(&run).last().unwrap(), "assistant: took this");
    let late = block_on(stage.hub.answer(ContinueRequest::new(run.id, ana(), "that"))).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::WrongState);
}

#[test]
fn a_run_without_a_conversation_is_refused() {
    let house = House { no_consent: true, ..House::default() };
    let stage = Stage::built(answering(), |builder| builder.policy(Arc::new(house)));
    let run = started(&stage, stage.hand_off("go"));
    let refused = block_on(stage.hub.continue_run(ContinueRequest::new(run.id, ana(), "more"))).unwrap_err();
    let Error::NotContinuable { reason, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*reason, ContinueDecision::NoConversation);
}

#[test]
fn a_missing_workspace_state_is_said_and_the_run_goes_on() {
    for lost in ["s", "k"] {
        let stage = Stage::new(answering());
        let run = started(&stage, stage.hand_off("go"));
        let keys: Vec<_> =
            objects(&stage.storage, lost).into_iter().map(|(key, _)| key.parse().unwrap()).collect();
        block_on(handoff_core::Storage::delete(&stage.storage, &keys)).unwrap();
        let run = go_on(&stage, &run, "more");
        assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
        let Some(Restored::Nothing { reason, .. }) = &run.sessions[1].restored else {
            panic!("{:?}", run.sessions[1].restored)
        };
        assert_eq!(*reason, NothingRestored::Missing);
        assert!(stage.said(&run).iter().any(|line| line.contains("could NOT be restored")));
    }
}

#[test]
fn a_team_member_continues_a_teams_run_and_only_its_creator_one_from_a_laptop() {
    let stage = Stage::built(answering(), |builder| builder.policy(Arc::new(House::default())));
    let hub = another_hub(&stage, answering(), House::default());
    for (team, origin, allowed) in [
        (true, Origin::Cloud, true),
        (true, Origin::Integration, true),
        (true, Origin::LocalToCloud, false),
        (false, Origin::Cloud, false),
    ] {
        let mut request = StartRequest::new(ana(), environment(), "go");
        request.origin = origin.clone();
        request.team = team.then(|| "core".parse().unwrap());
        let run = started(&stage, request);
        let continued = block_on(hub.continue_run(ContinueRequest::new(run.id, actor("ben"), "more")));
        match continued {
            Ok(_) => assert!(allowed, "{team} {origin}"),
            Err(error) => {
                assert!(!allowed && error.kind() == ErrorKind::NotFound, "{team} {origin}: {error}")
            }
        }
        let run = stage.wait(&run.id);
        assert_eq!(run.sessions.last().unwrap().actor, actor(if allowed { "ben" } else { "ana" }));
        assert_eq!(run.creator, ana());
    }
}

#[test]
fn an_outsider_cannot_tell_a_forbidden_run_from_an_absent_one() {
    let bench =
        Bench::over(handoff_core::MemoryStorage::new(), |builder| builder.policy(Arc::new(House::default())));
    let there = block_on(bench.hub.start(StartRequest::new(ana(), environment(), "go"))).unwrap().run;
    let mut child = StartRequest::new(ana(), environment(), "a part of it");
    child.parent = Some(there);
    block_on(bench.hub.start(child)).unwrap();
    let scratch = crate::support::repo::scratch();
    let repo =
        crate::support::repo::Repo::init(scratch.path().join("app"), crate::support::repo::Format::Sha1);
    let workspace = repo.workspace();
    let ask = |run: handoff_core::RunId, who: &str| -> Vec<String> {
        let (hub, who) = (&bench.hub, actor(who));
        let request = |key: Option<&str>| {
            let mut request = ContinueRequest::new(run, who.clone(), "x");
            request.idempotency_key = key.map(str::to_owned);
            request
        };
        let mut child = StartRequest::new(who.clone(), environment(), "go");
        child.parent = Some(run);
        let errors = [
            block_on(hub.run(&run, &who)).map(|_| ()).unwrap_err(),
            block_on(hub.continue_run(request(None))).map(|_| ()).unwrap_err(),
            block_on(hub.continue_run(request(Some("key")))).map(|_| ()).unwrap_err(),
            block_on(hub.answer(request(None))).map(|_| ()).unwrap_err(),
            block_on(hub.cancel(&run, &who)).unwrap_err(),
            block_on(hub.watch(&run, &who, Default::default())).map(|_| ()).unwrap_err(),
            block_on(hub.wait(&run, &who, Duration::ZERO)).map(|_| ()).unwrap_err(),
            block_on(hub.result(&run, &who)).map(|_| ()).unwrap_err(),
            block_on(hub.pull(handoff_core::PullRequest::new(run, who.clone()), &workspace))
                .map(|_| ())
                .unwrap_err(),
            block_on(hub.start(child)).map(|_| ()).unwrap_err(),
        ];
        let mut answers: Vec<_> = errors
            .iter()
            .map(|error| format!("{} {}", error.kind(), error).replace(&run.to_string(), "RUN"))
            .collect();
        answers.push(format!("{:?}", block_on(hub.affordance(&run, &who)).unwrap()));
        let mut list = ListRequest::new(who);
        (list.parent, list.limit) = (Some(run), 1);
        answers.push(format!("{:?}", block_on(hub.list_runs(&list)).unwrap()));
        answers
    };
    let absent = ask(handoff_core::RunId::new(), "eve");
    assert!(absent[..10].iter().all(|answer| answer.starts_with("not_found")), "{absent:?}");
    for who in ["eve", "olga", "ben"] {
        assert_eq!(ask(there, who), absent, "{who}");
    }
    // The same for a team's runs: not even that there is a next page.
    let mut of_team = StartRequest::new(ana(), environment(), "go");
    of_team.team = Some("core".parse().unwrap());
    block_on(bench.hub.start(of_team.clone())).unwrap();
    block_on(bench.hub.start(of_team)).unwrap();
    let page = |who: &str, team: &str| {
        let mut list = ListRequest::new(actor(who));
        (list.team, list.limit) = (Some(team.parse().unwrap()), 1);
        block_on(bench.hub.list_runs(&list)).unwrap()
    };
    assert_eq!(page("eve", "core"), page("eve", "none"));
    let first = page("ben", "core");
    assert_eq!(first.runs.len(), 1, "a member sees them");
    assert!(first.next.is_some());
    // The same for a conversation.
    let source = conversation(&bench.hub, &["one"]);
    let fork = |id: handoff_core::ConversationId| {
        let mut request = StartRequest::new(actor("eve"), environment(), "go");
        request.conversation = stored(id);
        let error = block_on(bench.hub.start(request)).unwrap_err();
        format!("{} {error}", error.kind()).replace(&id.to_string(), "ID")
    };
    assert_eq!(fork(source), fork(handoff_core::ConversationId::new()));
}

#[test]
fn an_empty_prompt_is_refused_unless_there_is_something_to_go_on_with() {
    let stage = Stage::new(answering());
    let error = block_on(stage.hub.start(StartRequest::new(ana(), environment(), " \n"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let several = StartRequest::new(ana(), environment(), "");
    let error = block_on(stage.hub.fan_out(several.clone(), vec![])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let each = block_on(stage.hub.fan_out(several, vec![String::new()])).unwrap();
    let kinds: Vec<_> = each.into_iter().map(|one| one.map(|_| ()).unwrap_err().kind()).collect();
    assert_eq!(kinds, [ErrorKind::InvalidArgument], "in its place");
    assert_eq!(objects(&stage.storage, ""), []);
    let run = started(&stage, stage.hand_off(""));
    assert_eq!(run.state, RunState::Succeeded);
    let said_nothing = ContinueRequest::new(run.id, ana(), " ");
    let error = block_on(stage.hub.continue_run(said_nothing.clone())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = block_on(stage.hub.answer(said_nothing)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
