//! How much a client may send: so much on average, and some of it at once. A bucket that fills by the clock, kept as
//! the one moment at which it will be full again; there is no timer.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

/// How many times the rate of one second may come at once.
const BURST: u32 = 10;

/// What a client has left.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// What one message takes.
    every: Duration,
    /// When all of it is there again.
    full: Instant,
}

impl Allowance {
    /// All of it: `rate` messages a second, and ten times as many at once.
    pub fn new(rate: NonZeroU32, now: Instant) -> Self {
        Self { every: Duration::from_secs(1) / rate.get(), full: now }
    }

    /// Takes one message; `false` when there is nothing left, and then nothing is taken.
    #[must_use]
    pub fn take(&mut self, now: Instant) -> bool {
        let after = self.full.max(now) + self.every;
        if after - now > Duration::from_secs(BURST.into()) {
            return false;
        }
        self.full = after;
        true
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
        let mut allowance = Allowance::new(rate(100), start);
        assert_eq!((0..5000).filter(|_| allowance.take(start)).count(), 1000);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..5000).filter(|_| allowance.take(later)).count(), 50);
        let much_later = later + Duration::from_secs(3600);
        assert_eq!((0..5000).filter(|_| allowance.take(much_later)).count(), 1000, "it never holds more");
    }

    #[test]
    fn whoever_keeps_to_the_rate_is_never_refused() {
        let mut now = Instant::now();
        let mut allowance = Allowance::new(rate(7), now);
        for _ in 0..1000 {
            assert!(allowance.take(now));
            now += Duration::from_secs(1) / 7 + Duration::from_nanos(1);
        }
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_burst_and_rate(each in 1..1000_u32, pauses in prop::collection::vec(0..50_u64, 1..500)) {
            let start = Instant::now();
            let (mut now, mut taken) = (start, 0_f64);
            let mut allowance = Allowance::new(rate(each), start);
            for pause in pauses {
                now += Duration::from_millis(pause);
                taken += f64::from(u8::from(allowance.take(now)));
            }
            let most = f64::from(each) * (10.0 + (now - start).as_secs_f64());
            prop_assert!(taken <= most + 0.001, "{taken} of {most}");
        }
    }
}
