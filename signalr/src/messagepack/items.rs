//! The items of one message in MessagePack, taken in order. Further items are ignored.

use std::vec::IntoIter;

use rmpv::ValueRef;
use serde_json::Value;

use super::values;
use crate::{message::Outcome, protocol_error::ProtocolError};

pub(super) struct Items<'a>(IntoIter<ValueRef<'a>>);

impl<'a> Items<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, ProtocolError> {
        match values::read(body)? {
            ValueRef::Array(items) => Ok(Self(items.into_iter())),
            other => Err(wrong("a message", "an array", &other)),
        }
    }

    /// The message's type, any whole number.
    pub(super) fn kind(&mut self) -> Result<i64, ProtocolError> {
        self.whole("the type")
    }

    /// Skips the headers, which are ignored.
    pub(super) fn skip_headers(&mut self) -> Result<(), ProtocolError> {
        match self.next("the map of headers")? {
            ValueRef::Map(_) | ValueRef::Nil => Ok(()),
            other => Err(wrong("the headers", "a map", &other)),
        }
    }

    /// Text that must be there and may not be empty.
    pub(super) fn text(&mut self, name: &str) -> Result<String, ProtocolError> {
        match self.next(name).and_then(|item| text_or_nil(item, name))? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(malformed(format!("{name} may not be empty"))),
        }
    }

    /// Text, or `None` if it is missing or nil.
    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, ProtocolError> {
        self.0.next().map_or(Ok(None), |item| text_or_nil(item, name))
    }

    pub(super) fn arguments(&mut self) -> Result<Vec<Value>, ProtocolError> {
        match self.next("the array of arguments")? {
            ValueRef::Array(arguments) => arguments.into_iter().map(values::to_json).collect(),
            other => Err(wrong("the arguments", "an array", &other)),
        }
    }

    /// The ids of the caller's streams; older clients leave them out.
    pub(super) fn streams(&mut self) -> Result<Vec<String>, ProtocolError> {
        match self.0.next() {
            None | Some(ValueRef::Nil) => Ok(Vec::new()),
            Some(ValueRef::Array(ids)) => ids.into_iter().map(|id| text(id, "a stream's id")).collect(),
            Some(other) => Err(wrong("the ids of streams", "an array of texts", &other)),
        }
    }

    pub(super) fn value(&mut self, name: &str) -> Result<Value, ProtocolError> {
        self.next(name).and_then(values::to_json)
    }

    pub(super) fn outcome(&mut self) -> Result<Outcome, ProtocolError> {
        match self.whole("the kind of the result")? {
            super::ERROR => Ok(Outcome::Error(self.next("the error").and_then(|item| text(item, "the error"))?)),
            super::VOID => Ok(Outcome::Void),
            super::RESULT => Ok(Outcome::Result(self.value("the result")?)),
            other => Err(malformed(format!("the kind of a result is 1, 2 or 3, not {other}"))),
        }
    }

    /// A flag; false if it is missing.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, ProtocolError> {
        match self.0.next() {
            None | Some(ValueRef::Nil) => Ok(false),
            Some(ValueRef::Boolean(flag)) => Ok(flag),
            Some(other) => Err(wrong(name, "true or false", &other)),
        }
    }

    pub(super) fn sequence(&mut self) -> Result<u64, ProtocolError> {
        let item = self.next("the sequence id")?;
        item.as_u64().ok_or_else(|| wrong("the sequence id", "a whole number from 0 on", &item))
    }

    fn whole(&mut self, name: &str) -> Result<i64, ProtocolError> {
        let item = self.next(name)?;
        match item {
            ValueRef::Integer(number) => number.as_i64(),
            _ => None,
        }
        .ok_or_else(|| wrong(name, "a whole number", &item))
    }

    fn next(&mut self, name: &str) -> Result<ValueRef<'a>, ProtocolError> {
        self.0.next().ok_or_else(|| malformed(format!("{name} is missing")))
    }
}

fn text(item: ValueRef<'_>, name: &str) -> Result<String, ProtocolError> {
    text_or_nil(item, name)?.ok_or_else(|| wrong(name, "text", &ValueRef::Nil))
}

fn text_or_nil(item: ValueRef<'_>, name: &str) -> Result<Option<String>, ProtocolError> {
    match item {
        ValueRef::Nil => Ok(None),
        ValueRef::String(text) => values::utf8(text).map(|text| Some(text.to_owned())),
        other => Err(wrong(name, "text", &other)),
    }
}

fn wrong(name: &str, expected: &str, found: &ValueRef<'_>) -> ProtocolError {
    malformed(format!("{name} must be {expected}; it is {}", values::name_of(found)))
}

fn malformed(why: String) -> ProtocolError {
    ProtocolError::Malformed(why)
}
