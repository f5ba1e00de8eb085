//! The form of a function that declares none: a field for each plain property of its input's JSON Schema.

use model::catalogue::{Field, FieldType, Offer};
use serde_json::{Map, Value};

/// The one offer of a function of this title whose input has this schema; `None` where a required property has no control,
/// such as a list: that function is started over the API.
pub(crate) fn offer(title: String, schema: &Value) -> Option<Offer> {
    schema["type"].as_str().filter(|kind| *kind == "object")?;
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|each| each == name));
    let mut fields = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        match field(name, property, required(name)) {
            Some(field) => fields.push(field),
            None if required(name) => return None,
            None => {}
        }
    }
    let name = "input".to_owned();
    let (description, allow, input) = (String::new(), Vec::new(), Map::new());
    Some(Offer { name, title, description, allow, input, fields })
}

fn field(name: &str, property: &Value, required: bool) -> Option<Field> {
    // A dot in a field's path leads into an object.
    if name.contains('.') {
        return None;
    }
    let choices = property["enum"].as_array().cloned().unwrap_or_default();
    let is_text = |choice: &Value| choice.is_string();
    let field_type = match (json_type(property)?, property["format"].as_str()) {
        ("string", None) => FieldType::Text,
        ("string", Some("date")) => FieldType::Date,
        ("integer", _) => FieldType::Integer,
        ("number", _) => FieldType::Number,
        ("boolean", _) => FieldType::Boolean,
        _ => return None,
    };
    if field_type == FieldType::Text && !choices.iter().all(is_text) {
        return None;
    }
    Some(Field {
        path: name.to_owned(),
        title: property["title"].as_str().map_or_else(|| label(name), str::to_owned),
        field_type,
        default: Some(&property["default"]).filter(|default| !default.is_null()).cloned(),
        required,
        choices,
        hint: property["description"].as_str().unwrap_or_default().to_owned(),
    })
}

/// The type of a property, or of one that may also be null.
fn json_type(property: &Value) -> Option<&str> {
    match &property["type"] {
        Value::String(one) => Some(one),
        Value::Array(several) => {
            let mut others = several.iter().filter_map(Value::as_str).filter(|each| *each != "null");
            others.next().filter(|_| others.next().is_none())
        }
        _ => None,
    }
}

/// `due_date` as people read it: `Due date`.
fn label(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut letters = words.trim().chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::{JsonSchema, generate::SchemaSettings};
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    fn offer_of<T: JsonSchema>() -> Option<Offer> {
        offer(
            "Invoices".to_owned(),
            &SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value(),
        )
    }

    fn shown(offer: &Offer) -> Vec<(&str, &str, FieldType, bool)> {
        let fields = offer.fields.iter();
        fields.map(|field| (field.path.as_str(), field.title.as_str(), field.field_type, field.required)).collect()
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Plain {
        /// The one who pays.
        customer_name: String,
        #[serde(default)]
        copies: u8,
        amount: Option<f64>,
        urgent: bool,
        colour: Option<String>,
    }

    #[test]
    fn each_plain_property_is_a_field() {
        let offer = offer_of::<Plain>().unwrap();
        assert_eq!(offer.title, "Invoices");
        let mut fields = shown(&offer);
        fields.sort_unstable_by_key(|field| field.0);
        assert_eq!(
            fields,
            [
                ("amount", "Amount", FieldType::Number, false),
                ("colour", "Colour", FieldType::Text, false),
                ("copies", "Copies", FieldType::Integer, false),
                ("customer_name", "Customer name", FieldType::Text, true),
                ("urgent", "Urgent", FieldType::Boolean, true),
            ]
        );
        let customer = offer.fields.iter().find(|field| field.path == "customer_name").unwrap();
        assert_eq!(customer.hint, "The one who pays.");
        let copies = offer.fields.iter().find(|field| field.path == "copies").unwrap();
        assert_eq!(copies.default, Some(json!(0)));
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Optional {
        tags: Option<Vec<String>>,
        note: Option<String>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema is read")]
    struct Required {
        note: String,
        amounts: BTreeMap<String, f64>,
    }

    #[test]
    fn what_no_control_can_give_is_left_out_or_makes_no_form() {
        assert_eq!(shown(&offer_of::<Optional>().unwrap()), [("note", "Note", FieldType::Text, false)]);
        assert_eq!(offer_of::<Required>(), None);
        assert_eq!(offer_of::<Vec<String>>(), None);
        assert_eq!(offer_of::<Value>(), None);
    }

    #[test]
    fn dates_and_choices_are_such() {
        let schema = json!({ "type": "object", "required": ["size"], "properties": {
            "day": { "type": "string", "format": "date" },
            "at": { "type": "string", "format": "date-time" },
            "size": { "type": "string", "enum": ["S", "M"], "title": "The size" },
            "of.what": { "type": "string" },
        } });
        let offer = offer("Shirts".to_owned(), &schema).unwrap();
        assert_eq!(
            shown(&offer),
            [("day", "Day", FieldType::Date, false), ("size", "The size", FieldType::Text, true)]
        );
        assert_eq!(offer.fields[1].choices, [json!("S"), json!("M")]);
    }
}
