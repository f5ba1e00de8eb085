//! From JSON Lines to rows: an object on each line, its keys the names of the fields.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use runtime::Failure;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{
    definition::Declared,
    row::{LONGEST_ROW, Record, Rows, Soundness},
    text::Text,
};

/// How deep a value may be nested.
const DEEPEST: usize = 64;

/// What becomes of a key that is not known yet.
#[derive(Debug, Clone)]
pub(crate) enum Unknown {
    /// It is one more field; more fields than so many are a failure.
    Learn(usize),
    /// It is one more field if a declared column comes from it, and is passed over otherwise.
    Only(Arc<[Declared]>),
}

/// The objects of a text, one after the other.
pub(crate) struct JsonLines {
    text: Text,
    /// Whether the text may stop in the middle, as a sample does: what is cut there is no row.
    cut: bool,
    /// Text that is not yet behind us; the line at hand begins at `from`.
    buffer: Vec<u8>,
    from: usize,
    line: u64,
    ended: bool,
    object: Object,
    /// The fields of the row at hand, in the order of the names.
    fields: Vec<u8>,
    ends: Vec<usize>,
    fault: String,
}

/// An object's values, by key.
struct Object {
    unknown: Unknown,
    names: Vec<String>,
    places: HashMap<String, usize>,
    values: Vec<Place>,
    texts: Vec<bool>,
    content: Vec<u8>,
    /// Which object it is, so that what others left need not be cleared.
    count: u64,
    /// Why this one is no row, though it is an object.
    wrong: Option<String>,
}

/// Where a value stands in the content, and of which object it is.
#[derive(Clone, Copy, Default)]
struct Place {
    from: usize,
    to: usize,
    object: u64,
}

impl JsonLines {
    pub(crate) fn new(text: Text, names: Vec<String>, unknown: Unknown, cut: bool) -> Self {
        let places = names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect();
        let (values, texts) = (vec![Place::default(); names.len()], vec![false; names.len()]);
        let object = Object { unknown, names, places, values, texts, content: Vec::new(), count: 0, wrong: None };
        Self {
            text,
            cut,
            buffer: Vec::new(),
            from: 0,
            line: 0,
            ended: false,
            object,
            fields: Vec::new(),
            ends: Vec::new(),
            fault: String::new(),
        }
    }

    /// Where the next line that is not blank begins and ends; `None` at the end.
    fn next_line(&mut self) -> Result<Option<(usize, usize)>, Failure> {
        let mut seen = 0;
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[self.from + seen..]).map(|at| self.from + seen + at);
            let (from, to) = match found {
                Some(end) => (self.from, end),
                None if self.ended && (self.cut || self.from == self.buffer.len()) => return Ok(None),
                None if self.ended => (self.from, self.buffer.len()),
                None => {
                    seen = self.buffer.len() - self.from;
                    self.fill()?;
                    continue;
                }
            };
            if to - from > LONGEST_ROW {
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
        if self.buffer.len() > LONGEST_ROW {
            return Err(self.too_long());
        }
        self.ended = !self.text.fill(&mut self.buffer)?;
        Ok(())
    }

    fn too_long(&self) -> Failure {
        Failure::input(format!("line {} is longer than 1 MiB, more than a row may have", self.line + 1))
    }

    /// Puts the values in the order of the names.
    fn gather(&mut self) {
        self.fields.clear();
        self.ends.clear();
        let object = &mut self.object;
        for (at, value) in object.values.iter().enumerate() {
            match value.object == object.count {
                true => self.fields.extend_from_slice(&object.content[value.from..value.to]),
                false => object.texts[at] = false,
            }
            self.ends.push(self.fields.len());
        }
    }
}

impl Rows for JsonLines {
    fn next(&mut self) -> Result<Option<Record<'_>>, Failure> {
        let Some((from, to)) = self.next_line()? else {
            return Ok(None);
        };
        let raw = self.buffer[from..to].trim_ascii();
        let fault = match self.text.fault(raw) {
            Some(reason) => Some(reason),
            None => self.object.read(raw).err(),
        };
        if let Unknown::Learn(most) = self.object.unknown
            && self.object.names.len() > most
        {
            let line = self.line;
            return Err(Failure::input(format!(
                "with line {line} there are more than {most} keys, too many for a table"
            )));
        }
        self.gather();
        let raw = self.buffer[from..to].trim_ascii();
        let soundness = match fault {
            Some(reason) => {
                self.fault = reason;
                Soundness::Fault(&self.fault)
            }
            None => Soundness::Sound,
        };
        let Object { texts, names, .. } = &self.object;
        Ok(Some(Record {
            line: self.line,
            raw,
            soundness,
            fields: &self.fields,
            ends: &self.ends,
            gap: 0,
            texts,
            names,
        }))
    }

    fn names(&self) -> &[String] {
        &self.object.names
    }

    fn encoding(&self) -> String {
        self.text.encoding()
    }
}

