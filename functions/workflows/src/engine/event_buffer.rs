//! Events that wait for the next sweep of the scheduler.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use model::TaskId;

use crate::run::event::RunEvent;

/// The most runs whose progress is buffered, and the most early cancellations.
const MAX_RUNS: usize = 10_000;

/// Progress, which may be late or lost, and cancellations of runs that are not in the database yet.
#[derive(Default)]
pub(crate) struct EventBuffer {
    progress: Mutex<HashMap<TaskId, HashMap<TaskId, f64>>>,
    cancelled: Mutex<VecDeque<TaskId>>,
}

impl EventBuffer {
    pub(crate) fn add_progress(&self, run: TaskId, task: TaskId, progress: f64) {
        let mut runs = lock(&self.progress);
        if runs.len() < MAX_RUNS || runs.contains_key(&run) {
            runs.entry(run).or_default().insert(task, progress);
        }
    }

    /// Takes the progress of all runs.
    pub(crate) fn take_progress(&self) -> Vec<(TaskId, Vec<RunEvent>)> {
        let runs = std::mem::take(&mut *lock(&self.progress));
        let events = |tasks: HashMap<_, _>| {
            tasks.into_iter().map(|(task, progress)| RunEvent::TaskProgressed(task, progress)).collect()
        };
        runs.into_iter().map(|(run, tasks)| (run, events(tasks))).collect()
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change stands by itself, so a panic elsewhere leaves it usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
