//! Reads rows from JSON Lines: an object on each line, its keys the names of the fields.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use runtime::Failure;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{
    column::preview,
    definition::parse::DeclaredColumn,
    read::{
        row::{MAX_ROW_BYTES, Row, RowReader, Validity},
        text::TextReader,
    },
};

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

/// Reads the objects of a text.
pub(crate) struct JsonLinesReader {
    text: TextReader,
    /// Set if the text may end within a line, as a sample does; that line is left out.
    truncated: bool,
    /// Text that is not read yet; the current line starts at `from`.
    buffer: Vec<u8>,
    from: usize,
    line: u64,
    ended: bool,
    object: ObjectFields,
    /// The fields of the current row, in the order of the names.
    fields: Vec<u8>,
    ends: Vec<usize>,
    error: String,
}

/// The values of one object by key, and the names of all fields so far.
struct ObjectFields {
    unknown_keys: UnknownKeys,
    names: Vec<String>,
    /// Bytes of all names.
    name_bytes: usize,
    positions: HashMap<String, usize>,
    values: Vec<Span>,
    is_text: Vec<bool>,
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

impl JsonLinesReader {
    pub(crate) fn new(text: TextReader, names: Vec<String>, unknown_keys: UnknownKeys, truncated: bool) -> Self {
        let positions = names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let (values, is_text) = (vec![Span::default(); names.len()], vec![false; names.len()]);
        let content = Vec::new();
        let name_bytes = names.iter().map(String::len).sum();
        let object = ObjectFields {
            unknown_keys,
            names,
            name_bytes,
            positions,
            values,
            is_text,
            content,
            number: 0,
            error: None,
        };
        Self {
            text,
            truncated,
            buffer: Vec::new(),
            from: 0,
            line: 0,
            ended: false,
            object,
            fields: Vec::new(),
            ends: Vec::new(),
            error: String::new(),
        }
    }

    /// The names of the fields that are known so far.
    pub(crate) fn names(&self) -> &[String] {
        &self.object.names
    }

    /// The range of the next line that is not blank; `None` at the end.
    fn next_line(&mut self) -> Result<Option<(usize, usize)>, Failure> {
        let mut seen = 0;
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[self.from + seen..]).map(|at| self.from + seen + at);
            let (from, to) = match found {
                Some(end) => (self.from, end),
                None if self.ended && (self.truncated || self.from == self.buffer.len()) => return Ok(None),
                None if self.ended => (self.from, self.buffer.len()),
                None => {
                    seen = self.buffer.len() - self.from;
                    self.fill()?;
                    continue;
                }
            };
            if to - from > MAX_ROW_BYTES {
                return Err(self.too_long());
            }
            self.from = (to + 1).min(self.buffer.len());
            self.line += 1;
            seen = 0;
            if !self.buffer[from..to].trim_ascii().is_empty() {
                return Ok(Some((from, to)));
            }
        }
    }

    fn fill(&mut self) -> Result<(), Failure> {
        self.buffer.drain(..self.from);
        self.from = 0;
        if self.buffer.len() > MAX_ROW_BYTES {
            return Err(self.too_long());
        }
        self.ended = !self.text.fill(&mut self.buffer)?;
        Ok(())
    }

    fn too_long(&self) -> Failure {
        Failure::input(format!("line {} is longer than 1 MiB, more than a row may have", self.line + 1))
    }

    /// Writes the values in the order of the names.
    fn collect_fields(&mut self) {
        self.fields.clear();
        self.ends.clear();
        let object = &mut self.object;
        for (at, value) in object.values.iter().enumerate() {
            match value.object == object.number {
                true => self.fields.extend_from_slice(&object.content[value.from..value.to]),
                false => object.is_text[at] = false,
            }
            self.ends.push(self.fields.len());
        }
    }
}

impl RowReader for JsonLinesReader {
    fn next_row(&mut self) -> Result<Option<Row<'_>>, Failure> {
        let Some((from, to)) = self.next_line()? else {
            return Ok(None);
        };
        let raw = self.buffer[from..to].trim_ascii();
        let error = match self.text.row_error(raw) {
            Some(reason) => Some(reason),
            None => self.object.read(raw).err(),
        };
        if let UnknownKeys::Add(max) = self.object.unknown_keys
            && self.object.names.len() > max
        {
            let keys = format!("more than {max} keys, too many for a table");
            return Err(Failure::input(format!("with line {} there are {keys}", self.line)));
        }
        if self.object.name_bytes > MAX_ROW_BYTES {
            let keys = "the keys come to more than 1 MiB, more than a header may have";
            return Err(Failure::input(format!("with line {} {keys}", self.line)));
        }
        self.collect_fields();
        let raw = self.buffer[from..to].trim_ascii();
        let validity = match error {
            Some(reason) => {
                self.error = reason;
                Validity::Invalid(&self.error)
            }
            None => Validity::Valid,
        };
        let ObjectFields { is_text, names, .. } = &self.object;
        Ok(Some(Row { line: self.line, raw, validity, fields: &self.fields, ends: &self.ends, gap: 0, is_text, names }))
    }

    fn encoding_name(&self) -> String {
        self.text.encoding_name()
    }
}

