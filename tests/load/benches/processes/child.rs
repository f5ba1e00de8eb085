//! This program again, as a process that is told and tells things line by line. It ends with its standard input.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::Duration,
};

use load::usage;

/// How long a child may be silent where it has something to say.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Lines of a child that may wait.
const LINES: usize = 1024;

/// Ended when dropped.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    /// Starts it as what the first argument says.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(LINES);
        // It ends with the child's output, or with the receiver.
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { input: child.stdin.take(), child, lines }
    }

    /// What it says next, if that begins with this word: the rest.
    pub(crate) fn hear(&self, word: &str) -> String {
        let line = self.lines.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("a process did not say {word}"));
        let rest = line.strip_prefix(word).unwrap_or_else(|| panic!("{line:?}, where {word} was to come"));
        rest.trim().to_owned()
    }

    /// Tells it something.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The processor time it has taken.
    pub(crate) fn processor(&self) -> Duration {
        usage::processor(self.child.id()).unwrap()
    }

    /// Bytes of its memory that are resident.
    pub(crate) fn resident(&self) -> f64 {
        usage::resident(self.child.id()).unwrap() as f64
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// In a child: what the parent says.
pub(crate) fn told() -> impl Iterator<Item = String> {
    std::io::stdin().lines().map_while(Result::ok)
}

/// In a child: ends it as soon as the parent is gone.
pub(crate) fn end_with_parent() {
    thread::spawn(|| {
        told().for_each(drop);
        std::process::exit(0);
    });
}

/// Waits where only time can pass: nothing tells that a process has come to rest.
#[allow(clippy::disallowed_methods)]
pub(crate) fn wait(time: Duration) {
    thread::sleep(time);
}
