//! Events: CloudEvents 1.0 in JSON, at most 64 KiB.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    audience::Audience,
    event_data::{self, EventData},
    event_time, json_memory,
    task::{Task, TaskState},
    toast::Toast,
};

/// The content type of an event on the broker and over HTTP.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Most bytes of an event as JSON; larger things are stored and linked.
pub const MAX_EVENT_BYTES: usize = 64 * 1024;
/// Most bytes of memory that an event's values take once it is read: small objects take a hundred times their text, in
/// every process that reads the log.
pub const MAX_EVENT_MEMORY: usize = 1 << 20;
/// The deepest nesting of lists and objects, the event itself included: as deep as most readers of JSON go.
pub const MAX_EVENT_DEPTH: usize = 127;
/// Most bytes of `id`, `source`, `type` and `subject`.
pub const MAX_ATTRIBUTE_BYTES: usize = 512;
/// The type of a message to people that belongs to no task.
pub const MESSAGE: &str = "bellwire.message";
/// The type of a pod's own heartbeat; nobody else may publish it, no browser sees it.
pub const PULSE: &str = "bellwire.pulse";

/// The first letters of every type that is Bellwire's own.
const OWN_TYPES: &str = "bellwire.";

/// Most characters of a library's error about an invalid event.
const MAX_ERROR_CHARS: usize = 300;

/// Why an event is invalid; the text names the attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// More than [`MAX_EVENT_BYTES`] bytes.
    #[error("the event has {0} bytes; {MAX_EVENT_BYTES} are allowed, store what is larger and link it")]
    TooLarge(usize),
    /// Its values would take more than [`MAX_EVENT_MEMORY`] bytes of memory, as many.
    #[error("the event has too many values: they would take {0} bytes of memory, and {MAX_EVENT_MEMORY} are allowed")]
    TooManyValues(usize),
    /// Its lists and objects are nested deeper than [`MAX_EVENT_DEPTH`].
    #[error("the event's lists and objects are nested more than {MAX_EVENT_DEPTH} deep")]
    TooDeep,
    /// Attributes or data in binary mode are not what they must be.
    #[error("{0}")]
    Binary(String),
    /// Not JSON, or a required attribute is missing or of the wrong type.
    #[error("the event is not a CloudEvent in JSON: {0}")]
    Shape(String),
    /// An attribute with an invalid value.
    #[error("{attribute}: {reason}")]
    Attribute {
        /// Its name.
        attribute: &'static str,
        /// Why the value is invalid.
        reason: String,
    },
    /// The audience is missing or empty.
    #[error("audience: say who it is for: user:<id>, group:<name> or environment")]
    NoAudience,
    /// An invalid `data.toast` or `data.task`.
    #[error("{0}")]
    Data(String),
}

fn check_size(json: &[u8]) -> Result<(), EventError> {
    if json.len() > MAX_EVENT_BYTES {
        return Err(EventError::TooLarge(json.len()));
    }
    let memory = json_memory::of_text(json);
    if memory > MAX_EVENT_MEMORY {
        return Err(EventError::TooManyValues(memory));
    }
    if json_memory::depth_of_text(json) > MAX_EVENT_DEPTH {
        return Err(EventError::TooDeep);
    }
    Ok(())
}

/// A CloudEvent with Bellwire's extension attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// Together with `source` it identifies the event: published twice, it is shown once.
    pub id: String,
    /// The publisher, such as `/functions/reports`.
    pub source: String,
    /// The type, such as `bellwire.task.succeeded`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The subject, such as `task/01JD…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The time of the event.
    #[serde(default, deserialize_with = "event_time::deserialize", skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The type of `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// Set on delivery from the exchange it came through; a publisher's value is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The recipients.
    #[serde(default, skip_serializing_if = "Audience::is_empty")]
    pub audience: Audience,
    /// Set on delivery; a publisher's value is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// After this time it is not shown, replay included.
    #[serde(default, deserialize_with = "event_time::deserialize", skip_serializing_if = "Option::is_none")]
    pub expirytime: Option<Timestamp>,
    /// The W3C trace context of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The payload: `data.task` updates task lists, `data.toast` is shown, the rest is the user's own. It is passed on as
    /// it came.
    #[serde(default, deserialize_with = "event_data::deserialize_present", skip_serializing_if = "Option::is_none")]
    pub data: Option<EventData>,
    /// Further extension attributes, passed through.
    #[serde(flatten)]
    pub extensions: Map<String, Value>,
}

