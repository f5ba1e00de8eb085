//! Going on after the last entry read, or finding that it is no longer there.
//!
//! A stream that was deleted and made again looks like the old one, asking beyond its end gives silence for
//! ever, and asking for what retention removed gives the first kept without a word. So reading goes on *at* the
//! last entry, and what comes first is compared with it.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::{Connection, Consumer};
use tokio::time::timeout;

use super::{
    heal::Ended,
    read::{Begin, consume, offset},
};
use crate::{cursor::Cursor, log::Gap};

/// How long the last entry may take to come again; it is there at once (10 ms) if it is there.
const JOIN_PATIENCE: Duration = Duration::from_secs(3);

/// Whether what follows is joined to what was read.
pub(super) enum Joined {
    /// It is; the consumer's next entry is the one after.
    At(Consumer),
    /// It is not.
    Not(Gap),
}

/// Consumes at the last entry, inclusive, and compares.
pub(super) async fn join(connection: &Connection, stream: &str, last: Cursor) -> Result<Joined, Ended> {
    let mut consumer = consume(connection, stream, Begin::Offset(last.offset)).await?;
    let first = match timeout(JOIN_PATIENCE, consumer.next()).await {
        Err(_) => return Ok(Joined::Not(Gap::Remade)),
        Ok(None) => return Err(Ended::Lost("the stream was deleted".to_owned())),
        Ok(Some(first)) => first?,
    };
    let first = Cursor::of(offset(&first)?, &first.data);
    Ok(if first == last {
        Joined::At(consumer)
    } else if first.offset > last.offset {
        Joined::Not(Gap::Retention)
    } else {
        Joined::Not(Gap::Remade)
    })
}
