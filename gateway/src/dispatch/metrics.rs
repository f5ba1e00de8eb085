//! The metrics of a dispatcher.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use model::{Environment, Kind};

use super::{
    outbox::GapReason,
    task_list::{Queued, TaskList},
    window::Window,
};

/// Kinds of which the waiting tasks are told one by one: whoever may publish a task's event names its kind.
const MOST_KINDS: usize = 50;
/// The kind under which the others are told; no function can have this name.
const OTHER_KINDS: &str = "(others)";

/// Looked up once, since some count every delivery.
pub(super) struct DispatchMetrics {
    environment: String,
    pub(super) connections: Gauge,
    pub(super) deliveries: Counter,
    pub(super) dropped: Counter,
    pub(super) repeated: Counter,
    pub(super) slow: Counter,
    pub(super) foreign: Counter,
    pub(super) resumes: Resumes,
    pub(super) replayed: Histogram,
    to_socket: Histogram,
    /// The times of events that were put into outboxes, which are not flushed yet.
    put: Vec<Timestamp>,
    /// When the last entry was read, and the shortest time that one took since the last look.
    last_read: Option<Timestamp>,
    shortest: Option<f64>,
    /// The kinds that are told one by one.
    kinds: HashSet<Kind>,
}

/// Subscriptions with a cursor, by what became of them.
pub(super) struct Resumes {
    pub(super) joined: Counter,
    pub(super) waited: Counter,
    pub(super) lost: Counter,
    pub(super) refused: Counter,
}

impl DispatchMetrics {
    pub(super) fn new(environment: &Environment) -> Self {
        let name = environment.to_string();
        let resumes = |outcome: &'static str| counter!("bellwire_resumes_total", "environment" => name.clone(), "outcome" => outcome);
        for reason in [GapReason::Retention, GapReason::Remade] {
            gaps(&name, reason).increment(0);
        }
        let counted = Self {
            connections: gauge!("bellwire_connections", "environment" => name.clone()),
            deliveries: counter!("bellwire_deliveries_total", "environment" => name.clone()),
            dropped: counter!("bellwire_events_dropped_total", "environment" => name.clone()),
            repeated: counter!("bellwire_events_repeated_total", "environment" => name.clone()),
            slow: counter!("bellwire_connections_slow_total", "environment" => name.clone()),
            foreign: counter!("bellwire_task_events_foreign_total", "environment" => name.clone()),
            resumes: Resumes {
                joined: resumes("joined"),
                waited: resumes("waited"),
                lost: resumes("lost"),
                refused: resumes("refused"),
            },
            replayed: histogram!("bellwire_replayed_events", "environment" => name.clone()),
            to_socket: histogram!("bellwire_event_to_socket_seconds", "environment" => name.clone()),
            environment: name,
            put: Vec::new(),
            last_read: None,
            shortest: None,
            kinds: HashSet::new(),
        };
        counted.connections.set(0.0);
        counted
    }

    /// Notes that an entry was read, of this time if it says one.
    pub(super) fn read(&mut self, time: Option<Timestamp>, now: Timestamp) {
        self.last_read = Some(now);
        if let Some(took) = time.map(|time| seconds(time, now)) {
            self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
        }
    }

    /// Notes that an event of this time was put into outboxes.
    pub(super) fn put(&mut self, time: Option<Timestamp>) {
        self.put.extend(time);
    }

    /// Notes that the outboxes were flushed.
    pub(super) fn flushed(&mut self) {
        if self.put.is_empty() {
            return;
        }
        let now = Timestamp::now();
        self.put.drain(..).for_each(|time| self.to_socket.record(seconds(time, now)));
    }

    pub(super) fn gap(&self, reason: GapReason) {
        gaps(&self.environment, reason).increment(1);
    }

    /// Sets what is looked at from time to time.
    pub(super) fn look(&mut self, window: &Window, tasks: &TaskList, now: Timestamp) {
        let name = || self.environment.clone();
        gauge!("bellwire_window_entries", "environment" => name()).set(window.count() as f64);
        gauge!("bellwire_window_bytes", "environment" => name()).set(window.bytes() as f64);
        if let Some(read) = self.last_read {
            gauge!("bellwire_log_last_entry_timestamp_seconds", "environment" => name()).set(read.as_second() as f64);
        }
        if let Some(lag) = self.shortest.take() {
            gauge!("bellwire_log_lag_seconds", "environment" => name()).set(lag);
        }
        self.look_at_queued(tasks.queued(now));
    }

    fn look_at_queued(&mut self, queued: impl Iterator<Item = (Kind, Queued)>) {
        let mut now = HashMap::<Option<Kind>, Queued>::new();
        for (kind, queued) in queued {
            let is_told =
                self.kinds.contains(&kind) || self.kinds.len() < MOST_KINDS && self.kinds.insert(kind.clone());
            now.entry(is_told.then_some(kind)).or_default().add(queued);
        }
        // Those of which none waits any more are 0 from then on.
        for kind in &self.kinds {
            self.set_queued(kind.as_str(), now.remove(&Some(kind.clone())).unwrap_or_default());
        }
        if self.kinds.len() == MOST_KINDS {
            self.set_queued(OTHER_KINDS, now.remove(&None).unwrap_or_default());
        }
    }

    fn set_queued(&self, kind: &str, queued: Queued) {
        let labels = [("environment", self.environment.clone()), ("kind", kind.to_owned())];
        gauge!("bellwire_tasks_queued", &labels).set(queued.count as f64);
        gauge!("bellwire_tasks_oldest_queued_seconds", &labels).set(queued.oldest_seconds);
    }
}

fn gaps(environment: &str, reason: GapReason) -> Counter {
    counter!("bellwire_gaps_total", "environment" => environment.to_owned(), "reason" => reason.as_str())
}

/// From an event's time to a later one; clocks may differ.
fn seconds(time: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(time).as_secs_f64().max(0.0)
}
