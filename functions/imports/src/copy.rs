//! Rows in the text format of PostgreSQL's COPY.

use runtime::Failure;
use tokio::sync::mpsc;

use crate::{column::Value, load::Sink};

/// Bytes that are sent at once.
const PIECE: usize = 128 * 1024;

/// Rows on their way to the connection; used by a blocking thread.
pub(crate) struct Copy {
    pieces: mpsc::Sender<Vec<u8>>,
    waiting: Vec<u8>,
    /// Where the row at hand begins.
    row: usize,
}

impl Copy {
    pub(crate) fn new(pieces: mpsc::Sender<Vec<u8>>) -> Self {
        Self { pieces, waiting: Vec::with_capacity(PIECE * 2), row: 0 }
    }

    /// Sends what waits.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        let piece = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE * 2));
        self.row = 0;
        // Nobody listens once the connection has failed, which says so itself.
        self.pieces.blocking_send(piece).map_err(|_| Failure::Stopped)
    }
}

impl Sink for Copy {
    fn put(&mut self, column: usize, text: &[u8], value: Value) -> Result<(), Failure> {
        if column > 0 {
            self.waiting.push(b'\t');
        }
        match value {
            Value::Null => self.waiting.extend_from_slice(b"\\N"),
            Value::Boolean(value) => self.waiting.push(if value { b't' } else { b'f' }),
            Value::Integer(_) | Value::Number(_) => self.waiting.extend_from_slice(text),
            Value::Text => escape(text, &mut self.waiting),
        }
        Ok(())
    }

    fn row(&mut self) -> Result<(), Failure> {
        self.waiting.push(b'\n');
        self.row = self.waiting.len();
        if self.waiting.len() >= PIECE { self.end() } else { Ok(()) }
    }

    fn undo(&mut self) {
        self.waiting.truncate(self.row);
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

    #[test]
    fn a_row_is_written_so_that_nothing_in_it_ends_it() {
        let (sender, mut pieces) = mpsc::channel(1);
        let mut rows = Copy::new(sender);
        rows.put(0, b"lost", Value::Text).unwrap();
        rows.undo();
        rows.put(0, b"a\tb\\N\r\n\\.", Value::Text).unwrap();
        rows.put(1, b"", Value::Null).unwrap();
        rows.put(2, b"TRUE", Value::Boolean(true)).unwrap();
        rows.put(3, b"1.50", Value::Number(1.5)).unwrap();
        rows.row().unwrap();
        rows.end().unwrap();
        assert_eq!(pieces.try_recv().unwrap(), b"a\\tb\\\\N\\r\\n\\\\.\t\\N\tt\t1.50\n");
    }
}
