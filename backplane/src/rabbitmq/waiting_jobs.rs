//! Jobs of the first lane that were pushed ahead: they wait in this process for a place, but not long.

use std::{collections::VecDeque, future::pending, time::Duration};

use model::job::Job;
use tokio::time::{Instant, sleep_until};

use super::settle::UnsettledJob;
use crate::dead::InvalidJob;

/// A job that was pushed ahead waits no longer for a place.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// A job that came back so often waits all the same: the broker counts it, and what it counts are attempts.
const MOST_REDELIVERIES: u32 = 1;

/// A job that was delivered and has not begun.
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

    fn may_go_back(&self) -> bool {
        self.redeliveries < MOST_REDELIVERIES
    }
}

/// Waiting jobs in their order; dropped they go back to their queue.
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
        let until = self.0.iter().find(|waiting| waiting.may_go_back()).map(|waiting| waiting.until);
        async move {
            match until {
                Some(until) => sleep_until(until).await,
                None => pending().await,
            }
        }
    }

    /// Lets these go back to their queue, which puts them before all others.
    pub(super) fn give_back(&mut self, which: impl Fn(&WaitingJob) -> bool) {
        self.0.retain(|waiting| !waiting.may_go_back() || !which(waiting));
    }
}
