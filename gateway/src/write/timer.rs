//! When a connection's heartbeat is due, and when the connection must end.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use metrics::counter;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    balance::Balance,
    dispatch::outbox::EndReason,
    pod::{EnvironmentState, PodState},
};

/// The clock would overflow with a token that never expires.
const MAX_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// One connection's times.
#[derive(Debug)]
pub struct ConnectionTimer {
    interval: Duration,
    next_heartbeat: Instant,
    expires: Instant,
    /// When it is told to go elsewhere, and why.
    leaves: Option<(Instant, Moved)>,
    draining: CancellationToken,
    is_draining: bool,
    grace: Duration,
    balance: Arc<Balance>,
}

/// Why a connection is told to go elsewhere; all are `draining` to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    /// Its pod stops.
    Stop,
    /// It is old.
    Age,
    /// Its pod holds more than others.
    Balance,
}

/// The next action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// A heartbeat.
    Heartbeat,
    /// The end of the connection.
    End(EndReason),
}

impl ConnectionTimer {
    /// The clock of a connection in this environment whose token expires then.
    pub fn new(pod: &PodState, environment: &EnvironmentState, expires: Timestamp) -> Self {
        let (now, config) = (Instant::now(), &pod.config);
        let interval = config.heartbeat;
        // Spread, for connections that were opened at the same moment.
        let next_heartbeat = now + interval.mul_f64(rand::random_range(0.5..1.0));
        let age = config.most_age.min(MAX_LIFETIME).mul_f64(rand::random_range(0.75..1.0));
        Self {
            interval,
            next_heartbeat,
            expires: instant_of(expires),
            leaves: (!age.is_zero()).then(|| (now + age, Moved::Age)),
            draining: pod.draining.clone(),
            is_draining: false,
            grace: config.grace,
            balance: environment.balance.clone(),
        }
    }

    /// Takes a newer token's expiry into account: the later one counts.
    pub fn extend_expiry(&mut self, expires: Timestamp) {
        self.expires = self.expires.max(instant_of(expires));
    }

    /// Replaces the token's expiry by that of another token, which takes its place.
    pub fn set_expiry(&mut self, expires: Timestamp) {
        self.expires = instant_of(expires);
    }

    /// Returns true if the token has expired.
    pub fn has_expired(&self) -> bool {
        Instant::now() >= self.expires
    }

    /// Waits for the next heartbeat or the end.
    pub async fn tick(&mut self) -> Tick {
        let next = self.next_heartbeat.min(self.end());
        tokio::select! {
            biased;
            () = self.draining.cancelled(), if !self.is_draining => {
                self.is_draining = true;
                // Each is served until a moment of its own, so that not all reconnect at once.
                let moment = Instant::now() + self.grace.mul_f64(rand::random_range(0.0..1.0));
                if self.leaves.is_none_or(|(leaves, _)| moment < leaves) {
                    self.leaves = Some((moment, Moved::Stop));
                }
                Tick::Heartbeat
            }
            () = sleep_until(next) => self.after(Instant::now()),
        }
    }

    fn end(&self) -> Instant {
        self.leaves.map_or(self.expires, |(leaves, _)| leaves.min(self.expires))
    }

    fn after(&mut self, now: Instant) -> Tick {
        if now >= self.expires {
            return Tick::End(EndReason::Expired);
        }
        if let Some((_, moved)) = self.leaves.filter(|(leaves, _)| now >= *leaves) {
            return moved.end();
        }
        self.next_heartbeat = now + self.interval;
        if !self.is_draining && self.balance.may_leave(now) {
            return Moved::Balance.end();
        }
        Tick::Heartbeat
    }
}

impl Moved {
    fn end(self) -> Tick {
        let why = match self {
            Self::Stop => "stop",
            Self::Age => "age",
            Self::Balance => "balance",
        };
        counter!("bellwire_connections_moved_total", "why" => why).increment(1);
        Tick::End(EndReason::Draining)
    }
}

fn instant_of(expires: Timestamp) -> Instant {
    let left = Duration::try_from(expires - Timestamp::now()).unwrap_or_default();
    Instant::now() + left.min(MAX_LIFETIME)
}
