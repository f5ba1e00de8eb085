//! From stored bytes to rows, at bounded memory.
//!
//! - `source`: the chunks of a stored file, for a blocking thread; `unpack`: gzip and Zstandard; `text`: to UTF-8
//! - `sniff`: format, compression and delimiter from the first bytes
//! - `row`: the interface of the readers; `delimited` and `json_lines` read text; `values` counts what they come to
//! - `workbook` opens a workbook, `sheet` reads its rows; `archive` and `xml` check what it is made of, `xlsx` reads that;
//!   `cell` writes values as fields, `serial` days and times

pub(crate) mod archive;
pub(crate) mod cell;
pub(crate) mod delimited;
pub(crate) mod json_lines;
pub(crate) mod row;
pub(crate) mod serial;
pub(crate) mod sheet;
pub(crate) mod sniff;
pub(crate) mod source;
pub(crate) mod text;
pub(crate) mod unpack;
pub(crate) mod values;
pub(crate) mod workbook;
pub(crate) mod xlsx;
pub(crate) mod xml;
