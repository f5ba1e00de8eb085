//! Reads rows from text with delimiters, at bounded memory.

use csv_core::{ReadRecordResult, ReaderBuilder};
use runtime::Failure;

use crate::read::{
    row::{MAX_ROW_BYTES, Row, RowReader, Validity},
    text::TextReader,
};

/// Reads rows from text with delimiters.
pub(crate) struct DelimitedReader {
    text: TextReader,
    delimiter: u8,
    /// Set if the text may end within a row, as a sample does; that row is left out.
    truncated: bool,
    csv: csv_core::Reader,
    /// Text that is not read yet; the current row starts at `row`, on `line`, and is read up to `read`.
    buffer: Vec<u8>,
    row: usize,
    read: usize,
    line: u64,
    ended: bool,
    /// The unquoted fields of a row with quotes.
    unquoted: Vec<u8>,
    ends: Vec<usize>,
    /// The names of the fields, once the header is read.
    pub(crate) names: Vec<String>,
}

/// The shape of a row: only quoted ones need a CSV parser.
enum RowShape {
    /// One line of so many bytes without quotes, which is only split.
    Plain(usize),
    Quoted,
}

impl DelimitedReader {
    pub(crate) fn new(text: TextReader, delimiter: u8, truncated: bool) -> Self {
        Self {
            text,
            delimiter,
            truncated,
            csv: ReaderBuilder::new().delimiter(delimiter).build(),
            buffer: Vec::new(),
            row: 0,
            read: 0,
            line: 1,
            ended: false,
            unquoted: vec![0; 4096],
            ends: vec![0; 64],
            names: Vec::new(),
        }
    }

    /// Reads the header, which names the fields; `false` if there is none. `check` refuses a number of fields.
    pub(crate) fn read_header(&mut self, check: impl FnOnce(usize) -> Result<(), Failure>) -> Result<bool, Failure> {
        let Some(header) = self.next_row()? else {
            return Ok(false);
        };
        check(header.len())?;
        let line = header.line;
        let name = |field: &[u8]| {
            let name = std::str::from_utf8(field).ok().filter(|name| !name.contains('\0'));
            name.map(str::to_owned).ok_or_else(|| Failure::input(format!("the header, line {line}, is not text")))
        };
        self.names = header.fields().map(name).collect::<Result<_, _>>()?;
        Ok(true)
    }

    /// Goes to the start of the next row, past empty lines; `false` at the end.
    fn skip_line_ends(&mut self) -> Result<bool, Failure> {
        loop {
            self.row = self.read;
            match self.buffer.get(self.read) {
                Some(b'\n') => self.line += 1,
                Some(b'\r') => {}
                Some(_) => return Ok(true),
                None if self.ended => return Ok(false),
                None => {
                    self.fill()?;
                    continue;
                }
            }
            self.read += 1;
        }
    }

    /// Looks for the end of the current row, or for a quote or a lone carriage return in it.
    fn shape(&mut self) -> Result<RowShape, Failure> {
        let mut seen = 0;
        loop {
            let row = &self.buffer[self.row..];
            match memchr::memchr3(b'\n', b'\r', b'"', &row[seen..]).map(|at| seen + at) {
                Some(at) if row[at] == b'\n' => return Ok(RowShape::Plain(at)),
                Some(at) if row[at] == b'\r' && row.get(at + 1) == Some(&b'\n') => return Ok(RowShape::Plain(at)),
                Some(_) => return Ok(RowShape::Quoted),
                None if self.ended => return Ok(RowShape::Plain(row.len())),
                None => seen = row.len(),
            }
            self.fill()?;
        }
    }

    /// Splits a plain row; answers the number of its fields.
    fn split(&mut self, length: usize) -> usize {
        self.read = self.row + length;
        self.ends.clear();
        self.ends.extend(memchr::memchr_iter(self.delimiter, &self.buffer[self.row..self.read]));
        self.ends.push(length);
        self.ends.len()
    }

    /// Parses any row; answers the number of its fields.
    fn unquote(&mut self) -> Result<usize, Failure> {
        self.csv.reset();
        self.ends.resize(self.ends.capacity(), 0);
        let (mut written, mut count) = (0, 0);
        loop {
            if self.read == self.buffer.len() && !self.ended {
                self.fill()?;
                continue;
            }
            let (input, output) = (&self.buffer[self.read..], &mut self.unquoted[written..]);
            let (result, read, wrote, ends) = self.csv.read_record(input, output, &mut self.ends[count..]);
            self.read += read;
            written += wrote;
            count += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.unquoted.resize(self.unquoted.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => return Ok(count),
            }
        }
    }

    fn fill(&mut self) -> Result<(), Failure> {
        self.buffer.drain(..self.row);
        self.read -= self.row;
        self.row = 0;
        if self.buffer.len() > MAX_ROW_BYTES {
            return Err(self.too_long());
        }
        self.ended = !self.text.fill(&mut self.buffer)?;
        Ok(())
    }

