//! Where a consumer of the stream begins, so that no entry is skipped unnoticed.

use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::{Connection, Consumer, message::Delivery};
use tokio::time::timeout;

use super::{
    heal::Ended,
    read::{Begin, consume, offset},
};
use model::cursor::Cursor;

use crate::log::Gap;

/// How long the last entry read may take to come again; it is there at once (10 ms) if it is there.
const JOIN_PATIENCE: Duration = Duration::from_secs(3);
/// How long the stream's last entry may take to come before the stream is read from its first.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// A consumer, and what is known of the stream before it.
pub(super) struct Begun {
    pub(super) consumer: Consumer,
    /// An entry that was there before the consumer was: if its first one is a later one, it skipped some.
    pub(super) before: Option<u64>,
    /// Why it is not joined to what was read.
    pub(super) gap: Option<Gap>,
}

impl Begun {
    fn joined(consumer: Consumer) -> Self {
        Self { consumer, before: None, gap: None }
    }
}

/// Begins at the first entry kept.
pub(super) async fn at_first(connection: &Connection, stream: &str) -> Result<Begun, Ended> {
    Ok(Begun::joined(consume(connection, stream, Begin::Offset(0)).await?))
}

/// Begins at a time.
///
/// Asked for a time after all it has, a stream begins at its next entry, and one that is written in that very
/// moment is skipped (3 times of 250 when all was published at once to an empty stream). So its last entry is
/// asked for before.
pub(super) async fn at_time(connection: &Connection, stream: &str, time: Timestamp) -> Result<Begun, Ended> {
    let mut probe = consume(connection, stream, Begin::Last).await?;
    let Some(last) = first_within(LAST_PATIENCE, &mut probe).await? else {
        return at_first(connection, stream).await;
    };
    let consumer = consume(connection, stream, Begin::Time(time)).await?;
    Ok(Begun { consumer, before: Some(offset(&last)?), gap: None })
}

/// Begins after the last entry read, or at the horizon if that entry is no longer there.
///
/// A stream that was deleted and made again looks like the old one, asking beyond its end gives silence for
/// ever, and asking for what retention removed gives the first kept without a word. So reading goes on *at* the
/// last entry, and what comes first is compared with it.
pub(super) async fn after(
    connection: &Connection,
    stream: &str,
    last: Cursor,
    horizon: Timestamp,
) -> Result<Begun, Ended> {
    let mut consumer = consume(connection, stream, Begin::Offset(last.offset)).await?;
    let gap = match first_within(JOIN_PATIENCE, &mut consumer).await? {
        None => Gap::Remade,
        Some(first) => match Cursor::of(offset(&first)?, &first.data) {
            first if first == last => return Ok(Begun::joined(consumer)),
            first if first.offset > last.offset => Gap::Retention,
            _ => Gap::Remade,
        },
    };
    Ok(Begun { gap: Some(gap), ..at_time(connection, stream, horizon).await? })
}

async fn first_within(patience: Duration, consumer: &mut Consumer) -> Result<Option<Delivery>, Ended> {
    match timeout(patience, consumer.next()).await {
        Err(_) => Ok(None),
        Ok(None) => Err(Ended::Lost("the stream was deleted".to_owned())),
        Ok(Some(first)) => Ok(Some(first?)),
    }
}
