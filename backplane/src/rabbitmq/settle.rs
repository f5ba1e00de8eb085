//! What becomes of a job that was taken.
//!
//! A job that goes on elsewhere (up the ladder, to the dead) is published there and confirmed before it is
//! acknowledged here: lost in between, it is there twice, never not at all.

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

use super::{
    dead::{ATTEMPTS, REASON, SINCE},
    declare::{self, Bindings},
    publish::{JOB, Parcel, Publisher},
};
use model::{environment::Kind, job::Job};

use crate::{
    jobs::{Settle, Settlement, retry_step},
    send::SendError,
    topology::Topology,
};

const REQUEUE: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };
/// Most characters of it.
const LONGEST_REASON: usize = 2000;

/// Where the jobs of one kind go on.
pub(super) struct Desk {
    topology: Arc<Topology>,
    kind: Kind,
    publisher: Arc<Publisher>,
}

impl Desk {
    pub(super) fn new(topology: Arc<Topology>, kind: Kind, publisher: Arc<Publisher>) -> Self {
        Self { topology, kind, publisher }
    }

    pub(super) fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    async fn climb(&self, job: &Job, after: Duration) -> Result<(), SendError> {
        let step = retry_step(after);
        let mut parcel = Parcel::of_job(self.topology.jobs(), self.topology.retry_key(&self.kind, step), job)?;
        // Many that fail together do not come back together; only a little, for a queue expires at its head alone.
        let wait = step.mul_f64(rand::random_range(0.8..1.0));
        parcel.properties = parcel.properties.with_expiration(wait.as_millis().to_string().into());
        self.send(&parcel).await
    }

    async fn bury(&self, delivery: &Delivery, attempt: u32, reason: &str) -> Result<(), SendError> {
        let id = delivery.properties.message_id().as_ref().map_or("", |id| id.as_str());
        let key = self.topology.dead_key(&self.kind);
        let mut parcel = Parcel::new(self.topology.jobs(), key, JOB, id, delivery.data.clone());
        let reason: String = reason.chars().take(LONGEST_REASON).collect();
        let mut headers = FieldTable::default();
        headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
        headers.insert(SINCE.into(), AMQPValue::LongString(Timestamp::now().to_string().into()));
        headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(attempt.into()));
        parcel.properties = parcel.properties.with_headers(headers);
        self.send(&parcel).await
    }

    async fn send(&self, parcel: &Parcel) -> Result<(), SendError> {
        self.publisher.send_or_mend(parcel, self.mend()).await
    }

    /// Makes the ladder and the queue of the dead again, if this user may.
    async fn mend(&self) -> Result<(), SendError> {
        let line = self.publisher.line().await?;
        declare::jobs(line.connection(), &self.topology, &self.kind, Bindings::All).await
    }
}

/// A job that is ours; dropped unsettled it goes back to its queue.
pub(super) struct Held {
    desk: Arc<Desk>,
    delivery: Delivery,
    attempt: u32,
    // Keeps the connection while the job is at work, also when nothing more is taken from it.
    _channel: Channel,
}

impl Held {
    /// `attempt` is which attempt at the job this is, from 1.
    pub(super) fn new(desk: Arc<Desk>, delivery: Delivery, attempt: u32, channel: Channel) -> Self {
        Self { desk, delivery, attempt, _channel: channel }
    }
}

#[async_trait]
impl Settle for Held {
    async fn settle(&self, settlement: Settlement) -> Result<(), SendError> {
        let acker = &self.delivery.acker;
        // Its connection is gone, and it was given to somebody else: moving it on now would double it.
        if !acker.usable() {
            return Err(gone());
        }
        let settled = match settlement {
            Settlement::Requeue => acker.nack(REQUEUE).await,
            Settlement::Done => acker.ack(BasicAckOptions::default()).await,
            Settlement::Retry { job, after } => {
                self.desk.climb(&job, after).await?;
                acker.ack(BasicAckOptions::default()).await
            }
            Settlement::Dead { reason } => {
                self.desk.bury(&self.delivery, self.attempt, &reason).await?;
                acker.ack(BasicAckOptions::default()).await
            }
        };
        match settled {
            Ok(true) => Ok(()),
            Ok(false) => Err(gone()),
            Err(error) => Err(SendError::Unavailable(error.to_string())),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Does nothing if it was settled. The first poll hands the word to the connection, and no more is needed.
        self.delivery.acker.nack(REQUEUE).now_or_never();
    }
}

fn gone() -> SendError {
    SendError::Unavailable("the connection it came over is gone; it comes again".to_owned())
}
