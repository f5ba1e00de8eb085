//! Starting, listing, showing and cancelling a caller's tasks, over HTTP and over the hub.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use backplane::{Destination, SendError};
use model::{Audience, Event, Job, Priority, Task, TaskId, TaskState};
use storage::{FileKey, OwnerFiles};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

pub(crate) use super::{
    new_task::NewTask,
    task_view::{TaskView, Tasks},
};
use super::{
    problem::Problem,
    request::with_json,
    task_claim::{self, Claimed},
    task_terms::{self, Terms},
};
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
/// The number of tasks in one list.
const MAX_LISTED: usize = 200;
/// How long the log is waited for that brings a task which another request starts.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds after which a user with too many tasks may try again.
const RETRY_TASKS: u32 = 10;

/// A task that was asked for.
pub(crate) struct Started {
    pub(crate) task: Arc<Task>,
    /// It was there already, since it is unique: nothing was started.
    pub(crate) existing: bool,
}

/// Which task a request starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TaskKey {
    /// A new one.
    New,
    /// The one of an idempotency key, which another request may have started.
    Idempotent(TaskId),
}

/// Starts a task with this id, or returns the one that was started with it, or that has what only one may have. The job is
/// confirmed in its queue afterwards; one that is refused leaves nothing behind.
pub(crate) async fn start(
    pod: &Pod,
    caller: &Caller,
    new: NewTask,
    key: TaskKey,
    traceparent: Option<String>,
) -> Result<Started, Problem> {
    caller.require(SCOPE)?;
    let title = task_terms::title(&new)?;
    let not_before = task_terms::not_before(&new)?;
    let (new, Terms { priority, unique }) = task_terms::of(pod, caller, new).await?;
    let (id, new, request) = match key {
        TaskKey::New => (TaskId::new(), new, None),
        TaskKey::Idempotent(id) => {
            let (new, digest) = with_digest(pod, caller, new).await?;
            (id, new, Some(digest))
        }
    };
    let is_same = |task: &Task| is_of(task, &new, &title, request.as_deref());
    // Before it counts: whoever has as many tasks as one may have is answered with one of them.
    if let Some(task) = task_claim::existing(caller, id, &unique).await? {
        return Ok(Started { task, existing: true });
    }
    let (unfinished, place) = match admit(pod, caller, (id, priority), is_same).await? {
        Admitted::Known(task) => return Ok(Started { task, existing: false }),
        Admitted::New(unfinished, place) => (unfinished, place),
    };
    let groups = caller.claims.groups.clone();
    let backlog = u32::try_from(unfinished).unwrap_or(u32::MAX);
    let job = Job {
        groups,
        backlog,
        priority,
        unique,
        traceparent,
        not_before,
        ..Job::new(id, new.kind.clone(), &caller.claims.sub, &title, new.input)
    };
    // It goes on if the client leaves: whoever sends the same again finds the task, and not one that was half submitted.
    let started = tokio::spawn(claim_and_submit(pod.clone(), caller.clone(), job, request, place));
    started.await.map_err(|_| Problem::unavailable("this pod is ending"))?
}

/// Submits the job of a task that was admitted, unless another has what only one may have.
async fn claim_and_submit(
    pod: Pod,
    caller: Caller,
    job: Job,
    request: Option<String>,
    place: Option<AdmittedTask>,
) -> Result<Started, Problem> {
    let (job, place) = match task_claim::claim(&caller, job.task, &job.unique).await? {
        Claimed::Own => (job, place),
        Claimed::Existing(task) => return Ok(Started { task, existing: true }),
        Claimed::Abandoned(id) => {
            drop(place);
            match admit(&pod, &caller, (id, job.priority), |_| true).await? {
                Admitted::Known(task) => return Ok(Started { task, existing: true }),
                Admitted::New(_, place) => (Job { task: id, ..job }, place),
            }
        }
    };
    let job = caller.environment.key.signing.grant(&caller.environment.name, job);
    let task = submit_admitted(&pod, &caller, job, request, place).await?;
    Ok(Started { task, existing: false })
}

/// A task that was started before, or the number of others that count against it and its place among them.
enum Admitted {
    Known(Arc<Task>),
    New(usize, Option<AdmittedTask>),
}

/// Counts a task among its user's, unless it was started before.
async fn admit(
    pod: &Pod,
    caller: &Caller,
    task: (TaskId, Priority),
    is_same: impl Fn(&Task) -> bool,
) -> Result<Admitted, Problem> {
    let max = pod.config.tasks_per_user;
    let patience = Instant::now() + LOG_TIMEOUT;
    loop {
        let (admission, place, next_started) =
            caller.environment.dispatch.admit_task(caller.recipient.clone(), task, max).await?;
        match admission {
            Admission::Known(task) if is_same(&task) => return Ok(Admitted::Known(task)),
            Admission::Known(_) => {
                let detail = "Idempotency-Key: it was used for another task; use a new key for each";
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail));
            }
            Admission::Admitted { unfinished } => return Ok(Admitted::New(unfinished, place)),
            Admission::Starting if Instant::now() < patience => drop(timeout_at(patience, next_started).await),
            Admission::Starting => return Err(Problem::unavailable("the same task is being started; send it again")),
            Admission::Refused => return Err(too_many_tasks(max)),
        }
    }
}

/// Submits the job of a task that was admitted, and tells its owner; a task that is refused counts no more.
async fn submit_admitted(
    pod: &Pod,
    caller: &Caller,
    job: Job,
    request: Option<String>,
    place: Option<AdmittedTask>,
) -> Result<Arc<Task>, Problem> {
    let (id, unique) = (job.task, job.unique.clone());
    let job = match submit(pod, caller, job).await {
        Ok(job) => job,
        // One that was not confirmed may be in its queue all the same.
        Err(problem) if problem.is_passing() => return Err(problem),
        Err(problem) => {
            task_claim::withdraw(caller, id, unique).await;
            return Err(problem);
        }
    };
    if let Some(place) = place {
        place.submitted();
    }
    let task = Task { request, ..Task::of(&job, TaskState::Queued) };
    publish_queued(caller, &task, job.traceparent).await;
    Ok(Arc::new(task))
}

/// The task to start, and a digest of it that nobody else can make.
async fn with_digest(pod: &Pod, caller: &Caller, new: NewTask) -> Result<(NewTask, String), Problem> {
    let key = caller.environment.key.internal.clone();
    let size = fits(&new.input, MAX_JOB_BYTES).unwrap_or(usize::MAX);
    with_json(pod, size, move || {
        let request = ("request", &new.kind, new.title.as_deref().map(str::trim), &new.input);
        // Without a delay it is what it was before there were any, and so on.
        let text = match ((&new.not_before, &new.delay), (&new.priority, &new.unique)) {
            ((None, None), (None, None)) => serde_json::to_vec(&request),
            (delays, (None, None)) => serde_json::to_vec(&(request, delays)),
            (delays, terms) => serde_json::to_vec(&(request, delays, terms)),
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
    let dispatch = &caller.environment.dispatch;
    if let Some(task) = dispatch.find_task(caller.recipient.clone(), id).await? {
        return Ok(task);
    }
    // Another pod may have started it a moment ago.
    if !dispatch.catch_up().await? {
        return Err(Problem::unavailable(
            "no such task of yours is known here, and the log cannot be read to its end now",
        ));
    }
    dispatch.find_task(caller.recipient.clone(), id).await?.ok_or_else(not_found)
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
