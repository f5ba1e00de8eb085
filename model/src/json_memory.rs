//! The memory that JSON takes once it is read: an object of seven bytes of text takes a hundred times as many.
//!
//! Both numbers are rather too great than too small, for 64-bit processes.

use serde_json::Value;

/// The bytes of a value itself, wherever it stands.
const VALUE: usize = size_of::<Value>();
/// The bytes of the smallest list that is not empty: four places.
const LIST: usize = 4 * VALUE + 16;
/// The bytes of the smallest object that is not empty: a leaf of a B-tree, which has eleven places for names and values.
const OBJECT: usize = 11 * (VALUE + size_of::<String>()) + 32;
/// The bytes of a place in a list that has grown by doubling, and of one in an object whose leaves are half full.
const LIST_PLACE: usize = 2 * VALUE;
const OBJECT_PLACE: usize = 2 * (VALUE + size_of::<String>());

/// The bytes of memory for a JSON text, whether it is valid or not.
pub fn of_text(json: &[u8]) -> usize {
    let places = outside_of_texts(json).map(|byte| match byte {
        b'"' => 16,
        b'{' => OBJECT,
        b'[' => LIST,
        b':' => OBJECT_PLACE,
        b',' => LIST_PLACE,
        _ => 0,
    });
    VALUE + json.len() + places.sum::<usize>()
}

/// The deepest nesting of lists and objects in a JSON text, whether it is valid or not.
pub fn depth_of_text(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in outside_of_texts(json) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The bytes of a JSON text that are not within a string; of each string its first quotation mark.
fn outside_of_texts(json: &[u8]) -> impl Iterator<Item = u8> {
    let (mut is_string, mut is_escaped) = (false, false);
    json.iter().copied().filter(move |byte| {
        if is_string {
            (is_string, is_escaped) = (is_escaped || *byte != b'"', !is_escaped && *byte == b'\\');
            return false;
        }
        is_string = *byte == b'"';
        true
    })
}

/// The bytes of memory for a value.
pub fn of_value(value: &Value) -> usize {
    VALUE
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len() + 16,
            Value::Array(list) => LIST + list.iter().map(|value| LIST_PLACE + of_value(value)).sum::<usize>(),
            Value::Object(object) => {
                let places = object.iter().map(|(name, value)| OBJECT_PLACE + name.len() + 16 + of_value(value));
                OBJECT + places.sum::<usize>()
            }
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn small_objects_count_for_what_they_take_and_text_for_its_length() {
        let objects = format!("[{}0]", "{\"\":0},".repeat(1000));
        assert!(of_text(objects.as_bytes()) > 600 * 1000);
        assert!(of_value(&serde_json::from_str(&objects).unwrap()) > 600 * 1000);
        let text = json!({ "text": "x".repeat(100_000) });
        assert!(of_text(text.to_string().as_bytes()) < 102_000 && of_value(&text) < 102_000);
    }

    #[test]
    fn what_stands_in_a_string_is_text() {
        let text = json!({ "a\\": "{[,:\"{[,:\\\"" }).to_string();
        let plain = json!({ "a": "" }).to_string();
        assert!(of_text(text.as_bytes()) - of_text(plain.as_bytes()) < 32, "{text}");
        assert_eq!(depth_of_text(text.as_bytes()), 1);
        assert_eq!(depth_of_text(br#"[{"a":[]},[[{}]]]"#), 4);
    }
}
