//! Sends the outbox to the broker.

use std::{ops::Range, time::Duration};

use backplane::{Destination, SendError};
use futures_util::{StreamExt, stream};
use model::Job;
use runtime::{DatabaseError, database::Transaction, run_log, stored};
use serde_json::json;
use storage::StorageError;
use tokio::time::sleep;
use tracing::{error, warn};

use super::{
    outbox::{self, ClaimedMessage, Message, StateWithFiles},
    runs::Runs,
    timing::{jittered, now},
};
use crate::run::event::{RunEvent, TaskOutcome, step_error};

/// The attempt whose log is that of a run.
const RUN_ATTEMPT: u32 = 1;
/// The most messages that are sent at the same time.
const CONCURRENCY: usize = 16;
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
    loop {
        runs.outbox_filled.notified().await;
        loop {
            match send_batch(runs).await {
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
async fn send_batch(runs: &Runs) -> Result<bool, DatabaseError> {
    let environment = runs.worker.environment.clone();
    let claim = move |transaction: &mut dyn Transaction| outbox::claim(transaction, &environment, now());
    let claimed = runs.database.transaction(claim).await?;
    let may_have_more = claimed.len() as i64 == outbox::CLAIM_BATCH;
    let sent: Vec<_> = stream::iter(claimed)
        .map(|claimed| async { (send(runs, &claimed.message).await, claimed) })
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

async fn send(runs: &Runs, message: &Message) -> SendOutcome {
    let backplane = &runs.worker.backplane;
    let sent = match message {
        Message::Event(event) => backplane.log.publish(Destination::Own, event).await,
        Message::State(state) => match store(runs, state).await {
            Ok(()) => backplane.log.publish(Destination::Own, &state.event).await,
            Err(error) => {
                warn!(run = %state.run, %error, "the list of a run's files is not stored yet; it is tried again");
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

/// Stores what belongs to the state of a run, before it is told.
async fn store(runs: &Runs, state: &StateWithFiles) -> Result<(), StorageError> {
    let files = runs.files(&state.owner);
    // What it says is no reason to keep its state back.
    if !state.said.is_empty()
        && let Err(error) = run_log::store_lines(&files, state.run, RUN_ATTEMPT, &state.said).await
    {
        warn!(run = %state.run, %error, "what a run has said is not stored");
    }
    if state.files.is_empty() {
        return Ok(());
    }
    let list = json!({ "files": state.files });
    stored::write(&files, state.run, "files.json", &list).await.map(drop)
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
            SendOutcome::Sent | SendOutcome::Refused(_) => outbox::remove(transaction, claimed)?,
            SendOutcome::RetryLater => {
                outbox::postpone(transaction, &claimed.id, now() + rand::random_range(RETRY_PAUSE))?;
            }
        }
    }
    Ok(())
}
