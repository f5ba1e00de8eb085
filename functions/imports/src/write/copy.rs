//! Rows in the text format of PostgreSQL's COPY.

use runtime::Failure;
use tokio::sync::mpsc;

use crate::{column::Value, read::row::Row, write::load::RowSink};

/// Bytes that are sent at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// Sends rows to the connection, chunk by chunk; used by a blocking thread.
pub(crate) struct CopySink {
    chunks: mpsc::Sender<Vec<u8>>,
    buffer: Vec<u8>,
    /// The start of the current row.
    row_start: usize,
}

impl CopySink {
    pub(crate) fn new(chunks: mpsc::Sender<Vec<u8>>) -> Self {
        Self { chunks, buffer: Vec::with_capacity(CHUNK_BYTES * 2), row_start: 0 }
    }

    /// Sends the buffer.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES * 2));
        self.row_start = 0;
        // The channel is closed once the connection has failed, which is reported there.
        self.chunks.blocking_send(chunk).map_err(|_| Failure::Stopped)
    }
}

impl RowSink for CopySink {
    fn put(&mut self, column: usize, text: &[u8], value: Value) -> Result<(), Failure> {
        write_field(column, text, value, &mut self.buffer);
        Ok(())
    }

    fn end_row(&mut self, _: &Row<'_>) -> Result<(), Failure> {
        self.buffer.push(b'\n');
        self.row_start = self.buffer.len();
        if self.buffer.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    fn discard_row(&mut self) {
        self.buffer.truncate(self.row_start);
    }
}

/// Writes a field in the text format of COPY.
pub(crate) fn write_field(column: usize, text: &[u8], value: Value, to: &mut Vec<u8>) {
    if column > 0 {
        to.push(b'\t');
    }
    match value {
        Value::Null => to.extend_from_slice(b"\\N"),
        Value::Boolean(value) => to.push(if value { b't' } else { b'f' }),
        Value::Integer(_) | Value::Number(_) => to.extend_from_slice(text),
        Value::Text => escape(text, to),
    }
}

fn escape(text: &[u8], to: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\n' | b'\r' | b'\t')) {
        let letter = match rest[at] {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            other => other,
        };
        to.extend_from_slice(&rest[..at]);
        to.extend_from_slice(&[b'\\', letter]);
        rest = &rest[at + 1..];
    }
    to.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::row::Validity;

    #[test]
    fn a_row_is_written_so_that_nothing_in_it_ends_it() {
        let (sender, mut chunks) = mpsc::channel(1);
        let mut rows = CopySink::new(sender);
        rows.put(0, b"lost", Value::Text).unwrap();
        rows.discard_row();
        rows.put(0, b"a\tb\\N\r\n\\.", Value::Text).unwrap();
        rows.put(1, b"", Value::Null).unwrap();
        rows.put(2, b"TRUE", Value::Boolean(true)).unwrap();
        rows.put(3, b"1.50", Value::Number(1.5)).unwrap();
        let row = Row {
            line: 1,
            raw: b"",
            validity: Validity::Valid,
            fields: b"",
            ends: &[],
            gap: 0,
            is_text: &[],
            names: &[],
        };
        rows.end_row(&row).unwrap();
        rows.flush().unwrap();
        assert_eq!(chunks.try_recv().unwrap(), b"a\\tb\\\\N\\r\\n\\\\.\t\\N\tt\t1.50\n");
    }
}