    /// Ends the import over a row that is longer than the buffer.
    pub(crate) fn too_long(&self) -> Failure {
        let (line, raw) = (self.line, &self.buffer[self.row..]);
        match open_quote(raw, self.delimiter) {
            Some(quote) => unclosed_quote(line, &raw[..quote]),
            None => Failure::input(format!("line {line} is longer than 1 MiB, more than a row may have")),
        }
    }
}

impl RowReader for DelimitedReader {
    /// The first row is the header. A quote that never closes and a row that is too long are failures.
    fn next_row(&mut self) -> Result<Option<Row<'_>>, Failure> {
        if !self.skip_line_ends()? {
            return Ok(None);
        }
        let line = self.line;
        let shape = self.shape()?;
        let (count, gap) = match shape {
            RowShape::Plain(length) => (self.split(length), 1),
            RowShape::Quoted => (self.unquote()?, 0),
        };
        let mut raw = &self.buffer[self.row..self.read];
        if self.ended && self.read == self.buffer.len() {
            if self.truncated {
                return Ok(None);
            }
            if let Some(quote) = open_quote(raw, self.delimiter) {
                return Err(unclosed_quote(line, &raw[..quote]));
            }
        }
        if raw.len() > MAX_ROW_BYTES {
            return Err(self.too_long());
        }
        if gap == 0 {
            // Line ends between rows are counted when they are skipped.
            self.line += memchr::memchr_iter(b'\n', raw).count() as u64;
        }
        let fields = if gap == 0 { &self.unquoted } else { raw };
        while let [rest @ .., b'\r' | b'\n'] = raw {
            raw = rest;
        }
        let (validity, ends) = (Validity::Unchecked(&self.text), &self.ends[..count]);
        Ok(Some(Row { line, raw, validity, fields, ends, gap, is_text: &[], names: &[] }))
    }

    fn encoding_name(&self) -> String {
        self.text.encoding_name()
    }
}

fn unclosed_quote(line: u64, before: &[u8]) -> Failure {
    let line = line + memchr::memchr_iter(b'\n', before).count() as u64;
    Failure::input(format!("the quote (\") that opens in line {line} never closes"))
}

/// The position of the quote that is still open at the end.
fn open_quote(row: &[u8], delimiter: u8) -> Option<usize> {
    let (mut open, mut at_start) = (None, true);
    let mut bytes = row.iter().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match (open, *byte) {
            (None, b'"') if at_start => open = Some(at),
            // Two quotes within quotes are one.
            (Some(_), b'"') if bytes.next_if(|(_, next)| **next == b'"').is_none() => open = None,
            _ => {}
        }
        at_start = open.is_none() && (*byte == delimiter || matches!(byte, b'\r' | b'\n'));
    }
    open
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::read::text::TextEncoding;

    fn records(text: &str, truncated: bool) -> DelimitedReader {
        let source = Box::new(Some(Bytes::copy_from_slice(text.as_bytes())));
        DelimitedReader::new(TextReader::new(source, TextEncoding::Ascii), b',', truncated)
    }

    fn rows(text: &str) -> Vec<(u64, String, Vec<String>)> {
        let mut records = records(text, false);
        let mut rows = Vec::new();
        let owned = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while let Some(row) = records.next_row().unwrap() {
            rows.push((row.line, owned(row.raw), row.fields().map(owned).collect()));
        }
        rows
    }

    fn failure(text: &str) -> String {
        let mut records = records(text, false);
        loop {
            match records.next_row() {
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
        let old = [row(1, "a,b", &["a", "b"]), row(1, "1,", &["1", ""])];
        assert_eq!(rows("a,b\r1,\r"), old, "old Macintoshes end lines so");
    }

    #[test]
    fn a_quote_that_never_closes_is_named_by_its_line() {
        assert_eq!(failure("a,b\n1,2\n3,\"x\n4,5\n6,7\n"), "the quote (\") that opens in line 3 never closes");
        let long = format!("a\n1\n\"x{}", "y\n".repeat(MAX_ROW_BYTES));
        assert_eq!(failure(&long), "the quote (\") that opens in line 3 never closes");
        assert_eq!(failure("a,\"x\ny\",\"z\n"), "the quote (\") that opens in line 2 never closes");
        assert_eq!(rows("a,b\"c,d\"\n").len(), 1, "a quote within a field is no opening one");
        assert_eq!(rows("a,\"b\"").len(), 1);
    }

    #[test]
    fn a_row_that_is_too_long_is_named_by_its_line() {
        let long = format!("a\nb\n{}", "x".repeat(3 * MAX_ROW_BYTES));
        assert_eq!(failure(&long), "line 3 is longer than 1 MiB, more than a row may have");
    }

    #[test]
    fn what_is_cut_at_the_end_of_a_sample_is_no_row() {
        for text in ["a\nb\nc", "a\nb\n\"c\nd", "a\nb\n"] {
            let mut records = records(text, true);
            let mut count = 0;
            while records.next_row().unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, 2, "{text:?}");
        }
    }
}
