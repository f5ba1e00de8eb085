//! What people hear of a job: its beginning, its progress, its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use backplane::{
    Audience, Destination, Event, EventLog, Job, SendError, Task, TaskError, TaskState, Toast, toast::Level,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// Progress is told at most this often.
const BETWEEN_PROGRESS: Duration = Duration::from_millis(250);
/// The pause before the end of a task is told again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// In characters.
const LONGEST_TITLE: usize = 180;
const LONGEST_MESSAGE: usize = 2000;

/// How a task ended.
#[derive(Debug)]
pub(crate) enum End {
    Succeeded { result: Value, toast: Toast },
    Failed(TaskError),
    Cancelled,
}

/// Speaks for one attempt at one job.
pub(crate) struct Announcer {
    log: Arc<dyn EventLog>,
    job: Job,
    attempt: u32,
    sequence: AtomicU32,
}

impl Announcer {
    pub(crate) fn new(log: Arc<dyn EventLog>, job: &Job, attempt: u32) -> Self {
        // Whatever the job holds, what is told of it fits into an event.
        let title = shortened(&job.title, LONGEST_TITLE);
        let job = Job { title, input: Value::Null, ..job.clone() };
        Self { log, job, attempt, sequence: AtomicU32::new(0) }
    }

    /// Tells that it has begun, then its progress whenever it has changed, until told to stop.
    ///
    /// A word that the broker does not take is dropped: the next one says more.
    pub(crate) async fn progress(&self, mut progress: watch::Receiver<f64>, stop: &CancellationToken) {
        self.say_once(self.event(format!("{}.started", self.attempt), self.task(TaskState::Running), None)).await;
        let mut told = 0.0;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = progress.changed() => if changed.is_err() { return },
            }
            let part = *progress.borrow_and_update();
            if part != told {
                told = part;
                let task = Task { progress: part, ..self.task(TaskState::Running) };
                self.say_once(self.event(format!("{}.{}", self.attempt, task.sequence), task, None)).await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(BETWEEN_PROGRESS) => {}
            }
        }
    }

    /// Tells that it waits for another attempt, and why.
    pub(crate) async fn queued_again(&self, why: TaskError) {
        let attempt = self.attempt.saturating_add(1);
        let why = TaskError { message: shortened(&why.message, LONGEST_MESSAGE), ..why };
        // Before all that the next attempt will say.
        let task = Task { attempt, sequence: 0, error: Some(why), ..self.task(TaskState::Queued) };
        self.say_once(self.event(format!("{attempt}.queued"), task, None)).await;
    }

    /// Tells how it ended, again and again until the broker has confirmed it; false if the host gave up before.
    pub(crate) async fn end(&self, end: End, giving_up: &CancellationToken) -> bool {
        let event = self.end_event(end);
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = self.log.publish(Destination::Own, &event).await else {
                return true;
            };
            complain(&error, "the end of a task is not announced yet; it is tried again");
            tokio::select! {
                () = giving_up.cancelled() => return false,
                () = sleep(pause.mul_f64(rand::random_range(0.75..1.25))) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The same id whichever attempt says it, so that it is shown once.
    fn end_event(&self, end: End) -> Event {
        let (state, result, error, toast) = match end {
            End::Succeeded { result, toast } => (TaskState::Succeeded, Some(result), None, Some(toast)),
            End::Failed(error) => {
                let message = shortened(&error.message, LONGEST_MESSAGE);
                let error = TaskError { message, ..error };
                let toast = self.toast_of(&error);
                (TaskState::Failed, None, Some(error), Some(toast))
            }
            End::Cancelled => (TaskState::Cancelled, None, None, None),
        };
        let progress = if state == TaskState::Succeeded { 1.0 } else { 0.0 };
        let task = Task { progress, result, error, ..self.task(state) };
        let id = state.as_str().to_owned();
        let event = self.event(id.clone(), task.clone(), toast.as_ref());
        let Err(error) = event.check().and_then(|()| event.to_json().map(drop)) else {
            return event;
        };
        // What a function says of its result must not keep its end from being told.
        error!(%error, "the function's words cannot be published; the end is told without them");
        let result = task.result.map(|_| json!({ "omitted": error.to_string() }));
        let toast = toast.map(|toast| Toast::new(toast.level, self.headline(state.as_str())));
        self.event(id, Task { result, ..task }, toast.as_ref())
    }

    fn toast_of(&self, error: &TaskError) -> Toast {
        let body = Some(error.message.clone());
        Toast { body, ..Toast::new(Level::Error, self.headline("failed")) }
    }

    fn headline(&self, word: &str) -> String {
        format!("{} {word}", self.job.title)
    }

    fn task(&self, state: TaskState) -> Task {
        let sequence = self.next_sequence();
        Task { attempt: self.attempt, sequence, ..Task::of(&self.job, state) }
    }

    /// Rises, and with time: where a broker does not count a job that was put back, the next run has the same
    /// number of attempt and goes on from here.
    fn next_sequence(&self) -> u32 {
        let tenths = Timestamp::now().duration_since(self.job.created).as_millis() / 100;
        let now = u32::try_from(tenths.max(0)).unwrap_or(u32::MAX - 1);
        let last = self.sequence.load(Ordering::Relaxed);
        let next = now.max(last.saturating_add(1));
        self.sequence.store(next, Ordering::Relaxed);
        next
    }

    fn event(&self, word: String, task: Task, toast: Option<&Toast>) -> Event {
        let source = format!("/functions/{}", self.job.kind);
        let mut event = Event::of_task(&source, Audience::user(&self.job.owner), &task, toast);
        event.id = format!("{}.{word}", self.job.task);
        event.traceparent.clone_from(&self.job.traceparent);
        event
    }

    async fn say_once(&self, event: Event) {
        if let Err(error) = self.log.publish(Destination::Own, &event).await {
            complain(&error, "a word on the way of a task was not published");
        }
    }
}

fn complain(error: &SendError, what: &str) {
    match error.is_passing() {
        true => warn!(%error, "{what}"),
        false => error!(%error, "{what}"),
    }
}

fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters - 1) {
        Some((end, _)) if text[end..].chars().nth(1).is_some() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}
