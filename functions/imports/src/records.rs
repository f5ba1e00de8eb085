//! From text to rows, at bounded memory.

use csv_core::{ReadRecordResult, ReaderBuilder};
use runtime::Failure;

use crate::text::Text;

/// Bytes that one row may have.
pub(crate) const LONGEST_ROW: usize = 1024 * 1024;

/// The rows of a text, one after the other.
pub(crate) struct Records {
    text: Text,
    delimiter: u8,
    /// Whether the text may stop in the middle, as a sample does: what is cut there is no row.
    cut: bool,
    csv: csv_core::Reader,
    /// Text that is not yet behind us; the row being read begins at `row`, and it is read up to `read`.
    buffer: Vec<u8>,
    row: usize,
    read: usize,
    ended: bool,
    fields: Vec<u8>,
    ends: Vec<usize>,
}

/// One row.
pub(crate) struct Record<'a> {
    /// The line on which it begins, from 1.
    pub(crate) line: u64,
    /// It as it stands in the text, without its line end.
    pub(crate) raw: &'a [u8],
    text: &'a Text,
    fields: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    /// Why it is not text that a table can hold, if it is not.
    pub(crate) fn fault(&self) -> Option<String> {
        if memchr::memchr(0, self.raw).is_some() {
            return Some("it has a NUL character".to_owned());
        }
        self.text.fault(self.raw)
    }

    /// How many fields it has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Its fields, without their quotes.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (fields, mut from) = (self.fields, 0);
        self.ends.iter().map(move |end| {
            let field = &fields[from..*end];
            from = *end;
            field
        })
    }
}

impl Records {
    pub(crate) fn new(text: Text, delimiter: u8, cut: bool) -> Self {
        Self {
            text,
            delimiter,
            cut,
            csv: ReaderBuilder::new().delimiter(delimiter).build(),
            buffer: Vec::new(),
            row: 0,
            read: 0,
            ended: false,
            fields: vec![0; 4096],
            ends: vec![0; 64],
        }
    }

    /// The text that is read.
    pub(crate) fn text(&self) -> &Text {
        &self.text
    }

    /// The next row; `None` at the end. A quote that never closes and a row that is too long are failures.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, Failure> {
        self.row = self.read;
        let mut line = self.csv.line();
        let (mut written, mut ends) = (0, 0);
        loop {
            if self.read == self.buffer.len() && !self.ended {
                self.fill(line)?;
                continue;
            }
            let (input, output) = (&self.buffer[self.read..], &mut self.fields[written..]);
            let (result, read, wrote, ended) = self.csv.read_record(input, output, &mut self.ends[ends..]);
            self.read += read;
            written += wrote;
            ends += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let mut raw = &self.buffer[self.row..self.read];
        // Empty lines are no rows; the second byte of the last row's line end may stand here, too.
        while let [first @ (b'\r' | b'\n'), rest @ ..] = raw {
            line += u64::from(*first == b'\n');
            raw = rest;
        }
        if self.ended && self.read == self.buffer.len() {
            if self.cut {
                return Ok(None);
            }
            if let Some(quote) = open_quote(raw, self.delimiter) {
                return Err(never_closes(line, &raw[..quote]));
            }
        }
        while let [rest @ .., b'\r' | b'\n'] = raw {
            raw = rest;
        }
        if raw.len() > LONGEST_ROW {
            return Err(self.too_long(line));
        }
        Ok(Some(Record { line, raw, text: &self.text, fields: &self.fields[..written], ends: &self.ends[..ends] }))
    }

    fn fill(&mut self, line: u64) -> Result<(), Failure> {
        self.buffer.drain(..self.row);
        self.read -= self.row;
        self.row = 0;
        if self.buffer.len() > LONGEST_ROW {
            return Err(self.too_long(line));
        }
        self.ended = !self.text.fill(&mut self.buffer)?;
        Ok(())
    }

