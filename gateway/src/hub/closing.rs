//! Why a client's connection ends, and what it is told.

use signalr::{Message, ProtocolError};

use crate::dispatch::outbox::EndReason;

/// The end of a client's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// Before the handshake was done: its answer says why.
    Refused(String),
    /// The client has ended it.
    Left,
    /// The client did what it may not; it should not come back by itself to do it again.
    Fault(String),
    /// It may come back, to any pod; the word says why.
    Ended(&'static str),
}

impl Closing {
    /// The client said nothing for too long.
    pub fn client_timeout() -> Self {
        Self::Ended("client-timeout")
    }

    /// The word of logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Left => "left",
            Self::Fault(_) => "fault",
            Self::Ended(word) => word,
        }
    }

    /// The message that the client is told it with, once the handshake is done.
    pub fn message(&self) -> Message {
        let (error, allow_reconnect) = match self {
            Self::Refused(words) | Self::Fault(words) => (Some(words.clone()), false),
            Self::Left => (None, false),
            Self::Ended(word) => (Some((*word).to_owned()), true),
        };
        Message::Close { error, allow_reconnect }
    }
}

impl From<ProtocolError> for Closing {
    fn from(error: ProtocolError) -> Self {
        Self::Fault(error.to_string())
    }
}

impl From<EndReason> for Closing {
    fn from(end: EndReason) -> Self {
        Self::Ended(end.as_str())
    }
}
