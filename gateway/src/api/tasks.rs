//! Starting, listing, showing and cancelling a caller's tasks, over HTTP and over the hub.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use backplane::{Destination, SendError};
use jiff::{SignedDuration, Timestamp};
use model::{Audience, Cursor, Event, Job, Kind, Step, Task, TaskError, TaskId, TaskState};
use process::quantity;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use storage::{FileKey, OwnerFiles};
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use utoipa::ToSchema;

use super::{problem::Problem, request::with_json};
use crate::{
    caller::Caller,
    dispatch::{handle::AdmittedTask, task_list::Admission},
    json_size::fits,
    pod::Pod,
};

/// The scope for starting, cancelling and answering.
pub(crate) const SCOPE: &str = "tasks";
const SOURCE: &str = "/gateway";
/// The size of a job on the broker; the input of a larger one is stored as a file.
const MAX_JOB_BYTES: usize = 64 * 1024;
/// The longest delay of a task.
const LONGEST_DELAY_DAYS: i64 = 366;
const MAX_TITLE_CHARS: usize = 200;
/// The number of tasks in one list.
const MAX_LISTED: usize = 200;
/// The size of a field of a result, and of all of them, in a list.
const MAX_LISTED_RESULT: usize = 2 * 1024;
/// The length of the reason of a failure in a list.
const MAX_LISTED_MESSAGE: usize = 1000;
/// How long the log is waited for that brings a task which another request starts.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds after which a user with too many tasks may try again.
const RETRY_TASKS: u32 = 10;

/// A task to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// The kind of its function, such as `imports`.
    #[schema(value_type = String)]
    pub(crate) kind: Kind,
    /// A title for people; the kind if missing.
    pub(crate) title: Option<String>,
    /// The function's input.
    #[serde(default)]
    pub(crate) input: Value,
    /// It is not begun earlier; within a year.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) not_before: Option<Timestamp>,
    /// It is not begun before so much time has passed, as in `90s`, `15m`, `12h`, `30d`; instead of `not_before`.
    pub(crate) delay: Option<String>,
}

/// Which task a request starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TaskKey {
    /// A new one.
    New,
    /// The one of an idempotency key, which another request may have started.
    Idempotent(TaskId),
}

/// A task as clients see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownTask)]
pub struct TaskView {
    /// Its id.
    #[schema(value_type = String)]
    id: TaskId,
    /// The kind of its function.
    #[schema(value_type = String)]
    kind: Kind,
    /// A title for people.
    title: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    state: TaskState,
    /// From 0.0 to 1.0.
    progress: f64,
    /// The number of the attempt, from 1; 0 before the first.
    attempt: u32,
    /// When it was started.
    #[schema(value_type = Option<String>, format = DateTime)]
    created: Option<Timestamp>,
    /// The time of its last event.
    #[schema(value_type = Option<String>, format = DateTime)]
    updated: Option<Timestamp>,
    /// It is not begun earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    not_before: Option<Timestamp>,
    /// Its result; in a list without its large fields. A failed task has one where that says how to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Why it failed: `reason` for programs, `message` for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<TaskError>,
    /// The workflow's run that it is a step of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    parent: Option<TaskId>,
    /// The steps of a workflow's run, each with `id`, `title`, `kind`, `needs`, `state` and `progress`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    steps: Vec<Step>,
    /// Where one task is shown: it is complete up to here, and what happens later is told by `/events?after=`, on any pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Tasks, newest first, the newest 200 at most.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tasks {
    tasks: Vec<TaskView>,
    /// The list is complete up to here: what happens later is told by `/events?after=`, on any pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

impl Tasks {
    /// The same, complete up to this cursor.
    pub(super) fn up_to(self, cursor: Option<Cursor>) -> Self {
        Self { cursor: cursor.map(|cursor| cursor.to_string()), ..self }
    }
}

impl TaskView {
    /// The task in a list: without the large fields of its result.
    fn listed(task: &Task) -> Self {
        Self {
            id: task.id,
            kind: task.kind.clone(),
            title: task.title.clone(),
            state: task.state,
            progress: task.progress,
            attempt: task.attempt,
            created: task.created,
            updated: task.updated,
            not_before: task.not_before,
            result: task.result.as_ref().and_then(small_result),
            error: task.error.as_ref().map(short_error),
            parent: task.parent,
            steps: task.steps.clone(),
            cursor: None,
        }
    }

