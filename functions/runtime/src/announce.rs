//! What people hear of a job: its beginning, its progress, its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use backplane::{Destination, EventLog, SendError};
use jiff::Timestamp;
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

/// Progress is told at most this often.
const BETWEEN_PROGRESS: Duration = Duration::from_millis(250);
/// A task that runs is heard of at least this often, a little sooner at random.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// Silent for longer, its worker is lost.
const LOST_AFTER: Duration = Duration::from_secs(90);
/// The pause before the end of a task is told again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// In characters.
const LONGEST_TITLE: usize = 180;
const LONGEST_MESSAGE: usize = 2000;

/// How a task ended.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Succeeded { result: Value, toast: Toast },
    Failed(TaskError),
    Cancelled,
}

/// Speaks for one attempt at one job.
pub(crate) struct Announcer {
    log: Arc<dyn EventLog>,
    files: OwnerFiles,
    job: Job,
    attempt: u32,
    sequence: AtomicU32,
}

impl Announcer {
    /// `files` are the owner's: where a result goes that is larger than an event.
    pub(crate) fn new(log: Arc<dyn EventLog>, files: OwnerFiles, job: &Job, attempt: u32) -> Self {
        // Whatever the job holds, what is told of it fits into an event.
        let title = shortened(&job.title, LONGEST_TITLE);
        let job = Job { title, input: Value::Null, ..job.clone() };
        Self { log, files, job, attempt, sequence: AtomicU32::new(0) }
    }

