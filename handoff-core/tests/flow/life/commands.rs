//! Programs as agents: what they get, what becomes of their output, and how they are ended.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use handoff_core::{Budget, CommandAgent, ContinueRequest, Run, RunState, SessionState, Usage};

use super::cast::wait_until;
use super::stage::{Stage, acting, ana, block_on, say};

fn shell(script: &str) -> CommandAgent {
    CommandAgent::new("sh", ["-c", script]).grace(Duration::from_millis(300))
}

fn ran(agent: CommandAgent) -> (Stage, Run) {
    let stage = Stage::new(Arc::new(agent));
    let started = block_on(stage.hub.start(stage.hand_off("do 'it' \"now\" $HOME"))).unwrap();
    let run = stage.wait(&started.run);
    (stage, run)
}

/// What the program wrote, joined.
fn output(stage: &Stage, run: &Run) -> String {
    let lines = stage.said(run).into_iter();
    lines.filter_map(|line| Some(line.strip_prefix("assistant: ")?.to_owned())).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_prompt_comes_in_the_way_the_program_wants_it() {
    let (stage, run) = ran(shell("cat; echo; cat new.txt; echo $HANDOFF_RUN $HANDOFF_SESSION_NUMBER"));
    assert_eq!(output(&stage, &run), format!("do 'it' \"now\" $HOME\nnew\n{} 1", run.id));
    assert_eq!((run.state.clone(), run.sessions[0].agent.as_str()), (RunState::Succeeded, "sh"));
    let (stage, run) = ran(CommandAgent::new("printf", ["%s|%s", "a {prompt} z", "plain"]));
    assert_eq!(output(&stage, &run), "a do 'it' \"now\" $HOME z|plain");
    // One that reads nothing, and a prompt larger than a pipe.
    let stage = Stage::new(Arc::new(shell("echo hi")));
    let started = block_on(stage.hub.start(stage.hand_off(&"x".repeat(1 << 20)))).unwrap();
    assert_eq!(stage.wait(&started.run).state, RunState::Succeeded);
}

#[test]
fn a_failure_is_recorded_with_its_reason() {
    for (script, reasons) in [
        ("echo partial; echo oh no >&2; exit 7", vec!["exit status 7", "oh no"]),
        ("kill -9 $$", vec!["signal 9"]),
        ("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1", vec!["line 2999"]),
    ] {
        let (stage, run) = ran(shell(script));
        assert_eq!(run.state, RunState::Failed);
        let reason = &run.sessions[0].reason;
        assert!(reasons.iter().all(|part| reason.contains(part)), "{script}: {reason}");
        assert!(reason.len() < 10_000, "the tail only");
        assert!(run.sessions[0].snapshot_out.is_some(), "what it did until then is kept");
        if script.contains("partial") {
            assert_eq!(output(&stage, &run), "partial");
        }
    }
    let (_, run) = ran(CommandAgent::new("/no/such/program", [""; 0]));
    assert_eq!(run.state, RunState::Failed);
    assert!(
        run.sessions[0].reason.contains("/no/such/program could not be run"),
        "{}",
        run.sessions[0].reason
    );
}

#[test]
fn output_of_any_kind_is_taken_in_whole() {
    let (stage, run) = ran(shell("printf 'a\\377\\000b\\n'; printf 'no end'"));
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(output(&stage, &run), "a\u{fffd}\0b\nno end");
    // A line far longer than a message, of characters of three bytes, which no piece's end may cut.
    let (stage, run) = ran(shell(
        "i=0; while [ $i -lt 16 ]; do printf '%04096d' 0 | sed 's/0/\u{20ac}/g'; i=$((i+1)); done | tr -d '\\n'",
    ));
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    let text = output(&stage, &run).replace('\n', "");
    assert_eq!(text.chars().count(), 16 * 4096);
    assert!(text.chars().all(|char| char == '\u{20ac}'));
    let (stage, run) = ran(shell("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done"));
    let lines: Vec<String> = (0..5_000).map(|number| format!("line {number}")).collect();
    assert_eq!(output(&stage, &run), lines.join("\n"), "in order, nothing missing");
}

#[test]
fn a_program_asks_and_hears_the_answer() {
    let script = r#"echo before; echo "ASK Which branch?"; read -r a; echo "heard $a"; echo "ASK And?"; read -r b
        echo "heard $b"; echo "not an ASK here""#;
    let agent = CommandAgent::new("sh", ["-c", script, "agent", "{prompt}"]).questions("ASK ");
    let stage = Stage::new(Arc::new(agent));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    for (question, answer) in [("Which branch?", "main,\nplease"), ("And?", "no")] {
        let run = stage.wait(&started.run);
        assert_eq!(run.question.unwrap().text, question);
        block_on(stage.hub.answer(ContinueRequest::new(started.run, ana(), answer))).unwrap();
    }
    let run = stage.wait(&started.run);
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.session());
    let said: Vec<_> = stage.said(&run).into_iter().skip_while(|line| line != "assistant: before").collect();
    assert_eq!(
        said.join("|").replace('\n', "|assistant: "),
        "assistant: before|assistant: Which branch?|user: main,|assistant: please|assistant: heard main, please|\
         assistant: And?|user: no|assistant: heard no|assistant: not an ASK here"
    );
}

