//! The two encodings, and the choice between them.

use crate::{json, message::Message, messagepack};

/// The encoding of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Text; a record separator (0x1E) ends each message.
    Json,
    /// Binary; the length stands before each message as a variable-length integer.
    MessagePack,
}

impl Encoding {
    /// Its name in the handshake.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }

    /// The encoding that a handshake names; upper and lower case are the same, as with the reference server.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Json, Self::MessagePack].into_iter().find(|encoding| encoding.as_str().eq_ignore_ascii_case(name))
    }

    /// The bytes of a message, its frame included.
    pub fn write(self, message: &Message) -> Vec<u8> {
        match self {
            Self::Json => json::write(message),
            Self::MessagePack => messagepack::write(message),
        }
    }

    /// The bytes of an invocation that expects no answer, whose only argument is JSON already: valid JSON without
    /// line ends of its own, which is not looked at again where the encoding is JSON.
    pub fn write_call(self, target: &str, argument: &[u8]) -> Vec<u8> {
        match self {
            Self::Json => json::write_call(target, argument),
            Self::MessagePack => messagepack::write_call(target, argument),
        }
    }
}
