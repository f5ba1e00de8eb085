//! The handshake: one JSON message of each side, ended by a record separator, whatever the encoding of what follows.

use crate::{encoding::Encoding, protocol_error::ProtocolError};

/// Most bytes of a handshake.
pub const LARGEST: usize = 4096;

/// What a client asks for. Version 2 (stateful reconnect) is taken like 1; nothing else is granted with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// How all that follows is written.
    pub encoding: Encoding,
}

/// Reads a handshake from the beginning of what came: it and how many bytes it took, or `None` while it is not whole.
pub fn read(bytes: &[u8]) -> Result<Option<(Handshake, usize)>, ProtocolError> {
    let _ = bytes;
    Err(ProtocolError::Malformed("not written yet".to_owned()))
}

/// The answer: accepted, or why not.
pub fn answer(error: Option<&str>) -> Vec<u8> {
    let _ = error;
    Vec::new()
}
