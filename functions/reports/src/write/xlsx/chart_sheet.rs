//! A native chart on a sheet of its own, with the points that it shows.

use rust_xlsxwriter::{Chart, ChartType as XlsxChartType, Format, Worksheet, XlsxError};

use super::cells::{UNIX_EPOCH, allowed};
use crate::{
    chart::data::{Axis, ChartData, ChartResult, X},
    definition::chart::ChartType,
};

/// Fills a sheet of this name with a chart, or with the reason why there is none.
pub(super) fn write(sheet: &mut Worksheet, name: &str, chart: ChartResult) -> Result<(), XlsxError> {
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
    // A title is the cell that holds it: given as a text it would be a formula where it looks like one.
    for column in 1..=data.y_titles.len() as u16 {
        let series = chart.add_series();
        series.set_name((name, 0, column));
        series.set_categories((name, 1, 0, last, 0)).set_values((name, 1, column, last, column));
    }
    chart.x_axis().set_name((name, 0, 0));
    if data.axis == Axis::Times {
        chart.x_axis().set_num_format("yyyy-mm-dd");
    }
    if data.y_titles.len() == 1 {
        chart.y_axis().set_name((name, 0, 1));
        chart.legend().set_hidden();
    }
    chart.set_width(960).set_height(480);
    sheet.insert_chart(0, data.y_titles.len() as u16 + 2, &chart)?;
    if let Some(note) = data.note {
        sheet.write_string(25, data.y_titles.len() as u16 + 2, note)?;
    }
    Ok(())
}

/// Writes the values that a chart refers to and returns the last row.
fn write_points(sheet: &mut Worksheet, data: &ChartData) -> Result<u32, XlsxError> {
    let bold = Format::new().set_bold().set_quote_prefix();
    sheet.write_string_with_format(0, 0, label(&data.x_title), &bold)?;
    for (column, title) in (1..).zip(&data.y_titles) {
        sheet.write_string_with_format(0, column, label(title), &bold)?;
    }
    let day = Format::new().set_num_format("yyyy-mm-dd");
    for (row, point) in (1..).zip(&data.points) {
        match (data.axis, point.x) {
            (Axis::Numbers, X::Number(x)) => sheet.write_number(row, 0, x)?,
            (Axis::Times, X::Time(x)) => sheet.write_number_with_format(row, 0, x / 86_400.0 + UNIX_EPOCH, &day)?,
            _ => sheet.write_string(row, 0, label(&point.label))?,
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

/// A text that the chart keeps a copy of, where control characters may not be.
fn label(text: &str) -> String {
    allowed(text).replace(char::is_control, " ")
}
