//! The queue of log events from the host's reader to the engine.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex as SyncMutex, MutexGuard, PoisonError},
};

use backplane::follow::FollowItem;
use model::TaskId;
use tokio::sync::{Mutex, mpsc};
use tracing::warn;

use crate::run::event::RunEvent;

/// The most events that wait; then the host reads no further.
const CAPACITY: usize = 4096;
/// The most runs whose progress waits, and the most early cancellations.
const MAX_RUNS: usize = 10_000;

/// The progress of the tasks of a run, and the owner in whose turn it is applied.
type Progress = (String, HashMap<TaskId, f64>);

/// An item of the log that must not be lost, or a run that is due.
pub(crate) enum QueuedItem {
    /// In the turn of this owner.
    Event(String, TaskId, RunEvent),
    /// In the turn of this owner.
    Due(String, TaskId, Vec<RunEvent>),
    Gap,
}

/// Events in order; progress, which may be late or lost; and cancellations of runs that are not in the database yet.
pub(crate) struct EventQueue {
    sender: mpsc::Sender<QueuedItem>,
    receiver: Mutex<mpsc::Receiver<QueuedItem>>,
    progress: SyncMutex<HashMap<TaskId, Progress>>,
    cancelled: SyncMutex<VecDeque<TaskId>>,
}

impl Default for EventQueue {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let (progress, cancelled) = (SyncMutex::default(), SyncMutex::default());
        Self { sender, receiver: Mutex::new(receiver), progress, cancelled }
    }
}

impl EventQueue {
    /// Takes an item of the log; waits while the queue is full.
    pub(crate) async fn push(&self, item: &FollowItem) {
        let item = match item {
            FollowItem::Entry(entry) => match RunEvent::from_entry(entry) {
                Some((owner, run, RunEvent::TaskProgressed(task, progress))) => {
                    return self.add_progress(owner, run, task, progress);
                }
                Some((owner, run, event)) => QueuedItem::Event(owner, run, event),
                None => return,
            },
            FollowItem::Gap(gap) => {
                warn!(?gap, "a part of the log was lost; steps under way are asked for again");
                QueuedItem::Gap
            }
            FollowItem::CaughtUp(_) => return,
        };
        self.send(item).await;
    }

    /// Adds a run that is to be moved, with events, in the turn of its owner; waits while the queue is full.
    pub(crate) async fn add_due(&self, owner: String, run: TaskId, events: Vec<RunEvent>) {
        self.send(QueuedItem::Due(owner, run, events)).await;
    }

    async fn send(&self, item: QueuedItem) {
        // It fails only if the receiver is gone, which lives as long.
        self.sender.send(item).await.ok();
    }

    /// The next item.
    pub(crate) async fn next(&self) -> Option<QueuedItem> {
        self.receiver.lock().await.recv().await
    }

    fn add_progress(&self, owner: String, run: TaskId, task: TaskId, progress: f64) {
        let mut runs = lock(&self.progress);
        if runs.len() < MAX_RUNS || runs.contains_key(&run) {
            runs.entry(run).or_insert_with(|| (owner, HashMap::new())).1.insert(task, progress);
        }
    }

    /// Takes the progress of all runs, with their owners.
    pub(crate) fn take_progress(&self) -> Vec<(String, TaskId, Vec<RunEvent>)> {
        let runs = std::mem::take(&mut *lock(&self.progress));
        let events = |tasks: HashMap<_, _>| {
            tasks.into_iter().map(|(task, progress)| RunEvent::TaskProgressed(task, progress)).collect()
        };
        runs.into_iter().map(|(run, (owner, tasks))| (owner, run, events(tasks))).collect()
    }

    /// Remembers that a run was cancelled that may be starting at this moment.
    pub(crate) fn add_cancelled(&self, run: TaskId) {
        let mut cancelled = lock(&self.cancelled);
        cancelled.push_back(run);
        if cancelled.len() > MAX_RUNS {
            cancelled.pop_front();
        }
    }

    pub(crate) fn is_cancelled(&self, run: TaskId) -> bool {
        lock(&self.cancelled).contains(&run)
    }
}

fn lock<T>(mutex: &SyncMutex<T>) -> MutexGuard<'_, T> {
    // Each change stands by itself, so a panic elsewhere leaves it usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
