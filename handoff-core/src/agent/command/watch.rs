//! A small program that outlives this process, to end the agent's if this one cannot: nobody that was killed ends what it
//! started.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Reads the number of a process group and then one more word. Where the input ends before that word, whoever wrote is
/// gone, and the group is ended: it is asked to, and two seconds later it is made to.
const SCRIPT: &str = "read -r group || exit 0
read -r done && exit 0
kill -s TERM -- \"-$group\"
sleep 2
kill -s KILL -- \"-$group\"";

/// Ends a process group when this process dies, however it dies. The pipe to it is closed by the system then, and has
/// no other end: it is not inherited by programs that are run.
pub(super) struct Watch(Option<(Child, ChildStdin)>);

impl Watch {
    /// Begins before there is a group to watch, so that it is not watched only for the moment between the program's
    /// start and the line that names its group. Without a shell to be had there is none, and a program of a killed
    /// process runs on. Either way it works in a checkout that nobody else gets: each try of a session has its own.
    pub(super) fn begin() -> Self {
        let mut shell = Command::new("/bin/sh");
        // A group of its own: what ends ours from a terminal must not end it.
        shell.args(["-c", SCRIPT]).current_dir("/").process_group(0);
        let started = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(started.ok().and_then(|mut shell| {
            let words = shell.stdin.take()?;
            Some((shell, words))
        }))
    }

    /// Watches this group from now on.
    pub(super) fn over(&mut self, group: u32) {
        if let Some((_, words)) = &mut self.0 {
            let _ = writeln!(words, "{group}");
        }
    }

    /// The group has been ended; there is nothing to watch any more.
    pub(super) fn end(&mut self) {
        if let Some((mut shell, mut words)) = self.0.take() {
            let _ = words.write_all(b"done\n");
            drop(words);
            let _ = shell.wait();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}
