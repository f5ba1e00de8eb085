//! Events and jobs for tests.

use backplane::{Backplane, Destination, ReadFrom};
use jiff::{Timestamp, ToSpan};
use model::{Event, Job, TaskId};
use serde_json::json;

/// Before anything a test publishes.
pub fn long_ago() -> ReadFrom {
    ReadFrom::Time(Timestamp::now() - 1.hour())
}

/// An event with an id of the test's own.
pub fn event(id: &str) -> Event {
    Event { id: id.to_owned(), ..Event::new("/tests", "test.said", "environment".parse().unwrap()) }
}

/// So many ids.
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("e{n}")).collect()
}

/// Publishes events of these ids.
pub async fn publish(plane: &Backplane, names: &[String]) {
    for name in names {
        plane.log.publish(Destination::Own, &event(name)).await.unwrap();
    }
}

/// A job for this kind.
pub fn job(kind: &str) -> Job {
    Job::new(TaskId::new(), kind.parse().unwrap(), "ada", "A job", json!({ "file": "a.csv" }))
}
