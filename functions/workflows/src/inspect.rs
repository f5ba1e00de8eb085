//! Expressions evaluated as a run evaluates them, without a run: what a fuzzer feeds.

use serde_json::Value;

use crate::definition::expression::{
    Scope, evaluate_list, interpolate, is_true, references, references_in_text, render,
};

/// Most items of a list.
const MOST_ITEMS: usize = 1000;

/// A text in each of the ways in which a definition may use one; what went wrong, in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluations {
    /// The names that it refers to.
    pub references: Result<Vec<String>, String>,
    /// As a value of a step's input.
    pub value: Result<Value, String>,
    /// As a text.
    pub text: Result<String, String>,
    /// As a condition.
    pub is_true: Result<bool, String>,
    /// As a list, of 1000 items at most.
    pub items: Result<Vec<Value>, String>,
}

/// Evaluates a text in each way, with this value as `input`. What a definition would be refused for is not evaluated.
pub fn inspect_expression(text: &str, input: &Value) -> Evaluations {
    let scope = Scope::default().with("input", input);
    let in_text = references_in_text(text);
    let in_expression = || references(text).map(drop);
    Evaluations {
        value: in_text.clone().and_then(|_| interpolate(&Value::String(text.to_owned()), &scope)),
        text: in_text.clone().and_then(|_| render(text, &scope)),
        is_true: in_expression().and_then(|()| is_true(text, &scope)),
        items: in_expression().and_then(|()| evaluate_list(text, &scope, MOST_ITEMS)),
        references: in_text.map(|names| names.into_iter().collect()),
    }
}
