//! An event as it is handed to connections: stamped and encoded once, its bytes shared by all.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;
use model::{Audience, Cursor, Environment, EventError, event::SharedEvent};

/// An event on its way to connections.
#[derive(Debug)]
pub struct Delivered {
    /// Its place in the log.
    pub cursor: Cursor,
    /// Its CloudEvents type; has no line end.
    pub event_type: Box<str>,
    /// Who it is for.
    pub audience: Audience,
    /// After this it is not shown.
    pub expires: Option<Timestamp>,
    /// The CloudEvent with `environment` and `cursor` stamped.
    pub json: Bytes,
    frames: Frames,
}

/// Formats that an event's bytes are kept in; which they are is the business of connections.
pub const FORMATS: usize = 8;

/// A slot for each format; most events are only kept for who comes back, and have none.
type Frames = OnceLock<Box<[OnceLock<Bytes>; FORMATS]>>;

impl Delivered {
    /// Stamps an event with the environment it came through and its place, whatever its body claims.
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
            json: json.into(),
            frames: Frames::default(),
        }))
    }

    /// Its bytes in a format, a number below [`FORMATS`], encoded by the first who asks.
    pub fn frame(&self, format: usize, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        let frames = self.frames.get_or_init(Box::default);
        frames[format].get_or_init(|| encode(self)).clone()
    }

    /// Whether it must not be shown any more.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}