impl Object {
    /// Reads a line, or says why it is no row.
    fn read(&mut self, line: &[u8]) -> Result<(), String> {
        self.count += 1;
        self.content.clear();
        let mut json = serde_json::Deserializer::from_slice(line);
        self.wrong = None;
        let read = json.deserialize_map(&mut *self).and_then(|()| json.end());
        if let Some(reason) = self.wrong.take() {
            return Err(reason);
        }
        read.map_err(|error| {
            let words = error.to_string();
            // It is always line 1 of the one line.
            let words = words.split(" at line 1").next().unwrap_or_default();
            match error.column() {
                0 => format!("it is no JSON object: {words}"),
                at => format!("it is no JSON object: {words}, at {at}"),
            }
        })
    }

    fn place(&mut self, key: &str) -> Option<usize> {
        if let Some(at) = self.places.get(key) {
            return Some(*at);
        }
        if let Unknown::Only(declared) = &self.unknown
            && !declared.iter().any(|column| column.from == key)
        {
            return None;
        }
        let at = self.names.len();
        self.names.push(key.to_owned());
        self.places.insert(key.to_owned(), at);
        self.values.push(Place::default());
        self.texts.push(false);
        Some(at)
    }

    /// Writes a value as a field has it, or says why it cannot be one.
    fn put(&mut self, key: &str, value: &str) -> Result<(), String> {
        let Some(at) = self.place(key) else {
            return Ok(());
        };
        if self.values[at].object == self.count {
            return Err(format!("it has the key {:?} twice", short(key)));
        }
        let from = self.content.len();
        self.texts[at] = matches!(value.as_bytes().first(), Some(b'"' | b'{' | b'['));
        match value.as_bytes() {
            b"null" => {}
            [b'"', plain @ .., b'"'] if memchr::memchr(b'\\', plain).is_none() => self.content.extend_from_slice(plain),
            [b'"', ..] => {
                let text: String = serde_json::from_str(value).map_err(|error| error.to_string())?;
                if text.contains('\0') {
                    return Err(format!("it has a NUL character in {:?}", short(key)));
                }
                self.content.extend_from_slice(text.as_bytes());
            }
            nested @ [b'{' | b'[', ..] if is_deep(nested) => {
                return Err(format!("{:?} is nested more than {DEEPEST} deep", short(key)));
            }
            plain => self.content.extend_from_slice(plain),
        }
        self.values[at] = Place { from, to: self.content.len(), object: self.count };
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Object {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let value: &RawValue = map.next_value()?;
            if self.wrong.is_none() {
                self.wrong = self.put(&key, value.get()).err();
            }
        }
        Ok(())
    }
}

fn short(key: &str) -> String {
    key.chars().take(40).collect()
}

fn is_deep(json: &[u8]) -> bool {
    let (mut depth, mut within, mut escaped) = (0_usize, false, false);
    for byte in json {
        match (within, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => within = !within,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{source::Sample, text::Known};

    fn reader(text: &str, cut: bool) -> JsonLines {
        let source = Sample::boxed(Bytes::copy_from_slice(text.as_bytes()));
        JsonLines::new(Text::new(source, Known::Ascii), Vec::new(), Unknown::Learn(5), cut)
    }

    /// Each row's line, fields and fault.
    fn rows(text: &str, cut: bool) -> Vec<String> {
        let mut reader = reader(text, cut);
        let mut rows = Vec::new();
        while let Some(row) = reader.next().unwrap() {
            let fields: Vec<_> = row.fields().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
            rows.push(format!("{} {}", row.line, row.fault().unwrap_or_else(|| fields.join("|"))));
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
        let row = reader.next().unwrap().unwrap();
        assert_eq!((row.is_text(0), row.is_text(1), row.is_text(2)), (true, false, true));
        let row = reader.next().unwrap().unwrap();
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
        let words = many.next().err().unwrap().to_string();
        assert_eq!(words, "with line 1 there are more than 5 keys, too many for a table");
        let mut long = reader(&format!("{{}}\n{{\"a\":\"{}\"}}", "x".repeat(2 * LONGEST_ROW)), false);
        long.next().unwrap();
        assert_eq!(long.next().err().unwrap().to_string(), "line 2 is longer than 1 MiB, more than a row may have");
    }
}
