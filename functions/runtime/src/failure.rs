//! The failure of a run: permanent, with a message for the owner, or passing.

use crate::thread::ShutDown;

/// The reason why a run ended without its effect.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Trying again will not help; the owner reads `message`.
    #[error("{message}")]
    Permanent {
        /// A code for programs, such as `input`.
        reason: &'static str,
        /// The error and its position, for the owner.
        message: String,
    },
    /// It may work later (a database that is away); it is tried again with growing pauses.
    #[error("{message}")]
    Passing {
        /// The error, for the owner should it never work.
        message: String,
        /// The cause, for the log alone.
        #[source]
        cause: anyhow::Error,
    },
    /// It saw that its task was cancelled, or that the host stops, and left no effect.
    #[error("stopped before it had an effect")]
    Stopped,
}

impl From<ShutDown> for Failure {
    fn from(_: ShutDown) -> Self {
        Self::Stopped
    }
}

impl Failure {
    /// The input is wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Permanent { reason: "input", message: message.into() }
    }

    /// Something that the run needs is away.
    pub fn passing(message: impl Into<String>, cause: impl Into<anyhow::Error>) -> Self {
        Self::Passing { message: message.into(), cause: cause.into() }
    }
}
