//! The event log: events out over the publishing connection, and in over one for each reader.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connect::Broker,
    declare::{self, Bindings},
    heal,
    publish::{Parcel, Publisher},
    read::Reading,
};
use model::event::{CONTENT_TYPE, Event, EventError};

use crate::{
    log::{Destination, EventLog, LogReader, ReadFrom},
    send::{Link, SendError},
};

/// Entries that wait between the connection and who reads.
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

    /// Makes what an event needs to be kept, if this user may.
    async fn mend(&self) -> Result<(), SendError> {
        let line = self.publisher.line().await?;
        declare::log(line.connection(), &self.broker.topology, Bindings::All).await?;
        Ok(())
    }
}

#[async_trait]
impl EventLog for RabbitLog {
    async fn publish(&self, to: Destination, event: &Event) -> Result<(), SendError> {
        let invalid = |error: EventError| SendError::Invalid(error.to_string());
        event.check().map_err(invalid)?;
        let body = event.to_json().map_err(invalid)?;
        let parcel = Parcel::new(self.broker.topology.destination(to), String::new(), CONTENT_TYPE, &event.id, body);
        self.publisher.send_or_mend(&parcel, self.mend()).await
    }

    fn read(&self, from: ReadFrom) -> LogReader {
        let (sender, items) = mpsc::channel(READ_AHEAD);
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let reading = Reading::new(self.broker.topology.clone(), from, sender);
        let task = tokio::spawn(heal::keep(self.broker.clone(), "events", link_sender, reading));
        LogReader { items, link, task: AbortOnDropHandle::new(task) }
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.publisher.link()
    }
}
