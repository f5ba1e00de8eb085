//! PDF: pages that look like the page in HTML: title, what the report says about itself, chart, and a table whose header is on
//! each page. A page is written as soon as it is full.

mod chart;
mod document;
pub(crate) mod font;
mod lines;
mod page;
mod paper;
mod section;

use std::{io, sync::Arc};

use runtime::Failure;

use self::{
    font::FontFiles,
    page::{LANDSCAPE, SMALL},
    paper::Paper,
    section::{Cell, Section},
};
use super::{error::WriteError, report_file::ReportFile};
use crate::{
    about::{About, WrittenSheet, shortened},
    chart::data::ChartResult,
    definition::{column::Column, sheet::SheetDefinition},
    query::value::{Display, Value},
    upload::UploadWriter,
};

/// The least width of a column.
const MIN_COLUMN: f32 = 22.0;
/// Most characters of a value in the head of the document.
const MAX_ENTRY: usize = 200;
const MAX_DESCRIPTION: usize = 1000;

const CODES: &str = "A letter that no font here has, or that is read from right to left or joined with its neighbours, is \
                     shown by its code in brackets; copying it gives the letter.";

pub(super) struct PdfFile {
    paper: Paper,
    about: Arc<About>,
    display: Display,
    section: Option<Section>,
    is_first: bool,
}

impl PdfFile {
    pub(super) fn new(
        out: UploadWriter,
        about: Arc<About>,
        display: Display,
        files: Arc<FontFiles>,
    ) -> Result<Self, WriteError> {
        let paper = Paper::new(out, &about, files)?;
        Ok(Self { paper, about, display, section: None, is_first: true })
    }

    /// Begins the pages of the current sheet, once it is known how wide its columns are.
    fn open_section(&mut self) -> io::Result<()> {
        let (Some(section), paper) = (&mut self.section, &mut self.paper) else { return Ok(()) };
        let size = section.measure(&mut paper.fonts);
        paper.begin_page(size)?;
        if self.is_first {
            self.is_first = false;
            paper.heading(&self.about.title, 16.0)?;
            if !self.about.description.is_empty() {
                paper.paragraph(&shortened(&self.about.description, MAX_DESCRIPTION), 9.0)?;
                paper.page().y += SMALL * 0.4;
            }
            for (name, value) in self.about.entries() {
                paper.paragraph(&format!("{name}: {}", shortened(&value, MAX_ENTRY)), SMALL)?;
            }
        }
        section.open(paper)
    }
}

impl ReportFile for PdfFile {
    fn begin_sheet(&mut self, sheet: &SheetDefinition, columns: &[Column]) -> Result<(), WriteError> {
        let most = ((LANDSCAPE.width - 2.0 * page::MARGIN) / MIN_COLUMN) as usize;
        if columns.len() > most {
            let message = format!(
                "The report has {} columns; a page of a PDF has {most} at most. Take XLSX or CSV.",
                columns.len()
            );
            return Err(Failure::Permanent { reason: "pdf", message }.into());
        }
        let heading = self.about.heading(sheet).map(str::to_owned);
        self.section = Some(Section::new(heading, columns, sheet.chart.as_ref()));
        Ok(())
    }

    fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        let Some(section) = &mut self.section else { return Ok(()) };
        let cell = |(value, column): (&Value<'_>, &Column)| Cell {
            text: self.display.text(value, column.format).into_owned(),
            is_number: matches!(value, Value::Integer(_) | Value::Real(_) | Value::Decimal(_)),
        };
        let cells: Vec<_> = row.iter().zip(&section.columns).map(cell).collect();
        if section.is_open() {
            return Ok(section.write_row(&mut self.paper, &cells)?);
        }
        if section.wait(cells) { Ok(self.open_section()?) } else { Ok(()) }
    }

    fn end_sheet(&mut self, rows: u64, chart: Option<ChartResult>) -> Result<(), WriteError> {
        if let Some(section) = self.section.as_mut().filter(|section| !section.is_open()) {
            if matches!(chart, Some(Err(_))) {
                section.leave_out_chart();
            }
            self.open_section()?;
        }
        match self.section.take() {
            Some(section) => Ok(section.end(&mut self.paper, rows, chart)?),
            None => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>, _sheets: &[WrittenSheet]) -> Result<(), WriteError> {
        if self.paper.fonts.has_codes() {
            self.paper.paragraph(CODES, SMALL)?;
        }
        Ok(self.paper.finish(&self.about)?)
    }
}
