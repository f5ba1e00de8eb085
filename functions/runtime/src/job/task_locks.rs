//! One run of a task at a time in this process.
//!
//! A broker that lost our connection hands a job out again while its first run still works.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use model::TaskId;
use tokio::sync::OwnedMutexGuard;

type Locks = Mutex<HashMap<TaskId, Arc<tokio::sync::Mutex<()>>>>;

/// A lock for each task that runs in this process; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct TaskLocks(Arc<Locks>);

/// The lock of a task, held until dropped.
pub(crate) struct TaskGuard {
    locks: Arc<Locks>,
    task: TaskId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl TaskLocks {
    /// Waits until no other run of this task is left in this process.
    pub(crate) async fn lock(&self, task: TaskId) -> TaskGuard {
        let lock = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(task).or_default().clone();
        let guard = lock.lock_owned().await;
        TaskGuard { locks: self.0.clone(), task, guard: Some(guard) }
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        // Others hold the lock of this task only while they wait for it; with the map locked none can begin to.
        if locks.get(&self.task).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.task);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_second_run_waits_for_the_first_and_nothing_is_kept_after_both() {
        let locks = TaskLocks::default();
        let task = TaskId::new();
        let first = locks.lock(task).await;
        let mut second = Box::pin(locks.lock(task));
        assert!((&mut second).now_or_never().is_none());
        assert!(locks.lock(TaskId::new()).now_or_never().is_some());
        drop(first);
        drop(second.await);
        assert!(locks.0.lock().unwrap().is_empty());
    }
}
