//! The plan of an import: how the file is read and mapped, from its beginning.

use std::sync::Arc;

use runtime::{Context, Failure, thread};
use tokio_util::sync::CancellationToken;

use crate::{
    definition::spec::ImportSpec,
    options::{Compression, Delimiter, Format},
    read::{
        sniff,
        source::{Chunks, FileSource, Peeked},
        unpack,
        values::ValueCount,
        workbook::{Workbook, WorkbookLimits},
    },
    schema::{
        limits::Limits,
        mapping::{ColumnLimit, ColumnMapping},
        text_plan::{Sample, TextFormat, TextLayout, TextPlan},
    },
};

/// Rows of a sheet whose types are inferred in advance.
const SAMPLE_ROWS: usize = 5000;

/// The plan of an import.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) bytes: u64,
    pub(crate) layout: Layout,
    pub(crate) mapping: ColumnMapping,
    /// What was found out of the file and is not what most files have.
    pub(crate) notes: Vec<String>,
}

/// The format of a file, with what its reader needs.
#[derive(Debug, Clone)]
pub(crate) enum Layout {
    Text(TextLayout),
    /// A workbook, copied to a temporary file.
    Sheet(Workbook),
}

impl Plan {
    /// Plans the import of a file from its beginning.
    pub(crate) async fn from_sample(
        context: &Context,
        spec: &Arc<ImportSpec>,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let (file, transfer) = FileSource::open(context, &spec.file, None).await?;
        let (spec, stop) = (spec.clone(), context.stop.clone());
        let planning = thread::run(move || Self::of_file(file.bytes, Box::new(file), &spec, limits, stop));
        let (plan, ()) = tokio::join!(planning, transfer);
        plan
    }

    /// Plans the import of a file of so many bytes; for a thread that may wait.
    pub(crate) fn of_file(
        bytes: u64,
        file: Box<dyn Chunks>,
        spec: &ImportSpec,
        limits: Limits,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let file = Peeked::new(file)?;
        if file.head().is_empty() {
            return Err(Failure::input("the file is empty"));
        }
        let compression = spec.options.compression.unwrap_or_else(|| sniff::compression(file.head()));
        let mut file = Peeked::new(unpack::unpack(Box::new(file), compression, limits.unpack))?;
        if sniff::is_compound_file(file.head()) {
            return Err(sniff::refuse_compound_file(&mut file)?);
        }
        let format = match spec.options.format {
            None => sniff::binary_format(file.head())?,
            given => given,
        };
        match format {
            Some(Format::Xlsx) if compression != Compression::None => {
                Err(Failure::input("the file is a packed workbook; unpack it and import that"))
            }
            Some(Format::Xlsx) => {
                let read = WorkbookLimits { unpack: limits.unpack, columns: limits.columns.max, stop };
                let workbook = Workbook::copy(file, spec.options.sheet.as_ref(), read)?;
                Self::of_sheet(bytes, workbook, spec, limits)
            }
            _ => {
                let TextPlan { encoding, format, mapping, notes } = Sample::read(file)?.plan(spec, limits, bytes)?;
                let layout = Layout::Text(TextLayout { compression, encoding, format });
                Ok(Self { bytes, layout, mapping, notes })
            }
        }
    }

    /// Plans the import of a sheet; for a thread that may wait.
    pub(super) fn of_sheet(bytes: u64, workbook: Workbook, spec: &ImportSpec, limits: Limits) -> Result<Self, Failure> {
        let mapping = map_sheet(&workbook, spec, limits.columns, ValueCount::new(limits.values, bytes))?;
        Ok(Self { bytes, layout: Layout::Sheet(workbook), mapping, notes: Vec::new() })
    }

    /// The character between fields, or `tab`; the format where it has none.
    pub(crate) fn delimiter(&self) -> String {
        match &self.layout {
            Layout::Text(TextLayout { format: TextFormat::Delimited(dialect), .. }) => {
                Delimiter(dialect.delimiter).name()
            }
            Layout::Text(TextLayout { format: TextFormat::JsonLines(_), .. }) => "jsonl".to_owned(),
            Layout::Sheet(_) => "xlsx".to_owned(),
        }
    }
}

fn map_sheet(
    workbook: &Workbook,
    spec: &ImportSpec,
    limit: ColumnLimit,
    values: ValueCount,
) -> Result<ColumnMapping, Failure> {
    workbook.read(None, |sheet| {
        if !sheet.read_header(|fields| limit.check(fields))? {
            return Err(Failure::input("the sheet has no header, only empty cells"));
        }
        let mut mapping = ColumnMapping::new(&sheet.names, spec)?;
        mapping.learn_types(sheet, SAMPLE_ROWS, values)?;
        Ok(mapping)
    })
}
