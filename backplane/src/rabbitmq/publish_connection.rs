//! The publishing connection: kept up in the background, with a channel for each exchange.

use std::{collections::HashMap, sync::Arc, time::Duration};

use deadpool_lapin::{Connection, Pool};
use futures_util::StreamExt;
use lapin::options::ConfirmSelectOptions;
use tokio::{
    sync::{Mutex, mpsc, watch},
    time::timeout,
};
use tracing::{info, warn};

use super::{
    backoff::{backoff, pause},
    publish_channel::{PublishChannel, PublishRequest},
};
use crate::link::Link;

/// Interval between looks at the connection's status even if the library reports nothing.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// A publishing connection that was up when last checked.
pub(super) struct PublishConnection {
    connection: Connection,
    // One for each exchange: a refused or missing exchange closes the channel for everyone who publishes there.
    channels: Mutex<HashMap<String, PublishChannel>>,
}

impl PublishConnection {
    fn new(connection: Connection) -> Self {
        Self { connection, channels: Mutex::new(HashMap::new()) }
    }

    /// The connection, for declaring.
    pub(super) fn connection(&self) -> &lapin::Connection {
        &self.connection
    }

    /// The channel of an exchange takes requests here.
    pub(super) async fn requests(&self, exchange: &str) -> lapin::Result<mpsc::Sender<PublishRequest>> {
        let mut channels = self.channels.lock().await;
        if let Some(channel) = channels.get(exchange).filter(|channel| channel.is_open()) {
            return Ok(channel.requests());
        }
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let channel = PublishChannel::start(channel, exchange);
        let requests = channel.requests();
        channels.insert(exchange.to_owned(), channel);
        Ok(requests)
    }

    /// Drops a channel that did not answer; what waits for it is sent again over another.
    pub(super) async fn discard(&self, exchange: &str) {
        self.channels.lock().await.remove(exchange);
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
                reason
            }
        };
        warn!(reason, "lost the broker for publishing, connecting again");
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
