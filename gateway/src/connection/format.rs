//! The formats that connections are written in.

use signalr::Encoding;

use crate::dispatch::delivered::FORMATS;

/// How a connection is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain server-sent events, in chunks of HTTP/1.1.
    PlainChunked,
    /// The same to a client that speaks HTTP/1.0: the end of the connection ends it.
    Plain,
    /// The hub protocol in JSON as bare messages, for long polling.
    HubJson,
    /// The hub protocol in MessagePack as bare messages, for long polling.
    HubMessagePack,
    /// The hub protocol in JSON, each message a text frame of a WebSocket.
    HubJsonWebSocket,
    /// The hub protocol in MessagePack, each message a binary frame of a WebSocket.
    HubMessagePackWebSocket,
    /// The hub protocol in JSON, each message a server-sent event, in chunks of HTTP/1.1.
    HubJsonStreamChunked,
    /// The same over HTTP/1.0.
    HubJsonStream,
}

const _: () = assert!(Format::HubJsonStream as usize + 1 == FORMATS, "an event has a slot for each");

impl Format {
    /// The hub's encoding; none for plain server-sent events.
    pub fn encoding(self) -> Option<Encoding> {
        match self {
            Self::PlainChunked | Self::Plain => None,
            Self::HubMessagePack | Self::HubMessagePackWebSocket => Some(Encoding::MessagePack),
            Self::HubJson | Self::HubJsonWebSocket | Self::HubJsonStreamChunked | Self::HubJsonStream => {
                Some(Encoding::Json)
            }
        }
    }

    /// The same transport with this encoding, if it can carry it.
    pub fn with(self, encoding: Encoding) -> Option<Self> {
        match (self, encoding) {
            (Self::HubJson | Self::HubMessagePack, Encoding::Json) => Some(Self::HubJson),
            (Self::HubJson | Self::HubMessagePack, Encoding::MessagePack) => Some(Self::HubMessagePack),
            (Self::HubJsonWebSocket | Self::HubMessagePackWebSocket, Encoding::Json) => Some(Self::HubJsonWebSocket),
            (Self::HubJsonWebSocket | Self::HubMessagePackWebSocket, Encoding::MessagePack) => {
                Some(Self::HubMessagePackWebSocket)
            }
            (Self::HubJsonStream | Self::HubJsonStreamChunked, Encoding::Json) => Some(self),
            _ => None,
        }
    }

    /// Whether it is in chunks of HTTP/1.1, so that an empty one must end it.
    pub fn is_chunked(self) -> bool {
        matches!(self, Self::PlainChunked | Self::HubJsonStreamChunked)
    }
}
