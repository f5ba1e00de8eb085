//! Bytes in each format. An event is encoded once for each and shared by all.

use bytes::Bytes;
use model::Cursor;
use signalr::Message;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

use crate::{
    connection::{format::Format, sse},
    dispatch::{delivered::Delivered, outbox::GapReason},
};

/// What a client of the hub is called with.
const EVENT: &str = "event";
const CURSOR: &str = "cursor";
const GAP: &str = "gap";

impl Format {
    /// An event; encoded by the first who asks.
    pub fn event(self, delivered: &Delivered) -> Bytes {
        delivered.frame(self as usize, |delivered| match self.encoding() {
            None => self.wrap(sse::event(delivered)),
            Some(encoding) => self.wrap(encoding.write_call(EVENT, &delivered.json)),
        })
    }

    /// Where the client is.
    pub fn cursor(self, cursor: Cursor) -> Bytes {
        match self.encoding() {
            None => self.wrap(sse::cursor(cursor)),
            Some(encoding) => self.wrap(encoding.write_call(CURSOR, format!("\"{cursor}\"").as_bytes())),
        }
    }

    /// A break.
    pub fn gap(self, reason: GapReason) -> Bytes {
        match self.encoding() {
            None => self.wrap(sse::gap(reason)),
            Some(encoding) => self.wrap(encoding.write_call(GAP, format!("\"{}\"", reason.as_str()).as_bytes())),
        }
    }

    /// A message of the hub; nothing for plain server-sent events, which have none.
    pub fn message(self, message: &Message) -> Bytes {
        self.encoding().map_or_else(Bytes::new, |encoding| self.wrap(encoding.write(message)))
    }

    /// What carries bytes that are whole in themselves.
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

/// The chunk that ends a body.
pub const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

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

    use model::{Audience, Cursor, Event};
    use signalr::{Encoding, Reader};

    use super::*;

    fn delivered(length: usize) -> Arc<Delivered> {
        let mut event = Event::new("/t", "t", Audience::user("ada"));
        event.data = Some(serde_json::Value::String("x".repeat(length)));
        Delivered::stamp(Arc::new(event), &"test".parse().unwrap(), Cursor { offset: 1, fingerprint: 2 }).unwrap()
    }

    #[test]
    fn an_event_is_encoded_once_for_each_format_and_shared_by_all() {
        let event = delivered(100);
        for format in [Format::PlainChunked, Format::HubJsonWebSocket, Format::HubMessagePackWebSocket] {
            assert_eq!(format.event(&event).as_ptr(), format.event(&event).as_ptr());
        }
        assert_ne!(Format::Plain.event(&event), Format::PlainChunked.event(&event));
    }

    #[test]
    fn each_frame_of_a_web_socket_holds_one_message_whatever_its_length() {
        for (length, header) in [(0, 2..5), (60_000, 4..5), (70_000, 10..11)] {
            let event = delivered(length);
            for encoding in [Encoding::Json, Encoding::MessagePack] {
                let format = Format::HubJsonWebSocket.with(encoding).unwrap();
                let bare = Format::HubJson.with(encoding).unwrap().event(&event);
                let frame = format.event(&event);
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
