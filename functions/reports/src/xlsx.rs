//! A workbook: the rows on one sheet, written through a file on disk, and a native chart on another.

use std::{error::Error, io};

use runtime::Failure;
use rust_xlsxwriter::{Chart, ChartType as Native, DocProperties, Format, Workbook as Book, Worksheet, XlsxError};

use crate::{
    broken::Broken,
    definition::Definition,
    format::{Column, Shown, is_formula, text},
    points::{Axis, Drawable, Picture, X, seconds},
    row::Value,
    upload::Outlet,
    writing::File,
    written::ChartType,
};

/// A sheet's, the header among them.
const MOST_ROWS: u32 = 1_048_576;
const MOST_COLUMNS: usize = 16_384;
/// Characters of a cell.
const LONGEST_TEXT: usize = 32_767;
/// Whole numbers beyond are not exact in a cell, which has a double; they are written as texts.
const LARGEST_EXACT: u64 = 999_999_999_999_999;
/// Rows that tell how wide columns are.
const MEASURED: u32 = 200;
/// In characters.
const WIDTHS: (usize, usize) = (8, 60);
/// From 1 January 1970 back to the day that a sheet counts from, in days.
const EPOCH: f64 = 25_569.0;
/// 1 March 1900: a sheet believes that there was a 29 February before it.
const EARLIEST: f64 = 61.0;

pub(crate) struct Workbook {
    out: Outlet,
    book: Book,
    columns: Vec<Column>,
    formats: Vec<Option<Format>>,
    date: Format,
    timestamp: Format,
    quoted: Format,
    widths: Vec<usize>,
    row: u32,
}

impl Workbook {
    pub(crate) fn begin(out: Outlet, definition: &Definition, columns: &[Column]) -> Result<Self, Broken> {
        if columns.len() > MOST_COLUMNS {
            let message = format!("The report has {} columns; a sheet has {MOST_COLUMNS} at most.", columns.len());
            return Err(unfit(message));
        }
        let mut book = Book::new();
        book.set_properties(&DocProperties::new().set_title(definition.title.clone()));
        let sheet = book.add_worksheet_with_constant_memory().map_err(broken)?;
        sheet.set_name("Data").map_err(broken)?;
        let bold = Format::new().set_bold();
        for (at, column) in columns.iter().enumerate() {
            sheet.write_string_with_format(0, at as u16, column.title.as_str(), &bold).map_err(broken)?;
        }
        sheet.set_freeze_panes(1, 0).map_err(broken)?;
        Ok(Self {
            out,
            book,
            formats: columns.iter().map(|column| column.shown.and_then(number_format)).collect(),
            widths: columns.iter().map(|column| column.title.chars().count() + 3).collect(),
            columns: columns.to_vec(),
            date: Format::new().set_num_format("yyyy-mm-dd"),
            timestamp: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            quoted: Format::new().set_quote_prefix(),
            row: 0,
        })
    }

