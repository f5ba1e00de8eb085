//! How it went with one recipient.

use jiff::Timestamp;

/// The most characters of what a server says.
const MAX_REASON: usize = 300;

/// How it went with one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They have it.
    Done,
    /// They will never have it, and why.
    Refused(String),
    /// It may work later, at this time if it is known.
    Later(String, Option<Timestamp>),
    /// The same, and what would be sent to others on the same way meets the same now.
    AllLater(String),
}

/// What a server says, as one line of bounded length.
pub(crate) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(MAX_REASON) {
        line.truncate(end);
        line.push('…');
    }
    line
}
