//! Words for messages and for the catalogue.

/// Makes the schema of an enum one list of words, so that an error over another word names all of them.
pub(crate) fn plain_enum(schema: &mut schemars::Schema) {
    let Some(serde_json::Value::Array(variants)) = schema.remove("oneOf") else {
        return;
    };
    let word = |variant: &serde_json::Value| variant.get("const").cloned();
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), variants.iter().filter_map(word).collect());
}

/// The beginning of a value, for a message.
pub(crate) fn preview(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(40).collect()
}
