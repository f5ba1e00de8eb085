//! The publishing connection: kept up in the background, with a channel for each exchange, and for the jobs of each kind.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use lapin::options::ConfirmSelectOptions;
use tokio::{
    sync::{OnceCell, mpsc, watch},
    task::{JoinError, JoinSet},
    time::timeout,
};
use tracing::{error, info, warn};

use super::{
    backoff::{backoff, pause},
    connect::{Pool, PooledConnection},
    publish_channel::{PublishBatch, PublishChannel},
};
use crate::{link::Link, metrics::reconnects};

/// Interval between looks at the connection's status even if the library reports nothing.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// Most channels at a time; the one that was not used for longest goes first. Whoever submits names the kind, so it may
/// be any.
const MAX_CHANNELS: usize = 64;
/// The time for telling what is known of the messages on a connection that was lost.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// A publishing connection that was up when last checked.
pub(super) struct PublishConnection {
    connection: PooledConnection,
    channels: Mutex<Channels>,
    /// Of the channels, and of those whose place others have taken.
    tasks: Mutex<JoinSet<()>>,
}

/// The channels by what is published over them: a refused or missing exchange closes the channel for everyone who
/// publishes there, and a queue that does not confirm keeps places in it.
#[derive(Default)]
struct Channels {
    by_target: HashMap<Target, Used>,
    uses: u64,
}

/// An exchange and the kind of its jobs, which is empty for what is no job.
type Target = (String, String);

fn target(exchange: &str, key: &str) -> Target {
    let kind = key.split('.').next().unwrap_or_default();
    (exchange.to_owned(), kind.to_owned())
}

struct Used {
    channel: Arc<OnceCell<PublishChannel>>,
    /// The number of its last use.
    last: u64,
}

impl Channels {
    /// The channel of a target, which may have to be opened yet.
    fn of(&mut self, target: Target) -> Arc<OnceCell<PublishChannel>> {
        self.uses += 1;
        let last = self.uses;
        if let Some(used) = self.by_target.get_mut(&target)
            && used.channel.get().is_none_or(PublishChannel::is_open)
        {
            used.last = last;
            return used.channel.clone();
        }
        let channel = Arc::new(OnceCell::new());
        self.by_target.insert(target, Used { channel: channel.clone(), last });
        if self.by_target.len() > MAX_CHANNELS
            && let Some(oldest) =
                self.by_target.iter().min_by_key(|(_, used)| used.last).map(|(target, _)| target.clone())
        {
            // Whoever waits for an answer of it has it all the same.
            self.by_target.remove(&oldest);
        }
        channel
    }
}

impl PublishConnection {
    fn new(connection: PooledConnection) -> Self {
        Self { connection, channels: Mutex::default(), tasks: Mutex::default() }
    }

    /// The connection, for declaring.
    pub(super) fn connection(&self) -> &lapin::Connection {
        &self.connection
    }

    /// Batches for this exchange and routing key are taken here; the first part of the key is the kind of a job.
    pub(super) async fn batches(&self, exchange: &str, key: &str) -> lapin::Result<mpsc::Sender<PublishBatch>> {
        let channel = lock(&self.channels).of(target(exchange, key));
        Ok(channel.get_or_try_init(|| self.open()).await?.batches())
    }

    async fn open(&self) -> lapin::Result<PublishChannel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let mut tasks = lock(&self.tasks);
        while let Some(ended) = tasks.try_join_next() {
            log_panic(ended);
        }
        Ok(PublishChannel::start(channel, &mut tasks))
    }

    /// Lets the channels of a connection that was lost tell their senders so.
    async fn end(&self) {
        *lock(&self.channels) = Channels::default();
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                log_panic(ended);
            }
        };
        // Who is left is aborted; its senders are told that it has ended.
        timeout(END_TIMEOUT, all).await.ok();
    }

    fn link(&self) -> Link {
        let status = self.connection.status();
        match (status.connected(), status.blocked()) {
            (false, _) => Link::Down("the connection was lost".to_owned()),
            (true, true) => Link::Blocked,
            (true, false) => Link::Up,
        }
    }
}

/// Connects, watches the connection and reconnects, until aborted.
pub(super) async fn maintain(
    pool: Pool,
    current: watch::Sender<Option<Arc<PublishConnection>>>,
    link: watch::Sender<Link>,
) {
    let mut pauses = backoff();
    loop {
        let reason = match pool.get().await {
            Err(error) => error.to_string(),
            Ok(connection) => {
                pauses = backoff();
                let connection = Arc::new(PublishConnection::new(connection));
                current.send_replace(Some(connection.clone()));
                let reason = watch_until_down(&connection, &link).await;
                current.send_replace(None);
                connection.end().await;
                reason
            }
        };
        warn!(reason, "lost the broker for publishing, connecting again");
        reconnects("publish").increment(1);
        link.send_replace(Link::Down(reason));
        pause(&mut pauses).await;
    }
}

/// Keeps `link` up to date until the connection is down; returns the reason.
async fn watch_until_down(connection: &PublishConnection, link: &watch::Sender<Link>) -> String {
    let mut events = std::pin::pin!(connection.connection.events_listener());
    let mut last_error = None;
    loop {
        let now = connection.link();
        if let Link::Down(reason) = now {
            return last_error.unwrap_or(reason);
        }
        if link.send_if_modified(|link| std::mem::replace(link, now.clone()) != now) {
            info!(link = ?now, "publishing");
        }
        // Channels report here as well, so an error alone does not mean that the connection is lost.
        if let Ok(Some(lapin::Event::Error(error))) = timeout(STATUS_INTERVAL, events.next()).await {
            last_error = Some(error.to_string());
        }
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step, so a panic elsewhere leaves it whole.
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a channel's task failed; its senders publish over another");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_kinds_are_named_there_are_no_more_channels_and_those_in_use_stay() {
        let mut channels = Channels::default();
        let of = |channels: &mut Channels, key: &str| channels.of(target("jobs", key));
        let imports = of(&mut channels, "imports");
        for number in 0..1000 {
            let kind = format!("kind{number}");
            let channel = of(&mut channels, &kind);
            assert!(Arc::ptr_eq(&of(&mut channels, "imports"), &imports));
            assert!(Arc::ptr_eq(&of(&mut channels, &kind), &channel));
        }
        assert_eq!(channels.by_target.len(), MAX_CHANNELS);
    }

    #[test]
    fn each_kind_has_a_channel_for_all_its_queues() {
        let mut channels = Channels::default();
        let mut of = |exchange: &str, key: &str| channels.of(target(exchange, key));
        let imports = of("jobs", "imports");
        assert!(Arc::ptr_eq(&of("jobs", "imports.retry.10s"), &imports));
        assert!(!Arc::ptr_eq(&of("jobs", "reports"), &imports));
        assert!(!Arc::ptr_eq(&of("events", ""), &of("control", "")));
    }
}
