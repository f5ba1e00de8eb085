//! Whom an approval asks, such as `user:{{ run.owner }} group:{{ input.team }}-leads`.
//!
//! The text is cut into its terms before any value is known: a value fills a name, and never adds a term or changes what
//! a term is.

use std::collections::BTreeSet;

use model::{
    Audience,
    audience::{Term, is_id},
};
use serde_json::Value;

use super::expression::{self, Scope};

/// The most characters of a value or a term that an error message shows.
const MAX_SHOWN: usize = 80;

/// The terms of an `ask`, with references where values are filled in.
#[derive(Debug, PartialEq)]
pub(crate) struct Ask(Vec<TermTemplate>);

#[derive(Debug, PartialEq)]
enum TermTemplate {
    Fixed(Term),
    User(Vec<Part>),
    Group(Vec<Part>),
}

/// A part of a word: text, or the expression of one `{{ … }}`.
#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Value(String),
}

impl Ask {
    /// Cuts a text into its terms, each of which must say by itself whether it is a user or a group.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let terms: Vec<_> = words(text)?.into_iter().map(TermTemplate::parse).collect::<Result<_, _>>()?;
        match terms.is_empty() {
            true => Err("say who is asked, such as \"group:finance\"".to_owned()),
            false => Ok(Self(terms)),
        }
    }

    /// True if nobody but the run's owner can be asked.
    pub(crate) fn is_of_owner_alone(&self) -> bool {
        self.0.iter().all(|term| match term {
            TermTemplate::User(parts) => matches!(&parts[..], [Part::Value(value)] if value.trim() == "run.owner"),
            _ => false,
        })
    }

    /// The number of people that can be asked, where all are named by the definition itself.
    pub(crate) fn fixed_people(&self) -> Option<usize> {
        let users: Option<BTreeSet<_>> = self
            .0
            .iter()
            .map(|term| match term {
                TermTemplate::Fixed(Term::User(user)) => Some(user),
                _ => None,
            })
            .collect();
        users.map(|users| users.len())
    }

    /// Fills in the values. One that is a list, and a whole name, gives a term for each entry.
    pub(crate) fn fill(&self, scope: &Scope) -> Result<Audience, String> {
        let mut terms = Vec::new();
        for term in &self.0 {
            match term {
                TermTemplate::Fixed(term) => terms.push(term.clone()),
                TermTemplate::User(parts) => terms.extend(ids(parts, scope)?.into_iter().map(Term::User)),
                TermTemplate::Group(parts) => terms.extend(ids(parts, scope)?.into_iter().map(Term::Group)),
            }
        }
        if terms.is_empty() {
            return Err("nobody is asked".to_owned());
        }
        // Each is an id by now, so this finds the same terms again.
        let terms: Vec<_> = terms.iter().map(Term::to_string).collect();
        terms.join(" ").parse().map_err(|error: model::audience::AudienceError| error.to_string())
    }
}

impl TermTemplate {
    fn parse(mut word: Vec<Part>) -> Result<Self, String> {
        let written = shown(&word);
        if let [Part::Text(text)] = &word[..] {
            return text.parse().map(Self::Fixed).map_err(|error: model::audience::AudienceError| error.to_string());
        }
        let begins = match word.first_mut() {
            Some(Part::Text(text)) => std::mem::take(text),
            _ => String::new(),
        };
        let (make, rest): (fn(Vec<Part>) -> Self, _) = match begins.split_once(':') {
            Some(("user", rest)) => (Self::User, rest),
            Some(("group", rest)) => (Self::Group, rest),
            _ => {
                let name = written.trim_start_matches(|c| c != '{');
                let reason = format!("{written} does not say what it is; write user:{name} or group:{name}");
                return Err(reason);
            }
        };
        word[0] = Part::Text(rest.to_owned());
        word.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        let is_name = |part: &Part| matches!(part, Part::Value(_)) || matches!(part, Part::Text(text) if is_id(text));
        match word.iter().all(is_name) {
            true => Ok(make(word)),
            false => Err(format!("{written} is no name of a user or group")),
        }
    }
}

