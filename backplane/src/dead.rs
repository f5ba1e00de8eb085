//! Jobs that were given up, and lie beside their queue until a person decides.

use async_trait::async_trait;
use jiff::Timestamp;
use model::{environment::Kind, job::Job};
use xxhash_rust::xxh3::xxh3_64;

use crate::send::SendError;

/// A job that was given up, or bytes that never were one.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadJob {
    /// What it is called here: its task's id, or `bytes-` and a fingerprint of what is no job.
    pub id: String,
    /// The job as it was when it was given up.
    pub job: Result<Job, NoJob>,
    /// Why it was given up.
    pub reason: String,
    /// When; unknown of what others laid there.
    pub since: Option<Timestamp>,
    /// How often it was tried, as far as is known.
    pub attempts: u32,
}

/// Bytes that are no job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoJob {
    /// What is wrong with them.
    pub why: String,
    /// What was sent.
    pub bytes: Vec<u8>,
}

/// What a queue may hand out as a job.
pub(crate) fn parse(bytes: &[u8]) -> Result<Job, NoJob> {
    serde_json::from_slice(bytes)
        .map_err(|error| NoJob { why: format!("it is no job: {error}"), bytes: bytes.to_owned() })
}

/// What a dead job is called.
pub(crate) fn id(job: &Result<Job, NoJob>) -> String {
    match job {
        Ok(job) => job.task.to_string(),
        Err(no_job) => format!("bytes-{:016x}", xxh3_64(&no_job.bytes)),
    }
}

/// The job as it begins anew; bytes that are none are [`SendError::Invalid`].
pub(crate) fn anew(dead: &DeadJob) -> Result<Job, SendError> {
    match &dead.job {
        Ok(job) => Ok(Job { attempts: 0, ..job.clone() }),
        Err(no_job) => Err(SendError::Invalid(format!("{} can only be dropped: {}", dead.id, no_job.why))),
    }
}

/// The answer where a kind has no queue for its dead.
pub(crate) fn no_queue(kind: &Kind) -> SendError {
    SendError::Unroutable(format!("there is no queue for jobs of kind {kind} here"))
}

/// How many jobs of a kind there are; what a worker holds is in none of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// In its queue.
    pub waiting: u64,
    /// On the retry ladder.
    pub retrying: u64,
    /// Given up.
    pub dead: u64,
}

/// How many dead jobs went back to their queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retried {
    /// So many are tried again.
    pub jobs: u64,
    /// So many stayed: bytes that are no job.
    pub stayed: u64,
}

/// The dead jobs of one kind, the longest dead first.
///
/// Looking holds what it has seen for a moment, so two who look at once see each only a part. Where there is no queue
/// of that kind all of it answers `Unroutable`.
#[async_trait]
pub trait DeadJobs: Send + Sync {
    /// At most `most` of them after the first `skip`; none is changed or worn by being looked at.
    async fn look(&self, skip: usize, most: usize) -> Result<Vec<DeadJob>, SendError>;

    /// The one of this id.
    async fn find(&self, id: &str) -> Result<Option<DeadJob>, SendError>;

    /// Puts the one of this id back into its queue as if it had never been tried; false if there is none.
    /// Should the broker go away meanwhile it may be in both places, which is harmless, and never in neither.
    async fn retry(&self, id: &str) -> Result<bool, SendError>;

    /// The same for all that are dead now.
    async fn retry_all(&self) -> Result<Retried, SendError>;

    /// Forgets the one of this id for good; false if there is none.
    async fn discard(&self, id: &str) -> Result<bool, SendError>;
}
