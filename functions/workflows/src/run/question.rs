//! A question with all that belongs to it: resolved when it is asked first, kept as the input of its item, and put to those
//! asked in one wording, or in another once more people are.

use jiff::Timestamp;
use model::{
    Audience, Event, Term, Toast,
    approval::{Again, Closed, Details, Question, ShownValue, Telling as Told},
    catalogue::{Field, FieldType},
    toast::Level,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::FileKey;

use super::{
    approve::Asked,
    messages::{MAX_TITLE, shortened},
    state::{ItemIndex, RULES, Run},
    transition::{Closing, Telling},
};
use crate::definition::{
    ask::Ask,
    document::StepDefinition,
    expression::{self, Scope, in_one_line},
};

/// In characters.
const MAX_QUESTION: usize = 1500;
const MAX_FILES: usize = 50;
/// The most bytes of all that belongs to a question, as JSON: its event has 64 KiB.
const MAX_DETAILS: usize = 24 * 1024;

/// A question with its references replaced.
#[derive(Debug, Serialize, Deserialize)]
struct Resolved {
    audience: Audience,
    /// Those who are asked in the end, where others are asked as well after a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    escalated: Option<Audience>,
    question: String,
    /// All but the time by which it must be answered.
    #[serde(default)]
    details: Details,
}

/// Resolves the question of a step.
pub(super) fn resolve(run: &Run, step: &StepDefinition, scope: &Scope) -> Result<Value, String> {
    // Parsed here as well: a run keeps the definition with which it was started.
    let ask = Ask::parse(step.ask.as_deref().unwrap_or_default());
    let audience = ask.and_then(|ask| ask.fill(scope)).map_err(|error| format!("ask: {error}"))?;
    let escalated = match &step.escalate {
        None => None,
        Some(to) => {
            let others = Ask::parse(&to.ask).and_then(|ask| ask.fill(scope));
            let all = others.and_then(|others| {
                format!("{audience} {others}").parse::<Audience>().map_err(|error| error.to_string())
            });
            Some(all.map_err(|error| format!("escalate.ask: {error}"))?)
        }
    };
    let question = match &step.question {
        Some(question) => {
            expression::render_for_people(question, scope).map_err(|error| format!("question: {error}"))?
        }
        None => step.display_title().to_owned(),
    };
    let details = Details {
        until: None,
        needed: step.approvals.unwrap_or_default(),
        others_only: run.rules >= RULES && !step.self_approval,
        shown: shown_inputs(run, step),
        files: files(step, scope)?,
        fields: step.fields.iter().map(|field| Field { path: field.name.clone(), ..field.offer("answer") }).collect(),
    };
    check_people(escalated.as_ref().unwrap_or(&audience), &details, &run.owner)
        .map_err(|error| format!("ask: {error}"))?;
    let question = question.chars().take(MAX_QUESTION).collect();
    let resolved = serde_json::to_value(Resolved { audience, escalated, question, details });
    let resolved = resolved.map_err(|error| format!("question: {error}"))?;
    match resolved["details"].to_string().len() {
        bytes if bytes > MAX_DETAILS => {
            Err(format!("show, files and field have {bytes} bytes together; {MAX_DETAILS} are allowed"))
        }
        _ => Ok(resolved),
    }
}

/// Checks that enough people are asked who may answer, where all of them are named.
fn check_people(audience: &Audience, details: &Details, owner: &str) -> Result<(), String> {
    let mut people = 0;
    for term in audience.terms() {
        match term {
            Term::User(user) if details.others_only && user == owner => {}
            Term::User(_) => people += 1,
            Term::Group(_) | Term::Environment => return Ok(()),
        }
    }
    match people {
        0 => Err("it asks nobody but whoever started the run, who may not answer (self_approval)".to_owned()),
        _ if people < details.needed() => Err(format!(
            "{} approvals are needed, and only {people} of those who are asked may answer",
            details.needed()
        )),
        _ => Ok(()),
    }
}

fn shown_inputs(run: &Run, step: &StepDefinition) -> Vec<ShownValue> {
    let fields = step.show.iter().filter_map(|name| run.definition.inputs.iter().find(|field| field.name == *name));
    let shown = fields.map(|field| {
        let value = match &run.input.get(&field.name).unwrap_or(&Value::Null) {
            Value::Null => "(no value)".to_owned(),
            Value::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
            Value::String(key) if field.value_type() == FieldType::File => {
                key.parse::<FileKey>().map_or_else(|_| key.clone(), |key| key.name().to_owned())
            }
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let title = if field.title.is_empty() { &field.name } else { &field.title };
        ShownValue { title: title.clone(), value: in_one_line(&value) }
    });
    shown.collect()
}

/// The keys of the files that a step names: each by its link or its key, alone or in lists; what has no value is left out.
fn files(step: &StepDefinition, scope: &Scope) -> Result<Vec<String>, String> {
    let mut files: Vec<String> = Vec::new();
    for reference in &step.files {
        let of_reference = |error: String| format!("files: {error}");
        let value = expression::value_of_reference(reference, scope).map_err(of_reference)?;
        let mut left = vec![&value];
        while let Some(value) = left.pop() {
            match value {
                Value::Null => {}
                Value::Array(list) => left.extend(list.iter().rev()),
                Value::String(text) => {
                    let key = FileKey::of_href(text).or_else(|| text.parse().ok());
                    let key = key.ok_or_else(|| {
                        of_reference(format!("{reference} gives {:?}, which is no file of the run", in_one_line(text)))
                    })?;
                    if !files.contains(&key.to_string()) {
                        files.push(key.to_string());
                    }
                }
                _ => return Err(of_reference(format!("{reference} gives no link to a file"))),
            }
        }
    }
    match files.len() {
        count if count > MAX_FILES => Err(format!("files: there are {count}; {MAX_FILES} are allowed")),
        _ => Ok(files),
    }
}

/// A question as it was put to people, in this wording.
fn wording(run: &Run, index: ItemIndex, resolved: &Value, escalated: bool) -> Option<(Question, Audience)> {
    let resolved: Resolved = serde_json::from_value(resolved.clone()).ok()?;
    let until = run.item(index).asking.as_ref().and_then(|asking| asking.until);
    let until = until.and_then(|until| Timestamp::from_millisecond(until).ok());
    let question = Question {
        task: run.id,
        step: run.step_definition(index.step).id.clone(),
        title: shortened(&in_one_line(&run.title), MAX_TITLE),
        question: resolved.question,
        owner: run.owner.clone(),
        details: Details { until, ..resolved.details },
    };
    let audience = if escalated { resolved.escalated? } else { resolved.audience };
    Some((question, audience))
}

/// The wordings in which a question has been put to people.
pub(crate) fn wordings(run: &Run, index: ItemIndex, resolved: &Value) -> Vec<Asked> {
    let is_escalated = run.item(index).asking.as_ref().is_some_and(|asking| asking.escalated);
    let escalated = is_escalated.then(|| wording(run, index, resolved, true)).flatten();
    let asked = wording(run, index, resolved, false).into_iter().chain(escalated);
    asked
        .map(|(question, audience)| Asked { digest: question.digest(&audience), audience, details: question.details })
        .collect()
}

/// Whom a question asks now.
pub(crate) fn audience(run: &Run, index: ItemIndex, resolved: &Value) -> Option<Audience> {
    let is_escalated = run.item(index).asking.as_ref().is_some_and(|asking| asking.escalated);
    Some(wording(run, index, resolved, is_escalated)?.1)
}

/// The event that asks a question.
pub(crate) fn event(run: &Run, index: ItemIndex, resolved: &Value, telling: Telling) -> Option<Event> {
    let item = run.item(index);
    let asking = item.asking.clone().unwrap_or_default();
    let (question, audience) = wording(run, index, resolved, asking.escalated)?;
    let (owner, title) = (shortened(&in_one_line(&run.owner), 60), shortened(&question.title, 100));
    let title = match telling {
        Telling::First => Some(format!("{owner} asks for approval: {title}")),
        Telling::Reminder => Some(format!("Reminder: {owner} asks for approval: {title}")),
        Telling::Escalation => Some(format!("Still open: {owner} asks for approval: {title}")),
        Telling::Repetition => None,
    };
    let body = question.question.clone();
    let told = Told {
        toast: title.map(|title| Toast { body: Some(body), ..Toast::new(Level::Warning, title) }),
        round: item.round,
        again: match telling {
            Telling::Reminder => Some(Again::Reminder),
            Telling::Escalation => Some(Again::Escalation),
            Telling::First | Telling::Repetition => None,
        },
        approved_by: asking.approved_by(),
    };
    let mut event = question.event(audience, told);
    event.traceparent.clone_from(&run.traceparent);
    Some(event)
}

/// The event that ends a question: in its first wording when it is asked anew, else in the one that is open.
pub(crate) fn closed_event(run: &Run, index: ItemIndex, resolved: &Value, closing: Closing) -> Option<Event> {
    let is_escalated = run.item(index).asking.as_ref().is_some_and(|asking| asking.escalated);
    let (question, audience) = wording(run, index, resolved, is_escalated && closing != Closing::Escalated)?;
    let digest = question.digest(&audience);
    let closed = Closed { task: question.task, step: question.step, digest, reason: closing.as_str().to_owned() };
    Some(closed.event(audience))
}
