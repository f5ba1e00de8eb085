//! Updates runs by id, and fetches stored outputs that an update needs.

use metrics::counter;
use model::TaskId;
use runtime::{
    Database, DatabaseError, WorkerContext,
    database::Transaction,
    stored::{self, StoredError},
};
use serde_json::Value;
use storage::{OwnerFiles, StorageError};
use tokio::sync::Notify;
use tracing::warn;

use super::{
    store,
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
    /// Notified when messages were written to the outbox.
    pub(crate) outbox_filled: Notify,
    limits: Limits,
}

impl Runs {
    pub(crate) fn new(worker: WorkerContext, database: Database, limits: Limits) -> Self {
        Self { worker, database, outbox_filled: Notify::new(), limits }
    }

    /// Updates a run in one transaction, and again once stored outputs were fetched.
    pub(crate) async fn update(&self, run: TaskId, mut events: Vec<RunEvent>) -> Result<Updated, DatabaseError> {
        loop {
            let update = Update { limits: self.limits, now: now() };
            let events = std::mem::take(&mut events);
            let updated = self.database.transaction(move |transaction| update.apply(transaction, run, events)).await?;
            self.outbox_filled.notify_one();
            match &updated {
                Updated::Ended(outcome) => {
                    counter!("bellwire_workflow_runs_total", "outcome" => *outcome).increment(1);
                    return Ok(updated);
                }
                Updated::Advanced(missing) if !missing.is_empty() && self.fetch(run, missing).await? => {}
                _ => return Ok(updated),
            }
        }
    }

    /// The files of a user.
    pub(crate) fn files(&self, owner: &str) -> OwnerFiles {
        self.worker.storage.files(&self.worker.environment, owner)
    }

    /// Fetches outputs from storage into the database; answers whether there were any.
    async fn fetch(&self, run: TaskId, missing: &[StoredOutput]) -> Result<bool, DatabaseError> {
        let mut has_fetched = false;
        for stored in missing {
            match self.read(stored).await {
                Ok(output) => {
                    let stored = stored.clone();
                    let save = move |transaction: &mut dyn Transaction| save(transaction, run, &stored, output);
                    self.database.transaction(save).await?;
                    has_fetched = true;
                }
                Err(error) => warn!(%run, %error, "the output of a step is not brought from storage yet"),
            }
        }
        Ok(has_fetched)
    }

    /// Reads an output; `None` where it is gone or too large: then the summary in the event stays.
    async fn read(&self, output: &StoredOutput) -> Result<Option<Value>, StorageError> {
        match stored::read(&self.files(&output.owner), &output.key, MAX_OUTPUT).await {
            Ok(output) => Ok(Some(output)),
            Err(
                StoredError::Storage(StorageError::NotFound(_) | StorageError::TooLarge(_))
                | StoredError::Json(_)
                | StoredError::Memory(_),
            ) => Ok(None),
            Err(StoredError::Storage(error)) => Err(error),
        }
    }
}

/// Replaces the summary of an output by the output.
fn save(
    transaction: &mut dyn Transaction,
    run: TaskId,
    stored: &StoredOutput,
    output: Option<Value>,
) -> Result<(), DatabaseError> {
    let Some(before) = store::load(transaction, run)? else {
        return Ok(());
    };
    let mut after = before.clone();
    let item = after.item_mut(stored.item);
    item.fetched = true;
    item.output = output;
    // Due at once, for the steps that wait for it.
    store::save(transaction, (&before, &after), Some(0), None)
}
