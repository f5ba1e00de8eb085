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

/// An event: `id:` its cursor, `event:` its type, `data:` the CloudEvent. A type that is a name of the stream's own gets
/// `event.` before it, so that no publisher's `gap` is taken for one of ours; in the CloudEvent it is as it was published.
pub fn event(event: &OutgoingEvent) -> Vec<u8> {
    // JSON has no line end of its own, and a type with one is refused where events are read.
    let mut frame = Vec::with_capacity(event.json.len() + 80);
    let prefix = if OWN_NAMES.contains(&&*event.event_type) { NAME_PREFIX } else { "" };
    frame.extend_from_slice(format!("id: {}\nevent: {prefix}{}\ndata: ", event.cursor, event.event_type).as_bytes());
    frame.extend_from_slice(&event.json);
    frame.extend_from_slice(b"\n\n");
    frame
}

/// The client's cursor without an event: the client can resume there, though nothing has come yet.
pub fn cursor(cursor: Cursor) -> Vec<u8> {
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
