//! The host's one reader of the log: it notes cancelled tasks and tells of queued ones, and hands each item to the
//! function.

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
/// The event that says that a task waits.
const QUEUED: &str = "bellwire.task.queued";
/// The most cancelled tasks that are remembered; the oldest are forgotten.
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
    cancelled: HashSet<TaskId>,
    in_order: VecDeque<TaskId>,
    /// The tasks that run here; a task runs here once at a time.
    running: HashMap<TaskId, CancellationToken>,
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

    /// Registers a task that begins to run here.
    pub(crate) fn begin(&self, task: TaskId) -> RunningTask {
        let cancelled = CancellationToken::new();
        let mut state = self.tasks.state();
        if state.cancelled.contains(&task) {
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
        state.in_order.push_back(task);
        if state.in_order.len() > MAX_REMEMBERED
            && let Some(oldest) = state.in_order.pop_front()
        {
            state.cancelled.remove(&oldest);
        }
        if let Some(running) = state.running.get(&task) {
            info!(%task, "cancelled by its owner");
            running.cancel();
        }
    }
}

async fn read(mut follower: Follower, (tasks, queued): (Arc<Tasks>, Arc<Notify>), function: Arc<JsonFunction>) {
    let kind = function.kind();
    while let Some(item) = follower.next().await {
        match &item {
            FollowItem::Entry(entry) => {
                if let Some(task) = task_of(entry, CANCELLED) {
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

/// The task of an entry of this type.
fn task_of(entry: &LogEntry, event_type: &str) -> Option<Task> {
    let event = entry.event.as_ref().ok()?;
    if entry.origin != Destination::Own || event.event_type != event_type {
        return None;
    }
    event.task().ok().flatten()
}
