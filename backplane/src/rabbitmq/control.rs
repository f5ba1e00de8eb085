//! Words between pods: a fanout, and an exclusive queue for each pod that goes with its connection.

use std::{convert::Infallible, sync::Arc};

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::{
    Connection, Consumer,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::{
    connect::Broker,
    declare,
    heal::{self, Ended, Session, in_time},
    publish::{Failure, Parcel, Publisher},
};
use model::PodId;

use crate::{
    control::{Control, ControlMessage, ControlReader},
    send::{Link, SendError},
    topology::Topology,
};

/// Words that wait for a pod on the broker; older ones go first.
const MOST_WAITING: i64 = 10_000;
/// Words that the broker sends ahead.
const PREFETCH: u16 = 100;
/// Words that wait between the connection and who hears.
const HEARD_AHEAD: usize = 64;

/// The control exchange of an environment.
pub(super) struct RabbitControl {
    broker: Broker,
    publisher: Arc<Publisher>,
}

impl RabbitControl {
    pub(super) fn new(broker: Broker, publisher: Arc<Publisher>) -> Self {
        Self { broker, publisher }
    }
}

#[async_trait]
impl Control for RabbitControl {
    async fn send(&self, word: &ControlMessage) -> Result<(), SendError> {
        let parcel = Parcel::passing(self.broker.topology.control(), "application/json", word.write()?);
        match self.publisher.send_once(&parcel).await {
            // Nobody hears: a word may be lost.
            Ok(()) | Err(Failure::Returned) => Ok(()),
            Err(failure) => Err(failure.explain(&parcel)),
        }
    }

    fn subscribe(&self, pod: &PodId) -> ControlReader {
        let (sender, words) = mpsc::channel(HEARD_AHEAD);
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let subscription = Subscription { topology: self.broker.topology.clone(), pod: pod.clone(), words: sender };
        let task = tokio::spawn(heal::keep(self.broker.clone(), "control", link_sender, subscription));
        ControlReader { words, link, task: AbortOnDropHandle::new(task) }
    }
}

/// One pod's ear over all its connections.
struct Subscription {
    topology: Arc<Topology>,
    pod: PodId,
    words: mpsc::Sender<ControlMessage>,
}

impl Subscription {
    async fn begin(&self, connection: &Connection) -> Result<Consumer, Ended> {
        declare::control(connection, &self.topology).await?;
        let queue = self.topology.control_queue(&self.pod);
        let channel = connection.create_channel().await?;
        // A name of ours, so that a pod's right reaches its own kind of queue and no other.
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        channel.queue_declare(queue.as_str().into(), options, arguments()).await?;
        declare::bind(connection, &queue, &self.topology.control(), "").await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions { exclusive: true, ..Default::default() };
        let consumer = channel.basic_consume(queue.into(), ShortString::from(""), options, FieldTable::default());
        Ok(consumer.await?)
    }
}

impl Session for Subscription {
    async fn run(&mut self, connection: &Connection, link: &watch::Sender<Link>) -> Result<Infallible, Ended> {
        let mut consumer = in_time(self.begin(connection)).await?;
        link.send_replace(Link::Up);
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            match serde_json::from_slice::<ControlMessage>(&delivery.data) {
                Ok(word) if word.is_for(&self.pod) => {
                    self.words.send(word).await.map_err(|_| Ended::Unheard)?;
                }
                Ok(_) => {}
                Err(error) => debug!(%error, "a word that is none"),
            }
            delivery.acker.ack(BasicAckOptions::default()).await?;
        }
        Err(Ended::Lost("the pod's queue of words was deleted".to_owned()))
    }
}

fn arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(MOST_WAITING));
    arguments
}
