//! The lines of a task's log, as they lie in its files.

use futures_util::TryStreamExt;
use model::{
    TaskId,
    log_line::{LogLine, attempt_of},
};
use storage::{FileKey, OwnerFiles, StorageError};

use super::problem::Problem;

/// The most bytes of the log of an attempt: a worker keeps fewer.
const MAX_BYTES: u64 = 2 << 20;

/// The files of a task's log, one for each attempt, in order.
pub(super) async fn log_files(files: &OwnerFiles, task: TaskId) -> Result<Vec<(u32, FileKey)>, Problem> {
    let keys = files.keys_of(&task.to_string()).await?;
    let mut attempts: Vec<_> = keys.into_iter().filter_map(|key| Some((attempt_of(key.name())?, key))).collect();
    attempts.sort_unstable_by_key(|(attempt, _)| *attempt);
    Ok(attempts)
}

/// The lines of these files, in order.
pub(super) async fn read(files: &OwnerFiles, log: Vec<(u32, FileKey)>) -> Result<Vec<LogLine>, Problem> {
    let mut lines = Vec::new();
    for (_, key) in log {
        // A line that is cut off, or of a later version, is left out.
        let text = text(files, &key).await?;
        lines.extend(text.lines().filter_map(|line| serde_json::from_str::<LogLine>(line).ok()));
    }
    Ok(lines)
}

async fn text(files: &OwnerFiles, key: &FileKey) -> Result<String, Problem> {
    let file = match files.get(key).await {
        // It expired in this moment.
        Err(StorageError::NotFound(_)) => return Ok(String::new()),
        found => found?,
    };
    if file.bytes > MAX_BYTES {
        return Err(StorageError::TooLarge(MAX_BYTES).into());
    }
    let bytes = file.content.map_ok(|piece| piece.to_vec()).try_concat().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The place of a line: its attempt, and its number in that.
pub(super) type Place = (u32, u64);

pub(super) fn place_of(line: &LogLine) -> Place {
    (line.attempt, line.number)
}
