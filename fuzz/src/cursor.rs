use model::cursor::Cursor;

/// A text that is a cursor is the cursor's only text, letter case aside.
pub fn cursor(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text.to_ascii_lowercase());
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
}
