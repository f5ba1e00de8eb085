//! A workbook of Office Open XML, in its transitional and its strict form: only the parts that hold values are read, so
//! whatever else lies in the archive refuses nothing.
//!
//! - `package`: the parts of the archive by name; `checked` measures one while it is read; `part`: its XML
//! - `contents`: the list of sheets; `strings`: the shared texts; `formats`: which numbers are dates
//! - `cells`: the cells of one sheet

pub(crate) mod cells;
pub(crate) mod checked;
pub(crate) mod contents;
pub(crate) mod formats;
pub(crate) mod package;
pub(crate) mod part;
pub(crate) mod strings;
