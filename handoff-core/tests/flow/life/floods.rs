//! Agents that say more than anybody wants: their memory stays small, they can be stopped, and what they said is kept
//! as far as it is said to be.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use handoff_core::{
    Agent, Budget, CommandAgent, ErrorKind, Message, Run, RunState, SessionEnd, SessionState, Usage,
};

use super::cast::wait_until;
use super::stage::{Stage, acting, ana, block_on};

const JOB: &str = "HANDOFF_TEST_LIFE_FLOODS";

fn shell(script: &str) -> CommandAgent {
    CommandAgent::new("sh", ["-c", script]).grace(Duration::from_millis(300))
}

fn started(agent: Arc<dyn Agent>, budget: Budget) -> (Stage, handoff_core::RunId) {
    let stage = Stage::new(agent);
    let mut request = stage.hand_off("go");
    request.budget = budget;
    let run = block_on(stage.hub.start(request)).unwrap().run;
    (stage, run)
}

fn assistant(stage: &Stage, run: &Run) -> Vec<String> {
    let said = stage.said(run).into_iter();
    said.filter_map(|line| Some(line.strip_prefix("assistant: ")?.to_owned())).collect()
}

#[test]
fn what_a_flooding_program_said_is_kept_up_to_the_limit_and_the_cut_is_recorded() {
    // Lines, one line that never ends, and one of characters that the limit cuts in two.
    for (script, unit, bytes) in [
        ("while :; do echo flood; done", "flood\n", 100_000),
        ("yes abcdefgh | tr -d '\\n'", "abcdefgh", 100_000),
        ("yes '\u{20ac}' | tr -d '\\n'", "\u{20ac}", 99_998),
    ] {
        let (stage, run) = started(Arc::new(shell(script).max_output(bytes)), Budget::default());
        let run = stage.wait(&run);
        assert_eq!(run.state, RunState::Failed, "{script}");
        let reason = &run.sessions[0].reason;
        assert!(reason.contains(&format!("more than {bytes} bytes")), "{script}: {reason}");
        let said = assistant(&stage, &run);
        let bare = |text: &str| text.replace('\n', "");
        let (all, unit) = (bare(&said.concat()), bare(unit));
        let whole = unit.repeat(all.len() / unit.len() + 1);
        assert!(whole.starts_with(&all), "{script}: in order, nothing missing");
        // A message's last line end is not counted, and no character is cut.
        let least = bytes as usize - said.len() - 3 - said.concat().matches('\n').count();
        assert!((least..=bytes as usize).contains(&all.len()), "{script}: {} bytes of {bytes}", all.len());
    }
}

#[test]
fn a_program_that_floods_its_errors_can_be_stopped() {
    for (script, stdout) in [
        ("echo said; while :; do echo error >&2; done", "said"),
        ("echo said; exec 1>&-; yes abcdefgh | tr -d '\\n' >&2", "said"),
    ] {
        let (stage, run) = started(Arc::new(shell(script)), Budget::default());
        wait_until("what it says", || {
            let run = block_on(stage.hub.run(&run, &ana())).unwrap();
            assistant(&stage, &run).concat() == stdout
        });
        block_on(stage.hub.cancel(&run, &ana())).unwrap();
        let run = stage.wait(&run);
        assert_eq!(run.state, RunState::Cancelled, "{script}: {:?}", run.session());
        assert!(!run.sessions[0].reason.contains("left behind"), "{script}: {}", run.sessions[0].reason);
    }
}

#[test]
fn the_middle_of_a_long_line_is_no_question() {
    // Its second piece begins with the mark.
    let script = "printf 'ASK-%65528s' x | tr ' ' -; printf 'ASK-and so on\\n'; echo done # $1";
    let agent = CommandAgent::new("sh", ["-c", &format!("printf '%65536s' x; {script}"), "-", "{prompt}"]);
    let (stage, run) = started(Arc::new(agent.questions("ASK-")), Budget::default());
    let run = stage.wait(&run);
    assert_eq!(
        run.state,
        RunState::Succeeded,
        "{:?} {:?}",
        run.question.map(|it| it.text.len()),
        run.sessions
    );
    assert!(
        assistant(&stage, &block_on(stage.hub.run(&run.id, &ana())).unwrap())
            .concat()
            .contains("ASK-and so on")
    );
}

/// One that never looks whether it is to stop, and never stops by itself.
#[test]
fn an_agent_that_appends_without_end_is_ended_and_what_it_said_is_kept() {
    for by_budget in [false, true] {
        let told = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&told);
        let agent = acting(move |session| {
            for number in 0.. {
                block_on(session.append(vec![Message::assistant(format!("{number}"))]))?;
                noted.store(number + 1, Ordering::SeqCst);
                block_on(session.usage(Usage::of("messages", number + 1)))?;
            }
            Ok(SessionEnd::Succeeded)
        });
        let budget = if by_budget { Budget::of("messages", 50) } else { Budget::default() };
        let (stage, run) = started(agent, budget);
        wait_until("a flood", || told.load(Ordering::SeqCst) >= 50);
        if !by_budget {
            block_on(stage.hub.cancel(&run, &ana())).unwrap();
        }
        let run = stage.wait(&run);
        let ends = if by_budget { SessionState::BudgetExhausted } else { SessionState::Cancelled };
        assert_eq!(run.sessions[0].state, ends, "{:?}", run.session());
        assert!(run.sessions[0].reason.contains("left behind"), "{}", run.sessions[0].reason);
        let said = assistant(&stage, &stage.wait(&run.id));
        let all: Vec<_> = (0..said.len()).map(|number| number.to_string()).collect();
        assert!(said == all, "each once and in order");
        assert!(said.len() as u64 >= told.load(Ordering::SeqCst), "{} of {told:?}", said.len());
    }
}

#[test]
fn a_message_that_is_too_large_is_refused_and_the_session_goes_on() {
    let agent = acting(|session| {
        let refused = block_on(session.append(vec![Message::assistant("x".repeat(17 << 20))]));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Limit);
        super::stage::say(session, "less")
    });
    let (stage, run) = started(agent, Budget::default());
    let run = stage.wait(&run);
    assert_eq!((run.state.clone(), assistant(&stage, &run)), (RunState::Succeeded, vec!["less".to_owned()]));
}

/// The process whose memory is looked at. Asked for nothing, it does nothing.
#[test]
fn child() {
    let Some(told) = std::env::var_os(JOB).map(PathBuf::from) else { return };
    // 256 MiB of errors in one line, and then as much to say as is taken.
    let script = "head -c 268435456 /dev/zero | tr '\\0' x >&2; yes abcdefgh | tr -d '\\n'";
    let (stage, run) = started(Arc::new(shell(script).max_output(1 << 20)), Budget::default());
    let run = stage.wait(&run);
    assert!(run.sessions[0].reason.contains("more than 1048576 bytes"), "{:?}", run.session());
    fs::write(told, fs::read_to_string("/proc/self/status").unwrap()).unwrap();
}

#[test]
fn a_flood_takes_no_memory() {
    let scratch = crate::support::repo::scratch_in_memory();
    let told = scratch.path().join("told");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "flow::life::floods::child", "--nocapture", "--test-threads=1"]);
    command.env(JOB, &told).stdout(Stdio::null());
    assert!(command.status().unwrap().success());
    let status = fs::read_to_string(&told).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 128 << 10, "{kilobytes} kB");
}
