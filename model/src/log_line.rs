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
    fn a_file_of_a_log_is_told_by_its_name() {
        assert_eq!(attempt_of(&file_name(12)), Some(12));
        for other in ["log.jsonl", "log.x.jsonl", "log.1.json", "result.json", "xlog.1.jsonl"] {
            assert_eq!(attempt_of(other), None, "{other}");
        }
    }
}
