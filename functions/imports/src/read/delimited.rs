//! Reads rows from text with delimiters, at bounded memory.

use runtime::Failure;

use crate::read::{
    detect::Certainty,
    dialect::Dialect,
    quoted::{QuotedFields, Split},
    row::{MAX_ROW_BYTES, Row, RowReader, Validity},
    row_buffer::{RowBuffer, count_lines},
    text::TextReader,
};

/// Reads rows from text with delimiters.
pub(crate) struct DelimitedReader {
    dialect: Dialect,
    /// Set if the text may end within a row, as a sample does; that row is left out.
    truncated: bool,
    buffer: RowBuffer,
    /// Lines before the header that are still to be skipped.
    skip: u32,
    /// The fields of a row with quotes.
    quoted: QuotedFields,
    /// The ends of the fields of a row without quotes.
    ends: Vec<usize>,
    /// Lines of a row whose quotes are wrong, each of which is a rejected row.
    broken_lines: u64,
    error: String,
    /// The names of the fields, once the header is read.
    pub(crate) names: Vec<String>,
}

/// The shape of a row.
enum RowShape {
    /// One line without quotes, which is only split.
    Plain,
    Quoted,
    /// A line whose quotes are wrong.
    Broken,
}

impl DelimitedReader {
    pub(crate) fn new(text: TextReader, dialect: Dialect, truncated: bool) -> Self {
        Self {
            dialect,
            truncated,
            buffer: RowBuffer::new(text),
            skip: dialect.skip,
            quoted: QuotedFields::default(),
            ends: Vec::new(),
            broken_lines: 0,
            error: String::new(),
            names: Vec::new(),
        }
    }

    /// Reads the header, which names the fields, or makes names for those of the first row; `false` if there is none.
    /// `check` refuses a number of fields.
    pub(crate) fn read_header(&mut self, check: impl FnOnce(usize) -> Result<(), Failure>) -> Result<bool, Failure> {
        let has_header = self.dialect.header;
        let Some(header) = self.next_row()? else {
            return Ok(false);
        };
        check(header.len())?;
        let line = header.line;
        if !has_header {
            self.names = (1..=header.len()).map(|at| format!("column_{at}")).collect();
            self.buffer.read = self.buffer.row;
            self.buffer.line = line;
            self.broken_lines = 0;
            return Ok(true);
        }
        if let Validity::Invalid(reason) = header.validity {
            return Err(Failure::input(format!("the header, line {line}: {reason}")));
        }
        let name = |field: &[u8]| {
            let name = std::str::from_utf8(field).ok().filter(|name| !name.contains('\0'));
            name.map(str::to_owned).ok_or_else(|| Failure::input(format!("the header, line {line}, is not text")))
        };
        self.names = header.fields().map(name).collect::<Result<_, _>>()?;
        Ok(true)
    }

    /// Ends the import over a row that is longer than the buffer.
    pub(crate) fn too_long(&self) -> Failure {
        self.buffer.too_long()
    }

    /// Goes to the start of the next row, past empty lines and comments; `false` at the end.
    fn skip_to_row(&mut self) -> Result<bool, Failure> {
        loop {
            self.buffer.row = self.buffer.read;
            if self.skip > 0 {
                self.skip -= 1;
                self.buffer.skip_to_line_end()?;
            } else if self.broken_lines == 0
                && let Some(comment) = self.dialect.comment
                && self.buffer.peek(0)? == Some(comment)
            {
                self.buffer.skip_to_line_end()?;
            }
            self.buffer.row = self.buffer.read;
            if !self.buffer.skip_line_end()? {
                return Ok(self.buffer.peek(0)?.is_some());
            }
            self.broken_lines = self.broken_lines.saturating_sub(1);
        }
    }

