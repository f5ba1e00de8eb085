//! Advances runs to their end. Any number of processes may do so at once: each update is a transaction that locks its
//! run, and a message that is sent twice has the same id.
//!
//! - `event_queue`: the events of the log, from the host's reader, and the runs that are due by the clock, from the
//!   `scheduler`; the `applier` moves their runs, whose owners take `turns`
//! - `runs`: updates runs, in transactions (`update`) over their tables ([`store`]) and the `outbox`
//! - `sender`: sends the outbox to the broker
//! - `timing`: jitter, backoff and the clock

mod applier;
mod event_queue;
mod outbox;
mod runs;
mod scheduler;
mod sender;
pub(crate) mod store;
mod timing;
mod turns;
mod update;

use metrics::{counter, describe_counter};
use runtime::{Database, WorkerContext};
use tokio::sync::Notify;

pub(crate) use event_queue::EventQueue;

use crate::config::WorkflowsConfig;

/// Advances runs while it is polled; `run_started` wakes it when a run was started in this process.
pub(crate) async fn run(
    worker: WorkerContext,
    database: Database,
    config: &WorkflowsConfig,
    queue: &EventQueue,
    run_started: &Notify,
) {
    describe_counter!("bellwire_workflow_runs_total", "Runs of workflows that this worker has ended, by how.");
    describe_counter!("bellwire_workflow_answers_refused_total", "Answers to questions that no gateway has signed.");
    counter!("bellwire_workflow_answers_refused_total").increment(0);
    let runs = runs::Runs::new(worker, database, config.into());
    let tables = || runs.database.transaction_with(&store::TABLES, |_| Ok(()));
    timing::until_answered("the tables of workflows are not there yet", tables).await;
    tokio::select! {
        () = applier::run(&runs, queue) => {}
        () = scheduler::run(&runs, queue, run_started, config.keep) => {}
        () = sender::send_outbox(&runs) => {}
    }
}
