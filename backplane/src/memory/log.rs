//! The log: entries in memory up to a size, read by index.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::Broker;
use model::{
    cursor::Cursor,
    event::{Event, SharedEvent},
};

use crate::{
    log::{Destination, EventLog, Gap, LogEntry, LogItem, LogReader, ReadFrom},
    send::{Link, SendError},
};

/// Most bytes of events that are kept; the oldest go first.
const KEPT_BYTES: usize = 64 * 1024 * 1024;
/// How many entries a reader takes at a time and may be ahead of its consumer.
const BATCH: usize = 256;

#[derive(Clone)]
pub(super) struct MemoryLog {
    broker: Broker,
    shared: Arc<Shared>,
}

struct Shared {
    kept: Mutex<Kept>,
    /// The offset that the next entry will have; changes wake the readers.
    next: watch::Sender<u64>,
    publishing: watch::Sender<Link>,
}

#[derive(Default)]
struct Kept {
    entries: VecDeque<Entry>,
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

impl MemoryLog {
    pub(super) fn new(broker: Broker) -> Self {
        let shared =
            Shared { kept: Mutex::default(), next: watch::Sender::new(0), publishing: watch::Sender::new(Link::Up) };
        Self { broker, shared: Arc::new(shared) }
    }

    fn append(&self, origin: Destination, event: &SharedEvent, json: &[u8]) {
        let mut kept = self.shared.kept();
        let offset = kept.first + kept.entries.len() as u64;
        kept.bytes += json.len();
        kept.entries.push_back(Entry {
            cursor: Cursor::of(offset, json),
            origin,
            event: event.clone(),
            received: Timestamp::now(),
            bytes: json.len(),
        });
        while kept.bytes > KEPT_BYTES {
            let Some(oldest) = kept.entries.pop_front() else { break };
            kept.bytes -= oldest.bytes;
            kept.first += 1;
        }
        self.shared.next.send_replace(offset + 1);
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere cannot leave it half changed: each change is a push or a pop.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to begin, and whether what came before is not joined to it.
    fn begin(&self, from: ReadFrom) -> (u64, Option<Gap>) {
        let kept = self.kept();
        let at_time = |time| {
            let earlier = kept.entries.partition_point(|entry| entry.received < time);
            kept.first + earlier as u64
        };
        match from {
            ReadFrom::Time(time) => (at_time(time), None),
            ReadFrom::After { last, horizon } if last.offset < kept.first => (at_time(horizon), Some(Gap::Retention)),
            ReadFrom::After { last, horizon } => {
                let found = kept.entries.get((last.offset - kept.first) as usize);
                match found {
                    Some(entry) if entry.cursor == last => (last.offset + 1, None),
                    _ => (at_time(horizon), Some(Gap::Remade)),
                }
            }
        }
    }

    /// Up to [`BATCH`] entries from an offset on, and the first offset that is kept.
    fn batch(&self, from: u64) -> (u64, Vec<Entry>) {
        let kept = self.kept();
        let skip = from.saturating_sub(kept.first) as usize;
        (kept.first, kept.entries.iter().skip(skip).take(BATCH).cloned().collect())
    }

    /// Reads on for ever; ends when nobody listens any more.
    async fn read(self: Arc<Self>, from: ReadFrom, items: mpsc::Sender<LogItem>) -> Option<()> {
        let mut next = self.next.subscribe();
        let (mut at, gap) = self.begin(from);
        if let Some(gap) = gap {
            items.send(LogItem::Gap(gap)).await.ok()?;
        }
        loop {
            next.borrow_and_update();
            let (first, batch) = self.batch(at);
            if first > at {
                items.send(LogItem::Gap(Gap::Retention)).await.ok()?;
                at = first;
            }
            let Some(last) = batch.last() else {
                next.changed().await.ok()?;
                continue;
            };
            at = last.cursor.offset + 1;
            for Entry { cursor, origin, event, .. } in batch {
                items.send(LogItem::Entry(LogEntry { cursor, origin, event: Ok(event) })).await.ok()?;
            }
        }
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn publish(&self, to: Destination, event: &Event) -> Result<(), SendError> {
        let json = event.to_json().map_err(|error| SendError::Invalid(error.to_string()))?;
        let event = Arc::new(event.clone());
        match to {
            Destination::Own => self.append(to, &event, &json),
            Destination::Everywhere => self.broker.logs().iter().for_each(|log| log.append(to, &event, &json)),
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

    fn publishing(&self) -> watch::Receiver<Link> {
        self.shared.publishing.subscribe()
    }
}
