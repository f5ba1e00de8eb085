//! Consumes the stream: where a consumer starts, and the offset of each entry.

use jiff::Timestamp;
use lapin::{
    Connection, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};

use super::{connect::start_consumer, reconnect::Ended};

/// Entries that the broker sends ahead of acknowledgements; on a stream an acknowledgement only grants more.
const PREFETCH: u16 = 300;
const OFFSET: &str = "x-stream-offset";

/// The position at which a consumer starts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// The entry with this offset, or the next one that is kept.
    Offset(u64),
    /// About this time.
    Time(Timestamp),
    /// The last entry, or one shortly before it.
    Last,
}

/// Starts a consumer on a channel of its own.
pub(super) async fn consume(connection: &Connection, stream: &str, start: Start) -> lapin::Result<Consumer> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let start = match start {
        Start::Offset(offset) => AMQPValue::LongLongInt(offset.try_into().unwrap_or(i64::MAX)),
        Start::Time(time) => AMQPValue::Timestamp(time.as_second().try_into().unwrap_or(0)),
        Start::Last => AMQPValue::LongString("last".into()),
    };
    let mut arguments = FieldTable::default();
    arguments.insert(OFFSET.into(), start);
    let options = BasicConsumeOptions::default();
    start_consumer(&channel, stream, options, arguments).await
}

/// The entry's offset; the broker sets it and a publisher cannot forge it.
pub(super) fn offset(delivery: &Delivery) -> Result<u64, Ended> {
    let headers = delivery.properties.headers().as_ref();
    let offset = headers.and_then(|headers| headers.inner().get(OFFSET)).and_then(AMQPValue::as_long_long_int);
    match offset.map(u64::try_from) {
        Some(Ok(offset)) => Ok(offset),
        _ => Err(Ended::Lost(format!("an entry without {OFFSET}: the queue is no stream"))),
    }
}
