//! The failure of a run: permanent, with a message for the owner, or passing.

use model::Toast;
use serde_json::Value;

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
    /// The same, with what the owner needs to go on.
    #[error(transparent)]
    Refused(Box<Refusal>),
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

/// A permanent failure that is no dead end: its result says how to go on, and its toast may link to it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// A code for programs, such as `rejected`.
    pub reason: &'static str,
    /// What was refused and why, for the owner.
    pub message: String,
    /// Becomes the failed task's `result`; small, with `href` a link to more.
    pub result: Value,
    /// The toast that the owner sees.
    pub toast: Toast,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
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
