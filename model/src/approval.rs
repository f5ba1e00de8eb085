//! Approvals: the question of a workflow and its answer, two events that pods and workflow workers both read.

mod details;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    audience::Audience,
    event::Event,
    task::TaskId,
    toast::{ApprovalRef, Toast},
};

pub use details::{Details, ShownValue};

/// The type of a question's event.
pub const ASKED: &str = "bellwire.approval.asked";
/// The type of an answer's event. Only gateways can: they alone know the user who answers, and sign it.
pub const DECIDED: &str = "bellwire.approval.decided";

/// The type of the event that ends a question without an answer that decides it.
pub const CLOSED: &str = "bellwire.approval.closed";

/// Letters of an answer's signature in the id of its event: 132 bits.
const ID_LETTERS: usize = 22;

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Yes: the run goes on.
    Approve,
    /// No: the run ends.
    Reject,
}

impl Decision {
    /// In words: approved, rejected.
    pub fn participle(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Reject => "rejected",
        }
    }
}

/// A question to the audience of its event; the same question to the same people twice is one.
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
    /// What else belongs to it.
    #[serde(default, skip_serializing_if = "Details::is_plain")]
    pub details: Details,
}

/// Why a question is told again, with a toast of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Again {
    /// Nobody has answered for a while.
    Reminder,
    /// The same, and now others are asked as well.
    Escalation,
}

/// How a question is told.
#[derive(Debug, Clone, Default)]
pub struct Telling {
    /// Gets the buttons.
    pub toast: Option<Toast>,
    /// The number of times that it was told before.
    pub round: u32,
    /// Why it is told again.
    pub again: Option<Again>,
    /// Who has approved already.
    pub approved_by: Vec<String>,
}

/// The end of a question that no answer has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The workflow's run.
    pub task: TaskId,
    /// The step's id.
    pub step: String,
    /// The question's digest.
    pub digest: String,
    /// Why: `decided`, `expired`, `escalated` (it is asked anew, of more people), or `withdrawn` by the run.
    pub reason: String,
}

/// The answer; of several of one user that gateways have signed, the first in the log stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The workflow's run.
    pub task: TaskId,
    /// The step's id.
    pub step: String,
    /// The digest of the question that was read: see [`Question::digest`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
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
    /// The values of the question's form as JSON, an object in one text, since its bytes are signed; empty without a form.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub values: String,
    /// The signature of the gateway that knows who answered, in base64url; without it the answer does not count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

impl Question {
    /// The digest of all that is put to these people: SHA-256 in base64url. Its fields come one after another, each after
    /// its length in bytes as four bytes, the highest first; the details last, as JSON, where there are any.
    pub fn digest(&self, audience: &Audience) -> String {
        let (task, audience) = (self.task.to_string(), audience.to_string());
        let fields = ["bellwire question", &task, &self.step, &self.title, &self.question, &self.owner, &audience];
        let details = serde_json::to_string(&self.details).unwrap_or_default();
        let details = (!self.details.is_plain()).then_some(details.as_str());
        let mut digest = Sha256::new();
        for field in fields.into_iter().chain(details) {
            // An event has 64 KiB.
            digest.update(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            digest.update(field);
        }
        BASE64URL_NOPAD.encode(&digest.finalize())
    }

    /// The event that asks this audience. A repetition, for pods whose window has lost the question, has another round and no
    /// toast. Nobody knows its id beforehand, so that no other event takes it first.
    pub fn event(&self, audience: Audience, telling: Telling) -> Event {
        let Telling { toast, round, again, approved_by } = telling;
        let decision = Some(ApprovalRef { task: self.task, step: self.step.clone() });
        let mut data = json!({ "question": self, "digest": self.digest(&audience) });
        let more = [
            ("toast", toast.map(|toast| json!(Toast { decision, ..toast }))),
            ("again", again.map(|again| json!(again))),
            ("approved_by", (!approved_by.is_empty()).then(|| json!(approved_by))),
        ];
        more.into_iter().filter_map(|(name, value)| Some((name, value?))).for_each(|(name, value)| data[name] = value);
        let event = Event::new("/functions/workflows", ASKED, audience).with_data(data);
        let id = format!("{}.{}.asked.{round}.{}", self.task, self.step, event.id);
        Event { id, subject: Some(format!("task/{}", self.task)), ..event }
    }

    /// Who had approved it already when an event asked.
    pub fn approved_by(event: &Event) -> Vec<String> {
        part(event, ASKED, "approved_by").unwrap_or_default()
    }

    /// The question in an event, if it has one.
    pub fn of(event: &Event) -> Option<Self> {
        part(event, ASKED, "question")
    }

    /// The question in an event and its digest; none if the event claims another digest, so that nobody who reads the one
    /// question answers the other. An event may claim none.
    pub fn with_digest(event: &Event) -> Option<(Self, String)> {
        let question = Self::of(event)?;
        let digest = question.digest(&event.audience);
        let claimed = event.data.as_ref()?.member::<serde_json::Value>("digest").ok()?;
        claimed.is_none_or(|claimed| claimed == digest).then_some((question, digest))
    }
}

impl Closed {
    /// The event, for the audience of the question.
    pub fn event(&self, audience: Audience) -> Event {
        let data = json!({ "closed": self });
        let event = Event::new("/functions/workflows", CLOSED, audience).with_data(data);
        let id = format!("{}.{}.closed.{}", self.task, self.step, event.id);
        Event { id, subject: Some(format!("task/{}", self.task)), ..event }
    }

