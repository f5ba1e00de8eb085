//! Waiting for what must come, with a deadline.

use std::{future::Future, time::Duration};

use backplane::{Gap, JobDelivery, JobReader, Link, LogEntry, LogItem, LogReader};
use tokio::{sync::watch, time::timeout};

/// How long anything may take on a machine that does other things as well.
pub const SOON: Duration = Duration::from_secs(20);

/// The value, or a panic that says what did not come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.unwrap_or_else(|_| panic!("{what} did not come within {SOON:?}"))
}

/// Waits until a link is up.
pub async fn up(link: &mut watch::Receiver<Link>) {
    soon("a link that is up", link.wait_for(Link::is_up)).await.expect("its owner lives");
}

/// Waits until a link is down.
pub async fn down(link: &mut watch::Receiver<Link>) {
    soon("a link that is down", link.wait_for(|link| matches!(link, Link::Down(_)))).await.expect("its owner lives");
}

/// The next item of the log.
pub async fn item(reader: &mut LogReader) -> LogItem {
    soon("an item of the log", reader.items.recv()).await.expect("a reader reads for as long as it lives")
}

/// The next entry of the log, which must not be a gap.
pub async fn entry(reader: &mut LogReader) -> LogEntry {
    match item(reader).await {
        LogItem::Entry(entry) => entry,
        LogItem::Gap(gap) => panic!("a gap: {gap:?}"),
    }
}

/// The next item, which must be a gap.
pub async fn gap(reader: &mut LogReader) -> Gap {
    match item(reader).await {
        LogItem::Gap(gap) => gap,
        LogItem::Entry(entry) => panic!("no gap, but {entry:?}"),
    }
}

/// The ids of the next so many events.
pub async fn ids(reader: &mut LogReader, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        ids.push(id(&entry(reader).await));
    }
    ids
}

/// The id of an entry's event, which must be one.
pub fn id(entry: &LogEntry) -> String {
    entry.event.as_ref().unwrap().id.clone()
}

/// The next job.
pub async fn next(reader: &mut JobReader) -> JobDelivery {
    soon("a job", reader.deliveries.recv()).await.expect("a reader reads for as long as it lives")
}
