//! One run of a task at a time in this process.
//!
//! A broker that lost our connection hands a job out again while its first run still works.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use model::TaskId;
use tokio::sync::OwnedMutexGuard;

type Turns = Mutex<HashMap<TaskId, Arc<tokio::sync::Mutex<()>>>>;

/// The tasks that have a run here; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Underway(Arc<Turns>);

/// The right to run a task, until dropped.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    task: TaskId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Underway {
    /// Waits until no other run of this task is left here.
    pub(crate) async fn turn(&self, task: TaskId) -> Turn {
        let turn = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(task).or_default().clone();
        let guard = turn.lock_owned().await;
        Turn { turns: self.0.clone(), task, guard: Some(guard) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        // Others hold the lock of this task only while they wait for it; with the map locked none can begin to.
        if turns.get(&self.task).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.task);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_second_run_waits_for_the_first_and_nothing_is_kept_after_both() {
        let underway = Underway::default();
        let task = TaskId::new();
        let first = underway.turn(task).await;
        let mut second = Box::pin(underway.turn(task));
        assert!((&mut second).now_or_never().is_none());
        assert!(underway.turn(TaskId::new()).now_or_never().is_some());
        drop(first);
        drop(second.await);
        assert!(underway.0.lock().unwrap().is_empty());
    }
}
