//! The properties of one message in JSON, taken by name. Others are ignored, headers among them.

use serde_json::{Map, Value};

use crate::{message::Outcome, protocol_error::ProtocolError};

pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn read(body: &[u8]) -> Result<Self, ProtocolError> {
        const EXPECTED: &str = "a message is a JSON object, ended by the byte 0x1E";
        // First any value: what is then said of broken JSON repeats nothing of it, and is short.
        match serde_json::from_slice(body).map_err(|error| malformed(format!("{EXPECTED}: {error}")))? {
            Value::Object(fields) => Ok(Self(fields)),
            other => Err(malformed(format!("{EXPECTED}; it is {}", name_of(&other)))),
        }
    }

    /// The message's type, any whole number.
    pub(super) fn kind(&mut self) -> Result<i64, ProtocolError> {
        let kind = self.value("type")?;
        kind.as_i64().ok_or_else(|| wrong("type", "a whole number", &kind))
    }

    /// Text that must be there and may not be empty.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, ProtocolError> {
        match self.optional_text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) => Err(malformed(format!("`{name}` may not be empty"))),
            None => Err(missing(name)),
        }
    }

    /// Text, or `None` if it is missing or null.
    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, ProtocolError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "text", &other)),
        }
    }

    pub(super) fn arguments(&mut self) -> Result<Vec<Value>, ProtocolError> {
        match self.value("arguments")? {
            Value::Array(arguments) => Ok(arguments),
            other => Err(wrong("arguments", "an array", &other)),
        }
    }

    /// The ids of the caller's streams; none if they are missing.
    pub(super) fn streams(&mut self) -> Result<Vec<String>, ProtocolError> {
        match self.0.remove("streamIds") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(ids)) => ids
                .into_iter()
                .map(|id| match id {
                    Value::String(id) => Ok(id),
                    other => Err(wrong("streamIds", "an array of texts", &other)),
                })
                .collect(),
            Some(other) => Err(wrong("streamIds", "an array of texts", &other)),
        }
    }

    /// A value that must be there; null is one.
    pub(super) fn value(&mut self, name: &str) -> Result<Value, ProtocolError> {
        self.0.remove(name).ok_or_else(|| missing(name))
    }

    pub(super) fn outcome(&mut self) -> Result<Outcome, ProtocolError> {
        match (self.optional_text("error")?, self.0.remove("result")) {
            (Some(_), Some(_)) => Err(malformed("a completion has `error` or `result`, not both".to_owned())),
            (Some(error), None) => Ok(Outcome::Error(error)),
            (None, Some(result)) => Ok(Outcome::Result(result)),
            (None, None) => Ok(Outcome::Void),
        }
    }

    /// A flag; false if it is missing.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, ProtocolError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(wrong(name, "true or false", &other)),
        }
    }

    /// A number that must be there, whole and not below 0.
    pub(crate) fn count(&mut self, name: &str) -> Result<u64, ProtocolError> {
        let count = self.value(name)?;
        count.as_u64().ok_or_else(|| wrong(name, "a whole number from 0 on", &count))
    }
}

fn missing(name: &str) -> ProtocolError {
    malformed(format!("`{name}` is missing"))
}

fn wrong(name: &str, expected: &str, found: &Value) -> ProtocolError {
    malformed(format!("`{name}` must be {expected}; it is {}", name_of(found)))
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn malformed(why: String) -> ProtocolError {
    ProtocolError::Malformed(why)
}
