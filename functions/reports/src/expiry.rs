//! Removal of expired files: the key of a file marks it as a report's, and the storage knows its age.

use std::time::{Duration, SystemTime};

use model::TaskId;
use runtime::WorkerContext;
use storage::{FileKey, StorageError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The prefix of the keys of reports' files and of no others. With a '-' in it they outlive `files.keep`.
const PREFIX: &str = "report-";
/// The pause between two removals is also the most that a file outlives its time.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// The key of a task's file of this name: the same in each attempt.
pub(crate) fn file_key(task: TaskId, name: &str) -> FileKey {
    let name = name.parse().expect("what a report is called is a file's name");
    FileKey::new(&format!("{PREFIX}{task}"), name).expect("a task's id is an id of a key")
}

async fn remove(worker: &WorkerContext, before: SystemTime) -> Result<u64, StorageError> {
    let (storage, environment) = (&worker.storage, &worker.environment);
    let files = storage.remove_older(environment, |id| id.starts_with(PREFIX), before).await?;
    // Who may read a file that is gone, and who has got it.
    storage.shares(environment).remove_older(before).await?;
    storage.notes(environment).remove_older(before).await?;
    Ok(files)
}

/// Removes files that are older than `keep`, until `stop`.
pub(crate) async fn remove_expired(worker: &WorkerContext, keep: Duration, stop: CancellationToken) {
    let pause = (keep / 10).clamp(MIN_PAUSE, MAX_PAUSE);
    loop {
        if let Some(before) = SystemTime::now().checked_sub(keep) {
            tokio::select! {
                removed = remove(worker, before) => match removed {
                    Ok(0) => {}
                    Ok(files) => tracing::info!(files, "reports have expired"),
                    Err(error) => tracing::warn!(%error, "expired reports were not all removed; they will be"),
                },
                () = stop.cancelled() => return,
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}
