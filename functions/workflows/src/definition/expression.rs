//! References: `{{ input.file }}` in a text, and expressions such as `steps.load.output.rows > 0`.
//!
//! The values come from forms that anybody may fill in, so evaluation is bounded in steps and in the size of its
//! result, and scopees nothing outside its scope.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::LazyLock,
};

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value as Evaluated};
use serde::Serialize;
use serde_json::{Map, Value};

/// The most steps of one evaluation.
const FUEL: u64 = 50_000;
/// The most bytes of a rendered text.
const MAX_TEXT: usize = 64 * 1024;
/// The most bytes of a step's input, as JSON.
pub(crate) const MAX_INPUT: usize = 1024 * 1024;
/// The most bytes of an expression: a longer one could nest deeper than a thread's stack.
const MAX_EXPRESSION: usize = 2048;
/// The most bytes of a list's items, as JSON.
const MAX_ITEMS: usize = 8 * MAX_INPUT;

/// The most characters of a value within a text for people: a longer one would hide what is written after it.
const MAX_VALUE: usize = 200;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// Where what is filled in comes from one person and is read by another.
static FOR_PEOPLE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = environment();
    environment.set_formatter(|output, _, value| Ok(output.write_str(&in_one_line(&value.to_string()))?));
    environment
});

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
}

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

/// Renders a text with its references, as a text.
pub(crate) fn render(text: &str, scope: &Scope) -> Result<String, String> {
    render_with(&ENVIRONMENT, text, scope)
}

/// Renders a text that somebody else reads: a value is one line of it, at most 200 characters, and cannot turn the
/// direction of what follows.
pub(crate) fn render_for_people(text: &str, scope: &Scope) -> Result<String, String> {
    render_with(&FOR_PEOPLE, text, scope)
}

fn render_with(environment: &Environment<'static>, text: &str, scope: &Scope) -> Result<String, String> {
    if !has_references(text) {
        return Ok(text.to_owned());
    }
    let template = environment.template_from_str(text).map_err(|error| describe(&error))?;
    let mut rendered = Bounded(Vec::new());
    template.render_captured_to(scope.context(), &mut rendered).map_err(|error| match rendered.is_full() {
        true => format!("it becomes longer than {MAX_TEXT} bytes"),
        false => describe(&error),
    })?;
    String::from_utf8(rendered.0).map_err(|error| error.to_string())
}

/// Evaluates a condition.
pub(crate) fn is_true(expression: &str, scope: &Scope) -> Result<bool, String> {
    Ok(evaluate(without_braces(expression), scope)?.is_true())
}

