//! Errors of a client, sent to it when its connection is closed; they reveal nothing internal.

/// Malformed bytes, or a message that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A message, or the handshake, is longer than it may be.
    #[error("a message may have {0} bytes at most")]
    TooLarge(usize),
    /// It cannot be read; the text says what and where.
    #[error("{0}")]
    Malformed(String),
    /// The handshake names a protocol that is not supported.
    #[error("the protocol {0:?} is not supported; it is json or messagepack")]
    UnknownProtocol(String),
    /// The handshake asks for a version that is not supported.
    #[error("the version {1} of the protocol {0:?} is not supported")]
    UnknownVersion(String, u64),
}
