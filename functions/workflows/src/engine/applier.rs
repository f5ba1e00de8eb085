//! Applies the events of the log to runs, in order.

use metrics::counter;
use model::TaskId;
use tracing::warn;

use super::{
    event_queue::{EventQueue, QueuedItem},
    runs::Runs,
    store,
    timing::until_answered,
    update::Updated,
};
use crate::run::event::RunEvent;

/// Applies what the queue has; while the database is away, nothing more is taken from it.
pub(crate) async fn run(runs: &Runs, queue: &EventQueue) {
    while let Some(item) = queue.next().await {
        match item {
            QueuedItem::Event(run, RunEvent::Answered(answer)) if !runs.worker.verifier.is_signed(&answer) => {
                warn!(%run, step = answer.step, "no gateway has signed an answer; it does not count");
                counter!("bellwire_workflow_answers_refused_total").increment(1);
            }
            QueuedItem::Event(run, event) => apply(runs, queue, run, event).await,
            QueuedItem::Gap => apply_gap(runs, queue).await,
        }
    }
}

async fn apply(runs: &Runs, queue: &EventQueue, run: TaskId, event: RunEvent) {
    let update = || runs.update(run, vec![event.clone()]);
    let updated = until_answered("an event of a run is not applied yet", update).await;
    if updated == Some(Updated::Unknown) && event == RunEvent::Cancelled {
        queue.add_cancelled(run);
    }
}

async fn apply_gap(runs: &Runs, queue: &EventQueue) {
    let unfinished = until_answered("the unfinished runs are not known yet", || {
        let environment = runs.worker.environment.clone();
        runs.database.transaction(move |transaction| store::unfinished(transaction, &environment))
    });
    for run in unfinished.await.unwrap_or_default() {
        apply(runs, queue, run, RunEvent::LogGap).await;
    }
}
