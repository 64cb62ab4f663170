//! Any program as an agent: run in the restored tree, its output streamed into the conversation.

mod pipes;
mod watch;

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_lite::future;

use super::{ActiveSession, Agent, AgentError, AgentInfo, SessionEnd};
use crate::clock::{Clock, SystemClock};
use crate::conversation::Message;
use pipes::{Piece, one_line, send_lines, tail, write_all};
use watch::Watch;

/// The longest piece of a line that becomes one message, in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// Lines are gathered into one message for so long, or up to [`LONGEST_LINE`].
const GATHER: Duration = Duration::from_millis(200);

/// How long output is waited for after the program has ended.
const LINGER: Duration = Duration::from_secs(1);

/// Runs a command-line agent without a terminal: one process group a turn.
///
/// The prompt goes to standard input, or into every argument that contains `{prompt}`. What the program writes to
/// standard output becomes messages of the assistant, in order, as it is written; exit status 0 is success, anything
/// else a failure whose reason is the end of standard error. When the session is to stop, the whole group gets SIGTERM,
/// and SIGKILL after a grace period; so it does when this process is killed, from a shell that waits beside it for that.
/// A program that asks as it goes is taken at its word with [`questions`](Self::questions).
///
/// The program's environment is this process's, with the environment's variables, and `HANDOFF_RUN`,
/// `HANDOFF_SESSION`, `HANDOFF_SESSION_NUMBER` and, where a model is pinned, `HANDOFF_MODEL`.
#[derive(Debug, Clone)]
pub struct CommandAgent {
    info: AgentInfo,
    program: String,
    args: Vec<String>,
    grace: Duration,
    max_output: u64,
    questions: Option<String>,
}

impl CommandAgent {
    /// An agent named after what `program` is, run with `args`.
    pub fn new<A: Into<String>>(program: impl Into<String>, args: impl IntoIterator<Item = A>) -> Self {
        let program = program.into();
        let name = std::path::Path::new(&program).file_name();
        let name = name.map_or_else(|| program.clone(), |name| name.to_string_lossy().into_owned());
        Self {
            info: AgentInfo::third_party(name),
            program,
            args: args.into_iter().map(Into::into).collect(),
            grace: Duration::from_secs(5),
            max_output: 64 << 20,
            questions: None,
        }
    }

    /// Under another name, or with known models.
    #[must_use]
    pub fn info(mut self, info: AgentInfo) -> Self {
        self.info = info;
        self
    }

    /// Time between SIGTERM and SIGKILL. Default 5 s.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Most output that is taken, in bytes; a program that writes more is stopped, what it said until then is kept, and
    /// its session fails and says so. Default 64 MiB. Of the error output only the end is kept, however much there is; a
    /// program that writes nothing else, for ever, runs until it is cancelled or its time or budget is over.
    #[must_use]
    pub const fn max_output(mut self, bytes: u64) -> Self {
        self.max_output = bytes;
        self
    }

    /// Takes lines of standard output that begin with `mark` for questions: the run is blocked on the rest of the line,
    /// the person is notified, and the answer comes on standard input as one line. The program must then take its
    /// prompt from an argument, with `{prompt}`. Default: nothing is a question.
    ///
    /// ```
    /// use handoff_core::CommandAgent;
    ///
    /// let script = r#"echo "working on: $1"; echo "ASK which branch?"; read -r branch; echo "on $branch, then""#;
    /// let agent = CommandAgent::new("sh", ["-c", script, "agent", "{prompt}"]).questions("ASK ");
    /// # let _ = agent;
    /// ```
    #[must_use]
    pub fn questions(mut self, mark: impl Into<String>) -> Self {
        self.questions = Some(mark.into());
        self
    }

