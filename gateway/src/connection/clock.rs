//! When a connection is told that somebody is there, and when it must end.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{dispatch::outbox::End, pod::Pod};

/// A token for ever would overflow the clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// One connection's times.
#[derive(Debug)]
pub struct Clock {
    every: Duration,
    beat: Instant,
    end: (Instant, End),
    draining: Option<CancellationToken>,
    grace: Duration,
}

/// What it is time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// A sign of life.
    Beat,
    /// The end.
    End(End),
}

impl Clock {
    /// The times of a connection whose token ends then.
    pub fn new(pod: &Pod, expires: Timestamp) -> Self {
        let every = pod.config().heartbeat;
        // Not all at once, though all came at once.
        let beat = Instant::now() + every.mul_f64(rand::random_range(0.5..1.0));
        let grace = pod.config().grace;
        Self { every, beat, end: (moment(expires), End::Expired), draining: Some(pod.draining().clone()), grace }
    }

    /// A newer token was shown: the later end counts.
    pub fn prolong(&mut self, expires: Timestamp) {
        let end = moment(expires);
        if self.end.1 == End::Expired && end > self.end.0 {
            self.end.0 = end;
        }
    }

    /// Waits for what comes first.
    pub async fn tick(&mut self) -> Tick {
        let next = self.beat.min(self.end.0);
        tokio::select! {
            biased;
            () = stopping(self.draining.as_ref()) => {
                self.draining = None;
                // Still served until its own moment: they must not all come back at once.
                let moment = Instant::now() + self.grace.mul_f64(rand::random_range(0.0..1.0));
                if moment < self.end.0 {
                    self.end = (moment, End::Draining);
                }
                Tick::Beat
            }
            () = sleep_until(next) => {
                if Instant::now() >= self.end.0 {
                    return Tick::End(self.end.1);
                }
                self.beat = Instant::now() + self.every;
                Tick::Beat
            }
        }
    }
}

async fn stopping(draining: Option<&CancellationToken>) {
    match draining {
        Some(draining) => draining.cancelled().await,
        None => std::future::pending().await,
    }
}

fn moment(expires: Timestamp) -> Instant {
    let left = Duration::try_from(expires - Timestamp::now()).unwrap_or_default();
    Instant::now() + left.min(LONGEST)
}
