//! Control messages: a fanout exchange, and an exclusive queue for each pod that goes with its connection.

use std::{convert::Infallible, sync::Arc};

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::{
    Connection, Consumer,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use model::PodId;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::{
    connect::Broker,
    declare,
    publication::Publication,
    publish::{Failure, Publisher},
    reconnect::{self, Ended, Session, await_start},
};
use crate::{
    control::{Control, ControlMessage, ControlReader},
    link::{Link, SendError},
    topology::Topology,
};

/// Most messages that wait for a pod on the broker; the oldest go first.
const MAX_QUEUED: i64 = 10_000;
/// Messages that the broker sends ahead of acknowledgements.
const PREFETCH: u16 = 100;
/// Messages buffered between the connection and the reader.
const READ_AHEAD: usize = 64;

/// The control exchange of an environment.
pub(super) struct RabbitControl {
    pub(super) broker: Broker,
    pub(super) publisher: Arc<Publisher>,
}

#[async_trait]
impl Control for RabbitControl {
    async fn send(&self, message: &ControlMessage) -> Result<(), SendError> {
        let exchange = self.broker.topology.control();
        let publication = Publication::transient(exchange, "application/json", message.to_json()?);
        match self.publisher.send_once(&publication).await {
            // No pod listens: a control message may be lost.
            Ok(()) | Err(Failure::Returned) => Ok(()),
            Err(failure) => Err(failure.into_error(&publication)),
        }
    }

    fn subscribe(&self, pod: &PodId) -> ControlReader {
        let (sender, messages) = mpsc::channel(READ_AHEAD);
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let subscription = Subscription { topology: self.broker.topology.clone(), pod: pod.clone(), messages: sender };
        let task = tokio::spawn(reconnect::run_sessions(self.broker.clone(), "control", link_sender, subscription));
        ControlReader { messages, link, task: AbortOnDropHandle::new(task) }
    }
}

/// One pod's subscription across its connections.
struct Subscription {
    topology: Arc<Topology>,
    pod: PodId,
    messages: mpsc::Sender<ControlMessage>,
}

impl Subscription {
    async fn start(&self, connection: &Connection) -> Result<Consumer, Ended> {
        declare::control(connection, &self.topology).await?;
        let queue = self.topology.control_queue(&self.pod);
        let channel = connection.create_channel().await?;
        // Named by us, so that a pod's permissions can be limited to queues of this pattern.
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
        let mut consumer = await_start(connection, self.start(connection)).await?;
        link.send_replace(Link::Up);
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            match serde_json::from_slice::<ControlMessage>(&delivery.data) {
                Ok(message) if message.is_for(&self.pod) => {
                    self.messages.send(message).await.map_err(|_| Ended::ReaderDropped)?;
                }
                Ok(_) => {}
                Err(error) => debug!(%error, "a malformed control message"),
            }
            delivery.acker.ack(BasicAckOptions::default()).await?;
        }
        Err(Ended::Lost("the pod's control queue was deleted".to_owned()))
    }
}

fn arguments() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(MAX_QUEUED));
    arguments
}
