//! What is kept of each schedule, and what people have said about it. Both lie in the storage: they outlive the log, the broker and
//! every process.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use model::{Kind, TaskId};
use serde::{Deserialize, Serialize};
use storage::{ScheduleFiles, StorageError};
use tokio::{sync::Mutex, time::timeout};
use tracing::warn;
use utoipa::ToSchema;

/// The time that the storage may take.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The kind and name of a schedule, with a slash between them.
pub(crate) type ScheduleId = String;

/// What the scheduler keeps of a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The rule of its times when this was written: what another rule says of the past was never due.
    pub(crate) rule: String,
    /// Of all times up to this one it is decided what becomes of them.
    pub(crate) decided: Timestamp,
    /// Times that count, and whose tasks have not been started yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waiting: Vec<Timestamp>,
    /// The last task that was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<StartedTask>,
    /// The last time that was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left_out: Option<LeftOut>,
    /// Why what waits is not started yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    /// About when it was last in the catalogue.
    pub(crate) seen: Timestamp,
}

/// A task that was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StartedTask {
    /// The time that it is for.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) time: Timestamp,
    /// Its task.
    #[schema(value_type = String)]
    pub(crate) task: TaskId,
    /// The owner of its task.
    pub(crate) owner: String,
    /// When it was started.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) started: Timestamp,
}

/// A time for which nothing was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeftOut {
    /// The time.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) time: Timestamp,
    /// Why.
    pub(crate) reason: String,
}

/// What people have said about a schedule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    /// That it pauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pause: Option<Pause>,
    /// When they said that it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resumed: Option<Timestamp>,
    /// The last task that they started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<StartedTask>,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pause {
    /// The user who asked for it.
    by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

impl Pause {
    /// One from now on.
    pub(crate) fn now(by: &str) -> Self {
        Self { by: by.to_owned(), since: Timestamp::now() }
    }
}

/// The records of one environment.
pub struct ScheduleBook {
    files: ScheduleFiles,
    /// Held while what was said is changed, so that no word of this pod's is lost.
    changing: Mutex<()>,
}

impl ScheduleBook {
    /// The book that lies in these files.
    pub fn new(files: ScheduleFiles) -> Self {
        Self { files, changing: Mutex::default() }
    }

    /// What is kept of each schedule; nothing at first.
    pub(crate) async fn records(&self) -> Result<BTreeMap<ScheduleId, Record>, StorageError> {
        let Some(bytes) = within(self.files.state()).await? else {
            return Ok(BTreeMap::new());
        };
        serde_json::from_slice(&bytes).map_err(|error| StorageError::Failed(format!("the state of schedules: {error}")))
    }

    /// Keeps this in its place.
    pub(crate) async fn keep(&self, records: &BTreeMap<ScheduleId, Record>) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(records).map_err(|error| StorageError::Failed(error.to_string()))?;
        within(self.files.put_state(bytes.into())).await
    }

    /// What was said about all schedules.
    pub(crate) async fn said(&self) -> Result<BTreeMap<ScheduleId, Said>, StorageError> {
        let said = within(self.files.said()).await?;
        let read = said.into_iter().filter_map(|(kind, name, bytes)| {
            let said = serde_json::from_slice(&bytes);
            let said =
                said.inspect_err(|error| warn!(%kind, name, %error, "what was said about a schedule cannot be read"));
            Some((format!("{kind}/{name}"), said.ok()?))
        });
        Ok(read.collect())
    }

    /// Changes what was said about one.
    pub(crate) async fn say(
        &self,
        kind: &Kind,
        name: &str,
        change: impl FnOnce(&mut Said),
    ) -> Result<(), StorageError> {
        let _changing = within(async { Ok(self.changing.lock().await) }).await?;
        let said = within(self.files.said_of(kind, name)).await?;
        let mut said = said.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        change(&mut said);
        let bytes = serde_json::to_vec(&said).map_err(|error| StorageError::Failed(error.to_string()))?;
        within(self.files.say(kind, name, bytes.into())).await
    }
}

async fn within<T>(request: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    timeout(STORAGE_TIMEOUT, request)
        .await
        .unwrap_or_else(|_| Err(StorageError::Failed("it does not answer".to_owned())))
}
