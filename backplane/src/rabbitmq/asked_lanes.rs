//! The lanes before and behind the first: looked into without taking anything, and asked for one job at a time, those of one rank in
//! turn.

use std::{sync::Arc, time::Duration};

use lapin::{
    Channel, Connection,
    message::{BasicGetMessage, Delivery},
    options::{BasicGetOptions, QueueDeclareOptions},
    types::FieldTable,
};
use model::policy::Priority;
use tokio::time::Instant;
use tracing::warn;

use super::{
    acknowledger::Acknowledger,
    connect::{Fault, await_answer, fault},
    declare::{self, Bindings},
    reconnect::Ended,
    settle::Settler,
};
use crate::{lane::Lane, link::SendError};

/// The pause before a lane that was missing or refused is tried again.
const REOPEN_PAUSE: Duration = Duration::from_secs(60);

/// The lanes before and behind the first, over one connection.
pub(super) struct AskedLanes {
    settler: Arc<Settler>,
    /// The next in turn first.
    open: Vec<AskedLane>,
    opened: Instant,
    /// The operator was told of a lane that is missing or refused.
    is_told: bool,
}

struct AskedLane {
    lane: Lane,
    queue: String,
    /// Of a channel of its own: a refusal closes it for all jobs that came over it.
    acknowledger: Arc<Acknowledger>,
    may_have_jobs: bool,
}

/// A job of one of these lanes.
pub(super) struct AskedDelivery {
    pub(super) delivery: Delivery,
    pub(super) lane: Lane,
    /// It is settled by it.
    pub(super) acknowledger: Arc<Acknowledger>,
}

impl AskedLanes {
    /// Opens those that are there or may be declared.
    pub(super) async fn open(connection: &Connection, settler: Arc<Settler>) -> Result<Self, Ended> {
        let mut lanes = Self { settler, open: Vec::new(), opened: Instant::now(), is_told: false };
        lanes.open_missing(connection).await?;
        Ok(lanes)
    }

    /// Whether one of them had jobs when it was last looked into or asked.
    pub(super) fn may_have_jobs(&self) -> bool {
        self.open.iter().any(|lane| lane.may_have_jobs)
    }

    /// The same of those of one rank.
    pub(super) fn may_have_jobs_of(&self, rank: Priority) -> bool {
        self.open.iter().any(|open| open.may_have_jobs && open.lane.rank() == rank)
    }

    /// Looks into all; the numbers are the leader's, so a job that was confirmed is seen.
    pub(super) async fn look(&mut self, connection: &Connection) -> Result<(), Ended> {
        if self.open.len() < Lane::ASKED.len() && self.opened.elapsed() > REOPEN_PAUSE {
            self.open_missing(connection).await?;
        }
        let mut index = 0;
        while let Some(lane) = self.open.get_mut(index) {
            match await_answer(ready(lane.acknowledger.channel(), &lane.queue)).await? {
                Ok(ready) => {
                    lane.may_have_jobs = ready > 0;
                    index += 1;
                }
                Err(error) => self.close(index, error)?,
            }
        }
        Ok(())
    }

    /// Looks into the lane of high priority alone, so that its jobs overtake those that are being asked for.
    pub(super) async fn look_for_high(&mut self) -> Result<(), Ended> {
        let Some(index) = self.open.iter().position(|open| open.lane == Lane::High) else { return Ok(()) };
        let lane = &mut self.open[index];
        match await_answer(ready(lane.acknowledger.channel(), &lane.queue)).await? {
            Ok(ready) => lane.may_have_jobs = ready > 0,
            Err(error) => self.close(index, error)?,
        }
        Ok(())
    }

    /// The next job of those of this rank that may have one.
    pub(super) async fn get(&mut self, rank: Priority) -> Result<Option<AskedDelivery>, Ended> {
        while let Some(index) = self.open.iter().position(|open| open.may_have_jobs && open.lane.rank() == rank) {
            let AskedLane { lane, queue, acknowledger, .. } = &self.open[index];
            match await_answer(get(acknowledger.channel(), queue)).await? {
                Ok(Some(delivery)) => {
                    acknowledger.open(delivery.delivery_tag);
                    let got = AskedDelivery { delivery, lane: *lane, acknowledger: acknowledger.clone() };
                    self.open[index..].rotate_left(1);
                    return Ok(Some(got));
                }
                Ok(None) => self.open[index].may_have_jobs = false,
                Err(error) => self.close(index, error)?,
            }
        }
        Ok(None)
    }

    async fn open_missing(&mut self, connection: &Connection) -> Result<(), Ended> {
        self.opened = Instant::now();
        for lane in Lane::ASKED {
            if self.open.iter().any(|open| open.lane == lane) {
                continue;
            }
            let Settler { topology, kind, .. } = &*self.settler;
            match declare::lane(connection, topology, kind, lane, Bindings::NewOnly).await {
                Ok(()) => {
                    let queue = topology.queue_of(&topology.lane_key(kind, lane));
                    let acknowledger = Arc::new(Acknowledger::new(connection.create_channel().await?));
                    self.open.push(AskedLane { lane, queue, acknowledger, may_have_jobs: false });
                }
                Err(SendError::Refused(reason)) => self.tell(&reason),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Does without a lane whose channel was closed by the broker; any other error is the session's end.
    fn close(&mut self, index: usize, error: lapin::Error) -> Result<(), Ended> {
        if fault(&error) == Fault::Other {
            return Err(error.into());
        }
        self.open.remove(index);
        self.tell(&error.to_string());
        Ok(())
    }

    fn tell(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_told, true) {
            let kind = &self.settler.kind;
            warn!(
                %kind, reason,
                "one of the queues behind or before the first cannot be read; declare the topology again, and the rights of this user"
            );
        }
    }
}

/// The number of jobs that wait in a queue.
pub(super) async fn ready(channel: &Channel, queue: &str) -> lapin::Result<u32> {
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    Ok(channel.queue_declare(queue.into(), passive, FieldTable::default()).await?.message_count())
}

/// The first job of a queue.
pub(super) async fn get(channel: &Channel, queue: &str) -> lapin::Result<Option<Delivery>> {
    let got = channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
    Ok(got.map(|BasicGetMessage { delivery, .. }| delivery))
}
