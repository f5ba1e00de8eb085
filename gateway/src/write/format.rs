//! The wire formats, and the bytes of each. A live event is encoded once for each format and shared by all connections.

use axum::http::Version;
use bytes::Bytes;
use model::Cursor;
use signalr::{Encoding, Message};
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

use super::sse;
use crate::dispatch::{
    outbox::GapReason,
    outgoing_event::{FORMATS, LiveEvent, OutgoingEvent},
};

/// The methods that a hub client is invoked with.
const EVENT: &str = "event";
const CURSOR: &str = "cursor";
const GAP: &str = "gap";
/// The chunk that ends a body.
pub const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// A wire format: a transport and what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain server-sent events, in chunks of HTTP/1.1.
    PlainChunked,
    /// The same without chunks: over HTTP/2, or to a client that speaks HTTP/1.0, where the end of the connection ends it.
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
    /// The same over HTTP/2 or HTTP/1.0.
    HubJsonStream,
}

const _: () = assert!(Format::HubJsonStream as usize + 1 == FORMATS, "a live event has a slot for each format");

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

    /// Plain server-sent events as this version of HTTP carries them: HTTP/2 has frames of its own.
    pub fn plain(version: Version) -> Self {
        if version == Version::HTTP_11 { Self::PlainChunked } else { Self::Plain }
    }

    /// The hub's server-sent events as this version of HTTP carries them.
    pub fn hub_stream(version: Version) -> Self {
        if version == Version::HTTP_11 { Self::HubJsonStreamChunked } else { Self::HubJsonStream }
    }

    /// True if it is in chunks of HTTP/1.1, which end with [`LAST_CHUNK`].
    pub fn is_chunked(self) -> bool {
        matches!(self, Self::PlainChunked | Self::HubJsonStreamChunked)
    }

    /// A live event; encoded at the first call for this format.
    pub fn live(self, live: &LiveEvent) -> Bytes {
        live.frame(self as usize, |event| self.replayed(event))
    }

    /// A replayed event, encoded for one connection: nothing of it is kept.
    pub fn replayed(self, event: &OutgoingEvent) -> Bytes {
        match self.encoding() {
            None => self.wrap(sse::event(event)),
            Some(encoding) => self.wrap(encoding.write_call(EVENT, &event.json)),
        }
    }

    /// The client's cursor.
    pub fn cursor(self, cursor: Cursor) -> Bytes {
        match self.encoding() {
            None => self.wrap(sse::cursor(cursor)),
            Some(encoding) => self.wrap(encoding.write_call(CURSOR, format!("\"{cursor}\"").as_bytes())),
        }
    }

    /// The client's cursor as a sign of life.
    pub fn heartbeat(self, cursor: Cursor) -> Bytes {
        match self.encoding() {
            None => self.wrap(sse::heartbeat(cursor)),
            Some(_) => self.cursor(cursor),
        }
    }

    /// A gap.
    pub fn gap(self, reason: GapReason) -> Bytes {
        match self.encoding() {
            None => self.wrap(sse::gap(reason)),
            Some(encoding) => self.wrap(encoding.write_call(GAP, format!("\"{}\"", reason.as_str()).as_bytes())),
        }
    }

    /// A hub message; empty for plain server-sent events, which have none.
    pub fn message(self, message: &Message) -> Bytes {
        self.encoding().map_or_else(Bytes::new, |encoding| self.wrap(encoding.write(message)))
    }

    /// Wraps a whole message as the transport needs it.
    pub fn wrap(self, bytes: Vec<u8>) -> Bytes {
        match self {
            Self::Plain | Self::HubJson | Self::HubMessagePack => bytes.into(),
            Self::PlainChunked => chunk(&[&bytes]),
            Self::HubJsonWebSocket => frame(Data::Text, &bytes),
            Self::HubMessagePackWebSocket => frame(Data::Binary, &bytes),
            Self::HubJsonStreamChunked => chunk(&[b"data: ", &bytes, b"\r\n\r\n"]),
            Self::HubJsonStream => [b"data: ", &bytes[..], b"\r\n\r\n"].concat().into(),
        }
    }
}

fn chunk(parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut chunk = Vec::with_capacity(length + 20);
    chunk.extend_from_slice(format!("{length:x}\r\n").as_bytes());
    parts.iter().for_each(|part| chunk.extend_from_slice(part));
    chunk.extend_from_slice(b"\r\n");
    chunk.into()
}

fn frame(data: Data, bytes: &[u8]) -> Bytes {
    let header = FrameHeader { opcode: OpCode::Data(data), ..FrameHeader::default() };
    let mut frame = Vec::with_capacity(bytes.len() + 10);
    header.format(bytes.len() as u64, &mut frame).expect("a vector takes every header");
    frame.extend_from_slice(bytes);
    frame.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Audience, Event};
    use signalr::Reader;

    use super::*;

    fn sample(length: usize) -> Arc<OutgoingEvent> {
        let mut event = Event::new("/t", "t", Audience::user("ada"));
        event.data = Some(serde_json::Value::String("x".repeat(length)).into());
        OutgoingEvent::stamp(Arc::new(event), &"test".parse().unwrap(), Cursor { offset: 1, fingerprint: 2 }).unwrap()
    }

    #[test]
    fn a_live_event_is_encoded_once_for_each_format_and_shared_by_all() {
        let live = LiveEvent::new(sample(100));
        for format in [Format::PlainChunked, Format::HubJsonWebSocket, Format::HubMessagePackWebSocket] {
            assert_eq!(format.live(&live).as_ptr(), format.live(&live).as_ptr());
            assert_eq!(format.live(&live), format.replayed(&live.event));
        }
        assert_ne!(Format::Plain.live(&live), Format::PlainChunked.live(&live));
    }

    #[test]
    fn nothing_of_an_event_that_was_sent_is_kept_but_the_event() {
        let event = sample(100);
        let live = LiveEvent::new(event.clone());
        let frames = [Format::Plain.live(&live), Format::HubJson.live(&live), Format::HubJson.replayed(&event)];
        drop(live);
        assert!(frames.iter().all(Bytes::is_unique));
    }

    #[test]
    fn each_frame_of_a_web_socket_holds_one_message_whatever_its_length() {
        for (length, header) in [(0, 2..5), (60_000, 4..5), (70_000, 10..11)] {
            let event = sample(length);
            for encoding in [Encoding::Json, Encoding::MessagePack] {
                let format = Format::HubJsonWebSocket.with(encoding).unwrap();
                let bare = Format::HubJson.with(encoding).unwrap().replayed(&event);
                let frame = format.replayed(&event);
                assert!(header.contains(&(frame.len() - bare.len())) && frame.ends_with(&bare));
                let mut reader = Reader::new(encoding, 1 << 20);
                reader.push(&bare);
                assert!(reader.next().unwrap().is_some() && reader.next().unwrap().is_none());
            }
        }
    }

    #[test]
    fn a_chunk_says_how_long_it_is() {
        let chunk = Format::HubJsonStreamChunked.message(&Message::Ping);
        let text = std::str::from_utf8(&chunk).unwrap();
        let (length, rest) = text.split_once("\r\n").unwrap();
        assert_eq!(rest.len() - 2, usize::from_str_radix(length, 16).unwrap());
        assert_eq!(rest, "data: {\"type\":6}\u{1e}\r\n\r\n\r\n");
    }
}
