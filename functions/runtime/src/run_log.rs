//! The log of a run: what its function says to its owner, kept beside the task's files while it runs.
//!
//! Only what a function says on purpose is in it. What libraries and the host write into the worker's own log may name
//! addresses and folders, and is its operator's.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use model::{
    TaskId,
    log_line::{LogLine, file_name},
    toast::Level,
};
use storage::{FileKey, InvalidKey, OwnerFiles, StorageError};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// In characters.
const MAX_MESSAGE: usize = 2000;
/// The most lines that are kept: the first ones and the last ones.
const FIRST_LINES: usize = 200;
const LAST_LINES: usize = 800;
/// The most bytes of either, roughly.
const MAX_BYTES: usize = 256 * 1024;
/// The pause between two times that it is stored.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long its storage may take.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The log of one attempt; cheap to clone, and to be used from any thread.
#[derive(Clone)]
pub struct RunLog(Arc<Shared>);

struct Shared {
    attempt: u32,
    lines: Mutex<Lines>,
    changed: Notify,
}

#[derive(Default)]
struct Lines {
    first: Vec<LogLine>,
    first_bytes: usize,
    last: VecDeque<LogLine>,
    last_bytes: usize,
    /// The number of all lines.
    count: u64,
}

impl RunLog {
    /// An empty log of an attempt.
    pub(crate) fn new(attempt: u32) -> Self {
        Self(Arc::new(Shared { attempt, lines: Mutex::default(), changed: Notify::new() }))
    }

    /// Says something to the task's owner; of many lines the first and the last are kept. It never waits.
    pub fn say(&self, level: Level, message: impl Into<String>) {
        let mut lines = self.lines();
        let place = (self.0.attempt, lines.count + 1);
        let line = LogLine::new(place, Timestamp::now(), level, message.into(), MAX_MESSAGE);
        info!(?level, message = line.message, "said to the owner");
        lines.push(line);
        drop(lines);
        self.0.changed.notify_one();
    }

    /// The lines that are kept.
    pub(crate) fn kept(&self) -> Vec<LogLine> {
        let lines = self.lines();
        lines.first.iter().chain(&lines.last).cloned().collect()
    }

    /// Stores it whenever it has changed, and once more at `ended`; without a line it stores nothing.
    pub(crate) async fn store(&self, files: &OwnerFiles, task: TaskId, ended: &CancellationToken) {
        let mut stored = 0;
        loop {
            let has_ended = tokio::select! {
                () = ended.cancelled() => true,
                () = self.0.changed.notified() => false,
            };
            if self.lines().count > stored {
                let (count, written) = (self.lines().count, self.write(files, task));
                match timeout(STORAGE_TIMEOUT, written).await {
                    Ok(Ok(())) => stored = count,
                    Ok(Err(error)) => warn!(%error, "the log of a run is not stored"),
                    Err(_) => warn!("the log of a run is not stored: the storage does not answer"),
                }
            }
            if has_ended {
                return;
            }
            tokio::select! {
                () = ended.cancelled() => {}
                () = sleep(INTERVAL) => {}
            }
        }
    }

    async fn write(&self, files: &OwnerFiles, task: TaskId) -> Result<(), StorageError> {
        write_lines(files, task, self.0.attempt, &self.kept()).await
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // A panic elsewhere leaves at most a line half counted.
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores lines as the log of an attempt at a task, in place of those that are there: for background work, which has no
/// [`Context`](crate::Context).
pub async fn store_lines(
    files: &OwnerFiles,
    task: TaskId,
    attempt: u32,
    lines: &[LogLine],
) -> Result<(), StorageError> {
    let no_answer = |_| StorageError::Failed("it does not answer".to_owned());
    timeout(STORAGE_TIMEOUT, write_lines(files, task, attempt, lines)).await.map_err(no_answer)?
}

async fn write_lines(files: &OwnerFiles, task: TaskId, attempt: u32, lines: &[LogLine]) -> Result<(), StorageError> {
    let failed = |error: InvalidKey| StorageError::Failed(error.to_string());
    let key = FileKey::new(&task.to_string(), file_name(attempt).parse().map_err(failed)?).map_err(failed)?;
    let lines = lines.iter().filter_map(|line| serde_json::to_string(line).ok());
    let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
    // It is bounded, and a full quota is no reason to say nothing of why a task failed.
    let mut upload = files.put_beyond_quota(key).await?;
    upload.write(Bytes::from(text)).await?;
    upload.finish().await.map(drop)
}

impl Lines {
    fn push(&mut self, line: LogLine) {
        self.count = line.number;
        let bytes = line.message.len();
        let is_first = self.first.len() as u64 + 1 == self.count;
        if is_first && self.first.len() < FIRST_LINES && self.first_bytes + bytes <= MAX_BYTES {
            self.first_bytes += bytes;
            self.first.push(line);
            return;
        }
        self.last_bytes += bytes;
        self.last.push_back(line);
        while self.last.len() > LAST_LINES || self.last_bytes > MAX_BYTES {
            let Some(oldest) = self.last.pop_front() else { return };
            self.last_bytes -= oldest.message.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_lines_the_first_and_the_last_are_kept_and_their_numbers_tell_of_the_gap() {
        let log = RunLog::new(2);
        (0..5000).for_each(|number| log.say(Level::Info, format!("line {number}")));
        let numbers: Vec<_> = log.kept().iter().map(|line| line.number).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[199]), (1000, 1, 200));
        assert_eq!((numbers[200], numbers[999]), (4201, 5000));
        assert!(log.kept().iter().all(|line| line.attempt == 2));
    }

    #[test]
    fn long_lines_are_shortened_and_all_together_stay_bounded() {
        let log = RunLog::new(1);
        log.say(Level::Error, "é".repeat(3000));
        assert_eq!(log.kept()[0].message, "é".repeat(2000) + "…");
        (0..2000).for_each(|_| log.say(Level::Info, "x".repeat(2000)));
        let bytes: usize = log.kept().iter().map(|line| line.message.len()).sum();
        assert!(bytes <= 2 * MAX_BYTES, "{bytes}");
        assert_eq!(log.kept().last().unwrap().number, 2001);
    }
}
