//! Starting, listing, showing and cancelling a caller's tasks, over HTTP and over the hub.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use backplane::{Destination, SendError};
use model::{Audience, Event, Job, Priority, Task, TaskId, TaskState};
use process::telemetry::Span;
use storage::{FileKey, OwnerFiles, StorageError};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use super::{
    caught_up,
    new_task::MAX_JOB_BYTES,
    problem::Problem,
    publish_spans,
    request::with_json,
    task_claim::{self, Claimed},
    task_terms::{self, Terms, Unique},
};
pub(crate) use super::{
    new_task::{NewTask, TaskKey},
    task_view::{TaskView, Tasks},
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
/// The number of tasks in one list.
const MAX_LISTED: usize = 200;
/// How long the log is waited for that brings a task which another request starts.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a large input may take to be stored; a claim lasts longer.
const STORE_TIMEOUT: Duration = Duration::from_secs(20);
/// Seconds after which a user with too many tasks may try again.
const RETRY_TASKS: u32 = 10;

/// A task that was asked for.
pub(crate) struct Started {
    pub(crate) task: Arc<Task>,
    /// It was there already, since it is unique: nothing was started.
    pub(crate) existing: bool,
}

/// Starts a task with this id, or returns the one that was started with it, or that has what only one may have. The job is
/// confirmed in its queue afterwards; one that is refused leaves nothing behind.
///
/// It goes on if the client leaves, and holds `held` until then: whoever sends the same again finds the task, and not one that was
/// half submitted.
pub(crate) async fn start(
    pod: &Pod,
    caller: &Caller,
    new: NewTask,
    key: TaskKey,
    traceparent: Option<String>,
    held: impl Send + 'static,
) -> Result<Started, Problem> {
    caller.require(SCOPE)?;
    let (pod, caller) = (pod.clone(), caller.clone());
    let started = tokio::spawn(async move {
        let _held = held;
        let mut span = pod.telemetry.of_request(traceparent.as_deref(), "start task");
        let traceparent = span.as_ref().map(Span::traceparent).or(traceparent);
        let started = admit_and_start(&pod, &caller, new, key, traceparent).await;
        if let Some(span) = &mut span {
            span.set("bellwire.environment", caller.environment.name.to_string());
            match &started {
                Ok(Started { task, .. }) => {
                    span.set("bellwire.task", task.id.to_string());
                    span.set("bellwire.kind", task.kind.to_string());
                }
                Err(_) => span.fail("not started"),
            }
        }
        started
    });
    started.await.map_err(|_| Problem::unavailable("this pod is ending"))?
}

async fn admit_and_start(
    pod: &Pod,
    caller: &Caller,
    new: NewTask,
    key: TaskKey,
    traceparent: Option<String>,
) -> Result<Started, Problem> {
    let title = task_terms::title(&new)?;
    let not_before = task_terms::not_before(&new)?;
    let (new, Terms { priority, unique }) = task_terms::of(pod, caller, new, key).await?;
    let (id, new, request) = match key {
        TaskKey::New => (TaskId::new(), new, None),
        TaskKey::Idempotent(id) => {
            let (new, digest) = with_digest(pod, caller, new).await?;
            (id, new, Some(digest))
        }
    };
    let is_same = |task: &Task| is_of(task, &new, &title, request.as_deref());
    let (unfinished, place) = match admit(pod, caller, (id, priority), is_same).await? {
        Admitted::Known(task) => return Ok(Started { task, existing: false }),
        Admitted::New(unfinished, place) => (unfinished, place),
        // Whoever has as many tasks as one may have is answered with the one that they ask for again.
        Admitted::TooMany => match task_claim::existing(caller, &unique).await? {
            Some(task) => return Ok(Started { task, existing: true }),
            None => return Err(too_many_tasks(pod.config.tasks_per_user)),
        },
    };
    let groups = caller.claims.groups.clone();
    let backlog = u32::try_from(unfinished).unwrap_or(u32::MAX);
    let job = Job {
        groups,
        backlog,
        priority,
        unique: unique.digests.clone(),
        traceparent,
        not_before,
        ..Job::new(id, new.kind.clone(), &caller.claims.sub, &title, new.input)
    };
    claim_and_submit(pod, caller, (job, unique), request, place).await
}

/// Submits the job of a task that was admitted, unless another has what only one may have.
async fn claim_and_submit(
    pod: &Pod,
    caller: &Caller,
    (job, unique): (Job, Unique),
    request: Option<String>,
    place: Option<AdmittedTask>,
) -> Result<Started, Problem> {
    let (job, place, is_new) = match task_claim::claim(caller, job.task, &unique).await? {
        Claimed::Own { is_new } => (job, place, is_new),
        Claimed::Existing(task) => return Ok(Started { task, existing: true }),
        Claimed::Abandoned(id) => {
            if let Some(place) = place {
                place.withdraw().await;
            }
            match admit(pod, caller, (id, job.priority), |_| true).await? {
                Admitted::Known(task) => return Ok(Started { task, existing: true }),
                Admitted::New(_, place) => (Job { task: id, ..job }, place, false),
                Admitted::TooMany => return Err(too_many_tasks(pod.config.tasks_per_user)),
            }
        }
    };
    let id = job.task;
    let job = caller.environment.key.signing.grant(&caller.environment.name, job);
    let job = match submit(pod, caller, job).await {
        Ok(job) => job,
        Err(Unsubmitted { problem, is_in_doubt }) => {
            // What an earlier request has claimed may be the claim of a job that is in its queue.
            if is_new && !is_in_doubt {
                task_claim::withdraw(caller, id, &unique).await;
            }
            return Err(problem);
        }
    };
    let task = Task { request, ..Task::of(&job, TaskState::Queued) };
    if let Err(error) = publish_queued(pod, caller, &task, job.traceparent).await {
        // Its job is confirmed, and the worker's own events follow; but a claim whose task nobody hears of is void after a while, so
        // whoever sends the same again submits it again.
        warn!(task = %task.id, %error, "a task is queued, and its owner was not told");
        if !unique.digests.is_empty() {
            return Err(error.into());
        }
    }
    if let Some(place) = place {
        place.submitted();
    }
    Ok(Started { task: Arc::new(task), existing: false })
}

enum Admitted {
    /// It was started before.
    Known(Arc<Task>),
    /// The number of others that count against it, and its place among them.
    New(usize, Option<AdmittedTask>),
    /// Its user has as many unfinished tasks as one may have.
    TooMany,
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
            Admission::Refused => return Ok(Admitted::TooMany),
        }
    }
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