    /// Why what stands in the buffer is no row.
    pub(crate) fn too_long(&self, line: u64) -> Failure {
        let raw = &self.buffer[self.row..];
        match open_quote(raw, self.delimiter) {
            Some(quote) => never_closes(line, &raw[..quote]),
            None => Failure::input(format!("line {line} is longer than 1 MiB, more than a row may have")),
        }
    }
}

fn never_closes(line: u64, before: &[u8]) -> Failure {
    let line = line + memchr::memchr_iter(b'\n', before).count() as u64;
    Failure::input(format!("the quote (\") that opens in line {line} never closes"))
}

/// Where the quote opens that is still open at the end.
fn open_quote(row: &[u8], delimiter: u8) -> Option<usize> {
    let (mut open, mut begins) = (None, true);
    let mut bytes = row.iter().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match (open, *byte) {
            (None, b'"') if begins => open = Some(at),
            // Two quotes within quotes are one.
            (Some(_), b'"') if bytes.next_if(|(_, next)| **next == b'"').is_none() => open = None,
            _ => {}
        }
        begins = open.is_none() && (*byte == delimiter || matches!(byte, b'\r' | b'\n'));
    }
    open
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{source::Source, text::Known};

    fn records(text: &str, cut: bool) -> Records {
        let source = Source::sample(Bytes::copy_from_slice(text.as_bytes()));
        Records::new(Text::new(source, Known::Ascii), b',', cut)
    }

    fn rows(text: &str) -> Vec<(u64, String, Vec<String>)> {
        let mut records = records(text, false);
        let mut rows = Vec::new();
        let owned = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while let Some(record) = records.next().unwrap() {
            rows.push((record.line, owned(record.raw), record.fields().map(owned).collect()));
        }
        rows
    }

    fn failure(text: &str) -> String {
        let mut records = records(text, false);
        loop {
            match records.next() {
                Ok(row) => assert!(row.is_some(), "no failure"),
                Err(failure) => return failure.to_string(),
            }
        }
    }

    #[test]
    fn a_row_knows_its_line_and_how_it_was_written() {
        let row = |line, raw: &str, fields: &[&str]| {
            (line, raw.to_owned(), fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>())
        };
        let expected =
            [row(1, "a,b", &["a", "b"]), row(3, "\"x\ny\",\"\"\"q\"", &["x\ny", "\"q"]), row(5, "1,", &["1", ""])];
        assert_eq!(rows("a,b\n\n\"x\ny\",\"\"\"q\"\n1,"), expected);
        assert_eq!(rows("a,b\r\n\r\n\"x\ny\",\"\"\"q\"\r\n1,\r\n"), expected);
    }

    #[test]
    fn a_quote_that_never_closes_is_named_by_its_line() {
        assert_eq!(failure("a,b\n1,2\n3,\"x\n4,5\n6,7\n"), "the quote (\") that opens in line 3 never closes");
        let long = format!("a\n1\n\"x{}", "y\n".repeat(LONGEST_ROW));
        assert_eq!(failure(&long), "the quote (\") that opens in line 3 never closes");
        assert_eq!(failure("a,\"x\ny\",\"z\n"), "the quote (\") that opens in line 2 never closes");
        assert_eq!(rows("a,b\"c,d\"\n").len(), 1, "a quote within a field is no opening one");
        assert_eq!(rows("a,\"b\"").len(), 1);
    }

    #[test]
    fn a_row_that_is_too_long_is_named_by_its_line() {
        let long = format!("a\nb\n{}", "x".repeat(3 * LONGEST_ROW));
        assert_eq!(failure(&long), "line 3 is longer than 1 MiB, more than a row may have");
    }

    #[test]
    fn what_is_cut_at_the_end_of_a_sample_is_no_row() {
        for text in ["a\nb\nc", "a\nb\n\"c\nd", "a\nb\n"] {
            let mut records = records(text, true);
            let mut count = 0;
            while records.next().unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, 2, "{text:?}");
        }
    }
}
