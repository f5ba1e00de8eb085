//! A step made ready: its condition, its items and its input, with all references filled in.

use std::collections::BTreeSet;

use model::{Audience, StepState};
use runtime::DatabaseError;
use serde_json::{Map, Value, json};
use storage::FileKey;

use crate::{
    definition::{Doing, StepDefinition},
    expression::{self, LARGEST_INPUT, Reach},
    order,
    plan::{Prepared, Trouble, Undo},
    state::{ItemState, Of, Run},
};

/// Most bytes of the inputs of all items of a step.
const LARGEST_INPUTS: usize = 8 * LARGEST_INPUT;
/// In characters.
const LONGEST_QUESTION: usize = 1500;

/// What is kept of the items of a step: input and output.
pub(crate) type Kept<'a> = dyn FnMut(&Run, usize) -> Result<Vec<(Value, Value)>, DatabaseError> + 'a;

/// Makes steps ready.
pub(crate) struct Preparing<'a> {
    pub(crate) now: i64,
    pub(crate) most_items: usize,
    pub(crate) kept: &'a mut Kept<'a>,
    /// Outputs that are needed and lie in storage.
    pub(crate) wanted: Vec<(Of, FileKey)>,
}

impl From<String> for Trouble {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<DatabaseError> for Trouble {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl Preparing<'_> {
    /// What a step is about to do, or what undoes it.
    pub(crate) fn prepare(&mut self, run: &Run, at: usize, undo: Undo) -> Result<Prepared, Trouble> {
        let definition = run.definition.clone();
        let step = &definition.steps[at];
        let (own, mut before) = (step.id.as_str(), order::before(&definition, at));
        let texts = match (undo, &step.compensate) {
            (Undo::Yes, Some(compensate)) => texts(&compensate.input),
            _ => texts_of(step),
        };
        before.retain(|id| texts.contains(*id));
        let already = self.wanted.len();
        let reach = self.reach(run, &before)?;
        if self.wanted.len() > already {
            return Ok(Prepared::NotYet);
        }
        match undo {
            Undo::Yes => self.undoing(run, at, &reach, texts.contains(own)),
            Undo::No => self.doing(step, &reach),
        }
    }

    fn doing(&self, step: &StepDefinition, reach: &Reach) -> Result<Prepared, Trouble> {
        let by_item = step.for_each.is_some() && step.when.as_deref().is_some_and(refers_to_item);
        let when = step.when.as_deref().filter(|_| !by_item);
        if let Some(when) = when
            && !expression::holds(when, reach).map_err(|why| format!("when: {why}"))?
        {
            return Ok(Prepared::Skip(format!("not so: {when}")));
        }
        match (step.doing(), &step.for_each) {
            (Doing::Approval, _) => question(step, reach).map_err(Trouble::Words),
            (Doing::Wait, _) => self.until(step, reach).map(Prepared::Until).map_err(Trouble::Words),
            (Doing::Job, None) => Ok(Prepared::Jobs(vec![given(&step.input, reach, Value::Null)?])),
            (Doing::Job, Some(each)) => {
                let items = expression::list(each, reach, self.most_items).map_err(|why| format!("for_each: {why}"))?;
                many(step, reach, items, step.when.as_deref().filter(|_| by_item))
            }
        }
    }

    fn until(&self, step: &StepDefinition, reach: &Reach) -> Result<i64, String> {
        if let Some(lasts) = step.lasts {
            return Ok(self.now.saturating_add(lasts.milliseconds()));
        }
        let text = expression::render(step.until.as_deref().unwrap_or_default(), reach)
            .map_err(|why| format!("until: {why}"))?;
        let time: jiff::Timestamp = text.trim().parse().map_err(|_| {
            let shown: String = text.chars().take(60).collect();
            format!("until: {shown:?} is no time; write it like 2026-11-22T05:00:00Z")
        })?;
        Ok(time.as_millisecond())
    }

    /// What each item that was done is undone with; in it, the step's output is that item's.
    fn undoing(&mut self, run: &Run, at: usize, reach: &Reach, own: bool) -> Result<Prepared, Trouble> {
        let step = run.step_definition(at);
        let Some(compensate) = &step.compensate else {
            return Ok(Prepared::Jobs(Vec::new()));
        };
        let already = self.wanted.len();
        let kept = (self.kept)(run, at)?;
        let mut inputs = Vec::new();
        for (item, (input, output)) in kept.into_iter().enumerate() {
            let of = Of { step: at, item };
            if run.steps[at].items[item].state != ItemState::Succeeded {
                continue;
            }
            if own {
                self.want(run, of, &output);
            }
            let steps = json!({ step.id.as_str(): { "state": "succeeded", "output": output } });
            let reach = reach.and("steps", merged(reach, steps)).and("item", &input["item"]);
            inputs.push(given(&compensate.input, &reach, input["item"].clone()));
        }
        if self.wanted.len() > already {
            return Ok(Prepared::NotYet);
        }
        inputs
            .into_iter()
            .collect::<Result<_, _>>()
            .map(Prepared::Jobs)
            .map_err(|why| Trouble::Words(format!("compensate: {why}")))
    }

