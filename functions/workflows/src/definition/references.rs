//! Checks that what a definition refers to exists when it is needed.

use std::collections::BTreeSet;

use model::catalogue::FieldType;
use runtime::{
    definitions::{Fault, Segment, Source},
    form::FormField,
};
use serde_json::{Map, Value};

use super::{
    document::{Definition, StepType},
    expression::{self, Type},
};

/// Checks the references in one part of a definition.
pub(crate) struct ReferenceCheck<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) source: &'a Source,
    /// The ids of the steps that have ended by then.
    pub(crate) ended: BTreeSet<&'a str>,
    /// True where `item` can be used.
    pub(crate) has_item: bool,
}

/// What a text of a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// An expression, as `when` has it.
    Expression,
    /// A text with `{{ … }}` in it.
    Text,
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
            Value::String(text) => self.check(path, name, (Written::Text, text), faults),
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

    /// Checks one text: what it refers to, and whether its operators fit the types that are declared.
    pub(crate) fn check(
        &self,
        path: &[Segment],
        name: &str,
        (written, text): (Written, &str),
        faults: &mut Vec<Fault>,
    ) {
        let references = match written {
            Written::Expression => expression::references(text),
            Written::Text => expression::references_in_text(text),
        };
        let errors = match references {
            Err(error) => vec![error],
            Ok(references) => {
                let declared = |path: &[&str]| self.type_of(path);
                let misfits = match written {
                    Written::Expression => expression::misfits(text, &declared),
                    Written::Text => expression::misfits_in_text(text, &declared),
                };
                references.iter().filter_map(|reference| self.fault_of(reference)).chain(misfits).collect()
            }
        };
        faults.extend(errors.into_iter().map(|error| self.source.fault_in(path, format!("{name}: {error}"))));
    }

    /// The type of what a path leads to, where the definition tells it.
    fn type_of(&self, path: &[&str]) -> Option<Type> {
        let of_field = |fields: &[FormField], name: &str| {
            let field = fields.iter().find(|field| field.name == name)?;
            Some(match field.value_type() {
                FieldType::Integer | FieldType::Number => Type::Number,
                FieldType::Boolean => Type::Boolean,
                FieldType::Text | FieldType::Date | FieldType::Month | FieldType::File => Type::Text,
            })
        };
        match path {
            ["run", "id" | "title" | "owner"] => Some(Type::Text),
            ["input", name] => of_field(&self.definition.inputs, name),
            ["steps", _, "state"] => Some(Type::Text),
            ["steps", id, rest @ ..] => {
                let step = &self.definition.steps[self.definition.step_index(id)?];
                match (step.step_type(), rest) {
                    (StepType::Approval, ["output", "decision" | "by" | "comment"]) => Some(Type::Text),
                    (StepType::Approval, ["answer", name] | ["output", "answer", name]) => of_field(&step.fields, name),
                    (StepType::Wait, ["output", "until"]) => Some(Type::Text),
                    _ => None,
                }
            }
            _ => None,
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
                Some("answer") => self.fault_of_answer(id, parts.next()),
                _ => Some(format!("of a step there are steps.{id}.output and steps.{id}.state")),
            },
            ("range" | "dict", _) => None,
            (other, _) => Some(format!("{other:?} is none of input, steps, item and run")),
        }
    }

    /// Says why an approval has no such answer, if it has none.
    fn fault_of_answer(&self, id: &str, name: Option<&str>) -> Option<String> {
        let fields = &self.definition.steps[self.definition.step_index(id)?].fields;
        match name {
            _ if fields.is_empty() => Some(format!("the step {id:?} asks for no [[step.field]]")),
            Some(name) if fields.iter().all(|field| field.name != name) => {
                Some(format!("the step {id:?} has no [[step.field]] {name:?}"))
            }
            _ => None,
        }
    }
}
