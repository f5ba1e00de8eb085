//! The dialect of a text with delimiters.

/// The dialect of a text with delimiters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// The byte between two fields.
    pub(crate) delimiter: u8,
    /// The byte around fields.
    pub(crate) quote: Option<u8>,
    /// The byte before a quote that ends nothing.
    pub(crate) escape: Option<u8>,
    /// The byte at the beginning of lines that are no rows.
    pub(crate) comment: Option<u8>,
    /// Lines before the first row.
    pub(crate) skip: u32,
    /// False if the first row is no header.
    pub(crate) header: bool,
}

impl Dialect {
    /// What nearly all files have, with this between fields.
    pub(crate) const fn of(delimiter: u8) -> Self {
        Self { delimiter, quote: Some(b'"'), escape: None, comment: None, skip: 0, header: true }
    }

    /// True for a blank that may stand beside a quote.
    pub(crate) fn is_blank(&self, byte: u8) -> bool {
        matches!(byte, b' ' | b'\t') && byte != self.delimiter
    }
}
