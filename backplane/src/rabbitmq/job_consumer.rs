//! Takes jobs. While no other lane has any, the first lane's queue pushes them; else each is asked for, of the lane whose turn it is.
//!
//! Of short jobs the first lane pushes more than run at once (`job_lengths`), so that the next is here when one has ended; if
//! one of them takes unexpectedly long, those that wait behind it go back to the queue, which is no attempt at them.
//!
//! The first lane is pushed for its latency. It is asked while others wait, since a consumer that was promised all places
//! would keep them from the others, and one beside them would hold a job that another worker could begin.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Channel, Connection, Consumer,
    message::Delivery,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use model::policy::Priority;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    acknowledger::Acknowledger,
    asked_lanes::{self, AskedDelivery, AskedLanes},
    connect::{await_answer, start_consumer},
    declare::{self, Bindings},
    job_slots::{JobSlot, JobSlots},
    moves::Moves,
    reconnect::{Ended, Session, await_start},
    settle::Settler,
    waiting_jobs::{WaitingJob, WaitingJobs},
};
use crate::{
    jobs::JobDelivery,
    lane::{Lane, Turns},
    link::Link,
};

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
    pub(super) stop: CancellationToken,
}

/// The queues of the kind over one connection.
struct Queues<'a> {
    reader: &'a JobConsumer,
    connection: &'a Connection,
    first: String,
    /// Of the first lane's channel.
    acknowledger: Arc<Acknowledger>,
    asked: AskedLanes,
    slots: Arc<JobSlots>,
    /// Jobs of the first lane that wait for a place.
    ahead: WaitingJobs,
    /// Jobs of the first lane that go to another, or back.
    moves: Moves,
    turns: Turns,
    looked: Instant,
    next_look: Instant,
}

impl JobConsumer {
    async fn open<'a>(&'a self, connection: &'a Connection) -> Result<Queues<'a>, Ended> {
        let Settler { topology, kind, .. } = &*self.settler;
        declare::jobs(connection, topology, kind, Bindings::NewOnly).await?;
        let asked = AskedLanes::open(connection, self.settler.clone()).await?;
        let acknowledger = Arc::new(Acknowledger::new(connection.create_channel().await?));
        let (first, now) = (topology.job_queue(kind), Instant::now());
        let slots = JobSlots::new(self.at_once);
        Ok(Queues {
            reader: self,
            connection,
            first,
            acknowledger,
            asked,
            slots,
            ahead: WaitingJobs::default(),
            moves: Moves::new(self.wake.clone()),
            turns: Turns::default(),
            looked: now,
            next_look: now,
        })
    }
}

impl Session for JobConsumer {
    async fn run(&mut self, connection: &Connection, link: &watch::Sender<Link>) -> Result<Infallible, Ended> {
        let open = await_start(async {
            let queues = self.open(connection).await?;
            let consumer = queues.start_consumer().await?;
            Ok::<_, Ended>((queues, consumer))
        });
        let (mut queues, mut consumer) = tokio::select! {
            opened = open => opened?,
            () = self.stop.cancelled() => return Err(Ended::Stopped),
        };
        link.send_replace(Link::Up);
        loop {
            queues.take_pushed(&mut consumer).await?;
            queues.end_consumer(consumer).await?;
            queues.ask().await?;
            queues.wait_for_pushed_room().await?;
            if queues.is_stopping() {
                queues.give_all_back().await;
                return Err(Ended::Stopped);
            }
            consumer = await_answer(queues.start_consumer()).await??;
        }
    }

    fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }
}

