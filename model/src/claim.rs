//! Claims of what only one unfinished task may have: events between gateways, of which the first in the log counts.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{audience::Audience, event::Event, task::TaskId};

/// The type of a claim's event.
pub const CLAIMED: &str = "bellwire.claim";

/// A task's claim, told before its job is submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The task that is to be started.
    pub task: TaskId,
    /// The user whose task it is.
    pub owner: String,
    /// Digests of what no other unfinished task may have: all of them, or it has none.
    pub unique: Vec<String>,
    /// A digest of what the task is to do: whoever finds it abandoned starts it only with the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub work: String,
    /// True if the task is not started after all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

impl Claim {
    /// Its event, which is for gateways alone.
    pub fn event(&self, source: &str) -> Event {
        let mut event = Event::new(source, CLAIMED, Audience::user(&self.owner)).with_data(json!({ "claim": self }));
        // A task may be claimed again, for it is only known by its events whether it was started.
        event.id = format!("{}.claim.{}", self.task, TaskId::new());
        event
    }

    /// The claim that an event tells, if it is one.
    pub fn of(event: &Event) -> Option<Self> {
        let data = event.data.as_ref().filter(|_| event.event_type == CLAIMED)?;
        data.member("claim").ok().flatten()
    }
}
