//! Runs a reader's sessions one after another, reconnecting with backoff until the reader is dropped.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use lapin::Connection;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    backoff::{MAX_PAUSE, backoff, pause},
    connect::Broker,
};
use crate::{link::Link, metrics::reconnects};

/// Limit for everything before the first delivery.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a session is over.
pub(super) enum Ended {
    /// The connection, the channel or the consumer was lost; the text says why. A new session follows.
    Lost(String),
    /// The reader was dropped.
    ReaderDropped,
    /// It was stopped, and has left nothing.
    Stopped,
}

impl<E: std::fmt::Display> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Lost(error.to_string())
    }
}

/// Awaits the requests that begin a session, within [`START_TIMEOUT`].
pub(super) async fn await_start<T, E: Into<Ended>>(start: impl Future<Output = Result<T, E>>) -> Result<T, Ended> {
    match timeout(START_TIMEOUT, start).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Ended::Lost(format!("the broker gave no answer within {START_TIMEOUT:?}"))),
    }
}

/// The work of a reader on one connection; it keeps what the next connection needs.
pub(super) trait Session: Send {
    /// Cancelled once no further connection is wanted; a session heeds it itself.
    fn stop(&self) -> CancellationToken {
        CancellationToken::new()
    }

    /// Works until the connection or its consumer is lost, and sets `link` to up once deliveries can come.
    fn run(
        &mut self,
        connection: &Connection,
        link: &watch::Sender<Link>,
    ) -> impl Future<Output = Result<Infallible, Ended>> + Send;
}

/// Runs sessions, each on a connection of its own, until the reader is dropped or stopped.
pub(super) async fn run_sessions(
    broker: Broker,
    purpose: &'static str,
    link: watch::Sender<Link>,
    mut session: impl Session,
) {
    let mut pauses = backoff();
    let stop = session.stop();
    loop {
        let started = Instant::now();
        let Some(connected) = stop.run_until_cancelled(broker.connect(purpose)).await else { return };
        let reason = match connected {
            Err(reason) => reason,
            Ok(connection) => match session.run(&connection, &link).await {
                Err(Ended::ReaderDropped | Ended::Stopped) => return,
                Err(Ended::Lost(reason)) => reason,
            },
        };
        if started.elapsed() > MAX_PAUSE {
            pauses = backoff();
        }
        let environment = broker.topology.environment();
        warn!(%environment, purpose, reason, "lost the broker, connecting again");
        reconnects(purpose).increment(1);
        link.send_replace(Link::Down(reason));
        if stop.run_until_cancelled(pause(&mut pauses)).await.is_none() {
            return;
        }
    }
}
