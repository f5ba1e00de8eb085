//! Reads the log: one consumer of the stream after another, each going on after the last entry read.

use std::{convert::Infallible, sync::Arc};

use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::{Connection, message::Delivery, options::BasicAckOptions};
use model::cursor::Cursor;
use tokio::sync::{mpsc, watch};

use super::{
    declare::{self, Bindings, Existence},
    event_message,
    reconnect::{Ended, Session, await_start},
    start_position::{self, StartedConsumer},
    stream::{Start, consume, offset},
};
use crate::{
    link::Link,
    log::{Destination, DropReason, Gap, LogEntry, LogItem, ReadFrom},
    topology::Topology,
};

/// Entries that one acknowledgement stands for.
const ACK_EVERY: u32 = 100;

/// A reader of the log across its connections.
pub(super) struct StreamReader {
    pub(super) topology: Arc<Topology>,
    /// Moves on with each entry that was handed over.
    pub(super) from: ReadFrom,
    pub(super) items: mpsc::Sender<LogItem>,
}

impl StreamReader {
    async fn join(&self, connection: &Connection) -> Result<StartedConsumer, Ended> {
        let stream = self.topology.stream();
        match (declare::log(connection, &self.topology, Bindings::NewOnly).await?, self.from) {
            (Existence::Existing, ReadFrom::Time(time)) => start_position::at_time(connection, &stream, time).await,
            (Existence::Existing, ReadFrom::After { last, horizon }) => {
                start_position::after(connection, &stream, last, horizon).await
            }
            (Existence::Created, ReadFrom::Time(_)) => start_position::at_first(connection, &stream).await,
            // A new stream cannot hold the entry.
            (Existence::Created, ReadFrom::After { .. }) => {
                Ok(StartedConsumer { gap: Some(Gap::Remade), ..start_position::at_first(connection, &stream).await? })
            }
        }
    }

    fn horizon(&self) -> Timestamp {
        let (ReadFrom::Time(horizon) | ReadFrom::After { horizon, .. }) = self.from;
        horizon
    }

    async fn handle_delivery(&mut self, delivery: Delivery) -> Result<(), Ended> {
        let cursor = Cursor::of(offset(&delivery)?, &delivery.data);
        self.send(LogItem::Entry(entry(&self.topology, cursor, &delivery))).await?;
        self.from = ReadFrom::After { last: cursor, horizon: self.horizon() };
        Ok(())
    }

    async fn send(&self, item: LogItem) -> Result<(), Ended> {
        self.items.send(item).await.map_err(|_| Ended::ReaderDropped)
    }
}

impl Session for StreamReader {
    async fn run(&mut self, connection: &Connection, link: &watch::Sender<Link>) -> Result<Infallible, Ended> {
        let StartedConsumer { mut consumer, mut before, gap } = await_start(connection, self.join(connection)).await?;
        link.send_replace(Link::Up);
        if let Some(gap) = gap {
            self.send(LogItem::Gap(gap)).await?;
            self.from = ReadFrom::Time(self.horizon());
        }
        let mut unacknowledged = 0;
        // The first error or end is the last thing polled: after it a consumer hangs for ever.
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            if let Some(before) = before.take()
                && offset(&delivery)? > before
            {
                // It may have skipped some; earlier ones may come again, none may be missing.
                consumer = await_start(connection, consume(connection, &self.topology.stream(), Start::Offset(before)))
                    .await?;
                continue;
            }
            let acker = delivery.acker.clone();
            self.handle_delivery(delivery).await?;
            unacknowledged += 1;
            if unacknowledged == ACK_EVERY {
                unacknowledged = 0;
                acker.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        Err(Ended::Lost("the stream's consumer ended: it was deleted, or its broker went away".to_owned()))
    }
}

fn entry(topology: &Topology, cursor: Cursor, delivery: &Delivery) -> LogEntry {
    let exchange = delivery.exchange.as_str();
    // The exchange decides the environment, never the body.
    let (origin, event) = match topology.origin(exchange) {
        Some(origin) => (origin, event_message::read(&delivery.properties, &delivery.data).map(Arc::new)),
        None => (Destination::Own, Err(DropReason::ForeignExchange(exchange.to_owned()))),
    };
    LogEntry::new(cursor, origin, event, || event_message::dropped(exchange, &delivery.properties, &delivery.data))
}
