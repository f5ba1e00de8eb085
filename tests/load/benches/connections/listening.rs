//! Listeners in a process of their own.

use std::{io::Write, process::ExitCode};

use gateway::{Claims, Key};
use load::{Listeners, Wire, listeners::Opened};

use crate::{child, child::Process, pod::SECRET};

/// Listeners that each get every event.
pub(crate) struct Audience {
    process: Process,
    /// Events that have been sent to them, and those that all of them have.
    sent: u32,
    complete: u32,
    /// The bytes of the first event, in hexadecimal digits.
    pub(crate) frame: String,
}

impl Audience {
    /// Connects so many, the next event being of this number.
    pub(crate) fn start(wire: &str, address: &str, count: usize, first: u32) -> Self {
        let process = Process::start(&["listen", wire, address, &count.to_string(), &first.to_string()]);
        process.hear("connected");
        Self { process, sent: 0, complete: 0, frame: String::new() }
    }

    /// So many more events have been sent: waits until all have them.
    pub(crate) fn catch_up(&mut self, sent: u32) {
        self.sent(sent);
        self.wait_for(0);
    }

    /// So many more events have been sent.
    pub(crate) fn sent(&mut self, sent: u32) {
        self.sent += sent;
    }

    /// Waits until at most so many events have not reached everybody.
    pub(crate) fn wait_for(&mut self, most: u32) {
        while self.sent - self.complete > most {
            let said = self.process.hear("complete");
            let (complete, frame) = said.split_once(' ').unwrap_or((&said, ""));
            self.complete = complete.parse().unwrap();
            if self.frame.is_empty() {
                self.frame = frame.to_owned();
            }
        }
    }
}

/// The life of listeners: they say `complete N` whenever N events have reached all, the first time with a frame.
pub(crate) fn live(wire: &str, target: &str, count: &str, first: &str) -> ExitCode {
    child::end_with_parent();
    let wire = Wire::named(wire).unwrap();
    let key = Key::hs256(SECRET.as_bytes(), None, None);
    let opened =
        Opened { wire, target: target.parse().unwrap(), count: count.parse().unwrap(), first: first.parse().unwrap() };
    let mut listeners = Listeners::open(opened, |number| token(&key, number)).unwrap();
    let mut output = std::io::stdout().lock();
    writeln!(output, "connected").unwrap();
    let mut told_frame = false;
    let ended = listeners.listen(|complete, frame| {
        let frame = frame.filter(|_| !std::mem::replace(&mut told_frame, true)).unwrap_or_default();
        let frame: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        // The parent may be gone already; then this ends too.
        writeln!(output, "complete {complete} {frame}").ok();
    });
    writeln!(output, "failed: {:#}", ended.unwrap_err()).ok();
    ExitCode::FAILURE
}

fn token(key: &Key, number: usize) -> String {
    let claims = Claims {
        sub: format!("listener-{number}"),
        env: "prod".to_owned(),
        groups: vec![],
        scope: String::new(),
        exp: jiff::Timestamp::now().as_second() + 3600,
        iat: None,
        iss: None,
        aud: None,
    };
    key.sign(&claims).unwrap()
}