    /// Looks for the end of the current row, or for a quote in it.
    fn shape(&mut self) -> Result<RowShape, Failure> {
        let quote = self.dialect.quote.filter(|_| self.broken_lines == 0).unwrap_or(b'\n');
        loop {
            match memchr::memchr3(b'\n', b'\r', quote, self.buffer.rest()) {
                Some(at) => {
                    self.buffer.read += at;
                    let is_line_end = matches!(self.buffer.bytes[self.buffer.read], b'\n' | b'\r');
                    return Ok(match is_line_end {
                        _ if self.broken_lines > 0 => RowShape::Broken,
                        true => RowShape::Plain,
                        false => RowShape::Quoted,
                    });
                }
                None => self.buffer.read = self.buffer.bytes.len(),
            }
            if self.buffer.ended {
                return Ok(if self.broken_lines > 0 { RowShape::Broken } else { RowShape::Plain });
            }
            self.buffer.fill()?;
        }
    }

    /// Splits a row without quotes.
    fn split(&mut self) {
        let raw = self.buffer.raw();
        self.ends.clear();
        self.ends.extend(memchr::memchr_iter(self.dialect.delimiter, raw));
        self.ends.push(raw.len());
    }

    /// Splits a row with quotes; one that is broken is read line by line. `false` if the sample ends in it.
    fn unquote(&mut self) -> Result<RowShape, Failure> {
        self.buffer.read = self.buffer.row;
        let quote = self.dialect.quote.unwrap_or_default();
        let (opens, closes) = match self.quoted.split(&mut self.buffer, &self.dialect, quote)? {
            Split::Fields => return Ok(RowShape::Quoted),
            Split::Unclosed { .. } if self.truncated => return Ok(RowShape::Quoted),
            Split::Unclosed { opens } => {
                let (line, quote) = (self.buffer.line_of(opens), char::from(quote));
                return Err(Failure::input(format!("the quote ({quote}) that opens in line {line} never closes")));
            }
            Split::TextAfterQuote { opens, text } => (self.buffer.line_of(opens), self.buffer.line_of(text)),
        };
        self.error = match opens == closes {
            true => "it has text after a closing quote".to_owned(),
            false => format!("text follows the closing quote in line {closes}, which opens in line {opens}"),
        };
        // Where the row ends is not known: its lines are rejected one by one, and none is taken for a row.
        self.broken_lines = closes - self.buffer.line + 1;
        self.buffer.read = self.buffer.row;
        self.shape()
    }
}

