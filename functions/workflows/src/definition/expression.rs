//! References: `{{ input.file }}` in a text, and expressions such as `steps.load.output.rows > 0`.
//!
//! The values come from forms that anybody may fill in, so evaluation is bounded in steps and in the size of its
//! result, and scopees nothing outside its scope.

//!
//! - [`operands`]: what each operator may be given
//! - `checked`: evaluation, with those checks in it
//! - `type_checker`: the same checks where types are known before there are values
//! - `words`: what people see of expressions and values

mod checked;
mod operands;
#[cfg(test)]
mod tests;
mod type_checker;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use minijinja::{Error, ErrorKind, Value as Evaluated, value::ValueKind};
use serde::Serialize;
use serde_json::{Map, Value};

use checked::Reader;
pub(crate) use operands::Type;
pub(crate) use type_checker::Declared;
use words::cut;
pub(crate) use words::in_one_line;

/// The most bytes of a step's input, as JSON.
pub(crate) const MAX_INPUT: usize = 1024 * 1024;
/// The most bytes of an expression: a longer one could nest deeper than a thread's stack.
const MAX_EXPRESSION: usize = 2048;
/// The most bytes of a list's items, as JSON.
const MAX_ITEMS: usize = 8 * MAX_INPUT;

/// The names that references can use, with their values; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Scope(BTreeMap<&'static str, Evaluated>);

impl Scope {
    /// The same with one name more.
    pub(crate) fn with(&self, name: &'static str, value: impl Serialize) -> Self {
        let mut names = self.0.clone();
        names.insert(name, Evaluated::from(minijinja::value::Serde(value)));
        Self(names)
    }

    /// The value of a name, as JSON.
    pub(crate) fn json(&self, name: &str) -> Value {
        self.0.get(name).and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default()
    }

    fn context(&self) -> Evaluated {
        Evaluated::from_pairs(self.0.iter().map(|(name, value)| (*name, value.clone())))
    }
}

/// Replaces all references in a value. A text that is one `{{ … }}` becomes its value, of whatever type.
pub(crate) fn interpolate(value: &Value, scope: &Scope) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => interpolate_text(text, scope)?,
        Value::Array(list) => list.iter().map(|each| interpolate(each, scope)).collect::<Result<_, _>>()?,
        Value::Object(object) => Value::Object(interpolate_object(object, scope)?),
        other => other.clone(),
    })
}

/// The same for an object; an error names the field.
pub(crate) fn interpolate_object(object: &Map<String, Value>, scope: &Scope) -> Result<Map<String, Value>, String> {
    let fields = object.iter().map(|(name, value)| {
        let value = interpolate(value, scope).map_err(|error| format!("{name}: {error}"))?;
        Ok((name.clone(), value))
    });
    fields.collect()
}

fn interpolate_text(text: &str, scope: &Scope) -> Result<Value, String> {
    if let Some(expression) = only_expression(text) {
        return to_json(&evaluate(expression, scope)?);
    }
    render(text, scope).map(Value::String)
}

/// Renders a text with its references, as a text; null is an error.
pub(crate) fn render(text: &str, scope: &Scope) -> Result<String, String> {
    render_for(Reader::Program, text, scope)
}

/// Renders a text that somebody else reads: a value is one line of it, at most 200 characters, and cannot turn the
/// direction of what follows; null is `(no value)`.
pub(crate) fn render_for_people(text: &str, scope: &Scope) -> Result<String, String> {
    render_for(Reader::Person, text, scope)
}

fn render_for(reader: Reader, text: &str, scope: &Scope) -> Result<String, String> {
    if !has_references(text) {
        return Ok(text.to_owned());
    }
    if let Some(misfit) = misfits_in_text(text, &|_| None).pop() {
        return Err(misfit);
    }
    checked::render(text, scope.context(), reader).map_err(|error| describe(&error, text))
}

/// Evaluates a condition.
pub(crate) fn is_true(expression: &str, scope: &Scope) -> Result<bool, String> {
    Ok(evaluate(without_braces(expression), scope)?.is_true())
}