#[test]
fn a_program_that_asks_can_be_cancelled_and_must_take_its_prompt_elsewhere() {
    let agent = CommandAgent::new("sh", ["-c", "echo '? well'; read -r a; echo $a", "-", "{prompt}"]);
    let stage = Stage::new(Arc::new(agent.questions("? ").grace(Duration::from_millis(300))));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    assert_eq!(stage.wait(&started.run).state, RunState::Blocked);
    block_on(stage.hub.cancel(&started.run, &ana())).unwrap();
    wait_until("the end", || {
        block_on(stage.hub.run(&started.run, &ana())).unwrap().state == RunState::Cancelled
    });
    let (_, run) = ran(shell("cat").questions("ASK "));
    assert_eq!(run.state, RunState::Failed);
    assert!(run.sessions[0].reason.contains("name {prompt} in an argument"), "{}", run.sessions[0].reason);
}

#[test]
fn a_flood_is_stopped() {
    let (stage, run) = ran(shell("while :; do echo flood; done").max_output(200_000));
    assert_eq!(run.state, RunState::Failed);
    assert!(run.sessions[0].reason.contains("more than 200000 bytes"), "{}", run.sessions[0].reason);
    assert!(output(&stage, &run).replace('\n', "").len() <= 200_000);
}

fn alive(pid: &str) -> bool {
    // A zombie has ended; somebody only has to take notice.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn pids(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("pids")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn cancelling_ends_the_program_and_everything_it_started() {
    // One that ends when it is told to, and one that does not listen.
    for (script, told) in [
        (
            "trap 'echo told; exit 0' TERM; echo $$ >>$P; (sleep 300 & echo $! >>$P; wait) & echo $! >>$P; wait",
            true,
        ),
        ("trap '' TERM; echo $$ >>$P; sleep 300 & echo $! >>$P; while :; do sleep 0.01; done", false),
    ] {
        let scratch = crate::support::repo::scratch();
        let script = format!("P={}; {script}", scratch.path().join("pids").display());
        let agent = if told { shell(&script).grace(Duration::from_secs(20)) } else { shell(&script) };
        let mut patient = super::stage::terms();
        patient.grace = Duration::from_secs(30);
        let stage = Stage::built(Arc::new(agent), |builder| builder.terms(patient));
        let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
        wait_until("the program", || pids(scratch.path()).len() >= if told { 3 } else { 2 });
        block_on(stage.hub.cancel(&started.run, &ana())).unwrap();
        let run = stage.wait(&started.run);
        assert_eq!(run.state, RunState::Cancelled, "{:?}", run.session());
        for pid in pids(scratch.path()) {
            wait_until("its end", || !alive(&pid));
        }
        if told {
            assert_eq!(output(&stage, &run), "told");
        }
    }
}

#[test]
fn what_a_program_leaves_running_ends_with_it_and_holds_nobody_up() {
    let scratch = crate::support::repo::scratch();
    let script = format!("sleep 300 & echo $! >>{}; echo done", scratch.path().join("pids").display());
    let (stage, run) = ran(shell(&script));
    assert_eq!((run.state.clone(), output(&stage, &run).as_str()), (RunState::Succeeded, "done"));
    for pid in pids(scratch.path()) {
        wait_until("its end", || !alive(&pid));
    }
    // One that left the group and still holds the output open.
    let script =
        format!("setsid sleep 30 & echo $! >>{}; echo done; exit 3", scratch.path().join("pids").display());
    let (_, run) = ran(shell(&script));
    assert_eq!(run.state, RunState::Failed);
    assert!(run.sessions[0].reason.contains("exit status 3"), "{}", run.sessions[0].reason);
}

