//! The event log of one environment: totally ordered, and read by every pod without being consumed.

use async_trait::async_trait;
use jiff::Timestamp;
use model::{
    EncodedEvent,
    cursor::Cursor,
    event::{Event, EventError, SharedEvent},
};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::link::{Link, SendError};

/// The exchange that an event is published to, or came through: it alone decides the environment, and what may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// This environment; for gateways and workers, which may say everything.
    Own,
    /// This environment; for plain publishers, see [`Event::is_for_publishers`].
    Publishers,
    /// Every environment; a permission of operators, who may say what plain publishers may.
    Everywhere,
}

/// The position at which reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// The first entry kept that is not older than this; some earlier ones may come first.
    Time(Timestamp),
    /// Right after this entry, which was read before.
    ///
    /// If the log no longer has it (or is another log), a [`LogItem::Gap`] comes first and reading goes on from
    /// `horizon`.
    After {
        /// The last entry read.
        last: Cursor,
        /// The time to start at instead.
        horizon: Timestamp,
    },
}

/// Why an entry is dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// It came through an exchange that may not publish to this environment.
    #[error("it came through the exchange {0:?}")]
    ForeignExchange(String),
    /// It came from a plain publisher, or through everywhere, and is of a type of gateways and workers.
    #[error("its type is {0:?}, which only gateways and workers of the environment may publish")]
    Reserved(String),
    /// Its bytes are not a valid event.
    #[error(transparent)]
    Malformed(#[from] EventError),
    /// Its encoding, its format or a header is not understood.
    #[error("{0}")]
    Unreadable(String),
}

/// What was sent, where it is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedMessage {
    /// The exchange that it came through; empty for the default exchange, and in memory.
    pub exchange: String,
    /// The broker's user who sent it, if the sender said so and the broker has checked it.
    pub user: Option<String>,
    /// Its content type.
    pub content_type: Option<String>,
    /// Its content encoding.
    pub content_encoding: Option<String>,
    /// Its bytes, as they were sent.
    pub body: Vec<u8>,
}

/// One entry of the log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// Its position.
    pub cursor: Cursor,
    /// The exchange it came through.
    pub origin: Destination,
    /// The event, or why it is dropped; a dropped entry still has a position.
    pub event: Result<SharedEvent, DropReason>,
    /// What was sent, if it is dropped.
    pub dropped: Option<Box<DroppedMessage>>,
}

impl LogEntry {
    /// An entry as every reader takes it: what came from an origin that may not say it is dropped.
    pub(crate) fn new(
        cursor: Cursor,
        origin: Destination,
        event: Result<SharedEvent, DropReason>,
        message: impl FnOnce() -> DroppedMessage,
    ) -> Self {
        let event = event.and_then(|event| match origin {
            Destination::Publishers | Destination::Everywhere if !event.is_for_publishers() => {
                Err(DropReason::Reserved(event.event_type.clone()))
            }
            _ => Ok(event),
        });
        let dropped = event.is_err().then(|| Box::new(message()));
        Self { cursor, origin, event, dropped }
    }
}

/// Why entries are missing between two that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gap {
    /// Retention has removed entries that were not read.
    Retention,
    /// The log was deleted and created again.
    Remade,
}

/// An item of a [`LogReader`].
#[derive(Debug, Clone)]
pub enum LogItem {
    /// The next entry.
    Entry(LogEntry),
    /// A break: entries between the last one and the next are missing.
    Gap(Gap),
}

/// A reader of the log; it reconnects by itself, and ends when dropped.
#[derive(Debug)]
pub struct LogReader {
    /// Entries in order; closed only if the reader is dropped or its task has panicked.
    pub items: mpsc::Receiver<LogItem>,
    /// The state of reading the log.
    pub link: watch::Receiver<Link>,
    /// The task that reads; it ends with this value.
    pub task: AbortOnDropHandle<()>,
}

/// Why not all events of several are in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct BatchError {
    /// How many of them are.
    pub published: usize,
    /// What is wrong with the first that is not.
    pub error: SendError,
}

impl BatchError {
    /// The error of several outcomes, if there is one.
    pub(crate) fn check(outcomes: Vec<Result<(), SendError>>) -> Result<(), Self> {
        let published = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let first = outcomes.into_iter().find_map(Result::err);
        first.map_or(Ok(()), |error| Err(Self { published, error }))
    }
}

/// The log of one environment.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Publishes an event; `Ok` means that it is in the log, durably where the log is durable.
    ///
    /// Retries with the same id for a few seconds while the broker cannot be reached; then `Unavailable`.
    async fn publish_encoded(&self, to: Destination, event: &EncodedEvent<'_>) -> Result<(), SendError>;

    /// Validates, encodes and publishes an event; an invalid or too large one is [`SendError::Invalid`].
    async fn publish(&self, to: Destination, event: &Event) -> Result<(), SendError> {
        let encoded = event.encode().map_err(|error| SendError::Invalid(error.to_string()))?;
        self.publish_encoded(to, &encoded).await
    }

    /// Publishes several events together and in this order; `Ok` means that all are in the log, as [`EventLog::publish_encoded`]
    /// says it. One that is refused keeps none of the others out.
    async fn publish_all(&self, to: Destination, events: &[EncodedEvent<'_>]) -> Result<(), BatchError> {
        let mut outcomes = Vec::with_capacity(events.len());
        for event in events {
            outcomes.push(self.publish_encoded(to, event).await);
        }
        BatchError::check(outcomes)
    }

    /// Reads the log until the reader is dropped; it reconnects by itself.
    fn read(&self, from: ReadFrom) -> LogReader;

    /// The offset of an entry that is in the log now, near its end; none if it is empty, or cannot tell.
    async fn near_end(&self) -> Result<Option<u64>, SendError> {
        Ok(None)
    }

    /// The state of publishing.
    fn publishing(&self) -> watch::Receiver<Link>;
}
