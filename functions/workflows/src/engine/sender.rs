//! Sends the outbox to the broker, and through the storage what is kept there.

use std::{ops::Range, time::Duration};

use backplane::{Destination, SendError};
use futures_util::{StreamExt, stream};
use model::{Job, TaskId};
use runtime::{DatabaseError, database::Transaction, run_log, stored};
use serde_json::json;
use storage::StorageError;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::{error, warn};

use super::{
    outbox::{self, ClaimedMessage, EndOfRun, Message, Way},
    runs::Runs,
    store,
    timing::{jittered, now},
};
use crate::run::{
    event::{RunEvent, TaskOutcome, step_error},
    said::STORE_INTERVAL,
};

/// The attempt whose log is that of a run.
const RUN_ATTEMPT: u32 = 1;
/// The most messages that are sent at the same time.
const CONCURRENCY: usize = 16;
/// The time that the end of a run waits for its log to be stored.
const END_LOG_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after the broker did not take a message, in milliseconds.
const RETRY_PAUSE: Range<i64> = 1000..3000;

enum SendOutcome {
    Sent,
    RetryLater,
    /// With the reason.
    Refused(String),
}

/// Sends messages whenever the outbox was filled.
pub(crate) async fn send_outbox(runs: &Runs) {
    let (broker, storage) = (Notify::new(), Notify::new());
    let notify = async {
        loop {
            runs.outbox_filled.notified().await;
            broker.notify_one();
            storage.notify_one();
        }
    };
    tokio::join!(notify, send_on(runs, Way::Broker, &broker), send_on(runs, Way::Storage, &storage));
}

/// Sends what goes one way.
async fn send_on(runs: &Runs, way: Way, filled: &Notify) {
    loop {
        filled.notified().await;
        loop {
            match send_batch(runs, way).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    warn!(%error, "the outbox cannot be read now");
                    sleep(jittered(Duration::from_secs(1))).await;
                    break;
                }
            }
        }
    }
}

/// Sends some messages; answers whether there may be more.
async fn send_batch(runs: &Runs, way: Way) -> Result<bool, DatabaseError> {
    let environment = runs.worker.environment.clone();
    // Before the claim begins, so that it lasts longer.
    let give_up_at = Instant::now() + outbox::SEND_TIMEOUT;
    let claim = move |transaction: &mut dyn Transaction| outbox::claim(transaction, &environment, way, now());
    let claimed = runs.database.transaction(claim).await?;
    let may_have_more = claimed.len() as i64 == outbox::CLAIM_BATCH;
    let sent: Vec<_> = stream::iter(claimed)
        .map(|claimed| async { (send_until(give_up_at, &claimed.id, send(runs, &claimed.message)).await, claimed) })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    for (outcome, claimed) in &sent {
        if let (SendOutcome::Refused(reason), Message::Job(job)) = (outcome, &claimed.message) {
            let event = RunEvent::TaskEnded(job.task, TaskOutcome::Failed(step_error(reason.clone()), None));
            update_run_of(runs, job, event).await?;
        }
    }
    runs.database.transaction(move |transaction| settle(transaction, &sent)).await?;
    Ok(may_have_more)
}

/// Gives a message up for now before another process may claim it: of two that write one log, the older might come last.
async fn send_until(time: Instant, id: &str, send: impl Future<Output = SendOutcome>) -> SendOutcome {
    timeout_at(time, send).await.unwrap_or_else(|_| {
        warn!(id, "a message of a workflow is not sent in time; it is tried again");
        SendOutcome::RetryLater
    })
}

