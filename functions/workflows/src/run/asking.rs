//! How far a question is, as the database keeps it. Times are milliseconds since 1970.

use model::approval::Decision;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How far a question is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asking {
    /// The time by which it must be answered.
    pub(crate) until: Option<i64>,
    /// The next time at which it is told again for pods that have lost it.
    pub(crate) repeat_at: Option<i64>,
    /// The next reminder.
    pub(crate) remind_at: Option<i64>,
    /// The number of reminders so far.
    #[serde(default)]
    pub(crate) reminders: u32,
    /// The time at which others are asked as well.
    pub(crate) escalate_at: Option<i64>,
    /// True once they are.
    #[serde(default)]
    pub(crate) escalated: bool,
    /// The answers that count, one of each person.
    #[serde(default)]
    pub(crate) given: Vec<Given>,
}

/// An answer that counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) by: String,
    pub(crate) decision: Decision,
    pub(crate) comment: Option<String>,
    /// The values of the form.
    #[serde(default)]
    pub(crate) answer: Map<String, Value>,
}

impl Asking {
    /// Who has approved.
    pub(crate) fn approved_by(&self) -> Vec<String> {
        self.given.iter().filter(|given| given.decision == Decision::Approve).map(|given| given.by.clone()).collect()
    }

    /// The next time at which it does something.
    pub(crate) fn due(&self) -> Option<i64> {
        [self.repeat_at, self.remind_at, self.escalate_at].into_iter().flatten().min()
    }
}
