//! Tries a dialect on the first rows of a text.

use bytes::Bytes;

use crate::{
    clues::Clues,
    moment::WrittenDate,
    number,
    read::{
        delimited::DelimitedReader,
        dialect::Dialect,
        row::{RowReader, Validity},
        text::TextReader,
    },
};

/// Rows that a dialect is tried on.
const SAMPLE_ROWS: usize = 200;
/// Rows before a header that are looked past.
const MAX_ROWS_BEFORE_HEADER: usize = 20;

/// The rows of a sample by a dialect.
pub(crate) struct Trial {
    pub(crate) dialect: Dialect,
    rows: Vec<TriedRow>,
    /// Set if no quote is wrong.
    pub(crate) is_clean: bool,
    /// The rows with quotes around a field.
    pub(crate) quoted_rows: usize,
}

struct TriedRow {
    line: u64,
    is_comment: bool,
    fields: Vec<FieldLook>,
}

/// What a field looks like, as far as it tells a header from a row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum FieldLook {
    Empty,
    Text,
    /// A whole number, of which there are headers, such as years.
    Count(f64),
    /// Another number.
    Number(f64),
    Date,
}

impl Trial {
    pub(crate) fn run(sample: &Bytes, truncated: bool, dialect: Dialect) -> Self {
        let text = TextReader::of_utf_8(sample.clone());
        let mut reader = DelimitedReader::new(text, dialect, truncated);
        let (mut rows, mut is_clean, mut quoted_rows) = (Vec::new(), true, 0);
        while rows.len() < SAMPLE_ROWS {
            match reader.next_row() {
                Ok(None) => break,
                Ok(Some(row)) => {
                    is_clean &= !matches!(row.validity, Validity::Invalid(_));
                    quoted_rows += usize::from(has_quotes(row.raw, dialect));
                    let is_comment = row.raw.starts_with(b"#");
                    let fields = row.fields().map(FieldLook::of).collect();
                    rows.push(TriedRow { line: row.line, is_comment, fields });
                }
                Err(_) => {
                    is_clean = false;
                    break;
                }
            }
        }
        Self { dialect, rows, is_clean, quoted_rows }
    }

    /// The best of several; of equals, the first.
    pub(crate) fn best(trials: impl Iterator<Item = Self>) -> Self {
        let none = Self { dialect: Dialect::of(b','), rows: Vec::new(), is_clean: false, quoted_rows: 0 };
        trials.reduce(|best, next| if next.score() > best.score() { next } else { best }).unwrap_or(none)
    }

    /// The rows in a thousand that have as many fields as the first, that number of fields, and the fields that are
    /// numbers or dates.
    pub(crate) fn score(&self) -> (usize, usize, usize) {
        let fields = self.rows.first().map_or(0, |row| row.fields.len());
        if fields < 2 {
            return (0, 0, 0);
        }
        let matching = self.rows.iter().filter(|row| row.fields.len() == fields).count();
        let values = self.rows.iter().flat_map(|row| &row.fields).filter(|field| field.is_value()).count();
        (matching * 1000 / self.rows.len(), fields, values)
    }

    /// The lines before the header, where what stands there is clearly no part of the table: the rows below all have as
    /// many fields as the header, and in one of its columns it alone is no number or date.
    pub(crate) fn lines_before_header(&self) -> Option<u32> {
        let width = self.rows.last()?.fields.len();
        let at = self.rows.iter().position(|row| row.fields.len() == width)?;
        let is_apart = |row: &TriedRow| row.is_comment || row.fields.len() <= (width / 2).max(1);
        let (header, below) = (self.rows.get(at)?, self.rows.get(at + 1..)?);
        let matching = below.iter().filter(|row| row.fields.len() == width).count();
        let is_header = header.fields.iter().all(|field| *field == FieldLook::Text);
        let has_typed_column = (0..width).any(|column| is_column(below, column, |field| field.is_value()));
        let is_clear = (1..=MAX_ROWS_BEFORE_HEADER).contains(&at)
            && width > 1
            && self.rows[..at].iter().all(is_apart)
            && below.len() >= 2
            && matching * 10 >= below.len() * 9
            && is_header
            && has_typed_column;
        if !is_clear {
            return None;
        }
        u32::try_from(header.line - 1).ok()?.checked_sub(self.dialect.skip)
    }

    /// True if the first row is clearly one of values: each column is of numbers or of dates from it on, and its own can be
    /// no names, of which no two are the same, and none has a fraction unless they count up.
    pub(crate) fn begins_with_values(&self) -> bool {
        let Some((first, below)) = self.rows.split_first() else { return false };
        let first = &first.fields;
        let numbers: Vec<_> = first.iter().filter_map(|field| field.number()).collect();
        let counts_up = numbers.len() > 2 && numbers.is_sorted_by(|one, next| one < next);
        let has_fraction = first.iter().any(|field| matches!(field, FieldLook::Number(_) | FieldLook::Date));
        let is_repeated = first.iter().enumerate().any(|(at, field)| first[..at].contains(field));
        let goes_on = |(column, field): (usize, &FieldLook)| match field {
            FieldLook::Date => is_column(below, column, |field| *field == FieldLook::Date),
            field => field.is_value() && is_column(below, column, |field| field.number().is_some()),
        };
        ((has_fraction && !counts_up) || is_repeated) && first.iter().enumerate().all(goes_on)
    }
}

/// True if a row has quotes around one of its fields.
fn has_quotes(row: &[u8], Dialect { delimiter, quote, .. }: Dialect) -> bool {
    let Some(quote) = quote else { return false };
    let has = |pair: [u8; 2]| memchr::memmem::find(row, &pair).is_some();
    (row.first() == Some(&quote) || has([delimiter, quote])) && (row.last() == Some(&quote) || has([quote, delimiter]))
}

/// True if a column has values, all of which are such.
fn is_column(rows: &[TriedRow], column: usize, is_such: impl Fn(&FieldLook) -> bool) -> bool {
    let fields = rows.iter().filter_map(|row| row.fields.get(column)).filter(|field| **field != FieldLook::Empty);
    let mut fields = fields.peekable();
    fields.peek().is_some() && fields.all(is_such)
}

impl FieldLook {
    fn of(field: &[u8]) -> Self {
        let field = field.trim_ascii();
        if field.is_empty() || Clues::is_null_word(field) {
            return Self::Empty;
        }
        if field.len() >= 8 && WrittenDate::parse(field).is_some() {
            return Self::Date;
        }
        if let Some(count) = number::parse_integer(field).filter(|count| *count >= 0) {
            return Self::Count(count as f64);
        }
        if !Clues::is_value(field) {
            return Self::Text;
        }
        // Whatever stands before its fraction.
        let point = field.iter().map(|byte| if *byte == b',' { b'.' } else { *byte }).collect::<Vec<_>>();
        Self::Number(number::parse_number(&point).unwrap_or(f64::NAN))
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::Count(number) | Self::Number(number) => Some(number),
            _ => None,
        }
    }

    fn is_value(self) -> bool {
        matches!(self, Self::Count(_) | Self::Number(_) | Self::Date)
    }
}
