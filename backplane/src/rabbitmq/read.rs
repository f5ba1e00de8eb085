//! Reading the log: one consumer of the stream after another, each going on where the last one ended.

use std::{convert::Infallible, sync::Arc};

use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::{
    Connection, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::sync::{mpsc, watch};

use super::{
    declare::{self, Bindings, Found},
    heal::{Ended, Session, in_time},
    join::{self, Begun},
};
use model::{cursor::Cursor, event::Event};

use crate::{
    log::{Dropped, Gap, LogEntry, LogItem, ReadFrom},
    send::Link,
    topology::Topology,
};

/// Entries that the broker sends ahead of what was acknowledged; a stream's acknowledgement is only credit for more.
const PREFETCH: u16 = 300;
/// Entries that one acknowledgement stands for.
const ACK_EVERY: u32 = 100;
const OFFSET: &str = "x-stream-offset";

/// Where a consumer begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begin {
    /// At the entry with this offset, if there is one; else at the next kept.
    Offset(u64),
    /// At about this time.
    Time(Timestamp),
    /// At the last entry, or one not long before it.
    Last,
}

/// A reader of the log over all its connections.
pub(super) struct Reading {
    topology: Arc<Topology>,
    // Moves on with each entry that was handed over.
    from: ReadFrom,
    items: mpsc::Sender<LogItem>,
}

impl Reading {
    pub(super) fn new(topology: Arc<Topology>, from: ReadFrom, items: mpsc::Sender<LogItem>) -> Self {
        Self { topology, from, items }
    }

    async fn begin(&self, connection: &Connection) -> Result<Begun, Ended> {
        let found = declare::log(connection, &self.topology, Bindings::OfTheNew).await?;
        let stream = self.topology.stream();
        match (found, self.from) {
            (Found::There, ReadFrom::Time(time)) => join::at_time(connection, &stream, time).await,
            (Found::There, ReadFrom::After { last, horizon }) => join::after(connection, &stream, last, horizon).await,
            (Found::Made, ReadFrom::Time(_)) => join::at_first(connection, &stream).await,
            // What was just made cannot hold the entry.
            (Found::Made, ReadFrom::After { .. }) => {
                Ok(Begun { gap: Some(Gap::Remade), ..join::at_first(connection, &stream).await? })
            }
        }
    }

    fn horizon(&self) -> Timestamp {
        let (ReadFrom::Time(horizon) | ReadFrom::After { horizon, .. }) = self.from;
        horizon
    }

    async fn take(&mut self, delivery: Delivery) -> Result<(), Ended> {
        let offset = offset(&delivery)?;
        let cursor = Cursor::of(offset, &delivery.data);
        let entry = entry(&self.topology, cursor, &delivery);
        self.hand(LogItem::Entry(entry)).await?;
        self.from = ReadFrom::After { last: cursor, horizon: self.horizon() };
        Ok(())
    }

    async fn hand(&self, item: LogItem) -> Result<(), Ended> {
        self.items.send(item).await.map_err(|_| Ended::Unheard)
    }
}

impl Session for Reading {
    async fn run(&mut self, connection: &Connection, link: &watch::Sender<Link>) -> Result<Infallible, Ended> {
        let Begun { mut consumer, mut before, gap } = in_time(self.begin(connection)).await?;
        link.send_replace(Link::Up);
        if let Some(gap) = gap {
            self.hand(LogItem::Gap(gap)).await?;
            self.from = ReadFrom::Time(self.horizon());
        }
        let mut unacknowledged = 0;
        // The first error or end is the last thing polled: after it a consumer hangs for ever.
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            if let Some(before) = before.take()
                && offset(&delivery)? > before
            {
                // Perhaps it skipped some; earlier ones may come again, none may be missing.
                consumer = in_time(consume(connection, &self.topology.stream(), Begin::Offset(before))).await?;
                continue;
            }
            let acker = delivery.acker.clone();
            self.take(delivery).await?;
            unacknowledged += 1;
            if unacknowledged == ACK_EVERY {
                unacknowledged = 0;
                acker.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        Err(Ended::Lost("the stream's consumer ended: it was deleted, or its broker went away".to_owned()))
    }
}

/// Begins to consume the stream, on a channel of its own.
pub(super) async fn consume(connection: &Connection, stream: &str, begin: Begin) -> lapin::Result<Consumer> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let begin = match begin {
        Begin::Offset(offset) => AMQPValue::LongLongInt(offset.try_into().unwrap_or(i64::MAX)),
        Begin::Time(time) => AMQPValue::Timestamp(time.as_second().try_into().unwrap_or(0)),
        Begin::Last => AMQPValue::LongString("last".into()),
    };
    let mut arguments = FieldTable::default();
    arguments.insert(OFFSET.into(), begin);
    let options = BasicConsumeOptions::default();
    channel.basic_consume(stream.into(), ShortString::from(""), options, arguments).await
}

/// Where the entry stands; the broker writes it and a publisher cannot forge it.
pub(super) fn offset(delivery: &Delivery) -> Result<u64, Ended> {
    let headers = delivery.properties.headers().as_ref();
    let offset = headers.and_then(|headers| headers.inner().get(OFFSET)).and_then(AMQPValue::as_long_long_int);
    match offset.map(u64::try_from) {
        Some(Ok(offset)) => Ok(offset),
        _ => Err(Ended::Lost(format!("an entry without {OFFSET}: the queue is no stream"))),
    }
}

fn entry(topology: &Topology, cursor: Cursor, delivery: &Delivery) -> LogEntry {
    // Whose it is, its exchange decides and nothing in its body.
    let Some(origin) = topology.origin(delivery.exchange.as_str()) else {
        let foreign = Dropped::ForeignExchange(delivery.exchange.to_string());
        return LogEntry { cursor, origin: crate::log::Destination::Own, event: Err(foreign) };
    };
    let event = Event::parse(&delivery.data).map(Arc::new).map_err(Dropped::Malformed);
    LogEntry { cursor, origin, event }
}
