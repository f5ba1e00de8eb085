//! Excel workbooks: copied to a temporary file, checked, then opened for their rows.

use std::{
    fs::File,
    io::{BufReader, Write},
    sync::Arc,
};

use calamine::{Reader, SheetType, SheetVisible, Xlsx};
use runtime::Failure;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::read::{
    archive,
    sheet::{SheetReader, catch_panic},
    source::Chunks,
    unpack::UnpackLimit,
};

/// Bytes that a workbook may have.
const MAX_BYTES: u64 = 1 << 30;

/// A checked workbook, and the sheet of it to read.
#[derive(Debug, Clone)]
pub(crate) struct Workbook {
    file: Arc<File>,
    sheet: Option<String>,
    stop: CancellationToken,
}

impl Workbook {
    /// Copies all the bytes and checks them.
    pub(crate) fn copy(
        mut chunks: impl Chunks,
        sheet: Option<String>,
        limit: UnpackLimit,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let copy_failed = |error| Failure::passing("the workbook could not be copied to a temporary file", error);
        let mut file = tempfile::tempfile().map_err(copy_failed)?;
        let mut length = 0;
        while let Some(chunk) = chunks.next()? {
            length += chunk.len() as u64;
            if length > MAX_BYTES {
                let limit = MAX_BYTES >> 20;
                return Err(Failure::input(format!("the workbook is larger than {limit} MiB; save it as CSV")));
            }
            file.write_all(&chunk).map_err(copy_failed)?;
        }
        let file = Arc::new(file);
        let check_stop = || if stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(()) };
        archive::check(&file, limit, &check_stop)?;
        Ok(Self { file, sheet, stop })
    }

    /// Opens the sheet and passes the reader of its rows to `work`.
    pub(crate) fn read<T>(
        &self,
        progress: Option<watch::Sender<f64>>,
        work: impl FnOnce(&mut SheetReader<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        archive::rewind(&self.file)?;
        let file = BufReader::new(self.file.clone());
        let mut workbook: Xlsx<_> = catch_panic(|| Xlsx::new(file))?;
        let name = self.sheet_name(&workbook)?;
        let cells = catch_panic(|| workbook.worksheet_cells_reader(&name))?;
        let mut sheet = SheetReader::new(cells, self.stop.clone(), progress);
        work(&mut sheet)
    }

    fn sheet_name(&self, workbook: &Xlsx<BufReader<Arc<File>>>) -> Result<String, Failure> {
        let sheets = workbook.sheets_metadata();
        let worksheets = || sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
        let Some(wanted) = &self.sheet else {
            let first =
                worksheets().find(|sheet| sheet.visible == SheetVisible::Visible).or_else(|| worksheets().next());
            let none = || Failure::input("the workbook has no sheet with cells");
            return first.map(|sheet| sheet.name.clone()).ok_or_else(none);
        };
        worksheets().find(|sheet| sheet.name == *wanted).map(|sheet| sheet.name.clone()).ok_or_else(|| {
            let names: Vec<_> = worksheets().take(20).map(|sheet| sheet.name.as_str()).collect();
            Failure::input(format!("sheet: the workbook has no sheet {wanted:?}; it has: {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::read::row::RowReader;

    #[test]
    fn a_sheet_is_left_when_told_whatever_the_numbers_of_its_rows() {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        // Every other row, so that no number is a round one.
        for row in 0..20_000 {
            sheet.write(row * 2, 0, row).unwrap();
        }
        let bytes = Bytes::from(book.save_to_buffer().unwrap());
        let stop = CancellationToken::new();
        let limit = UnpackLimit { max_bytes: 1 << 30 };
        let workbook = Workbook::copy(Some(bytes), None, limit, stop.clone()).unwrap();
        let read = workbook.read(None, |sheet| {
            sheet.read_header(|_| Ok(()))?;
            stop.cancel();
            while sheet.next_row()?.is_some() {}
            Ok(())
        });
        assert!(matches!(read, Err(Failure::Stopped)), "{read:?}");
    }
}