    /// The same, complete up to this cursor.
    pub(super) fn up_to(self, cursor: Option<Cursor>) -> Self {
        Self { cursor: cursor.map(|cursor| cursor.to_string()), ..self }
    }
}

impl From<Arc<Task>> for TaskView {
    fn from(task: Arc<Task>) -> Self {
        Self::from(Arc::unwrap_or_clone(task))
    }
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        let Task {
            id,
            kind,
            title,
            state,
            progress,
            attempt,
            created,
            updated,
            not_before,
            result,
            error,
            parent,
            steps,
            ..
        } = task;
        let cursor = None;
        Self {
            id,
            kind,
            title,
            state,
            progress,
            attempt,
            created,
            updated,
            not_before,
            result,
            error,
            parent,
            steps,
            cursor,
        }
    }
}

/// Starts a task with this id, or returns the one that was started with it. The job is confirmed in its queue afterwards;
/// one that is refused leaves nothing behind.
pub(crate) async fn start(
    pod: &Pod,
    caller: &Caller,
    new: NewTask,
    key: TaskKey,
    traceparent: Option<String>,
) -> Result<Arc<Task>, Problem> {
    caller.require(SCOPE)?;
    let title = title_of(&new)?;
    let not_before = not_before(&new)?;
    let (id, new, request) = match key {
        TaskKey::New => (TaskId::new(), new, None),
        TaskKey::Idempotent(id) => {
            let (new, digest) = with_digest(pod, caller, new).await?;
            (id, new, Some(digest))
        }
    };
    let max = pod.config.tasks_per_user;
    let dispatch = &caller.environment.dispatch;
    let patience = Instant::now() + LOG_TIMEOUT;
    let (unfinished, place) = loop {
        let (admission, place, next_started) = dispatch.admit_task(caller.recipient.clone(), id, max).await?;
        match admission {
            Admission::Known(task) if is_of(&task, &new, &title, request.as_deref()) => return Ok(task),
            Admission::Known(_) => {
                let detail = "Idempotency-Key: it was used for another task; use a new key for each";
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail));
            }
            Admission::Admitted { unfinished } => break (unfinished, place),
            Admission::Starting if Instant::now() < patience => drop(timeout_at(patience, next_started).await),
            Admission::Starting => return Err(Problem::unavailable("the same task is being started; send it again")),
            Admission::Refused => return Err(too_many_tasks(max)),
        }
    };
    let groups = caller.claims.groups.clone();
    let backlog = u32::try_from(unfinished).unwrap_or(u32::MAX);
    let job = Job {
        groups,
        backlog,
        traceparent,
        not_before,
        ..Job::new(id, new.kind.clone(), &caller.claims.sub, &title, new.input)
    };
    let job = caller.environment.key.signing.grant(&caller.environment.name, job);
    // It goes on if the client leaves: whoever sends the same again finds the task, and not one that was half submitted.
    let submitted = tokio::spawn(submit_admitted(pod.clone(), caller.clone(), job, request, place));
    submitted.await.map_err(|_| Problem::unavailable("this pod is ending"))?
}

/// Submits the job of a task that was admitted, and tells its owner; a task that is refused counts no more.
async fn submit_admitted(
    pod: Pod,
    caller: Caller,
    job: Job,
    request: Option<String>,
    place: Option<AdmittedTask>,
) -> Result<Arc<Task>, Problem> {
    let job = submit(&pod, &caller, job).await?;
    if let Some(place) = place {
        place.submitted();
    }
    let task = Task { request, ..Task::of(&job, TaskState::Queued) };
    publish_queued(&caller, &task, job.traceparent).await;
    Ok(Arc::new(task))
}

/// The task to start, and a digest of it that nobody else can make.
async fn with_digest(pod: &Pod, caller: &Caller, new: NewTask) -> Result<(NewTask, String), Problem> {
    let key = caller.environment.key.internal.clone();
    let size = fits(&new.input, MAX_JOB_BYTES).unwrap_or(usize::MAX);
    with_json(pod, size, move || {
        let request = ("request", &new.kind, new.title.as_deref().map(str::trim), &new.input);
        // Without a delay it is what it was before there were any.
        let text = match (&new.not_before, &new.delay) {
            (None, None) => serde_json::to_vec(&request),
            delays => serde_json::to_vec(&(request, delays)),
        };
        let text = text.map_err(|error| Problem::bad_request("invalid-task", error.to_string()))?;
        Ok((new, key.sign(&text)))
    })
    .await
}

