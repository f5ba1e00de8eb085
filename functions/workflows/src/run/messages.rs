//! The events and jobs that a run sends: its own state, questions, the jobs of its steps and their cancellation.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use model::{
    Audience, Event, Job, Kind, Step, StepState, Task, TaskError, TaskState, Toast,
    task::{DECLINED, StepAsks},
    toast::{Action, Level},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use storage::FileKey;

use super::state::{ItemIndex, ItemState, Operation, Phase, Run, workflows_kind};

/// The source of a run's own events.
const SOURCE: &str = "/functions/workflows";
/// The source of cancellations of step tasks; no function, since their ends are published by their functions.
const CANCEL_SOURCE: &str = "/workflows/steps";
/// A running run is published again well before this has passed.
const NEXT_BY: SignedDuration = SignedDuration::from_hours(2);
/// In characters.
const MAX_NOTE: usize = 300;
/// In characters.
pub(super) const MAX_TITLE: usize = 180;
/// The most files of a run that are listed.
const MAX_FILES: usize = 10_000;
/// The most bytes of the output that the definition declares.
const MAX_OUTPUT: usize = 32 * 1024;

/// A file that a step has made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// The title of the step.
    pub(crate) step: String,
    pub(crate) key: FileKey,
}

/// What a run tells of itself that is not in its state.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The output that its definition declares, once it has succeeded.
    pub(crate) output: Map<String, Value>,
    /// Whom its steps ask, by the index of the step.
    pub(crate) asks: Vec<(usize, Audience)>,
}

/// The state of a run, for its owner.
pub(crate) fn state_event(run: &Run, told: Told) -> Event {
    let task = task(run, told);
    let toast = toast(run, &task);
    let event_of = |task: &Task| {
        let mut event = Event::of_task(SOURCE, Audience::user(&run.owner), task, toast.as_ref());
        event.id = match run.phase {
            Phase::Ended(state) => format!("{}.{}", run.id, state.as_str()),
            _ => format!("{}.{}", run.id, run.revision),
        };
        event.traceparent.clone_from(&run.traceparent);
        event
    };
    let event = event_of(&task);
    if event.to_json().is_ok() {
        return event;
    }
    // Too large, with a hundred steps and long notes: the states matter most.
    let small = |step: &Step| Step { note: None, href: None, needs: Vec::new(), asks: None, ..step.clone() };
    let steps = task.steps.iter().map(small);
    let result = task.result.as_ref().map(|result| {
        let (omitted, count, href) =
            ("the result is too large to be told", &result["file_count"], &result["files_href"]);
        json!({ "omitted": omitted, "file_count": count, "files_href": href })
    });
    event_of(&Task { steps: steps.collect(), result, ..task })
}

fn task(run: &Run, told: Told) -> Task {
    let state = match run.phase {
        Phase::Ended(state) => state,
        _ => TaskState::Running,
    };
    let now = Timestamp::now();
    Task {
        id: run.id,
        kind: workflows_kind(),
        title: shortened(&run.title, MAX_TITLE),
        state,
        progress: if state == TaskState::Succeeded { 1.0 } else { progress(run) },
        attempt: run.attempt,
        sequence: run.sequence,
        owner: Some(run.owner.clone()),
        created: Some(run.created),
        updated: Some(now),
        result: (state == TaskState::Succeeded).then(|| result(run, told.output)),
        error: run
            .failure
            .as_ref()
            .filter(|_| state == TaskState::Failed)
            .map(|error| TaskError { reason: error.reason.clone(), message: shortened(&error.message, 2000) }),
        parent: run.parent,
        steps: (0..run.steps.len()).map(|index| step(run, index, &told.asks)).collect(),
        next_by: (!state.is_end()).then(|| now + NEXT_BY),
        not_before: None,
        request: None,
        priority: run.priority,
        unique: Vec::new(),
    }
}

