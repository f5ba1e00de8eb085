//! Numbers as people read them, from their decimal digits: a double would lose some of twenty.

/// More digits before the point than any number of a database has.
const MAX_WHOLE: i64 = 200_000;

/// The shortest text that is this number again: `0.5`, `1e300`, `NaN`, `-Infinity`.
pub(crate) fn real_text(number: f64) -> String {
    match number.abs() {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        size if size != 0.0 && !(1e-5..1e16).contains(&size) => format!("{number:e}"),
        // There is no negative zero.
        _ => (number + 0.0).to_string(),
    }
}

/// True for `-12.50` and `1e-7`, not for `NaN`.
pub(crate) fn is_number(text: &str) -> bool {
    Digits::read(text).is_some()
}

/// `-12,480.50`.
pub(crate) fn grouped(number: f64, decimals: usize) -> String {
    let text = number.to_string();
    rounded(&text, 0, decimals).map_or(text, |digits| with_groups(&digits))
}

/// `1 row`, `12,480 rows`.
pub(crate) fn row_count(rows: u64) -> String {
    format!("{} row{}", with_groups(&rows.to_string()), if rows == 1 { "" } else { "s" })
}

/// A decimal number times ten to the power of `shift`, rounded half up to this many decimals, as a spreadsheet shows it;
/// `None` if it is no number.
pub(crate) fn rounded(text: &str, shift: i64, decimals: usize) -> Option<String> {
    let Digits { is_negative, mut digits, exponent } = Digits::read(text)?;
    // The number is 0.digits × 10^point.
    let mut point = digits.len() as i64 + exponent.checked_add(shift)?;
    if !(-MAX_WHOLE..=MAX_WHOLE).contains(&point) {
        return None;
    }
    let kept = point + decimals as i64;
    if kept < 0 {
        digits.clear();
    } else if (kept as usize) < digits.len() {
        let rounds_up = digits[kept as usize] >= b'5';
        digits.truncate(kept as usize);
        if rounds_up {
            let carried = digits.iter().rposition(|digit| *digit != b'9');
            let nines = carried.map_or(0, |at| at + 1);
            digits[nines..].fill(b'0');
            match carried {
                Some(at) => digits[at] += 1,
                None => {
                    digits.insert(0, b'1');
                    point += 1;
                }
            }
        }
    }
    let is_zero = digits.iter().all(|digit| *digit == b'0');
    let digit =
        |at: i64| usize::try_from(at).ok().and_then(|at| digits.get(at)).map_or('0', |digit| char::from(*digit));
    let mut result = String::from(if is_negative && !is_zero { "-" } else { "" });
    match point {
        1.. => result.extend((0..point).map(digit)),
        _ => result.push('0'),
    }
    if decimals > 0 {
        result.push('.');
        result.extend((point..point + decimals as i64).map(digit));
    }
    Some(result)
}

/// `-12480.50` as `-12,480.50`.
pub(crate) fn with_groups(digits: &str) -> String {
    let (sign, digits) = digits.split_at(usize::from(digits.starts_with('-')));
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

/// How many digits it has without zeros at its ends.
pub(crate) fn significant_digits(text: &str) -> usize {
    let Some(Digits { digits, .. }) = Digits::read(text) else { return 0 };
    digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1)
}

/// A decimal number: digits without leading zeros, times ten to the power of the exponent.
struct Digits {
    is_negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Digits {
    fn read(text: &str) -> Option<Self> {
        let (is_negative, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] | rest => (false, rest),
        };
        let (mantissa, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&rest[..at], str::from_utf8(&rest[at + 1..]).ok()?.parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let point = mantissa.iter().position(|byte| *byte == b'.');
        let decimals = point.map_or(0, |at| mantissa.len() - at - 1);
        let digits: Vec<u8> =
            mantissa.iter().enumerate().filter(|(at, _)| Some(*at) != point).map(|(_, byte)| *byte).collect();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        Some(Self { is_negative, digits: digits[zeros..].to_vec(), exponent: exponent.checked_sub(decimals as i64)? })
    }
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

    #[test]
    fn a_number_is_rounded_by_its_decimal_digits_however_many_it_has() {
        for (text, shift, decimals, expected) in [
            ("12345678901234567890", 0, 0, "12345678901234567890"),
            ("12345678901234567890.995", 0, 2, "12345678901234567891.00"),
            ("1.005", 0, 2, "1.01"),
            ("-1.005", 0, 2, "-1.01"),
            ("0.285", 2, 1, "28.5"),
            ("99.99", 0, 1, "100.0"),
            ("0.0004", 0, 2, "0.00"),
            ("-0.0004", 0, 2, "0.00"),
            ("0.5", 0, 0, "1"),
            ("0.05", 0, 0, "0"),
            ("0.00", 0, 2, "0.00"),
            ("1.5e-7", 0, 8, "0.00000015"),
            ("1e3", 0, 1, "1000.0"),
            (".5", 0, 1, "0.5"),
            ("7", -3, 2, "0.01"),
        ] {
            assert_eq!(rounded(text, shift, decimals).as_deref(), Some(expected), "{text}");
        }
        for text in ["NaN", "-Infinity", "", "-", ".", "1.2.3", "1e", "1e999999999999", "0x5", "１"] {
            assert_eq!(rounded(text, 0, 2), None, "{text}");
        }
    }

    #[test]
    fn a_real_is_written_so_that_it_can_be_read_again() {
        for (number, text) in [
            (0.1 + 0.2, "0.30000000000000004"),
            (-0.0, "0"),
            (1e300, "1e300"),
            (-1.5e-7, "-1.5e-7"),
            (1e15, "1000000000000000"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(real_text(number), text);
        }
    }

    #[test]
    fn zeros_at_the_ends_are_no_significant_digits() {
        for (text, count) in [("0012.5000", 3), ("1e30", 1), ("0", 0), ("123456789012345.6", 16), ("NaN", 0)] {
            assert_eq!(significant_digits(text), count, "{text}");
        }
    }
}
