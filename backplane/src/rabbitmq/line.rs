//! The publishing connection: kept up in the background, with a channel for each exchange.

use std::{collections::HashMap, sync::Arc, time::Duration};

use deadpool_lapin::{Connection, Pool};
use futures_util::StreamExt;
use lapin::{Channel, options::ConfirmSelectOptions};
use tokio::{
    sync::{Mutex, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::heal::Backoff;
use crate::send::Link;

/// How often the connection is looked at even if the library reports nothing.
const LOOK: Duration = Duration::from_secs(1);

/// A publishing connection that was up when last heard of.
pub(super) struct Line {
    connection: Connection,
    // One for each exchange: a refused or missing one closes the channel for all who publish there, and only them.
    channels: Mutex<HashMap<String, Channel>>,
}

impl Line {
    fn new(connection: Connection) -> Self {
        Self { connection, channels: Mutex::new(HashMap::new()) }
    }

    /// The connection, to look for and declare what is missing.
    pub(super) fn connection(&self) -> &lapin::Connection {
        &self.connection
    }

    /// The channel of an exchange, with confirms on.
    pub(super) async fn channel(&self, exchange: &str) -> lapin::Result<Channel> {
        let mut channels = self.channels.lock().await;
        if let Some(channel) = channels.get(exchange)
            && channel.status().connected()
        {
            return Ok(channel.clone());
        }
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        channels.insert(exchange.to_owned(), channel.clone());
        Ok(channel)
    }

    /// Lets go of a channel that did not answer; it closes when the last who waits on it has gone.
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

/// Makes the line, watches it and makes it again, until dropped.
pub(super) async fn keep(pool: Pool, line: watch::Sender<Option<Arc<Line>>>, link: watch::Sender<Link>) {
    let mut backoff = Backoff::new();
    loop {
        let reason = match pool.get().await {
            Err(error) => error.to_string(),
            Ok(connection) => {
                backoff = Backoff::new();
                let current = Arc::new(Line::new(connection));
                line.send_replace(Some(current.clone()));
                let reason = watch_over(&current, &link).await;
                line.send_replace(None);
                reason
            }
        };
        warn!(reason, "lost the broker for publishing, connecting again");
        link.send_replace(Link::Down(reason));
        sleep(backoff.pause()).await;
    }
}

/// Says how the line is, until it is down.
async fn watch_over(line: &Line, link: &watch::Sender<Link>) -> String {
    let mut events = std::pin::pin!(line.connection.events_listener());
    let mut last_error = None;
    loop {
        let now = line.link();
        if let Link::Down(reason) = now {
            return last_error.unwrap_or(reason);
        }
        if link.send_if_modified(|link| std::mem::replace(link, now.clone()) != now) {
            info!(link = ?now, "publishing");
        }
        // Channels report here as well, so an error alone says nothing of the connection.
        if let Ok(Some(lapin::Event::Error(error))) = timeout(LOOK, events.next()).await {
            last_error = Some(error.to_string());
        }
    }
}
