//! Jobs that were given up, kept in a dead queue until an operator decides.

use async_trait::async_trait;
use jiff::Timestamp;
use model::{environment::Kind, job::Job};
use xxhash_rust::xxh3::xxh3_64;

use crate::link::SendError;

/// A job that was given up, or bytes that never were one.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadJob {
    /// Its id: the task's, or `bytes-` and a fingerprint of bytes that are not a job.
    pub id: String,
    /// The job as it was when it was given up.
    pub job: Result<Job, InvalidJob>,
    /// Why it was given up.
    pub reason: String,
    /// The time it was given up, if known.
    pub since: Option<Timestamp>,
    /// The number of attempts, as far as known.
    pub attempts: u32,
}

/// Bytes that are not a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidJob {
    /// The parser's error.
    pub reason: String,
    /// The bytes as they were sent.
    pub bytes: Vec<u8>,
}

/// Reads a job from a message's body.
pub(crate) fn parse(bytes: &[u8]) -> Result<Job, InvalidJob> {
    serde_json::from_slice(bytes)
        .map_err(|error| InvalidJob { reason: format!("it is no job: {error}"), bytes: bytes.to_owned() })
}

/// The id of a dead job.
pub(crate) fn id(job: &Result<Job, InvalidJob>) -> String {
    match job {
        Ok(job) => job.task.to_string(),
        Err(invalid) => format!("bytes-{:016x}", xxh3_64(&invalid.bytes)),
    }
}

/// The job with its attempts reset; bytes that are not a job are [`SendError::Invalid`].
pub(crate) fn for_retry(dead: &DeadJob) -> Result<Job, SendError> {
    match &dead.job {
        Ok(job) => Ok(Job { attempts: 0, ..job.clone() }),
        Err(invalid) => Err(SendError::Invalid(format!("{} can only be dropped: {}", dead.id, invalid.reason))),
    }
}

/// The error for a kind that has no dead queue.
pub(crate) fn no_queue(kind: &Kind) -> SendError {
    SendError::Unroutable(format!("there is no queue for jobs of kind {kind} here"))
}

/// The number of jobs of a kind; those that a worker holds are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// In its queues.
    pub waiting: u64,
    /// In its retry queues.
    pub retrying: u64,
    /// Given up.
    pub dead: u64,
}

/// The result of retrying all dead jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retried {
    /// Jobs put back into their queue.
    pub jobs: u64,
    /// Those left where they are: bytes that are not a job.
    pub skipped: u64,
}

/// The dead jobs of one kind, the longest dead first.
///
/// Each call holds the jobs it has seen for a moment, so two calls at once see only a part each. If there is no queue of
/// that kind, all of them return `Unroutable`.
#[async_trait]
pub trait DeadJobs: Send + Sync {
    /// At most `limit` jobs after the first `skip`; listing changes none of them.
    async fn list(&self, skip: usize, limit: usize) -> Result<Vec<DeadJob>, SendError>;

    /// The job of this id.
    async fn find(&self, id: &str) -> Result<Option<DeadJob>, SendError>;

    /// Puts the job of this id back into its queue, its attempts reset; false if there is none. If the broker is lost
    /// meanwhile, the job may be in both queues, which is harmless, and never in neither.
    async fn retry(&self, id: &str) -> Result<bool, SendError>;

    /// Retries all jobs that are dead now.
    async fn retry_all(&self) -> Result<Retried, SendError>;

    /// Deletes the job of this id; false if there is none.
    async fn discard(&self, id: &str) -> Result<bool, SendError>;
}
