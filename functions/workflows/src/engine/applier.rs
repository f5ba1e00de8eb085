//! Moves runs: applies the events of the log, those of a run in order, and what the clock brings; side by side, and in
//! turn among owners.

use std::pin::pin;

use futures_util::{StreamExt, stream::FuturesUnordered};
use metrics::counter;
use model::TaskId;
use tracing::warn;

use super::{
    event_queue::{EventQueue, QueuedItem},
    runs::Runs,
    store,
    timing::{now, until_answered},
    turns::Turns,
    update::Updated,
};
use crate::run::event::RunEvent;

/// The pause after a run could not be read, in milliseconds.
const BROKEN_RUN_PAUSE: i64 = 600_000;

/// Applies what the queue has; while the database is away, little more is taken from it.
pub(crate) async fn run(runs: &Runs, queue: &EventQueue) {
    let (mut turns, mut moving) = (Turns::default(), FuturesUnordered::new());
    loop {
        while let Some((run, events)) = turns.next() {
            moving.push(async move {
                apply(runs, queue, run, events).await;
                run
            });
        }
        tokio::select! {
            Some(run) = moving.next() => turns.done(run),
            item = queue.next(), if !turns.is_full() => match item {
                Some(QueuedItem::Event(_, run, RunEvent::Answered(answer))) if !runs.worker.verifier.is_signed(&answer) => {
                    warn!(%run, step = answer.step, "no gateway has signed an answer; it does not count");
                    counter!("bellwire_workflow_answers_refused_total").increment(1);
                }
                Some(QueuedItem::Event(owner, run, event)) => turns.add(owner, run, vec![event]),
                Some(QueuedItem::Due(owner, run, events)) => turns.add(owner, run, events),
                Some(QueuedItem::Gap) => {
                    let mut unfinished = pin!(unfinished(runs));
                    // What is moved goes on meanwhile: one of them may be the next whom the database lets in.
                    let unfinished = loop {
                        tokio::select! {
                            unfinished = &mut unfinished => break unfinished,
                            Some(run) = moving.next() => turns.done(run),
                        }
                    };
                    for (run, owner) in unfinished {
                        turns.add(owner, run, vec![RunEvent::LogGap]);
                    }
                }
                None => return,
            },
        }
    }
}

/// The runs that have not ended, with their owners.
async fn unfinished(runs: &Runs) -> Vec<(TaskId, String)> {
    let unfinished = until_answered("the unfinished runs are not known yet", || {
        let environment = runs.worker.environment.clone();
        runs.database.transaction(move |transaction| store::unfinished(transaction, &environment))
    });
    unfinished.await.unwrap_or_default()
}

/// Applies events to a run. Where the database refuses one of several, the others count nevertheless; a run that is
/// broken is left alone for a while.
async fn apply(runs: &Runs, queue: &EventQueue, run: TaskId, events: Vec<RunEvent>) {
    let failure = "a run is not brought forward yet";
    let update = |events: &[RunEvent]| {
        let events = events.to_vec();
        until_answered(failure, move || runs.update(run, events.clone()))
    };
    let mut updated = update(&events).await;
    if updated.is_none() && events.len() > 1 {
        for event in events.chunks(1) {
            updated = update(event).await.or(updated);
        }
    }
    match updated {
        Some(Updated::Unknown) if events.contains(&RunEvent::Cancelled) => queue.add_cancelled(run),
        Some(_) => {}
        None => {
            let due = now() + BROKEN_RUN_PAUSE;
            let postpone = || runs.database.transaction(move |transaction| store::postpone(transaction, run, due));
            until_answered("a run that is broken is not postponed yet", postpone).await;
        }
    }
}
