//! Settles a job: acknowledges it, requeues it, or moves it to a retry queue or to the dead ones.
//!
//! A job that moves is published and confirmed in its new queue before it is acknowledged in the old one: lost in
//! between, it exists twice, never not at all. So no attempt to publish it is begun once the connection that it came over has
//! ended, for then the broker has put it back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use lapin::{
    message::Delivery,
    types::{AMQPValue, FieldTable},
};
use model::{environment::Kind, job::Job};
use tracing::warn;

use super::{
    acknowledger::{Acknowledger, Word},
    dead::{ATTEMPTS, REASON, SINCE},
    declare::{self, Bindings},
    job_slots::JobSlot,
    publication::{JOB, Publication},
    publish::{Failure, Publisher},
};
use crate::{
    dead,
    jobs::{Settle, Settlement},
    lane::Lane,
    link::SendError,
    topology::Topology,
};

const MAX_REASON_CHARS: usize = 2000;

/// Moves the jobs of one kind to its retry queues and its dead ones.
pub(super) struct Settler {
    pub(super) topology: Arc<Topology>,
    pub(super) kind: Kind,
    pub(super) publisher: Arc<Publisher>,
}

impl Settler {
    async fn retry(&self, delivery: &Delivery, job: &Job, after: Duration) -> Result<(), SendError> {
        self.send(delivery, &Publication::of_delayed(&self.topology, &self.kind, job, after)?).await
    }

    async fn move_to(&self, delivery: &Delivery, job: &Job, lane: Lane) -> Result<(), MoveError> {
        let key = self.topology.lane_key(&self.kind, lane);
        let publication = Publication::of_job(self.topology.jobs(), key, job).map_err(MoveError::sure)?;
        self.publisher.send_while(&publication, &|| is_here(delivery)).await.map_err(|failure| {
            let is_in_doubt = matches!(failure, Failure::InDoubt(_));
            MoveError { error: failure.into_error(&publication), is_in_doubt }
        })
    }

    async fn dead_letter(&self, delivery: &Delivery, attempt: u32, reason: &str) -> Result<(), SendError> {
        let id = delivery.properties.message_id().as_ref().map_or("", |id| id.as_str());
        let key = self.topology.dead_key(&self.kind);
        let mut publication = Publication::new(self.topology.jobs(), key, JOB, id, delivery.data.clone());
        let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
        let mut headers = FieldTable::default();
        headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
        headers.insert(SINCE.into(), AMQPValue::LongString(Timestamp::now().to_string().into()));
        headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(attempt.into()));
        publication.properties = publication.properties.with_headers(headers);
        self.send(delivery, &publication).await
    }

    async fn send(&self, delivery: &Delivery, publication: &Publication) -> Result<(), SendError> {
        self.publisher.send_or_redeclare(publication, &|| is_here(delivery), self.redeclare()).await
    }

    /// Declares the queues of this kind again, if this user may.
    async fn redeclare(&self) -> Result<(), SendError> {
        let connection = self.publisher.connection().await?;
        declare::jobs(connection.connection(), &self.topology, &self.kind, Bindings::All).await
    }
}

/// False if the connection of a delivery is gone: the broker has put it back, and moving it now would double it.
fn is_here(delivery: &Delivery) -> bool {
    delivery.acker.usable()
}

/// A job that is published anew: the broker counts its deliveries from the beginning, so that the earlier ones are counted
/// here.
pub(super) fn with_redeliveries(job: &Job, redeliveries: u32) -> Job {
    Job { attempts: job.attempts.saturating_add(redeliveries), ..job.clone() }
}

/// Why a job was not moved to a lane.
pub(super) struct MoveError {
    pub(super) error: SendError,
    /// A copy of it may be there.
    pub(super) is_in_doubt: bool,
}

impl MoveError {
    fn sure(error: SendError) -> Self {
        Self { error, is_in_doubt: false }
    }
}

/// A delivered job; dropped unsettled it goes back to its queue.
pub(super) struct UnsettledJob {
    pub(super) settler: Arc<Settler>,
    pub(super) delivery: Delivery,
    /// Counts the attempts at the job from 1.
    pub(super) attempt: u32,
    pub(super) slot: JobSlot,
    /// Keeps the connection while the job runs, also when its reader is gone.
    pub(super) acknowledger: Arc<Acknowledger>,
    pub(super) may_be_copied: AtomicBool,
}

#[async_trait]
impl Settle for UnsettledJob {
    fn ended(&self) {
        self.slot.end();
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), SendError> {
        let settled = self.settle_delivery(settlement).await;
        self.slot.free();
        settled
    }
}

impl UnsettledJob {
    pub(super) fn is_here(&self) -> bool {
        is_here(&self.delivery)
    }

    /// Whether a copy may be in a lane: one more may be one more job.
    pub(super) fn may_be_copied(&self) -> bool {
        self.may_be_copied.load(Ordering::Relaxed)
    }

    /// Puts a job that has not begun at the end of a lane, as this one, and acknowledges it here.
    pub(super) async fn move_to(&self, job: &Job, lane: Lane) -> Result<(), MoveError> {
        if !self.is_here() {
            return Err(MoveError::sure(connection_lost()));
        }
        if let Err(error) = self.settler.move_to(&self.delivery, job, lane).await {
            self.may_be_copied.store(error.is_in_doubt, Ordering::Relaxed);
            return Err(error);
        }
        let done = self.acknowledger.settle(self.delivery.delivery_tag, Word::Done).await;
        done.map_err(|_| {
            self.may_be_copied.store(true, Ordering::Relaxed);
            MoveError { error: connection_lost(), is_in_doubt: true }
        })
    }

    /// Publishes a job that has not begun to its lane, or to another where there is no such lane; where that cannot be done the
    /// broker puts it back, and counts that.
    async fn give_back(&self) -> Word {
        let Ok(job) = dead::parse(&self.delivery.data) else { return Word::Requeue };
        if self.may_be_copied() {
            return Word::Requeue;
        }
        let job = Job { attempts: self.attempt.saturating_sub(1), ..job };
        let mut reason = None;
        for lane in Lane::choices(&job) {
            match self.settler.move_to(&self.delivery, &job, lane).await {
                Ok(()) => return Word::Done,
                Err(MoveError { error, is_in_doubt }) => {
                    let has_no_such_lane = !is_in_doubt && matches!(error, SendError::Unroutable(_));
                    reason = Some(error);
                    if !has_no_such_lane {
                        break;
                    }
                }
            }
        }
        warn!(task = %job.task, error = ?reason, "a job is put back by the broker, which counts that as an attempt");
        Word::Requeue
    }

    async fn settle_delivery(&self, settlement: Settlement) -> Result<(), SendError> {
        if !self.is_here() {
            return Err(connection_lost());
        }
        let word = match settlement {
            Settlement::GiveBack => self.give_back().await,
            Settlement::Requeue => Word::Requeue,
            Settlement::Done => Word::Done,
            Settlement::Retry { job, after } => {
                self.settler.retry(&self.delivery, &job, after).await?;
                Word::Done
            }
            Settlement::Dead { reason } => {
                self.settler.dead_letter(&self.delivery, self.attempt, &reason).await?;
                Word::Done
            }
        };
        self.acknowledger.settle(self.delivery.delivery_tag, word).await.map_err(|_| connection_lost())
    }
}

impl Drop for UnsettledJob {
    fn drop(&mut self) {
        self.acknowledger.settle_now(self.delivery.delivery_tag, Word::Requeue);
    }
}

fn connection_lost() -> SendError {
    SendError::Unavailable("the connection it came over is gone; it comes again".to_owned())
}
