//! Tasks whose worker fell silent: they are said to wait again, so that every list agrees.
//!
//! The broker hands such a job to another worker by itself; until one takes it nothing is said of it, and a killed
//! worker cannot say that it is gone.

use std::{sync::Arc, time::Duration};

use backplane::{Destination, EventLog, follow::ReadHealth};
use jiff::Timestamp;
use model::{Audience, Environment, Event, Task, TaskError, TaskState};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tracing::{info, warn};

use crate::dispatch::{Dispatch, Ended};

/// Most tasks of which this is said in one look.
const MOST_AT_ONCE: usize = 200;
const SOURCE: &str = "/gateway/lost";

/// How long one waits before saying so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Between two looks.
    pub every: Duration,
    /// Up to so long one waits for another pod to say it first.
    pub pause: Duration,
    /// How long the log must have been heard without a break: workers that could not speak come first.
    pub heard_for: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { every: seconds(10), pause: seconds(3), heard_for: seconds(45) }
    }
}

/// Looks for tasks of one environment whose worker is lost.
pub struct Lost {
    environment: Environment,
    dispatch: Dispatch,
    log: Arc<dyn EventLog>,
    watch: Watch,
}

impl Lost {
    /// For this environment, whose tasks its dispatcher knows.
    pub fn new(environment: Environment, dispatch: Dispatch, log: Arc<dyn EventLog>, watch: Watch) -> Self {
        Self { environment, dispatch, log, watch }
    }

    /// Looks until the dispatcher ends.
    pub async fn run(self) {
        let mut health = self.dispatch.health();
        while heard(&mut health, self.watch.heard_for).await.is_some() {
            loop {
                if self.look().await.is_err() {
                    return;
                }
                let pause = self.watch.every.mul_f64(rand::random_range(0.75..1.25));
                tokio::select! {
                    // A worker had no way to speak either: all have time again.
                    _ = health.wait_for(|health| *health != ReadHealth::CaughtUp) => break,
                    () = sleep(pause) => {}
                }
            }
        }
    }

    async fn look(&self) -> Result<(), Ended> {
        if self.dispatch.silent(Timestamp::now(), 1).await?.is_empty() {
            return Ok(());
        }
        sleep(self.watch.pause.mul_f64(rand::random_range(0.0..1.0))).await;
        // Asked again: another pod may have said it, or the worker spoken.
        for (task, audience) in self.dispatch.silent(Timestamp::now(), MOST_AT_ONCE).await? {
            let event = word(task, audience);
            match self.log.publish(Destination::Own, &event).await {
                Ok(()) => info!(environment = %self.environment, id = event.id, "a task's worker is lost"),
                Err(error) => {
                    warn!(environment = %self.environment, %error, "a task whose worker is lost still shows as running");
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Waits until the log was heard for so long without a break; `None` when it is never heard again.
async fn heard(health: &mut watch::Receiver<ReadHealth>, long: Duration) -> Option<()> {
    loop {
        health.wait_for(|health| *health == ReadHealth::CaughtUp).await.ok()?;
        let enough = Instant::now() + long;
        tokio::select! {
            changed = health.wait_for(|health| *health != ReadHealth::CaughtUp) => drop(changed.ok()?),
            () = sleep_until(enough) => return Some(()),
        }
    }
}

/// What is said of a lost task: the same on every pod that has heard the same of it.
fn word(task: Task, audience: Audience) -> Event {
    let error =
        TaskError { reason: "lost".to_owned(), message: "Its worker was lost; another will take it up.".to_owned() };
    // Above all that was heard; whoever takes it up, and a worker that was only silent, speaks above this.
    let sequence = task.sequence.saturating_add(1);
    let id = format!("{}.{}.{sequence}.lost", task.id, task.attempt);
    let updated = Some(Timestamp::now());
    let task = Task { state: TaskState::Queued, sequence, updated, error: Some(error), next_by: None, ..task };
    Event { id, ..Event::of_task(SOURCE, audience, &task, None) }
}