impl Event {
    /// A new event with an id of its own, now, for this audience.
    pub fn new(source: &str, event_type: &str, audience: Audience) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: ulid::Ulid::generate().to_string(),
            source: source.to_owned(),
            event_type: event_type.to_owned(),
            subject: None,
            time: Some(Timestamp::now()),
            datacontenttype: None,
            environment: None,
            audience,
            cursor: None,
            expirytime: None,
            traceparent: None,
            data: None,
            extensions: Map::new(),
        }
    }

    /// A message to people, shown as this toast.
    pub fn message(source: &str, audience: Audience, toast: &Toast) -> Self {
        Self::new(source, MESSAGE, audience).with_data(serde_json::json!({ "toast": toast }))
    }

    /// An event about a task, with the toast to show, if any.
    pub fn of_task(source: &str, audience: Audience, task: &Task, toast: Option<&Toast>) -> Self {
        let suffix = match task.state {
            TaskState::Queued => "queued",
            TaskState::Running if task.progress > 0.0 => "progressed",
            TaskState::Running => "started",
            end => end.as_str(),
        };
        let data = match toast {
            Some(toast) => serde_json::json!({ "task": task, "toast": toast }),
            None => serde_json::json!({ "task": task }),
        };
        let event = Self::new(source, &format!("bellwire.task.{suffix}"), audience);
        Self { subject: Some(format!("task/{}", task.id)), ..event.with_data(data) }
    }

    /// A pod's heartbeat, for pods alone.
    pub fn pulse(pod: &str, sequence: u64) -> Self {
        let mut event = Self::new(&format!("/pods/{pod}"), PULSE, Audience::default());
        event.id = sequence.to_string();
        event
    }

    /// The event with this JSON as `data`.
    pub fn with_data(mut self, data: Value) -> Self {
        self.datacontenttype = Some("application/json".to_owned());
        self.data = Some(data.into());
        self
    }

    /// Reads an event from JSON and checks it.
    pub fn parse(bytes: &[u8]) -> Result<Self, EventError> {
        check_size(bytes)?;
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let event: Self =
            serde_path_to_error::deserialize(&mut json).map_err(|error| EventError::Shape(shortened(&error)))?;
        json.end().map_err(|error| EventError::Shape(shortened(&error)))?;
        event.check()?;
        Ok(event)
    }

    /// The event as JSON; an error if it is larger than [`MAX_EVENT_BYTES`].
    pub fn to_json(&self) -> Result<Vec<u8>, EventError> {
        let json = serde_json::to_vec(self).map_err(|error| EventError::Shape(error.to_string()))?;
        check_size(&json)?;
        Ok(json)
    }

    /// Checks it; the error names the attribute.
    pub fn check(&self) -> Result<(), EventError> {
        if self.specversion != "1.0" {
            return Err(attribute("specversion", "it must be \"1.0\""));
        }
        required("id", &self.id)?;
        required("source", &self.source)?;
        required("type", &self.event_type)?;
        if let Some(subject) = &self.subject {
            required("subject", subject)?;
        }
        if self.is_pulse() {
            return Ok(());
        }
        if self.audience.is_empty() {
            return Err(EventError::NoAudience);
        }
        for name in self.extensions.keys() {
            let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if name.is_empty() || !plain {
                return Err(EventError::Shape(format!(
                    "{:?} is no attribute name: they are of a-z and 0-9",
                    name.chars().take(80).collect::<String>()
                )));
            }
        }
        if let Some(toast) = self.toast()? {
            toast.check().map_err(EventError::Data)?;
        }
        self.task().map(drop)
    }

    /// The toast to show, if any.
    pub fn toast(&self) -> Result<Option<Toast>, EventError> {
        self.part("toast")
    }

    /// The task that it is about; every `bellwire.task.…` event has one.
    pub fn task(&self) -> Result<Option<Task>, EventError> {
        if !self.event_type.starts_with("bellwire.task.") {
            return Ok(None);
        }
        match self.part("task")? {
            Some(task) => Ok(Some(task)),
            None => Err(EventError::Data("data.task: a task event says which task".to_owned())),
        }
    }

    /// True if it is a pod's heartbeat.
    pub fn is_pulse(&self) -> bool {
        self.event_type == PULSE
    }

    /// True if a plain publisher may say it: a message, or a type of the publisher's own. All other types of Bellwire's are
    /// for gateways and workers.
    pub fn is_for_publishers(&self) -> bool {
        self.event_type == MESSAGE || !self.event_type.starts_with(OWN_TYPES)
    }

    /// True if it must no longer be shown.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expirytime.is_some_and(|end| end <= now)
    }

    /// A hash of source and id, equal for duplicates of an event. What a plain publisher may say is never a duplicate of
    /// what it may not: so nobody takes the id of a task's end before the task ends.
    pub fn identity(&self) -> u128 {
        let mut text = Vec::with_capacity(self.source.len() + self.id.len() + 2);
        text.push(u8::from(self.is_for_publishers()));
        text.extend_from_slice(self.source.as_bytes());
        text.push(0);
        text.extend_from_slice(self.id.as_bytes());
        xxhash_rust::xxh3::xxh3_128(&text)
    }

    fn part<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, EventError> {
        let Some(data) = &self.data else { return Ok(None) };
        match data.member::<Option<T>>(name) {
            Ok(part) => Ok(part.flatten()),
            Err(error) => Err(EventError::Data(format!("data.{name}: {}", shortened(&error)))),
        }
    }
}

/// A shared event.
pub type SharedEvent = Arc<Event>;

fn attribute(attribute: &'static str, reason: &str) -> EventError {
    EventError::Attribute { attribute, reason: reason.to_owned() }
}

/// A library's error, shortened: it may repeat a text as long as the event, and stands in answers and logs.
fn shortened(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    match text.char_indices().nth(MAX_ERROR_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn required(name: &'static str, value: &str) -> Result<(), EventError> {
    if value.is_empty() || value.len() > MAX_ATTRIBUTE_BYTES {
        return Err(attribute(name, "it must have 1 to 512 bytes"));
    }
    // A line end in `type` would end a field of a server-sent event.
    if value.chars().any(char::is_control) {
        return Err(attribute(name, "it must have no control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
