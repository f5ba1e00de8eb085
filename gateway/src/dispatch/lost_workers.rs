//! Shows tasks as queued again whose worker has stopped reporting, so that every list agrees.
//!
//! The broker hands such a job to another worker by itself. Until one takes it nothing is published, and a killed worker
//! cannot say that it is gone.

use std::{sync::Arc, time::Duration};

use backplane::{Destination, EventLog, follow::ReadHealth};
use jiff::Timestamp;
use model::{Audience, Environment, Event, Task, TaskError, TaskState};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tracing::{info, warn};

use super::handle::{DispatcherEnded, DispatcherHandle};

/// The number of tasks that one check publishes for.
const MAX_PER_CHECK: usize = 200;
const SOURCE: &str = "/gateway/lost";

/// The times between checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostWorkerTiming {
    /// Between two checks.
    pub interval: Duration,
    /// The longest random delay before publishing, in which another pod may publish first.
    pub delay: Duration,
    /// The time for which the log must have been read without interruption, so that workers that were cut off report first.
    pub healthy_for: Duration,
}

impl Default for LostWorkerTiming {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { interval: seconds(10), delay: seconds(3), healthy_for: seconds(45) }
    }
}

/// Asks one environment's dispatcher for tasks whose worker is lost, and publishes to the environment's log.
pub struct LostWorkers {
    pub(crate) environment: Environment,
    pub(crate) dispatcher: DispatcherHandle,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) timing: LostWorkerTiming,
}

impl LostWorkers {
    /// Checks until the dispatcher ends.
    pub async fn run(self) {
        let mut health = self.dispatcher.health.clone();
        while wait_until_healthy(&mut health, self.timing.healthy_for).await.is_some() {
            loop {
                if self.check().await.is_err() {
                    return;
                }
                let pause = self.timing.interval.mul_f64(rand::random_range(0.75..1.25));
                tokio::select! {
                    // Workers may have been cut off as well, and get their time again.
                    _ = health.wait_for(|health| *health != ReadHealth::CaughtUp) => break,
                    () = sleep(pause) => {}
                }
            }
        }
    }

    async fn check(&self) -> Result<(), DispatcherEnded> {
        if self.dispatcher.stalled_tasks(Timestamp::now(), 1).await?.is_empty() {
            return Ok(());
        }
        sleep(self.timing.delay.mul_f64(rand::random_range(0.0..1.0))).await;
        // Asked again: another pod may have published, or the worker reported.
        for (task, audience) in self.dispatcher.stalled_tasks(Timestamp::now(), MAX_PER_CHECK).await? {
            let event = queued_again(Arc::unwrap_or_clone(task), audience);
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

/// Waits until the log was read for so long without interruption; `None` when it is never read again.
async fn wait_until_healthy(health: &mut watch::Receiver<ReadHealth>, duration: Duration) -> Option<()> {
    loop {
        health.wait_for(|health| *health == ReadHealth::CaughtUp).await.ok()?;
        let end = Instant::now() + duration;
        tokio::select! {
            changed = health.wait_for(|health| *health != ReadHealth::CaughtUp) => drop(changed.ok()?),
            () = sleep_until(end) => return Some(()),
        }
    }
}

/// The event for a task whose worker is lost; its id is the same on every pod that has read the same events of the task.
fn queued_again(task: Task, audience: Audience) -> Event {
    let error =
        TaskError { reason: "lost".to_owned(), message: "Its worker was lost; another will take it up.".to_owned() };
    // Above all that was reported; the next worker, or this one if it was only slow, goes on above this.
    let sequence = task.sequence.saturating_add(1);
    let id = format!("{}.{}.{sequence}.lost", task.id, task.attempt);
    let updated = Some(Timestamp::now());
    let task = Task { state: TaskState::Queued, sequence, updated, error: Some(error), next_by: None, ..task };
    Event { id, ..Event::of_task(SOURCE, audience, &task, None) }
}
