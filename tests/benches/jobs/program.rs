//! A program of one side, in a process of its own: it submits jobs, or works. What it is told and answers is in
//! `peers/program.mjs`.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::cpu;

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Submit,
    Work,
}

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Work => "work",
        }
    }
}

/// A running program, ended when dropped.
pub(crate) struct Program {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, commands, answers: BufReader::new(answers) }
    }

    /// Waits until it takes commands.
    pub(crate) fn wait_until_ready(&mut self) {
        self.answer();
    }

    /// Says a command; its answer comes when it is done.
    pub(crate) fn say(&mut self, command: &str) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        self.answer()
    }

    /// Its processor time in seconds, with all that it has started.
    pub(crate) fn cpu(&self) -> f64 {
        cpu::of_tree(self.child.id())
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("it ended, or said no JSON: {line:?}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Some have processes of their own, which end with them when they are asked.
        Command::new("kill").arg(self.child.id().to_string()).status().ok();
        self.child.wait().ok();
    }
}
