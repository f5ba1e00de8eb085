//! Numbers as people read them.

/// `-12,480.50`.
pub(crate) fn grouped(number: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", number.abs());
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = String::new();
    if number < 0.0 && digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        text.push('-');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

/// `1 row`, `12,480 rows`.
pub(crate) fn row_count(rows: u64) -> String {
    format!("{} row{}", grouped(rows as f64, 0), if rows == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(grouped(1_234_567.891, 2), "1,234,567.89");
        assert_eq!(grouped(-999.5, 0), "-1,000");
        assert_eq!(grouped(-0.001, 1), "0.0");
        assert_eq!((row_count(1), row_count(12_480)), ("1 row".to_owned(), "12,480 rows".to_owned()));
    }
}
