//! Settles a job: acknowledges it, requeues it, or moves it to a retry queue or to the dead ones.
//!
//! A job that moves is published and confirmed in its new queue before it is acknowledged in the old one: lost in
//! between, it exists twice, never not at all.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::Timestamp;
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicNackOptions},
    types::{AMQPValue, FieldTable},
};
use model::{environment::Kind, job::Job};

use super::{
    dead::{ATTEMPTS, REASON, SINCE},
    declare::{self, Bindings},
    job_slots::JobSlot,
    publication::{JOB, Publication},
    publish::Publisher,
};
use crate::{
    jobs::{Settle, Settlement},
    lane::Lane,
    link::SendError,
    topology::Topology,
};

const REQUEUE: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };
const MAX_REASON_CHARS: usize = 2000;

/// Moves the jobs of one kind to its retry queues and its dead ones.
pub(super) struct Settler {
    pub(super) topology: Arc<Topology>,
    pub(super) kind: Kind,
    pub(super) publisher: Arc<Publisher>,
}

impl Settler {
    async fn retry(&self, job: &Job, after: Duration) -> Result<(), SendError> {
        self.send(&Publication::of_delayed(&self.topology, &self.kind, job, after)?).await
    }

    /// Publishes a job to its lane; then its delivery can be acknowledged.
    pub(super) async fn move_to_lane(&self, job: &Job) -> Result<(), SendError> {
        let key = self.topology.lane_key(&self.kind, Lane::of(job));
        let publication = Publication::of_job(self.topology.jobs(), key, job)?;
        self.publisher.send(&publication).await.map_err(|failure| failure.into_error(&publication))
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
        self.send(&publication).await
    }

    async fn send(&self, publication: &Publication) -> Result<(), SendError> {
        self.publisher.send_or_redeclare(publication, self.redeclare()).await
    }

    /// Declares the queues of this kind again, if this user may.
    async fn redeclare(&self) -> Result<(), SendError> {
        let connection = self.publisher.connection().await?;
        declare::jobs(connection.connection(), &self.topology, &self.kind, Bindings::All).await
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
    pub(super) _channel: Channel,
}

#[async_trait]
impl Settle for UnsettledJob {
    async fn settle(&self, settlement: Settlement) -> Result<(), SendError> {
        let settled = self.settle_delivery(settlement).await;
        self.slot.free();
        settled
    }
}

impl UnsettledJob {
    async fn settle_delivery(&self, settlement: Settlement) -> Result<(), SendError> {
        let acker = &self.delivery.acker;
        // Its connection is gone and the broker has handed it out again: moving it now would double it.
        if !acker.usable() {
            return Err(connection_lost());
        }
        let settled = match settlement {
            Settlement::Requeue => acker.nack(REQUEUE).await,
            Settlement::Done => acker.ack(BasicAckOptions::default()).await,
            Settlement::Retry { job, after } => {
                self.settler.retry(&job, after).await?;
                acker.ack(BasicAckOptions::default()).await
            }
            Settlement::Dead { reason } => {
                self.settler.dead_letter(&self.delivery, self.attempt, &reason).await?;
                acker.ack(BasicAckOptions::default()).await
            }
        };
        match settled {
            Ok(true) => Ok(()),
            Ok(false) => Err(connection_lost()),
            Err(error) => Err(SendError::Unavailable(error.to_string())),
        }
    }
}

impl Drop for UnsettledJob {
    fn drop(&mut self) {
        // Does nothing if it was settled. The first poll hands the frame to the connection, and no more is needed.
        self.delivery.acker.nack(REQUEUE).now_or_never();
    }
}

fn connection_lost() -> SendError {
    SendError::Unavailable("the connection it came over is gone; it comes again".to_owned())
}
