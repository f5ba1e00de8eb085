//! Reads rows from JSON Lines: an object on each line, its keys the names of the fields; or an array on each line, the first
//! of which may name them; or the same as RFC 7464 has it, with a record separator before each.

use runtime::Failure;

use crate::read::{
    detect::Certainty,
    json_fields::{ObjectFields, UnknownKeys},
    json_shape::{JsonShape, trim},
    row::{MAX_ROW_BYTES, Row, RowReader, Validity},
    text::TextReader,
};

/// Reads the objects of a text.
pub(crate) struct JsonLinesReader {
    text: TextReader,
    /// Set if the text may end within a line, as a sample does; that line is left out.
    truncated: bool,
    /// Text that is not read yet; the current line starts at `from`.
    buffer: Vec<u8>,
    from: usize,
    line: u64,
    /// The line that follows.
    next_line: u64,
    ended: bool,
    /// Set once the array that names the fields is read.
    header_read: bool,
    object: ObjectFields,
    /// The fields of the current row, in the order of the names.
    fields: Vec<u8>,
    ends: Vec<usize>,
    error: String,
}

impl JsonLinesReader {
    /// A reader of what has these names already.
    pub(crate) fn new(
        text: TextReader,
        shape: JsonShape,
        names: Vec<String>,
        unknown_keys: UnknownKeys,
        truncated: bool,
    ) -> Self {
        let object = ObjectFields::new(shape, names, unknown_keys);
        Self {
            text,
            truncated,
            buffer: Vec::new(),
            from: 0,
            line: 0,
            next_line: 1,
            ended: false,
            header_read: !shape.header,
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

    /// The range of the next row that is not blank; `None` at the end.
    fn next_record(&mut self) -> Result<Option<(usize, usize)>, Failure> {
        let separator = self.object.shape.separator;
        let mut seen = 0;
        loop {
            let found = memchr::memchr(separator, &self.buffer[self.from + seen..]).map(|at| self.from + seen + at);
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
            self.line = self.next_line;
            seen = 0;
            self.next_line += match separator {
                b'\n' => 1,
                _ => memchr::memchr_iter(b'\n', &self.buffer[from..to]).count() as u64,
            };
            if !trim(&self.buffer[from..to]).is_empty() {
                return Ok(Some((from, to)));
            }
        }
    }

    /// Reads the array that names the fields, once.
    fn read_header(&mut self) -> Result<bool, Failure> {
        if self.header_read {
            return Ok(true);
        }
        self.header_read = true;
        let Some((from, to)) = self.next_record()? else {
            return Ok(false);
        };
        // Found out from this very line.
        let names: Vec<String> = serde_json::from_slice(trim(&self.buffer[from..to])).unwrap_or_default();
        if self.object.names.is_empty() {
            names.into_iter().for_each(|name| self.object.add(name));
        }
        Ok(true)
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
        Failure::input(format!("line {} is longer than 1 MiB, more than a row may have", self.next_line))
    }
}

impl RowReader for JsonLinesReader {
    fn next_row(&mut self) -> Result<Option<Row<'_>>, Failure> {
        if !self.read_header()? {
            return Ok(None);
        }
        let Some((from, to)) = self.next_record()? else {
            return Ok(None);
        };
        let raw = trim(&self.buffer[from..to]);
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
        self.object.collect(&mut self.fields, &mut self.ends);
        let raw = trim(&self.buffer[from..to]);
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
        self.text.encoding().name()
    }

    fn certainty(&self) -> Certainty {
        self.text.encoding().certainty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::read::text::TextEncoding;

    fn reader(text: &str, truncated: bool) -> JsonLinesReader {
        let source = Box::new(Some(Bytes::copy_from_slice(text.as_bytes())));
        let (shape, reader) = (JsonShape::find(text.as_bytes(), None), TextReader::new(source, TextEncoding::Ascii));
        JsonLinesReader::new(reader, shape, Vec::new(), UnknownKeys::Add(5), truncated)
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
    fn an_array_on_each_line_is_a_row_and_the_first_may_name_the_fields() {
        let text = "[\"a\", \"b c\"]\n[1, \"x\"]\n[null, [2]]\n[1]\n[1,2,3]\n{}\n";
        assert_eq!(
            rows(text, false),
            [
                "2 1|x",
                "3 |[2]",
                "4 it has 1 value, the first line 2",
                "5 it has 3 values, the first line 2",
                "6 it is no JSON array: invalid type: map, expected an array, at 0"
            ]
            .map(|row| row.trim_end_matches(", at 0").to_owned())
        );
        let mut named = reader(text, false);
        named.next_row().unwrap();
        assert_eq!(named.names(), ["a", "b c"]);
        assert_eq!(rows("[1, \"x\"]\n[2, \"y\", true]\n", false), ["1 1|x", "2 2|y|true"]);
        let mut unnamed = reader("[1, \"x\"]\n[2, \"y\"]\n", false);
        unnamed.next_row().unwrap();
        assert_eq!(unnamed.names(), ["column_1", "column_2"]);
        assert!(!JsonShape::find(b"[\"a\"]", Some(false)).header);
    }

    #[test]
    fn a_record_separator_may_stand_before_each_object() {
        let text = "\u{1E}{\"a\":1}\n\u{1E}{\n \"a\": 2\n}\n\u{1E}\n\u{1E}{\"a\":3\n\u{1E}{\"a\":4}";
        let told = rows(text, false);
        assert_eq!((&*told[0], &*told[1], &*told[3]), ("1 1", "2 2", "7 4"));
        assert!(told[2].starts_with("6 it is no JSON object: EOF"), "{told:?}");
        assert_eq!(rows("\u{1E}[\"a\"]\n\u{1E}[1]\n", false), ["2 1"]);
    }

    #[test]
    fn a_value_knows_whether_it_is_text() {
        let mut reader = reader("{\"a\":\"1\",\"b\":1,\"c\":[1]}\n{\"b\":\"1\"}", false);
        let row = reader.next_row().unwrap().unwrap();
        assert_eq!(row.is_text, [true, false, true]);
        let row = reader.next_row().unwrap().unwrap();
        assert_eq!(row.is_text[..2], [false, true]);
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
        assert!(rows("{}\n[1]", false)[1].contains("it is no JSON object"));
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
