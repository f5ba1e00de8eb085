//! A row, and the interface of the readers of all formats.

use runtime::Failure;

use crate::{
    notation::FieldKind,
    output::EmptiedCells,
    read::{detect::Certainty, text::TextReader},
};

/// Bytes that one row may have.
pub(crate) const MAX_ROW_BYTES: usize = 1024 * 1024;

/// Reads rows.
pub(crate) trait RowReader {
    /// The next row after the names; `None` at the end.
    fn next_row(&mut self) -> Result<Option<Row<'_>>, Failure>;
    /// The name of the text's encoding.
    fn encoding_name(&self) -> String;
    /// How sure it is that this is the encoding.
    fn certainty(&self) -> Certainty {
        Certainty::Certain
    }
    /// The cells so far that got no value, where the format has such.
    fn emptied(&self) -> EmptiedCells {
        EmptiedCells::default()
    }
}

/// One row.
pub(crate) struct Row<'a> {
    /// The line on which it starts, or its row in a sheet; from 1.
    pub(crate) line: u64,
    /// Its original text, without the line end.
    pub(crate) raw: &'a [u8],
    pub(crate) validity: Validity<'a>,
    /// The fields, one after the other, with `gap` bytes between two of them.
    pub(crate) fields: &'a [u8],
    pub(crate) ends: &'a [usize],
    pub(crate) gap: usize,
    /// Marks the fields that are text whatever they look like; empty where the format has no types.
    pub(crate) is_text: &'a [bool],
    /// The names of all fields, where a row may bring new ones.
    pub(crate) names: &'a [String],
}

/// The state of a row's text: a table cannot hold every one.
pub(crate) enum Validity<'a> {
    /// To be checked.
    Unchecked(&'a TextReader),
    Valid,
    /// It cannot, for this reason.
    Invalid(&'a str),
}

impl<'a> Row<'a> {
    /// The reason why a table cannot hold it.
    pub(crate) fn error(&self) -> Option<String> {
        match self.validity {
            Validity::Valid => None,
            Validity::Invalid(reason) => Some(reason.to_owned()),
            Validity::Unchecked(_) if memchr::memchr(0, self.raw).is_some() => {
                Some("it has a NUL character".to_owned())
            }
            Validity::Unchecked(text) => text.row_error(self.raw),
        }
    }

    /// The number of its fields.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if it has a value after that many fields.
    pub(crate) fn has_value_beyond(&self, fields: usize) -> bool {
        let has_types = !self.is_text.is_empty();
        let is_value = |field: &[u8]| !(if has_types { field } else { field.trim_ascii() }).is_empty();
        self.len() > fields && self.fields().skip(fields).any(is_value)
    }

    /// Bytes of its values; one that is empty takes one as well.
    pub(crate) fn bytes(&self) -> u64 {
        let (fields, values) = (self.ends.last().copied().unwrap_or_default(), self.ends.len());
        (fields + values.saturating_sub(self.gap * values)) as u64 + 1
    }

    /// Its fields, unquoted.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (fields, gap, mut from) = (self.fields, self.gap, 0);
        self.ends.iter().map(move |end| {
            let field = &fields[from..*end];
            from = end + gap;
            field
        })
    }

    /// What the format says of the field there.
    pub(crate) fn kind(&self, at: usize) -> FieldKind {
        match self.is_text.get(at) {
            None if self.is_text.is_empty() => FieldKind::Untyped,
            Some(true) => FieldKind::Text,
            Some(false) | None => FieldKind::Value,
        }
    }
}
