//! What comes out of a query: columns, then rows in batches that cost two allocations each.

use std::ops::Range;

/// A batch is handed on when it has so many rows, or so many bytes of text.
const ROWS: usize = 1024;
const BYTES: usize = 256 * 1024;

/// What a query says, in this order.
pub(crate) enum Message {
    /// The names of its columns.
    Columns(Vec<String>),
    /// Some of its rows.
    Rows(Batch),
    /// There are no more.
    End,
}

/// A value, of the type that the database gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    /// A number as the database writes it, so that no digit is lost.
    Decimal(&'a str),
    /// `2026-11-22`.
    Date(&'a str),
    /// `2026-11-22 05:00:00`, perhaps with a fraction and a zone.
    Timestamp(&'a str),
    Text(&'a str),
}

impl Value<'_> {
    /// As a number, if it is one that can be drawn.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Real(number) => Some(*number),
            Self::Decimal(digits) => digits.parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite())
    }
}

/// What a text of a batch is.
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

/// Some rows.
pub(crate) struct Batch {
    width: usize,
    cells: Vec<Cell>,
    text: String,
}

impl Batch {
    /// Room for rows of so many values; a query without columns has none.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, cells: Vec::new(), text: String::new() }
    }

    pub(crate) fn push_null(&mut self) {
        self.cells.push(Cell::Null);
    }

    pub(crate) fn push_boolean(&mut self, truth: bool) {
        self.cells.push(Cell::Boolean(truth));
    }

    pub(crate) fn push_integer(&mut self, number: i64) {
        self.cells.push(Cell::Integer(number));
    }

    pub(crate) fn push_real(&mut self, number: f64) {
        self.cells.push(Cell::Real(number));
    }

    pub(crate) fn push_text(&mut self, kind: TextKind, text: &str) {
        let from = self.text.len();
        self.text.push_str(text);
        let place = |at: usize| u32::try_from(at).expect("a value has a gigabyte at most, and a batch less before it");
        self.cells.push(Cell::Text(kind, place(from), place(self.text.len())));
    }

    /// Whether it should be handed on; asked after each row.
    pub(crate) fn is_full(&self) -> bool {
        self.cells.len() >= ROWS * self.width || self.text.len() >= BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// What it holds, about.
    pub(crate) fn bytes(&self) -> u64 {
        (self.cells.len() * 8 + self.text.len()) as u64
    }

    /// Its rows, one after the other, in the same room.
    pub(crate) fn for_each<E>(&self, mut see: impl FnMut(&[Value<'_>]) -> Result<(), E>) -> Result<(), E> {
        let mut row = Vec::with_capacity(self.width);
        for cells in self.cells.chunks(self.width.max(1)) {
            row.clear();
            row.extend(cells.iter().map(|cell| self.value(*cell)));
            see(&row)?;
        }
        Ok(())
    }

    fn value(&self, cell: Cell) -> Value<'_> {
        match cell {
            Cell::Null => Value::Null,
            Cell::Boolean(truth) => Value::Boolean(truth),
            Cell::Integer(number) => Value::Integer(number),
            Cell::Real(number) => Value::Real(number),
            Cell::Text(kind, from, to) => {
                let text = &self.text[Range { start: from as usize, end: to as usize }];
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
