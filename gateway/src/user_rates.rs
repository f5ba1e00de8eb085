//! A rate limit for each user.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use tokio::time::Instant;

use crate::rate_limit::RateLimit;

/// Users who are remembered. Beyond it those who are nearest to their whole burst are forgotten, which gives it to them.
pub(crate) const MAX_USERS: usize = 16_384;

/// The rate limits of users; each has the same rate.
#[derive(Debug)]
pub struct UserRates {
    rate: NonZeroU32,
    burst: Duration,
    by_user: HashMap<String, RateLimit>,
}

impl UserRates {
    /// So many a second for each user, and at once as many as the rate gives in the time of the burst.
    pub(crate) fn new(rate: NonZeroU32, burst: Duration) -> Self {
        Self { rate, burst, by_user: HashMap::new() }
    }

    /// The limit of a user.
    pub(crate) fn of(&mut self, user: &str, now: Instant) -> &mut RateLimit {
        if !self.by_user.contains_key(user) {
            if self.by_user.len() >= MAX_USERS {
                self.forget(now);
            }
            self.by_user.insert(user.to_owned(), RateLimit::new(self.rate, self.burst, now));
        }
        self.by_user.get_mut(user).expect("it was inserted")
    }

    /// Forgets who has the whole burst, and at least half of all, so that this is rarely done.
    fn forget(&mut self, now: Instant) {
        self.by_user.retain(|_, limit| limit.full_at() > now);
        if self.by_user.len() > MAX_USERS / 2 {
            let mut times: Vec<_> = self.by_user.values().map(RateLimit::full_at).collect();
            let (_, middle, _) = times.select_nth_unstable(self.by_user.len() - MAX_USERS / 2);
            let middle = *middle;
            self.by_user.retain(|_, limit| limit.full_at() > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_who_owes_most_is_forgotten_last() {
        let mut rates = UserRates::new(NonZeroU32::new(20_000).unwrap(), Duration::from_secs(50));
        let now = Instant::now();
        rates.of("ada", now).owe(now, u32::MAX);
        for user in 0..5 * MAX_USERS {
            assert!(rates.of(&user.to_string(), now).take(now, 200));
            assert!(rates.by_user.len() <= MAX_USERS);
        }
        assert!(!rates.of("ada", now).take(now, 1));
    }
}
