//! Taking jobs: one consumer of a kind's queue after another.

use std::{convert::Infallible, sync::Arc};

use futures_util::StreamExt;
use lapin::{
    Channel, Connection, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::sync::{mpsc, watch};

use super::{
    declare::{self, Bindings},
    heal::{Ended, Session, in_time},
    settle::{Desk, Held},
};
use crate::{dead, jobs::JobDelivery, send::Link};

/// How often a quorum queue has handed a job out before.
const REDELIVERIES: &str = "x-delivery-count";

/// A reader of one kind's queue over all its connections.
pub(super) struct Taking {
    desk: Arc<Desk>,
    at_once: u16,
    deliveries: mpsc::Sender<JobDelivery>,
}

impl Taking {
    pub(super) fn new(desk: Arc<Desk>, at_once: u16, deliveries: mpsc::Sender<JobDelivery>) -> Self {
        Self { desk, at_once, deliveries }
    }

    async fn begin(&self, connection: &Connection) -> Result<(Channel, Consumer), Ended> {
        let (topology, kind) = (self.desk.topology(), self.desk.kind());
        declare::jobs(connection, topology, kind, Bindings::OfTheNew).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(self.at_once, BasicQosOptions::default()).await?;
        let (queue, options) = (topology.job_queue(kind), BasicConsumeOptions::default());
        let consumer = channel.basic_consume(queue.into(), ShortString::from(""), options, FieldTable::default());
        let consumer = consumer.await?;
        Ok((channel, consumer))
    }
}

impl Session for Taking {
    async fn run(&mut self, connection: &Connection, link: &watch::Sender<Link>) -> Result<Infallible, Ended> {
        let (channel, mut consumer) = in_time(self.begin(connection)).await?;
        link.send_replace(Link::Up);
        while let Some(delivery) = consumer.next().await {
            let taken = taken(&self.desk, delivery?, &channel);
            self.deliveries.send(taken).await.map_err(|_| Ended::Unheard)?;
        }
        Err(Ended::Lost("the queue's consumer ended: it was deleted, or its broker went away".to_owned()))
    }
}

fn taken(desk: &Arc<Desk>, delivery: Delivery, channel: &Channel) -> JobDelivery {
    let headers = delivery.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get(REDELIVERIES)).and_then(AMQPValue::as_long_long_int);
    let redeliveries = count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    let job = dead::parse(&delivery.data).map_err(|no_job| no_job.why);
    let tried = job.as_ref().map_or(0, |job| job.attempts);
    let attempt = tried.saturating_add(redeliveries).saturating_add(1);
    JobDelivery { job, redeliveries, settle: Box::new(Held::new(desk.clone(), delivery, attempt, channel.clone())) }
}
