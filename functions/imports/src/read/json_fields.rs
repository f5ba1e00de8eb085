//! The values of one row of JSON, an object or an array, as fields.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{column::preview, definition::columns::DeclaredColumn, read::json_shape::JsonShape};

/// Levels to which a value may be nested.
const MAX_DEPTH: usize = 64;

/// The treatment of a key that is not known yet.
#[derive(Debug, Clone)]
pub(crate) enum UnknownKeys {
    /// It is a new field; more fields than so many are a failure.
    Add(usize),
    /// It is a new field if a declared column comes from it, and is ignored otherwise.
    AddDeclared(Arc<[DeclaredColumn]>),
}

/// The values of one object by key, and the names of all fields so far.
pub(crate) struct ObjectFields {
    pub(crate) shape: JsonShape,
    pub(crate) unknown_keys: UnknownKeys,
    pub(crate) names: Vec<String>,
    /// Bytes of all names.
    pub(crate) name_bytes: usize,
    positions: HashMap<String, usize>,
    values: Vec<Span>,
    pub(crate) is_text: Vec<bool>,
    content: Vec<u8>,
    /// The number of this object, so that values of earlier ones need not be cleared.
    number: u64,
    /// The reason why this object cannot be a row.
    error: Option<String>,
}

/// The position of a value in the content, and the number of its object.
#[derive(Clone, Copy, Default)]
struct Span {
    from: usize,
    to: usize,
    object: u64,
}

impl ObjectFields {
    /// The fields of rows that have these names already.
    pub(crate) fn new(shape: JsonShape, names: Vec<String>, unknown_keys: UnknownKeys) -> Self {
        let positions = names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let (values, is_text) = (vec![Span::default(); names.len()], vec![false; names.len()]);
        let name_bytes = names.iter().map(String::len).sum();
        let content = Vec::new();
        Self { shape, unknown_keys, names, name_bytes, positions, values, is_text, content, number: 0, error: None }
    }

    /// Writes the values of the row that was read last, in the order of the names.
    pub(crate) fn collect(&mut self, fields: &mut Vec<u8>, ends: &mut Vec<usize>) {
        fields.clear();
        ends.clear();
        for (value, is_text) in self.values.iter().zip(&mut self.is_text) {
            match value.object == self.number {
                true => fields.extend_from_slice(&self.content[value.from..value.to]),
                false => *is_text = false,
            }
            ends.push(fields.len());
        }
    }

    /// Reads a line, or answers the reason why it cannot be a row.
    pub(crate) fn read(&mut self, line: &[u8]) -> Result<(), String> {
        self.number += 1;
        self.content.clear();
        let mut json = serde_json::Deserializer::from_slice(line);
        self.error = None;
        let (read, kind) = match self.shape.arrays {
            true => (json.deserialize_seq(&mut *self), "array"),
            false => (json.deserialize_map(&mut *self), "object"),
        };
        let read = read.and_then(|()| json.end());
        if let Some(reason) = self.error.take() {
            return Err(reason);
        }
        read.map_err(|error| {
            let message = error.to_string();
            // It is always line 1 of the one line.
            let message = message.split(" at line 1").next().unwrap_or_default();
            match error.column() {
                0 => format!("it is no JSON {kind}: {message}"),
                at => format!("it is no JSON {kind}: {message}, at {at}"),
            }
        })
    }

    /// The position of a key among the names, where it has one.
    fn position(&mut self, key: &str) -> Option<usize> {
        if let Some(at) = self.positions.get(key) {
            return Some(*at);
        }
        if let UnknownKeys::AddDeclared(declared) = &self.unknown_keys
            && !declared.iter().any(|column| column.from == key)
        {
            return None;
        }
        self.add(key.to_owned());
        Some(self.names.len() - 1)
    }

    /// Adds a field.
    pub(crate) fn add(&mut self, name: String) {
        self.name_bytes += name.len();
        self.positions.insert(name.clone(), self.names.len());
        self.names.push(name);
        self.values.push(Span::default());
        self.is_text.push(false);
    }

    /// Keeps the value at a place of an array, or answers the reason why it cannot be one.
    fn put_at(&mut self, at: usize, value: &str) -> Result<(), String> {
        // One more than there may be is refused elsewhere.
        while !self.shape.header
            && self.names.len() <= at
            && matches!(self.unknown_keys, UnknownKeys::Add(max) if at <= max)
        {
            self.add(format!("column_{}", self.names.len() + 1));
        }
        if at < self.names.len() { self.keep(at, value) } else { Ok(()) }
    }

    /// Keeps a value as the text of a field, or answers the reason why it cannot be one.
    fn put(&mut self, key: &str, value: &str) -> Result<(), String> {
        let Some(at) = self.position(key) else {
            return Ok(());
        };
        if self.values[at].object == self.number {
            return Err(format!("it has the key {:?} twice", preview(key.as_bytes())));
        }
        self.keep(at, value)
    }

    fn keep(&mut self, at: usize, value: &str) -> Result<(), String> {
        let name = || preview(self.names[at].as_bytes());
        let from = self.content.len();
        self.is_text[at] = matches!(value.as_bytes().first(), Some(b'"' | b'{' | b'['));
        match value.as_bytes() {
            b"null" => {}
            [b'"', plain @ .., b'"'] if memchr::memchr(b'\\', plain).is_none() => self.content.extend_from_slice(plain),
            [b'"', ..] => {
                let text: String = serde_json::from_str(value).map_err(|error| error.to_string())?;
                if text.contains('\0') {
                    return Err(format!("it has a NUL character in {:?}", name()));
                }
                self.content.extend_from_slice(text.as_bytes());
            }
            nested @ [b'{' | b'[', ..] if is_deep(nested) => {
                return Err(format!("{:?} is nested more than {MAX_DEPTH} deep", name()));
            }
            plain => self.content.extend_from_slice(plain),
        }
        self.values[at] = Span { from, to: self.content.len(), object: self.number };
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut ObjectFields {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.shape.arrays { "an array" } else { "an object" })
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut array: S) -> Result<(), S::Error> {
        let mut has = 0;
        while let Some(value) = array.next_element::<&RawValue>()? {
            if self.error.is_none() {
                self.error = self.put_at(has, value.get()).err();
            }
            has += 1;
        }
        if self.shape.header && has != self.names.len() && self.error.is_none() {
            let (s, known) = (if has == 1 { "" } else { "s" }, self.names.len());
            self.error = Some(format!("it has {has} value{s}, the first line {known}"));
        }
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let value: &RawValue = map.next_value()?;
            if self.error.is_none() {
                self.error = self.put(&key, value.get()).err();
            }
        }
        Ok(())
    }
}

fn is_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}
