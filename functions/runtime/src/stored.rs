//! Inputs and results that are larger than what the broker carries: JSON files of the owner's.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt;
use model::{Job, TaskId};
use serde_json::{Map, Value};
use storage::{FileKey, OwnerFiles, StorageError};
use tokio::time::timeout;

use crate::{failure::Failure, schema::InputSchema};

/// Most bytes of a stored input.
const LARGEST_INPUT: u64 = 16 << 20;
/// How long the storage may take for one of these.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most bytes of the small fields that stay in the event.
const LARGEST_SUMMARY: usize = 8 * 1024;

/// What a function is given, wherever it lies.
pub(crate) struct Given {
    schema: Arc<InputSchema>,
    input: Value,
    stored: Option<String>,
}

impl Given {
    /// What a job gives to a function whose input is as the schema says.
    pub(crate) fn by(job: &Job, schema: Arc<InputSchema>) -> Self {
        Self { schema, input: job.input.clone(), stored: job.stored_input.clone() }
    }

    /// Reads it, and checks it.
    pub(crate) async fn read(self, files: &OwnerFiles) -> Result<Value, Failure> {
        let input = match self.stored {
            Some(key) => read(files, &key).await?,
            None => self.input,
        };
        self.schema.check(&input)?;
        Ok(input)
    }
}

async fn read(files: &OwnerFiles, key: &str) -> Result<Value, Failure> {
    let place: FileKey = key.parse().map_err(|error| Failure::input(format!("its stored input {key:?}: {error}")))?;
    let away = |error| Failure::passing("Its stored input cannot be read now.", error);
    let got = timeout(PATIENCE, get(files, &place)).await;
    let bytes = match got.map_err(|_| away(StorageError::Failed("it does not answer".to_owned())))? {
        Ok(bytes) => bytes,
        Err(StorageError::NotFound(_)) => {
            return Err(Failure::input(format!("its stored input {key} is not there any more; start it again")));
        }
        Err(StorageError::TooLarge(most)) => {
            return Err(Failure::input(format!("its stored input {key} has more than {most} bytes")));
        }
        Err(error) => return Err(away(error)),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::input(format!("its stored input {key} is no JSON: {error}")))
}

async fn get(files: &OwnerFiles, key: &FileKey) -> Result<Vec<u8>, StorageError> {
    let file = files.get(key).await?;
    if file.bytes > LARGEST_INPUT {
        return Err(StorageError::TooLarge(LARGEST_INPUT));
    }
    file.content.map_ok(|piece| piece.to_vec()).try_concat().await
}

/// Stores a task's result and answers what stands for it: the key as `stored`, its small fields, and `href` and
/// `bytes` of the file unless it has an `href` of its own.
pub(crate) async fn result(files: &OwnerFiles, task: TaskId, result: &Value) -> Result<Value, StorageError> {
    let failed = |why: String| StorageError::Failed(why);
    let name = "result.json".parse().map_err(|error: storage::InvalidKey| failed(error.to_string()))?;
    let key = FileKey::new(&task.to_string(), name).map_err(|error| failed(error.to_string()))?;
    let json = serde_json::to_vec(result).map_err(|error| failed(error.to_string()))?;
    let bytes = json.len();
    let put = async {
        let mut upload = files.put(key.clone()).await?;
        upload.write(Bytes::from(json)).await?;
        upload.finish().await
    };
    timeout(PATIENCE, put).await.map_err(|_| failed("it does not answer".to_owned()))??;
    let mut short = small_fields(result);
    if !short.contains_key("href") {
        short.insert("href".to_owned(), key.href().into());
        short.insert("bytes".to_owned(), bytes.into());
    }
    short.insert("stored".to_owned(), key.to_string().into());
    Ok(Value::Object(short))
}

/// The numbers, words and yeses of a result: what lists and toasts are made of.
fn small_fields(result: &Value) -> Map<String, Value> {
    let mut left = LARGEST_SUMMARY;
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
        let long = "x".repeat(LARGEST_SUMMARY);
        let result = json!({ "rows": 7, "table": "t", "long": long, "columns": [1], "more": {}, "done": true });
        assert_eq!(Value::Object(small_fields(&result)), json!({ "rows": 7, "table": "t", "done": true }));
        assert!(small_fields(&json!([1])).is_empty());
    }
}
