//! How long the last jobs took, and how many may be handed out ahead: so few that together they take no time that is noticed.

use std::{collections::VecDeque, time::Duration};

/// Jobs that are looked back on; a single very long one among them is enough.
const LOOKED_AT: usize = 64;
/// Jobs after which their length counts as known.
const KNOWN_AFTER: usize = 16;
/// All that are handed out ahead take no longer, if they are like the last.
const AHEAD: Duration = Duration::from_millis(20);
/// Steps, since another number needs another consumer.
const STEPS: [usize; 4] = [64, 16, 4, 0];
/// Most jobs that are handed out ahead.
pub(super) const MOST_AHEAD: usize = STEPS[0];

/// The lengths of the last jobs.
#[derive(Default)]
pub(super) struct JobLengths(VecDeque<Duration>);

impl JobLengths {
    pub(super) fn push(&mut self, length: Duration) {
        if self.0.len() == LOOKED_AT {
            self.0.pop_front();
        }
        self.0.push_back(length);
    }

    /// Forgets them all: what comes is not like what was.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// How many jobs may wait in the process of a worker that does so many at once.
    pub(super) fn ahead(&self, at_once: usize) -> usize {
        if self.0.len() < KNOWN_AFTER {
            return 0;
        }
        let mean = self.0.iter().sum::<Duration>().as_nanos() / self.0.len() as u128;
        let in_time = AHEAD.as_nanos() * at_once as u128 / mean.max(1);
        STEPS.into_iter().find(|step| *step as u128 <= in_time).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lengths: &[(usize, Duration)]) -> JobLengths {
        let mut known = JobLengths::default();
        for (count, length) in lengths {
            (0..*count).for_each(|_| known.push(*length));
        }
        known
    }

    #[test]
    fn the_shorter_jobs_are_the_more_are_handed_out_ahead() {
        let ahead = |micros, at_once| of(&[(16, Duration::from_micros(micros))]).ahead(at_once);
        assert_eq!([100, 300, 1000, 3000, 6000, 30_000].map(|micros| ahead(micros, 1)), [64, 64, 16, 4, 0, 0]);
        assert_eq!([1000, 6000, 19_000, 90_000].map(|micros| ahead(micros, 16)), [64, 16, 16, 0]);
    }

    #[test]
    fn none_is_before_a_few_have_shown_how_long_they_take_or_after_a_long_one() {
        let (short, long) = (Duration::from_micros(100), Duration::from_secs(1));
        assert_eq!(of(&[(15, short)]).ahead(1), 0);
        assert_eq!(of(&[(60, short), (1, long), (63, short)]).ahead(1), 0);
        assert_eq!(of(&[(60, short), (1, long), (64, short)]).ahead(1), 64);
        let mut surprised = of(&[(64, short)]);
        surprised.forget();
        assert_eq!(surprised.ahead(1), 0);
    }
}
