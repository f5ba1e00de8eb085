//! Takes jobs: one consumer of a kind's queue after another.

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
    reconnect::{Ended, Session, await_start},
    settle::{Settler, UnsettledJob},
};
use crate::{dead, jobs::JobDelivery, link::Link};

/// The header in which a quorum queue counts earlier deliveries.
const REDELIVERIES: &str = "x-delivery-count";

/// A reader of one kind's queue across its connections.
pub(super) struct JobConsumer {
    pub(super) settler: Arc<Settler>,
    pub(super) at_once: u16,
    pub(super) deliveries: mpsc::Sender<JobDelivery>,
}

impl JobConsumer {
    async fn start(&self, connection: &Connection) -> Result<(Channel, Consumer), Ended> {
        let Settler { topology, kind, .. } = &*self.settler;
        declare::jobs(connection, topology, kind, Bindings::NewOnly).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(self.at_once, BasicQosOptions::default()).await?;
        let (queue, options) = (topology.job_queue(kind), BasicConsumeOptions::default());
        let consumer = channel.basic_consume(queue.into(), ShortString::from(""), options, FieldTable::default());
        let consumer = consumer.await?;
        Ok((channel, consumer))
    }
}

impl Session for JobConsumer {
    async fn run(&mut self, connection: &Connection, link: &watch::Sender<Link>) -> Result<Infallible, Ended> {
        let (channel, mut consumer) = await_start(self.start(connection)).await?;
        link.send_replace(Link::Up);
        while let Some(delivery) = consumer.next().await {
            let job = job_delivery(&self.settler, delivery?, &channel);
            self.deliveries.send(job).await.map_err(|_| Ended::ReaderDropped)?;
        }
        Err(Ended::Lost("the queue's consumer ended: it was deleted, or its broker went away".to_owned()))
    }
}

fn job_delivery(settler: &Arc<Settler>, delivery: Delivery, channel: &Channel) -> JobDelivery {
    let headers = delivery.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get(REDELIVERIES)).and_then(AMQPValue::as_long_long_int);
    let redeliveries = count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    let job = dead::parse(&delivery.data).map_err(|invalid| invalid.reason);
    let earlier = job.as_ref().map_or(0, |job| job.attempts);
    let attempt = earlier.saturating_add(redeliveries).saturating_add(1);
    let unsettled = UnsettledJob { settler: settler.clone(), delivery, attempt, _channel: channel.clone() };
    JobDelivery { job, redeliveries, settle: Box::new(unsettled) }
}
