//! Advances runs to their end. Any number of processes may do so at once: each update is a transaction that locks its
//! run, and a message that is sent twice has the same id.
//!
//! - `listener`: turns log entries into events of runs; `event_buffer` holds those that may wait
//! - `scheduler`: updates the runs that are due by the clock
//! - `runs`: updates runs, in transactions (`update`) over their tables ([`store`]) and the `outbox`
//! - `sender`: sends the outbox to the broker
//! - `timing`: jitter, backoff and the clock

mod event_buffer;
mod listener;
mod outbox;
mod runs;
mod scheduler;
mod sender;
pub(crate) mod store;
mod timing;
mod update;

use std::{sync::Arc, time::Duration};

use runtime::{Database, WorkerContext};
use tokio::sync::Notify;

use crate::config::WorkflowsConfig;

/// The engine of one process.
pub(crate) struct Engine {
    runs: runs::Runs,
    buffer: event_buffer::EventBuffer,
    run_started: Arc<Notify>,
    horizon: Duration,
    keep: Duration,
}

impl Engine {
    /// An engine that `run_started` wakes when a run was started in this process.
    pub(crate) fn new(
        worker: WorkerContext,
        database: Database,
        config: &WorkflowsConfig,
        run_started: Arc<Notify>,
    ) -> Self {
        let runs = runs::Runs::new(worker, database, config.into());
        Self { runs, buffer: Default::default(), run_started, horizon: config.host.horizon, keep: config.keep }
    }

    /// Advances runs while it is polled; ends only with an error.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let Self { runs, buffer, .. } = self;
        let tables = || runs.database.transaction_with(&store::TABLES, |_| Ok(()));
        timing::until_answered("the tables of workflows are not there yet", tables).await;
        tokio::select! {
            ended = listener::listen(runs, buffer, self.horizon) => ended,
            () = scheduler::run(runs, buffer, &self.run_started, self.keep) => Ok(()),
            () = sender::send_outbox(runs) => Ok(()),
        }
    }
}
