//! The host's one reader of the log: it notes tasks that were cancelled or have succeeded, tells of queued ones, and hands each
//! item to the function.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backplane::{
    Destination, LogEntry,
    follow::{FollowItem, FollowTiming, Follower, ReadHealth},
};
use model::{Task, TaskId};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

use crate::{json_function::JsonFunction, worker_context::WorkerContext};

/// The event that cancels a task.
const CANCELLED: &str = "bellwire.task.cancelled";
/// The event that says that a task has had its effect.
const SUCCEEDED: &str = "bellwire.task.succeeded";
/// The event that says that a task waits.
const QUEUED: &str = "bellwire.task.queued";
/// The most tasks of either sort that are remembered; the oldest are forgotten.
const MAX_REMEMBERED: usize = 10_000;

/// Follows the log for events that cancel tasks.
pub(crate) struct Cancellations {
    tasks: Arc<Tasks>,
    /// The health of the log's reader; caught up only when all cancelled tasks of the log are known here.
    /// Closed only if the reader has ended.
    pub(crate) health: watch::Receiver<ReadHealth>,
    /// Notified when a task of the function's kind was queued.
    pub(crate) queued: Arc<Notify>,
    _reader: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Tasks(Mutex<State>);

#[derive(Default)]
struct State {
    cancelled: RememberedTasks,
    succeeded: RememberedTasks,
    /// The tasks that run here; a task runs here once at a time.
    running: HashMap<TaskId, CancellationToken>,
}

/// The last tasks of one sort.
#[derive(Default)]
struct RememberedTasks {
    tasks: HashSet<TaskId>,
    in_order: VecDeque<TaskId>,
}

impl RememberedTasks {
    /// Remembers a task; false if it was remembered before.
    fn insert(&mut self, task: TaskId) -> bool {
        if !self.tasks.insert(task) {
            return false;
        }
        self.in_order.push_back(task);
        if self.in_order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.tasks.remove(&oldest);
        }
        true
    }
}

/// A task that runs here, until dropped.
pub(crate) struct RunningTask {
    tasks: Arc<Tasks>,
    task: TaskId,
    /// Cancelled when the task's owner cancels it, or has done so before.
    pub(crate) cancelled: CancellationToken,
}

impl Cancellations {
    /// Begins to read; the cancelling of a job that has waited longer than `horizon` is not found.
    pub(crate) fn follow(worker: &WorkerContext, horizon: Duration, function: Arc<JsonFunction>) -> Self {
        let timing = FollowTiming::with_horizon(horizon);
        let follower = Follower::start(worker.backplane.log.clone(), &worker.pod, timing);
        let (tasks, health) = (Arc::new(Tasks::default()), follower.health());
        let queued = Arc::new(Notify::new());
        let reader = AbortOnDropHandle::new(tokio::spawn(read(follower, (tasks.clone(), queued.clone()), function)));
        Self { tasks, health, queued, _reader: reader }
    }

    /// True if a task of the function's kind is known to have succeeded: a job of it came twice.
    pub(crate) fn has_succeeded(&self, task: TaskId) -> bool {
        self.tasks.state().succeeded.tasks.contains(&task)
    }

    /// Remembers a task that has succeeded here, before the log tells of it.
    pub(crate) fn succeeded(&self, task: TaskId) {
        self.tasks.state().succeeded.insert(task);
    }

    /// Registers a task that begins to run here.
    pub(crate) fn begin(&self, task: TaskId) -> RunningTask {
        let cancelled = CancellationToken::new();
        let mut state = self.tasks.state();
        if state.cancelled.tasks.contains(&task) {
            cancelled.cancel();
        }
        state.running.insert(task, cancelled.clone());
        RunningTask { tasks: self.tasks.clone(), task, cancelled }
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.tasks.state().running.remove(&self.task);
    }
}

impl Tasks {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete by itself, so a panic elsewhere leaves it usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self, task: TaskId) {
        let mut state = self.state();
        if !state.cancelled.insert(task) {
            return;
        }
        if let Some(running) = state.running.get(&task) {
            info!(%task, "cancelled by its owner");
            running.cancel();
        }
    }
}

async fn read(mut follower: Follower, (tasks, queued): (Arc<Tasks>, Arc<Notify>), function: Arc<JsonFunction>) {
    let kind = function.kind();
    let source = format!("/functions/{kind}");
    while let Some(item) = follower.next().await {
        match &item {
            FollowItem::Entry(entry) => {
                if let Some(task) = success_of(entry, &source) {
                    tasks.state().succeeded.insert(task);
                } else if let Some(task) = task_of(entry, CANCELLED) {
                    tasks.cancel(task.id);
                } else if task_of(entry, QUEUED).is_some_and(|task| task.kind == kind) {
                    queued.notify_one();
                }
            }
            FollowItem::Gap(gap) => {
                warn!(?gap, "a task cancelled in a part of the log that was not read is run all the same");
            }
            FollowItem::CaughtUp(_) => {}
        }
        function.on_log_item(&item).await;
    }
}

/// The task whose success a function of this source tells of. Its subject names it: the data may be large, and there are many.
fn success_of(entry: &LogEntry, source: &str) -> Option<TaskId> {
    let event = entry.event.as_ref().ok()?;
    if entry.origin != Destination::Own || event.event_type != SUCCEEDED || event.source != source {
        return None;
    }
    event.subject.as_deref()?.strip_prefix("task/")?.parse().ok()
}

/// The task of an entry of this type.
fn task_of(entry: &LogEntry, event_type: &str) -> Option<Task> {
    let event = entry.event.as_ref().ok()?;
    if entry.origin != Destination::Own || event.event_type != event_type {
        return None;
    }
    event.task().ok().flatten()
}
