//! The event log of one environment: a totally ordered log that every pod reads without consuming it.

use async_trait::async_trait;
use jiff::Timestamp;
use model::{
    cursor::Cursor,
    event::{Event, EventError, SharedEvent},
};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::send::{Link, SendError};

/// Which exchange an event goes to, or came through: that alone decides whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// This environment.
    Own,
    /// Every environment; an operator's right.
    Everywhere,
}

/// Where to begin reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// At the first entry kept that is not older than this; some earlier ones may come first.
    Time(Timestamp),
    /// Right after this entry, which was read before.
    ///
    /// If the log does not have it any more (or is another log) a [`LogItem::Gap`] comes first and
    /// reading goes on from `horizon`.
    After {
        /// The last entry read.
        last: Cursor,
        /// Where to begin instead.
        horizon: Timestamp,
    },
}

/// Why an entry is not for anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// It came through an exchange that may not speak to this environment.
    #[error("it came through the exchange {0:?}")]
    ForeignExchange(String),
    /// Its bytes are no event.
    #[error(transparent)]
    Malformed(#[from] EventError),
}

/// One entry of the log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Its place.
    pub cursor: Cursor,
    /// Which exchange it came through.
    pub origin: Destination,
    /// What it says, or why it is dropped; a dropped one still has a place.
    pub event: Result<SharedEvent, Dropped>,
}

/// Why what follows is not joined to what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gap {
    /// Retention has removed entries that were not read.
    Retention,
    /// The log was deleted and made again.
    Remade,
}

/// What a reader yields.
#[derive(Debug, Clone)]
pub enum LogItem {
    /// The next entry.
    Entry(LogEntry),
    /// A break: all read before is no longer joined to what follows.
    Gap(Gap),
}

/// A reader of the log; it heals by itself, and ends when dropped.
#[derive(Debug)]
pub struct LogReader {
    /// Entries in order; closed only if the reader is dropped or its task has panicked.
    pub items: mpsc::Receiver<LogItem>,
    /// Whether the log can be heard now.
    pub link: watch::Receiver<Link>,
    /// The task that reads; it ends with this value.
    pub task: AbortOnDropHandle<()>,
}

/// The log of one environment.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Publishes an event; `Ok` means it is in the log, durably where the log is durable.
    ///
    /// It is repeated with the same id while the broker is away, for a few seconds; then `Unavailable`.
    async fn publish(&self, to: Destination, event: &Event) -> Result<(), SendError>;

    /// Reads the log for as long as the reader lives; lost connections are made again within.
    fn read(&self, from: ReadFrom) -> LogReader;

    /// Whether publishing is possible now.
    fn publishing(&self) -> watch::Receiver<Link>;
}
