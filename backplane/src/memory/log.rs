//! The event log: entries in memory up to a size, read by index.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use model::{
    EncodedEvent, Event,
    cursor::Cursor,
    event::{CONTENT_TYPE, SharedEvent},
};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    link::{Link, SendError},
    log::{Destination, DroppedMessage, EventLog, Gap, LogEntry, LogItem, LogReader, ReadFrom},
};

/// Most bytes of events that are kept; the oldest go first.
const MAX_LOG_BYTES: usize = 64 * 1024 * 1024;
/// Entries that a reader copies at a time, and may be ahead of its consumer.
const BATCH: usize = 256;

/// The log of one environment.
#[derive(Clone)]
pub(super) struct MemoryLog {
    logs: MemoryLogs,
    shared: Arc<Shared>,
}

/// The logs of all environments, for events that go everywhere.
#[derive(Clone, Default)]
pub(super) struct MemoryLogs(Arc<Mutex<Vec<Arc<Shared>>>>);

struct Shared {
    entries: Mutex<Entries>,
    /// The offset that the next entry will have; changes wake the readers.
    next: watch::Sender<u64>,
    publishing: watch::Sender<Link>,
}

#[derive(Default)]
struct Entries {
    list: VecDeque<Entry>,
    first: u64,
    bytes: usize,
}

#[derive(Clone)]
struct Entry {
    cursor: Cursor,
    origin: Destination,
    event: SharedEvent,
    received: Timestamp,
    bytes: usize,
}

impl MemoryLogs {
    /// Adds an empty log.
    pub(super) fn add(&self) -> MemoryLog {
        let shared =
            Shared { entries: Mutex::default(), next: watch::Sender::new(0), publishing: watch::Sender::new(Link::Up) };
        let shared = Arc::new(shared);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(shared.clone());
        MemoryLog { logs: self.clone(), shared }
    }

    fn all(&self) -> Vec<Arc<Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn append(&self, origin: Destination, event: &SharedEvent, json: &[u8]) {
        let mut entries = self.lock();
        let offset = entries.first + entries.list.len() as u64;
        entries.bytes += json.len();
        entries.list.push_back(Entry {
            cursor: Cursor::of(offset, json),
            origin,
            event: event.clone(),
            received: Timestamp::now(),
            bytes: json.len(),
        });
        while entries.bytes > MAX_LOG_BYTES {
            let Some(oldest) = entries.list.pop_front() else { break };
            entries.bytes -= oldest.bytes;
            entries.first += 1;
        }
        self.next.send_replace(offset + 1);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // A panic elsewhere cannot leave it half changed: each change is a push or a pop.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first offset to read, and the break before it, if any.
    fn start(&self, from: ReadFrom) -> (u64, Option<Gap>) {
        let entries = self.lock();
        let at_time = |time| {
            let earlier = entries.list.partition_point(|entry| entry.received < time);
            entries.first + earlier as u64
        };
        match from {
            ReadFrom::Time(time) => (at_time(time), None),
            ReadFrom::After { last, horizon } if last.offset < entries.first => {
                (at_time(horizon), Some(Gap::Retention))
            }
            ReadFrom::After { last, horizon } => {
                let found = entries.list.get((last.offset - entries.first) as usize);
                match found {
                    Some(entry) if entry.cursor == last => (last.offset + 1, None),
                    _ => (at_time(horizon), Some(Gap::Remade)),
                }
            }
        }
    }

    /// Up to [`BATCH`] entries from an offset on, and the first offset kept.
    fn batch(&self, from: u64) -> (u64, Vec<Entry>) {
        let entries = self.lock();
        let skip = from.saturating_sub(entries.first) as usize;
        (entries.first, entries.list.iter().skip(skip).take(BATCH).cloned().collect())
    }

    /// Reads until the reader is dropped.
    async fn read(self: Arc<Self>, from: ReadFrom, items: mpsc::Sender<LogItem>) -> Option<()> {
        let mut next = self.next.subscribe();
        let (mut position, gap) = self.start(from);
        if let Some(gap) = gap {
            items.send(LogItem::Gap(gap)).await.ok()?;
        }
        loop {
            next.borrow_and_update();
            let (first, batch) = self.batch(position);
            if first > position {
                items.send(LogItem::Gap(Gap::Retention)).await.ok()?;
                position = first;
            }
            let Some(last) = batch.last() else {
                next.changed().await.ok()?;
                continue;
            };
            position = last.cursor.offset + 1;
            for Entry { cursor, origin, event, .. } in batch {
                let entry = LogEntry::new(cursor, origin, Ok(event.clone()), || dropped(&event));
                items.send(LogItem::Entry(entry)).await.ok()?;
            }
        }
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn publish_encoded(&self, to: Destination, encoded: &EncodedEvent<'_>) -> Result<(), SendError> {
        let (event, json) = (Arc::new(encoded.event().clone()), encoded.json());
        match to {
            Destination::Own | Destination::Publishers => self.shared.append(to, &event, json),
            Destination::Everywhere => self.logs.all().iter().for_each(|log| log.append(to, &event, json)),
        }
        Ok(())
    }

    fn read(&self, from: ReadFrom) -> LogReader {
        let (sender, items) = mpsc::channel(BATCH);
        let shared = self.shared.clone();
        let task = tokio::spawn(async move {
            shared.read(from, sender).await;
        });
        LogReader { items, link: self.publishing(), task: AbortOnDropHandle::new(task) }
    }

    async fn near_end(&self) -> Result<Option<u64>, SendError> {
        let entries = self.shared.lock();
        Ok(entries.list.back().map(|entry| entry.cursor.offset))
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.shared.publishing.subscribe()
    }
}

/// An event that its publisher may not say, as it was published.
fn dropped(event: &Event) -> DroppedMessage {
    DroppedMessage {
        exchange: String::new(),
        user: None,
        content_type: Some(CONTENT_TYPE.to_owned()),
        content_encoding: None,
        body: event.to_json().unwrap_or_default(),
    }
}
