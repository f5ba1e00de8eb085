//! The result of a query: columns, then rows in batches that cost two allocations each.

use super::value::Value;

/// A batch is full at this number of rows or bytes of text.
const ROWS: usize = 1024;
const BYTES: usize = 256 * 1024;

/// A part of the result, in this order.
pub(crate) enum Message {
    /// The names of the columns: a sheet begins.
    Columns(Vec<String>),
    Rows(RowBatch),
    End,
}

/// The type of a value that is kept as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    Decimal,
    Date,
    Timestamp,
    Text,
}

#[derive(Clone, Copy)]
enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(TextKind, u32, u32),
}

/// Some rows, all their texts in one buffer.
pub(crate) struct RowBatch {
    width: usize,
    cells: Vec<Cell>,
    text: String,
}

impl RowBatch {
    /// An empty batch for rows of `width` values; a query without columns has none.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, cells: Vec::new(), text: String::new() }
    }

    pub(crate) fn push_null(&mut self) {
        self.cells.push(Cell::Null);
    }

    pub(crate) fn push_boolean(&mut self, boolean: bool) {
        self.cells.push(Cell::Boolean(boolean));
    }

    pub(crate) fn push_integer(&mut self, number: i64) {
        self.cells.push(Cell::Integer(number));
    }

    pub(crate) fn push_real(&mut self, number: f64) {
        // A cell of a workbook has no negative zero.
        self.cells.push(Cell::Real(number + 0.0));
    }

    pub(crate) fn push_text(&mut self, kind: TextKind, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        let offset = |at: usize| u32::try_from(at).expect("a value has a gigabyte at most, and a batch less before it");
        self.cells.push(Cell::Text(kind, offset(start), offset(self.text.len())));
    }

    /// True if it should be sent; checked after each row.
    pub(crate) fn is_full(&self) -> bool {
        self.cells.len() >= ROWS * self.width || self.text.len() >= BYTES
    }

    /// Takes the rows and leaves an empty batch.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.width))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Its approximate size.
    pub(crate) fn bytes(&self) -> u64 {
        (self.cells.len() * 8 + self.text.len()) as u64
    }

    /// Visits its rows in order, in one reused buffer.
    pub(crate) fn for_each<E>(&self, mut visit: impl FnMut(&[Value<'_>]) -> Result<(), E>) -> Result<(), E> {
        let mut row = Vec::with_capacity(self.width);
        for cells in self.cells.chunks(self.width.max(1)) {
            row.clear();
            row.extend(cells.iter().map(|cell| self.value(*cell)));
            visit(&row)?;
        }
        Ok(())
    }

    fn value(&self, cell: Cell) -> Value<'_> {
        match cell {
            Cell::Null => Value::Null,
            Cell::Boolean(boolean) => Value::Boolean(boolean),
            Cell::Integer(number) => Value::Integer(number),
            Cell::Real(number) => Value::Real(number),
            Cell::Text(kind, start, end) => {
                let text = &self.text[start as usize..end as usize];
                match kind {
                    TextKind::Decimal => Value::Decimal(text),
                    TextKind::Date => Value::Date(text),
                    TextKind::Timestamp => Value::Timestamp(text),
                    TextKind::Text => Value::Text(text),
                }
            }
        }
    }
}