fn step(run: &Run, index: usize, asks: &[(usize, Audience)]) -> Step {
    let (definition, step) = (run.step_definition(index), &run.steps[index]);
    let succeeded = step.items.iter().filter(|item| item.state == ItemState::Succeeded).count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let failed = || step.items.iter().filter(|item| item.state == ItemState::Failed);
    let failed = failed().find(|item| item.href.is_some()).or(failed().next());
    Step {
        id: definition.id.clone(),
        title: shortened(definition.display_title(), MAX_TITLE),
        kind: definition.kind.clone(),
        needs: definition.needs.clone(),
        state: step.state,
        progress: step_progress(run, index),
        items: definition.for_each.as_ref().map(|_| (count(succeeded), count(step.items.len()))),
        note: step.note.as_deref().map(|note| shortened(note, MAX_NOTE)),
        href: failed.or(step.items.last()).and_then(|item| item.href.clone()),
        rejected: step.rejected,
        asks: asks.iter().find(|(step, _)| *step == index).and_then(|(_, audience)| step_asks(run, index, audience)),
    }
}

fn step_asks(run: &Run, index: usize, audience: &Audience) -> Option<StepAsks> {
    let item = run.steps[index].items.first().filter(|item| item.state == ItemState::Asked)?;
    Some(StepAsks {
        audience: shortened(&audience.to_string(), MAX_NOTE),
        until: Timestamp::from_millisecond(item.deadline?).ok()?,
        needed: run.step_definition(index).approvals.unwrap_or(1),
        approved_by: item.asking.as_ref().map(|asking| asking.approved_by()).unwrap_or_default(),
    })
}

fn step_progress(run: &Run, index: usize) -> f64 {
    let step = &run.steps[index];
    match step.items.len() {
        _ if matches!(step.state, StepState::Succeeded | StepState::Skipped | StepState::Compensated) => 1.0,
        0 => 0.0,
        count => step.items.iter().map(|item| item.progress).sum::<f64>() / count as f64,
    }
}

fn progress(run: &Run) -> f64 {
    let done: f64 = (0..run.steps.len()).map(|index| step_progress(run, index)).sum();
    // A running task shows progress even before its first step has made any.
    (done / run.steps.len().max(1) as f64).clamp(0.001, 0.999)
}

/// The declared output and the states of the steps.
fn result(run: &Run, output: Map<String, Value>) -> Value {
    let mut result = match Value::Object(output) {
        output if output.to_string().len() > MAX_OUTPUT => {
            Map::from_iter([("omitted".to_owned(), json!("the output is too large to be told"))])
        }
        Value::Object(output) => output,
        _ => Map::new(),
    };
    let steps = run.definition.steps.iter().zip(&run.steps);
    let states: Map<_, _> = steps.map(|(definition, step)| (definition.id.clone(), json!(step.state))).collect();
    result.insert("steps".to_owned(), Value::Object(states));
    let files = files(run).len();
    if files > 1 {
        result.insert("file_count".to_owned(), json!(files));
        result.insert("files_href".to_owned(), json!(format!("/api/tasks/{}/files.zip", run.id)));
    }
    Value::Object(result)
}

/// The files that the steps of a run have made, in the order of its steps and of their items.
pub(crate) fn files(run: &Run) -> Vec<RunFile> {
    let mut known = HashSet::new();
    let of_item = |index: ItemIndex| {
        let item = run.item(index);
        let key = FileKey::of_href(item.href.as_deref()?).filter(|_| item.state == ItemState::Succeeded)?;
        Some(RunFile { step: shortened(run.step_definition(index.step).display_title(), MAX_TITLE), key })
    };
    let files = run.all_items().into_iter().filter_map(of_item).filter(|file| known.insert(file.key.clone()));
    files.take(MAX_FILES).collect()
}

