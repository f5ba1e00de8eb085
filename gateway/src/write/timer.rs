//! When a connection's heartbeat is due, and when the connection must end.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{config::GatewayConfig, dispatch::outbox::EndReason};

/// The clock would overflow with a token that never expires.
const MAX_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// One connection's times.
#[derive(Debug)]
pub struct ConnectionTimer {
    interval: Duration,
    next_heartbeat: Instant,
    end: (Instant, EndReason),
    draining: CancellationToken,
    is_draining: bool,
    grace: Duration,
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
    /// The clock of a connection whose token expires then.
    pub fn new(config: &GatewayConfig, draining: &CancellationToken, expires: Timestamp) -> Self {
        let interval = config.heartbeat;
        // Spread, for connections that were opened at the same moment.
        let next_heartbeat = Instant::now() + interval.mul_f64(rand::random_range(0.5..1.0));
        let end = (instant_of(expires), EndReason::Expired);
        Self { interval, next_heartbeat, end, draining: draining.clone(), is_draining: false, grace: config.grace }
    }

    /// Takes a newer token's expiry into account: the later one counts.
    pub fn extend_expiry(&mut self, expires: Timestamp) {
        let end = instant_of(expires);
        if self.end.1 == EndReason::Expired && end > self.end.0 {
            self.end.0 = end;
        }
    }

    /// Replaces the token's expiry by that of another token, which takes its place.
    pub fn set_expiry(&mut self, expires: Timestamp) {
        if self.end.1 == EndReason::Expired {
            self.end.0 = instant_of(expires);
        }
    }

    /// Returns true if the token has expired.
    pub fn has_expired(&self) -> bool {
        self.end.1 == EndReason::Expired && Instant::now() >= self.end.0
    }

    /// Waits for the next heartbeat or the end.
    pub async fn tick(&mut self) -> Tick {
        let next = self.next_heartbeat.min(self.end.0);
        tokio::select! {
            biased;
            () = self.draining.cancelled(), if !self.is_draining => {
                self.is_draining = true;
                // Each is served until a moment of its own, so that not all reconnect at once.
                let moment = Instant::now() + self.grace.mul_f64(rand::random_range(0.0..1.0));
                if moment < self.end.0 {
                    self.end = (moment, EndReason::Draining);
                }
                Tick::Heartbeat
            }
            () = sleep_until(next) => {
                if Instant::now() >= self.end.0 {
                    return Tick::End(self.end.1);
                }
                self.next_heartbeat = Instant::now() + self.interval;
                Tick::Heartbeat
            }
        }
    }
}

fn instant_of(expires: Timestamp) -> Instant {
    let left = Duration::try_from(expires - Timestamp::now()).unwrap_or_default();
    Instant::now() + left.min(MAX_LIFETIME)
}
