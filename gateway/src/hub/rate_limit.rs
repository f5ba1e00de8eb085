//! Limits how many messages a client may send: a rate, and a burst of ten times as many. The token bucket is kept as the
//! one moment at which it will be full again, so there is no timer.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

/// The burst, as the time in which the rate gives as many.
const BURST_TIME: Duration = Duration::from_secs(10);

/// The rate limit of one client.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateLimit {
    /// The share of one message.
    interval: Duration,
    /// The moment at which the bucket is full again.
    full: Instant,
}

impl RateLimit {
    /// A full bucket: `rate` messages a second, and ten times as many at once.
    pub(super) fn new(rate: NonZeroU32, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1) / rate.get(), full: now }
    }

    /// Takes what this many messages take; `false` when the bucket holds less, and then nothing is taken.
    #[must_use]
    pub(super) fn take(&mut self, now: Instant, messages: u32) -> bool {
        let full = self.full.max(now) + self.interval.saturating_mul(messages).min(2 * BURST_TIME);
        if full - now > BURST_TIME {
            return false;
        }
        self.full = full;
        true
    }

    /// Takes what this many messages take, or all that the bucket holds: for what was done already.
    pub(super) fn charge(&mut self, now: Instant, messages: u32) {
        let full = self.full.max(now) + self.interval.saturating_mul(messages).min(BURST_TIME);
        self.full = full.min(now + BURST_TIME);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(rate: u32) -> NonZeroU32 {
        NonZeroU32::new(rate).unwrap()
    }

    #[test]
    fn ten_times_the_rate_may_come_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut limit = RateLimit::new(rate(100), start);
        assert_eq!((0..5000).filter(|_| limit.take(start, 1)).count(), 1000);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..5000).filter(|_| limit.take(later, 1)).count(), 50);
        let much_later = later + Duration::from_secs(3600);
        assert_eq!((0..5000).filter(|_| limit.take(much_later, 1)).count(), 1000, "it never holds more");
    }

    #[test]
    fn what_costs_more_takes_more_and_what_was_done_empties_the_bucket_at_most() {
        let start = Instant::now();
        let mut limit = RateLimit::new(rate(100), start);
        assert!(limit.take(start, 600) && !limit.take(start, 600) && limit.take(start, 400));
        assert!(!limit.take(start, 1) && !limit.take(start, u32::MAX));
        let mut limit = RateLimit::new(rate(100), start);
        limit.charge(start, u32::MAX);
        assert!(!limit.take(start, 1));
        assert_eq!((0..5000).filter(|_| limit.take(start + Duration::from_millis(500), 1)).count(), 50);
    }

    #[test]
    fn whoever_keeps_to_the_rate_is_never_refused() {
        let mut now = Instant::now();
        let mut limit = RateLimit::new(rate(7), now);
        for _ in 0..1000 {
            assert!(limit.take(now, 1));
            now += Duration::from_secs(1) / 7 + Duration::from_nanos(1);
        }
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_burst_and_rate(each in 1..1000_u32, pauses in prop::collection::vec(0..50_u64, 1..500)) {
            let start = Instant::now();
            let (mut now, mut taken) = (start, 0_f64);
            let mut limit = RateLimit::new(rate(each), start);
            for pause in pauses {
                now += Duration::from_millis(pause);
                taken += f64::from(u8::from(limit.take(now, 1)));
            }
            let most = f64::from(each) * (10.0 + (now - start).as_secs_f64());
            prop_assert!(taken <= most + 0.001, "{taken} of {most}");
        }
    }
}
