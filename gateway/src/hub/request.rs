//! The requests of clients whose events go out on another connection, and the replies: the same on this pod and between
//! pods. The serialised names are read by pods of other versions.

use bytes::Bytes;
use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use signalr::{Encoding, Message, Reader};

use super::connection_token::ConnectionToken;
use crate::token::Claims;

/// A client's request; its tokens were checked where it came in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientRequest {
    /// The client's connection.
    pub token: ConnectionToken,
    /// The claims of the access token.
    pub claims: Claims,
    /// The parameter `after`, as it was written.
    pub after: Option<String>,
    /// The operation.
    #[serde(rename = "what")]
    pub operation: Operation,
}

/// The operation of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Handle these messages of the client.
    Post(#[serde(serialize_with = "to_base64", deserialize_with = "from_base64")] Bytes),
    /// Reply with the next messages for the client.
    Poll,
    /// Close the client's connection.
    Delete,
    /// Go on with the access token that it comes with.
    Refresh,
}

/// The reply to a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The operation is done.
    Done,
    /// Messages for the client; none, if the poll timed out.
    Messages {
        /// Text, or else binary.
        is_text: bool,
        /// Whole messages, one after another.
        #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
        bytes: Bytes,
    },
    /// This poll is over: there is a newer one, or the connection was closed.
    Over,
    /// There is no such connection.
    Gone,
    /// The access token is older than one that this connection has had, and gives other rights.
    Outdated,
    /// Its user has too many connections, which this says.
    TooManyConnections(String),
    /// It cannot be done now, for this reason.
    Unavailable(String),
}

/// Returns true if these bytes are whole pings and nothing else.
pub(super) fn is_only_pings(bytes: &[u8]) -> bool {
    let encoding = if bytes.first() == Some(&b'{') { Encoding::Json } else { Encoding::MessagePack };
    let mut reader = Reader::new(encoding, bytes.len());
    reader.push(bytes);
    let mut pings = 0;
    loop {
        match reader.next() {
            Ok(Some(Message::Ping)) => pings += 1,
            Ok(None) => return pings > 0 && reader.buffered() == 0,
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