/// Evaluates to a list of at most `max` items.
pub(crate) fn evaluate_list(expression: &str, scope: &Scope, max: usize) -> Result<Vec<Value>, String> {
    let value = evaluate(without_braces(expression), scope)?;
    if value.as_str().is_some() || value.kind() == minijinja::value::ValueKind::Map {
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
    let expression = ENVIRONMENT.compile_expression(without_braces(expression)).map_err(|error| describe(&error))?;
    Ok(expression.undeclared_variables(true).into_iter().collect())
}

/// The references of a text.
pub(crate) fn references_in_text(text: &str) -> Result<BTreeSet<String>, String> {
    if !has_references(text) {
        return Ok(BTreeSet::new());
    }
    check_length(longest_expression(text))?;
    match only_expression(text) {
        Some(expression) => references(expression),
        None => {
            let template = ENVIRONMENT.template_from_str(text).map_err(|error| describe(&error))?;
            Ok(template.undeclared_variables(true).into_iter().collect())
        }
    }
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

/// Evaluates an expression to its value, as JSON.
pub(crate) fn value_of(expression: &str, scope: &Scope) -> Result<Value, String> {
    to_json(&evaluate(expression, scope)?)
}

/// The expression of the `{{ … }}` with which a text begins, and the text after it.
pub(crate) fn leading_reference(text: &str) -> Result<(&str, &str), String> {
    let inner = text.strip_prefix("{{").unwrap_or(text);
    let (mut from, mut first_error) = (0, None);
    // The first end may stand in a string.
    while let Some(at) = inner[from..].find("}}").map(|at| from + at).filter(|at| *at <= MAX_EXPRESSION) {
        match ENVIRONMENT.compile_expression(&inner[..at]) {
            Ok(_) => return Ok((&inner[..at], &inner[at + 2..])),
            Err(error) => first_error = first_error.or(Some(describe(&error))),
        }
        from = at + 1;
    }
    let shown: String = text.chars().take(60).collect();
    Err(first_error.unwrap_or_else(|| format!("{shown} has no end")))
}

/// The expression of a text that is exactly one `{{ … }}`.
fn only_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    // `{{ a }} and {{ b }}` has no expression between its ends.
    ENVIRONMENT.compile_expression(inner).is_ok().then_some(inner)
}

/// An expression without the optional braces around it.
fn without_braces(expression: &str) -> &str {
    only_expression(expression).unwrap_or(expression)
}

fn evaluate(expression: &str, scope: &Scope) -> Result<Evaluated, String> {
    let compiled = ENVIRONMENT.compile_expression(expression).map_err(|error| describe(&error))?;
    let value =
        compiled.eval(scope.context()).map_err(|error| format!("{}: {}", expression.trim(), describe(&error)))?;
    match value.is_undefined() {
        true => Err(format!("{} is not there", expression.trim())),
        false => Ok(value),
    }
}

fn to_json(value: &Evaluated) -> Result<Value, String> {
    check_size(value, MAX_INPUT)?;
    serde_json::to_value(value).map_err(|error| format!("its value cannot be written as JSON: {error}"))
}

/// Refuses a value that has more bytes as JSON, before it is made: a list times a number is small until then.
fn check_size(value: &impl Serialize, max: usize) -> Result<(), String> {
    let mut left = Left(max);
    serde_json::to_writer(&mut left, value).map_err(|error| match error.is_io() {
        true => format!("its value has more than {max} bytes"),
        false => format!("its value cannot be written as JSON: {error}"),
    })
}

fn describe(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too many steps to evaluate".to_owned(),
        (ErrorKind::UndefinedError, None) => "it refers to something that is not there".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

fn in_one_line(value: &str) -> String {
    // The characters of Unicode that change the direction of the text around them.
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

/// A writer that takes [`MAX_TEXT`] bytes and no more.
struct Bounded(Vec<u8>);

impl Bounded {
    fn is_full(&self) -> bool {
        self.0.len() >= MAX_TEXT
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(MAX_TEXT - self.0.len());
        self.0.extend_from_slice(&bytes[..taken]);
        if taken == 0 && !bytes.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope() -> Scope {
        let steps = json!({ "load": { "output": { "rows": [1, 2], "ok": true } } });
        Scope::default().with("input", json!({ "n": 3, "name": "Ada" })).with("steps", steps)
    }

    #[test]
    fn one_reference_keeps_its_type_and_text_around_it_makes_a_text() {
        for (template, expected) in [
            (json!("{{ input.n }}"), json!(3)),
            (json!(" {{ input.n + 1 }} "), json!(4)),
            (json!("{{ steps.load.output }}"), json!({ "rows": [1, 2], "ok": true })),
            (json!("n is {{ input.n }}"), json!("n is 3")),
            (json!("{{ input.n }}{{ input.n }}"), json!("33")),
            (json!({ "a": ["{{ input.name }}", 7, null] }), json!({ "a": ["Ada", 7, null] })),
            (json!("{{ '}}' }}"), json!("}}")),
            (json!("no reference"), json!("no reference")),
            (json!("<b>{{ '<' }}</b>"), json!("<b><</b>")),
        ] {
            assert_eq!(interpolate(&template, &scope()).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn what_is_not_there_is_named_and_nothing_is_made_of_it() {
        for (text, names) in [
            ("{{ input.nn }}", "input.nn"),
            ("{{ steps.load.output.row.x }}", "steps.load.output.row"),
            ("n is {{ nothing }}", "not there"),
            ("{{ 1 / 0 }}", "1 / 0"),
            ("{{ input.", "syntax error"),
            ("{% include 'x' %}", "syntax error"),
        ] {
            let error = interpolate(&json!({ "file": text }), &scope()).unwrap_err();
            assert!(error.starts_with("file: ") && error.contains(names), "{text}: {error}");
        }
    }

    #[test]
    fn what_never_ends_or_grows_without_end_is_stopped() {
        let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
        assert!(render(endless, &scope()).unwrap_err().contains("too many steps"));
        let long = format!("{{% for a in range(100) %}}{}{{% endfor %}}", "x".repeat(1000));
        assert!(render(&long, &scope()).unwrap_err().contains("longer than"));
        assert!(interpolate(&json!("{{ 'x' * 9999999999 }}"), &scope()).is_err());
        // What it has in memory is one list; as JSON it would have gigabytes.
        for huge in ["{{ [input.name] * 99999999 }}", "{{ [[input] * 9999] * 9999 }}"] {
            assert!(interpolate(&json!(huge), &scope()).unwrap_err().contains("more than 1048576 bytes"), "{huge}");
        }
        assert!(evaluate_list("[[input] * 999999] * 9", &scope(), 9).unwrap_err().contains("more than 8388608 bytes"));
    }

    #[test]
    fn an_expression_that_would_nest_too_deep_is_refused_and_the_longest_is_evaluated() {
        let sum = |terms: usize| format!("{{{{ 1{} }}}}", "+1".repeat(terms));
        assert_eq!(interpolate(&json!(sum(1000)), &scope()).unwrap(), json!(1001));
        assert!(references_in_text(&sum(1000)).is_ok());
        let error = references_in_text(&sum(100_000)).unwrap_err();
        assert!(error.contains("200003 bytes; 2048 are allowed"), "{error}");
        let quoted = format!("{{{{ '}}}}' ~ 1{} }}}}", "+1".repeat(100_000));
        assert!(references_in_text(&quoted).unwrap_err().contains("2048 are allowed"));
        assert!(references(&"not ".repeat(100_000)).unwrap_err().contains("2048 are allowed"));
        let long = format!("{{{{ input.n }}}}{}", "x".repeat(100_000));
        assert_eq!(references_in_text(&long).unwrap().len(), 1, "a text may be long");
    }

    #[test]
    fn a_list_of_too_many_is_refused_with_their_number() {
        let scope = scope();
        assert_eq!(evaluate_list("range(3)", &scope, 3).unwrap(), [json!(0), json!(1), json!(2)]);
        assert_eq!(evaluate_list("{{ steps.load.output.rows }}", &scope, 3).unwrap(), [json!(1), json!(2)]);
        assert!(evaluate_list("range(100000)", &scope, 1000).unwrap_err().contains("100000 items; 1000 are allowed"));
        for none in ["input.n", "input.name", "input"] {
            assert!(evaluate_list(none, &scope, 9).unwrap_err().contains("not a list"), "{none}");
        }
    }

    #[test]
    fn what_one_person_fills_in_is_one_short_line_of_what_another_reads() {
        let scope = Scope::default().with("input", json!({ "a": "x\r\n\u{202e}y\u{2028}z", "long": "n".repeat(900) }));
        assert_eq!(render_for_people("Load\n{{ input.a }}?", &scope).unwrap(), "Load\nx  y z?");
        assert_eq!(render_for_people("{{ input.long }}?", &scope).unwrap(), format!("{}…?", "n".repeat(200)));
        assert!(render_for_people("{{ input.none }}?", &scope).unwrap_err().contains("not there"));
    }

    #[test]
    fn references_are_listed_without_evaluation() {
        let found = references_in_text("{{ steps.load.output.rows }} of {{ input.n }}").unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["input.n", "steps.load.output.rows"]);
        assert!(references("input.n >").is_err());
        assert!(is_true("input.n > 2 and steps.load.output.ok", &scope()).unwrap());
    }
}
