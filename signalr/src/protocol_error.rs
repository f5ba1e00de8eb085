//! What a client did wrong: its connection ends with these words, which name nothing of the inside.

/// Bytes that are no message, or a message that may not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A message, or the handshake, is longer than it may be.
    #[error("a message may have {0} bytes at most")]
    TooLarge(usize),
    /// It cannot be read; the text says what and where.
    #[error("{0}")]
    Malformed(String),
    /// The handshake names a protocol that is not spoken here.
    #[error("the protocol {0:?} is not supported; it is json or messagepack")]
    UnknownProtocol(String),
    /// The handshake asks for a version that is not spoken here.
    #[error("the version {1} of the protocol {0:?} is not supported")]
    UnknownVersion(String, u64),
}
