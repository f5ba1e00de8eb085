//! Which tasks were taken back, as the environment's log tells it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use backplane::{
    Destination, EventLog, LogEntry, PodId, TaskId,
    follow::{Followed, Follower, Hearing, Patience},
};
use tokio::sync::{mpsc, watch};
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
    pub(crate) hearing: watch::Receiver<Hearing>,
    _follower: AbortOnDropHandle<()>,
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
        let Follower { items, hearing, task, .. } = Follower::start(log, pod, Patience::with_horizon(horizon));
        let known = Arc::new(Known::default());
        let (heard, told) = watch::channel(Hearing::CatchingUp);
        let listening = AbortOnDropHandle::new(tokio::spawn(listen(items, hearing, known.clone(), heard)));
        Self { known, hearing: told, _follower: task, _listening: listening }
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

async fn listen(
    mut items: mpsc::Receiver<Followed>,
    mut hearing: watch::Receiver<Hearing>,
    known: Arc<Known>,
    heard: watch::Sender<Hearing>,
) {
    loop {
        let item = tokio::select! {
            item = items.recv() => item,
            Ok(()) = hearing.changed() => {
                let now = hearing.borrow_and_update().clone();
                // The follower has caught up before what it yielded was taken in here: its word among the items counts.
                if now != Hearing::CaughtUp {
                    heard.send_replace(now);
                }
                continue;
            }
        };
        match item {
            Some(Followed::Entry(entry)) => {
                if let Some(task) = taken_back(&entry) {
                    known.cancel(task);
                }
            }
            Some(Followed::CaughtUp(_)) => {
                let now = hearing.borrow().clone();
                heard.send_replace(now);
            }
            Some(Followed::Gap(gap)) => {
                warn!(?gap, "a task cancelled in a part of the log that was not read is done all the same")
            }
            None => return,
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
