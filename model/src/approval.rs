//! Approvals: the question of a workflow and its answer, two events that pods and workflow workers both read.

use serde::{Deserialize, Serialize};

use crate::{
    audience::Audience,
    event::Event,
    task::TaskId,
    toast::{ApprovalRef, Toast},
};

/// The type of a question's event.
pub const ASKED: &str = "bellwire.approval.asked";
/// The type of an answer's event. Only gateways can: they alone know the user who answers, and sign it.
pub const DECIDED: &str = "bellwire.approval.decided";

/// Letters of an answer's signature in the id of its event: 132 bits.
const ID_LETTERS: usize = 22;

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Yes: the run goes on.
    Approve,
    /// No: the step has failed.
    Reject,
}

/// A question to the audience of its event; the same question twice is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The workflow's run.
    pub task: TaskId,
    /// The step's id: 1 to 64 of a-z, 0-9, '_' and '-'.
    pub step: String,
    /// The run's title.
    pub title: String,
    /// The question's text.
    pub question: String,
    /// The user who started the run.
    pub owner: String,
}

/// The answer; of several that gateways have signed, the first in the log stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The workflow's run.
    pub task: TaskId,
    /// The step's id.
    pub step: String,
    /// Yes or no.
    pub decision: Decision,
    /// The user who answered.
    pub by: String,
    /// The groups of that user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// A comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The signature of the gateway that knows who answered, in base64url; without it the answer does not count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

impl Question {
    /// The event that asks this audience; `toast` gets the buttons. A repetition, for pods whose window has lost the
    /// question, has another `round` and no toast.
    pub fn event(&self, audience: Audience, toast: Option<Toast>, round: u32) -> Event {
        let decision = Some(ApprovalRef { task: self.task, step: self.step.clone() });
        let data = match toast.map(|toast| Toast { decision, ..toast }) {
            Some(toast) => serde_json::json!({ "question": self, "toast": toast }),
            None => serde_json::json!({ "question": self }),
        };
        let event = Event::new("/functions/workflows", ASKED, audience).with_data(data);
        let id = format!("{}.{}.asked.{round}", self.task, self.step);
        Event { id, subject: Some(format!("task/{}", self.task)), ..event }
    }

    /// The question in an event, if it has one.
    pub fn of(event: &Event) -> Option<Self> {
        part(event, ASKED, "question")
    }
}

impl Answer {
    /// The event that answers, for this audience. Nobody knows its id before its signature is known, so that no other event
    /// takes it first.
    pub fn event(&self, audience: Audience) -> Event {
        let data = serde_json::json!({ "answer": self });
        let event = Event::new("/gateway/approvals", DECIDED, audience).with_data(data);
        let signature = self.signature.get(..ID_LETTERS).unwrap_or(&self.signature);
        let id = format!("{}.{}.decided.{signature}", self.task, self.step);
        Event { id, subject: Some(format!("task/{}", self.task)), ..event }
    }

    /// The answer in an event, if it has one.
    pub fn of(event: &Event) -> Option<Self> {
        part(event, DECIDED, "answer")
    }
}

fn part<T: serde::de::DeserializeOwned>(event: &Event, event_type: &str, name: &str) -> Option<T> {
    let part = event.data.as_ref().filter(|_| event.event_type == event_type)?.get(name)?;
    T::deserialize(part).ok()
}
