//! From stored bytes to rows, at bounded memory.
//!
//! - `source`: the chunks of a stored file, for a blocking thread; `unpack`: gzip and Zstandard
//! - `text`: to UTF-8, from a `charset` that `detect` finds out
//! - `sniff`: format and compression from the first bytes; `dialect`: delimiter, quotes and header from a `trial` of each on the first rows
//! - `row`: the interface of the readers; `values` counts what they come to
//! - `delimited` with `row_buffer` and `quoted`, and `json_lines` with `json_shape` and `json_fields`, read text
//! - `workbook` opens a workbook, `sheet` reads its rows; `archive` and `xml` check what it is made of, `xlsx` reads that;
//!   `cell` writes values as fields, `serial` days and times

pub(crate) mod archive;
pub(crate) mod cell;
pub(crate) mod charset;
pub(crate) mod delimited;
pub(crate) mod detect;
pub(crate) mod dialect;
pub(crate) mod dialect_search;
pub(crate) mod json_fields;
pub(crate) mod json_lines;
pub(crate) mod json_shape;
pub(crate) mod quoted;
pub(crate) mod row;
pub(crate) mod row_buffer;
pub(crate) mod serial;
pub(crate) mod sheet;
pub(crate) mod sniff;
pub(crate) mod source;
pub(crate) mod text;
pub(crate) mod trial;
pub(crate) mod unpack;
pub(crate) mod values;
pub(crate) mod workbook;
pub(crate) mod xlsx;
pub(crate) mod xml;
