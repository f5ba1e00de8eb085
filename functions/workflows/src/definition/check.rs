//! Checks one definition by itself.

use std::collections::BTreeSet;

use model::Term;
use runtime::definitions::{Fault, Source};

use super::{
    dependencies,
    document::{Compensation, Definition, HumanDuration, StepDefinition, StepType},
    expression,
    faults::{self, FaultList, Position},
    input,
    references::ReferenceCheck,
};

const MAX_STEPS: usize = 100;
/// In characters.
const MAX_TITLE: usize = 180;
const MAX_ATTEMPTS: u32 = 20;
/// In seconds.
const MAX_DURATION: u64 = 366 * 24 * 3600;

/// The kinds that steps may name.
pub(crate) struct Kinds {
    pub(crate) functions: BTreeSet<String>,
    pub(crate) workflows: BTreeSet<String>,
}

/// Finds all faults of a definition that was read from this source.
pub(crate) fn check(definition: &Definition, source: &Source, kinds: &Kinds) -> Vec<Fault> {
    let document = faults::parse(&source.text);
    let root = Position::root(&document);
    let mut check = Check { definition, kinds, root, faults: FaultList { source, faults: Vec::new() } };
    check.head();
    check.inputs();
    let graph_is_valid = check.ids() && check.needs();
    for index in 0..definition.steps.len() {
        check.step(index);
        // References can be checked only where ids and needs are valid.
        if graph_is_valid {
            check.step_references(index);
        }
    }
    if graph_is_valid {
        let ended = definition.steps.iter().map(|step| step.id.as_str()).collect();
        let references = ReferenceCheck { definition, ended, has_item: false };
        references.check_object(root.key("output"), &definition.output, &mut check.faults);
    }
    check.faults.faults
}

struct Check<'a> {
    definition: &'a Definition,
    kinds: &'a Kinds,
    root: Position<'a>,
    faults: FaultList<'a>,
}

impl<'a> Check<'a> {
    fn head(&mut self) {
        let (definition, root) = (self.definition, self.root);
        if definition.title.trim().is_empty() || definition.title.chars().count() > MAX_TITLE {
            self.faults.add(root.key("title"), format!("title: it has 1 to {MAX_TITLE} characters"));
        }
        if !definition.name.is_empty() {
            self.faults.add(root.key("name"), "name: a workflow's name is that of its file");
        }
        for (index, entry) in definition.allow.iter().enumerate() {
            if !matches!(entry.parse(), Ok(Term::User(_) | Term::Group(_))) {
                let error = format!("allow: {entry:?} is neither user:<id> nor group:<name>");
                self.faults.add(root.key("allow").index(index), error);
            }
        }
        match definition.steps.len() {
            0 => self.faults.add(root, "it has no [[step]]"),
            count if count > MAX_STEPS => {
                self.faults.add(root.key("step"), format!("it has {count} steps; {MAX_STEPS} are allowed"));
            }
            _ => {}
        }
    }

    fn inputs(&mut self) {
        let mut names = BTreeSet::new();
        for (index, field) in self.definition.inputs.iter().enumerate() {
            let (position, name) = (self.root.key("input").index(index), &field.name);
            if let Some(error) = fault_of_id(name) {
                self.faults.add(position.key("name"), format!("input {name:?}: {error}"));
            }
            if !names.insert(name) {
                self.faults.add(position.key("name"), format!("input {name:?}: there are two of this name"));
            }
            for choice in &field.choices {
                if let Err(error) = input::check_type(field, choice) {
                    self.faults.add(position.key("choices"), format!("input {name:?}: choices: {choice}: {error}"));
                }
            }
            if let Some(Err(error)) = field.default.as_ref().map(|default| input::check_value(field, default)) {
                self.faults.add(position.key("default"), format!("input {name:?}: default: {error}"));
            }
        }
    }

    /// Checks the ids of all steps; answers whether they are valid.
    fn ids(&mut self) -> bool {
        let (mut ids, before) = (BTreeSet::new(), self.faults.faults.len());
        for (index, step) in self.definition.steps.iter().enumerate() {
            let position = self.step_position(index).key("id");
            if let Some(error) = fault_of_id(&step.id) {
                self.faults.add(position, format!("step {:?}: {error}", step.id));
            }
            if !ids.insert(&step.id) {
                self.faults.add(position, format!("step {:?}: there are two of this id", step.id));
            }
        }
        self.faults.faults.len() == before
    }

    /// Checks the needs of all steps; answers whether they are valid.
    fn needs(&mut self) -> bool {
        let before = self.faults.faults.len();
        for (index, step) in self.definition.steps.iter().enumerate() {
            for (nth, need) in step.needs.iter().enumerate() {
                let position = self.step_position(index).key("needs").index(nth);
                if self.definition.step_index(need).is_none() {
                    self.faults.add(position, format!("step {:?}: needs: there is no step {need:?}", step.id));
                } else if step.needs[..nth].contains(need) {
                    self.faults.add(position, format!("step {:?}: needs: {need:?} stands there twice", step.id));
                }
            }
        }
        if self.faults.faults.len() > before {
            return false;
        }
        let Some(cycle) = dependencies::cycle_of_steps(self.definition) else {
            return true;
        };
        let index = self.definition.step_index(&cycle[0]).unwrap_or_default();
        let error = format!("needs: these steps wait for each other: {}", cycle.join(" → "));
        self.faults.add(self.step_position(index).key("needs"), error);
        false
    }

