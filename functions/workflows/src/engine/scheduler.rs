//! Finds the runs that are due by the clock, and removes old ones.

use std::time::Duration;

use backon::Retryable;
use runtime::DatabaseError;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tracing::warn;

use super::{
    event_queue::EventQueue,
    runs::Runs,
    store,
    timing::{backoff, jittered, now},
};
use crate::run::event::RunEvent;

const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const PURGE_INTERVAL: Duration = Duration::from_secs(600);

/// Sweeps every second, and when a run was started here.
pub(crate) async fn run(runs: &Runs, queue: &EventQueue, run_started: &Notify, keep: Duration) {
    let mut purge_at = Instant::now();
    loop {
        let sweep_at = Instant::now() + jittered(SWEEP_INTERVAL);
        let sweep = (|| sweep(runs, queue)).retry(backoff());
        // Without a limit of attempts, it ends only with success.
        sweep.notify(|error, _| warn!(%error, "runs cannot be brought forward now; it is tried again")).await.ok();
        if Instant::now() >= purge_at {
            purge_at = Instant::now() + jittered(PURGE_INTERVAL);
            purge(runs, keep).await;
        }
        // For messages that other processes have written to the outbox and not sent.
        runs.outbox_filled.notify_one();
        tokio::select! {
            () = sleep_until(sweep_at) => {}
            () = run_started.notified() => {}
        }
    }
}

async fn sweep(runs: &Runs, queue: &EventQueue) -> Result<(), DatabaseError> {
    for (owner, run, events) in queue.take_progress() {
        queue.add_due(owner, run, events).await;
    }
    let (environment, now) = (runs.worker.environment.clone(), now());
    let due = runs.database.transaction(move |transaction| store::due(transaction, &environment, now)).await?;
    for (run, owner) in due {
        let events = if queue.is_cancelled(run) { vec![RunEvent::Cancelled] } else { Vec::new() };
        queue.add_due(owner, run, events).await;
    }
    Ok(())
}

async fn purge(runs: &Runs, keep: Duration) {
    let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let before = now().saturating_sub(keep);
    loop {
        let environment = runs.worker.environment.clone();
        let purged = runs.database.transaction(move |transaction| store::purge(transaction, &environment, before));
        match purged.await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return warn!(%error, "old runs are not removed now; later"),
        }
    }
}
