//! Inputs and results that are too large for the broker: JSON files of the task's owner.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use model::{Job, TaskId, json_memory};
use serde_json::{Map, Value};
use storage::{FileKey, InvalidKey, OwnerFiles, StorageError};
use tokio::time::timeout;

use crate::failure::Failure;

/// The most bytes of an input within a job.
const MAX_IN_JOB: usize = 64 * 1024;
/// The most bytes of a stored input.
const MAX_INPUT: u64 = 16 << 20;
/// The most bytes of memory that stored JSON may take once it is read.
const MAX_MEMORY: usize = 64 << 20;
/// The time limit of reading or writing one file.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// The most bytes of the small fields that stay in the event.
const MAX_SUMMARY: usize = 8 * 1024;

/// An error of reading a stored value.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The storage failed, or has no such file, or the file is too large.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It has too many values; the number is the memory that they would take, in MiB.
    #[error("it has too many values: they would take {0} MiB of memory, and {most} are allowed", most = MAX_MEMORY >> 20)]
    Memory(usize),
    /// The file is not JSON.
    #[error("it is no JSON: {0}")]
    Json(serde_json::Error),
}

/// Reads a JSON file of at most so many bytes.
pub async fn read(files: &OwnerFiles, key: &FileKey, most: u64) -> Result<Value, StoredError> {
    let bytes = timeout(STORAGE_TIMEOUT, get(files, key, most)).await.map_err(|_| no_answer())??;
    let memory = json_memory::of_text(&bytes);
    if memory > MAX_MEMORY {
        return Err(StoredError::Memory(memory >> 20));
    }
    serde_json::from_slice(&bytes).map_err(StoredError::Json)
}

/// Writes a JSON file of a task, the same however often; returns its key and its size in bytes.
pub async fn write(
    files: &OwnerFiles,
    task: TaskId,
    name: &str,
    value: &Value,
) -> Result<(FileKey, usize), StorageError> {
    let name = name.parse().map_err(|error: InvalidKey| StorageError::Failed(error.to_string()))?;
    let key = FileKey::new(&task.to_string(), name).map_err(|error| StorageError::Failed(error.to_string()))?;
    let json = serde_json::to_vec(value).map_err(|error| StorageError::Failed(error.to_string()))?;
    let bytes = json.len();
    let put = async {
        // Its task is accepted or has had its effect: a full quota is no reason to forget what belongs to it.
        let mut upload = files.put_beyond_quota(key.clone()).await?;
        upload.write(Bytes::from(json)).await?;
        upload.finish().await
    };
    timeout(STORAGE_TIMEOUT, put).await.map_err(|_| no_answer())??;
    Ok((key, bytes))
}

/// The job as the broker carries it: an input of more than 64 KiB is moved into a file.
pub async fn with_stored_input(files: &OwnerFiles, job: &Job) -> Result<Job, StorageError> {
    if job.input.to_string().len() <= MAX_IN_JOB {
        return Ok(job.clone());
    }
    let (key, _) = write(files, job.task, "input.json", &job.input).await?;
    Ok(Job { input: Value::Null, stored_input: Some(key.to_string()), ..job.clone() })
}

/// Reads the stored input of a job.
pub(crate) async fn read_input(files: &OwnerFiles, key: &str) -> Result<Value, Failure> {
    let parsed = key.parse().map_err(|error| Failure::input(format!("its stored input {key:?}: {error}")))?;
    read(files, &parsed, MAX_INPUT).await.map_err(|error| match error {
        StoredError::Storage(StorageError::NotFound(_)) => {
            Failure::input(format!("its stored input {key} is not there any more; start it again"))
        }
        StoredError::Storage(StorageError::TooLarge(most)) => {
            Failure::input(format!("its stored input {key} has more than {most} bytes"))
        }
        StoredError::Storage(error) => Failure::passing("Its stored input cannot be read now.", error),
        StoredError::Json(error) => Failure::input(format!("its stored input {key} is no JSON: {error}")),
        StoredError::Memory(_) => Failure::input(format!("its stored input {key}: {error}")),
    })
}

/// Stores a task's result and returns what stands for it in the event: the key as `stored`, the small fields, and `href`
/// and `bytes` of the file unless the result has an `href` of its own.
pub(crate) async fn store_result(files: &OwnerFiles, task: TaskId, result: &Value) -> Result<Value, StorageError> {
    let (key, bytes) = write(files, task, "result.json", result).await?;
    let mut short = small_fields(result);
    if !short.contains_key("href") {
        short.insert("href".to_owned(), key.href().into());
        short.insert("bytes".to_owned(), bytes.into());
    }
    short.insert("stored".to_owned(), key.to_string().into());
    Ok(Value::Object(short))
}

async fn get(files: &OwnerFiles, key: &FileKey, most: u64) -> Result<Vec<u8>, StorageError> {
    let file = files.get(key).await?;
    if file.bytes > most {
        return Err(StorageError::TooLarge(most));
    }
    file.content.map_ok(|piece| piece.to_vec()).try_concat().await
}

fn no_answer() -> StorageError {
    StorageError::Failed("it does not answer".to_owned())
}

/// The fields of a result that are neither objects nor arrays: the ones that lists and toasts show.
fn small_fields(result: &Value) -> Map<String, Value> {
    let mut left = MAX_SUMMARY;
    let fields = result.as_object().into_iter().flatten().filter(|(_, value)| !value.is_object() && !value.is_array());
    let fitting = fields.filter(|(name, value)| {
        let bytes = name.len() + value.to_string().len();
        let fits = bytes <= left;
        left -= if fits { bytes } else { 0 };
        fits
    });
    fitting.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stays_of_a_large_result_is_small_and_whole() {
        let long = "x".repeat(MAX_SUMMARY);
        let result = json!({ "rows": 7, "table": "t", "long": long, "columns": [1], "more": {}, "done": true });
        assert_eq!(Value::Object(small_fields(&result)), json!({ "rows": 7, "table": "t", "done": true }));
        assert!(small_fields(&json!([1])).is_empty());
    }
}