    fn step_position(&self, index: usize) -> Position<'a> {
        self.root.key("step").index(index)
    }

    /// Checks all of a step but its references.
    fn step(&mut self, index: usize) {
        let (step, position) = (&self.definition.steps[index], self.step_position(index));
        let mut add =
            |key: &str, error: String| self.faults.add(position.key(key), format!("step {:?}: {error}", step.id));
        if let Some(error) = self.kinds.fault_of(&step.kind) {
            add("kind", format!("kind: {error}"));
        }
        for (key, error) in misplaced_fields(step) {
            add(key, format!("{key}: {error}"));
        }
        if step.retry.as_ref().is_some_and(|retry| !(1..=MAX_ATTEMPTS).contains(&retry.attempts)) {
            add("retry", format!("retry.attempts: it is 1 to {MAX_ATTEMPTS}"));
        }
        let delay = step.retry.as_ref().map(|retry| retry.delay);
        for (key, duration) in [("timeout", step.timeout), ("for", step.wait_for), ("retry", delay)] {
            if let Some(HumanDuration(time)) = duration
                && (time.as_secs() > MAX_DURATION || (time.is_zero() && key != "retry"))
            {
                add(key, format!("{key}: it is more than nothing and at most a year"));
            }
        }
        if let Some(Compensation { kind, .. }) = &step.compensate
            && !self.kinds.functions.contains(kind)
        {
            add("compensate", format!("compensate.kind: {kind:?} is no function of workflows.kinds"));
        }
    }

    fn step_references(&mut self, index: usize) {
        let (step, position) = (&self.definition.steps[index], self.step_position(index));
        let ended = dependencies::ancestors(self.definition, index);
        let mut references = ReferenceCheck { definition: self.definition, ended, has_item: false };
        let texts = [("ask", &step.ask), ("question", &step.question), ("until", &step.until)];
        let texts = texts.map(|(key, text)| (key, text.as_deref().map(expression::references_in_text), false));
        let has_items = step.for_each.is_some();
        let expressions = [("when", &step.when, has_items), ("for_each", &step.for_each, false)];
        let expressions =
            expressions.map(|(key, text, has_item)| (key, text.as_deref().map(expression::references), has_item));
        for (key, found, has_item) in texts.into_iter().chain(expressions) {
            references.has_item = has_item;
            if let Some(found) = found {
                references.check(position.key(key), &format!("step {:?}: {key}", step.id), found, &mut self.faults);
            }
        }
        references.has_item = has_items;
        references.check_object(position.key("input"), &step.input, &mut self.faults);
        if let Some(compensate) = &step.compensate {
            references.ended.insert(&step.id);
            let position = position.key("compensate").key("input");
            references.check_object(position, &compensate.input, &mut self.faults);
        }
    }
}

impl Kinds {
    /// Says why a step cannot be of this kind, if it cannot.
    fn fault_of(&self, kind: &str) -> Option<String> {
        let Self { functions, workflows } = self;
        if matches!(kind, "approval" | "wait") || functions.contains(kind) || workflows.contains(kind) {
            return None;
        }
        if kind == "workflows" {
            return Some("name the other workflow itself".to_owned());
        }
        let known: Vec<_> =
            ["approval", "wait"].into_iter().chain(functions.iter().chain(workflows).map(String::as_str)).collect();
        Some(format!("there is no {kind:?}; there are {} (workflows.kinds tells which functions)", known.join(", ")))
    }
}

/// Finds the fields of a step that are missing or do not belong to its type.
fn misplaced_fields(step: &StepDefinition) -> Vec<(&'static str, &'static str)> {
    let step_type = step.step_type();
    let (approval, wait) = (step_type == StepType::Approval, step_type == StepType::Wait);
    let mut faults = Vec::new();
    let mut only = |key, is_set: bool, is_allowed: bool, reason| {
        if is_set && !is_allowed {
            faults.push((key, reason));
        }
    };
    let job = !approval && !wait;
    only("ask", step.ask.is_some(), approval, "only an approval asks");
    only("question", step.question.is_some(), approval, "only an approval asks");
    only("for", step.wait_for.is_some(), wait, "only a wait has it");
    only("until", step.until.is_some(), wait, "only a wait has it");
    only("input", !step.input.is_empty(), job, "only a function or another workflow has it");
    only("retry", step.retry.is_some(), job, "only a function or another workflow has it");
    only("for_each", step.for_each.is_some(), job, "only a function or another workflow has it");
    only("compensate", step.compensate.is_some(), job, "only a function or another workflow has it");
    only("timeout", step.timeout.is_some(), !wait, "a wait lasts as long as it says");
    if approval && step.ask.is_none() {
        faults.push(("ask", "say who is asked, such as \"group:finance\""));
    }
    if wait && step.wait_for.is_some() == step.until.is_some() {
        faults.push(("for", "a wait has either for = \"10m\" or until = \"{{ … }}\""));
    }
    faults
}

/// Says why a text is no id of a step or name of an input, if it is none.
fn fault_of_id(id: &str) -> Option<&'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_valid =
        id.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase()) && id.bytes().all(is_allowed) && id.len() <= 64;
    // With a '-' in it, {{ steps.a-b.output }} would be a subtraction.
    (!is_valid).then_some("it must be 1 to 64 of a-z, 0-9 and '_', beginning with a letter")
}
