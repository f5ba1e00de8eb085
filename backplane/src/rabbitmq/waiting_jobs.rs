//! Jobs that were delivered and have not begun: they wait in this process for a place, but not long, or go to another lane.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use jiff::Timestamp;
use lapin::{message::Delivery, types::AMQPValue};
use model::job::Job;
use tokio::{
    pin,
    time::{Instant, sleep_until, timeout},
};
use tracing::warn;

use super::{
    acknowledger::Acknowledger,
    job_slots::JobSlot,
    settle::{MoveError, Settler, UnsettledJob, with_redeliveries},
};
use crate::{
    dead::{self, InvalidJob},
    lane::Lane,
    link::SendError,
};

/// The header in which a quorum queue counts earlier deliveries.
const REDELIVERIES: &str = "x-delivery-count";
/// A job that was pushed ahead waits no longer for a place.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// One that cannot be given back now is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);
/// One that is moved and takes longer keeps no place from others, and no other goes to its lane meanwhile.
pub(super) const SHORT: Duration = Duration::from_millis(250);

/// A job that was delivered and has not begun; dropped it goes back to its queue, which counts as one more attempt.
pub(super) struct WaitingJob {
    pub(super) job: Result<Job, InvalidJob>,
    pub(super) redeliveries: u32,
    pub(super) unsettled: UnsettledJob,
    /// It is to go back to its queue then.
    until: Instant,
    /// It could not a moment ago.
    stays: bool,
}

/// What became of a job that was to be moved.
#[allow(clippy::large_enum_variant, reason = "it is made once for a job and never kept")]
pub(super) enum Moved {
    /// It waits in this lane.
    To(Lane),
    /// It stays here; this lane did not take it, unless nothing can be published anyway.
    Stays(WaitingJob, Option<Lane>),
    /// Its connection is gone, and the broker has put it back.
    Gone,
}

impl WaitingJob {
    /// A job that was delivered now over the channel of this acknowledger.
    pub(super) fn new(
        settler: &Arc<Settler>,
        delivery: Delivery,
        slot: JobSlot,
        acknowledger: Arc<Acknowledger>,
    ) -> Self {
        let (job, redeliveries) = (dead::parse(&delivery.data), redeliveries(&delivery));
        let earlier = job.as_ref().map_or(0, |job| job.attempts);
        let attempt = earlier.saturating_add(redeliveries).saturating_add(1);
        let unsettled = UnsettledJob {
            settler: settler.clone(),
            delivery,
            attempt,
            slot,
            acknowledger,
            may_be_copied: AtomicBool::new(false),
        };
        Self { job, redeliveries, unsettled, until: Instant::now() + LONGEST_WAIT, stays: false }
    }

    /// The lane of a job that came back through the first, as all do that have waited for a time; none if it waits on.
    pub(super) fn own_lane(&self) -> Option<Lane> {
        let job = self.job.as_ref().ok()?;
        let has_waited = (job.attempts > 0 || job.not_before.is_some()) && job.delay(Timestamp::now()).is_none();
        Some(Lane::of(job)).filter(|lane| has_waited && *lane != Lane::First)
    }

    /// Publishes it to a lane as one that was never taken, since the broker counts what it hands out again; then it is
    /// acknowledged here.
    pub(super) async fn move_to(mut self, lane: Lane) -> Moved {
        let Ok(job) = &self.job else { return Moved::Gone };
        if self.unsettled.may_be_copied() {
            // Dropped, the broker puts it back, and makes no other copy.
            return Moved::Gone;
        }
        let job = with_redeliveries(job, self.redeliveries);
        let moved = {
            let moving = self.unsettled.move_to(&job, lane);
            pin!(moving);
            match timeout(SHORT, &mut moving).await {
                Ok(moved) => moved,
                Err(_) => {
                    self.unsettled.slot.leave();
                    moving.await
                }
            }
        };
        let Err(MoveError { error, is_in_doubt }) = moved else { return Moved::To(lane) };
        if !self.unsettled.is_here() {
            return Moved::Gone;
        }
        warn!(task = %job.task, %error, "a job cannot be moved to its queue, and stays");
        self.unsettled.slot.come_back();
        self.until = Instant::now() + AGAIN;
        self.stays = true;
        // The first is tried again, since what was pushed from it is wanted nowhere else.
        let is_shut = lane != Lane::First && (is_in_doubt || !matches!(error, SendError::Unavailable(_)));
        Moved::Stays(self, is_shut.then_some(lane))
    }

    /// Whether it has waited too long.
    fn is_due(&self) -> bool {
        self.until <= Instant::now()
    }
}

/// The number of earlier deliveries of a job.
fn redeliveries(delivery: &Delivery) -> u32 {
    let headers = delivery.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get(REDELIVERIES)).and_then(AMQPValue::as_long_long_int);
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
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

    /// Takes those out that are to go back: who has waited too long, and where `all` are too many everybody but those that could
    /// not a moment ago.
    pub(super) fn take_back(&mut self, all: bool) -> VecDeque<WaitingJob> {
        let goes = |waiting: &WaitingJob| waiting.is_due() || all && !waiting.stays;
        let (back, kept) = std::mem::take(&mut self.0).into_iter().partition(goes);
        self.0 = kept;
        back
    }
}
