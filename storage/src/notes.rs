//! Notes that functions keep of their tasks: what an attempt has done that the next must not do again.

use std::time::SystemTime;

use bytes::Bytes;
use model::TaskId;

use crate::{error::StorageError, records::Records};

/// The notes of one environment's tasks, which their owners cannot read or change; cheap to clone.
#[derive(Clone)]
pub struct TaskNotes(Records);

impl TaskNotes {
    pub(crate) fn new(records: Records) -> Self {
        Self(records)
    }

    /// The note of a task; none at first.
    pub async fn of(&self, task: TaskId) -> Result<Option<Bytes>, StorageError> {
        self.0.read(&task.to_string()).await
    }

    /// Keeps this as the note of a task; once it returns, it outlives the process.
    pub async fn keep(&self, task: TaskId, note: Bytes) -> Result<(), StorageError> {
        self.0.put(&task.to_string(), note).await
    }

    /// Removes notes that were kept before a time; returns their number.
    pub async fn remove_older(&self, before: SystemTime) -> Result<u64, StorageError> {
        self.0.remove_older(before).await
    }
}