    /// What `line` asks, if it asks. The middle of a long line is no question, whatever it begins with.
    fn question<'a>(&self, line: &'a Piece) -> Option<&'a str> {
        let text = line.begins.then_some(line.text.as_str())?;
        text.strip_prefix(self.questions.as_deref()?).map(str::trim)
    }

    fn spawn(&self, session: &ActiveSession) -> Result<Child, AgentError> {
        let facts = session.facts();
        let in_args = self.args.iter().any(|arg| arg.contains("{prompt}"));
        if !in_args && self.questions.is_some() {
            let why = format!(
                "{} reads answers from standard input, so its prompt cannot come there; name {{prompt}} in an argument",
                self.program
            );
            return Err(AgentError::new(why));
        }
        let mut command = Command::new(&self.program);
        command
            .args(self.args.iter().map(|arg| arg.replace("{prompt}", &facts.prompt)))
            .current_dir(&facts.root)
            .envs(&facts.variables)
            .env("HANDOFF_RUN", facts.run.to_string())
            .env("HANDOFF_SESSION", facts.session.to_string())
            .env("HANDOFF_SESSION_NUMBER", facts.number.to_string())
            .stdin(if in_args && self.questions.is_none() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(model) = &facts.model {
            command.env("HANDOFF_MODEL", model);
        }
        command.spawn().map_err(|error| {
            AgentError::new(format!("{} could not be run; install it, or name its full path", self.program))
                .because(error)
        })
    }
}

