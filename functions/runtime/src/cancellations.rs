//! Which tasks were taken back, as the environment's log tells it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backplane::{
    Destination, EventLog, LogEntry,
    follow::{FollowItem, FollowTiming, Follower, ReadHealth},
};
use model::{PodId, TaskId};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

/// The event that takes a task back.
const CANCELLED: &str = "bellwire.task.cancelled";
/// Most cancelled tasks that are remembered; the oldest are forgotten.
const MOST_REMEMBERED: usize = 10_000;

/// Follows the log for words that take tasks back.
pub(crate) struct Cancellations {
    known: Arc<Known>,
    /// How well the log is heard; caught up only when all cancelled tasks of it are known here.
    /// Closed only if listening has ended.
    pub(crate) health: watch::Receiver<ReadHealth>,
    _listening: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    cancelled: HashSet<TaskId>,
    in_order: VecDeque<TaskId>,
    /// The tasks that run here; a task runs here once at a time.
    running: HashMap<TaskId, CancellationToken>,
}

/// A task that runs here, until dropped.
pub(crate) struct Running {
    known: Arc<Known>,
    task: TaskId,
    /// Cancelled when its owner takes it back, or has done so before.
    pub(crate) cancelled: CancellationToken,
}

impl Cancellations {
    /// Begins to listen; jobs waiting longer than `horizon` are not found to be cancelled.
    pub(crate) fn follow(log: Arc<dyn EventLog>, pod: &PodId, horizon: Duration) -> Self {
        let follower = Follower::start(log, pod, FollowTiming::with_horizon(horizon));
        let (known, health) = (Arc::new(Known::default()), follower.health());
        let listening = AbortOnDropHandle::new(tokio::spawn(listen(follower, known.clone())));
        Self { known, health, _listening: listening }
    }

    /// Watches over a task that begins to run here.
    pub(crate) fn running(&self, task: TaskId) -> Running {
        let cancelled = CancellationToken::new();
        let mut state = self.known.state();
        if state.cancelled.contains(&task) {
            cancelled.cancel();
        }
        state.running.insert(task, cancelled.clone());
        Running { known: self.known.clone(), task, cancelled }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.known.state().running.remove(&self.task);
    }
}

impl Known {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change stands by itself, so a panic elsewhere leaves it usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self, task: TaskId) {
        let mut state = self.state();
        if !state.cancelled.insert(task) {
            return;
        }
        state.in_order.push_back(task);
        if state.in_order.len() > MOST_REMEMBERED
            && let Some(oldest) = state.in_order.pop_front()
        {
            state.cancelled.remove(&oldest);
        }
        if let Some(running) = state.running.get(&task) {
            info!(%task, "its owner took it back");
            running.cancel();
        }
    }
}

async fn listen(mut follower: Follower, known: Arc<Known>) {
    while let Some(item) = follower.next().await {
        match item {
            FollowItem::Entry(entry) => {
                if let Some(task) = taken_back(&entry) {
                    known.cancel(task);
                }
            }
            FollowItem::Gap(gap) => {
                warn!(?gap, "a task cancelled in a part of the log that was not read is done all the same");
            }
            FollowItem::CaughtUp(_) => {}
        }
    }
}

fn taken_back(entry: &LogEntry) -> Option<TaskId> {
    let event = entry.event.as_ref().ok()?;
    if entry.origin != Destination::Own || event.event_type != CANCELLED {
        return None;
    }
    event.task().ok().flatten().map(|task| task.id)
}
