//! The plans of several sheets of a workbook, each into a table of its own.

use std::sync::Arc;

use runtime::{Context, Failure, thread};
use tokio_util::sync::CancellationToken;

use crate::{
    definition::{request::SheetSpec, spec::ImportSpec},
    options::{Compression, Format},
    read::{
        sniff,
        source::{Chunks, FileSource, Peeked},
        workbook::{Workbook, WorkbookLimits},
    },
    schema::{limits::Limits, plan::Plan},
};

/// A workbook of which several sheets are imported.
pub(crate) struct OpenedWorkbook {
    workbook: Workbook,
    bytes: u64,
}

/// The plans of the sheets that are imported.
#[derive(Debug)]
pub(crate) struct SheetPlans {
    /// Each with its table.
    pub(crate) tables: Vec<(Arc<ImportSpec>, Plan)>,
    /// What of the workbook is left out.
    pub(crate) notes: Vec<String>,
}

impl OpenedWorkbook {
    /// Opens the file of a task; anything but a workbook is refused.
    pub(crate) async fn open(context: &Context, file: &storage::FileKey, limits: Limits) -> Result<Self, Failure> {
        let (file, transfer) = FileSource::open(context, file, None).await?;
        let (bytes, stop) = (file.bytes, context.stop.clone());
        let opening = thread::run(move || open(Box::new(file), limits, stop));
        let (workbook, ()) = tokio::join!(opening, transfer);
        Ok(Self { workbook: workbook?, bytes })
    }

    /// The names of the sheets that have a value, and of those that are left out.
    pub(crate) async fn sheets_with_values(&self) -> Result<(Vec<String>, Vec<String>), Failure> {
        let workbook = self.workbook.clone();
        thread::run(move || workbook.sheets_with_values()).await
    }

    /// Plans the import of these sheets; those that may be missing or empty, and are, are left out.
    pub(crate) async fn plan(self, sheets: Vec<SheetSpec>, limits: Limits) -> Result<SheetPlans, Failure> {
        thread::run(move || {
            let Self { workbook, bytes } = self;
            let mut plans = SheetPlans { tables: Vec::with_capacity(sheets.len()), notes: Vec::new() };
            for SheetSpec { sheet, optional, spec } in sheets {
                if optional && !workbook.has_values_in(&sheet)? {
                    plans.notes.push(format!("the sheet {sheet} is not there, or empty"));
                    continue;
                }
                let workbook = workbook.of(&sheet)?;
                let name = workbook.sheet().to_owned();
                let plan =
                    Plan::of_sheet(bytes, workbook, &spec, limits).map_err(|failure| of_sheet(&name, failure))?;
                plans.tables.push((Arc::new(spec), plan));
            }
            match plans.tables.is_empty() {
                true => {
                    Err(Failure::input("the workbook has none of the sheets of the definition, or no value in them"))
                }
                false => Ok(plans),
            }
        })
        .await
    }
}

fn open(file: Box<dyn Chunks>, limits: Limits, stop: CancellationToken) -> Result<Workbook, Failure> {
    let mut file = Peeked::new(file)?;
    if file.head().is_empty() {
        return Err(Failure::input("the file is empty"));
    }
    if sniff::is_compound_file(file.head()) {
        return Err(sniff::refuse_compound_file(&mut file)?);
    }
    let is_packed = sniff::compression(file.head()) != Compression::None;
    if is_packed || sniff::binary_format(file.head())? != Some(Format::Xlsx) {
        return Err(Failure::input("sheets: the file is no workbook (XLSX), and only those have sheets"));
    }
    Workbook::open(file, WorkbookLimits { unpack: limits.unpack, columns: limits.columns.max, stop })
}

/// Says of which sheet a failure is.
pub(crate) fn of_sheet(sheet: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Permanent { reason, message } => {
            Failure::Permanent { reason, message: format!("the sheet {sheet:?}: {message}") }
        }
        failure => failure,
    }
}
