//! How much of the window each user of an environment may be sent again: a rate of events, and a burst of fifty seconds of
//! it. Everything that comes back with a cursor is counted, over whichever door.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

use crate::user_rates::UserRates;

/// The burst, as the time in which the rate gives as many: a user's connections all come back at once when a pod ends.
const BURST_TIME: Duration = Duration::from_secs(50);
/// The cost of coming back in events, in which nothing is sent again.
const REPLAY_COST: u32 = 200;

/// The replays of the users of one environment on this pod.
#[derive(Debug)]
pub struct ReplayLimits {
    rate: NonZeroU32,
    rates: UserRates,
}

impl ReplayLimits {
    /// So many events a second for each user, and fifty times as many at once.
    pub fn new(rate: NonZeroU32) -> Self {
        Self { rate, rates: UserRates::new(rate, BURST_TIME) }
    }

    /// Takes what one replay costs before anything is sent; an error with the time after which it may be tried again.
    pub fn take(&mut self, user: &str, now: Instant) -> Result<(), Duration> {
        let cost = REPLAY_COST.min(self.rate.get().saturating_mul(BURST_TIME.as_secs() as u32));
        let limit = self.rates.of(user, now);
        match limit.take(now, cost) {
            true => Ok(()),
            false => Err(limit.wait(now, cost)),
        }
    }

    /// Takes what the events cost that are sent again; what is not there yet is owed.
    pub fn charge(&mut self, user: &str, events: usize, now: Instant) {
        if events > 0 {
            self.rates.of(user, now).owe(now, u32::try_from(events).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> ReplayLimits {
        ReplayLimits::new(NonZeroU32::new(20_000).unwrap())
    }

    #[test]
    fn eight_tabs_that_come_back_each_second_for_a_few_events_are_never_refused() {
        let (mut limits, mut now) = (limits(), Instant::now());
        for _ in 0..1000 {
            for _ in 0..8 {
                assert_eq!(limits.take("ada", now), Ok(()));
                limits.charge("ada", 20, now);
            }
            now += Duration::from_secs(1);
        }
    }

    #[test]
    fn all_connections_of_a_user_may_come_back_at_once_after_some_thousand_events_pod_after_pod() {
        let (mut limits, mut now) = (limits(), Instant::now());
        for _ in 0..4 {
            for _ in 0..64 {
                assert_eq!(limits.take("ada", now), Ok(()));
                limits.charge("ada", 5000, now);
            }
            now += Duration::from_secs(20);
        }
    }

    #[test]
    fn whoever_reads_the_whole_window_again_and_again_waits_and_nobody_else_does() {
        let (mut limits, begun) = (limits(), Instant::now());
        let mut now = begun;
        let mut replays = 0_u32;
        while now - begun < Duration::from_secs(600) {
            match limits.take("ada", now) {
                Ok(()) => {
                    limits.charge("ada", 280_000, now);
                    replays += 1;
                }
                Err(wait) => {
                    assert_eq!(limits.take("bob", now), Ok(()));
                    now += wait;
                }
            }
        }
        assert!(replays <= 4 + 600 * 20_000 / 280_000 + 1, "{replays}");
    }
}
