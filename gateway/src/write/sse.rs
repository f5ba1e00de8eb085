//! Plain server-sent events: their headers and bytes.

use axum::http::{HeaderName, header};
use model::Cursor;

use crate::dispatch::{outbox::GapReason, outgoing_event::OutgoingEvent};

/// Names that a client of server-sent events dispatches for itself, or that are ours.
const OWN_NAMES: [&str; 5] = ["gap", "cursor", "open", "error", "message"];
/// Stands before the type of a publisher's event that is one of those, where the frame names it.
const NAME_PREFIX: &str = "event.";

/// The headers of every stream of server-sent events.
pub(crate) fn headers() -> [(HeaderName, &'static str); 3] {
    [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ]
}

/// An event: `event:` its type, `data:` the CloudEvent, `id:` its cursor. A type that is a name of the stream's own gets
/// `event.` before it, so that no publisher's `gap` is taken for one of ours; in the CloudEvent it is as it was published.
///
/// The cursor comes last: some clients take it as soon as its line is there, and would pass over an event that is cut off.
pub fn event(event: &OutgoingEvent) -> Vec<u8> {
    // JSON has no line end of its own, and a type with one is refused where events are read.
    let mut frame = Vec::with_capacity(event.json.len() + 80);
    let prefix = if OWN_NAMES.contains(&&*event.event_type) { NAME_PREFIX } else { "" };
    frame.extend_from_slice(format!("event: {prefix}{}\ndata: ", event.event_type).as_bytes());
    frame.extend_from_slice(&event.json);
    frame.extend_from_slice(format!("\nid: {}\n\n", event.cursor).as_bytes());
    frame
}

/// The client's cursor, so that it can resume there though nothing has come yet. The empty `data:` makes an event of it, of
/// which nobody needs to hear: many clients keep no cursor of a frame without data.
pub fn cursor(cursor: Cursor) -> Vec<u8> {
    format!("event: cursor\ndata:\nid: {cursor}\n\n").into()
}

/// The client's cursor as a sign of life, which is no event.
pub fn heartbeat(cursor: Cursor) -> Vec<u8> {
    format!("id: {cursor}\n\n").into()
}

/// The pause before the client reconnects, in milliseconds.
pub fn retry(milliseconds: u64) -> Vec<u8> {
    format!("retry: {milliseconds}\n\n").into()
}

/// A gap; it has no id, for the client's cursor is still where it was.
pub fn gap(reason: GapReason) -> Vec<u8> {
    format!("event: gap\ndata: {{\"reason\":\"{}\"}}\n\n", reason.as_str()).into()
}
