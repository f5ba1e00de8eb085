//! Takes jobs. While no other lane has any, the first lane's queue pushes them; else each is asked for, of the lane whose turn it is.
//!
//! The first lane is pushed for its latency. It is asked while others wait, since a consumer that was promised all places
//! would keep them from the others, and one beside them would hold a job that another worker could begin.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::{
    Channel, Connection, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use model::{job::Job, policy::Priority};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tracing::debug;

use super::{
    bulk_lanes::{self, BulkDelivery, BulkLanes},
    connect::await_answer,
    declare::{self, Bindings},
    job_slots::{JobSlot, JobSlots},
    reconnect::{Ended, Session, await_start},
    settle::{Settler, UnsettledJob},
};
use crate::{
    dead::{self, InvalidJob},
    jobs::JobDelivery,
    lane::{Lane, Turns},
    link::Link,
};

/// The header in which a quorum queue counts earlier deliveries.
const REDELIVERIES: &str = "x-delivery-count";
/// The pause between two looks into the lanes behind the first, give or take a fifth.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest pause between two looks, however often the reader is woken.
const SHORTEST_LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// The pause between two looks at the connection's status.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// A reader of one kind's queues across its connections.
pub(super) struct JobConsumer {
    pub(super) settler: Arc<Settler>,
    pub(super) at_once: u16,
    pub(super) deliveries: mpsc::Sender<JobDelivery>,
    /// Notified when a job may have come into a lane behind the first.
    pub(super) wake: Arc<Notify>,
}

/// The queues of the kind over one connection.
struct Queues<'a> {
    reader: &'a JobConsumer,
    connection: &'a Connection,
    first: String,
    /// The first lane's channel.
    channel: Channel,
    bulk: BulkLanes,
    slots: Arc<JobSlots>,
    turns: Turns,
    looked: Instant,
    next_look: Instant,
}

impl JobConsumer {
    async fn open<'a>(&'a self, connection: &'a Connection) -> Result<Queues<'a>, Ended> {
        let Settler { topology, kind, .. } = &*self.settler;
        declare::jobs(connection, topology, kind, Bindings::NewOnly).await?;
        let bulk = BulkLanes::open(connection, self.settler.clone()).await?;
        let channel = connection.create_channel().await?;
        let (first, now) = (topology.job_queue(kind), Instant::now());
        let slots = JobSlots::new(self.at_once);
        Ok(Queues {
            reader: self,
            connection,
            first,
            channel,
            bulk,
            slots,
            turns: Turns::default(),
            looked: now,
            next_look: now,
        })
    }
}

impl Session for JobConsumer {
    async fn run(&mut self, connection: &Connection, link: &watch::Sender<Link>) -> Result<Infallible, Ended> {
        let (mut queues, mut consumer) = await_start(async {
            let queues = self.open(connection).await?;
            let consumer = queues.start_consumer().await?;
            Ok::<_, Ended>((queues, consumer))
        })
        .await?;
        link.send_replace(Link::Up);
        loop {
            queues.take_pushed(&mut consumer).await?;
            queues.end_consumer(consumer).await?;
            queues.ask().await?;
            queues.wait_for_room().await?;
            consumer = await_answer(queues.start_consumer()).await??;
        }
    }
}

