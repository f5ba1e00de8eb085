//! Events on their way to the broker: checked once and serialised once.

use crate::event::{Event, EventError};

/// A valid event with its JSON, ready to be published.
#[derive(Debug, Clone)]
pub struct EncodedEvent<'a> {
    event: &'a Event,
    json: Vec<u8>,
}

impl EncodedEvent<'_> {
    /// The event.
    pub fn event(&self) -> &Event {
        self.event
    }

    /// Its JSON, at most [`MAX_EVENT_BYTES`](crate::event::MAX_EVENT_BYTES).
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

impl Event {
    /// Checks the event and writes it as JSON, as the log takes it.
    pub fn encode(&self) -> Result<EncodedEvent<'_>, EventError> {
        self.check()?;
        Ok(EncodedEvent { event: self, json: self.to_json()? })
    }
}
