//! Resolves a step: its condition, its items and their inputs, with all references replaced.

use std::{collections::BTreeSet, time::Duration};

use model::StepState;
use runtime::DatabaseError;
use serde_json::{Map, Value, json};
use storage::FileKey;

use super::{
    question,
    state::{ItemIndex, ItemState, Operation, Run},
    transition::{ResolveError, Resolved},
};
use crate::definition::{
    dependencies,
    document::{HumanDuration, MAX_DURATION, StepDefinition, StepType},
    expression::{self, MAX_INPUT, Scope},
};

/// The most bytes of the inputs of all items of a step.
const MAX_INPUTS: usize = 8 * MAX_INPUT;
/// The longest wait until a time.
const MAX_WAIT: HumanDuration = HumanDuration(Duration::from_secs(MAX_DURATION));

/// Loads input and output of the items of a step.
pub(crate) type LoadItems<'a> = dyn FnMut(&Run, usize) -> Result<Vec<(Value, Value)>, DatabaseError> + 'a;

/// Resolves the steps of a run.
pub(crate) struct Resolver<'a> {
    pub(crate) now: i64,
    pub(crate) most_items: usize,
    pub(crate) load_items: &'a mut LoadItems<'a>,
    /// Outputs that are needed and must be fetched from storage first.
    pub(crate) missing: Vec<(ItemIndex, FileKey)>,
}

impl From<String> for ResolveError {
    fn from(error: String) -> Self {
        Self::Invalid(error)
    }
}

impl From<DatabaseError> for ResolveError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl Resolver<'_> {
    /// Resolves one operation of a step.
    pub(crate) fn resolve(&mut self, run: &Run, index: usize, operation: Operation) -> Result<Resolved, ResolveError> {
        let definition = run.definition.clone();
        let step = &definition.steps[index];
        let mut ancestors = dependencies::ancestors(&definition, index);
        let references = match (operation, &step.compensate) {
            (Operation::Compensate, Some(compensate)) => references_in(&compensate.input),
            _ => references_of(step),
        };
        ancestors.retain(|id| references.contains(*id));
        let missing = self.missing.len();
        let scope = self.scope(run, &ancestors)?;
        if self.missing.len() > missing {
            return Ok(Resolved::Pending);
        }
        match operation {
            Operation::Compensate => self.compensation(run, index, &scope, references.contains(&step.id)),
            Operation::Execute => self.execution(run, step, &scope),
        }
    }

    fn execution(&self, run: &Run, step: &StepDefinition, scope: &Scope) -> Result<Resolved, ResolveError> {
        let by_item = step.for_each.is_some() && step.when.as_deref().is_some_and(refers_to_item);
        let when = step.when.as_deref().filter(|_| !by_item);
        if let Some(when) = when
            && !expression::is_true(when, scope).map_err(|error| format!("when: {error}"))?
        {
            return Ok(Resolved::Skip(format!("not so: {when}")));
        }
        match (step.step_type(), &step.for_each) {
            (StepType::Approval, _) => {
                question::resolve(run, step, scope).map(Resolved::Ask).map_err(ResolveError::Invalid)
            }
            (StepType::Wait, _) => self.until(step, scope).map(Resolved::Until).map_err(ResolveError::Invalid),
            (StepType::Job, None) => Ok(Resolved::Jobs(vec![job_input(&step.input, scope, Value::Null)?])),
            (StepType::Job, Some(each)) => {
                let items = expression::evaluate_list(each, scope, self.most_items)
                    .map_err(|error| format!("for_each: {error}"))?;
                job_inputs(step, scope, items, step.when.as_deref().filter(|_| by_item))
            }
        }
    }

    fn until(&self, step: &StepDefinition, scope: &Scope) -> Result<i64, String> {
        if let Some(length) = step.wait_for {
            return Ok(self.now.saturating_add(length.milliseconds()));
        }
        let text = expression::render(step.until.as_deref().unwrap_or_default(), scope)
            .map_err(|error| format!("until: {error}"))?;
        let time: jiff::Timestamp = text.trim().parse().map_err(|_| {
            let shown: String = text.chars().take(60).collect();
            format!("until: {shown:?} is no time; write it like 2026-11-22T05:00:00Z")
        })?;
        if time.as_millisecond().saturating_sub(self.now) > MAX_WAIT.milliseconds() {
            return Err(format!("until: {time} is more than a year away"));
        }
        Ok(time.as_millisecond())
    }

    /// The inputs that undo each item that succeeded; in each, the step's output is that item's.
    fn compensation(
        &mut self,
        run: &Run,
        index: usize,
        scope: &Scope,
        refers_to_itself: bool,
    ) -> Result<Resolved, ResolveError> {
        let step = run.step_definition(index);
        let Some(compensate) = &step.compensate else {
            return Ok(Resolved::Jobs(Vec::new()));
        };
        let (missing, mut inputs) = (self.missing.len(), Vec::new());
        for (item, (input, output)) in (self.load_items)(run, index)?.into_iter().enumerate() {
            let item = ItemIndex { step: index, item };
            if run.item(item).state != ItemState::Succeeded {
                continue;
            }
            if refers_to_itself {
                self.note_missing(run, item, &output);
            }
            let steps = json!({ step.id.as_str(): { "state": "succeeded", "output": output } });
            let scope = scope.with("steps", merged_steps(scope, steps)).with("item", &input["item"]);
            inputs.push(job_input(&compensate.input, &scope, input["item"].clone()));
        }
        if self.missing.len() > missing {
            return Ok(Resolved::Pending);
        }
        inputs
            .into_iter()
            .collect::<Result<_, _>>()
            .map(Resolved::Jobs)
            .map_err(|error| ResolveError::Invalid(format!("compensate: {error}")))
    }

    /// The names that references can use: these steps, the run and its input.
    pub(crate) fn scope(&mut self, run: &Run, ids: &BTreeSet<&str>) -> Result<Scope, DatabaseError> {
        let mut steps = Map::new();
        for id in ids {
            let Some(index) = run.definition.step_index(id) else { continue };
            let state = run.steps[index].state;
            let mut step = Map::from_iter([("state".to_owned(), json!(state))]);
            if matches!(state, StepState::Succeeded | StepState::Compensated) {
                let output = self.output(run, index)?;
                if !run.step_definition(index).fields.is_empty() {
                    step.insert("answer".to_owned(), output["answer"].clone());
                }
                step.insert("output".to_owned(), output);
            }
            steps.insert((*id).to_owned(), Value::Object(step));
        }
        let about = json!({ "id": run.id, "title": run.title, "owner": run.owner });
        Ok(Scope::default().with("input", &run.input).with("run", about).with("steps", steps))
    }

    fn output(&mut self, run: &Run, step: usize) -> Result<Value, DatabaseError> {
        let mut outputs: Vec<_> = (self.load_items)(run, step)?.into_iter().map(|(_, output)| output).collect();
        for (item, output) in outputs.iter().enumerate() {
            self.note_missing(run, ItemIndex { step, item }, output);
        }
        match run.step_definition(step).for_each {
            Some(_) => Ok(Value::Array(outputs)),
            None => Ok(outputs.pop().unwrap_or_default()),
        }
    }

    /// Notes an output that is in storage and was not fetched yet.
    fn note_missing(&mut self, run: &Run, item: ItemIndex, output: &Value) {
        let key = output.get("stored").and_then(Value::as_str).and_then(|key| key.parse().ok());
        if let Some(key) = key.filter(|_| !run.item(item).fetched) {
            self.missing.push((item, key));
        }
    }
}

