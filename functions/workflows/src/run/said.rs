//! What a run has said to its owner: the log of its task.

use jiff::Timestamp;
use model::{log_line::LogLine, toast::Level};
use serde::{Deserialize, Serialize};

/// The lines that are kept: the first ones and the last ones.
const FIRST_LINES: usize = 100;
const MOST_LINES: usize = 400;
/// In characters.
const MAX_MESSAGE: usize = 500;
/// A run that goes on is written down no more often, in milliseconds.
const INTERVAL: i64 = 1000;

/// The lines of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    lines: Vec<LogLine>,
    /// The number of all lines, those that are not kept included.
    count: u64,
    /// The number of lines that were handed over to be stored, and when.
    stored: u64,
    stored_at: i64,
}

impl Said {
    /// True if it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Begins at this time, with this line.
    pub(crate) fn begin(&mut self, now: i64, message: String) {
        self.stored_at = now;
        self.say(now, Level::Info, message);
    }

    /// The lines to store now, if there are others than were stored; of a run that goes on once a second at most.
    pub(crate) fn take_unstored(&mut self, now: i64, is_over: bool) -> Vec<LogLine> {
        if !self.has_unstored() || (!is_over && now - self.stored_at < INTERVAL) {
            return Vec::new();
        }
        (self.stored, self.stored_at) = (self.count, now);
        self.lines.clone()
    }

    /// True if lines wait to be stored.
    pub(crate) fn has_unstored(&self) -> bool {
        self.stored < self.count
    }

    /// Says something at a time.
    pub(crate) fn say(&mut self, now: i64, level: Level, mut message: String) {
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
            message.push('…');
        }
        self.count += 1;
        let time = Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
        // A run has one log, however often the job that begins it is tried.
        self.lines.push(LogLine { attempt: 1, number: self.count, time, level, message });
        if self.lines.len() > MOST_LINES {
            self.lines.remove(FIRST_LINES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_the_first_and_the_last_are_kept_and_each_is_stored() {
        let mut said = Said::default();
        (0..1000).for_each(|number| said.say(number, Level::Info, "é".repeat(600)));
        let lines = said.take_unstored(5000, false);
        assert_eq!((lines.len(), lines[99].number, lines[100].number, lines[399].number), (400, 100, 701, 1000));
        assert_eq!(lines[0].message, "é".repeat(500) + "…");
        assert!(!said.has_unstored() && said.take_unstored(9000, true).is_empty());
        said.say(5500, Level::Info, "more".to_owned());
        assert!(said.take_unstored(5600, false).is_empty(), "once a second");
        assert_eq!(said.take_unstored(5600, true).len(), 400, "but at its end");
    }
}