    /// Tells that it has begun, then its progress whenever it has changed and now and then that it still runs, until
    /// told to stop.
    ///
    /// A word that the broker does not take is dropped: the next one says more.
    pub(crate) async fn progress(&self, mut progress: watch::Receiver<f64>, stop: &CancellationToken) {
        self.say_once(self.event(format!("{}.started", self.attempt), self.running(0.0), None)).await;
        let mut told = 0.0;
        let mut due = next_word();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = progress.changed() => if changed.is_err() { return },
                () = sleep_until(due) => {}
            }
            let part = *progress.borrow_and_update();
            if part != told || due <= Instant::now() {
                (told, due) = (part, next_word());
                self.say_running(part).await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(BETWEEN_PROGRESS) => {}
            }
        }
    }

    async fn say_running(&self, part: f64) {
        let task = self.running(part);
        self.say_once(self.event(format!("{}.{}", self.attempt, task.sequence), task, None)).await;
    }

    fn running(&self, progress: f64) -> Task {
        let next_by = Some(Timestamp::now() + LOST_AFTER);
        Task { progress, next_by, ..self.task(TaskState::Running) }
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
        let Some(end) = self.fitting(end, giving_up).await else {
            return false;
        };
        let event = self.end_event(end);
        let mut pause = Pause::first();
        loop {
            let Err(error) = self.log.publish(Destination::Own, &event).await else {
                return true;
            };
            complain(&error, "the end of a task is not announced yet; it is tried again");
            if !pause.over(giving_up).await {
                return false;
            }
        }
    }

    /// The end with a result that an event can hold; a larger one is stored before, again and again until it is.
    /// `None` if the host gave up before.
    async fn fitting(&self, end: End, giving_up: &CancellationToken) -> Option<End> {
        let too_large = matches!(self.words_of_end(end.clone()).to_json(), Err(EventError::TooLarge(_)));
        let End::Succeeded { result, toast } = end else {
            return Some(end);
        };
        if !too_large {
            return Some(End::Succeeded { result, toast });
        }
        let mut pause = Pause::first();
        loop {
            match stored::store_result(&self.files, self.job.task, &result).await {
                Ok(result) => return Some(End::Succeeded { result, toast }),
                Err(error) => error!(%error, "the result of a task is not stored yet; it is tried again"),
            }
            // Its worker is not lost.
            self.say_running(1.0).await;
            if !pause.over(giving_up).await {
                return None;
            }
        }
    }

    fn end_event(&self, end: End) -> Event {
        let (state, toast) = match &end {
            End::Succeeded { toast, .. } => (TaskState::Succeeded, Some(toast.level)),
            End::Failed(_) => (TaskState::Failed, Some(Level::Error)),
            End::Cancelled => (TaskState::Cancelled, None),
        };
        let event = self.words_of_end(end);
        let Err(error) = event.check().and_then(|()| event.to_json().map(drop)) else {
            return event;
        };
        // What a function says of its result must not keep its end from being told.
        error!(%error, "the function's words cannot be published; the end is told without them");
        let result = Some(json!({ "omitted": error.to_string() })).filter(|_| state == TaskState::Succeeded);
        let toast = toast.map(|level| Toast::new(level, self.headline(state.as_str())));
        self.event(state.as_str().to_owned(), Task { result, ..self.ended(state) }, toast.as_ref())
    }

    /// The same id whichever attempt says it, so that it is shown once.
    fn words_of_end(&self, end: End) -> Event {
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
        self.event(state.as_str().to_owned(), Task { result, error, ..self.ended(state) }, toast.as_ref())
    }

    fn ended(&self, state: TaskState) -> Task {
        let progress = if state == TaskState::Succeeded { 1.0 } else { 0.0 };
        Task { progress, ..self.task(state) }
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
        // A step's end is its workflow's to tell people.
        let toast = toast.filter(|_| self.job.parent.is_none());
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

/// When it is said at the latest that a task still runs.
fn next_word() -> Instant {
    Instant::now() + LONGEST_SILENCE.mul_f64(rand::random_range(0.7..1.0))
}

/// Grows each time.
struct Pause(Duration);

impl Pause {
    fn first() -> Self {
        Self(FIRST_PAUSE)
    }

    /// Waits; false if the host gives up meanwhile.
    async fn over(&mut self, giving_up: &CancellationToken) -> bool {
        let now = self.0.mul_f64(rand::random_range(0.75..1.25));
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = giving_up.cancelled() => false,
            () = sleep(now) => true,
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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use backplane::{Link, LogReader, ReadFrom};
    use model::TaskId;
    use storage::{Storage, StorageConfig};
    use tokio::sync::mpsc;

    use super::*;

    struct Heard(mpsc::Sender<Event>);

    #[async_trait]
    impl EventLog for Heard {
        async fn publish(&self, _: Destination, event: &Event) -> Result<(), SendError> {
            self.0.send(event.clone()).await.map_err(|_| SendError::Unavailable("nobody hears it".to_owned()))
        }

        fn read(&self, _: ReadFrom) -> LogReader {
            unreachable!("it only speaks")
        }

        fn publishing(&self) -> watch::Receiver<Link> {
            unreachable!("it only speaks")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_has_nothing_to_say_is_heard_of_twice_a_minute_and_says_until_when() {
        let (heard, mut words) = mpsc::channel(8);
        let files = Storage::open(&StorageConfig { url: "memory:".to_owned() }).unwrap();
        let files = files.files(&"test".parse().unwrap(), "ada");
        let job = Job::new(TaskId::new(), "tricks".parse().unwrap(), "ada", "A trick", Value::Null);
        let announcer = Announcer::new(Arc::new(Heard(heard)), files, &job, 1);
        let (progress, told) = watch::channel(0.0);
        let stop = CancellationToken::new();
        let began = Instant::now();
        let listening = async {
            let mut tasks = Vec::new();
            while tasks.len() < 5 {
                tasks.push(words.recv().await.unwrap().task().unwrap().unwrap());
                // A function that says the same again and again must not be taken for one that is heard of.
                progress.send_replace(0.0);
            }
            stop.cancel();
            tasks
        };
        let ((), tasks) = tokio::join!(announcer.progress(told, &stop), listening);
        let passed = began.elapsed().as_secs();
        assert!((4 * 20..=4 * 31).contains(&passed), "four words after the first in {passed} seconds");
        assert!(tasks.is_sorted_by(|one, other| one.sequence < other.sequence), "{tasks:?}");
        for task in tasks {
            let ahead = task.next_by.unwrap().duration_since(task.updated.unwrap()).as_millis();
            assert!((89_000..91_000).contains(&ahead) && task.state == TaskState::Running, "{task:?}");
        }
    }
}