/// The toast at the end; a nested run has none, since its parent has one.
fn toast(run: &Run, task: &Task) -> Option<Toast> {
    if run.parent.is_some() {
        return None;
    }
    match task.state {
        TaskState::Succeeded => {
            let count = |state| run.steps.iter().filter(|step| step.state == state).count();
            let (done, skipped) = (count(StepState::Succeeded), count(StepState::Skipped));
            let action = open(task.result.as_ref().and_then(|result| result["href"].as_str()));
            let done = if done == 1 { "1 step done".to_owned() } else { format!("{done} steps done") };
            let body = Some(if skipped == 0 { done } else { format!("{done}, {skipped} skipped") });
            Some(Toast { body, action, ..Toast::new(Level::Success, format!("{} is done", task.title)) })
        }
        TaskState::Failed => {
            let body = task.error.as_ref().map(|error| shortened(&error.message, 1900));
            // A person's no is no fault.
            let is_declined = task.error.as_ref().is_some_and(|error| error.reason == DECLINED);
            let (level, outcome) =
                if is_declined { (Level::Warning, "was rejected") } else { (Level::Error, "failed") };
            let failed = task.steps.iter().find(|step| step.state == StepState::Failed);
            let action = open(failed.and_then(|step| step.href.as_deref()));
            Some(Toast { body, action, ..Toast::new(level, format!("{} {outcome}", task.title)) })
        }
        _ => None,
    }
}

/// The link of a toast.
fn open(href: Option<&str>) -> Option<Action> {
    let href = href.filter(|href| model::toast::is_safe_href(href))?;
    Some(Action { label: "Open".to_owned(), href: href.to_owned() })
}

/// The cancellation of one attempt of an item.
pub(crate) fn cancel_event(run: &Run, index: ItemIndex, attempt: u32) -> Option<Event> {
    let (task, kind) = (run.task_id(index, attempt, Operation::Execute), job_kind(run, index, Operation::Execute)?);
    let cancelled = Task {
        id: task,
        kind,
        title: shortened(run.step_definition(index.step).display_title(), MAX_TITLE),
        state: TaskState::Cancelled,
        progress: 0.0,
        attempt: 0,
        sequence: 0,
        owner: Some(run.owner.clone()),
        created: None,
        updated: Some(Timestamp::now()),
        result: None,
        error: None,
        parent: Some(run.id),
        steps: Vec::new(),
        next_by: None,
        not_before: None,
        request: None,
        priority: run.step_definition(index.step).priority.unwrap_or(run.priority),
        unique: Vec::new(),
    };
    let mut event = Event::of_task(CANCEL_SOURCE, Audience::user(&run.owner), &cancelled, None);
    event.id = format!("{task}.cancelled");
    Some(event)
}

/// The job of an item's current operation, with its resolved input.
pub(crate) fn job(run: &Run, index: ItemIndex, resolved: &Value) -> Option<Job> {
    let (step, operation) = (run.step_definition(index.step), run.operation(index));
    let input = match resolved.get("input") {
        Some(input) if step.nested && operation == Operation::Execute => {
            json!({ "workflow": step.kind, "input": input })
        }
        Some(input) => input.clone(),
        None => Value::Null,
    };
    let title = match operation {
        Operation::Compensate => format!("Undo: {}", step.display_title()),
        Operation::Execute => step.display_title().to_owned(),
    };
    let kind = job_kind(run, index, operation)?;
    Some(Job {
        groups: run.groups.clone(),
        backlog: run.backlog_before(index),
        priority: step.priority.unwrap_or(run.priority),
        parent: Some(run.id),
        grant: run.grant.clone(),
        traceparent: run.traceparent.clone(),
        ..Job::new(run.current_task(index), kind, &run.owner, &shortened(&title, MAX_TITLE), input)
    })
}

/// The kind of an item's job; a nested workflow is a job of the workflows function.
fn job_kind(run: &Run, index: ItemIndex, operation: Operation) -> Option<Kind> {
    let step = run.step_definition(index.step);
    match (operation, &step.compensate) {
        (Operation::Compensate, Some(compensate)) => compensate.kind.parse().ok(),
        _ if step.nested => Some(workflows_kind()),
        _ => step.kind.parse().ok(),
    }
}

/// A text of at most so many characters.
pub(super) fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters - 1) {
        Some((end, _)) if text[end..].chars().nth(1).is_some() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}
