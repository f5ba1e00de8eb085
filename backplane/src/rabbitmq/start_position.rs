//! Starts a consumer of the stream so that no entry is skipped unnoticed.

use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::{Connection, Consumer, message::Delivery};
use model::cursor::Cursor;
use tokio::time::timeout;

use super::{
    reconnect::Ended,
    stream::{Start, consume, offset},
};
use crate::log::Gap;

/// Limit for the last entry read to come again; if it exists it comes at once (10 ms).
const JOIN_TIMEOUT: Duration = Duration::from_secs(3);
/// Limit for the stream's last entry to come before the stream is read from its first.
const LAST_ENTRY_TIMEOUT: Duration = Duration::from_millis(500);

/// A started consumer, and how it relates to the entries before it.
pub(super) struct StartedConsumer {
    pub(super) consumer: Consumer,
    /// An entry that existed before the consumer did: a first delivery beyond it means that some were skipped.
    pub(super) before: Option<u64>,
    /// The break between what was read before and this consumer.
    pub(super) gap: Option<Gap>,
}

impl StartedConsumer {
    fn without_gap(consumer: Consumer) -> Self {
        Self { consumer, before: None, gap: None }
    }
}

/// Starts at the first entry kept.
pub(super) async fn at_first(connection: &Connection, stream: &str) -> Result<StartedConsumer, Ended> {
    Ok(StartedConsumer::without_gap(consume(connection, stream, Start::Offset(0)).await?))
}

/// Starts at a time.
///
/// Asked for a time later than all its entries, a stream starts at its next entry and skips one that is written in
/// that moment (3 of 250 when all was published at once to an empty stream). So its last entry is fetched first.
pub(super) async fn at_time(connection: &Connection, stream: &str, time: Timestamp) -> Result<StartedConsumer, Ended> {
    let mut probe = consume(connection, stream, Start::Last).await?;
    let Some(last) = first_within(LAST_ENTRY_TIMEOUT, &mut probe).await? else {
        return at_first(connection, stream).await;
    };
    let consumer = consume(connection, stream, Start::Time(time)).await?;
    Ok(StartedConsumer { consumer, before: Some(offset(&last)?), gap: None })
}

/// Starts after the last entry read, or at the horizon if that entry no longer exists.
///
/// A stream that was deleted and created again looks like the old one, an offset beyond its end stays silent for ever,
/// and an offset that retention removed yields the first entry kept, without an error. So the consumer starts *at* the
/// last entry, and its first delivery is compared with it.
pub(super) async fn after(
    connection: &Connection,
    stream: &str,
    last: Cursor,
    horizon: Timestamp,
) -> Result<StartedConsumer, Ended> {
    let mut consumer = consume(connection, stream, Start::Offset(last.offset)).await?;
    let gap = match first_within(JOIN_TIMEOUT, &mut consumer).await? {
        None => Gap::Remade,
        Some(first) => match Cursor::of(offset(&first)?, &first.data) {
            first if first == last => return Ok(StartedConsumer::without_gap(consumer)),
            first if first.offset > last.offset => Gap::Retention,
            _ => Gap::Remade,
        },
    };
    Ok(StartedConsumer { gap: Some(gap), ..at_time(connection, stream, horizon).await? })
}

/// The offset of an entry near the end of the stream; `None` if it has none.
pub(super) async fn near_end(connection: &Connection, stream: &str) -> Result<Option<u64>, Ended> {
    let mut probe = consume(connection, stream, Start::Last).await?;
    first_within(LAST_ENTRY_TIMEOUT, &mut probe).await?.map(|last| offset(&last)).transpose()
}

async fn first_within(limit: Duration, consumer: &mut Consumer) -> Result<Option<Delivery>, Ended> {
    match timeout(limit, consumer.next()).await {
        Err(_) => Ok(None),
        Ok(None) => Err(Ended::Lost("the stream was deleted".to_owned())),
        Ok(Some(first)) => Ok(Some(first?)),
    }
}