/// Evaluates to a list of at most `max` items.
pub(crate) fn evaluate_list(expression: &str, scope: &Scope, max: usize) -> Result<Vec<Value>, String> {
    let value = evaluate(without_braces(expression), scope)?;
    if value.as_str().is_some() || value.kind() == ValueKind::Map {
        return Err(format!("it gives a {}, not a list", value.kind()));
    }
    let items = value.try_iter().map_err(|_| format!("it gives a {}, not a list", value.kind()))?;
    if let Some(has) = value.len().filter(|has| *has > max) {
        return Err(format!("it gives {has} items; {max} are allowed (workflows.most_items)"));
    }
    let items: Vec<_> = items.take(max + 1).collect();
    if items.len() > max {
        return Err(format!("it gives more than the {max} items that are allowed (workflows.most_items)"));
    }
    check_size(&items, MAX_ITEMS)?;
    items.iter().map(to_json).collect()
}

/// The references of an expression: names with dots between them, such as `steps.load.output.rows`.
pub(crate) fn references(expression: &str) -> Result<BTreeSet<String>, String> {
    check_length(expression.len())?;
    let expression = without_braces(expression);
    Ok(checked::names(expression).map_err(|error| describe(&error, expression))?.collect())
}

/// The references of a text.
pub(crate) fn references_in_text(text: &str) -> Result<BTreeSet<String>, String> {
    if !has_references(text) {
        return Ok(BTreeSet::new());
    }
    check_length(longest_expression(text))?;
    match only_expression(text) {
        Some(expression) => references(expression),
        None => Ok(checked::names_in_text(text).map_err(|error| describe(&error, text))?.collect()),
    }
}

/// The operators of an expression whose operands do not fit, as far as types are declared; the expression has been read.
pub(crate) fn misfits(expression: &str, declared: &Declared<'_>) -> Vec<String> {
    let source = without_braces(expression);
    let mut checker = type_checker::Checker { source, declared, faults: Vec::new() };
    if let Ok(expression) = checked::parse(source) {
        checker.type_of(&expression);
    }
    checker.faults
}

/// The same for a text.
pub(crate) fn misfits_in_text(text: &str, declared: &Declared<'_>) -> Vec<String> {
    if only_expression(text).is_some() {
        return misfits(text, declared);
    }
    let mut checker = type_checker::Checker { source: text, declared, faults: Vec::new() };
    if let (true, Ok(parsed)) = (has_references(text), checked::parse_text(text)) {
        checker.text(&parsed);
    }
    checker.faults
}

/// True if a text is exactly one `{{ … }}`.
pub(crate) fn is_reference(text: &str) -> bool {
    only_expression(text).is_some()
}

/// Evaluates the expression of a text that is exactly one `{{ … }}` to its value, as JSON.
pub(crate) fn value_of_reference(text: &str, scope: &Scope) -> Result<Value, String> {
    value_of(without_braces(text), scope)
}

/// Evaluates an expression to its value, as JSON.
pub(crate) fn value_of(expression: &str, scope: &Scope) -> Result<Value, String> {
    to_json(&evaluate(expression, scope)?)
}

/// The expression of the `{{ … }}` with which a text begins, and the text after it.
pub(crate) fn leading_reference(text: &str) -> Result<(&str, &str), String> {
    let inner = text.strip_prefix("{{").unwrap_or(text);
    let (mut from, mut first_error) = (0, None);
    // The first end may stand in a string.
    while let Some(at) = inner[from..].find("}}").map(|at| from + at) {
        check_length(at)?;
        match checked::parse(&inner[..at]) {
            Ok(_) => return Ok((&inner[..at], &inner[at + 2..])),
            Err(error) => first_error = first_error.or(Some(describe(&error, &inner[..at]))),
        }
        from = at + 1;
    }
    let shown: String = text.chars().take(60).collect();
    Err(first_error.unwrap_or_else(|| format!("{shown} has no end")))
}

