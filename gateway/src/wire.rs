//! Bytes in each format. An event is encoded once for each and shared by all.

use backplane::Cursor;
use bytes::Bytes;
use signalr::Message;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

use crate::{delivered::Delivered, format::Format, outbox::GapReason, sse};

/// What a client of the hub is called with.
const EVENT: &str = "event";
const CURSOR: &str = "cursor";
const GAP: &str = "gap";

impl Format {
    /// An event; encoded by the first who asks.
    pub fn event(self, delivered: &Delivered) -> Bytes {
        delivered.frame(self, |delivered| match self.encoding() {
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
