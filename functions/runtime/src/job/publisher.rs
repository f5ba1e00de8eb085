//! Publishes the events of a task: started, progress, retried, ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use backplane::{Destination, EventLog, SendError, jobs::RETRY_STEPS};
use jiff::{SignedDuration, Timestamp};
use model::{Audience, Event, EventError, Job, Task, TaskError, TaskState, Toast, toast::Level};
use serde_json::{Value, json};
use storage::OwnerFiles;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::stored;

/// A task that ends earlier has no event that says it has started: its end says all.
pub(crate) const ENDS_AT_ONCE: Duration = Duration::from_millis(20);
/// The shortest time between two events of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// The longest time between two events of a running task; a little less at random.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// A task without an event for longer has lost its worker.
const LOST_AFTER: Duration = Duration::from_secs(90);
/// The pauses between attempts to publish the end of a task.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(Duration::from_secs(15))
    .with_jitter()
    .without_max_times();
/// The time between two events of a task whose time has not come.
const STILL_QUEUED: SignedDuration = SignedDuration::from_hours(6);
/// In characters.
const MAX_TITLE: usize = 180;
const MAX_MESSAGE: usize = 2000;

/// The end of a task.
#[derive(Debug, Clone)]
pub(crate) enum TaskEnd {
    Succeeded {
        result: Value,
        toast: Toast,
    },
    Failed(TaskError),
    /// Failed, with a result and a toast of the function's own.
    Refused {
        error: TaskError,
        result: Value,
        toast: Toast,
    },
    Cancelled,
}

/// Publishes the events of one attempt at one job.
pub(crate) struct TaskPublisher {
    log: Arc<dyn EventLog>,
    files: OwnerFiles,
    job: Job,
    attempt: u32,
    sequence: AtomicU32,
}

impl TaskPublisher {
    /// `files` are the owner's, for a result that is larger than an event.
    pub(crate) fn new(log: Arc<dyn EventLog>, files: OwnerFiles, job: &Job, attempt: u32) -> Self {
        // However long the job's title is, it fits into an event.
        let title = shortened(&job.title, MAX_TITLE);
        let job = Job { title, input: Value::Null, ..job.clone() };
        Self { log, files, job, attempt, sequence: AtomicU32::new(0) }
    }

    /// The `traceparent` of what it publishes.
    pub(crate) fn traceparent(&self) -> Option<&str> {
        self.job.traceparent.as_deref()
    }

    /// Changes it, for what is published from then on.
    pub(crate) fn set_traceparent(&mut self, traceparent: String) {
        self.job.traceparent = Some(traceparent);
    }