fn has_references(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|start| text.contains(start))
}

/// From each beginning to the last end before the next: what is quoted in between may look like an end.
fn longest_expression(text: &str) -> usize {
    let parts = text.split("{{").flat_map(|part| part.split("{%"));
    parts.filter_map(|part| part.rfind("}}").max(part.rfind("%}"))).max().unwrap_or(0)
}

/// Checked when a definition is read, so that nothing longer is ever evaluated.
fn check_length(bytes: usize) -> Result<(), String> {
    if bytes > MAX_EXPRESSION {
        return Err(format!("an expression has {bytes} bytes; {MAX_EXPRESSION} are allowed"));
    }
    Ok(())
}

/// The expression of a text that is exactly one `{{ … }}`.
fn only_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    // `{{ a }} and {{ b }}` has no expression between its ends.
    checked::parse(inner).is_ok().then_some(inner)
}

/// An expression without the optional braces around it.
fn without_braces(expression: &str) -> &str {
    only_expression(expression).unwrap_or(expression)
}

fn evaluate(expression: &str, scope: &Scope) -> Result<Evaluated, String> {
    // What is written out is computed before any check could be made.
    if let Some(misfit) = misfits(expression, &|_| None).pop() {
        return Err(misfit);
    }
    let value = checked::evaluate(expression, scope.context()).map_err(|error| describe(&error, expression))?;
    match value.is_undefined() {
        true => Err(format!("{} is not there", cut(expression))),
        false => Ok(value),
    }
}

fn to_json(value: &Evaluated) -> Result<Value, String> {
    check_size(value, MAX_INPUT)?;
    check_finite(value)?;
    serde_json::to_value(value).map_err(|error| format!("its value cannot be written as JSON: {error}"))
}

/// Refuses what JSON would make null of.
fn check_finite(value: &Evaluated) -> Result<(), String> {
    match value.kind() {
        ValueKind::Number if f64::try_from(value.clone()).is_ok_and(|number| !number.is_finite()) => {
            Err(format!("its value is {value}, which is no number that can be passed on"))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter().into_iter().flatten().try_for_each(|each| check_finite(&each))
        }
        ValueKind::Map => {
            let keys = value.try_iter().into_iter().flatten();
            keys.filter_map(|key| value.get_item(&key).ok()).try_for_each(|each| check_finite(&each))
        }
        _ => Ok(()),
    }
}

/// Refuses a value that has more bytes as JSON, before it is made: a list times a number is small until then.
fn check_size(value: &impl Serialize, max: usize) -> Result<(), String> {
    let mut left = Left(max);
    serde_json::to_writer(&mut left, value).map_err(|error| match error.is_io() {
        true => format!("its value has more than {max} bytes"),
        false => format!("its value cannot be written as JSON: {error}"),
    })
}

/// An error in words, with the part of the text that it is about.
fn describe(error: &Error, text: &str) -> String {
    let part = error.range().and_then(|range| text.get(range)).filter(|part| !part.trim().is_empty());
    // The part of a name alone says too little.
    let part = cut(part.filter(|part| !part.starts_with('.')).unwrap_or(text));
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too many steps to evaluate".to_owned(),
        (ErrorKind::UndefinedError, detail) => {
            let name = detail.and_then(|detail| detail.split('`').nth(1)).unwrap_or(&part);
            format!("{name}: it refers to something that is not there")
        }
        (ErrorKind::InvalidOperation | ErrorKind::WriteFailure, Some(detail)) => format!("{part}: {detail}"),
        // Its detail names what it is about.
        (kind @ ErrorKind::SyntaxError, Some(detail)) => format!("{kind}: {detail}"),
        (kind, Some(detail)) => format!("{part}: {kind}: {detail}"),
        (kind, None) => format!("{part}: {kind}"),
    }
}

/// A writer that keeps nothing and takes so many bytes.
struct Left(usize);

impl io::Write for Left {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
