//! Schedules: tasks that start by themselves, at times that a definition gives.
//!
//! [`times`]: when they are; [`placeholders`]: what their inputs say about the time

pub mod placeholders;
pub mod times;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

pub use times::{InvalidTimes, Times};

use crate::{environment::Kind, policy::Priority};

/// A schedule of a kind of function, as its worker describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name among those of its kind: the definition's, a dot and its own.
    pub name: String,
    /// The title of its tasks, for people.
    pub title: String,
    /// The user whose tasks they are.
    pub owner: String,
    /// The groups of its owner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The input of each task; texts in it may have [`placeholders`].
    pub input: Value,
    /// Five fields of cron. Either this or `every`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// The time between two tasks, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// The IANA name of the zone whose clocks `cron` and the placeholders follow.
    pub time_zone: String,
    /// What becomes of times at which nobody could start it.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What becomes of a time at which the task before has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// A task starts up to so many seconds later than its time, the same each time that is asked.
    #[serde(default)]
    pub jitter: u64,
    /// Of its tasks; that of what it starts if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Who gets what its tasks make besides their owner, in words: `group:finance`, `boss@example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
}

/// What becomes of times that were missed, because no gateway ran or no broker was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// They are left out.
    None,
    /// The last of them is made up for.
    #[default]
    Last,
    /// The last hundred of them are.
    All,
}

/// What becomes of a time at which the task before has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It waits for that end.
    Queue,
    /// It starts all the same.
    Parallel,
}

impl Schedule {
    /// Its times; an error says what is wrong with them.
    pub fn times(&self) -> Result<Times, InvalidTimes> {
        Times::new(self.cron.as_deref(), self.every, &self.time_zone)
    }

    /// How much later than this time its task starts.
    pub fn delay_at(&self, kind: &Kind, time: Timestamp) -> Duration {
        let most = self.jitter.saturating_mul(1000);
        let text = format!("{kind} {} {}", self.name, time.as_millisecond());
        Duration::from_millis(xxh3_64(text.as_bytes()).checked_rem(most).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_thousand_schedules_of_one_minute_are_spread_over_their_jitter_and_each_is_always_at_the_same_place() {
        let (kind, time) = ("reports".parse().unwrap(), "2026-11-29T01:00:00Z".parse().unwrap());
        let schedule = |name: usize| -> Schedule {
            let json = json!({
                "name": format!("n{name}"), "title": "T", "owner": "ada", "input": {}, "every": 60, "time_zone": "UTC", "jitter": 60,
            });
            serde_json::from_value(json).unwrap()
        };
        let delays: Vec<_> = (0..1000).map(|name| schedule(name).delay_at(&kind, time)).collect();
        assert!(delays.iter().all(|delay| *delay < Duration::from_secs(60)));
        let seconds: HashSet<_> = delays.iter().map(Duration::as_secs).collect();
        let fullest =
            seconds.iter().map(|second| delays.iter().filter(|delay| delay.as_secs() == *second).count()).max();
        assert!(seconds.len() == 60 && fullest < Some(40), "{fullest:?} of a thousand in one second");
        assert_eq!(schedule(7).delay_at(&kind, time), delays[7]);
        assert_eq!(Schedule { jitter: 0, ..schedule(7) }.delay_at(&kind, time), Duration::ZERO);
    }
}
