//! The text of the current row and what follows it, at bounded memory.

use runtime::Failure;

use crate::read::{row::MAX_ROW_BYTES, text::TextReader};

/// Text that is not passed on yet.
pub(crate) struct RowBuffer {
    pub(crate) text: TextReader,
    pub(crate) bytes: Vec<u8>,
    /// The position at which the current row starts, and its line.
    pub(crate) row: usize,
    pub(crate) line: u64,
    /// The position up to which the current row is read.
    pub(crate) read: usize,
    /// Set if nothing follows the bytes.
    pub(crate) ended: bool,
    /// The quote that is open, as bytes from the start of the row.
    pub(crate) open_quote: Option<usize>,
}

impl RowBuffer {
    pub(crate) fn new(text: TextReader) -> Self {
        Self { text, bytes: Vec::new(), row: 0, line: 1, read: 0, ended: false, open_quote: None }
    }

    /// The bytes that are not read yet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    /// The current row as far as it is read.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.bytes[self.row..self.read]
    }

    /// Gets more text, throwing away what is before the current row.
    pub(crate) fn fill(&mut self) -> Result<(), Failure> {
        self.bytes.drain(..self.row);
        self.read -= self.row;
        self.row = 0;
        if self.bytes.len() > MAX_ROW_BYTES {
            return Err(self.too_long());
        }
        self.ended = !self.text.fill(&mut self.bytes)?;
        Ok(())
    }

    /// The byte that many bytes further; `None` if the text ends before.
    pub(crate) fn peek(&mut self, further: usize) -> Result<Option<u8>, Failure> {
        loop {
            match self.bytes.get(self.read + further) {
                None if !self.ended => self.fill()?,
                byte => return Ok(byte.copied()),
            }
        }
    }

    /// Reads a line end, if one is next.
    pub(crate) fn skip_line_end(&mut self) -> Result<bool, Failure> {
        match self.peek(0)? {
            Some(b'\n') => self.read += 1,
            Some(b'\r') => self.read += if self.peek(1)? == Some(b'\n') { 2 } else { 1 },
            _ => return Ok(false),
        }
        self.line += 1;
        Ok(true)
    }

    /// Reads up to the end of the line, which may be quoted.
    pub(crate) fn skip_to_line_end(&mut self) -> Result<(), Failure> {
        loop {
            if let Some(at) = memchr::memchr2(b'\n', b'\r', self.rest()) {
                self.read += at;
                return Ok(());
            }
            self.read = self.bytes.len();
            if self.ended {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// The line of a position in the current row.
    pub(crate) fn line_of(&self, offset: usize) -> u64 {
        self.line + count_lines(&self.bytes[self.row..self.row + offset])
    }

    /// Ends the import over a row that is longer than the buffer.
    pub(crate) fn too_long(&self) -> Failure {
        Failure::input(match self.open_quote {
            Some(open) => {
                let line = self.line_of(open);
                format!("the quote that opens in line {line} does not close within 1 MiB, more than a row may have")
            }
            None => format!("line {} is longer than 1 MiB, more than a row may have", self.line),
        })
    }
}

/// The number of line ends in a text: of Unix, of Windows and of old Macintoshes.
pub(crate) fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr2_iter(b'\n', b'\r', text)
        .filter(|at| text[*at] == b'\r' || *at == 0 || text[at - 1] != b'\r')
        .count() as u64
}
