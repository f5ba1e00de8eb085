//! References: `{{ input.file }}` in a text, and expressions such as `steps.load.output.rows > 0`.
//!
//! Whoever fills in a form gives values to these, so they are bounded: in steps of evaluation, in the size of what
//! comes out; and they can reach nothing but what they are given.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::LazyLock,
};

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value as Found};
use serde::Serialize;
use serde_json::{Map, Value};

/// Most steps of one evaluation.
const FUEL: u64 = 50_000;
/// Most bytes of a text that comes out.
const LARGEST_TEXT: usize = 64 * 1024;
/// Most bytes of an input that comes out, as JSON.
pub(crate) const LARGEST_INPUT: usize = 1024 * 1024;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
});

/// What references can reach, by name; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Reach(BTreeMap<&'static str, Found>);

impl Reach {
    /// The same, and this.
    pub(crate) fn and(&self, name: &'static str, value: impl Serialize) -> Self {
        let mut names = self.0.clone();
        names.insert(name, Found::from(minijinja::value::Serde(value)));
        Self(names)
    }

    /// What is reached by a name, as JSON.
    pub(crate) fn json(&self, name: &str) -> Value {
        self.0.get(name).and_then(|found| serde_json::to_value(found).ok()).unwrap_or_default()
    }

    fn context(&self) -> Found {
        Found::from_pairs(self.0.iter().map(|(name, value)| (*name, value.clone())))
    }
}

/// Fills in all references in a value. A text that is one `{{ … }}` becomes its value, of whatever type.
pub(crate) fn fill(value: &Value, reach: &Reach) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => fill_text(text, reach)?,
        Value::Array(list) => list.iter().map(|each| fill(each, reach)).collect::<Result<_, _>>()?,
        Value::Object(object) => Value::Object(fill_object(object, reach)?),
        other => other.clone(),
    })
}

/// The same for an object; what is wrong is said with its name.
pub(crate) fn fill_object(object: &Map<String, Value>, reach: &Reach) -> Result<Map<String, Value>, String> {
    let filled = object.iter().map(|(name, value)| {
        let value = fill(value, reach).map_err(|why| format!("{name}: {why}"))?;
        Ok((name.clone(), value))
    });
    filled.collect()
}

fn fill_text(text: &str, reach: &Reach) -> Result<Value, String> {
    if let Some(expression) = only_expression(text) {
        return to_json(&evaluate(expression, reach)?);
    }
    render(text, reach).map(Value::String)
}

/// A text with its references filled in, as a text.
pub(crate) fn render(text: &str, reach: &Reach) -> Result<String, String> {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return Ok(text.to_owned());
    }
    let template = ENVIRONMENT.template_from_str(text).map_err(|error| words(&error))?;
    let mut rendered = Bounded(Vec::new());
    template.render_captured_to(reach.context(), &mut rendered).map_err(|error| match rendered.is_full() {
        true => format!("it becomes longer than {LARGEST_TEXT} bytes"),
        false => words(&error),
    })?;
    String::from_utf8(rendered.0).map_err(|error| error.to_string())
}

/// Whether a condition holds.
pub(crate) fn holds(expression: &str, reach: &Reach) -> Result<bool, String> {
    Ok(evaluate(bare(expression), reach)?.is_true())
}

/// The items of a list, `most` of them at most.
pub(crate) fn list(expression: &str, reach: &Reach, most: usize) -> Result<Vec<Value>, String> {
    let found = evaluate(bare(expression), reach)?;
    if found.as_str().is_some() || found.kind() == minijinja::value::ValueKind::Map {
        return Err(format!("it gives a {}, not a list", found.kind()));
    }
    let items = found.try_iter().map_err(|_| format!("it gives a {}, not a list", found.kind()))?;
    if let Some(has) = found.len().filter(|has| *has > most) {
        return Err(format!("it gives {has} items; {most} are allowed (workflows.most_items)"));
    }
    let items: Vec<_> = items.take(most + 1).collect();
    if items.len() > most {
        return Err(format!("it gives more than the {most} items that are allowed (workflows.most_items)"));
    }
    items.iter().map(to_json).collect()
}

