//! Checks one definition by itself; what only an approval has is checked in `approval`.

mod approval;

use std::collections::BTreeSet;

use runtime::{
    definitions::{Fault, Segment, Source, check_allow},
    policy::RetrySetting,
};

use super::{
    ask::Ask,
    dependencies,
    document::{Compensation, Definition, HumanDuration, MAX_DURATION, StepDefinition, StepType},
    references::{ReferenceCheck, Written},
};

const MAX_STEPS: usize = 100;
/// In characters.
const MAX_TITLE: usize = 180;

/// What to write instead of that which other jobs have and steps have not.
const UNIQUE_OF_STEP: &str = "a run does its steps whatever others do; write it at the top of the workflow, of whose runs one is then unfinished";
const RATE_OF_STEP: &str =
    "it holds for all jobs alike; write it into the definition that the step runs, or into [KIND.host]";
const DELAY_OF_STEP: &str = "put a step before it that waits: kind = \"wait\", for = \"15m\"";

/// The kinds that steps may name.
pub(crate) struct Kinds {
    pub(crate) functions: BTreeSet<String>,
    pub(crate) workflows: BTreeSet<String>,
}

/// Finds all faults of a definition that was read from this source.
pub(crate) fn check(definition: &Definition, source: &Source, kinds: &Kinds) -> Vec<Fault> {
    let mut check = Check { definition, source, kinds, faults: Vec::new() };
    check.head();
    check.inputs();
    let graph_is_valid = check.ids() && check.needs();
    for index in 0..definition.steps.len() {
        check.step(index);
        check.approval(index);
        // References can be checked only where ids and needs are valid.
        if graph_is_valid {
            check.step_references(index);
        }
    }
    if graph_is_valid {
        let ended = definition.steps.iter().map(|step| step.id.as_str()).collect();
        let references = ReferenceCheck { definition, source, ended, has_item: false };
        references.check_object(&["output".into()], &definition.output, &mut check.faults);
    }
    check.faults
}

struct Check<'a> {
    definition: &'a Definition,
    source: &'a Source,
    kinds: &'a Kinds,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn add(&mut self, path: &[Segment], reason: impl Into<String>) {
        self.faults.push(self.source.fault_in(path, reason));
    }

    fn head(&mut self) {
        let definition = self.definition;
        if definition.title.trim().is_empty() || definition.title.chars().count() > MAX_TITLE {
            self.add(&["title".into()], format!("title: it has 1 to {MAX_TITLE} characters"));
        }
        if !definition.name.is_empty() {
            self.add(&["name".into()], "name: a workflow's name is that of its file");
        }
        for (index, entry) in definition.allow.iter().enumerate() {
            if let Err(reason) = check_allow(entry) {
                self.add(&["allow".into(), index.into()], reason);
            }
        }
        match definition.steps.len() {
            0 => self.add(&[], "it has no [[step]]"),
            count if count > MAX_STEPS => {
                self.add(&["step".into()], format!("it has {count} steps; {MAX_STEPS} are allowed"));
            }
            _ => {}
        }
    }

    fn inputs(&mut self) {
        let mut names = BTreeSet::new();
        for (index, field) in self.definition.inputs.iter().enumerate() {
            let (input, name) = ([Segment::from("input"), index.into()], &field.name);
            let key = [&input[..], &["name".into()]].concat();
            if let Some(error) = fault_of_id(name) {
                self.add(&key, format!("input {name:?}: {error}"));
            }
            if !names.insert(name) {
                self.add(&key, format!("input {name:?}: there are two of this name"));
            }
            for (path, reason) in field.check() {
                self.add(&[&input[..], &path].concat(), format!("input {name:?}: {reason}"));
            }
        }
    }

    /// Checks the ids of all steps; answers whether they are valid.
    fn ids(&mut self) -> bool {
        let (mut ids, before) = (BTreeSet::new(), self.faults.len());
        for (index, step) in self.definition.steps.iter().enumerate() {
            if let Some(error) = fault_of_id(&step.id) {
                self.add(&in_step(index, "id"), format!("step {:?}: {error}", step.id));
            }
            if !ids.insert(&step.id) {
                self.add(&in_step(index, "id"), format!("step {:?}: there are two of this id", step.id));
            }
        }
        self.faults.len() == before
    }

    /// Checks the needs of all steps; answers whether they are valid.
    fn needs(&mut self) -> bool {
        let before = self.faults.len();
        for (index, step) in self.definition.steps.iter().enumerate() {
            for (nth, need) in step.needs.iter().enumerate() {
                let path = [&in_step(index, "needs")[..], &[nth.into()]].concat();
                if self.definition.step_index(need).is_none() {
                    self.add(&path, format!("step {:?}: needs: there is no step {need:?}", step.id));
                } else if step.needs[..nth].contains(need) {
                    self.add(&path, format!("step {:?}: needs: {need:?} stands there twice", step.id));
                }
            }
        }
        if self.faults.len() > before {
            return false;
        }
        let Some(cycle) = dependencies::cycle_of_steps(self.definition) else {
            return true;
        };
        let index = self.definition.step_index(&cycle[0]).unwrap_or_default();
        let error = format!("needs: these steps wait for each other: {}", cycle.join(" → "));
        self.add(&in_step(index, "needs"), error);
        false
    }

    /// Checks all of a step but its references.
    fn step(&mut self, index: usize) {
        let step = &self.definition.steps[index];
        let mut add = |key: &str, error: String| {
            self.faults.push(self.source.fault_in(&in_step(index, key), format!("step {:?}: {error}", step.id)));
        };
        if let Some(error) = self.kinds.fault_of(&step.kind) {
            add("kind", format!("kind: {error}"));
        }
        for (key, error) in misplaced_fields(step) {
            add(key, format!("{key}: {error}"));
        }
        if let Some(Err(error)) = step.retry.as_ref().map(RetrySetting::check) {
            add("retry", error);
        }
        for (key, duration) in [("timeout", step.timeout), ("for", step.wait_for)] {
            if let Some(HumanDuration(time)) = duration
                && (time.as_secs() > MAX_DURATION || time.is_zero())
            {
                add(key, format!("{key}: it is more than nothing and at most a year"));
            }
        }
        if let Some(Err(error)) = step.ask.as_deref().map(Ask::parse) {
            add("ask", format!("ask: {error}"));
        }
        if let Some(Compensation { kind, .. }) = &step.compensate
            && !self.kinds.functions.contains(kind)
        {
            add("compensate", format!("compensate.kind: {kind:?} is no function of workflows.kinds"));
        }
    }

    fn step_references(&mut self, index: usize) {
        let step = &self.definition.steps[index];
        let ended = dependencies::ancestors(self.definition, index);
        let (definition, source) = (self.definition, self.source);
        let mut references = ReferenceCheck { definition, source, ended, has_item: false };
        let has_items = step.for_each.is_some();
        for (key, written, text, has_item) in texts_of(step, has_items) {
            references.has_item = has_item;
            references.check(
                &in_step(index, key),
                &format!("step {:?}: {key}", step.id),
                (written, text),
                &mut self.faults,
            );
        }
        references.has_item = has_items;
        references.check_object(&in_step(index, "input"), &step.input, &mut self.faults);
        if let Some(compensate) = &step.compensate {
            references.ended.insert(&step.id);
            let path = [&in_step(index, "compensate")[..], &["input".into()]].concat();
            references.check_object(&path, &compensate.input, &mut self.faults);
        }
    }
}