impl Queues<'_> {
    /// A consumer of the first lane for all places that are free; at least one must be.
    async fn start_consumer(&self) -> Result<Consumer, Ended> {
        // None would mean any number.
        let prefetch = self.slots.begin_consumer().max(1);
        self.channel().basic_qos(prefetch, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        Ok(start_consumer(self.channel(), &self.first, options, FieldTable::default()).await?)
    }

    /// Passes on what the first lane pushes, until another has jobs or there should be another consumer.
    async fn take_pushed(&mut self, consumer: &mut Consumer) -> Result<(), Ended> {
        let slots = self.slots.clone();
        while !slots.need_another_consumer() && !self.is_stopping() {
            self.begin_waiting().await?;
            let longest_wait = self.ahead.longest_wait();
            tokio::select! {
                delivery = consumer.next() => match delivery {
                    Some(delivery) => self.take_delivery(delivery?).await?,
                    None => return Err(Ended::Lost("the queue's consumer ended: it was deleted, or its broker went away".to_owned())),
                },
                () = slots.freed.notified() => {}
                () = self.reader.stop.cancelled() => {}
                stays = self.moves.ended() => stays.into_iter().for_each(|job| self.ahead.push(job)),
                // So that the broker does not push at once what goes back.
                () = longest_wait => slots.forget_lengths(),
                () = self.reader.wake.notified() => {
                    self.next_look = self.next_look.min(self.looked + SHORTEST_LOOK_INTERVAL);
                }
                () = sleep_until(self.next_look) => {
                    self.look().await?;
                    if self.asked.may_have_jobs() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the consumer, and takes what it was pushed meanwhile; what is too much after a surprise goes back.
    async fn end_consumer(&mut self, mut consumer: Consumer) -> Result<(), Ended> {
        await_answer(self.channel().basic_cancel(consumer.tag(), BasicCancelOptions::default())).await??;
        while let Some(delivery) = consumer.next().await {
            self.take_delivery(delivery?).await?;
        }
        self.begin_waiting().await?;
        if self.slots.has_too_many() {
            self.give_back(true);
        }
        Ok(())
    }

    /// Lets those go back to their queue that have waited too long, or as many as can.
    fn give_back(&mut self, all: bool) {
        for job in self.ahead.take_back(all) {
            self.moves.begin(job, Lane::First);
        }
    }

    fn is_stopping(&self) -> bool {
        self.reader.stop.is_cancelled()
    }

    /// Lets all go back that have not begun; what cannot is put back by the broker.
    async fn give_all_back(&mut self) {
        while let Some(job) = self.ahead.pop() {
            self.moves.begin(job, Lane::First);
        }
        // What another lane did not take goes back to the first.
        for job in self.moves.all_ended().await {
            self.moves.begin(job, Lane::First);
        }
        drop(self.moves.all_ended().await);
    }

    /// Begins jobs that wait for a place, as far as there are places.
    async fn begin_waiting(&mut self) -> Result<(), Ended> {
        while self.slots.has_place()
            && !self.is_stopping()
            && let Some(waiting) = self.ahead.pop()
        {
            self.begin(waiting).await?;
        }
        Ok(())
    }

    /// Asks for jobs while a lane behind the first may have any.
    async fn ask(&mut self) -> Result<(), Ended> {
        while self.asked.may_have_jobs() && !self.is_stopping() {
            self.moves.ended_by_now().into_iter().for_each(|job| self.ahead.push(job));
            if !self.slots.has_room() {
                self.wait_for_change().await?;
                continue;
            }
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
                    self.asked.look_for_high().await?;
                    self.ask_others(rank).await?
                }
                Priority::Normal if self.turns.is_first_last() => {
                    self.ask_others(rank).await? || self.ask_first().await?
                }
                Priority::Normal => self.ask_first().await? || self.ask_others(rank).await?,
                Priority::Low => self.ask_others(rank).await?,
            };
            if took {
                return Ok(());
            }
            self.turns.had_none(rank);
        }
        Ok(())
    }

    async fn ask_first(&mut self) -> Result<bool, Ended> {
        if let Some(waiting) = self.ahead.pop() {
            self.begin(waiting).await?;
            return Ok(true);
        }
        // Looking costs the broker less than asking in vain, which its replicas agree on.
        if await_answer(asked_lanes::ready(self.channel(), &self.first)).await?? == 0 {
            return Ok(false);
        }
        let got = await_answer(asked_lanes::get(self.channel(), &self.first)).await??;
        let Some(delivery) = got else { return Ok(false) };
        let slot = self.slots.take();
        if let Some(waiting) = self.unless_moved(delivery, slot) {
            self.begin(waiting).await?;
        }
        Ok(true)
    }

    async fn ask_others(&mut self, rank: Priority) -> Result<bool, Ended> {
        let Some(AskedDelivery { delivery, lane, acknowledger }) = self.asked.get(rank).await? else {
            if rank == Priority::Normal {
                self.turns.had_none_behind_first();
            }
            return Ok(false);
        };
        self.turns.took(lane);
        let waiting = WaitingJob::new(&self.reader.settler, delivery, self.slots.take(), acknowledger);
        self.pass_on(waiting).await?;
        Ok(true)
    }

    async fn look(&mut self) -> Result<(), Ended> {
        self.asked.look(self.connection).await?;
        // While the first lane pushes nothing else is asked.
        if !self.asked.may_have_jobs_of(Priority::Low) {
            self.turns.had_none(Priority::Low);
        }
        if !self.asked.may_have_jobs_of(Priority::Normal) {
            self.turns.had_none_behind_first();
        }
        self.looked = Instant::now();
        self.next_look = self.looked + LOOK_INTERVAL.mul_f64(rand::random_range(0.8..1.2));
        Ok(())
    }

    /// Waits until another job may be pushed; those that wait here begin first.
    async fn wait_for_pushed_room(&mut self) -> Result<(), Ended> {
        self.begin_waiting().await?;
        while !self.slots.has_room_for_pushed() && !self.is_stopping() {
            self.wait_for_change().await?;
            self.begin_waiting().await?;
        }
        Ok(())
    }

    /// Waits until a job has ended or was settled. Nothing is read meanwhile that would end with the connection, so its status is
    /// looked at.
    async fn wait_for_change(&mut self) -> Result<(), Ended> {
        let (slots, longest_wait) = (self.slots.clone(), self.ahead.longest_wait());
        tokio::select! {
            () = slots.freed.notified() => {}
            () = self.reader.stop.cancelled() => return Ok(()),
            stays = self.moves.ended() => stays.into_iter().for_each(|job| self.ahead.push(job)),
            () = longest_wait => {
                slots.forget_lengths();
                self.give_back(false);
            }
            () = sleep(STATUS_INTERVAL) => {}
        }
        match self.channel().status().connected() {
            true => Ok(()),
            false => Err(Ended::Lost("the connection was lost".to_owned())),
        }
    }

    fn channel(&self) -> &Channel {
        self.acknowledger.channel()
    }

    /// Takes a job that was pushed: it begins when there is a place.
    async fn take_delivery(&mut self, delivery: Delivery) -> Result<(), Ended> {
        let slot = self.slots.take_pushed();
        if let Some(waiting) = self.unless_moved(delivery, slot) {
            self.ahead.push(waiting);
            self.begin_waiting().await?;
        }
        Ok(())
    }

    /// A job of the first lane. All that waited for a time come back through it: one of another lane begins to move there, unless
    /// that takes none now.
    fn unless_moved(&mut self, delivery: Delivery, slot: JobSlot) -> Option<WaitingJob> {
        self.acknowledger.open(delivery.delivery_tag);
        let waiting = WaitingJob::new(&self.reader.settler, delivery, slot, self.acknowledger.clone());
        match waiting.own_lane() {
            Some(lane) if self.moves.is_open(lane) => {
                // Else a thousand of them would all go before what waits in the other lanes.
                self.turns.took(Lane::First);
                self.moves.begin(waiting, lane);
                None
            }
            _ => Some(waiting),
        }
    }

    /// Begins a job of the first lane.
    async fn begin(&mut self, waiting: WaitingJob) -> Result<(), Ended> {
        self.turns.took(Lane::First);
        self.pass_on(waiting).await
    }

    async fn pass_on(&self, waiting: WaitingJob) -> Result<(), Ended> {
        let WaitingJob { job, redeliveries, unsettled, .. } = waiting;
        unsettled.slot.begin();
        let job = job.map_err(|invalid| invalid.reason);
        let delivery = JobDelivery { job, redeliveries, settle: Box::new(unsettled) };
        self.reader.deliveries.send(delivery).await.map_err(|_| Ended::ReaderDropped)
    }
}
