//! What sending may come to, and whether the broker can be reached.

/// Why something was not taken by the broker; when in doubt it was not, and may be sent again with the same id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Away, blocked, or no confirm in time: sending again may succeed.
    #[error("the broker cannot take it now: {0}")]
    Unavailable(String),
    /// The broker user has no right to it: sending again will not help.
    #[error("the broker refuses it: {0}")]
    Refused(String),
    /// Nothing is bound where it was sent: no stream, or no queue of that kind.
    #[error("nothing receives it: {0}")]
    Unroutable(String),
    /// The queue holds all it may.
    #[error("the queue is full: {0}")]
    Full(String),
    /// It cannot be written down, or is too large.
    #[error("{0}")]
    Invalid(String),
}

impl SendError {
    /// Whether the same thing may be taken later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

/// One way to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Not yet tried, or being made again; the text says why.
    Down(String),
    /// The broker takes nothing for now (an alarm of memory or disk).
    Blocked,
    /// In use.
    Up,
}

impl Link {
    /// Whether it works.
    pub fn is_up(&self) -> bool {
        *self == Self::Up
    }
}
