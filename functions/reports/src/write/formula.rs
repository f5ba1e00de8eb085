//! Texts that a spreadsheet would compute.

/// True if a spreadsheet would compute this text: it begins as formulas do and is no plain number.
pub(super) fn is_formula(text: &str) -> bool {
    // The full-width forms are signs as well to a spreadsheet that is set to Japanese or Chinese.
    let signs = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    let is_number =
        || text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) && text.parse::<f64>().is_ok();
    text.starts_with(signs) && !is_number()
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
}
