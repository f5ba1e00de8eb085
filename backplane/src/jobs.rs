//! Work for the functions: one queue per kind, at least once.

use std::time::Duration;

use async_trait::async_trait;
use model::{environment::Kind, job::Job};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    dead::{DeadJobs, Depth},
    send::{Link, SendError},
};

/// The steps of the retry ladder: a retry waits in the queue of the largest step not above its delay.
pub const RETRY_STEPS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];

/// The step that a retry after this long waits in.
pub(crate) fn retry_step(after: Duration) -> Duration {
    RETRY_STEPS.into_iter().rev().find(|step| *step <= after).unwrap_or(RETRY_STEPS[0])
}

/// What becomes of a job that was taken.
#[allow(clippy::large_enum_variant, reason = "it is made once for a job and never kept")]
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// It is done; forget it.
    Done,
    /// Not begun, or to be begun again at once by somebody else.
    Requeue,
    /// Try this again after about that long (rounded down to a step, never below the first).
    Retry {
        /// The job with its attempts counted.
        job: Job,
        /// How long to wait.
        after: Duration,
    },
    /// Given up: keep it beside the queue with the reason, for a person to look at.
    Dead {
        /// Why.
        reason: String,
    },
}

/// How a taken job is settled; each implementation has its own.
#[async_trait]
pub trait Settle: Send + Sync {
    /// Settles it once; `Unavailable` means that it comes again, to us or to somebody else.
    async fn settle(&self, settlement: Settlement) -> Result<(), SendError>;
}

/// A job that was taken and is ours until settled; dropped without it, it comes again.
pub struct JobDelivery {
    /// The job, or why its bytes are none; such a one can only be settled as dead.
    pub job: Result<Job, String>,
    /// How often the broker has handed it out before and did not hear of it again (a worker was killed).
    pub redeliveries: u32,
    /// How to settle it.
    pub settle: Box<dyn Settle>,
}

/// A reader of one kind's queue; it heals by itself, and ends when dropped.
pub struct JobReader {
    /// Jobs, at most `at_once` unsettled; closed only if its task has ended.
    pub deliveries: mpsc::Receiver<JobDelivery>,
    /// Whether the queue can be heard now.
    pub link: watch::Receiver<Link>,
    /// The task that reads; it ends with this value.
    pub task: AbortOnDropHandle<()>,
}

/// The job queues of one environment.
#[async_trait]
pub trait JobQueues: Send + Sync {
    /// Puts a job into its kind's queue; `Unroutable` when there is no queue of that kind.
    async fn submit(&self, job: &Job) -> Result<(), SendError>;

    /// Takes jobs of a kind, at most `at_once` unsettled at a time; makes the queue if it may and it is missing.
    fn take(&self, kind: &Kind, at_once: u16) -> JobReader;

    /// How many jobs of a kind there are; `Unroutable` when there is no queue of that kind. Looking needs no right.
    async fn depth(&self, kind: &Kind) -> Result<Depth, SendError>;

    /// The jobs of a kind that were given up.
    fn dead(&self, kind: &Kind) -> Box<dyn DeadJobs>;
}
