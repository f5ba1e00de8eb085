//! Takes jobs of one kind and has them done, a bounded number at once.

use std::{sync::Arc, time::Duration};

use backplane::{Backplane, Environment, JobReader, Kind, Link, PodId, follow::Hearing};
use serde::{Deserialize, Serialize};
use storage::Storage;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    attempt::UNWINDING_AT_STOP, cancellations::Cancellations, erased::Erased, function::Function, runner::Runner,
    underway::Underway,
};

/// How a host works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostConfig {
    /// Jobs at once. 2.
    pub concurrency: u16,
    /// Attempts at a job before it is given up. 5.
    pub attempts: u32,
    /// Seconds that running jobs have to finish when the process is told to stop. 25.
    pub grace_seconds: u64,
    /// Hours back that the log is read for tasks taken back before their job was taken. 24.
    pub horizon_hours: u32,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { concurrency: 2, attempts: 5, grace_seconds: 25, horizon_hours: 24 }
    }
}

/// Where a host works.
#[derive(Clone)]
pub struct Place {
    /// Whose jobs it does.
    pub environment: Environment,
    /// That environment's backplane.
    pub backplane: Backplane,
    /// Where its files lie.
    pub storage: Storage,
    /// This process.
    pub pod: PodId,
}

/// Whether a host hears what it must hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Jobs are taken, and the log is heard.
    Ready,
    /// Not now; the text says why.
    NotReady(String),
}

/// Why a host can take no more jobs; its process should be started again.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The task that reads the queue has ended.
    #[error("the reader of the {0} queue has ended")]
    QueueEnded(Kind),
    /// The task that follows the log has ended.
    #[error("the reader of the event log has ended")]
    LogEnded,
}

/// A host of one function: build it, then run it.
pub struct Host {
    config: HostConfig,
    runner: Arc<Runner>,
    backplane: Backplane,
    readiness: watch::Sender<Readiness>,
}

impl Host {
    /// A host that follows the log already and takes no job yet. Called within a runtime.
    pub fn new(place: Place, config: HostConfig, function: impl Function) -> Self {
        let Place { environment, backplane, storage, pod } = place;
        let horizon = Duration::from_secs(u64::from(config.horizon_hours) * 3600);
        let function: Arc<dyn Erased> = Arc::new(function);
        let runner = Runner {
            environment,
            log: backplane.log.clone(),
            storage,
            kind: function.name(),
            function,
            cancellations: Cancellations::follow(backplane.log.clone(), &pod, horizon),
            underway: Underway::default(),
            attempts: config.attempts.max(1),
            giving_up: CancellationToken::new(),
        };
        let readiness = watch::Sender::new(Readiness::NotReady("starting".to_owned()));
        Self { config, runner: Arc::new(runner), backplane, readiness }
    }

    /// Whether it hears its queue and the log, for as long as it runs.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    /// Takes jobs until `shutdown`; then lets the running ones finish within the grace and puts back the rest.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), HostError> {
        tokio::pin!(shutdown);
        let mut hearing = self.runner.cancellations.hearing.clone();
        self.say_ready(&hearing.borrow(), None);
        // A task that was taken back is known only once the log was read.
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            caught_up = hearing.wait_for(|hearing| *hearing == Hearing::CaughtUp) => {
                caught_up.map_err(|_| HostError::LogEnded)?;
            }
        }
        info!(kind = %self.runner.kind, environment = %self.runner.environment, "taking jobs");
        let mut queue = self.backplane.jobs.take(&self.runner.kind, self.config.concurrency.max(1));
        let mut jobs = JoinSet::new();
        let ended = self.take_jobs(&mut queue, &mut jobs, hearing, shutdown).await;
        self.readiness.send_replace(Readiness::NotReady("stopping".to_owned()));
        self.finish(&mut jobs).await;
        // Only now: what is settled is settled through the reader's connection.
        drop(queue);
        ended
    }

    async fn take_jobs(
        &self,
        queue: &mut JobReader,
        jobs: &mut JoinSet<()>,
        mut hearing: watch::Receiver<Hearing>,
        mut shutdown: impl Future<Output = ()> + Unpin,
    ) -> Result<(), HostError> {
        loop {
            self.say_ready(&hearing.borrow(), Some(&queue.link.borrow()));
            // A queue that was lost hands out anew what still runs here, so the reader's bound is not enough.
            let room = jobs.len() < usize::from(self.config.concurrency.max(1));
            // Nor is one begun that was taken back while the broker was away.
            let heard = *hearing.borrow() == Hearing::CaughtUp;
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                Some(ended) = jobs.join_next() => note(ended),
                changed = hearing.changed() => changed.map_err(|_| HostError::LogEnded)?,
                Ok(()) = queue.link.changed() => {}
                delivery = queue.deliveries.recv(), if room && heard => match delivery {
                    Some(delivery) => { jobs.spawn(self.runner.clone().take(delivery)); }
                    None => return Err(HostError::QueueEnded(self.runner.kind.clone())),
                },
            }
        }
    }

    async fn finish(&self, jobs: &mut JoinSet<()>) {
        if jobs.is_empty() {
            return;
        }
        info!(running = jobs.len(), "letting running jobs finish");
        if timeout(Duration::from_secs(self.config.grace_seconds), all(jobs)).await.is_ok() {
            return;
        }
        warn!(running = jobs.len(), "the grace is over; running jobs are put back");
        self.runner.giving_up.cancel();
        if timeout(UNWINDING_AT_STOP * 2, all(jobs)).await.is_err() {
            error!(running = jobs.len(), "jobs did not stop; they come again when the connection is closed");
        }
    }

    fn say_ready(&self, hearing: &Hearing, queue: Option<&Link>) {
        let now = match (hearing, queue) {
            (_, Some(Link::Down(why))) => Readiness::NotReady(format!("the queue is not heard: {why}")),
            (Hearing::CaughtUp, Some(_)) => Readiness::Ready,
            (Hearing::CaughtUp | Hearing::CatchingUp, _) => Readiness::NotReady("reading the log".to_owned()),
            (Hearing::Away(why), _) => Readiness::NotReady(format!("the log is not heard: {why}")),
            (Hearing::Deaf, _) => Readiness::NotReady("the log is not heard".to_owned()),
        };
        self.readiness.send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
    }
}

async fn all(jobs: &mut JoinSet<()>) {
    while let Some(ended) = jobs.join_next().await {
        note(ended);
    }
}

/// A function's panic never comes here; this is our own.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "the host failed at a job; it comes again");
    }
}
