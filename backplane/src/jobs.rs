//! The work queues of the functions: a few queues per kind, delivered at least once.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use model::{environment::Kind, job::Job};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    dead::{DeadJobs, Depth},
    link::{Link, SendError},
};

/// The delays of the retry queues: a retry waits in the queue of the largest step not above its delay.
pub const RETRY_STEPS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];

/// The step of a retry after this delay.
pub(crate) fn retry_step(after: Duration) -> Duration {
    RETRY_STEPS.into_iter().rev().find(|step| *step <= after).unwrap_or(RETRY_STEPS[0])
}

/// How long a job waits that is to come again after this delay: one step, or until its time if that is sooner.
pub(crate) fn wait_of(job: &Job, after: Duration) -> Duration {
    let step = retry_step(after);
    job.delay(Timestamp::now()).map_or(step, |left| left.min(step))
}

/// The outcome of a delivery.
#[allow(clippy::large_enum_variant, reason = "it is made once for a job and never kept")]
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// Done; the job is removed.
    Done,
    /// Not begun: it goes back as one that was never taken, where that is possible.
    GiveBack,
    /// To be started again at once by another worker, which is another attempt.
    Requeue,
    /// To be retried after about this delay (rounded down to a step, never below the first).
    Retry {
        /// The job, its attempts counted.
        job: Job,
        /// The delay.
        after: Duration,
    },
    /// Given up: kept with the reason in the dead queue, for an operator.
    Dead {
        /// Why it was given up.
        reason: String,
    },
}

/// Settles a delivery; each implementation has its own.
#[async_trait]
pub trait Settle: Send + Sync {
    /// Nothing runs for it any more: another job may be handed out while the end of this one is published.
    fn ended(&self) {}

    /// Settles it once; `Unavailable` means that the job will be delivered again.
    async fn settle(&self, settlement: Settlement) -> Result<(), SendError>;
}

/// A delivered job; dropped unsettled it is delivered again.
pub struct JobDelivery {
    /// The job, or why its bytes are not one; then it can only be settled as dead.
    pub job: Result<Job, String>,
    /// The number of earlier deliveries that were never settled (a worker was killed).
    pub redeliveries: u32,
    /// Settles this delivery.
    pub settle: Box<dyn Settle>,
}

/// A reader of one kind's queues; it reconnects by itself, and ends when dropped or stopped.
pub struct JobReader {
    /// Jobs, at most `at_once` that have not ended, and a bounded number that have and are unsettled; closed only if its task has
    /// ended.
    pub deliveries: mpsc::Receiver<JobDelivery>,
    /// To be cancelled when no more shall be taken. What was taken and is not handed over goes back, as one that never was; then
    /// `deliveries` is closed, and those that were handed over can still be settled.
    pub stop: CancellationToken,
    /// The state of reading the queues.
    pub link: watch::Receiver<Link>,
    /// To be notified when a job may have come: the queues that are not pushed are looked into at once, and else every second.
    pub wake: Arc<Notify>,
    /// The task that reads; it ends with this value.
    pub task: AbortOnDropHandle<()>,
}

/// The job queues of one environment.
#[async_trait]
pub trait JobQueues: Send + Sync {
    /// Puts a job that is not to be begun yet among those that wait for a retry, for a step that is not longer than its delay; any
    /// other into the lane of its kind that its priority and its backlog give, or into another where there is no such lane;
    /// `Unroutable` when there is no queue of that kind, `Full` when the lane is full.
    async fn submit(&self, job: &Job) -> Result<(), SendError>;

    /// Takes jobs of a kind, at most `at_once` at a time that are neither settled nor [ended](Settle::ended); declares its queues if they are missing and allowed.
    ///
    /// A job of high priority waits for a few others of each reader, and so does one of the first lane while none of high priority
    /// wait, however many are in the lanes behind: for those that were taken before, and for one of another lane whose turn it is
    /// now and then. A reader that is pushed the first lane learns of high priority when it is woken or looks, once a second. One
    /// of low priority waits for at most 32 others in a row.
    fn consume(&self, kind: &Kind, at_once: u16) -> JobReader;

    /// The number of jobs of a kind in all its lanes; `Unroutable` when there is no queue of that kind. It needs no
    /// permission.
    async fn depth(&self, kind: &Kind) -> Result<Depth, SendError>;

    /// The jobs of a kind that were given up.
    fn dead(&self, kind: &Kind) -> Box<dyn DeadJobs>;
}