impl ObjectFields {
    /// Reads a line, or answers the reason why it cannot be a row.
    fn read(&mut self, line: &[u8]) -> Result<(), String> {
        self.number += 1;
        self.content.clear();
        let mut json = serde_json::Deserializer::from_slice(line);
        self.error = None;
        let read = json.deserialize_map(&mut *self).and_then(|()| json.end());
        if let Some(reason) = self.error.take() {
            return Err(reason);
        }
        read.map_err(|error| {
            let message = error.to_string();
            // It is always line 1 of the one line.
            let message = message.split(" at line 1").next().unwrap_or_default();
            match error.column() {
                0 => format!("it is no JSON object: {message}"),
                at => format!("it is no JSON object: {message}, at {at}"),
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
        let at = self.names.len();
        self.name_bytes += key.len();
        self.names.push(key.to_owned());
        self.positions.insert(key.to_owned(), at);
        self.values.push(Span::default());
        self.is_text.push(false);
        Some(at)
    }

    /// Keeps a value as the text of a field, or answers the reason why it cannot be one.
    fn put(&mut self, key: &str, value: &str) -> Result<(), String> {
        let Some(at) = self.position(key) else {
            return Ok(());
        };
        if self.values[at].object == self.number {
            return Err(format!("it has the key {:?} twice", preview(key.as_bytes())));
        }
        let from = self.content.len();
        self.is_text[at] = matches!(value.as_bytes().first(), Some(b'"' | b'{' | b'['));
        match value.as_bytes() {
            b"null" => {}
            [b'"', plain @ .., b'"'] if memchr::memchr(b'\\', plain).is_none() => self.content.extend_from_slice(plain),
            [b'"', ..] => {
                let text: String = serde_json::from_str(value).map_err(|error| error.to_string())?;
                if text.contains('\0') {
                    return Err(format!("it has a NUL character in {:?}", preview(key.as_bytes())));
                }
                self.content.extend_from_slice(text.as_bytes());
            }
            nested @ [b'{' | b'[', ..] if is_deep(nested) => {
                return Err(format!("{:?} is nested more than {MAX_DEPTH} deep", preview(key.as_bytes())));
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
        f.write_str("an object")
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::read::text::TextEncoding;

    fn reader(text: &str, truncated: bool) -> JsonLinesReader {
        let source = Box::new(Some(Bytes::copy_from_slice(text.as_bytes())));
        JsonLinesReader::new(TextReader::new(source, TextEncoding::Ascii), Vec::new(), UnknownKeys::Add(5), truncated)
    }

    /// Each row's line, fields and error.
    fn rows(text: &str, truncated: bool) -> Vec<String> {
        let mut reader = reader(text, truncated);
        let mut rows = Vec::new();
        while let Some(row) = reader.next_row().unwrap() {
            let fields: Vec<_> = row.fields().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
            rows.push(format!("{} {}", row.line, row.error().unwrap_or_else(|| fields.join("|"))));
        }
        rows
    }

    #[test]
    fn an_object_on_each_line_is_a_row() {
        let text = "{\"a\": 1, \"b\": \"x\\n\\u00e9\"}\r\n\n  {\"b\":null,\"c\":{\"d\": [1, 2]},\"a\":-1.50}\n{}";
        assert_eq!(rows(text, false), ["1 1|x\né", "3 -1.50||{\"d\": [1, 2]}", "4 ||"]);
        assert_eq!(rows("{\"a\":1}\n{\"a\":2", true), ["1 1"], "what is cut is no row");
    }

    #[test]
    fn a_value_knows_whether_it_is_text() {
        let mut reader = reader("{\"a\":\"1\",\"b\":1,\"c\":[1]}\n{\"b\":\"1\"}", false);
        let row = reader.next_row().unwrap().unwrap();
        assert_eq!((row.is_text(0), row.is_text(1), row.is_text(2)), (true, false, true));
        let row = reader.next_row().unwrap().unwrap();
        assert_eq!((row.is_text(0), row.is_text(1)), (false, true));
    }

    #[test]
    fn what_is_no_object_is_named() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(65), "]".repeat(65));
        for (line, reason) in [
            ("{\"a\":1", "it is no JSON object: EOF while parsing an object, at 6"),
            ("{\"a\":1} x", "it is no JSON object: trailing characters, at 9"),
            ("{'a':1}", "it is no JSON object: key must be a string, at 2"),
            ("{\"a\":NaN}", "it is no JSON object: expected value, at 6"),
            ("{\"a\":1,\"a\":2}", "it has the key \"a\" twice"),
            ("{\"a\":\"\\u0000\"}", "it has a NUL character in \"a\""),
            (&deep, "\"a\" is nested more than 64 deep"),
        ] {
            let told = rows(line, false).remove(0);
            assert!(told.contains(reason), "{line}: {told}");
        }
        assert!(rows("[1]", false)[0].contains("it is no JSON object"));
        let endless = format!("{{\"a\":{}", "[".repeat(500_000));
        assert!(rows(&endless, false)[0].contains("it is no JSON object"), "no stack is used up");
    }

    #[test]
    fn too_many_keys_and_too_long_a_line_end_it() {
        let mut many = reader("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6}", false);
        let words = many.next_row().err().unwrap().to_string();
        assert_eq!(words, "with line 1 there are more than 5 keys, too many for a table");
        let mut long = reader(&format!("{{}}\n{{\"a\":\"{}\"}}", "x".repeat(2 * MAX_ROW_BYTES)), false);
        long.next_row().unwrap();
        assert_eq!(long.next_row().err().unwrap().to_string(), "line 2 is longer than 1 MiB, more than a row may have");
    }
}