    /// Publishes that the task has started unless it ends within `at_once`, then its progress whenever it has changed, and now
    /// and then that it still runs, until `stop`.
    ///
    /// An event that the broker does not take is dropped: the next one says more.
    pub(crate) async fn progress(
        &self,
        at_once: Duration,
        mut progress: watch::Receiver<f64>,
        stop: &CancellationToken,
    ) {
        if !at_once.is_zero() && !pause_unless(stop, at_once).await {
            return;
        }
        self.publish_once(self.event(format!("{}.started", self.attempt), self.running(0.0), None)).await;
        let mut published = 0.0;
        let mut due = next_keep_alive();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = progress.changed() => if changed.is_err() { return },
                () = sleep_until(due) => {}
            }
            let part = *progress.borrow_and_update();
            if part != published || due <= Instant::now() {
                (published, due) = (part, next_keep_alive());
                self.publish_running(part).await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(PROGRESS_INTERVAL) => {}
            }
        }
    }

    async fn publish_running(&self, part: f64) {
        let task = self.running(part);
        self.publish_once(self.event(format!("{}.{}", self.attempt, task.sequence), task, None)).await;
    }

    fn running(&self, progress: f64) -> Task {
        let next_by = Some(Timestamp::now() + LOST_AFTER);
        Task { progress, next_by, ..self.task(TaskState::Running) }
    }

    /// Publishes now and then that a task whose time has not come waits still: lists go as far back as the log.
    pub(crate) async fn still_queued(&self) {
        let age = Timestamp::now().duration_since(self.job.created).as_secs();
        let (period, since) = (age / STILL_QUEUED.as_secs(), age % STILL_QUEUED.as_secs());
        // It comes here at least once in the longest step of a delay.
        if period > 0 && since <= RETRY_STEPS[RETRY_STEPS.len() - 1].as_secs() as i64 {
            let attempt = self.waiting_attempt();
            let task = Task { attempt, ..self.task(TaskState::Queued) };
            self.publish_once(self.event(format!("{attempt}.queued.{period}"), task, None)).await;
        }
    }

    /// Publishes until when the task waits before it may begin.
    pub(crate) async fn waits(&self, not_before: Option<Timestamp>) {
        // After what said that it is queued, and before what says that it has started.
        let attempt = self.waiting_attempt();
        let task = self.task(TaskState::Queued);
        let sequence = task.sequence.saturating_sub(1).max(1);
        let task = Task { attempt, sequence, not_before, ..task };
        self.publish_once(self.event(format!("{attempt}.waits.{sequence}"), task, None)).await;
    }

    /// The attempt that a waiting task is told with: before the first it is as the gateway said it.
    fn waiting_attempt(&self) -> u32 {
        if self.job.attempts == 0 { 0 } else { self.job.attempts.saturating_add(1) }
    }

    /// Publishes that the task waits for another attempt, why, and until when if that is known.
    pub(crate) async fn retry(&self, error: TaskError, not_before: Option<Timestamp>) {
        let attempt = self.attempt.saturating_add(1);
        let error = TaskError { message: shortened(&error.message, MAX_MESSAGE), ..error };
        // Sorts before all events of the next attempt.
        let task = Task { attempt, sequence: 0, not_before, error: Some(error), ..self.task(TaskState::Queued) };
        self.publish_once(self.event(format!("{attempt}.queued"), task, None)).await;
    }

    /// Publishes the end of the task, again and again until the broker has confirmed it; false if `give_up` came first.
    ///
    /// A result that is too large for an event is stored, and a result or toast that cannot be published is left out.
    pub(crate) async fn end(&self, mut end: TaskEnd, give_up: &CancellationToken) -> bool {
        let mut event = self.end_event(&end);
        let (mut stored, mut replaced) = (false, false);
        for pause in BACKOFF.build() {
            match self.log.publish(Destination::Own, &event).await {
                Ok(()) => return true,
                Err(SendError::Invalid(_)) if !stored && is_too_large(&event) => {
                    let Some(short) = self.store_result(end, give_up).await else {
                        return false;
                    };
                    (end, stored) = (short, true);
                    event = self.end_event(&end);
                    continue;
                }
                Err(SendError::Invalid(reason)) if !replaced => {
                    error!(error = reason, "the function's result or toast cannot be published; it is left out");
                    replaced = true;
                    event = self.bare_end_event(&end, &reason);
                    continue;
                }
                Err(error) => log_error(&error, "the end of a task is not published yet; it is tried again"),
            }
            if !pause_unless(give_up, pause).await {
                return false;
            }
        }
        false
    }

    /// The end with a stored result, tried again and again; `None` if `give_up` came first.
    async fn store_result(&self, end: TaskEnd, give_up: &CancellationToken) -> Option<TaskEnd> {
        let TaskEnd::Succeeded { result, toast } = end else {
            return Some(end);
        };
        for pause in BACKOFF.build() {
            match stored::store_result(&self.files, self.job.task, &result).await {
                Ok(result) => return Some(TaskEnd::Succeeded { result, toast }),
                Err(error) => error!(%error, "the result of a task is not stored yet; it is tried again"),
            }
            // So that the worker is not taken for lost.
            self.publish_running(1.0).await;
            if !pause_unless(give_up, pause).await {
                return None;
            }
        }
        None
    }

    /// The id is the same in each attempt, so that the end is shown once.
    fn end_event(&self, end: &TaskEnd) -> Event {
        let (state, result, error, toast) = match end.clone() {
            TaskEnd::Succeeded { result, toast } => (TaskState::Succeeded, Some(result), None, Some(toast)),
            TaskEnd::Failed(error) => {
                let error = TaskError { message: shortened(&error.message, MAX_MESSAGE), ..error };
                let body = Some(error.message.clone());
                let toast = Toast { body, ..Toast::new(Level::Error, self.headline("failed")) };
                (TaskState::Failed, None, Some(error), Some(toast))
            }
            TaskEnd::Refused { error, result, toast } => {
                let error = TaskError { message: shortened(&error.message, MAX_MESSAGE), ..error };
                (TaskState::Failed, Some(result), Some(error), Some(toast))
            }
            TaskEnd::Cancelled => (TaskState::Cancelled, None, None, None),
        };
        self.event(state.as_str().to_owned(), Task { result, error, ..self.ended(state) }, toast.as_ref())
    }

    /// The same without anything that comes from the function.
    fn bare_end_event(&self, end: &TaskEnd, reason: &str) -> Event {
        let (state, level, result) = match end {
            TaskEnd::Succeeded { toast, .. } => {
                (TaskState::Succeeded, Some(toast.level), Some(json!({ "omitted": reason })))
            }
            // What it was refused for is still true.
            TaskEnd::Refused { error, .. } => return self.end_event(&TaskEnd::Failed(error.clone())),
            TaskEnd::Failed(_) => (TaskState::Failed, Some(Level::Error), None),
            TaskEnd::Cancelled => (TaskState::Cancelled, None, None),
        };
        let toast = level.map(|level| Toast::new(level, self.headline(state.as_str())));
        self.event(state.as_str().to_owned(), Task { result, ..self.ended(state) }, toast.as_ref())
    }

    fn ended(&self, state: TaskState) -> Task {
        let progress = if state == TaskState::Succeeded { 1.0 } else { 0.0 };
        Task { progress, ..self.task(state) }
    }

    fn headline(&self, state: &str) -> String {
        format!("{} {state}", self.job.title)
    }

    fn task(&self, state: TaskState) -> Task {
        let sequence = self.next_sequence();
        Task { attempt: self.attempt, sequence, ..Task::of(&self.job, state) }
    }

    /// Rises, and with time: where a broker does not count a job that was requeued, the next run has the same
    /// number of attempt and goes on from here.
    fn next_sequence(&self) -> u32 {
        let tenths = Timestamp::now().duration_since(self.job.created).as_millis() / 100;
        let now = u32::try_from(tenths.max(0)).unwrap_or(u32::MAX - 1);
        let last = self.sequence.load(Ordering::Relaxed);
        let next = now.max(last.saturating_add(1));
        self.sequence.store(next, Ordering::Relaxed);
        next
    }

    fn event(&self, suffix: String, task: Task, toast: Option<&Toast>) -> Event {
        let source = format!("/functions/{}", self.job.kind);
        // The end of a step is for its workflow; the workflow has a toast of its own.
        let toast = toast.filter(|_| self.job.parent.is_none());
        let mut event = Event::of_task(&source, Audience::user(&self.job.owner), &task, toast);
        event.id = format!("{}.{suffix}", self.job.task);
        event.traceparent.clone_from(&self.job.traceparent);
        event
    }

    async fn publish_once(&self, event: Event) {
        if let Err(error) = self.log.publish(Destination::Own, &event).await {
            log_error(&error, "an event of a running task was not published");
        }
    }
}

fn is_too_large(event: &Event) -> bool {
    matches!(event.to_json(), Err(EventError::TooLarge(_) | EventError::TooManyValues(_)))
}

/// The time of the next event that says the task still runs.
fn next_keep_alive() -> Instant {
    Instant::now() + KEEP_ALIVE.mul_f64(rand::random_range(0.7..1.0))
}

/// Waits; false if `give_up` comes first.
async fn pause_unless(give_up: &CancellationToken, pause: Duration) -> bool {
    tokio::select! {
        () = give_up.cancelled() => false,
        () = sleep(pause) => true,
    }
}

fn log_error(error: &SendError, message: &str) {
    match error.is_transient() {
        true => warn!(%error, "{message}"),
        false => error!(%error, "{message}"),
    }
}

fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters - 1) {
        Some((end, _)) if text[end..].chars().nth(1).is_some() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