/// The texts of a step that may hold references, each with its field and whether `item` is there.
fn texts_of(step: &StepDefinition, has_items: bool) -> Vec<(&'static str, Written, &str, bool)> {
    let ask = step.ask.as_deref().filter(|ask| Ask::parse(ask).is_ok());
    let escalated = step.escalate.as_ref().map(|to| to.ask.as_str()).filter(|ask| Ask::parse(ask).is_ok());
    let texts = [
        ("ask", ask),
        ("escalate", escalated),
        ("question", step.question.as_deref()),
        ("until", step.until.as_deref()),
    ];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key, Written::Text, text?, false)));
    let expressions = [("when", &step.when, has_items), ("for_each", &step.for_each, false)];
    let expressions = expressions
        .into_iter()
        .filter_map(|(key, text, has_item)| Some((key, Written::Expression, text.as_deref()?, has_item)));
    let files = step.files.iter().map(|file| ("files", Written::Text, file.as_str(), false));
    texts.chain(expressions).chain(files).collect()
}

/// The path of a step's field.
fn in_step(index: usize, key: &str) -> [Segment; 3] {
    ["step".into(), index.into(), key.into()]
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
    only("unique", step.unique.is_some(), false, UNIQUE_OF_STEP);
    only("rate", step.rate.is_some(), false, RATE_OF_STEP);
    only("delay", step.delay.is_some(), false, DELAY_OF_STEP);
    only("ask", step.ask.is_some(), approval, "only an approval asks");
    only("question", step.question.is_some(), approval, "only an approval asks");
    only("approvals", step.approvals.is_some(), approval, "only an approval has it");
    only("self_approval", step.self_approval, approval, "only an approval has it");
    only("field", !step.fields.is_empty(), approval, "only an approval has a form");
    only("show", !step.show.is_empty(), approval, "only an approval asks");
    only("files", !step.files.is_empty(), approval, "only an approval asks");
    only("remind", step.remind.is_some(), approval, "only an approval asks");
    only("escalate", step.escalate.is_some(), approval, "only an approval asks");
    only("for", step.wait_for.is_some(), wait, "only a wait has it");
    only("until", step.until.is_some(), wait, "only a wait has it");
    only("input", !step.input.is_empty(), job, "only a function or another workflow has it");
    only("retry", step.retry.is_some(), job, "only a function or another workflow has it");
    only("priority", step.priority.is_some(), job, "only a function or another workflow has it");
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
