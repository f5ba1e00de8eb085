//! How a value is shown, and which texts a spreadsheet would take for a formula.

use serde::Deserialize;

use crate::row::Value;

/// `format` of a `[[column]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shown {
    /// As it is, even if it looks like a day or a number.
    Text,
    /// 12,480
    Integer,
    /// 12,480.50
    Number,
    /// 12.5%, of 0.125
    Percent,
    /// 2026-11-22
    Date,
    /// 2026-11-22 05:00:00
    Timestamp,
}

/// A column of a report.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The query's name for it.
    pub(crate) name: String,
    /// Words for people.
    pub(crate) title: String,
    pub(crate) shown: Option<Shown>,
}

/// Whether a spreadsheet would compute this text: it begins as formulas do and is no plain number.
pub(crate) fn is_formula(text: &str) -> bool {
    // The wide forms are signs as well to a spreadsheet that is set to Japanese or Chinese.
    let signs = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    let is_number =
        || text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && text.parse::<f64>().is_ok();
    text.starts_with(signs) && !is_number()
}

/// A number as people read it: `-12,480.50`.
pub(crate) fn grouped(number: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", number.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut shown = String::new();
    if number < 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        shown.push('-');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown + rest
}

/// `1 row`, `12,480 rows`.
pub(crate) fn counted(rows: u64) -> String {
    format!("{} row{}", grouped(rows as f64, 0), if rows == 1 { "" } else { "s" })
}

/// A value as a page shows it.
pub(crate) fn text(value: &Value<'_>, shown: Option<Shown>) -> String {
    match (shown, value.number()) {
        (Some(Shown::Integer), Some(number)) => return grouped(number, 0),
        (Some(Shown::Number), Some(number)) => return grouped(number, 2),
        (Some(Shown::Percent), Some(number)) => return grouped(number * 100.0, 1) + "%",
        _ => {}
    }
    match value {
        Value::Null => String::new(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Timestamp(text) if shown == Some(Shown::Date) => text.get(..10).unwrap_or(text).to_owned(),
        Value::Decimal(text) | Value::Date(text) | Value::Timestamp(text) | Value::Text(text) => (*text).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_compute_is_seen_and_numbers_are_not() {
        for text in ["=1+1", "+A1", "-A1", "@SUM(1)", "\t=1", "\r=1", "-2+3", "--1", "-inf", "+", "-", "＝1+1", "-1;2"]
        {
            assert!(is_formula(text), "{text:?}");
        }
        for text in ["", "a=1", "-5", "+1.5", "-1e5", "-.5", "5", " x", "'=1", "12:30"] {
            assert!(!is_formula(text), "{text:?}");
        }
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(grouped(1_234_567.891, 2), "1,234,567.89");
        assert_eq!(grouped(-999.5, 0), "-1,000");
        assert_eq!(grouped(-0.001, 1), "0.0");
        assert_eq!((counted(1), counted(12_480)), ("1 row".to_owned(), "12,480 rows".to_owned()));
        assert_eq!(text(&Value::Real(0.125), Some(Shown::Percent)), "12.5%");
        assert_eq!(text(&Value::Decimal("12.3400"), None), "12.3400");
        assert_eq!(text(&Value::Text("x"), Some(Shown::Number)), "x");
    }
}