#[test]
fn one_that_closes_its_output_and_goes_on_is_waited_for_and_can_be_stopped() {
    let (stage, run) = ran(shell("echo said; exec >&- 2>&-; sleep 0.4; exit 5"));
    assert_eq!(output(&stage, &run), "said");
    assert!(run.sessions[0].reason.contains("exit status 5"), "{}", run.sessions[0].reason);

    let scratch = crate::support::repo::scratch();
    let script =
        format!("echo $$ >>{}; exec >&- 2>&-; exec sleep 300", scratch.path().join("pids").display());
    let mut patient = super::stage::terms();
    patient.grace = Duration::from_secs(30);
    let stage = Stage::built(Arc::new(shell(&script)), |builder| builder.terms(patient));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    wait_until("the program", || !pids(scratch.path()).is_empty());
    block_on(stage.hub.cancel(&started.run, &ana())).unwrap();
    let run = stage.wait(&started.run);
    assert_eq!(run.state, RunState::Cancelled, "{:?}", run.session());
    assert!(!run.sessions[0].reason.contains("left behind"), "{}", run.sessions[0].reason);
    for pid in pids(scratch.path()) {
        wait_until("its end", || !alive(&pid));
    }
}

#[test]
fn an_agent_that_misbehaves_ends_its_session_and_nothing_else() {
    use handoff_core::{AgentError, Message, SessionEnd};
    type Act = fn(&handoff_core::ActiveSession) -> Result<SessionEnd, AgentError>;
    let rows: [(&str, Act, SessionState, &str); 6] = [
        ("panics", |_| panic!("by design"), SessionState::Failed, "by design"),
        ("fails", |_| Err(AgentError::new("no tokens left")), SessionState::Failed, "no tokens left"),
        ("says so", |_| Ok(SessionEnd::Failed("no idea".into())), SessionState::Failed, "no idea"),
        ("stops", |_| Ok(SessionEnd::Cancelled), SessionState::Cancelled, "by itself"),
        (
            "spends and does not stop",
            |session| {
                block_on(session.usage(Usage::of("tokens", 1_000)))?;
                std::thread::sleep(Duration::from_secs(3));
                Ok(SessionEnd::Succeeded)
            },
            SessionState::BudgetExhausted,
            "left behind",
        ),
        (
            "floods",
            |session| {
                for number in 0..2_000 {
                    block_on(session.append(vec![Message::assistant(format!("{number}"))]))?;
                }
                Err(AgentError::new("tired"))
            },
            SessionState::Failed,
            "tired",
        ),
    ];
    for (what, act, state, reason) in rows {
        let stage = Stage::new(acting(move |session| {
            if session.facts().number > 1 {
                return say(session, "well again");
            }
            block_on(session.append(vec![Message::assistant("before")]))?;
            fs::write(session.facts().root.join("kept.txt"), "kept").unwrap();
            act(session)
        }));
        let mut request = stage.hand_off("go");
        request.budget = Budget::of("tokens", 1_000);
        let started = block_on(stage.hub.start(request)).unwrap();
        let run = stage.wait(&started.run);
        let session = run.session().unwrap();
        assert_eq!(session.state, state, "{what}: {session:?}");
        assert!(session.reason.contains(reason), "{what}: {}", session.reason);
        assert!(stage.said(&run).contains(&"assistant: before".to_owned()), "{what}");
        if what == "floods" {
            let said = stage.said(&run);
            assert_eq!(
                said[said.len() - 2_000..],
                (0..2_000).map(|n| format!("assistant: {n}")).collect::<Vec<_>>()
            );
        }
        if state == SessionState::BudgetExhausted {
            continue;
        }
        let more = ContinueRequest::new(run.id, ana(), "again");
        block_on(stage.hub.continue_run(more)).unwrap();
        let run = stage.wait(&run.id);
        assert_eq!(run.state, RunState::Succeeded, "{what}: {:?}", run.session());
        let result = block_on(stage.hub.result(&run.id, &ana())).unwrap().unwrap();
        assert!(
            format!("{:?}", result.diff_base().repos).contains("kept.txt"),
            "{what}: its work came along"
        );
    }
}

#[test]
fn a_hung_agent_is_left_behind_and_writes_nothing_more() {
    use super::cast::Signal;
    use handoff_core::Message;
    let (begun, go, done) = (Signal::default(), Signal::default(), Signal::default());
    let (at_work, on, over) = (begun.clone(), go.clone(), done.clone());
    let stage = Stage::new(acting(move |session| {
        at_work.give();
        on.wait();
        let late = block_on(session.append(vec![Message::assistant("too late")]));
        assert_eq!(late.unwrap_err().kind(), handoff_core::ErrorKind::Fenced);
        over.give();
        Ok(handoff_core::SessionEnd::Succeeded)
    }));
    let started = block_on(stage.hub.start(stage.hand_off("go"))).unwrap();
    begun.wait();
    block_on(stage.hub.cancel(&started.run, &ana())).unwrap();
    let run = stage.wait(&started.run);
    assert_eq!(run.state, RunState::Cancelled);
    assert!(run.sessions[0].reason.contains("left behind"), "{}", run.sessions[0].reason);
    let before = stage.said(&run);
    go.give();
    done.wait();
    assert_eq!(stage.said(&stage.wait(&run.id)), before);
}
