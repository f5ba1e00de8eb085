//! Texts that a spreadsheet would compute.

use std::borrow::Cow;

/// The full-width forms are signs as well to a spreadsheet that is set to Japanese or Chinese.
const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// The bytes with which a separator may begin.
const MAY_SEPARATE: [bool; 256] = {
    let mut bytes = [false; 256];
    let (found, mut at) = (*b";\t\n\r\x0b\x0c\xc2\xe2\xef", 0);
    while at < found.len() {
        bytes[found[at] as usize] = true;
        at += 1;
    }
    bytes
};

/// True if a spreadsheet would compute this text: it begins as formulas do and is no plain number.
pub(super) fn is_formula(text: &str) -> bool {
    starts_formula(text.trim_start_matches(is_blank)) || text.starts_with(['\t', '\r', '\n'])
}

/// The text with an apostrophe before each formula in it, which makes it a text in a spreadsheet: at its beginning, and
/// where a spreadsheet of another country would take a part of it for a cell of its own, whatever quotes are around it.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    // Nearly all texts begin with a letter or digit and have nothing that separates.
    let begins_plainly = text.bytes().next().is_none_or(|byte| byte.is_ascii_alphanumeric());
    if begins_plainly && !text.bytes().any(|byte| MAY_SEPARATE[usize::from(byte)]) {
        return text.into();
    }
    let mut harmless = String::new();
    let mut written = 0;
    if is_formula(text) {
        harmless.push('\'');
    }
    for (at, separator) in text.match_indices(is_separator) {
        let after = at + separator.len();
        let rest = text[after..].trim_start_matches(|letter| is_blank(letter) || letter == '"');
        if starts_formula(rest) {
            let sign = text.len() - rest.len();
            // Separators in a row have the same sign after them.
            if written < sign {
                harmless += &text[written..sign];
                harmless.push('\'');
                written = sign;
            }
        }
    }
    match (written, harmless.is_empty()) {
        (0, true) => text.into(),
        _ => (harmless + &text[written..]).into(),
    }
}

/// What ends a cell or a line in some country or program.
fn is_separator(letter: char) -> bool {
    matches!(letter, ';' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// What a spreadsheet may leave out at the beginning of a cell.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// A part that begins with a sign, unless it is a number up to the next separator.
fn starts_formula(text: &str) -> bool {
    let part = text
        .split(is_separator)
        .next()
        .unwrap_or_default()
        .trim_end_matches(|letter| is_blank(letter) || letter == '"');
    let is_number =
        || part.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && part.parse::<f64>().is_ok();
    text.starts_with(SIGNS) && !is_number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_compute_is_seen_and_numbers_are_not() {
        for text in [
            "=1+1",
            "+A1",
            "-A1",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\u{feff}=1",
            " =1",
            "\u{200b}=1",
            "-2+3",
            "--1",
            "-inf",
            "-Infinity",
            "+",
            "-",
            "＝1+1",
        ] {
            assert!(is_formula(text), "{text:?}");
        }
        for text in ["", "a=1", "-5", "+1.5", "-1e5", "-.5", "5", " x", "'=1", "12:30", "-1;2"] {
            assert!(!is_formula(text), "{text:?}");
        }
    }

    #[test]
    fn a_formula_is_harmless_wherever_a_spreadsheet_would_split_the_text() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("a;=1+1", "a;'=1+1"),
            ("a;\"=1+1\"", "a;\"'=1+1\""),
            ("a\t@SUM(1)", "a\t'@SUM(1)"),
            ("a\n-A1\r\n+B1", "a\n'-A1\r\n'+B1"),
            ("a\u{feff}=1", "a\u{feff}'=1"),
            ("=1;=2", "'=1;'=2"),
            ("-1;-2;-x", "-1;-2;'-x"),
            ("\t=1", "'\t'=1"),
            (";;=1", ";;'=1"),
            ("a; ＝1", "a; '＝1"),
        ] {
            assert_eq!(harmless(text), expected);
        }
        for text in ["a,=1", "a=1", "x;-5", "x; -5 ;y", "it's; 5 + 5", "né;ü", "a\nb"] {
            assert_eq!(harmless(text), text);
        }
    }
}
