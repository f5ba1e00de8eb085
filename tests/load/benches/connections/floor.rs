//! The floor in a process of its own.

use std::{io::Write, process::ExitCode, time::Duration};

use load::floor::Waiting;

use crate::{
    child::{self, Process},
    listening::Audience,
};

/// A floor and those who listen to it.
pub(crate) struct Beside {
    pub(crate) process: Process,
    pub(crate) audience: Audience,
}

impl Beside {
    /// A floor that writes this frame to so many.
    pub(crate) fn start(count: usize, frame: &str) -> Self {
        let mut process = Process::start(&["floor", &count.to_string()]);
        process.tell(frame);
        let address = process.hear("listening");
        let audience = Audience::start("bare", &address, count, 0);
        process.hear("accepted");
        Self { process, audience }
    }

    /// Has it write so many events, with a pause between their beginnings.
    pub(crate) fn write(&mut self, events: u32, pace: Option<Duration>) {
        let pace = pace.unwrap_or_default().as_micros();
        self.process.tell(&format!("{events} {pace}"));
        self.process.hear("written");
        self.audience.catch_up(events);
    }
}

/// The life of a floor: told a frame, and then again and again a number of events and microseconds between them.
pub(crate) fn live(count: usize) -> ExitCode {
    let mut told = child::told();
    let frame = told.next().unwrap();
    let frame = (0..frame.len()).step_by(2).map(|at| u8::from_str_radix(&frame[at..at + 2], 16).unwrap());
    let waiting = Waiting::new().unwrap();
    say(&format!("listening {}", waiting.address().unwrap()));
    let mut floor = waiting.accept(count, frame.collect()).unwrap();
    say("accepted");
    for line in told {
        let (events, pace) = line.split_once(' ').unwrap();
        let pace = Some(Duration::from_micros(pace.parse().unwrap())).filter(|pace| !pace.is_zero());
        floor.write(events.parse().unwrap(), pace).unwrap();
        say("written");
    }
    ExitCode::SUCCESS
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}