impl CommandAgent {
    /// Takes in `line` and what comes at once with it: as messages, and as questions, whose answers are awaited here.
    /// Returns how many bytes were said; what is beyond `room` is dropped, and then it is more than that.
    async fn hear(
        &self,
        session: &ActiveSession,
        line: Piece,
        output: &async_channel::Receiver<Piece>,
        answers: Option<&async_channel::Sender<String>>,
        room: u64,
    ) -> Result<u64, AgentError> {
        let mut heard = 0;
        let mut next = Some(line);
        while let Some(line) = next.take() {
            let Some(question) = self.question(&line) else {
                let (mut text, rest) = self.gather(line.text, output).await;
                let left = usize::try_from(room.saturating_sub(heard)).unwrap_or(usize::MAX);
                heard += text.len() as u64;
                if heard > room {
                    let end = (0..=left).rev().find(|end| text.is_char_boundary(*end));
                    text.truncate(end.unwrap_or(0));
                }
                if !text.is_empty() || heard <= room {
                    session.append(vec![Message::assistant(text)]).await?;
                }
                if heard > room {
                    break;
                }
                next = rest;
                continue;
            };
            match session.block(Message::assistant(question)).await {
                Ok(answer) => {
                    // A program that has ended meanwhile hears nothing; the answer is in the conversation.
                    let _ = answers.map(|answers| answers.try_send(one_line(&answer.text)));
                }
                // The turn ends as any that is to stop.
                Err(_) if session.cancelled() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(heard)
    }

    /// One message of the lines that come at once, and the question that ended it.
    async fn gather(
        &self,
        first: String,
        output: &async_channel::Receiver<Piece>,
    ) -> (String, Option<Piece>) {
        let mut text = first;
        let mut rest = None;
        let until = Instant::now() + GATHER;
        while text.len() < LONGEST_LINE {
            let left = until.saturating_duration_since(Instant::now());
            let next = future::or(async { output.recv().await.ok() }, async {
                SystemClock.sleep(left).await;
                None
            });
            match next.await {
                Some(line) if self.question(&line).is_some() => {
                    rest = Some(line);
                    break;
                }
                Some(line) => text.push_str(&line.text),
                None => break,
            }
        }
        while text.ends_with('\n') {
            text.pop();
        }
        (text, rest)
    }
}

#[async_trait]
impl Agent for CommandAgent {
    fn describe(&self) -> AgentInfo {
        self.info.clone()
    }

    async fn run(&self, session: ActiveSession) -> Result<SessionEnd, AgentError> {
        let mut group = Group::start(|| self.spawn(&session))?;
        let (said, to_say) = async_channel::unbounded::<String>();
        if let Some(stdin) = group.0.stdin.take() {
            // On a thread of its own: a program that does not read must not stop us from reading what it writes.
            blocking::unblock(move || write_all(stdin, &to_say)).detach();
        }
        let answers = match self.questions {
            Some(_) => Some(said),
            None => {
                // The end of the input follows, since this is the last that is said.
                let _ = said.try_send(session.facts().prompt.clone());
                drop(said);
                None
            }
        };
        let errors = group.0.stderr.take();
        let errors = blocking::unblock(move || errors.map(tail).unwrap_or_default());
        let (lines, output) = async_channel::bounded(64);
        if let Some(stdout) = group.0.stdout.take() {
            blocking::unblock(move || send_lines(stdout, &lines)).detach();
        }
        let mut taken = 0;
        let mut asked = None;
        let mut ended = None;
        let mut flooded = false;
        loop {
            let next = future::or(async { Some(output.recv().await) }, async {
                SystemClock.sleep(Duration::from_millis(50)).await;
                None
            });
            match next.await {
                Some(Ok(line)) => {
                    taken +=
                        self.hear(&session, line, &output, answers.as_ref(), self.max_output - taken).await?;
                    if taken > self.max_output {
                        flooded = true;
                        break;
                    }
                }
                // It has closed its output, or ended; one that goes on is waited for, and can still be stopped.
                Some(Err(_)) if ended.is_some() => break,
                Some(Err(_)) => SystemClock.sleep(Duration::from_millis(20)).await,
                None if ended.is_some_and(|at: Instant| at.elapsed() >= LINGER) => break,
                None => {}
            }
            if ended.is_none() && group.has_ended() {
                // What the program left running may hold its output open for ever.
                group.signal(rustix::process::Signal::KILL);
                ended = Some(Instant::now());
            }
            if session.cancelled() {
                let since = *asked.get_or_insert_with(|| {
                    group.signal(rustix::process::Signal::TERM);
                    Instant::now()
                });
                if since.elapsed() >= self.grace {
                    break;
                }
            }
        }
        drop(output);
        // Whatever the program left running in its group ends with it.
        let status = blocking::unblock(move || group.end());
        let status = status
            .await
            .map_err(|error| AgentError::new("the program could not be waited for").because(error))?;
        if flooded {
            let most = self.max_output;
            return Ok(SessionEnd::Failed(format!(
                "the program wrote more than {most} bytes and was stopped"
            )));
        }
        if session.cancelled() {
            return Ok(SessionEnd::Cancelled);
        }
        if status.success() {
            return Ok(SessionEnd::Succeeded);
        }
        // A process that left the group may hold this end open too.
        let errors = future::or(errors, async {
            SystemClock.sleep(LINGER).await;
            String::new()
        });
        Ok(SessionEnd::Failed(describe(status, &errors.await)))
    }
}

/// A process and everything it starts, whether that was ended, and who ends it if this process cannot.
struct Group(Child, bool, Watch);

impl Group {
    fn start(spawn: impl FnOnce() -> Result<Child, AgentError>) -> Result<Self, AgentError> {
        let mut watch = Watch::begin();
        let child = spawn()?;
        watch.over(child.id());
        Ok(Self(child, false, watch))
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id() as i32) {
            // One that has ended already is what was wanted.
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }
}

impl Group {
    /// Whether the program itself has ended. It is not reaped, so that its group's number stays its own.
    fn has_ended(&self) -> bool {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let Some(pid) = Pid::from_raw(self.0.id() as i32) else { return true };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(pid), look), Ok(None))
    }
}

impl Group {
    /// Ends all of it. The group is told before its leader is reaped: until then its number is nobody else's.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if !self.1 {
            self.signal(rustix::process::Signal::KILL);
            self.1 = true;
        }
        self.2.end();
        self.0.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A turn that was dropped half-way leaves no process behind.
        let _ = self.end();
    }
}

fn describe(status: ExitStatus, errors: &str) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("the program ended with exit status {code}"),
        (None, Some(signal)) => format!("the program was ended by signal {signal}"),
        (None, None) => "the program ended in an unknown way".to_owned(),
    };
    if errors.is_empty() { how } else { format!("{how}; its error output ends with: {errors}") }
}