fn merged_steps(scope: &Scope, more: Value) -> Value {
    let mut steps = scope.json("steps");
    if let (Value::Object(steps), Value::Object(more)) = (&mut steps, more) {
        steps.extend(more);
    }
    steps
}

fn job_inputs(
    step: &StepDefinition,
    scope: &Scope,
    items: Vec<Value>,
    when: Option<&str>,
) -> Result<Resolved, ResolveError> {
    let (mut inputs, mut bytes) = (Vec::new(), 0);
    for (index, item) in items.into_iter().enumerate() {
        let of_item = |error: String| format!("item {}: {error}", index + 1);
        let scope = scope.with("item", &item);
        if let Some(when) = when
            && !expression::is_true(when, &scope).map_err(|error| of_item(format!("when: {error}")))?
        {
            continue;
        }
        let input = job_input(&step.input, &scope, item).map_err(of_item)?;
        bytes += input.to_string().len();
        if bytes > MAX_INPUTS {
            return Err(ResolveError::Invalid(format!("its items' inputs have more than {MAX_INPUTS} bytes")));
        }
        inputs.push(input);
    }
    Ok(Resolved::Jobs(inputs))
}

/// The input of a job, with the entry of `for_each` that it was resolved for, as the database keeps them.
fn job_input(input: &Map<String, Value>, scope: &Scope, item: Value) -> Result<Value, String> {
    let input = expression::interpolate_object(input, scope).map_err(|error| format!("input.{error}"))?;
    let input = json!({ "input": input, "item": item });
    match input.to_string().len() {
        bytes if bytes > MAX_INPUT => Err(format!("its input has {bytes} bytes; {MAX_INPUT} are allowed")),
        _ => Ok(input),
    }
}

fn refers_to_item(expression: &str) -> bool {
    let references = expression::references(expression).unwrap_or_default();
    references.iter().any(|reference| reference == "item" || reference.starts_with("item."))
}

/// The ids of the steps that a step refers to.
fn references_of(step: &StepDefinition) -> BTreeSet<String> {
    let expressions = [&step.when, &step.for_each].into_iter().flatten().map(|text| expression::references(text));
    let plain = [&step.ask, &step.question, &step.until].into_iter().flatten().chain(&step.files);
    let plain = plain.chain(step.escalate.as_ref().map(|to| &to.ask));
    let plain = plain.map(|text| expression::references_in_text(text));
    let mut found = step_ids(expressions.chain(plain));
    found.extend(references_in(&step.input));
    found
}

/// The ids of the steps that an object refers to.
pub(crate) fn references_in(object: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut stack: Vec<&Value> = object.values().collect();
    while let Some(value) = stack.pop() {
        match value {
            Value::String(text) => found.extend(step_ids([expression::references_in_text(text)])),
            Value::Array(list) => stack.extend(list),
            Value::Object(object) => stack.extend(object.values()),
            _ => {}
        }
    }
    found
}

fn step_ids(references: impl IntoIterator<Item = Result<BTreeSet<String>, String>>) -> BTreeSet<String> {
    // Invalid expressions were refused when the definition was read.
    let all = references.into_iter().flatten().flatten();
    all.filter_map(|reference| Some(reference.strip_prefix("steps.")?.split('.').next()?.to_owned())).collect()
}
