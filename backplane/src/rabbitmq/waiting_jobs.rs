//! Jobs of the first lane that were pushed ahead: they wait in this process for a place, but not long.

use std::{collections::VecDeque, future::pending, time::Duration};

use futures_util::future::join_all;
use model::job::Job;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::settle::{UnsettledJob, with_redeliveries};
use crate::{dead::InvalidJob, lane::Lane};

/// A job that was pushed ahead waits no longer for a place.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// One that cannot be given back now is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);

/// A job that was delivered and has not begun; dropped it goes back to its queue, which counts as one more attempt.
pub(super) struct WaitingJob {
    pub(super) job: Result<Job, InvalidJob>,
    pub(super) redeliveries: u32,
    pub(super) unsettled: UnsettledJob,
    /// It goes back to its queue then.
    pub(super) until: Instant,
    /// It could not, and stays until then.
    stays: bool,
}

impl WaitingJob {
    /// A job that was delivered now.
    pub(super) fn new(job: Result<Job, InvalidJob>, redeliveries: u32, unsettled: UnsettledJob) -> Self {
        Self { job, redeliveries, unsettled, until: Instant::now() + LONGEST_WAIT, stays: false }
    }

    /// Lets it go back to the first lane as one that was never taken: published there anew, for the broker counts what it hands
    /// out again. Where that cannot be done now it waits on.
    pub(super) async fn give_back(mut self) -> Option<Self> {
        let Ok(job) = &self.job else { return None };
        let job = with_redeliveries(job, self.redeliveries);
        let Err(error) = self.unsettled.give_back(&job, Lane::First).await else { return None };
        if !self.unsettled.is_here() {
            return None;
        }
        warn!(task = %job.task, %error, "a job that waits for a place cannot be given back to its queue yet");
        (self.until, self.stays) = (Instant::now() + AGAIN, true);
        Some(self)
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
        let until = self.0.iter().map(|waiting| waiting.until).min();
        async move {
            match until {
                Some(until) => sleep_until(until).await,
                None => pending().await,
            }
        }
    }

    /// Lets these go back, but for those that could not a moment ago.
    pub(super) async fn give_back(&mut self, which: impl Fn(&WaitingJob) -> bool) {
        let now = Instant::now();
        let goes = |waiting: &WaitingJob| which(waiting) && (!waiting.stays || waiting.until <= now);
        let (back, kept): (VecDeque<_>, _) = std::mem::take(&mut self.0).into_iter().partition(goes);
        self.0 = kept;
        self.0.extend(join_all(back.into_iter().map(WaitingJob::give_back)).await.into_iter().flatten());
    }
}
