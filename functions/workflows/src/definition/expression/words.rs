//! What people see of expressions and of values.

/// The most characters of an expression that an error shows.
const MAX_SHOWN: usize = 120;

/// The most characters of a value within a text for people: a longer one would hide what is written after it.
const MAX_VALUE: usize = 200;

/// What an error shows of an expression.
pub(super) fn cut(expression: &str) -> String {
    let expression = expression.trim();
    // The part that is meant may begin with what stands before its first name.
    let inner = expression.strip_prefix("{{").filter(|inner| !inner.contains("}}"));
    let expression = inner.unwrap_or(expression).trim();
    match expression.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &expression[..end]),
        None => expression.to_owned(),
    }
}

/// What one person wrote, as a part of what another reads: one line of at most 200 characters, without characters that turn
/// the direction of the text around them.
pub(crate) fn in_one_line(value: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut characters = value.chars().filter(|c| !turns(*c)).map(|c| if breaks(c) { ' ' } else { c });
    let mut line: String = characters.by_ref().take(MAX_VALUE).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}
