//! Splits a row that has quotes in it.

use runtime::Failure;

use crate::read::{dialect::Dialect, row_buffer::RowBuffer};

/// The fields of a row without their quotes, one after the other.
#[derive(Default)]
pub(crate) struct QuotedFields {
    pub(crate) content: Vec<u8>,
    pub(crate) ends: Vec<usize>,
}

/// What became of a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Fields,
    /// Text follows a closing quote, so it is not known where the row ends; positions are bytes from its start.
    TextAfterQuote {
        opens: usize,
        text: usize,
    },
    /// The text ends within quotes.
    Unclosed {
        opens: usize,
    },
}

impl QuotedFields {
    /// Reads the row at which the buffer stands, up to its line end.
    pub(crate) fn split(&mut self, buffer: &mut RowBuffer, dialect: &Dialect, quote: u8) -> Result<Split, Failure> {
        self.content.clear();
        self.ends.clear();
        loop {
            match blanks_before_quote(buffer, dialect, quote)? {
                Some(blanks) => {
                    buffer.read += blanks;
                    let opens = buffer.read - buffer.row;
                    buffer.open_quote = Some(opens);
                    if !self.read_quoted(buffer, dialect, quote)? {
                        return Ok(Split::Unclosed { opens });
                    }
                    buffer.open_quote = None;
                    while buffer.peek(0)?.is_some_and(|byte| dialect.is_blank(byte)) {
                        buffer.read += 1;
                    }
                    let next = buffer.peek(0)?;
                    if next.is_some_and(|next| next != dialect.delimiter && !matches!(next, b'\n' | b'\r')) {
                        return Ok(Split::TextAfterQuote { opens, text: buffer.read - buffer.row });
                    }
                }
                None => self.read_plain(buffer, dialect)?,
            }
            self.ends.push(self.content.len());
            if buffer.peek(0)? != Some(dialect.delimiter) {
                return Ok(Split::Fields);
            }
            buffer.read += 1;
        }
    }

    /// Reads from an opening quote past its closing one; `false` if there is none.
    fn read_quoted(&mut self, buffer: &mut RowBuffer, dialect: &Dialect, quote: u8) -> Result<bool, Failure> {
        let escape = dialect.escape.unwrap_or(quote);
        buffer.read += 1;
        loop {
            let rest = buffer.rest();
            let Some(at) = memchr::memchr2(quote, escape, rest) else {
                self.content.extend_from_slice(rest);
                buffer.read = buffer.bytes.len();
                if buffer.ended {
                    return Ok(false);
                }
                buffer.fill()?;
                continue;
            };
            self.content.extend_from_slice(&rest[..at]);
            let (is_quote, next) = (rest[at] == quote, buffer.peek(at + 1)?);
            buffer.read += at + 1;
            match next {
                Some(next) if !is_quote || next == quote => {
                    self.content.push(next);
                    buffer.read += 1;
                }
                None if !is_quote => return Ok(false),
                _ => return Ok(true),
            }
        }
    }

    fn read_plain(&mut self, buffer: &mut RowBuffer, dialect: &Dialect) -> Result<(), Failure> {
        loop {
            let rest = buffer.rest();
            let end = memchr::memchr3(dialect.delimiter, b'\n', b'\r', rest);
            let length = end.unwrap_or(rest.len());
            self.content.extend_from_slice(&rest[..length]);
            buffer.read += length;
            if end.is_some() || buffer.ended {
                return Ok(());
            }
            buffer.fill()?;
        }
    }
}

/// The blanks before a quote that opens a field; `None` if the field has no quotes around it.
fn blanks_before_quote(buffer: &mut RowBuffer, dialect: &Dialect, quote: u8) -> Result<Option<usize>, Failure> {
    let mut blanks = 0;
    while buffer.peek(blanks)?.is_some_and(|byte| dialect.is_blank(byte)) {
        blanks += 1;
    }
    if buffer.peek(blanks)? != Some(quote) {
        return Ok(None);
    }
    // After blanks a quote may be a part of the text, unless the field ends with one as well.
    Ok((blanks == 0 || ends_quoted(buffer, dialect, quote, blanks + 1)?).then_some(blanks))
}

/// True if what is quoted from there on ends on this line, and the field with it.
fn ends_quoted(buffer: &mut RowBuffer, dialect: &Dialect, quote: u8, from: usize) -> Result<bool, Failure> {
    let mut at = from;
    loop {
        match buffer.peek(at)? {
            None | Some(b'\n' | b'\r') => return Ok(false),
            Some(byte) if Some(byte) == dialect.escape && byte != quote => at += 2,
            Some(byte) if byte == quote && buffer.peek(at + 1)? == Some(quote) => at += 2,
            Some(byte) if byte == quote => break,
            Some(_) => at += 1,
        }
    }
    at += 1;
    while buffer.peek(at)?.is_some_and(|byte| dialect.is_blank(byte)) {
        at += 1;
    }
    Ok(buffer.peek(at)?.is_none_or(|next| next == dialect.delimiter || matches!(next, b'\n' | b'\r')))
}
