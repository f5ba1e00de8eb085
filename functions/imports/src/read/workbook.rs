//! Excel workbooks: copied to a temporary file, then opened for the rows of a sheet.

use std::{fs::File, io::Write, sync::Arc};

use runtime::Failure;
use tokio_util::sync::CancellationToken;

use crate::{
    options::SheetChoice,
    read::{
        sheet::SheetReader,
        source::{Chunks, Progress},
        unpack::UnpackLimit,
        xlsx::{
            cells::{CellContext, Cells},
            checked::PartKind,
            contents::{Contents, Sheet},
            formats::CellFormats,
            package::Package,
            strings::SharedTexts,
        },
    },
};

/// Bytes that a workbook may have.
const MAX_BYTES: u64 = 1 << 30;
/// The number of sheets that a message names.
const NAMED_SHEETS: usize = 20;

/// How a workbook is read.
#[derive(Debug, Clone)]
pub(crate) struct WorkbookLimits {
    pub(crate) unpack: UnpackLimit,
    /// Columns that a table can have.
    pub(crate) columns: usize,
    pub(crate) stop: CancellationToken,
}

/// A workbook, and the sheet of it to read.
#[derive(Debug, Clone)]
pub(crate) struct Workbook {
    file: Arc<File>,
    limits: WorkbookLimits,
    context: Arc<CellContext>,
    /// All of them.
    sheets: Arc<[Sheet]>,
    sheet: Sheet,
    /// Other visible sheets that have a value, which are not read.
    others: Vec<String>,
}

impl Workbook {
    /// Copies all the bytes, and chooses a sheet.
    pub(crate) fn copy(
        chunks: impl Chunks,
        wanted: Option<&SheetChoice>,
        limits: WorkbookLimits,
    ) -> Result<Self, Failure> {
        let mut workbook = Self::open(chunks, limits)?;
        match wanted {
            Some(wanted) => workbook.of(wanted),
            None => {
                workbook.choose()?;
                Ok(workbook)
            }
        }
    }

    /// Copies all the bytes; no sheet is read.
    pub(crate) fn open(mut chunks: impl Chunks, limits: WorkbookLimits) -> Result<Self, Failure> {
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
        let mut package = Package::open(&file, limits.unpack, limits.stop.clone())?;
        let contents = Contents::read(&mut package)?;
        let texts = SharedTexts::read(&mut package, contents.texts.as_deref())?;
        let formats = CellFormats::read(&mut package, contents.styles.as_deref())?;
        let context = Arc::new(CellContext { texts, formats, from_1904: contents.from_1904 });
        let none = || Failure::input("the workbook has no sheet with cells");
        let sheet = contents.sheets.first().cloned().ok_or_else(none)?;
        Ok(Self { file, limits, context, sheets: contents.sheets.into(), sheet, others: Vec::new() })
    }

    /// The same with another sheet to read.
    pub(crate) fn of(&self, wanted: &SheetChoice) -> Result<Self, Failure> {
        let sheet = find(&self.sheets, wanted).ok_or_else(|| no_such_sheet(&self.sheets, wanted))?.clone();
        Ok(Self { sheet, others: Vec::new(), ..self.clone() })
    }

    /// True if it has this sheet, and that a value.
    pub(crate) fn has_values_in(&self, wanted: &SheetChoice) -> Result<bool, Failure> {
        match find(&self.sheets, wanted) {
            Some(sheet) => Self { sheet: sheet.clone(), ..self.clone() }.has_values(),
            None => Ok(false),
        }
    }

    fn has_values(&self) -> Result<bool, Failure> {
        self.read(None, |sheet| sheet.read_header(|_| Ok(())))
    }

    /// The names of the sheets that have a value, of the visible ones if there is one; and of the others.
    pub(crate) fn sheets_with_values(&self) -> Result<(Vec<String>, Vec<String>), Failure> {
        for is_visible in [true, false] {
            let mut with_values = Vec::new();
            for sheet in self.sheets.iter().filter(|sheet| sheet.is_visible == is_visible) {
                if (Self { sheet: sheet.clone(), ..self.clone() }).has_values()? {
                    with_values.push(sheet.name.clone());
                }
            }
            if !with_values.is_empty() {
                let is_other = |sheet: &&Sheet| !with_values.contains(&sheet.name);
                let others = self.sheets.iter().filter(is_other).map(|sheet| sheet.name.clone());
                return Ok((with_values.clone(), others.collect()));
            }
        }
        Err(Failure::input("the workbook has no sheet with a value"))
    }

