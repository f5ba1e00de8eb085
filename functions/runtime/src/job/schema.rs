//! The JSON Schema of a function's input, compiled once, and its errors in words.

use std::cmp::Reverse;

use jsonschema::{
    JsonType, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
    paths::{Location, LocationSegment},
};
use serde_json::Value;

use crate::failure::Failure;

/// The most errors that one message has.
const MAX_ERRORS: usize = 3;
/// The most characters of a value, and of a list of choices, in a message.
const MAX_SHOWN: usize = 80;
const MAX_CHOICES: usize = 400;

/// A compiled schema.
pub(crate) struct InputSchema(Validator);

impl InputSchema {
    /// Compiles it; the error says why it is no schema.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        jsonschema::draft202012::new(schema).map(Self).map_err(|error| error.to_string())
    }

    /// Checks an input; the message has the first errors, each with the path of its field.
    pub(crate) fn check(&self, input: &Value) -> Result<(), Failure> {
        let mut messages: Vec<String> = Vec::new();
        for error in self.0.iter_errors(input) {
            let message = message(&error);
            if !messages.contains(&message) {
                messages.push(message);
            }
            if messages.len() == MAX_ERRORS {
                break;
            }
        }
        if messages.is_empty() { Ok(()) } else { Err(Failure::input(messages.join("; "))) }
    }
}

fn message(error: &ValidationError<'_>) -> String {
    let value = error.instance();
    let reason = match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let values = values(context);
            match nearest(context) {
                _ if !values.is_empty() => format!("{} is none of {}", shown(value), choices(&values)),
                Some(inner) => return message(inner),
                None => format!("{} is not of a form that is known here", shown(value)),
            }
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let names: Vec<_> = unexpected.iter().take(MAX_ERRORS).map(|name| format!("`{}`", cut(name))).collect();
            let fields = if unexpected.len() == 1 { "unknown field" } else { "unknown fields" };
            format!("{fields} {}", names.join(", "))
        }
        ValidationErrorKind::Required { property } => {
            format!("missing field `{}`", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::Type { kind } => format!("{} is not {}", shown(value), types(kind)),
        ValidationErrorKind::Enum { options } => {
            format!("{} is none of {}", shown(value), choices(options.as_array().map_or(&[], Vec::as_slice)))
        }
        ValidationErrorKind::Constant { expected_value } => {
            format!("{} is not {}", shown(value), shown(expected_value))
        }
        // The library's message begins with the whole value, however long it is.
        _ => error.masked_with(shown(value)).to_string(),
    };
    format!("{}: {reason}", path(error.instance_path()))
}

/// All values where each alternative is a single value, as the variants of an enum are.
fn values(alternatives: &[Vec<ValidationError<'static>>]) -> Vec<Value> {
    let mut values = Vec::new();
    for alternative in alternatives {
        match alternative.first().map(ValidationError::kind) {
            Some(ValidationErrorKind::Constant { expected_value }) => values.push((**expected_value).clone()),
            Some(ValidationErrorKind::Enum { options }) => {
                values.extend(options.as_array().into_iter().flatten().cloned())
            }
            Some(ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::Null) }) => {}
            _ => return Vec::new(),
        }
    }
    values
}

/// The alternative that the input comes nearest to: where its errors are deepest, and fewest.
fn nearest<'a>(alternatives: &'a [Vec<ValidationError<'static>>]) -> Option<&'a ValidationError<'static>> {
    let depth = |error: &ValidationError<'_>| error.instance_path().segments().count();
    // `null` is the alternative of an optional field: a value that was written never meant it.
    let is_null = |error: &ValidationError<'_>| {
        matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::Null) })
    };
    let alternatives = alternatives.iter().filter(|errors| !errors.iter().any(is_null));
    let nearest = alternatives.max_by_key(|errors| (errors.iter().map(depth).max(), Reverse(errors.len())))?;
    nearest.first()
}

/// A path in the input, such as `input.columns[2].name`.
fn path(location: &Location) -> String {
    let mut path = "input".to_owned();
    for segment in location.segments() {
        match segment {
            LocationSegment::Index(index) => path.push_str(&format!("[{index}]")),
            LocationSegment::Property(name) => path.push_str(&format!(".{}", cut(&name))),
        }
    }
    path
}

fn types(kind: &TypeKind) -> String {
    let kinds = match kind {
        TypeKind::Single(kind) => vec![*kind],
        TypeKind::Multiple(kinds) => kinds.iter().filter(|kind| *kind != JsonType::Null).collect(),
    };
    kinds.into_iter().map(type_name).collect::<Vec<_>>().join(" or ")
}

fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a text",
    }
}

fn choices(options: &[Value]) -> String {
    let names: Vec<_> = options.iter().map(shown).collect();
    shortened(&names.join(", "), MAX_CHOICES)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        plain => cut(&plain.to_string()),
    }
}

fn cut(text: &str) -> String {
    shortened(text, MAX_SHOWN)
}

fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::{JsonSchema, generate::SchemaSettings};
    use serde_json::json;

    use super::*;

    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields, rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is of use")]
    struct Input {
        table: String,
        mode: Option<Mode>,
        #[schemars(default)]
        columns: BTreeMap<String, u32>,
        #[schemars(default)]
        rows: Vec<Row>,
        #[schemars(default, range(max = 12))]
        month: u8,
    }

    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is of use")]
    enum Mode {
        /// A variant with a doc comment is an alternative of its own in the schema.
        Replace,
        Append,
        Upsert,
    }

    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is of use")]
    enum Row {
        Plain(String),
        Counted { name: String, count: u32, at: Vec<bool> },
    }

    fn check(input: &Value) -> Result<(), Failure> {
        let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Input>();
        InputSchema::compile(&schema.to_value()).unwrap().check(input)
    }

    fn wrong(input: Value) -> String {
        let failure = check(&input).unwrap_err();
        assert!(matches!(failure, Failure::Permanent { reason: "input", .. }));
        failure.to_string()
    }

    #[test]
    fn what_is_wrong_is_named_with_the_path_of_its_field() {
        for (input, words) in [
            (json!(null), "input: null is not an object"),
            (json!({}), "input: missing field `table`"),
            (json!({ "table": 7 }), "input.table: 7 is not a text"),
            (json!({ "table": "t", "tabel": 1 }), "input: unknown field `tabel`"),
            (
                json!({ "table": "t", "mode": "merge" }),
                r#"input.mode: "merge" is none of "append", "upsert", "replace""#,
            ),
            (json!({ "table": "t", "columns": { "a": "x" } }), r#"input.columns.a: "x" is not a whole number"#),
            (json!({ "table": "t", "columns": [] }), "input.columns: a list is not an object"),
            (json!({ "table": "t", "month": 13 }), "input.month: 13 is greater than the maximum of 12"),
            (
                json!({ "table": "t", "rows": ["n", { "name": "n", "count": 1, "at": [1] }] }),
                "input.rows[1].at[0]: 1 is not true or false",
            ),
        ] {
            // Each of several errors is named.
            let message = wrong(input);
            assert!(message.contains(words), "{words} in {message}");
        }
        assert!(check(&json!({ "table": "t", "mode": null, "columns": { "a": 1 } })).is_ok());
    }

    #[test]
    fn a_message_has_a_few_errors_and_never_a_long_value() {
        let words = wrong(json!({ "table": "x".repeat(10).len(), "mode": "x".repeat(5000), "month": -1, "a": 1 }));
        assert_eq!(words.split("; ").count(), MAX_ERRORS, "{words}");
        assert!(words.len() < 1000, "{words}");
    }
}
