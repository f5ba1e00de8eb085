//! The wire of plain server-sent events: bytes only.

use crate::dispatch::{delivered::Delivered, outbox::GapReason};
use model::Cursor;

/// An event: `id:` its cursor, `event:` its type, `data:` the CloudEvent.
pub fn event(delivered: &Delivered) -> Vec<u8> {
    // JSON has no line end of its own, and a type with one is refused where events are read.
    let mut frame = Vec::with_capacity(delivered.json.len() + 80);
    frame.extend_from_slice(format!("id: {}\nevent: {}\ndata: ", delivered.cursor, delivered.event_type).as_bytes());
    frame.extend_from_slice(&delivered.json);
    frame.extend_from_slice(b"\n\n");
    frame
}

/// Where the client is, with no data: it may come back from there, though nothing has come yet.
pub fn cursor(cursor: Cursor) -> Vec<u8> {
    format!("id: {cursor}\n\n").into()
}

/// How long to wait before coming back, in milliseconds.
pub fn retry(milliseconds: u64) -> Vec<u8> {
    format!("retry: {milliseconds}\n\n").into()
}

/// A break; it has no id, for the client's cursor is still where it was.
pub fn gap(reason: GapReason) -> Vec<u8> {
    format!("event: gap\ndata: {{\"reason\":\"{}\"}}\n\n", reason.as_str()).into()
}
