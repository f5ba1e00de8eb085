//! Checks that what a definition refers to exists when it is needed.

use std::collections::BTreeSet;

use runtime::definitions::{Fault, Segment, Source};
use serde_json::{Map, Value};

use super::{document::Definition, expression};

/// Checks the references in one part of a definition.
pub(crate) struct ReferenceCheck<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) source: &'a Source,
    /// The ids of the steps that have ended by then.
    pub(crate) ended: BTreeSet<&'a str>,
    /// True where `item` can be used.
    pub(crate) has_item: bool,
}

impl ReferenceCheck<'_> {
    /// Checks all texts of an object.
    pub(crate) fn check_object(&self, path: &[Segment], object: &Map<String, Value>, faults: &mut Vec<Fault>) {
        for (key, value) in object {
            self.check_value(&[path, &[key.as_str().into()]].concat(), key, value, faults);
        }
    }

    fn check_value(&self, path: &[Segment], name: &str, value: &Value, faults: &mut Vec<Fault>) {
        match value {
            Value::String(text) => self.check(path, name, expression::references_in_text(text), faults),
            Value::Array(list) => {
                for (index, entry) in list.iter().enumerate() {
                    self.check_value(&[path, &[index.into()]].concat(), name, entry, faults);
                }
            }
            Value::Object(object) if object.keys().any(|key| key.starts_with("$__toml")) => {
                faults.push(self.source.fault_in(path, format!("{name}: put dates and times into quotes")));
            }
            Value::Object(object) => {
                for (key, entry) in object {
                    self.check_value(&[path, &[key.as_str().into()]].concat(), &format!("{name}.{key}"), entry, faults);
                }
            }
            _ => {}
        }
    }

    /// Checks the references of one text, as they were parsed.
    pub(crate) fn check(
        &self,
        path: &[Segment],
        name: &str,
        references: Result<BTreeSet<String>, String>,
        faults: &mut Vec<Fault>,
    ) {
        match references {
            Err(error) => faults.push(self.source.fault_in(path, format!("{name}: {error}"))),
            Ok(references) => {
                for error in references.iter().filter_map(|reference| self.fault_of(reference)) {
                    faults.push(self.source.fault_in(path, format!("{name}: {error}")));
                }
            }
        }
    }

    fn fault_of(&self, reference: &str) -> Option<String> {
        let mut parts = reference.split('.');
        match (parts.next().unwrap_or_default(), parts.next()) {
            ("item", _) if self.has_item => None,
            ("item", _) => Some("item is there only in a step with for_each, in its input and in its when".to_owned()),
            ("run", Some("id" | "title" | "owner")) => None,
            ("run", _) => Some("of run there are run.id, run.title and run.owner".to_owned()),
            ("input", None) => None,
            ("input", Some(name)) => {
                let exists = self.definition.inputs.iter().any(|field| field.name == name);
                (!exists).then(|| format!("there is no [[input]] {name:?}"))
            }
            ("steps", None) => Some("write steps.<id>.output, with the id as it is".to_owned()),
            ("steps", Some(id)) => match parts.next() {
                _ if self.definition.step_index(id).is_none() => Some(format!("there is no step {id:?}")),
                _ if !self.ended.contains(id) => Some(format!("step {id:?} is not among its needs, or theirs")),
                Some("output" | "state") => None,
                _ => Some(format!("of a step there are steps.{id}.output and steps.{id}.state")),
            },
            ("range" | "dict", _) => None,
            (other, _) => Some(format!("{other:?} is none of input, steps, item and run")),
        }
    }
}
