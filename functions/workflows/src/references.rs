//! Whether what a definition refers to is there when it is needed.

use std::collections::BTreeSet;

use runtime::definitions::Segment;
use serde_json::{Map, Value};

use crate::{check::Wrong, definition::Definition, expression};

/// What can be referred to at one place of a definition.
pub(crate) struct Reachable<'a> {
    pub(crate) definition: &'a Definition,
    /// The ids of the steps that have ended by then.
    pub(crate) before: BTreeSet<&'a str>,
    /// Whether there is an `item`.
    pub(crate) item: bool,
}

impl Reachable<'_> {
    /// What is wrong with all texts of an object.
    pub(crate) fn wrong_in(&self, way: &[Segment], object: &Map<String, Value>) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        for (name, value) in object {
            self.look_into(&[way, &[name.as_str().into()]].concat(), name, value, &mut wrong);
        }
        wrong
    }

    fn look_into(&self, way: &[Segment], name: &str, value: &Value, wrong: &mut Vec<Wrong>) {
        let below = |part: Segment| [way, &[part]].concat();
        match value {
            Value::String(text) => wrong.extend(self.wrong(way, name, expression::references_in_text(text))),
            Value::Array(list) => {
                for (at, each) in list.iter().enumerate() {
                    self.look_into(&below(at.into()), name, each, wrong);
                }
            }
            Value::Object(object) if object.keys().any(|key| key.starts_with("$__toml")) => {
                wrong.push(Wrong { way: way.to_vec(), why: format!("{name}: put dates and times into quotes") });
            }
            Value::Object(object) => {
                for (key, each) in object {
                    self.look_into(&below(key.as_str().into()), &format!("{name}.{key}"), each, wrong);
                }
            }
            _ => {}
        }
    }

    /// What is wrong with what was found in one text.
    pub(crate) fn wrong(&self, way: &[Segment], name: &str, found: Result<BTreeSet<String>, String>) -> Vec<Wrong> {
        let why = match found {
            Err(why) => vec![why],
            Ok(found) => found.iter().filter_map(|reference| self.unreachable(reference)).collect(),
        };
        why.into_iter().map(|why| Wrong { way: way.to_vec(), why: format!("{name}: {why}") }).collect()
    }

    fn unreachable(&self, reference: &str) -> Option<String> {
        let mut parts = reference.split('.');
        match (parts.next().unwrap_or_default(), parts.next()) {
            ("item", _) if self.item => None,
            ("item", _) => Some("item is there only in a step with for_each, in its input and in its when".to_owned()),
            ("run", Some("id" | "title" | "owner")) => None,
            ("run", _) => Some("of run there are run.id, run.title and run.owner".to_owned()),
            ("input", None) => None,
            ("input", Some(name)) => {
                let there = self.definition.inputs.iter().any(|field| field.name == name);
                (!there).then(|| format!("there is no [[input]] {name:?}"))
            }
            ("steps", None) => Some("write steps.<id>.output, with the id as it is".to_owned()),
            ("steps", Some(id)) => match parts.next() {
                _ if self.definition.position(id).is_none() => Some(format!("there is no step {id:?}")),
                _ if !self.before.contains(id) => Some(format!("step {id:?} is not among its needs, or theirs")),
                Some("output" | "state") => None,
                _ => Some(format!("of a step there are steps.{id}.output and steps.{id}.state")),
            },
            ("range" | "dict", _) => None,
            (other, _) => Some(format!("{other:?} is none of input, steps, item and run")),
        }
    }
}
