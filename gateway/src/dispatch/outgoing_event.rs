//! An event on its way to connections: stamped once, and while it is delivered encoded once for each format.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;
use model::{Audience, Cursor, Environment, EventError, event::SharedEvent};

/// An event with its environment and cursor stamped.
#[derive(Debug)]
pub struct OutgoingEvent {
    /// Its position in the log.
    pub cursor: Cursor,
    /// Its CloudEvents type; has no line end.
    pub event_type: Box<str>,
    /// Its recipients.
    pub audience: Audience,
    /// When it stops being shown.
    pub expires: Option<Timestamp>,
    /// The CloudEvent as JSON.
    pub json: Bytes,
}

/// An event that is delivered as it comes. Its connections share its bytes in each format, which are gone with the last
/// outbox that holds it: the window keeps the event alone.
#[derive(Debug)]
pub struct LiveEvent {
    /// The event.
    pub event: Arc<OutgoingEvent>,
    frames: [OnceLock<Bytes>; FORMATS],
}

/// The number of formats that a live event's bytes are shared in. Connections know what the formats are.
pub const FORMATS: usize = 8;

impl OutgoingEvent {
    /// Stamps an event with the environment it came through and its cursor, whatever its body claims.
    pub fn stamp(event: SharedEvent, environment: &Environment, cursor: Cursor) -> Result<Arc<Self>, EventError> {
        // Fresh from a broker nobody else holds it, and nothing is copied.
        let mut stamped = Arc::unwrap_or_clone(event);
        stamped.environment = Some(environment.to_string());
        stamped.cursor = Some(cursor.to_string());
        let json = serde_json::to_vec(&stamped).map_err(|error| EventError::Shape(error.to_string()))?;
        Ok(Arc::new(Self {
            cursor,
            event_type: stamped.event_type.into(),
            audience: stamped.audience,
            expires: stamped.expirytime,
            // A vector's spare room would be kept as long as the event.
            json: json.into_boxed_slice().into(),
        }))
    }

    /// True if it must not be shown any more.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl LiveEvent {
    /// An event that nobody has encoded yet.
    pub fn new(event: Arc<OutgoingEvent>) -> Arc<Self> {
        Arc::new(Self { event, frames: Default::default() })
    }

    /// Its bytes in a format, a number below [`FORMATS`]; encoded at the first call.
    pub fn frame(&self, format: usize, encode: impl FnOnce(&OutgoingEvent) -> Bytes) -> Bytes {
        self.frames[format].get_or_init(|| encode(&self.event)).clone()
    }
}
