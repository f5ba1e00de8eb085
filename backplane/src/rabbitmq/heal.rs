//! Connections one after another, for as long as somebody listens.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use lapin::Connection;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::warn;

use super::connect::Broker;
use crate::send::Link;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long all may take that comes before the first delivery.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// Pauses between attempts: doubling from a tenth of a second up to five, with jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: SHORTEST_PAUSE }
    }

    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::random_range(0.5..1.5));
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// Why a session is over.
pub(super) enum Ended {
    /// The connection, the channel or the consumer; the text says why. Make it again.
    Lost(String),
    /// Nobody listens any more.
    Unheard,
}

impl<E: std::fmt::Display> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Lost(error.to_string())
    }
}

/// Does what needs an answer of the broker's, and does not wait for one for ever.
pub(super) async fn in_time<T, E: Into<Ended>>(asking: impl Future<Output = Result<T, E>>) -> Result<T, Ended> {
    match timeout(ANSWER_PATIENCE, asking).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Ended::Lost(format!("the broker gave no answer within {ANSWER_PATIENCE:?}"))),
    }
}

/// What is done on one connection; it keeps what the next one has to know.
pub(super) trait Session: Send {
    /// Works until the connection or its consumer is lost, and says on `link` when it can be heard.
    fn run(
        &mut self,
        connection: &Connection,
        link: &watch::Sender<Link>,
    ) -> impl Future<Output = Result<Infallible, Ended>> + Send;
}

/// Runs sessions, each on a connection of its own, until nobody listens.
pub(super) async fn keep(broker: Broker, purpose: &'static str, link: watch::Sender<Link>, mut session: impl Session) {
    let mut backoff = Backoff::new();
    loop {
        let began = Instant::now();
        let reason = match broker.connect(purpose).await {
            Err(reason) => reason,
            Ok(connection) => match session.run(&connection, &link).await {
                Err(Ended::Unheard) => return,
                Err(Ended::Lost(reason)) => reason,
            },
        };
        if began.elapsed() > LONGEST_PAUSE {
            backoff = Backoff::new();
        }
        let environment = broker.topology.environment();
        warn!(%environment, purpose, reason, "lost the broker, connecting again");
        link.send_replace(Link::Down(reason));
        sleep(backoff.pause()).await;
    }
}
