//! The event log: publishes over the publishing connection, and reads over a connection for each reader.

use std::sync::Arc;

use async_trait::async_trait;
use model::event::{CONTENT_TYPE, EncodedEvent};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connect::Broker,
    declare::{self, Bindings},
    publish::{Publication, Publisher},
    read::StreamReader,
    reconnect,
};
use crate::{
    log::{Destination, EventLog, LogReader, ReadFrom},
    send::{Link, SendError},
};

/// Entries buffered between the connection and the reader.
const READ_AHEAD: usize = 256;

/// An environment's log, kept in its stream.
pub(super) struct RabbitLog {
    broker: Broker,
    publisher: Arc<Publisher>,
}

impl RabbitLog {
    pub(super) fn new(broker: Broker, publisher: Arc<Publisher>) -> Self {
        Self { broker, publisher }
    }

    /// Declares the exchanges, the stream and its bindings again, if this user may.
    async fn redeclare(&self) -> Result<(), SendError> {
        let connection = self.publisher.connection().await?;
        declare::log(connection.connection(), &self.broker.topology, Bindings::All).await?;
        Ok(())
    }
}

#[async_trait]
impl EventLog for RabbitLog {
    async fn publish_encoded(&self, to: Destination, event: &EncodedEvent<'_>) -> Result<(), SendError> {
        let exchange = self.broker.topology.destination(to);
        let publication = Publication::new(exchange, String::new(), CONTENT_TYPE, &event.event().id, event.json());
        self.publisher.send_or_redeclare(&publication, self.redeclare()).await
    }

    fn read(&self, from: ReadFrom) -> LogReader {
        let (sender, items) = mpsc::channel(READ_AHEAD);
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let reader = StreamReader::new(self.broker.topology.clone(), from, sender);
        let task = tokio::spawn(reconnect::run_sessions(self.broker.clone(), "events", link_sender, reader));
        LogReader { items, link, task: AbortOnDropHandle::new(task) }
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.publisher.link()
    }
}
