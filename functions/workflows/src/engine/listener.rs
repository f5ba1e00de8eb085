//! Turns the entries of the log into events of runs.

use std::time::Duration;

use backplane::follow::{FollowTiming, Followed, Follower};
use model::{PodId, TaskId};
use tracing::warn;

use super::{event_buffer::EventBuffer, runs::Runs, store, timing::until_answered, update::Updated};
use crate::run::event::RunEvent;

/// Reads the log from its horizon on, so that events are found that were published while no engine ran.
pub(crate) async fn listen(runs: &Runs, buffer: &EventBuffer, horizon: Duration) -> anyhow::Result<()> {
    // Another name than the host's: each follows the log by pulses of its own.
    let timing = FollowTiming::with_horizon(horizon);
    let mut follower = Follower::start(runs.worker.backplane.log.clone(), &PodId::worker(), timing);
    while let Some(item) = follower.next().await {
        match item {
            Followed::Entry(entry) => match RunEvent::from_entry(&entry) {
                None => {}
                Some((run, RunEvent::TaskProgressed(task, progress))) => buffer.add_progress(run, task, progress),
                Some((run, event)) => apply(runs, buffer, run, event).await,
            },
            Followed::Gap(gap) => {
                warn!(?gap, "a part of the log was lost; steps under way are asked for again");
                apply_gap(runs, buffer).await;
            }
            Followed::CaughtUp(_) => {}
        }
    }
    anyhow::bail!("the reader of the event log has ended")
}

/// Applies an event that must not be lost: while the database is away, nothing after it is read.
async fn apply(runs: &Runs, buffer: &EventBuffer, run: TaskId, event: RunEvent) {
    let update = || runs.update(run, vec![event.clone()]);
    let updated = until_answered("what was heard is not written down yet", update).await;
    if updated == Some(Updated::Unknown) && event == RunEvent::Cancelled {
        buffer.add_cancelled(run);
    }
}

async fn apply_gap(runs: &Runs, buffer: &EventBuffer) {
    let unfinished = until_answered("the runs under way are not known yet", || {
        let environment = runs.worker.environment.clone();
        runs.database.transaction(move |transaction| store::unfinished(transaction, &environment))
    });
    for run in unfinished.await.unwrap_or_default() {
        apply(runs, buffer, run, RunEvent::LogGap).await;
    }
}
