//! Where in the life of a job a worker can be halted.

use std::{str::FromStr, sync::Arc};

use async_trait::async_trait;
use backplane::{
    Backplane, DeadJobs, Depth, Destination, EventLog, JobDelivery, JobQueues, JobReader, Link, LogReader, ReadFrom,
    SendError, Settlement, jobs::Settle,
};
use model::{EncodedEvent, Job, Kind};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
};
use tokio_util::task::AbortOnDropHandle;

/// A moment in the life of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The function runs, and has done nothing yet.
    Begun,
    /// Within its transaction, the row is written.
    Writing,
    /// The transaction is committed, and its end is not told yet.
    Committed,
    /// Its end is told and confirmed, and it is not settled yet.
    Told,
    /// It is settled.
    Settled,
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Begun, Self::Writing, Self::Committed, Self::Told, Self::Settled];
        all.into_iter().find(|phase| format!("{phase:?}") == text).ok_or_else(|| text.to_owned())
    }
}

/// Called in each phase, on a thread that may wait.
#[derive(Clone)]
pub(crate) struct Watch(Arc<dyn Fn(Phase) + Send + Sync>);

impl Watch {
    pub(crate) fn with(at: impl Fn(Phase) + Send + Sync + 'static) -> Self {
        Self(Arc::new(at))
    }

    /// Lets everything pass.
    pub(crate) fn none() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn reach_blocking(&self, phase: Phase) {
        (self.0)(phase);
    }

    pub(crate) async fn arrive(&self, phase: Phase) {
        let watch = self.clone();
        spawn_blocking(move || watch.reach_blocking(phase)).await.unwrap();
    }
}

/// The same backplane, whose ends and settlements are watched.
pub(crate) fn watched(backplane: Backplane, watch: &Watch) -> Backplane {
    let Backplane { log, jobs, .. } = backplane.clone();
    let log = Arc::new(WatchedLog { inner: log, watch: watch.clone() });
    Backplane { log, jobs: Arc::new(WatchedJobs { inner: jobs, watch: watch.clone() }), ..backplane }
}

struct WatchedLog {
    inner: Arc<dyn EventLog>,
    watch: Watch,
}

#[async_trait]
impl EventLog for WatchedLog {
    async fn publish_encoded(&self, to: Destination, encoded: &EncodedEvent<'_>) -> Result<(), SendError> {
        if encoded.event().task().ok().flatten().is_some_and(|task| task.state.is_end()) {
            self.watch.arrive(Phase::Committed).await;
        }
        self.inner.publish_encoded(to, encoded).await
    }

    fn read(&self, from: ReadFrom) -> LogReader {
        self.inner.read(from)
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.inner.publishing()
    }
}

struct WatchedJobs {
    inner: Arc<dyn JobQueues>,
    watch: Watch,
}

#[async_trait]
impl JobQueues for WatchedJobs {
    async fn submit(&self, job: &Job) -> Result<(), SendError> {
        self.inner.submit(job).await
    }

    fn consume(&self, kind: &Kind, at_once: u16) -> JobReader {
        let JobReader { mut deliveries, stop, link, wake, task } = self.inner.consume(kind, at_once);
        let (sender, watched) = mpsc::channel(1);
        let watch = self.watch.clone();
        let passing_on = async move {
            let _reading = task;
            while let Some(delivery) = deliveries.recv().await {
                let settle = Box::new(WatchedSettle { inner: delivery.settle, watch: watch.clone() });
                if sender.send(JobDelivery { settle, ..delivery }).await.is_err() {
                    return;
                }
            }
        };
        JobReader { deliveries: watched, stop, link, wake, task: AbortOnDropHandle::new(tokio::spawn(passing_on)) }
    }

    async fn depth(&self, kind: &Kind) -> Result<Depth, SendError> {
        self.inner.depth(kind).await
    }

    fn dead(&self, kind: &Kind) -> Box<dyn DeadJobs> {
        self.inner.dead(kind)
    }
}

struct WatchedSettle {
    inner: Box<dyn Settle>,
    watch: Watch,
}

#[async_trait]
impl Settle for WatchedSettle {
    async fn settle(&self, settlement: Settlement) -> Result<(), SendError> {
        self.watch.arrive(Phase::Told).await;
        let settled = self.inner.settle(settlement).await;
        self.watch.arrive(Phase::Settled).await;
        settled
    }
}
