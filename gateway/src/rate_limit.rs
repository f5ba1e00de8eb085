//! Limits how many of something somebody may have: a rate, and a burst. The token bucket is kept as the one moment at which
//! it will be full again, so there is no timer.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

/// The rate limit of one client or user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimit {
    /// The share of one.
    interval: Duration,
    /// The burst, as the time in which the rate gives as many.
    burst: Duration,
    /// The moment at which the bucket is full again.
    full: Instant,
}

impl RateLimit {
    /// A full bucket: `rate` a second, and at once as many as the rate gives in the time of the burst.
    pub(crate) fn new(rate: NonZeroU32, burst: Duration, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1) / rate.get(), burst, full: now }
    }

    /// Takes this many; `false` when the bucket holds less, and then nothing is taken.
    #[must_use]
    pub(crate) fn take(&mut self, now: Instant, count: u32) -> bool {
        let full = self.full.max(now) + self.interval.saturating_mul(count).min(2 * self.burst);
        if full - now > self.burst {
            return false;
        }
        self.full = full;
        true
    }

    /// Takes this many, or all that the bucket holds: for what was done already.
    pub(crate) fn charge(&mut self, now: Instant, count: u32) {
        let full = self.full.max(now) + self.interval.saturating_mul(count).min(self.burst);
        self.full = full.min(now + self.burst);
    }

    /// Takes this many, and what the bucket does not hold from what it will hold; at most another burst is owed.
    pub(crate) fn owe(&mut self, now: Instant, count: u32) {
        let full = self.full.max(now) + self.interval.saturating_mul(count).min(2 * self.burst);
        self.full = full.min(now + 2 * self.burst);
    }

    /// The time until the bucket holds this many.
    pub(crate) fn wait(&self, now: Instant, count: u32) -> Duration {
        let full = self.full.max(now) + self.interval.saturating_mul(count).min(self.burst);
        (full - now).saturating_sub(self.burst)
    }

    /// The moment at which it is full again, unless it is.
    pub(crate) fn full_at(&self) -> Instant {
        self.full
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BURST: Duration = Duration::from_secs(10);

    fn rate(rate: u32) -> NonZeroU32 {
        NonZeroU32::new(rate).unwrap()
    }

    #[test]
    fn ten_times_the_rate_may_come_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut limit = RateLimit::new(rate(100), BURST, start);
        assert_eq!((0..5000).filter(|_| limit.take(start, 1)).count(), 1000);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..5000).filter(|_| limit.take(later, 1)).count(), 50);
        let much_later = later + Duration::from_secs(3600);
        assert_eq!((0..5000).filter(|_| limit.take(much_later, 1)).count(), 1000, "it never holds more");
    }

    #[test]
    fn what_costs_more_takes_more_and_what_was_done_empties_the_bucket_at_most() {
        let start = Instant::now();
        let mut limit = RateLimit::new(rate(100), BURST, start);
        assert!(limit.take(start, 600) && !limit.take(start, 600) && limit.take(start, 400));
        assert!(!limit.take(start, 1) && !limit.take(start, u32::MAX));
        let mut limit = RateLimit::new(rate(100), BURST, start);
        limit.charge(start, u32::MAX);
        assert!(!limit.take(start, 1));
        assert_eq!((0..5000).filter(|_| limit.take(start + Duration::from_millis(500), 1)).count(), 50);
    }

    #[test]
    fn whoever_keeps_to_the_rate_is_never_refused() {
        let mut now = Instant::now();
        let mut limit = RateLimit::new(rate(7), BURST, now);
        for _ in 0..1000 {
            assert!(limit.take(now, 1));
            now += Duration::from_secs(1) / 7 + Duration::from_nanos(1);
        }
    }

    #[test]
    fn what_is_owed_is_waited_for() {
        let start = Instant::now();
        let mut limit = RateLimit::new(rate(100), BURST, start);
        limit.owe(start, 1500);
        assert!(!limit.take(start, 1));
        let wait = limit.wait(start, 100);
        assert_eq!(wait, Duration::from_secs(6));
        assert!(!limit.take(start + wait - Duration::from_millis(1), 100) && limit.take(start + wait, 100));
        limit.owe(start, u32::MAX);
        assert_eq!(limit.full_at(), start + 2 * BURST, "no more is owed than another burst");
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_burst_and_rate(each in 1..1000_u32, pauses in prop::collection::vec(0..50_u64, 1..500)) {
            let start = Instant::now();
            let (mut now, mut taken) = (start, 0_f64);
            let mut limit = RateLimit::new(rate(each), BURST, start);
            for pause in pauses {
                now += Duration::from_millis(pause);
                taken += f64::from(u8::from(limit.take(now, 1)));
            }
            let most = f64::from(each) * (10.0 + (now - start).as_secs_f64());
            prop_assert!(taken <= most + 0.001, "{taken} of {most}");
        }
    }
}
