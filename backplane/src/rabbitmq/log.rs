//! The event log: publishes over the publishing connection, and reads over a connection for each reader.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use model::{EncodedEvent, event::CONTENT_TYPE};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connect::{Broker, await_answer},
    declare::{self, Bindings},
    log_consumer::StreamReader,
    publication::Publication,
    publish::{Failure, Publisher},
    reconnect::{self, Ended, await_start},
    start_position,
};
use crate::{
    link::{Link, SendError},
    log::{BatchError, Destination, EventLog, LogReader, ReadFrom},
};

/// Entries buffered between the connection and the reader.
const READ_AHEAD: usize = 256;

/// An environment's log, kept in its stream.
pub(super) struct RabbitLog {
    pub(super) broker: Broker,
    pub(super) publisher: Arc<Publisher>,
}

impl RabbitLog {
    fn publication(&self, to: Destination, event: &EncodedEvent<'_>) -> Publication {
        let (exchange, body) = (self.broker.topology.destination(to), Bytes::copy_from_slice(event.json()));
        Publication::new(exchange, String::new(), CONTENT_TYPE, &event.event().id, body)
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
        self.publisher.send_or_redeclare(&self.publication(to, event), &|| true, self.redeclare()).await
    }

    async fn publish_all(&self, to: Destination, events: &[EncodedEvent<'_>]) -> Result<(), BatchError> {
        let publications: Vec<_> = events.iter().map(|event| self.publication(to, event)).collect();
        let mut outcomes = Vec::with_capacity(events.len());
        for (publication, sent) in publications.iter().zip(self.publisher.send_all(&publications).await) {
            outcomes.push(match sent {
                // The log is not there: it is declared before the first of them is sent again.
                Err(Failure::Returned | Failure::NoExchange) => {
                    self.publisher.send_or_redeclare(publication, &|| true, self.redeclare()).await
                }
                sent => sent.map_err(|failure| failure.into_error(publication)),
            });
        }
        BatchError::check(outcomes)
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
            Ended::ReaderDropped | Ended::Stopped => SendError::Unavailable("the reader has ended".to_owned()),
        })
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.publisher.link()
    }
}
