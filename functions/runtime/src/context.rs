//! The context of a run: task, owner, files, progress, cancellation, database.

use std::{sync::Arc, time::Instant};

use backplane::{Destination, EventLog};
use model::{Audience, Environment, Event, Priority, TaskId, Toast, catalogue::allows, job::Grant, toast::Level};
use serde::{Serialize, de::DeserializeOwned};
use storage::OwnerFiles;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    database::{Database, Transaction},
    failure::Failure,
    run_log::RunLog,
};

/// The context of one run of a task. Log lines within the run carry the task and its trace.
pub struct Context {
    /// The task, whose id fences its effects.
    pub task: TaskId,
    /// The run of a workflow that it is a step of.
    pub parent: Option<TaskId>,
    /// The environment.
    pub environment: Environment,
    /// The user id of its owner.
    pub owner: String,
    /// The groups of the owner when the task was submitted.
    pub groups: Vec<String>,
    /// The gateway's grant of the job, which the jobs of a workflow's steps carry on.
    pub grant: Option<Grant>,
    /// The number of the owner's other tasks that had not ended when it was submitted.
    pub backlog: u32,
    /// Whether it overtakes others; the jobs of a workflow's steps have it too.
    pub priority: Priority,
    /// The title that its owner gave it.
    pub title: String,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The most attempts: what passes at the last of them fails for good.
    pub attempts: u32,
    /// The time by which it must have ended.
    pub deadline: Instant,
    /// The owner's files.
    pub files: OwnerFiles,
    /// The W3C trace context of the request that submitted it.
    pub traceparent: Option<String>,
    /// Cancelled when the task is cancelled, its deadline has passed or the host stops: leave no effect.
    /// Checked by the function before it commits.
    pub stop: CancellationToken,
    /// The publisher of its events: `/functions/<kind>`.
    pub source: String,
    pub(crate) events: Arc<dyn EventLog>,
    pub(crate) log: RunLog,
    pub(crate) database: Option<Database>,
    pub(crate) progress: watch::Sender<f64>,
}

impl Context {
    /// Reports progress, from 0.0 to 1.0; call it as often as you like, it is published a few times a second.
    pub fn progress(&self, part: f64) {
        self.progress.send_replace(part.clamp(0.0, 1.0));
    }

    /// A handle through which a blocking thread reports progress.
    pub fn progress_handle(&self) -> watch::Sender<f64> {
        self.progress.clone()
    }

    /// Says something to the owner of the task: it is in the task's log, `GET /api/tasks/{id}/log`, a second later. Of many lines
    /// the first and the last are kept.
    pub fn log(&self, level: Level, message: impl Into<String>) {
        self.log.say(level, message);
    }

    /// A handle through which a blocking thread says something to the owner.
    pub fn log_handle(&self) -> RunLog {
        self.log.clone()
    }

    /// Shows a toast to others than the owner. Told again under the same name, by this or another attempt, it is shown once.
    pub async fn tell(&self, name: &str, audience: Audience, toast: &Toast) -> Result<(), Failure> {
        let mut event = Event::message(&self.source, audience, toast);
        event.id = format!("{}.told.{name}", self.task);
        event.traceparent.clone_from(&self.traceparent);
        self.events.publish(Destination::Own, &event).await.map_err(|error| match error.is_transient() {
            true => Failure::passing("Others cannot be told now.", error),
            false => Failure::Permanent { reason: "told", message: format!("Others cannot be told: {error}") },
        })
    }

    /// The database of `[database]`.
    pub fn database(&self) -> Result<&Database, Failure> {
        self.database.as_ref().ok_or_else(|| Failure::Permanent {
            reason: "database",
            message: "This worker has no database: set database.url (BELLWIRE_DATABASE__URL).".to_owned(),
        })
    }

    /// Has an effect in the database once for this task, however often it is run; see [`Database::once`].
    pub async fn once<T>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let stop = self.stop.clone();
        let unless_stopped = move |transaction: &mut dyn Transaction| {
            let output = work(transaction)?;
            if stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(output) }
        };
        self.database()?.once(self.task, unless_stopped).await
    }

    /// True if its owner may start a definition with this `allow`; see [`model::catalogue::Offer::allow`].
    pub fn is_allowed(&self, allow: &[String]) -> bool {
        allows(allow, &self.owner, &self.groups)
    }
}
