//! The outcomes of sending, and the state of a connection to the broker.

/// Why the broker did not accept a message; in doubt it may have, so a retry uses the same id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Unreachable, blocked, or no confirm in time: a retry may succeed.
    #[error("the broker cannot take it now: {0}")]
    Unavailable(String),
    /// The broker user lacks the permission: a retry will not help.
    #[error("the broker refuses it: {0}")]
    Refused(String),
    /// No queue is bound to the target: no stream, or no queue of that kind.
    #[error("nothing receives it: {0}")]
    Unroutable(String),
    /// The queue has reached its limit.
    #[error("the queue is full: {0}")]
    Full(String),
    /// It is malformed or too large.
    #[error("{0}")]
    Invalid(String),
}

impl SendError {
    /// True if a retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

/// The state of a connection to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Not connected yet, or reconnecting; the text is the reason.
    Down(String),
    /// The broker accepts nothing for now (an alarm of memory or disk).
    Blocked,
    /// Connected.
    Up,
}

impl Link {
    /// True if it is connected and accepts messages.
    pub fn is_up(&self) -> bool {
        *self == Self::Up
    }
}