/// Why a job was not submitted.
struct Unsubmitted {
    problem: Problem,
    /// It may be in its queue all the same: it was not confirmed, or was submitted before with the same id.
    is_in_doubt: bool,
}

impl From<Problem> for Unsubmitted {
    fn from(problem: Problem) -> Self {
        Self { problem, is_in_doubt: false }
    }
}

/// Puts a job into its queue; a large input is stored before, and removed again if the job is refused.
async fn submit(pod: &Pod, caller: &Caller, job: Job) -> Result<Job, Unsubmitted> {
    let (files, key) = (caller.files(pod), input_key(&job)?);
    let is_large = fits(&job, MAX_JOB_BYTES).is_none();
    let stored = timeout(STORE_TIMEOUT, async {
        // Submitted before with the same id, it may wait in its queue and needs its input, whatever becomes of this one.
        let is_repeated = is_large && !matches!(files.get(&key).await, Err(StorageError::NotFound(_)));
        let job = if is_large { with_stored_input(pod, job, &files).await } else { Ok(job) };
        job.map(|job| (job, is_repeated))
    });
    let (job, is_repeated) = match stored.await {
        Ok(Ok(stored)) => stored,
        Ok(Err(problem)) => return Err(problem.into()),
        Err(_) => return Err(Problem::unavailable("the storage did not take the input in time; send it again").into()),
    };
    let Err(error) = caller.environment.backplane.jobs.submit(&job).await else {
        return Ok(job);
    };
    let is_in_doubt = is_repeated || matches!(error, SendError::Unavailable(_));
    if job.stored_input.is_some()
        && !is_in_doubt
        && let Err(error) = files.delete(&key).await
    {
        warn!(%error, "the input of a refused job stays in the storage");
    }
    let problem = match error {
        SendError::Unroutable(_) => {
            let detail = format!("kind: there is no function of kind {} here", job.kind);
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-kind", detail)
        }
        other => other.into(),
    };
    Err(Unsubmitted { problem, is_in_doubt })
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
    caught_up::find(dispatch, || dispatch.find_task(caller.recipient.clone(), id)).await?.ok_or_else(not_found)
}

/// The file of a large input.
fn input_key(job: &Job) -> Result<FileKey, Problem> {
    Ok(FileKey::new(&job.task.to_string(), "input.json".parse()?)?)
}

/// The job as it goes to the broker, its large input stored as a file of the owner's.
async fn with_stored_input(pod: &Pod, mut job: Job, files: &OwnerFiles) -> Result<Job, Problem> {
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

/// Publishes that a task is queued.
async fn publish_queued(pod: &Pod, caller: &Caller, task: &Task, traceparent: Option<String>) -> Result<(), SendError> {
    let mut event = Event::of_task(SOURCE, Audience::user(&caller.claims.sub), task, None);
    event.id = format!("{}.queued", task.id);
    event.traceparent = traceparent;
    let environment = &caller.environment;
    let _span = publish_spans::of_event(&pod.telemetry, &environment.name, &mut event);
    environment.backplane.log.publish(Destination::Own, &event).await
}