/// True if a task was started by this request, as far as is known: of one that an older gateway started, only what the log
/// says of it.
fn is_of(task: &Task, new: &NewTask, title: &str, request: Option<&str>) -> bool {
    match (&task.request, request) {
        (Some(known), Some(request)) => known == request,
        (None, Some(_)) => task.kind == new.kind && task.title == title,
        (_, None) => true,
    }
}

/// Puts a job into its queue; a large input is stored before, and removed again if the job is refused.
async fn submit(pod: &Pod, caller: &Caller, job: Job) -> Result<Job, Problem> {
    let files = caller.files(pod);
    let key = input_key(&job)?;
    // Submitted before with the same id, it may wait in its queue and needs its input, whatever becomes of this one.
    let is_repeated = files.get(&key).await.is_ok();
    let job = with_stored_input(pod, job, &files).await?;
    let Err(error) = caller.environment.backplane.jobs.submit(&job).await else {
        return Ok(job);
    };
    // An unconfirmed job may be in its queue all the same, and needs its input.
    let is_lost = !is_repeated && !matches!(error, SendError::Unavailable(_));
    if job.stored_input.is_some()
        && is_lost
        && let Err(error) = files.delete(&key).await
    {
        warn!(%error, "the input of a refused job stays in the storage");
    }
    Err(match error {
        SendError::Unroutable(_) => {
            let detail = format!("kind: there is no function of kind {} here", job.kind);
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-kind", detail)
        }
        other => other.into(),
    })
}

fn too_many_tasks(max: usize) -> Problem {
    let detail = format!("you have {max} unfinished tasks, and more may not be; wait until some have ended");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tasks", detail).retry_after(RETRY_TASKS)
}

/// The caller's tasks, newest first; with a parent only the steps of that run.
pub(crate) async fn list(caller: &Caller, parent: Option<TaskId>) -> Result<Tasks, Problem> {
    let tasks = caller.environment.dispatch.list_tasks(caller.recipient.clone(), parent, MAX_LISTED).await?;
    Ok(Tasks { tasks: tasks.iter().map(|task| TaskView::listed(task)).collect(), cursor: None })
}

/// The fields of a result that fit into a list, each whole.
fn small_result(result: &Value) -> Option<Value> {
    let Some(fields) = result.as_object() else {
        return fits(result, MAX_LISTED_RESULT).map(|_| result.clone());
    };
    let mut left = MAX_LISTED_RESULT;
    let small = fields.iter().filter_map(|(name, value)| {
        let size = name.len() + fits(value, left)?;
        left = left.checked_sub(size)?;
        Some((name.clone(), value.clone()))
    });
    Some(Value::Object(small.collect::<Map<_, _>>()))
}

/// Cancels the caller's own task.
pub(crate) async fn cancel(caller: &Caller, id: &str) -> Result<Arc<Task>, Problem> {
    caller.require(SCOPE)?;
    let mut task = Arc::unwrap_or_clone(find(caller, id).await?);
    if task.parent.is_some() {
        // A step may be what undoes others; the run decides over its steps.
        let detail = "the task is a step of a workflow's run: cancel the run";
        return Err(Problem::new(StatusCode::CONFLICT, "task-is-step", detail));
    }
    if task.state.is_end() {
        let detail = format!("the task has {} already", task.state.as_str());
        return Err(Problem::new(StatusCode::CONFLICT, "task-ended", detail));
    }
    task.state = TaskState::Cancelled;
    let mut event = Event::of_task(SOURCE, Audience::user(&caller.claims.sub), &task, None);
    event.id = format!("{}.cancelled", task.id);
    caller.environment.backplane.log.publish(Destination::Own, &event).await?;
    Ok(Arc::new(task))
}

/// One of the caller's tasks.
pub(crate) async fn find(caller: &Caller, id: &str) -> Result<Arc<Task>, Problem> {
    let not_found = || Problem::not_found("there is no such task of yours");
    // An invalid id gets the same answer, so that nobody learns anything.
    let id: TaskId = id.parse().map_err(|_| not_found())?;
    caller.environment.dispatch.find_task(caller.recipient.clone(), id).await?.ok_or_else(not_found)
}

/// The file of a large input.
fn input_key(job: &Job) -> Result<FileKey, Problem> {
    Ok(FileKey::new(&job.task.to_string(), "input.json".parse()?)?)
}

