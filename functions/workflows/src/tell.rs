//! What people hear of a run: how far its steps are, its questions, its end.

use jiff::{SignedDuration, Timestamp};
use model::{
    Audience, Event, Kind, Step, StepState, Task, TaskError, TaskId, TaskState, Toast,
    approval::Question,
    toast::{Action, Level},
};
use serde_json::{Map, Value, json};

use crate::state::{ItemState, Of, Phase, Run};

/// Who speaks.
pub(crate) const SOURCE: &str = "/functions/workflows";
/// Who takes back the tasks of steps: not the one that tells how a run ended.
pub(crate) const TAKING_BACK: &str = "/workflows/steps";
/// Until when more is heard of a run under way; it is told again well before.
const NEXT_BY: SignedDuration = SignedDuration::from_hours(2);
/// In characters.
const LONGEST_NOTE: usize = 300;
const LONGEST_TITLE: usize = 180;
/// Most bytes of what the definition's output shows.
const LARGEST_OUTPUT: usize = 32 * 1024;

/// The kind of all runs.
pub(crate) fn kind() -> Kind {
    "workflows".parse().expect("it is a kind's name")
}

/// What is known of a run, for its owner; `output` is what its definition shows at the end.
pub(crate) fn event(run: &Run, output: Map<String, Value>) -> Event {
    let task = task(run, output);
    let toast = toast(run, &task);
    let word = |task: &Task| {
        let mut event = Event::of_task(SOURCE, Audience::user(&run.owner), task, toast.as_ref());
        event.id = match run.phase {
            Phase::Over(state) => format!("{}.{}", run.id, state.as_str()),
            _ => format!("{}.{}", run.id, run.revision),
        };
        event.traceparent.clone_from(&run.traceparent);
        event
    };
    let whole = word(&task);
    if whole.to_json().is_ok() {
        return whole;
    }
    // A hundred steps with long words: their states matter most.
    let steps = task.steps.iter().map(|step| Step { note: None, href: None, needs: Vec::new(), ..step.clone() });
    let result = task.result.as_ref().map(|_| json!({ "omitted": "the result is too large to be told" }));
    word(&Task { steps: steps.collect(), result, ..task })
}

fn task(run: &Run, output: Map<String, Value>) -> Task {
    let state = match run.phase {
        Phase::Over(state) => state,
        _ => TaskState::Running,
    };
    let now = Timestamp::now();
    Task {
        id: run.id,
        kind: kind(),
        title: shortened(&run.title, LONGEST_TITLE),
        state,
        progress: if state == TaskState::Succeeded { 1.0 } else { progress(run) },
        attempt: run.attempt,
        sequence: run.sequence,
        owner: Some(run.owner.clone()),
        created: Some(run.created),
        updated: Some(now),
        result: (state == TaskState::Succeeded).then(|| result(run, output)),
        error: run
            .failure
            .as_ref()
            .filter(|_| state == TaskState::Failed)
            .map(|error| TaskError { reason: error.reason.clone(), message: shortened(&error.message, 2000) }),
        parent: run.parent,
        steps: (0..run.steps.len()).map(|at| step(run, at)).collect(),
        next_by: (!state.is_end()).then(|| now + NEXT_BY),
    }
}

fn step(run: &Run, at: usize) -> Step {
    let (definition, step) = (run.step_definition(at), &run.steps[at]);
    let done = step.items.iter().filter(|item| item.state == ItemState::Succeeded).count();
    let counted = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Step {
        id: definition.id.clone(),
        title: shortened(definition.shown(), LONGEST_TITLE),
        kind: definition.kind.clone(),
        needs: definition.needs.clone(),
        state: step.state,
        progress: step_progress(run, at),
        items: definition.for_each.as_ref().map(|_| (counted(done), counted(step.items.len()))),
        note: step.note.as_deref().map(|note| shortened(note, LONGEST_NOTE)),
        href: step.items.last().and_then(|item| item.href.clone()),
    }
}

fn step_progress(run: &Run, at: usize) -> f64 {
    let step = &run.steps[at];
    match step.items.len() {
        _ if step.is_over() => 1.0,
        0 => 0.0,
        several => step.items.iter().map(|item| item.progress).sum::<f64>() / several as f64,
    }
}

fn progress(run: &Run) -> f64 {
    let done: f64 = (0..run.steps.len()).map(|at| step_progress(run, at)).sum();
    // Something that runs shows it, even before its first step has come anywhere.
    (done / run.steps.len().max(1) as f64).clamp(0.001, 0.999)
}

/// What the definition shows, and the steps' states.
fn result(run: &Run, output: Map<String, Value>) -> Value {
    let mut result = match Value::Object(output) {
        output if output.to_string().len() > LARGEST_OUTPUT => {
            Map::from_iter([("omitted".to_owned(), json!("the output is too large to be told"))])
        }
        Value::Object(output) => output,
        _ => Map::new(),
    };
    let steps = run.definition.steps.iter().zip(&run.steps);
    let states: Map<_, _> = steps.map(|(definition, step)| (definition.id.clone(), json!(step.state))).collect();
    result.insert("steps".to_owned(), Value::Object(states));
    Value::Object(result)
}

/// What the owner sees at the end; of a run within another, that one tells.
fn toast(run: &Run, task: &Task) -> Option<Toast> {
    if run.parent.is_some() {
        return None;
    }
    match task.state {
        TaskState::Succeeded => {
            let done = run.steps.iter().filter(|step| step.state == StepState::Succeeded).count();
            let href = task.result.as_ref().and_then(|result| result["href"].as_str());
            let action = href
                .filter(|href| model::toast::is_safe_href(href))
                .map(|href| Action { label: "Open".to_owned(), href: href.to_owned() });
            let body = Some(if done == 1 { "1 step done".to_owned() } else { format!("{done} steps done") });
            Some(Toast { body, action, ..Toast::new(Level::Success, format!("{} is done", task.title)) })
        }
        TaskState::Failed => {
            let body = task.error.as_ref().map(|error| shortened(&error.message, 1900));
            Some(Toast { body, ..Toast::new(Level::Error, format!("{} failed", task.title)) })
        }
        _ => None,
    }
}

/// The event that asks whom a step asks.
pub(crate) fn question(run: &Run, of: Of, asked: &Value) -> Option<Event> {
    let audience: Audience = asked["audience"].as_str()?.parse().ok()?;
    let words = asked["question"].as_str()?.to_owned();
    let round = run.steps[of.step].items[of.item].round;
    let question = Question {
        task: run.id,
        step: run.step_definition(of.step).id.clone(),
        title: shortened(&run.title, LONGEST_TITLE),
        question: words.clone(),
        owner: run.owner.clone(),
    };
    let toast = (round == 0).then(|| {
        let title = format!("{} asks for approval: {}", shortened(&run.owner, 60), shortened(&run.title, 100));
        Toast { body: Some(words), ..Toast::new(Level::Warning, title) }
    });
    let mut event = question.event(audience, toast, round);
    event.traceparent.clone_from(&run.traceparent);
    Some(event)
}

/// The event that takes back the task of a step.
pub(crate) fn taking_back(run: &Run, of: Of, task: TaskId, kind: Kind) -> Event {
    let told = Task {
        id: task,
        kind,
        title: shortened(run.step_definition(of.step).shown(), LONGEST_TITLE),
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
    };
    let mut event = Event::of_task(TAKING_BACK, Audience::user(&run.owner), &told, None);
    event.id = format!("{task}.cancelled");
    event
}

/// A text of so many characters at most.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters - 1) {
        Some((end, _)) if text[end..].chars().nth(1).is_some() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}
