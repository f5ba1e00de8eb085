//! Excel workbooks: a copy in a file of no name, looked through, then read sheet row by sheet row.

use std::{
    fs::File,
    io::{BufReader, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use calamine::{Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use runtime::Failure;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    archive,
    sheet::{Sheet, Watch},
    source::Pieces,
    unpack::UnpackLimit,
};

/// Bytes that a workbook may have.
const LARGEST: u64 = 1 << 30;

/// A workbook that may be opened, and the sheet of it that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Workbook {
    file: Arc<File>,
    sheet: Option<String>,
    stop: CancellationToken,
}

impl Workbook {
    /// Takes all the bytes and looks through them.
    pub(crate) fn copy(
        mut pieces: impl Pieces,
        sheet: Option<String>,
        limit: UnpackLimit,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let room = |error| Failure::passing("the workbook could not be copied to a temporary file", error);
        let mut file = tempfile::tempfile().map_err(room)?;
        let mut length = 0;
        while let Some(piece) = pieces.next()? {
            length += piece.len() as u64;
            if length > LARGEST {
                let most = LARGEST >> 20;
                return Err(Failure::input(format!("the workbook is larger than {most} MiB; save it as CSV")));
            }
            file.write_all(&piece).map_err(room)?;
        }
        let file = Arc::new(file);
        let going_on = || if stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(()) };
        archive::check(&file, limit, &going_on)?;
        Ok(Self { file, sheet, stop })
    }

    /// Has the rows of the sheet read.
    pub(crate) fn read<T>(
        &self,
        progress: Option<watch::Sender<f64>>,
        work: impl FnOnce(&mut Sheet<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        archive::rewind(&self.file)?;
        let file = BufReader::new(self.file.clone());
        let mut workbook: Xlsx<_> = guarded(|| Xlsx::new(file))?;
        let name = self.name(&workbook)?;
        let cells = guarded(|| workbook.worksheet_cells_reader(&name))?;
        let mut sheet = Sheet::new(cells, Watch { stop: self.stop.clone(), progress });
        work(&mut sheet)
    }

    fn name(&self, workbook: &Xlsx<BufReader<Arc<File>>>) -> Result<String, Failure> {
        let sheets = workbook.sheets_metadata();
        let of_cells = || sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
        let Some(wanted) = &self.sheet else {
            let first = of_cells().find(|sheet| sheet.visible == SheetVisible::Visible).or_else(|| of_cells().next());
            let none = || Failure::input("the workbook has no sheet with cells");
            return first.map(|sheet| sheet.name.clone()).ok_or_else(none);
        };
        of_cells().find(|sheet| sheet.name == *wanted).map(|sheet| sheet.name.clone()).ok_or_else(|| {
            let names: Vec<_> = of_cells().take(20).map(|sheet| sheet.name.as_str()).collect();
            Failure::input(format!("sheet: the workbook has no sheet {wanted:?}; it has: {}", names.join(", ")))
        })
    }
}

/// Has the library read; where it panics over a hostile file, the file is broken and not the worker.
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T, XlsxError>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(broken),
        Err(_) => Err(Failure::input("the workbook is broken; what it says of itself makes no sense")),
    }
}

fn broken(error: XlsxError) -> Failure {
    match error {
        XlsxError::Password => archive::protected(),
        error => Failure::input(format!("the workbook is broken: {error}")),
    }
}
