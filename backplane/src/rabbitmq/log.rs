//! The event log: publishes over the publishing connection, and reads over a connection for each reader.

use std::sync::Arc;

use async_trait::async_trait;
use model::{EncodedEvent, event::CONTENT_TYPE};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connect::{Broker, await_answer},
    declare::{self, Bindings},
    log_consumer::StreamReader,
    publish::{Publication, Publisher},
    reconnect::{self, Ended, await_start},
    start_position,
};
use crate::{
    link::{Link, SendError},
    log::{Destination, EventLog, LogReader, ReadFrom},
};

/// Entries buffered between the connection and the reader.
const READ_AHEAD: usize = 256;

/// An environment's log, kept in its stream.
pub(super) struct RabbitLog {
    pub(super) broker: Broker,
    pub(super) publisher: Arc<Publisher>,
}

impl RabbitLog {
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
        let (item_sender, items) = mpsc::channel(READ_AHEAD);
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let reader = StreamReader { topology: self.broker.topology.clone(), from, items: item_sender };
        let task = tokio::spawn(reconnect::run_sessions(self.broker.clone(), "events", link_sender, reader));
        LogReader { items, link, task: AbortOnDropHandle::new(task) }
    }

    async fn near_end(&self) -> Result<Option<u64>, SendError> {
        let connection = self.broker.connect("events").await.map_err(SendError::Unavailable)?;
        let last = await_start(start_position::near_end(&connection, &self.broker.topology.stream())).await;
        await_answer(connection.close(200, "done".into())).await.ok();
        last.map_err(|ended| match ended {
            Ended::Lost(why) => SendError::Unavailable(why),
            Ended::ReaderDropped => SendError::Unavailable("the reader has ended".to_owned()),
        })
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.publisher.link()
    }
}
