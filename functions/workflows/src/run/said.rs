//! What a run has said to its owner: the log of its task.

use jiff::Timestamp;
use model::{log_line::LogLine, toast::Level};
use serde::{Deserialize, Serialize};

/// The lines that are kept: the first ones and the last ones.
const FIRST_LINES: usize = 25;
const MOST_LINES: usize = 100;
/// In characters.
const MAX_MESSAGE: usize = 500;
/// The shortest pause between two times that they are stored, in milliseconds.
pub(crate) const STORE_INTERVAL: i64 = 1000;

/// The lines of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    lines: Vec<LogLine>,
    /// The number of all lines, those that are not kept included.
    count: u64,
    /// The same number: workers that ran before the log had a message of its own refuse a run without it, and find with it
    /// nothing that they would have to store.
    #[serde(default)]
    stored: u64,
    /// When they are to be stored, or were the last time.
    #[serde(rename = "stored_at", default)]
    store_at: i64,
}

impl Said {
    /// True if it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The lines that are kept.
    pub(crate) fn lines(&self) -> &[LogLine] {
        &self.lines
    }

    /// When to store lines that came since it was as it is in `before`: of a run that goes on once a second at most.
    pub(crate) fn store_at(&mut self, before: &Self, now: i64, is_over: bool) -> Option<i64> {
        if self.count == before.count {
            return None;
        }
        if is_over {
            self.store_at = now;
        } else if self.store_at <= now {
            let last = if before.is_empty() { now } else { self.store_at };
            self.store_at = now.max(last + STORE_INTERVAL);
        }
        Some(self.store_at)
    }

    /// Says something at a time.
    pub(crate) fn say(&mut self, now: i64, level: Level, text: String) {
        self.count += 1;
        self.stored = self.count;
        let time = Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
        // A run has one log, however often the job that begins it is tried.
        self.lines.push(LogLine::new((1, self.count), time, level, text, MAX_MESSAGE));
        if self.lines.len() > MOST_LINES {
            self.lines.remove(FIRST_LINES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_the_first_and_the_last_are_kept() {
        let mut said = Said::default();
        (0..1000).for_each(|number| said.say(number, Level::Info, "é".repeat(600)));
        let lines = said.lines();
        assert_eq!((lines.len(), lines[24].number, lines[25].number, lines[99].number), (100, 25, 926, 1000));
        assert_eq!(lines[0].message, "é".repeat(500) + "…");
    }

    #[test]
    fn a_worker_of_the_version_before_reads_what_a_run_has_said_and_this_one_what_that_wrote() {
        #[derive(Serialize, Deserialize)]
        struct Before {
            lines: Vec<LogLine>,
            count: u64,
            stored: u64,
            stored_at: i64,
        }
        let mut said = Said::default();
        said.say(1, Level::Info, "one".to_owned());
        said.say(2, Level::Info, "two".to_owned());
        said.store_at(&Said::default(), 7, true);
        let before: Before = serde_json::from_value(serde_json::to_value(&said).unwrap()).unwrap();
        let numbers = (before.lines.len(), before.count, before.stored, before.stored_at);
        assert_eq!(numbers, (2, 2, 2, 7), "it has nothing to store");
        assert_eq!(serde_json::from_value::<Said>(serde_json::to_value(&before).unwrap()).unwrap(), said);
    }

    #[test]
    fn lines_are_stored_once_a_second_however_many_come_and_at_the_end_at_once() {
        let (mut said, mut before) = (Said::default(), Said::default());
        let mut say = |now, is_over| {
            said.say(now, Level::Info, "more".to_owned());
            let at = said.store_at(&before, now, is_over);
            before.clone_from(&said);
            assert_eq!(said.store_at(&before, now, is_over), None, "nothing came since");
            at
        };
        assert_eq!(say(5000, false), Some(6000), "a short run is stored at its end alone");
        assert_eq!((say(5100, false), say(5900, false)), (Some(6000), Some(6000)));
        assert_eq!((say(6000, false), say(9000, false)), (Some(7000), Some(9000)));
        assert_eq!(say(9100, true), Some(9100));
    }
}
