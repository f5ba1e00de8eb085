//! The lease: a queue whose messages only one of its consumers gets, as long as it is there (a single active consumer).
//!
//! A message in it says nothing. Who gets one has the lease, and keeps the last one unacknowledged: if the holder is lost, the broker
//! hands it to the next at once. Each process sends one now and then, so that there always is one, and none stays unacknowledged
//! for longer than the broker allows.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions},
    types::{FieldTable, ShortString},
};
use tokio::{pin, sync::watch, time::sleep};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connect::{Broker, await_answer},
    declare::{self, Bindings},
    reconnect::{self, Ended, Session, await_start},
};
use crate::{
    lease::{Lease, SchedulerLease},
    link::Link,
    topology::Topology,
};

/// The pause between two messages of a process, give or take a fifth; far below the 30 minutes that a broker waits for an
/// acknowledgement.
const INTERVAL: Duration = Duration::from_secs(30);

/// The lease of an environment's schedules.
pub(super) struct RabbitLease {
    pub(super) broker: Broker,
}

impl SchedulerLease for RabbitLease {
    fn apply(&self) -> Lease {
        let (sender, held) = watch::channel(false);
        let (link, _) = watch::channel(Link::Down("connecting".to_owned()));
        let application = Application { topology: self.broker.topology.clone(), held: sender };
        let task = tokio::spawn(reconnect::run_sessions(self.broker.clone(), "schedules", link, application));
        Lease { held, task: AbortOnDropHandle::new(task) }
    }
}

/// An application for the lease, over its connections.
struct Application {
    topology: Arc<Topology>,
    held: watch::Sender<bool>,
}

impl Application {
    async fn start(&self, connection: &Connection) -> Result<(Channel, Consumer), Ended> {
        declare::lease(connection, &self.topology, Bindings::NewOnly).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let queue = self.topology.queue_of(Topology::LEASE_KEY);
        let options = BasicConsumeOptions::default();
        let consumer =
            channel.basic_consume(queue.into(), ShortString::from(""), options, FieldTable::default()).await?;
        Ok((channel, consumer))
    }

    /// Sends messages, which this or another process gets.
    async fn keep_sending(&self, connection: &Connection, channel: &Channel) -> Result<Infallible, Ended> {
        loop {
            self.send(connection, channel).await?;
            sleep(INTERVAL.mul_f64(rand::random_range(0.8..1.2))).await;
        }
    }

    /// Sends a message; where the queue is not bound, since whoever made it was gone before it had, it is bound now. Without one
    /// nobody would ever have the lease.
    async fn send(&self, connection: &Connection, channel: &Channel) -> Result<(), Ended> {
        for bindings in [Some(Bindings::All), None] {
            let (exchange, key) = (self.topology.jobs().into(), Topology::LEASE_KEY.into());
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let confirmed =
                async { channel.basic_publish(exchange, key, options, b"", BasicProperties::default()).await?.await };
            // A broker that takes long leaves the lease with whoever has it; the next message asks again.
            let Ok(confirmed) = await_answer(confirmed).await else { return Ok(()) };
            match (confirmed?, bindings) {
                (Confirmation::Ack(None) | Confirmation::NotRequested, _) => return Ok(()),
                (Confirmation::Ack(Some(_)), Some(bindings)) => {
                    await_answer(declare::lease(connection, &self.topology, bindings)).await??;
                }
                (confirmation, _) => return Err(Ended::Lost(format!("its message was not taken: {confirmation:?}"))),
            }
        }
        Ok(())
    }

    async fn keep(
        &self,
        connection: &Connection,
        channel: &Channel,
        mut consumer: Consumer,
    ) -> Result<Infallible, Ended> {
        let mut kept: Option<Delivery> = None;
        let sending = self.keep_sending(connection, channel);
        pin!(sending);
        loop {
            tokio::select! {
                delivery = consumer.next() => {
                    let delivery = delivery
                        .ok_or_else(|| Ended::Lost("the consumer ended: its queue was deleted, or the broker went away".to_owned()))??;
                    self.held.send_replace(true);
                    if let Some(before) = kept.replace(delivery) {
                        before.acker.ack(BasicAckOptions::default()).await?;
                    }
                }
                ended = &mut sending => return ended,
            }
        }
    }
}

impl Session for Application {
    async fn run(&mut self, connection: &Connection, link: &watch::Sender<Link>) -> Result<Infallible, Ended> {
        let (channel, consumer) = await_start(connection, self.start(connection)).await?;
        link.send_replace(Link::Up);
        let ended = self.keep(connection, &channel, consumer).await;
        self.held.send_replace(false);
        ended
    }
}