/// The words of a text; white space within a `{{ … }}` ends none.
fn words(text: &str) -> Result<Vec<Vec<Part>>, String> {
    let (mut words, mut word, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some(next) = rest.chars().next() {
        if rest.starts_with("{%") || rest.starts_with("{#") {
            return Err(format!("{} cannot stand here, only {{{{ … }}}}", &rest[..2]));
        }
        if rest.starts_with("{{") {
            let (expression, after) = expression::leading_reference(rest)?;
            word.push(Part::Value(expression.to_owned()));
            rest = after;
            continue;
        }
        rest = &rest[next.len_utf8()..];
        match word.last_mut() {
            _ if next.is_whitespace() => words.push(std::mem::take(&mut word)),
            Some(Part::Text(text)) => text.push(next),
            _ => word.push(Part::Text(next.to_string())),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    Ok(words)
}

/// The names that a word becomes: one, or one for each entry of a list.
fn ids(parts: &[Part], scope: &Scope) -> Result<Vec<String>, String> {
    if let [Part::Value(expression)] = parts {
        return match expression::value_of(expression, scope)? {
            Value::Array(list) => list.iter().map(|entry| id(expression, entry)).collect(),
            value => Ok(vec![id(expression, &value)?]),
        };
    }
    let mut name = String::new();
    for part in parts {
        match part {
            Part::Text(text) => name.push_str(text),
            Part::Value(expression) => name.push_str(&id(expression, &expression::value_of(expression, scope)?)?),
        }
    }
    match is_id(&name) {
        true => Ok(vec![name]),
        false => Err(format!("{:?} is longer than a name of a user or group may be", cut(&name))),
    }
}

/// One name, or a part of one, from a value.
fn id(expression: &str, value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let is_text = value.is_string() || value.is_i64() || value.is_u64();
    if is_text && is_id(&text) {
        return Ok(text);
    }
    let (expression, text) = (expression.trim(), cut(&text));
    Err(format!("{{{{ {expression} }}}} gives {text:?}, which is not one name of a user or group"))
}

fn shown(word: &[Part]) -> String {
    let written = word.iter().map(|part| match part {
        Part::Text(text) => text.clone(),
        Part::Value(expression) => format!("{{{{{expression}}}}}"),
    });
    cut(&written.collect::<String>())
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(ask: &str, input: Value) -> Result<String, String> {
        let scope = Scope::default().with("input", input);
        Ask::parse(ask)?.fill(&scope).map(String::from)
    }

    #[test]
    fn a_value_fills_a_name_and_a_list_gives_one_name_for_each_entry() {
        for (ask, input, expected) in [
            ("group:finance\tuser:ada", json!({}), "group:finance user:ada"),
            ("environment", json!({}), "environment"),
            ("group:{{ input.team }}-leads", json!({ "team": "red" }), "group:red-leads"),
            ("user:{{input.a}} user:{{ input.b }}", json!({ "a": "ada", "b": 7 }), "user:ada user:7"),
            ("user:{{ input.a }}:{{ input.b ~ '}} ' | trim }}", json!({ "a": "urn", "b": "x" }), "user:urn:x}}"),
            ("user:{{ input.all }}", json!({ "all": ["ada", "bob", "ada"] }), "user:ada user:bob"),
            ("group:{{ input.colon }}", json!({ "colon": "user:mallory" }), "group:user:mallory"),
        ] {
            assert_eq!(fill(ask, input).as_deref(), Ok(expected), "{ask}");
        }
    }

    #[test]
    fn a_value_is_never_more_than_one_name() {
        for value in [
            json!("red user:mallory group:x"),
            json!("red\u{a0}user:mallory"),
            json!("red\u{2003}user:mallory"),
            json!("red\u{3000}user:mallory"),
            json!("red\u{85}user:mallory"),
            json!("red\nuser:mallory"),
            json!("red\0"),
            json!(""),
            json!(" "),
            json!(null),
            json!(true),
            json!(1.5),
            json!({ "a": "b" }),
            json!("x".repeat(257)),
        ] {
            for ask in ["group:{{ input.team }}", "group:{{ input.team }}-leads", "user:a{{ input.team }}"] {
                let error = fill(ask, json!({ "team": value })).unwrap_err();
                assert!(error.contains("{{ input.team }} gives"), "{value}: {error}");
                let error = fill("group:{{ input.team }}", json!({ "team": ["red", value] })).unwrap_err();
                assert!(error.contains("not one name"), "{value}: {error}");
            }
        }
        assert!(fill("group:{{ input.team }}-leads", json!({ "team": ["red"] })).unwrap_err().contains("not one name"));
        assert!(fill("group:{{ input.team }}-leads", json!({ "team": "x".repeat(255) })).is_err());
        assert_eq!(fill("group:{{ input.team }}", json!({ "team": [] })).unwrap_err(), "nobody is asked");
        assert!(fill("group:{{ input.teem }}", json!({ "team": "red" })).unwrap_err().contains("input.teem"));
        let crowd: Vec<_> = (0..65).map(|number| format!("u{number}")).collect();
        assert!(fill("user:{{ input.all }}", json!({ "all": crowd })).unwrap_err().contains("more than 64"));
    }

    #[test]
    fn a_text_that_leaves_its_structure_to_a_value_is_refused() {
        for (ask, words) in [
            ("{{ input.who }}", "write user:{{ input.who }} or group:{{ input.who }}"),
            ("{{ input.kind }}:{{ input.who }}", "does not say what it is"),
            ("us{{ input.rest }}", "does not say what it is"),
            ("role:{{ input.who }}", "does not say what it is"),
            ("user:", "none of user:<id>, group:<name>, environment"),
            ("everybody", "none of user:<id>, group:<name>, environment"),
            ("{% if input.a %}user:a{% endif %}", "{% cannot stand here"),
            ("user:a{# nothing #}", "{# cannot stand here"),
            ("user:{{ input.who", "{{ input.who has no end"),
            ("user:{{ input.who > }}", "syntax error"),
            (" \n", "say who is asked"),
        ] {
            let error = Ask::parse(ask).unwrap_err();
            assert!(error.contains(words), "{ask}: {error}");
        }
    }
}