    /// Takes the first sheet that has a value, of the visible ones if there is one.
    fn choose(&mut self) -> Result<(), Failure> {
        let sheets = self.sheets.clone();
        let mut with_values = Vec::new();
        for sheet in sheets.iter().filter(|sheet| sheet.is_visible) {
            self.sheet = sheet.clone();
            match self.has_values() {
                Ok(true) => with_values.push(sheet),
                Ok(false) => {}
                // A broken sheet beside the one that is read refuses nothing.
                Err(Failure::Permanent { .. }) if !with_values.is_empty() => {}
                Err(failure) => return Err(failure),
            }
        }
        let hidden = sheets.iter().filter(|sheet| !sheet.is_visible);
        let chosen = with_values.first().copied().or_else(|| sheets.iter().find(|sheet| sheet.is_visible));
        if let Some(chosen) = chosen.or_else(|| hidden.clone().next()) {
            self.sheet = chosen.clone();
        }
        self.others = with_values.into_iter().skip(1).map(|sheet| sheet.name.clone()).collect();
        Ok(())
    }

    /// The name of the sheet that is read.
    pub(crate) fn sheet(&self) -> &str {
        &self.sheet.name
    }

    /// Other visible sheets that have a value; empty where the sheet was said.
    pub(crate) fn others(&self) -> &[String] {
        &self.others
    }

    /// Opens the sheet and passes the reader of its rows to `work`.
    pub(crate) fn read<T>(
        &self,
        progress: Option<Progress>,
        work: impl FnOnce(&mut SheetReader<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Self { file, limits, context, sheet, .. } = self;
        let mut package = Package::open(file, limits.unpack, limits.stop.clone())?;
        let missing = || {
            let Sheet { name, part, .. } = sheet;
            Failure::input(format!("the workbook is broken: the part {part} of its sheet {name:?} is missing"))
        };
        let part = package.part(&sheet.part, PartKind::Sheet)?.ok_or_else(missing)?;
        work(&mut SheetReader::new(Cells::new(part, context), limits.columns, progress))
    }
}

/// The sheet that is wanted.
fn find<'a>(sheets: &'a [Sheet], wanted: &SheetChoice) -> Option<&'a Sheet> {
    match wanted {
        SheetChoice::Position(position) => position.checked_sub(1).and_then(|at| sheets.get(at)),
        SheetChoice::Name(name) => by_name(sheets, name),
        SheetChoice::Names(names) => names.iter().find_map(|name| by_name(sheets, name)),
    }
}

fn no_such_sheet(sheets: &[Sheet], wanted: &SheetChoice) -> Failure {
    let names: Vec<_> = sheets.iter().take(NAMED_SHEETS).map(|sheet| sheet.name.as_str()).collect();
    Failure::input(format!("sheet: the workbook has no sheet {wanted}; it has: {}", names.join(", ")))
}

/// A sheet by its name; where none is written so, one that differs by case or blanks, as no two sheets may.
fn by_name<'a>(sheets: &'a [Sheet], name: &str) -> Option<&'a Sheet> {
    let same = |sheet: &&Sheet| sheet.name.trim().to_lowercase() == name.trim().to_lowercase();
    sheets.iter().find(|sheet| sheet.name == name).or_else(|| sheets.iter().find(same))
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
        let unpack = UnpackLimit { max_bytes: 1 << 30 };
        let limits = WorkbookLimits { unpack, columns: 10, stop: stop.clone() };
        let workbook = Workbook::copy(Some(bytes), None, limits).unwrap();
        let read = workbook.read(None, |sheet| {
            sheet.read_header(|_| Ok(()))?;
            stop.cancel();
            while sheet.next_row()?.is_some() {}
            Ok(())
        });
        assert!(matches!(read, Err(Failure::Stopped)), "{read:?}");
    }
}
