//! The notation of a column's values: which of several ways a file writes numbers, dates and nothing.

use crate::{
    moment::DateOrder,
    number::{Decimal, Thousands},
    options::FileOptions,
};

/// What a format says of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// Nothing: it has no types.
    Untyped,
    /// It is text, whatever it looks like.
    Text,
    /// It is a number or the like, written as ours are.
    Value,
}

/// The notation of a column's values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notation {
    pub(crate) decimal: Decimal,
    pub(crate) thousands: Option<Thousands>,
    /// The order of dates that are not written year first.
    pub(crate) dates: Option<DateOrder>,
    /// Words that stand for no value in every column, because somebody said so.
    pub(crate) nulls: Vec<Vec<u8>>,
    /// Words that stand for no value in a column of numbers or dates, because everything else there is one.
    pub(crate) found_nulls: Vec<Vec<u8>>,
}

impl Notation {
    /// Ours: `1.5` and `2026-11-22`; empty is no value.
    pub(crate) const PLAIN: Self =
        Self { decimal: Decimal::Point, thousands: None, dates: None, nulls: Vec::new(), found_nulls: Vec::new() };

    /// What somebody said.
    pub(crate) fn given(options: &FileOptions) -> Self {
        let nulls = options.nulls.iter().flat_map(|words| &words.0).map(|word| word.clone().into_bytes());
        Self {
            decimal: options.decimal.unwrap_or_default(),
            thousands: options.thousands,
            dates: options.dates,
            nulls: nulls.collect(),
            found_nulls: Vec::new(),
        }
    }

    /// True if a field without blanks around it is a word for no value; those found out are none in a column that `is_text`.
    pub(crate) fn is_null(&self, field: &[u8], is_text: bool) -> bool {
        let is = |nulls: &[Vec<u8>]| nulls.iter().any(|null| null == field);
        is(&self.nulls) || (!is_text && is(&self.found_nulls))
    }
}
