//! The values of claims, as RFC 7519 and identity providers write them.

use std::fmt::Write;

use model::audience::is_id;
use process::Texts;
use serde_json::{Map, Number, Value, json};

use super::{error::TokenError, jwt::find};

pub(super) const NOT_AN_ID: &str = "it must have 1 to 256 bytes and no white space";

/// The groups of all claims of these names, each with the prefix; one that is no id of ours is left out.
pub(super) fn groups(
    claims: &Map<String, Value>,
    names: &Texts,
    prefix: &str,
    left_out: impl Fn(&str, &str, &'static str),
) -> Result<Vec<String>, TokenError> {
    let mut groups = Vec::new();
    for name in names.iter() {
        // Microsoft Entra names a claim here whose value was too long for the token.
        if claims.get("_claim_names").and_then(|names| names.get(name)).is_some() {
            left_out(name, "all", "the issuer has left them out of the token, since there are too many");
        }
        let Some(value) = find(claims, name) else { continue };
        for entry in entries(value).ok_or_else(|| neither_text_nor_list(name, value))? {
            match entry.as_str().map(|group| format!("{prefix}{group}")) {
                Some(group) if is_id(&group) => groups.push(group),
                Some(group) => left_out(name, &group, NOT_AN_ID),
                None => left_out(name, &entry.to_string(), "it must be text"),
            }
        }
    }
    Ok(groups)
}

/// The scopes of all claims of these names, with spaces between them.
pub(super) fn scopes(
    claims: &Map<String, Value>,
    names: &Texts,
    left_out: impl Fn(&str, &str, &'static str),
) -> Result<String, TokenError> {
    let mut scopes = String::new();
    let mut add = |scope: &str| {
        let space = if scopes.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = write!(scopes, "{space}{scope}");
    };
    for name in names.iter() {
        match find(claims, name) {
            None => {}
            Some(Value::String(text)) => text.split_whitespace().for_each(&mut add),
            Some(Value::Array(list)) => {
                for entry in list {
                    match entry.as_str() {
                        Some(scope) if is_id(scope) => add(scope),
                        // A scope with a space would be read as two.
                        _ => left_out(name, &entry.to_string(), "it must be one scope, a text without white space"),
                    }
                }
            }
            Some(value) => return Err(neither_text_nor_list(name, value)),
        }
    }
    Ok(scopes)
}

/// The entries of a list; a text is a list of one.
fn entries(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(list) => Some(list),
        Value::String(_) => Some(std::slice::from_ref(value)),
        _ => None,
    }
}

fn neither_text_nor_list(name: &str, found: &Value) -> TokenError {
    TokenError::malformed(name, "it must be text or a list of texts").found(&found.to_string())
}

/// Puts a value where [`find`] finds it by this name.
pub(super) fn insert(claims: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        // The name of a claim that is an address is no path.
        Some((outer, inner)) if !name.contains('/') => {
            let object = claims.entry(outer).or_insert_with(|| json!({}));
            if let Value::Object(object) = object {
                insert(object, inner, value);
            }
        }
        _ => drop(claims.insert(name.to_owned(), value)),
    }
}

/// A `NumericDate`; null is none.
pub(super) fn number<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a Number>, TokenError> {
    match find(claims, name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(number)),
        Some(found) => Err(TokenError::malformed(name, "it must be a number of seconds").found(&found.to_string())),
    }
}

/// The whole seconds of a `NumericDate`, which may be a fraction or have an exponent, and be larger than any time.
pub(super) fn whole_seconds(number: &Number) -> i64 {
    // A cast from a float saturates.
    number.as_i64().unwrap_or_else(|| seconds_of(number).floor() as i64)
}

pub(super) fn seconds_of(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::MAX)
}
