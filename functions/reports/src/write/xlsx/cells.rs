//! Values as cells: a number only if none of its digits is lost, a day or time only if a sheet has it, else a text.

use std::{borrow::Cow, collections::BTreeMap};

use rust_xlsxwriter::{Format, Worksheet, XlsxError};

use super::super::formula::is_formula;
use crate::{
    definition::column::ColumnFormat,
    number::significant_digits,
    query::{
        moment::Moment,
        value::{Display, Value},
    },
};

/// Larger whole numbers are not exact in a cell, which has a double of which 15 digits are shown.
const MAX_EXACT: u64 = 999_999_999_999_999;
const EXACT_DIGITS: usize = 15;
/// Days from the day that a sheet counts from to 1 January 1970.
pub(super) const UNIX_EPOCH: f64 = 25_569.0;
/// 1 March 1900: a sheet believes that there was a 29 February before it.
const EARLIEST_DAY: f64 = 61.0;

/// Writes values into cells.
pub(super) struct Cells {
    pub(super) display: Display,
    date: Format,
    /// By what the number format ends with: a fraction and an offset.
    times: BTreeMap<String, Format>,
    quoted: Format,
}

impl Cells {
    pub(super) fn new(display: Display) -> Self {
        Self {
            display,
            date: Format::new().set_num_format("yyyy-mm-dd"),
            times: BTreeMap::new(),
            quoted: Format::new().set_quote_prefix(),
        }
    }

    pub(super) fn write(
        &mut self,
        sheet: &mut Worksheet,
        (row, column): (u32, u16),
        value: &Value<'_>,
        (format, number_format): (Option<ColumnFormat>, Option<&Format>),
    ) -> Result<(), XlsxError> {
        let as_text = format == Some(ColumnFormat::Text);
        match value {
            Value::Null => return Ok(()),
            Value::Boolean(boolean) if !as_text => return sheet.write_boolean(row, column, *boolean).map(drop),
            Value::Date(_) | Value::Timestamp(_) if !as_text => {
                let moment = value.moment(&self.display.zone);
                if let Some((serial, moment)) = moment.and_then(|moment| Some((serial(moment)?, moment))) {
                    let is_day = matches!((value, format), (_, Some(ColumnFormat::Date)) | (Value::Date(_), None));
                    let (serial, format) =
                        if is_day { (serial.floor(), &self.date) } else { (serial, self.time_format(moment)) };
                    return sheet.write_number_with_format(row, column, serial, format).map(drop);
                }
            }
            Value::Text(text) => return self.write_text(sheet, (row, column), text),
            _ => {}
        }
        match (exact_number(value).filter(|_| !as_text), number_format) {
            (Some(number), Some(format)) => sheet.write_number_with_format(row, column, number, format).map(drop),
            (Some(number), None) => sheet.write_number(row, column, number).map(drop),
            (None, _) => sheet.write_string(row, column, &*value.plain()).map(drop),
        }
    }

    fn write_text(&self, sheet: &mut Worksheet, (row, column): (u32, u16), text: &str) -> Result<(), XlsxError> {
        let text = allowed(text);
        match is_formula(&text) {
            // A text in any case; this way it stays one when somebody edits the cell.
            true => sheet.write_string_with_format(row, column, &*text, &self.quoted).map(drop),
            false => sheet.write_string(row, column, &*text).map(drop),
        }
    }

    /// The format of a time, which says its offset.
    fn time_format(&mut self, moment: Moment) -> &Format {
        let fraction = if moment.decimals > 0 { ".000" } else { "" };
        let offset = moment.offset_text();
        let end = if offset.is_empty() { fraction.to_owned() } else { format!("{fraction}\"{offset}\"") };
        let format = |end: &String| Format::new().set_num_format(format!("yyyy-mm-dd hh:mm:ss{end}"));
        self.times.entry(end).or_insert_with_key(format)
    }
}

/// The days that a sheet counts; `None` before it counts.
fn serial(moment: Moment) -> Option<f64> {
    Some(moment.seconds() / 86_400.0 + UNIX_EPOCH).filter(|day| *day >= EARLIEST_DAY)
}

/// The number that a cell can hold without losing a digit.
fn exact_number(value: &Value<'_>) -> Option<f64> {
    let number = value.number()?;
    // A sheet takes what is smaller than any normal number for nothing.
    let fits = match value {
        Value::Integer(number) => number.unsigned_abs() <= MAX_EXACT,
        Value::Decimal(digits) => {
            let count = significant_digits(digits);
            count <= EXACT_DIGITS && (number.is_normal() || count == 0)
        }
        _ => number.is_normal() || number == 0.0,
    };
    fits.then_some(number)
}

/// A text without the two characters that no XML may have.
pub(super) fn allowed(text: &str) -> Cow<'_, str> {
    match text.contains(['\u{fffe}', '\u{ffff}']) {
        true => text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}").into(),
        false => text.into(),
    }
}

/// The format of a column's numbers.
pub(super) fn number_format(format: ColumnFormat) -> Option<Format> {
    let format = match format {
        ColumnFormat::Integer => "#,##0",
        ColumnFormat::Number => "#,##0.00",
        ColumnFormat::Percent => "0.0%",
        ColumnFormat::Text | ColumnFormat::Date | ColumnFormat::Timestamp => return None,
    };
    Some(Format::new().set_num_format(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_in_a_cell_only_if_no_digit_is_lost() {
        for (value, number) in [
            (Value::Integer(999_999_999_999_999), Some(999_999_999_999_999.0)),
            (Value::Integer(1_000_000_000_000_000), None),
            (Value::Decimal("1234567.8900000000"), Some(1_234_567.89)),
            (Value::Decimal("0.000000000000000001"), Some(1e-18)),
            (Value::Decimal("1234567890.1234567"), None),
            (Value::Decimal("0.0000"), Some(0.0)),
            (Value::Real(0.1 + 0.2), Some(0.1 + 0.2)),
            (Value::Real(5e-324), None),
            (Value::Real(f64::NAN), None),
        ] {
            assert_eq!(exact_number(&value), number, "{value:?}");
        }
        let tiny = format!("0.{}1", "0".repeat(400));
        assert_eq!(exact_number(&Value::Decimal(&tiny)), None);
        assert_eq!(exact_number(&Value::Decimal(&"9".repeat(400))), None);
    }
}
