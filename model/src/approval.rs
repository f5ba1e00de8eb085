//! Approvals: the question of a workflow and its answer, two events that pods and workflow workers both read.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
}

/// The answer; of several that gateways have signed, the first in the log stands.
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
    /// The signature of the gateway that knows who answered, in base64url; without it the answer does not count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

impl Question {
    /// The digest of all that is put to these people: SHA-256 in base64url. Its fields come one after another, each after
    /// its length in bytes as four bytes, the highest first.
    pub fn digest(&self, audience: &Audience) -> String {
        let (task, audience) = (self.task.to_string(), audience.to_string());
        let fields = ["bellwire question", &task, &self.step, &self.title, &self.question, &self.owner, &audience];
        let mut digest = Sha256::new();
        for field in fields {
            // An event has 64 KiB.
            digest.update(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            digest.update(field);
        }
        BASE64URL_NOPAD.encode(&digest.finalize())
    }

    /// The event that asks this audience; `toast` gets the buttons. A repetition, for pods whose window has lost the
    /// question, has another `round` and no toast. Nobody knows its id beforehand, so that no other event takes it first.
    pub fn event(&self, audience: Audience, toast: Option<Toast>, round: u32) -> Event {
        let decision = Some(ApprovalRef { task: self.task, step: self.step.clone() });
        let digest = self.digest(&audience);
        let data = match toast.map(|toast| Toast { decision, ..toast }) {
            Some(toast) => serde_json::json!({ "question": self, "digest": digest, "toast": toast }),
            None => serde_json::json!({ "question": self, "digest": digest }),
        };
        let event = Event::new("/functions/workflows", ASKED, audience).with_data(data);
        let id = format!("{}.{}.asked.{round}.{}", self.task, self.step, event.id);
        Event { id, subject: Some(format!("task/{}", self.task)), ..event }
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
        ];
        assert!(changed.iter().all(|other| other.digest(&finance) != digest));
        assert_ne!(question.digest(&Audience::user("mal")), digest);
    }

    #[test]
    fn an_event_that_claims_the_digest_of_another_question_asks_nothing() {
        let (title, question) = ("Airports".to_owned(), "Publish?".to_owned());
        let question =
            Question { task: TaskId::new(), step: "ask".to_owned(), title, question, owner: "ada".to_owned() };
        let mut event = question.event(Audience::user("bob"), None, 0);
        assert_eq!(Question::with_digest(&event), Some((question.clone(), question.digest(&event.audience))));
        assert_ne!(event.id, question.event(Audience::user("bob"), None, 0).id);
        event.audience = Audience::user("eve");
        assert_eq!(Question::with_digest(&event), None);
        let event = event.with_data(serde_json::json!({ "question": question }));
        assert!(Question::with_digest(&event).is_some());
    }
}