impl RowReader for DelimitedReader {
    /// A quote that never closes and a row that is too long are failures.
    fn next_row(&mut self) -> Result<Option<Row<'_>>, Failure> {
        if !self.skip_to_row()? {
            return Ok(None);
        }
        let line = self.buffer.line;
        let shape = match self.shape()? {
            RowShape::Plain => {
                self.split();
                RowShape::Plain
            }
            RowShape::Quoted => self.unquote()?,
            RowShape::Broken => RowShape::Broken,
        };
        if self.truncated && self.buffer.ended && self.buffer.rest().is_empty() {
            return Ok(None);
        }
        if self.buffer.raw().len() > MAX_ROW_BYTES {
            return Err(self.buffer.too_long());
        }
        let RowBuffer { text, bytes, row, read, line: next_line, .. } = &mut self.buffer;
        let raw = &bytes[*row..*read];
        let (validity, fields, ends, gap) = match shape {
            RowShape::Plain => (Validity::Unchecked(text), raw, &self.ends[..], 1),
            RowShape::Quoted => (Validity::Unchecked(text), &self.quoted.content[..], &self.quoted.ends[..], 0),
            RowShape::Broken => (Validity::Invalid(&self.error), &[][..], &[][..], 0),
        };
        if gap == 0 {
            // Line ends between rows are counted when they are skipped.
            *next_line += count_lines(raw);
        }
        Ok(Some(Row { line, raw, validity, fields, ends, gap, is_text: &[], names: &[] }))
    }

    fn encoding_name(&self) -> String {
        self.buffer.text.encoding().name()
    }

    fn certainty(&self) -> Certainty {
        self.buffer.text.encoding().certainty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::read::text::TextEncoding;

    fn reader(text: &str, dialect: Dialect, truncated: bool) -> DelimitedReader {
        // In pieces that end anywhere.
        let pieces: Vec<_> = text.as_bytes().chunks(7).map(Bytes::copy_from_slice).collect();
        let text = TextReader::new(Box::new(Pieces(pieces.into_iter())), TextEncoding::Ascii);
        DelimitedReader::new(text, dialect, truncated)
    }

    struct Pieces(std::vec::IntoIter<Bytes>);

    impl crate::read::source::Chunks for Pieces {
        fn next(&mut self) -> Result<Option<Bytes>, Failure> {
            Ok(self.0.next())
        }
    }

    /// Each row's line and its fields, or what is wrong with it; a failure is the last.
    fn rows_by(text: &str, dialect: Dialect) -> Vec<String> {
        let mut reader = reader(text, dialect, false);
        let mut rows = Vec::new();
        loop {
            match reader.next_row() {
                Ok(None) => return rows,
                Ok(Some(row)) => {
                    let fields: Vec<_> =
                        row.fields().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
                    rows.push(format!("{} {}", row.line, row.error().unwrap_or_else(|| fields.join("|"))));
                }
                Err(failure) => {
                    rows.push(failure.to_string());
                    return rows;
                }
            }
        }
    }

    fn rows(text: &str) -> Vec<String> {
        rows_by(text, Dialect::of(b','))
    }

    #[test]
    fn a_row_knows_its_line_whatever_ends_lines() {
        let expected = ["1 a|b", "3 x\ny|\"q", "5 1|"];
        assert_eq!(rows("a,b\n\n\"x\ny\",\"\"\"q\"\n1,"), expected);
        let windows = rows("a,b\r\n\r\n\"x\r\ny\",\"\"\"q\"\r\n1,\r\n");
        assert_eq!(windows, ["1 a|b", "3 x\r\ny|\"q", "5 1|"]);
        let macintosh = rows("a,b\r\r\"x\ry\",\"\"\"q\"\r1,\r");
        assert_eq!(macintosh, ["1 a|b", "3 x\ry|\"q", "5 1|"]);
        assert_eq!(rows("a\nb\rc\r\nd\r\r\ne"), ["1 a", "2 b", "3 c", "4 d", "6 e"]);
    }

    #[test]
    fn a_row_knows_how_it_was_written() {
        let mut reader = reader("a,b\n\"x\r\ny\", 1 \r\n", Dialect::of(b','), false);
        assert_eq!(reader.next_row().unwrap().unwrap().raw, b"a,b");
        assert_eq!(reader.next_row().unwrap().unwrap().raw, b"\"x\r\ny\", 1 ");
    }

    #[test]
    fn text_after_a_closing_quote_is_an_error_of_its_lines_and_of_no_others() {
        let after = "it has text after a closing quote";
        assert_eq!(rows("a,b\n1,\"x\" y\n2,z\n"), ["1 a|b", &format!("2 {after}"), "3 2|z"]);
        assert_eq!(rows("a,b\n\"x\"y,1\n2,z"), ["1 a|b", &format!("2 {after}"), "3 2|z"]);
        let opens = "text follows the closing quote in line 4, which opens in line 2";
        let told = [2, 3, 4].map(|line| format!("{line} {opens}"));
        let one_stray = rows("a,b\n1,\"x\n2,y\n3,\"z\n4,w\n");
        assert_eq!(one_stray, ["1 a|b", &told[0], &told[1], &told[2], "5 4|w"]);
        let within = rows("a,b\n1,\"p\n\nb,c\" x\n5,6\n");
        let told = [2, 4].map(|line| format!("{line} text follows the closing quote in line 4, which opens in line 2"));
        assert_eq!(within, ["1 a|b", &told[0], &told[1], "5 5|6"], "no line of it is taken for a row");
    }

    #[test]
    fn a_quote_that_never_closes_is_named_by_its_line() {
        for (text, line) in [("a,b\n1,2\n3,\"x\n4,5\n6,7\n", 3), ("a,\"x\ny\",\"z\n", 2), ("a\r1\r\"x\r", 3)] {
            let told = rows(text).pop().unwrap();
            assert_eq!(told, format!("the quote (\") that opens in line {line} never closes"));
        }
        let long = format!("a\n1\n\"x{}", "y\n".repeat(MAX_ROW_BYTES));
        let told = rows(&long).pop().unwrap();
        assert_eq!(told, "the quote that opens in line 3 does not close within 1 MiB, more than a row may have");
    }

    #[test]
    fn a_quote_within_a_field_is_a_part_of_it() {
        assert_eq!(rows("a,b\"c,d\"\n"), ["1 a|b\"c|d\""]);
        assert_eq!(rows("5\" pipe,1\n"), ["1 5\" pipe|1"]);
        assert_eq!(rows(" \"Ada\" said,1\n"), ["1  \"Ada\" said|1"]);
    }

    #[test]
    fn blanks_beside_quotes_are_no_part_of_the_field() {
        assert_eq!(rows("1, \"a, b\" ,2\n"), ["1 1|a, b|2"]);
        assert_eq!(rows("\"a\"\t,\" b \" \n \"c\""), ["1 a| b ", "2 c"]);
        assert_eq!(rows_by("\"a\"\t\"b\"\n", Dialect::of(b'\t')), ["1 a|b"]);
        assert_eq!(rows(" a , b \n"), ["1  a | b "], "blanks without quotes stay");
    }

    #[test]
    fn quote_escape_comment_and_lines_before_the_header_are_as_the_dialect_says() {
        let dialect = Dialect { quote: Some(b'\''), comment: Some(b'#'), skip: 2, ..Dialect::of(b';') };
        let text = "title \"\n\n# note '\na;b\n'x;y';\"z\n#\n'it''s';2";
        assert_eq!(rows_by(text, dialect), ["4 a|b", "5 x;y|\"z", "7 it's|2"]);
        let dialect = Dialect { escape: Some(b'\\'), ..Dialect::of(b',') };
        assert_eq!(rows_by("\"x \\\"y\\\" \\\\\",\"p\"\"q\"\n", dialect), ["1 x \"y\" \\|p\"q"]);
        let dialect = Dialect { quote: None, ..Dialect::of(b',') };
        assert_eq!(rows_by("\"a,b\"\n", dialect), ["1 \"a|b\""]);
    }

    #[test]
    fn a_file_without_a_header_gets_names_for_its_fields() {
        let mut reader = reader("1,\"x\ny\"\n2,z\n", Dialect { header: false, ..Dialect::of(b',') }, false);
        assert!(reader.read_header(|_| Ok(())).unwrap());
        assert_eq!(reader.names, ["column_1", "column_2"]);
        assert_eq!(reader.next_row().unwrap().unwrap().line, 1);
        assert_eq!(reader.next_row().unwrap().unwrap().line, 3);
    }

    #[test]
    fn a_row_that_is_too_long_is_named_by_its_line() {
        let long = format!("a\nb\n{}", "x".repeat(3 * MAX_ROW_BYTES));
        assert_eq!(rows(&long).pop().unwrap(), "line 3 is longer than 1 MiB, more than a row may have");
    }

    #[test]
    fn what_is_cut_at_the_end_of_a_sample_is_no_row() {
        for text in ["a\nb\nc", "a\nb\n\"c\nd", "a\nb\n"] {
            let mut reader = reader(text, Dialect::of(b','), true);
            let mut count = 0;
            while reader.next_row().unwrap().is_some() {
                count += 1;
            }
            assert_eq!(count, 2, "{text:?}");
        }
    }
}
