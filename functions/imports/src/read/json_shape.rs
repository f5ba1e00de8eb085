//! The shape of a file of JSON: objects or arrays, on lines or after record separators.

/// The shape of a file of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonShape {
    /// The byte between two rows: a line end, or the record separator of RFC 7464.
    pub(crate) separator: u8,
    /// Set if a row is an array.
    pub(crate) arrays: bool,
    /// Set if the first array names the fields.
    pub(crate) header: bool,
}

/// The record separator of RFC 7464.
pub(crate) const RECORD_SEPARATOR: u8 = 0x1E;

impl JsonShape {
    /// The shape of a text by its beginning.
    pub(crate) fn find(text: &[u8], header: Option<bool>) -> Self {
        let text = text.trim_ascii_start();
        let separator = if text.first() == Some(&RECORD_SEPARATOR) { RECORD_SEPARATOR } else { b'\n' };
        let mut records = text.split(|byte| *byte == separator).map(trim);
        let first = records.find(|record| !record.is_empty()).unwrap_or_default();
        let names: Result<Vec<String>, _> = serde_json::from_slice(first);
        let is_header = names.is_ok_and(|names| !names.is_empty() && names.iter().all(|name| !name.trim().is_empty()));
        let arrays = first.first() == Some(&b'[');
        Self { separator, arrays, header: arrays && header.unwrap_or(is_header) }
    }
}

/// A record without the blanks and separators around it.
pub(crate) fn trim(record: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == RECORD_SEPARATOR;
    let from = record.iter().position(|byte| !is_space(byte)).unwrap_or(record.len());
    let to = record.iter().rposition(|byte| !is_space(byte)).map_or(from, |last| last + 1);
    &record[from..to]
}