impl Queues<'_> {
    /// A consumer of the first lane for all places that are free; at least one must be.
    async fn start_consumer(&self) -> Result<Consumer, Ended> {
        // None would mean any number.
        let prefetch = self.slots.begin_consumer().max(1);
        self.channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let (queue, options) = (self.first.as_str().into(), BasicConsumeOptions::default());
        let consumer = self.channel.basic_consume(queue, ShortString::from(""), options, FieldTable::default());
        Ok(consumer.await?)
    }

    /// Passes on what the first lane pushes, until another has jobs or there are places that the consumer cannot fill.
    async fn take_pushed(&mut self, consumer: &mut Consumer) -> Result<(), Ended> {
        let slots = self.slots.clone();
        while !slots.has_spare() {
            tokio::select! {
                delivery = consumer.next() => match delivery {
                    Some(delivery) => self.pass_on_pushed(delivery?).await?,
                    None => return Err(Ended::Lost("the queue's consumer ended: it was deleted, or its broker went away".to_owned())),
                },
                () = slots.freed.notified() => {}
                () = self.reader.wake.notified() => {
                    self.next_look = self.next_look.min(self.looked + SHORTEST_LOOK_INTERVAL);
                }
                () = sleep_until(self.next_look) => {
                    self.look().await?;
                    if self.bulk.may_have_jobs() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the consumer, and passes on what it was pushed meanwhile.
    async fn end_consumer(&mut self, mut consumer: Consumer) -> Result<(), Ended> {
        await_answer(self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await??;
        while let Some(delivery) = consumer.next().await {
            self.pass_on_pushed(delivery?).await?;
        }
        Ok(())
    }

    /// Asks for jobs while a lane behind the first may have any.
    async fn ask(&mut self) -> Result<(), Ended> {
        while self.bulk.may_have_jobs() {
            self.wait_for_room().await?;
            if Instant::now() >= self.next_look {
                self.look().await?;
            }
            self.ask_next().await?;
        }
        Ok(())
    }

    /// Takes the job whose turn it is, if there is any.
    async fn ask_next(&mut self) -> Result<(), Ended> {
        for rank in self.turns.ranks() {
            let took = match rank {
                Priority::High => {
                    self.bulk.look_for_high().await?;
                    self.ask_bulk(rank).await?
                }
                Priority::Normal if self.turns.is_first_last() => {
                    self.ask_bulk(rank).await? || self.ask_first().await?
                }
                Priority::Normal => self.ask_first().await? || self.ask_bulk(rank).await?,
                Priority::Low => self.ask_bulk(rank).await?,
            };
            if took {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn ask_first(&mut self) -> Result<bool, Ended> {
        // Looking costs the broker less than asking in vain, which its replicas agree on.
        if await_answer(bulk_lanes::ready(&self.channel, &self.first)).await?? == 0 {
            return Ok(false);
        }
        let got = await_answer(bulk_lanes::get(&self.channel, &self.first)).await??;
        let Some(delivery) = got else { return Ok(false) };
        self.turns.took(Lane::First);
        let slot = self.slots.take();
        self.pass_on_first(delivery, slot).await?;
        Ok(true)
    }

    async fn ask_bulk(&mut self, rank: Priority) -> Result<bool, Ended> {
        let Some(BulkDelivery { delivery, lane, channel }) = self.bulk.get(rank).await? else { return Ok(false) };
        self.turns.took(lane);
        let place = (self.slots.take(), channel);
        self.pass_on(dead::parse(&delivery.data), delivery, place).await?;
        Ok(true)
    }

    async fn look(&mut self) -> Result<(), Ended> {
        self.bulk.look(self.connection).await?;
        self.looked = Instant::now();
        self.next_look = self.looked + LOOK_INTERVAL.mul_f64(rand::random_range(0.8..1.2));
        Ok(())
    }

    /// Waits for a free place. Nothing is read meanwhile that would end with the connection, so its status is looked at.
    async fn wait_for_room(&self) -> Result<(), Ended> {
        while !self.slots.has_room() {
            tokio::select! {
                () = self.slots.freed.notified() => {}
                () = sleep(STATUS_INTERVAL) => {}
            }
            if !self.channel.status().connected() {
                return Err(Ended::Lost("the connection was lost".to_owned()));
            }
        }
        Ok(())
    }

    async fn pass_on_pushed(&mut self, delivery: Delivery) -> Result<(), Ended> {
        self.turns.took(Lane::First);
        let slot = self.slots.take_pushed();
        self.pass_on_first(delivery, slot).await
    }

    /// Passes on a job of the first lane. All that waited for a time come back through it: one of another lane is moved there, unless it
    /// waits on.
    async fn pass_on_first(&mut self, delivery: Delivery, slot: JobSlot) -> Result<(), Ended> {
        let job = dead::parse(&delivery.data);
        if let Ok(retried) = &job
            && (retried.attempts > 0 || retried.not_before.is_some())
            && Lane::of(retried) != Lane::First
            && retried.delay(Timestamp::now()).is_none()
        {
            match self.reader.settler.move_to_lane(retried).await {
                Ok(()) => {
                    delivery.acker.ack(BasicAckOptions::default()).await?;
                    self.reader.wake.notify_one();
                    return Ok(());
                }
                Err(error) => debug!(%error, "a retried job is run from the first lane"),
            }
        }
        self.pass_on(job, delivery, (slot, self.channel.clone())).await
    }

    async fn pass_on(
        &self,
        job: Result<Job, InvalidJob>,
        delivery: Delivery,
        (slot, channel): (JobSlot, Channel),
    ) -> Result<(), Ended> {
        let redeliveries = redeliveries(&delivery);
        let earlier = job.as_ref().map_or(0, |job| job.attempts);
        let attempt = earlier.saturating_add(redeliveries).saturating_add(1);
        let settler = self.reader.settler.clone();
        let unsettled = UnsettledJob { settler, delivery, attempt, slot, _channel: channel };
        let job = job.map_err(|invalid| invalid.reason);
        let delivery = JobDelivery { job, redeliveries, settle: Box::new(unsettled) };
        self.reader.deliveries.send(delivery).await.map_err(|_| Ended::ReaderDropped)
    }
}

/// The number of earlier deliveries of a job.
fn redeliveries(delivery: &Delivery) -> u32 {
    let headers = delivery.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get(REDELIVERIES)).and_then(AMQPValue::as_long_long_int);
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}
