//! The limits of a file and of a table.

use crate::{
    read::{unpack::UnpackLimit, values::ValueLimit},
    schema::mapping::ColumnLimit,
};

/// The limits of a file and of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) unpack: UnpackLimit,
    pub(crate) columns: ColumnLimit,
    pub(crate) values: ValueLimit,
}
