//! The reasons for the end of a client's connection, as sent to the client and counted.

use signalr::{Message, ProtocolError};

use crate::dispatch::outbox::EndReason;

/// The reason for the end of a client's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// The handshake failed with this error.
    HandshakeRefused(String),
    /// The client closed it.
    ClientLeft,
    /// The client broke the protocol; it should not reconnect by itself to do so again.
    ProtocolFault(String),
    /// The pod ended it for this reason; the client may reconnect, to any pod.
    Ended(&'static str),
}

impl CloseReason {
    /// A later token of the client gives other rights than the one that its connection began with.
    pub(super) const RIGHTS_CHANGED: Self = Self::Ended("rights-changed");

    /// The reason in logs and metrics.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::HandshakeRefused(_) => "refused",
            Self::ClientLeft => "left",
            Self::ProtocolFault(_) => "fault",
            Self::Ended(reason) => reason,
        }
    }

    /// The close message for the client, once the handshake is done.
    pub(super) fn message(&self) -> Message {
        let (error, allow_reconnect) = match self {
            Self::HandshakeRefused(error) | Self::ProtocolFault(error) => (Some(error.clone()), false),
            Self::ClientLeft => (None, false),
            Self::Ended(reason) => (Some((*reason).to_owned()), true),
        };
        Message::Close { error, allow_reconnect }
    }
}

impl From<ProtocolError> for CloseReason {
    fn from(error: ProtocolError) -> Self {
        Self::ProtocolFault(error.to_string())
    }
}

impl From<EndReason> for CloseReason {
    fn from(end: EndReason) -> Self {
        Self::Ended(end.as_str())
    }
}
