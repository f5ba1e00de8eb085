//! Runs a reader's sessions one after another, reconnecting with backoff until the reader is dropped.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use lapin::Connection;
use tokio::{sync::watch, time::timeout};
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
}

impl<E: std::fmt::Display> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Lost(error.to_string())
    }
}

/// Awaits the requests that begin a session, within [`START_TIMEOUT`]. If they fail or are cut off the connection is closed.
pub(super) async fn await_start<T, E: Into<Ended>>(
    connection: &Connection,
    start: impl Future<Output = Result<T, E>>,
) -> Result<T, Ended> {
    let unstarted = Unstarted(connection);
    let started = timeout(START_TIMEOUT, start).await;
    match started {
        Ok(Ok(started)) => {
            std::mem::forget(unstarted);
            Ok(started)
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Ended::Lost(format!("the broker gave no answer within {START_TIMEOUT:?}"))),
    }
}

/// Closes its connection when dropped. A request that is cut off while it awaits a consumer holds the library's channel, and that
/// the connection: the broker would hand out jobs, or the lease, to a consumer that nobody reads.
struct Unstarted<'a>(&'a Connection);

impl Drop for Unstarted<'_> {
    fn drop(&mut self) {
        // The first poll hands the request over, and no more is needed.
        self.0.close(200, "it was not started".into()).now_or_never();
    }
}

/// The work of a reader on one connection; it keeps what the next connection needs.
pub(super) trait Session: Send {
    /// Works until the connection or its consumer is lost, and sets `link` to up once deliveries can come.
    fn run(
        &mut self,
        connection: &Connection,
        link: &watch::Sender<Link>,
    ) -> impl Future<Output = Result<Infallible, Ended>> + Send;
}

/// Runs sessions, each on a connection of its own, until the reader is dropped.
pub(super) async fn run_sessions(
    broker: Broker,
    purpose: &'static str,
    link: watch::Sender<Link>,
    mut session: impl Session,
) {
    let mut pauses = backoff();
    loop {
        let started = Instant::now();
        let reason = match broker.connect(purpose).await {
            Err(reason) => reason,
            Ok(connection) => match session.run(&connection, &link).await {
                Err(Ended::ReaderDropped) => return,
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
        pause(&mut pauses).await;
    }
}