async fn send(runs: &Runs, message: &Message) -> SendOutcome {
    let backplane = &runs.worker.backplane;
    let sent = match message {
        Message::Event(event) => backplane.log.publish(Destination::Own, event).await,
        Message::End(end) => match store_end(runs, end).await {
            Ok(()) => backplane.log.publish(Destination::Own, &end.event).await,
            Err(error) => {
                warn!(run = %end.run, %error, "the list of a run's files is not stored yet; it is tried again");
                return SendOutcome::RetryLater;
            }
        },
        Message::Log(run) => match store_log(runs, *run).await {
            Ok(()) => return SendOutcome::Sent,
            Err(error) => {
                warn!(%run, %error, "what a run has said is not stored yet; it is tried again");
                return SendOutcome::RetryLater;
            }
        },
        Message::Job(job) => match stored::with_stored_input(&runs.files(&job.owner), job).await {
            Ok(job) => backplane.jobs.submit(&job).await,
            Err(error) => {
                warn!(%error, "the input of a step is not stored yet; it is tried again");
                return SendOutcome::RetryLater;
            }
        },
    };
    match sent {
        Ok(()) => SendOutcome::Sent,
        Err(SendError::Unroutable(reason)) => {
            if let Message::Job(job) = message {
                warn!(task = %job.task, reason, "a step waits until there is a worker of its kind");
                let note = format!("there is no worker of kind {} yet", job.kind);
                update_run_of(runs, job, RunEvent::TaskWaits(job.task, note)).await.ok();
            }
            SendOutcome::RetryLater
        }
        Err(error) if error.is_transient() => {
            warn!(%error, "a message of a workflow is not sent yet; it is tried again");
            SendOutcome::RetryLater
        }
        Err(error) => {
            error!(%error, "a message of a workflow cannot be sent");
            SendOutcome::Refused(format!("its job could not be submitted: {error}"))
        }
    }
}

/// Stores what belongs to the end of a run, before it is told.
async fn store_end(runs: &Runs, end: &EndOfRun) -> Result<(), StorageError> {
    // Whoever follows the log reads no further than the end. It has a message of its own, so this is tried once.
    let stored = timeout(END_LOG_TIMEOUT, store_log(runs, end.run)).await;
    if let Err(error) = stored.map_err(anyhow::Error::from).and_then(|stored| stored) {
        warn!(run = %end.run, %error, "a run has ended before all that it has said is stored");
    }
    if end.files.is_empty() {
        return Ok(());
    }
    let list = json!({ "files": end.files });
    stored::write(&runs.files(&end.owner), end.run, "files.json", &list).await.map(drop)
}

/// Stores all that a run has said so far.
async fn store_log(runs: &Runs, run: TaskId) -> anyhow::Result<()> {
    let load = move |transaction: &mut dyn Transaction| store::load_said(transaction, run);
    if let Some((owner, said)) = runs.database.transaction(load).await? {
        run_log::store_lines(&runs.files(&owner), run, RUN_ATTEMPT, said.lines()).await?;
    }
    Ok(())
}

async fn update_run_of(runs: &Runs, job: &Job, event: RunEvent) -> Result<(), DatabaseError> {
    match job.parent {
        Some(run) => runs.update(run, vec![event]).await.map(drop),
        None => Ok(()),
    }
}

fn settle(transaction: &mut dyn Transaction, sent: &[(SendOutcome, ClaimedMessage)]) -> Result<(), DatabaseError> {
    for (outcome, claimed) in sent {
        match outcome {
            SendOutcome::Sent | SendOutcome::Refused(_) => {
                outbox::remove(transaction, claimed)?;
                if matches!(claimed.message, Message::Log(_)) {
                    // What was said meanwhile was kept for whoever had claimed it.
                    outbox::postpone(transaction, &claimed.id, now() + STORE_INTERVAL)?;
                }
            }
            SendOutcome::RetryLater => {
                outbox::postpone(transaction, &claimed.id, now() + rand::random_range(RETRY_PAUSE))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_given_up_and_tried_again() {
        let begun = Instant::now();
        let outcome = send_until(begun + Duration::from_millis(1), "1.log", pending()).await;
        assert!(matches!(outcome, SendOutcome::RetryLater));
        // Of that part of a batch which waited for the rest as well.
        assert!(matches!(send_until(begun, "2.log", pending()).await, SendOutcome::RetryLater));
    }
}