    /// What the steps of these ids have come to, and the run's input.
    pub(crate) fn reach(&mut self, run: &Run, ids: &BTreeSet<&str>) -> Result<Reach, DatabaseError> {
        let mut steps = Map::new();
        for id in ids {
            let Some(at) = run.definition.position(id) else { continue };
            let state = run.steps[at].state;
            let mut told = Map::from_iter([("state".to_owned(), json!(state))]);
            if matches!(state, StepState::Succeeded | StepState::Compensated) {
                told.insert("output".to_owned(), self.output(run, at)?);
            }
            steps.insert((*id).to_owned(), Value::Object(told));
        }
        let about = json!({ "id": run.id, "title": run.title, "owner": run.owner });
        Ok(Reach::default().and("input", &run.input).and("run", about).and("steps", steps))
    }

    fn output(&mut self, run: &Run, at: usize) -> Result<Value, DatabaseError> {
        let mut outputs: Vec<_> = (self.kept)(run, at)?.into_iter().map(|(_, output)| output).collect();
        for (item, output) in outputs.iter().enumerate() {
            self.want(run, Of { step: at, item }, output);
        }
        match run.step_definition(at).for_each {
            Some(_) => Ok(Value::Array(outputs)),
            None => Ok(outputs.pop().unwrap_or_default()),
        }
    }

    /// Notes an output that is only a note of where it lies.
    fn want(&mut self, run: &Run, of: Of, output: &Value) {
        let key = output.get("stored").and_then(Value::as_str).and_then(|key| key.parse().ok());
        if let Some(key) = key.filter(|_| !run.steps[of.step].items[of.item].fetched) {
            self.wanted.push((of, key));
        }
    }
}

fn merged(reach: &Reach, more: Value) -> Value {
    let mut steps = reach.json("steps");
    if let (Value::Object(steps), Value::Object(more)) = (&mut steps, more) {
        steps.extend(more);
    }
    steps
}

fn many(step: &StepDefinition, reach: &Reach, items: Vec<Value>, when: Option<&str>) -> Result<Prepared, Trouble> {
    let (mut inputs, mut bytes) = (Vec::new(), 0);
    for (at, item) in items.into_iter().enumerate() {
        let which = |why: String| format!("item {}: {why}", at + 1);
        let reach = reach.and("item", &item);
        if let Some(when) = when
            && !expression::holds(when, &reach).map_err(|why| which(format!("when: {why}")))?
        {
            continue;
        }
        let input = given(&step.input, &reach, item).map_err(which)?;
        bytes += input.to_string().len();
        if bytes > LARGEST_INPUTS {
            return Err(Trouble::Words(format!("its items' inputs have more than {LARGEST_INPUTS} bytes")));
        }
        inputs.push(input);
    }
    Ok(Prepared::Jobs(inputs))
}

/// What is kept of an item's input: the input, and the item that it was made for.
fn given(input: &Map<String, Value>, reach: &Reach, item: Value) -> Result<Value, String> {
    let input = expression::fill_object(input, reach).map_err(|why| format!("input.{why}"))?;
    let given = json!({ "input": input, "item": item });
    match given.to_string().len() {
        has if has > LARGEST_INPUT => Err(format!("its input has {has} bytes; {LARGEST_INPUT} are allowed")),
        _ => Ok(given),
    }
}

fn question(step: &StepDefinition, reach: &Reach) -> Result<Prepared, String> {
    let ask = step.ask.as_deref().unwrap_or_default();
    let audience = expression::render(ask, reach).map_err(|why| format!("ask: {why}"))?;
    let asked: Audience = audience.parse().map_err(|why| format!("ask: {why}"))?;
    if asked.is_empty() {
        return Err("ask: nobody is asked".to_owned());
    }
    let question = match &step.question {
        Some(question) => expression::render(question, reach).map_err(|why| format!("question: {why}"))?,
        None => step.shown().to_owned(),
    };
    let question: String = question.chars().take(LONGEST_QUESTION).collect();
    Ok(Prepared::Ask(json!({ "audience": audience, "question": question })))
}

fn refers_to_item(expression: &str) -> bool {
    let found = expression::references(expression).unwrap_or_default();
    found.iter().any(|reference| reference == "item" || reference.starts_with("item."))
}

/// The ids of the steps that a step's texts may refer to.
fn texts_of(step: &StepDefinition) -> BTreeSet<String> {
    let expressions = [&step.when, &step.for_each].into_iter().flatten().map(|text| expression::references(text));
    let plain = [&step.ask, &step.question, &step.until].into_iter().flatten();
    let plain = plain.map(|text| expression::references_in_text(text));
    let mut found = steps_of(expressions.chain(plain));
    found.extend(texts(&step.input));
    found
}

/// The ids of the steps that an object's texts refer to.
pub(crate) fn texts(object: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left: Vec<&Value> = object.values().collect();
    while let Some(value) = left.pop() {
        match value {
            Value::String(text) => found.extend(steps_of([expression::references_in_text(text)])),
            Value::Array(list) => left.extend(list),
            Value::Object(object) => left.extend(object.values()),
            _ => {}
        }
    }
    found
}

fn steps_of(references: impl IntoIterator<Item = Result<BTreeSet<String>, String>>) -> BTreeSet<String> {
    // What is no expression was refused when it was read.
    let all = references.into_iter().flatten().flatten();
    all.filter_map(|reference| Some(reference.strip_prefix("steps.")?.split('.').next()?.to_owned())).collect()
}
