//! XLSX: a workbook with the rows on one sheet, which passes through a temporary file, and a native chart on another.

use std::{error::Error, io};

use runtime::Failure;
use rust_xlsxwriter::{Chart, ChartType as XlsxChartType, DocProperties, Format, Workbook, Worksheet, XlsxError};

use super::{error::WriteError, formula::is_formula, row_writer::RowWriter};
use crate::{
    chart::data::{Axis, ChartData, ChartResult, X},
    definition::{
        chart::ChartType,
        column::{Column, ColumnFormat},
        report_definition::ReportDefinition,
    },
    query::value::Value,
    upload::UploadWriter,
};

/// The limit of a sheet, with its header.
const MAX_ROWS: u32 = 1_048_576;
const MAX_COLUMNS: usize = 16_384;
/// Characters of a cell.
const MAX_TEXT: usize = 32_767;
/// Larger whole numbers are not exact in a cell, which has a double; they are written as texts.
const MAX_EXACT: u64 = 999_999_999_999_999;
/// Rows that decide how wide columns are.
const MEASURED_ROWS: u32 = 200;
/// Least and most width of a column, in characters.
const WIDTHS: (usize, usize) = (8, 60);
/// Days from the day that a sheet counts from to 1 January 1970.
const UNIX_EPOCH: f64 = 25_569.0;
/// 1 March 1900: a sheet believes that there was a 29 February before it.
const EARLIEST_DAY: f64 = 61.0;

pub(super) struct XlsxWriter {
    out: UploadWriter,
    book: Workbook,
    columns: Vec<Column>,
    formats: Vec<Option<Format>>,
    date: Format,
    timestamp: Format,
    quoted: Format,
    widths: Vec<usize>,
    row: u32,
}