/// The job as it goes to the broker: a large input is stored as a file of the owner's first.
async fn with_stored_input(pod: &Pod, mut job: Job, files: &OwnerFiles) -> Result<Job, Problem> {
    if fits(&job, MAX_JOB_BYTES).is_some() {
        return Ok(job);
    }
    let input = std::mem::take(&mut job.input);
    let write =
        move || serde_json::to_vec(&input).map_err(|error| Problem::bad_request("invalid-task", error.to_string()));
    let json = with_json(pod, usize::MAX, write).await?;
    let key = input_key(&job)?;
    let mut upload = files.put(key.clone()).await?;
    upload.write(json.into()).await?;
    upload.finish().await?;
    Ok(Job { stored_input: Some(key.to_string()), ..job })
}

/// Publishes that a task is queued. Its job is confirmed, so a failure is only logged: the worker's own events follow.
async fn publish_queued(caller: &Caller, task: &Task, traceparent: Option<String>) {
    let mut event = Event::of_task(SOURCE, Audience::user(&caller.claims.sub), task, None);
    event.id = format!("{}.queued", task.id);
    event.traceparent = traceparent;
    if let Err(error) = caller.environment.backplane.log.publish(Destination::Own, &event).await {
        warn!(task = %task.id, %error, "a task is queued, and its owner was not told");
    }
}

/// The time before which a task is not begun.
fn not_before(new: &NewTask) -> Result<Option<Timestamp>, Problem> {
    let invalid = |detail: String| Problem::bad_request("invalid-task", detail);
    let now = Timestamp::now();
    let time = match (new.not_before, new.delay.as_deref()) {
        (time, None) => time,
        (None, Some(delay)) => {
            let delay = quantity::parse_duration(delay).map_err(|reason| invalid(format!("delay: {reason}")))?;
            Some(now.checked_add(delay).map_err(|_| invalid(format!("delay: {LONGEST_DELAY_DAYS} days at most")))?)
        }
        (Some(_), Some(_)) => return Err(invalid("delay: it stands beside not_before; send one of them".to_owned())),
    };
    let latest = now + SignedDuration::from_hours(24 * LONGEST_DELAY_DAYS);
    if time.is_some_and(|time| time > latest) {
        return Err(invalid(format!("not_before, delay: {LONGEST_DELAY_DAYS} days at most")));
    }
    Ok(time.filter(|time| *time > now))
}

fn title_of(new: &NewTask) -> Result<String, Problem> {
    let title = new.title.as_deref().map(str::trim).unwrap_or_default();
    if title.chars().count() > MAX_TITLE_CHARS || title.chars().any(char::is_control) {
        let detail = format!("title: it may have {MAX_TITLE_CHARS} characters, none of them a control character");
        return Err(Problem::bad_request("invalid-task", detail));
    }
    Ok(if title.is_empty() { new.kind.to_string() } else { title.to_owned() })
}

fn short_error(error: &TaskError) -> TaskError {
    let mut message: String = error.message.chars().take(MAX_LISTED_MESSAGE).collect();
    if message.len() < error.message.len() {
        message.push('…');
    }
    TaskError { reason: error.reason.clone(), message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_has_the_fields_of_a_result_that_are_small_each_whole() {
        let long = "x".repeat(MAX_LISTED_RESULT);
        let result = json!({ "columns": [1, 2], "log": long, "rejected": { "rows": 1 }, "rows": 7 });
        let small = json!({ "columns": [1, 2], "rejected": { "rows": 1 }, "rows": 7 });
        assert_eq!(small_result(&result), Some(small));
        assert_eq!((small_result(&json!(long)), small_result(&json!(7))), (None, Some(json!(7))));
        let many: Map<_, _> = (0..1000).map(|n| (format!("f{n}"), json!("some text"))).collect();
        let size = small_result(&Value::Object(many)).unwrap().to_string().len();
        assert!(size < 3 * MAX_LISTED_RESULT, "{size}");
        let long = TaskError { reason: "input".to_owned(), message: "é".repeat(MAX_LISTED_MESSAGE + 1) };
        assert_eq!(short_error(&long).message, "é".repeat(MAX_LISTED_MESSAGE) + "…");
        let short = TaskError { message: "sour".to_owned(), ..long };
        assert_eq!(short_error(&short), short);
    }
}
