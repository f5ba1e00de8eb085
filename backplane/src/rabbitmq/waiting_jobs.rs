//! Jobs of the first lane that were pushed ahead: they wait in this process for a place, but not long.

use std::{collections::VecDeque, future::pending, time::Duration};

use model::job::Job;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::settle::{UnsettledJob, with_redeliveries};
use crate::{dead::InvalidJob, lane::Lane};

/// A job that was pushed ahead waits no longer for a place.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// A job that was delivered and has not begun; dropped it goes back to its queue, which counts as one more attempt.
pub(super) struct WaitingJob {
    pub(super) job: Result<Job, InvalidJob>,
    pub(super) redeliveries: u32,
    pub(super) unsettled: UnsettledJob,
    /// It goes back to its queue then.
    pub(super) until: Instant,
}

impl WaitingJob {
    /// A job that was delivered now.
    pub(super) fn new(job: Result<Job, InvalidJob>, redeliveries: u32, unsettled: UnsettledJob) -> Self {
        Self { job, redeliveries, unsettled, until: Instant::now() + LONGEST_WAIT }
    }

    /// Lets it go back to the first lane as one that was never taken: published there anew, for the broker counts what it hands
    /// out again.
    pub(super) async fn give_back(self) {
        let Ok(job) = &self.job else { return };
        let job = with_redeliveries(job, self.redeliveries);
        if let Err(error) = self.unsettled.give_back(&job, Lane::First).await {
            warn!(task = %job.task, %error, "a job goes back to its queue by the broker, which counts that as an attempt");
        }
    }
}

/// Waiting jobs in their order.
#[derive(Default)]
pub(super) struct WaitingJobs(VecDeque<WaitingJob>);

impl WaitingJobs {
    pub(super) fn push(&mut self, job: WaitingJob) {
        self.0.push_back(job);
    }

    pub(super) fn pop(&mut self) -> Option<WaitingJob> {
        self.0.pop_front()
    }

    /// Waits until one has waited too long.
    pub(super) fn longest_wait(&self) -> impl Future<Output = ()> + use<> {
        let until = self.0.front().map(|waiting| waiting.until);
        async move {
            match until {
                Some(until) => sleep_until(until).await,
                None => pending().await,
            }
        }
    }

    /// Takes those out that are to go back.
    pub(super) fn take(&mut self, which: impl Fn(&WaitingJob) -> bool) -> Vec<WaitingJob> {
        let (back, kept) = std::mem::take(&mut self.0).into_iter().partition(which);
        self.0 = kept;
        Vec::from(back)
    }
}
