//! Counts what a file's values come to: a text that a workbook holds once may stand in a million of its cells, and a row of
//! JSON Lines is as wide as all the keys of the others.

use runtime::Failure;

use crate::read::{row::Row, unpack};

/// The limit of what the values of a file may come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueLimit {
    /// Bytes in all.
    pub(crate) max_bytes: u64,
}

/// The count of one reading of a file.
pub(crate) struct ValueCount {
    limit: ValueLimit,
    /// The file's size as it is stored.
    file_bytes: u64,
    bytes: u64,
}

impl ValueCount {
    pub(crate) fn new(limit: ValueLimit, file_bytes: u64) -> Self {
        Self { limit, file_bytes, bytes: 0 }
    }

    /// Adds a row, or refuses the file.
    pub(crate) fn add(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        self.bytes += row.bytes();
        if self.bytes > self.limit.max_bytes {
            let limit = self.limit.max_bytes >> 20;
            return Err(Failure::input(format!(
                "the file's values come to more than {limit} MiB, the most that is allowed (imports.value_limit)"
            )));
        }
        if unpack::is_bomb(self.file_bytes, self.bytes) {
            let times = unpack::MAX_RATIO;
            return Err(Failure::input(format!(
                "the file's values come to more than {times} times its size, so it is not read further; import it \
                 unpacked, or a workbook as CSV"
            )));
        }
        Ok(())
    }
}
