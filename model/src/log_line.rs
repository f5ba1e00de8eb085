//! The log of a task: what its function says to its owner while it runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::toast::Level;

/// The beginning of the name of a task's files that hold its log, one for each attempt.
const PREFIX: &str = "log.";
/// The end of their names.
const SUFFIX: &str = ".jsonl";

/// A line of a task's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// The attempt that said it.
    pub attempt: u32,
    /// Its number in that attempt, from 1; where numbers are missing, lines were left out.
    pub number: u64,
    /// When it was said.
    pub time: Timestamp,
    /// How bad it is.
    pub level: Level,
    /// The text.
    pub message: String,
}

impl LogLine {
    /// The line at this place, attempt and number, with at most so many characters of its text and nothing in them that could
    /// steer a terminal.
    pub fn new((attempt, number): (u32, u64), time: Timestamp, level: Level, text: String, most: usize) -> Self {
        let plain = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
        let mut message: String = text.chars().take(most).map(plain).collect();
        if text.chars().nth(most).is_some() {
            message.push('…');
        }
        Self { attempt, number, time, level, message }
    }
}

/// The name of the file with the log of an attempt.
pub fn file_name(attempt: u32) -> String {
    format!("{PREFIX}{attempt}{SUFFIX}")
}

/// The attempt whose log a file holds, if it is one.
pub fn attempt_of(file_name: &str) -> Option<u32> {
    file_name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_of_bounded_length_and_cannot_steer_a_terminal() {
        let message = |text: &str| LogLine::new((1, 1), Timestamp::UNIX_EPOCH, Level::Info, text.to_owned(), 9).message;
        assert_eq!(message("a\u{1b}[2Jb\nc\t\0"), "a\u{fffd}[2Jb\nc\t…");
        assert_eq!((message("ééééééééé"), message("éééééééééé")), ("ééééééééé".to_owned(), "ééééééééé…".to_owned()));
    }

    #[test]
    fn a_file_of_a_log_is_told_by_its_name() {
        assert_eq!(attempt_of(&file_name(12)), Some(12));
        for other in ["log.jsonl", "log.x.jsonl", "log.1.json", "result.json", "xlog.1.jsonl"] {
            assert_eq!(attempt_of(other), None, "{other}");
        }
    }
}
