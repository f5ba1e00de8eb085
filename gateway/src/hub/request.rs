//! What a client asks over HTTP of who holds it, on this pod or on another, and what is answered.

use bytes::Bytes;
use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use signalr::{Encoding, Message, Reader};

use super::connection_token::ConnectionToken;
use crate::token::Claims;

/// A request of a client's, whose tokens were checked where it came in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Which connection.
    pub token: ConnectionToken,
    /// Who asks.
    pub claims: Claims,
    /// The parameter `after`, as it was written.
    pub after: Option<String>,
    /// What is asked.
    pub what: What,
}

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// To take messages of the client's.
    Post(#[serde(serialize_with = "to_base64", deserialize_with = "from_base64")] Bytes),
    /// To tell it what comes next.
    Poll,
    /// To end it.
    Delete,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done,
    /// What the client is told; nothing, when there was nothing for a while.
    Messages {
        /// Whether it is text.
        is_text: bool,
        /// Whole messages.
        #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
        bytes: Bytes,
    },
    /// This poll is over: there is a newer one, or the connection has ended.
    Over,
    /// There is no such connection.
    Gone,
    /// It cannot be done now; the text says why.
    Unavailable(String),
}

/// Whether these bytes say nothing but that the client is there.
pub(super) fn is_only_pings(bytes: &[u8]) -> bool {
    let encoding = if bytes.first() == Some(&b'{') { Encoding::Json } else { Encoding::MessagePack };
    let mut reader = Reader::new(encoding, bytes.len());
    reader.push(bytes);
    let mut read = 0;
    loop {
        match reader.next() {
            Ok(Some(Message::Ping)) => read += 1,
            Ok(None) => return read > 0 && reader.buffered() == 0,
            _ => return false,
        }
    }
}

pub(super) fn to_base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

pub(super) fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text.as_bytes()).map(Bytes::from).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_pings_are_nothing_but_pings() {
        let json: &[u8] = b"{\"type\":6}\x1e{\"type\": 6}\x1e";
        assert!(is_only_pings(json) && is_only_pings(&[2, 0x91, 6]) && is_only_pings(&[2, 0x91, 6, 2, 0x91, 6]));
        let handshake: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";
        let beyond: &[u8] = b"{\"type\":6}\x1e{\"type\":1,\"target\":\"ListTasks\",\"arguments\":[]}\x1e";
        for other in [&json[..12], handshake, beyond, b"", b"\x1e", b"{\"type\":6}", &[2, 0x91]] {
            assert!(!is_only_pings(other), "{other:?}");
        }
    }
}
