//! When a report's file goes: a file's key says that it is a report's, and the storage when it was put.

use std::time::{Duration, SystemTime};

use model::TaskId;
use runtime::WorkerContext;
use storage::FileKey;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{definition::Definition, input::Format};

/// What the key of each report's file begins with, and of no other file: uploads have keys of their own.
const PREFIX: &str = "report-";
/// Between two looks; a file may be there that much longer.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Where a task's report is: the same worker each time it is made.
pub(crate) fn key(task: TaskId, definition: &Definition, format: Format) -> FileKey {
    let name = format!("{}.{format}", definition.name).parse().expect("a report's name is a file's name");
    FileKey::new(&format!("{PREFIX}{task}"), name).expect("a task's id is an id of a key")
}

/// Removes files that are older than `keep`, until `stop`.
pub(crate) async fn sweep(worker: &WorkerContext, keep: Duration, stop: CancellationToken) {
    let pause = (keep / 10).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    loop {
        if let Some(before) = SystemTime::now().checked_sub(keep) {
            tokio::select! {
                removed = worker.storage.remove_older(&worker.environment, PREFIX, before) => match removed {
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