/// What an expression refers to: names with dots between them, such as `steps.load.output.rows`.
pub(crate) fn references(expression: &str) -> Result<BTreeSet<String>, String> {
    let expression = ENVIRONMENT.compile_expression(bare(expression)).map_err(|error| words(&error))?;
    Ok(expression.undeclared_variables(true).into_iter().collect())
}

/// What the references in a text refer to.
pub(crate) fn references_in_text(text: &str) -> Result<BTreeSet<String>, String> {
    match only_expression(text) {
        Some(expression) => references(expression),
        None => {
            let template = ENVIRONMENT.template_from_str(text).map_err(|error| words(&error))?;
            Ok(template.undeclared_variables(true).into_iter().collect())
        }
    }
}

/// The expression of a text that is exactly one `{{ … }}`.
fn only_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    // `{{ a }} and {{ b }}` has no expression between its ends.
    ENVIRONMENT.compile_expression(inner).is_ok().then_some(inner)
}

/// An expression without the braces that somebody may have put around it.
fn bare(expression: &str) -> &str {
    only_expression(expression).unwrap_or(expression)
}

fn evaluate(expression: &str, reach: &Reach) -> Result<Found, String> {
    let compiled = ENVIRONMENT.compile_expression(expression).map_err(|error| words(&error))?;
    let found = compiled.eval(reach.context()).map_err(|error| format!("{}: {}", expression.trim(), words(&error)))?;
    match found.is_undefined() {
        true => Err(format!("{} is not there", expression.trim())),
        false => Ok(found),
    }
}

fn to_json(found: &Found) -> Result<Value, String> {
    serde_json::to_value(found).map_err(|error| format!("its value cannot be written as JSON: {error}"))
}

fn words(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too many steps to evaluate".to_owned(),
        (ErrorKind::UndefinedError, None) => "it refers to something that is not there".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// Takes [`LARGEST_TEXT`] bytes and no more.
struct Bounded(Vec<u8>);

impl Bounded {
    fn is_full(&self) -> bool {
        self.0.len() >= LARGEST_TEXT
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(LARGEST_TEXT - self.0.len());
        self.0.extend_from_slice(&bytes[..taken]);
        if taken == 0 && !bytes.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reach() -> Reach {
        let steps = json!({ "load": { "output": { "rows": [1, 2], "ok": true } } });
        Reach::default().and("input", json!({ "n": 3, "name": "Ada" })).and("steps", steps)
    }

    #[test]
    fn one_reference_keeps_its_type_and_text_around_it_makes_a_text() {
        for (written, becomes) in [
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
            assert_eq!(fill(&written, &reach()).unwrap(), becomes, "{written}");
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
            let error = fill(&json!({ "file": text }), &reach()).unwrap_err();
            assert!(error.starts_with("file: ") && error.contains(names), "{text}: {error}");
        }
    }

    #[test]
    fn what_never_ends_or_grows_without_end_is_stopped() {
        let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
        assert!(render(endless, &reach()).unwrap_err().contains("too many steps"));
        let long = format!("{{% for a in range(100) %}}{}{{% endfor %}}", "x".repeat(1000));
        assert!(render(&long, &reach()).unwrap_err().contains("longer than"));
        assert!(fill(&json!("{{ 'x' * 9999999999 }}"), &reach()).is_err());
    }

    #[test]
    fn a_list_of_too_many_is_refused_with_their_number() {
        let reach = reach();
        assert_eq!(list("range(3)", &reach, 3).unwrap(), [json!(0), json!(1), json!(2)]);
        assert_eq!(list("{{ steps.load.output.rows }}", &reach, 3).unwrap(), [json!(1), json!(2)]);
        assert!(list("range(100000)", &reach, 1000).unwrap_err().contains("100000 items; 1000 are allowed"));
        for none in ["input.n", "input.name", "input"] {
            assert!(list(none, &reach, 9).unwrap_err().contains("not a list"), "{none}");
        }
    }

    #[test]
    fn references_are_told_before_anything_is_evaluated() {
        let found = references_in_text("{{ steps.load.output.rows }} of {{ input.n }}").unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["input.n", "steps.load.output.rows"]);
        assert!(references("input.n >").is_err());
        assert!(holds("input.n > 2 and steps.load.output.ok", &reach()).unwrap());
    }
}
