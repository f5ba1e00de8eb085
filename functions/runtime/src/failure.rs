//! How a function fails: for good with words for the person, or for now.

use crate::thread::Ended;

/// Why a run ended without its effect.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Trying again will not help; the person reads `message`.
    #[error("{message}")]
    Permanent {
        /// One word for programs, such as `input`.
        reason: &'static str,
        /// Words for the person, naming what is wrong and where.
        message: String,
    },
    /// It may work later (a database that is away); it is tried again with growing pauses.
    #[error("{message}")]
    Passing {
        /// Words for the person, should it never work.
        message: String,
        /// For the log alone.
        #[source]
        cause: anyhow::Error,
    },
    /// It saw that its task was cancelled, or that the host stops, and left no effect.
    #[error("stopped before it had an effect")]
    Stopped,
}

impl From<Ended> for Failure {
    fn from(_: Ended) -> Self {
        Self::Stopped
    }
}

impl Failure {
    /// The person's input is wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Permanent { reason: "input", message: message.into() }
    }

    /// Something needed is away or failed.
    pub fn passing(message: impl Into<String>, cause: impl Into<anyhow::Error>) -> Self {
        Self::Passing { message: message.into(), cause: cause.into() }
    }
}