    /// The end of a question in an event, if it has one.
    pub fn of(event: &Event) -> Option<Self> {
        part(event, CLOSED, "closed")
    }
}

impl Answer {
    /// The values of the question's form.
    pub fn form_values(&self) -> Map<String, Value> {
        serde_json::from_str(&self.values).unwrap_or_default()
    }

    /// The event that answers, for this audience. Nobody knows its id before its signature is known, so that no other event
    /// takes it first.
    pub fn event(&self, audience: Audience) -> Event {
        let data = json!({ "answer": self });
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
    event.data.as_ref().filter(|_| event.event_type == event_type)?.member(name).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_question_is_of_all_that_is_put_to_people() {
        let question = Question {
            task: "01JD0000000000000000000001".parse().unwrap(),
            step: "approve".to_owned(),
            title: "Pay".to_owned(),
            question: "Well?".to_owned(),
            owner: "ada".to_owned(),
            details: Details::default(),
        };
        let finance: Audience = "group:finance".parse().unwrap();
        let digest = question.digest(&finance);
        assert_eq!(digest, "gpD8JcAoMyuYxzSqCtasSX8E2kFgvvUTs8g_kba7fEM", "as it is documented");
        let changed = [
            Question { task: TaskId::new(), ..question.clone() },
            Question { step: "other".to_owned(), ..question.clone() },
            Question { title: "PayW".to_owned(), question: "ell?".to_owned(), ..question.clone() },
            Question { question: "Well!".to_owned(), ..question.clone() },
            Question { owner: "eve".to_owned(), ..question.clone() },
            Question { details: Details { needed: 2, ..Details::default() }, ..question.clone() },
            Question { details: Details { files: vec!["a/b".to_owned()], ..Details::default() }, ..question.clone() },
        ];
        assert!(changed.iter().all(|other| other.digest(&finance) != digest));
        assert_ne!(question.digest(&Audience::user("mal")), digest);
    }

    #[test]
    fn an_event_that_claims_the_digest_of_another_question_asks_nothing() {
        let (title, question) = ("Airports".to_owned(), "Publish?".to_owned());
        let question = Question {
            task: TaskId::new(),
            step: "ask".to_owned(),
            title,
            question,
            owner: "ada".to_owned(),
            details: Details::default(),
        };
        let mut event = question.event(Audience::user("bob"), Telling::default());
        assert_eq!(Question::with_digest(&event), Some((question.clone(), question.digest(&event.audience))));
        assert_ne!(event.id, question.event(Audience::user("bob"), Telling::default()).id);
        event.audience = Audience::user("eve");
        assert_eq!(Question::with_digest(&event), None);
        let event = event.with_data(json!({ "question": question }));
        assert!(Question::with_digest(&event).is_some());
    }
}