    fn cell(&mut self, at: usize, value: &Value<'_>) -> Result<(), Broken> {
        let shown = self.columns[at].shown;
        let sheet = self.book.worksheet_from_index(0).map_err(broken)?;
        let (row, column) = (self.row, at as u16);
        let number = |sheet: &mut Worksheet, number: f64, format: Option<&Format>| {
            match format {
                Some(format) => sheet.write_number_with_format(row, column, number, format),
                None => sheet.write_number(row, column, number),
            }
            .map(drop)
        };
        let as_text = shown == Some(Shown::Text);
        let written = match (value, exact(value)) {
            (Value::Null, _) => Ok(()),
            (Value::Boolean(truth), _) => sheet.write_boolean(row, column, *truth).map(drop),
            (_, Some(exact)) if !as_text => number(sheet, exact, self.formats[at].as_ref()),
            (Value::Date(text) | Value::Timestamp(text), _) if !as_text => {
                let only_day = matches!((value, shown), (_, Some(Shown::Date)) | (Value::Date(_), None));
                let day = seconds(text).map(|seconds| seconds / 86_400.0 + EPOCH).filter(|day| *day >= EARLIEST);
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
            _ => sheet.write_string(row, column, text(value, None)).map(drop),
        };
        written.map_err(|error| match error {
            XlsxError::MaxStringLengthExceeded => unfit(format!(
                "The column {} of row {row} has more than {LONGEST_TEXT} characters, which no cell can hold; take CSV.",
                self.columns[at].name
            )),
            error => broken(error),
        })
    }

    fn measure(&mut self, row: &[Value<'_>]) {
        for (at, value) in row.iter().enumerate() {
            let long = text(value, self.columns[at].shown).chars().take(WIDTHS.1).count() + 2;
            self.widths[at] = self.widths[at].max(long);
        }
    }

    fn chart(&mut self, picture: Picture) -> Result<(), XlsxError> {
        let sheet = self.book.add_worksheet();
        sheet.set_name("Chart")?;
        let drawable = match picture {
            Picture::Drawable(drawable) => drawable,
            Picture::Words(words) => return sheet.write_string(0, 0, words).map(drop),
        };
        let below = points(sheet, &drawable)?;
        let last = below.saturating_sub(1);
        let mut chart = Chart::new(match drawable.chart_type {
            ChartType::Bar => Native::Column,
            ChartType::Line if drawable.axis == Axis::Labels => Native::Line,
            ChartType::Line => Native::ScatterStraight,
            ChartType::Scatter => Native::Scatter,
        });
        for (at, title) in drawable.y_titles.iter().enumerate() {
            let column = at as u16 + 1;
            let series = chart.add_series();
            series.set_name(title.as_str());
            series.set_categories(("Chart", 1, 0, last, 0)).set_values(("Chart", 1, column, last, column));
        }
        chart.x_axis().set_name(drawable.x_title.as_str());
        if drawable.axis == Axis::Times {
            chart.x_axis().set_num_format("yyyy-mm-dd");
        }
        if let [title] = &drawable.y_titles[..] {
            chart.y_axis().set_name(title.as_str());
            chart.legend().set_hidden();
        }
        chart.set_width(960).set_height(480);
        sheet.insert_chart(0, drawable.y_titles.len() as u16 + 2, &chart)?;
        if let Some(note) = drawable.note {
            sheet.write_string(25, drawable.y_titles.len() as u16 + 2, note)?;
        }
        Ok(())
    }
}

/// Writes what a chart is made of; answers the row below.
fn points(sheet: &mut Worksheet, drawable: &Drawable) -> Result<u32, XlsxError> {
    let bold = Format::new().set_bold();
    sheet.write_string_with_format(0, 0, drawable.x_title.as_str(), &bold)?;
    for (at, title) in drawable.y_titles.iter().enumerate() {
        sheet.write_string_with_format(0, at as u16 + 1, title.as_str(), &bold)?;
    }
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let mut row = 1;
    for point in &drawable.points {
        match (drawable.axis, point.x) {
            (Axis::Numbers, X::Number(x)) => sheet.write_number(row, 0, x)?,
            (Axis::Times, X::Time(x)) => sheet.write_number_with_format(row, 0, x / 86_400.0 + EPOCH, &day)?,
            _ => sheet.write_string(row, 0, point.label.as_str())?,
        };
        for (at, y) in point.ys.iter().enumerate() {
            if let Some(y) = y {
                sheet.write_number(row, at as u16 + 1, *y)?;
            }
        }
        row += 1;
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(row)
}

impl File for Workbook {
    fn row(&mut self, row: &[Value<'_>]) -> Result<(), Broken> {
        self.row += 1;
        if self.row == MOST_ROWS {
            let most = MOST_ROWS - 1;
            return Err(unfit(format!("The report has more than {most} rows, which no sheet can hold; take CSV.")));
        }
        if self.row <= MEASURED {
            self.measure(row);
        }
        if self.row.is_multiple_of(1024) {
            self.out.check()?;
        }
        row.iter().enumerate().try_for_each(|(at, value)| self.cell(at, value))
    }

    fn end(mut self: Box<Self>, _rows: u64, picture: Option<Picture>) -> Result<(), Broken> {
        let last = self.row;
        let sheet = self.book.worksheet_from_index(0).map_err(broken)?;
        for (at, width) in self.widths.iter().enumerate() {
            sheet.set_column_width(at as u16, (*width).clamp(WIDTHS.0, WIDTHS.1) as f64).map_err(broken)?;
        }
        if let Some(column) = self.widths.len().checked_sub(1) {
            sheet.autofilter(0, 0, last, column as u16).map_err(broken)?;
        }
        if let Some(picture) = picture {
            self.chart(picture).map_err(broken)?;
        }
        self.book.save_to_writer(&mut self.out).map_err(broken)?;
        Ok(self.out.finish()?)
    }
}

/// The number that a cell holds without losing a digit.
fn exact(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(number) if number.unsigned_abs() > LARGEST_EXACT => None,
        Value::Decimal(digits) => {
            let count = digits.bytes().filter(u8::is_ascii_digit).count();
            value.number().filter(|_| count <= 15)
        }
        value => value.number(),
    }
}

fn number_format(shown: Shown) -> Option<Format> {
    let format = match shown {
        Shown::Integer => "#,##0",
        Shown::Number => "#,##0.00",
        Shown::Percent => "0.0%",
        Shown::Text | Shown::Date | Shown::Timestamp => return None,
    };
    Some(Format::new().set_num_format(format))
}

fn unfit(message: String) -> Broken {
    Failure::Permanent { reason: "xlsx", message }.into()
}

/// What the system said, if it was the system: the library wraps it, perhaps twice.
fn broken(error: XlsxError) -> Broken {
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