impl XlsxWriter {
    pub(super) fn new(
        out: UploadWriter,
        definition: &ReportDefinition,
        columns: &[Column],
    ) -> Result<Self, WriteError> {
        if columns.len() > MAX_COLUMNS {
            let message = format!("The report has {} columns; a sheet has {MAX_COLUMNS} at most.", columns.len());
            return Err(does_not_fit(message));
        }
        let mut book = Workbook::new();
        book.set_properties(&DocProperties::new().set_title(&definition.title));
        let sheet = book.add_worksheet_with_constant_memory()?;
        sheet.set_name("Data")?;
        let bold = Format::new().set_bold();
        for (index, column) in columns.iter().enumerate() {
            sheet.write_string_with_format(0, index as u16, column.title.as_str(), &bold)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        Ok(Self {
            out,
            book,
            formats: columns.iter().map(|column| column.format.and_then(number_format)).collect(),
            widths: columns.iter().map(|column| column.title.chars().count() + 3).collect(),
            columns: columns.to_vec(),
            date: Format::new().set_num_format("yyyy-mm-dd"),
            timestamp: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            quoted: Format::new().set_quote_prefix(),
            row: 0,
        })
    }

    fn write_cell(&mut self, index: usize, value: &Value<'_>) -> Result<(), WriteError> {
        let column_format = self.columns[index].format;
        let sheet = self.book.worksheet_from_index(0)?;
        let (row, column) = (self.row, index as u16);
        let number = |sheet: &mut Worksheet, number: f64, format: Option<&Format>| {
            match format {
                Some(format) => sheet.write_number_with_format(row, column, number, format),
                None => sheet.write_number(row, column, number),
            }
            .map(drop)
        };
        let as_text = column_format == Some(ColumnFormat::Text);
        let written = match (value, exact_number(value)) {
            (Value::Null, _) => Ok(()),
            (Value::Boolean(boolean), _) => sheet.write_boolean(row, column, *boolean).map(drop),
            (_, Some(exact)) if !as_text => number(sheet, exact, self.formats[index].as_ref()),
            (Value::Date(text) | Value::Timestamp(text), _) if !as_text => {
                let only_day = matches!((value, column_format), (_, Some(ColumnFormat::Date)) | (Value::Date(_), None));
                let day =
                    value.seconds().map(|seconds| seconds / 86_400.0 + UNIX_EPOCH).filter(|day| *day >= EARLIEST_DAY);
                match day {
                    Some(day) if only_day => number(sheet, day.floor(), Some(&self.date)),
                    Some(day) => number(sheet, day, Some(&self.timestamp)),
                    None => sheet.write_string(row, column, *text).map(drop),
                }
            }
            (Value::Text(text), _) if is_formula(text) => {
                // A text in any case; this way it stays one when somebody edits the cell.
                sheet.write_string_with_format(row, column, *text, &self.quoted).map(drop)
            }
            (Value::Text(text), _) => sheet.write_string(row, column, *text).map(drop),
            _ => sheet.write_string(row, column, value.text(None)).map(drop),
        };
        written.map_err(|error| match error {
            XlsxError::MaxStringLengthExceeded => does_not_fit(format!(
                "The column {} of row {row} has more than {MAX_TEXT} characters, which no cell can hold; take CSV.",
                self.columns[index].name
            )),
            error => error.into(),
        })
    }

    fn measure(&mut self, row: &[Value<'_>]) {
        for (index, value) in row.iter().enumerate() {
            let width = value.text(self.columns[index].format).chars().take(WIDTHS.1).count() + 2;
            self.widths[index] = self.widths[index].max(width);
        }
    }

    fn write_chart(&mut self, chart: ChartResult) -> Result<(), XlsxError> {
        let sheet = self.book.add_worksheet();
        sheet.set_name("Chart")?;
        let data = match chart {
            Ok(data) => data,
            Err(reason) => return sheet.write_string(0, 0, reason).map(drop),
        };
        let last = write_points(sheet, &data)?;
        let mut chart = Chart::new(match data.chart_type {
            ChartType::Bar => XlsxChartType::Column,
            ChartType::Line if data.axis == Axis::Labels => XlsxChartType::Line,
            ChartType::Line => XlsxChartType::ScatterStraight,
            ChartType::Scatter => XlsxChartType::Scatter,
        });
        for (column, title) in (1..).zip(&data.y_titles) {
            let series = chart.add_series();
            series.set_name(title.as_str());
            series.set_categories(("Chart", 1, 0, last, 0)).set_values(("Chart", 1, column, last, column));
        }
        chart.x_axis().set_name(data.x_title.as_str());
        if data.axis == Axis::Times {
            chart.x_axis().set_num_format("yyyy-mm-dd");
        }
        if let [title] = &data.y_titles[..] {
            chart.y_axis().set_name(title.as_str());
            chart.legend().set_hidden();
        }
        chart.set_width(960).set_height(480);
        sheet.insert_chart(0, data.y_titles.len() as u16 + 2, &chart)?;
        if let Some(note) = data.note {
            sheet.write_string(25, data.y_titles.len() as u16 + 2, note)?;
        }
        Ok(())
    }
}

/// Writes the values that a chart refers to and returns the last row.
fn write_points(sheet: &mut Worksheet, data: &ChartData) -> Result<u32, XlsxError> {
    let bold = Format::new().set_bold();
    sheet.write_string_with_format(0, 0, data.x_title.as_str(), &bold)?;
    for (column, title) in (1..).zip(&data.y_titles) {
        sheet.write_string_with_format(0, column, title.as_str(), &bold)?;
    }
    let day = Format::new().set_num_format("yyyy-mm-dd");
    for (row, point) in (1..).zip(&data.points) {
        match (data.axis, point.x) {
            (Axis::Numbers, X::Number(x)) => sheet.write_number(row, 0, x)?,
            (Axis::Times, X::Time(x)) => sheet.write_number_with_format(row, 0, x / 86_400.0 + UNIX_EPOCH, &day)?,
            _ => sheet.write_string(row, 0, point.label.as_str())?,
        };
        for (column, y) in (1..).zip(&point.ys) {
            if let Some(y) = y {
                sheet.write_number(row, column, *y)?;
            }
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(data.points.len() as u32)
}

impl RowWriter for XlsxWriter {
    fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        self.row += 1;
        if self.row == MAX_ROWS {
            let limit = MAX_ROWS - 1;
            return Err(does_not_fit(format!(
                "The report has more than {limit} rows, which no sheet can hold; take CSV."
            )));
        }
        if self.row <= MEASURED_ROWS {
            self.measure(row);
        }
        if self.row.is_multiple_of(1024) {
            self.out.check_open()?;
        }
        row.iter().enumerate().try_for_each(|(index, value)| self.write_cell(index, value))
    }

    fn finish(mut self: Box<Self>, _rows: u64, chart: Option<ChartResult>) -> Result<(), WriteError> {
        let sheet = self.book.worksheet_from_index(0)?;
        for (column, width) in (0..).zip(&self.widths) {
            sheet.set_column_width(column, (*width).clamp(WIDTHS.0, WIDTHS.1) as f64)?;
        }
        if let Some(column) = self.widths.len().checked_sub(1) {
            sheet.autofilter(0, 0, self.row, column as u16)?;
        }
        if let Some(chart) = chart {
            self.write_chart(chart)?;
        }
        self.book.save_to_writer(&mut self.out)?;
        Ok(self.out.finish()?)
    }
}

/// The number that a cell can hold without losing a digit.
fn exact_number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(number) if number.unsigned_abs() > MAX_EXACT => None,
        Value::Decimal(digits) => {
            let count = digits.bytes().filter(u8::is_ascii_digit).count();
            value.number().filter(|_| count <= 15)
        }
        value => value.number(),
    }
}

fn number_format(format: ColumnFormat) -> Option<Format> {
    let format = match format {
        ColumnFormat::Integer => "#,##0",
        ColumnFormat::Number => "#,##0.00",
        ColumnFormat::Percent => "0.0%",
        ColumnFormat::Text | ColumnFormat::Date | ColumnFormat::Timestamp => return None,
    };
    Some(Format::new().set_num_format(format))
}

fn does_not_fit(message: String) -> WriteError {
    Failure::Permanent { reason: "xlsx", message }.into()
}

impl From<XlsxError> for WriteError {
    /// Finds the error of the system, which the library may wrap twice.
    fn from(error: XlsxError) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = match &error {
            XlsxError::IoError(inner) => Some(inner),
            error => error.source(),
        };
        while let Some(link) = cause {
            if let Some(inner) = link.downcast_ref::<io::Error>() {
                return io::Error::new(inner.kind(), error.to_string()).into();
            }
            cause = link.source();
        }
        io::Error::other(error.to_string()).into()
    }
}
