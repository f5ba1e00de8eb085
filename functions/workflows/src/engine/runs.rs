//! Updates runs by id, and fetches stored outputs that an update needs.

use bytes::Bytes;
use futures_util::TryStreamExt;
use metrics::counter;
use model::TaskId;
use runtime::{Database, DatabaseError, WorkerContext, database::Transaction};
use serde_json::Value;
use storage::StorageError;
use tokio::sync::Notify;
use tracing::warn;

use super::{
    store::{self, Dialect},
    timing::now,
    update::{StoredOutput, Update, Updated},
};
use crate::run::{event::RunEvent, transition::Limits};

/// The most bytes of an output that is fetched from storage.
const MAX_OUTPUT: u64 = 1024 * 1024;

/// The runs of one environment.
pub(crate) struct Runs {
    pub(crate) worker: WorkerContext,
    pub(crate) database: Database,
    pub(crate) dialect: Dialect,
    /// Notified when messages were written to the outbox.
    pub(crate) outbox_filled: Notify,
    limits: Limits,
}

impl Runs {
    pub(crate) fn new(worker: WorkerContext, database: Database, limits: Limits) -> Self {
        let dialect = Dialect::of(&database);
        Self { worker, database, dialect, outbox_filled: Notify::new(), limits }
    }

    /// Updates a run in one transaction, and again once stored outputs were fetched.
    pub(crate) async fn update(&self, run: TaskId, mut events: Vec<RunEvent>) -> Result<Updated, DatabaseError> {
        loop {
            let update = Update { limits: self.limits, dialect: self.dialect, now: now() };
            let events = std::mem::take(&mut events);
            let updated = self.database.transaction(move |transaction| update.apply(transaction, run, events)).await?;
            self.outbox_filled.notify_one();
            match &updated {
                Updated::Ended(state) => {
                    counter!("bellwire_workflow_runs_total", "outcome" => state.as_str()).increment(1);
                    return Ok(updated);
                }
                Updated::Advanced(missing) if !missing.is_empty() && self.fetch(run, missing).await? => {}
                _ => return Ok(updated),
            }
        }
    }

    /// Fetches outputs from storage into the database; answers whether there were any.
    async fn fetch(&self, run: TaskId, missing: &[StoredOutput]) -> Result<bool, DatabaseError> {
        let mut has_fetched = false;
        for stored in missing {
            match self.read(stored).await {
                Ok(output) => {
                    let (stored, dialect) = (stored.clone(), self.dialect);
                    let save =
                        move |transaction: &mut dyn Transaction| save(transaction, run, &stored, output, dialect);
                    self.database.transaction(save).await?;
                    has_fetched = true;
                }
                Err(error) => warn!(%run, %error, "the output of a step is not brought from storage yet"),
            }
        }
        Ok(has_fetched)
    }

    /// Reads an output; `None` where it is gone or too large: then the summary in the event stays.
    async fn read(&self, stored: &StoredOutput) -> Result<Option<Value>, StorageError> {
        let files = self.worker.storage.files(&self.worker.environment, &stored.owner);
        let download = match files.get(&stored.key).await {
            Err(StorageError::NotFound(_)) => return Ok(None),
            download => download?,
        };
        if download.bytes > MAX_OUTPUT {
            return Ok(None);
        }
        let bytes: Vec<Bytes> = download.content.try_collect().await?;
        Ok(serde_json::from_slice(&bytes.concat()).ok())
    }
}

/// Replaces the summary of an output by the output.
fn save(
    transaction: &mut dyn Transaction,
    run: TaskId,
    stored: &StoredOutput,
    output: Option<Value>,
    dialect: Dialect,
) -> Result<(), DatabaseError> {
    let Some(before) = store::load(transaction, run, dialect)? else {
        return Ok(());
    };
    let mut after = before.clone();
    let item = after.item_mut(stored.item);
    item.fetched = true;
    item.output = output;
    // Due at once, for the steps that wait for it.
    store::save(transaction, (&before, &after), Some(0), None)
}
