//! How many connections of an environment the other pods hold, as they tell each other, and how many of this pod's should
//! go to them: load balancers move nothing that is connected, so a pod that is started later would hold nobody.
//!
//! Who goes is decided at the connections' own heartbeats: these are spread, and nobody need be woken for it.

use std::{collections::HashMap, num::NonZeroU32, sync::Mutex, time::Duration};

use metrics::gauge;
use model::PodId;
use tokio::time::Instant;

use crate::{lock::lock, rate_limit::RateLimit};

/// Pods of which it is remembered how many they hold; more are not heard.
const MAX_PODS: usize = 1000;
/// A pod that was silent for so many intervals is forgotten.
const SILENT_INTERVALS: u32 = 3;
/// The time in which the rate gives as many as may go at once.
const BURST: Duration = Duration::from_secs(1);

/// The times and bounds of balancing.
#[derive(Debug, Clone, Copy)]
pub struct BalanceTiming {
    /// How often pods tell how many they hold, and how long who is sent away may take to come to another. 5 s.
    pub interval: Duration,
    /// A pod that holds no more than so many above the mean keeps them: below it, chance decides. 16.
    pub slack: usize,
}

impl Default for BalanceTiming {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), slack: 16 }
    }
}

/// One environment's connections here and on the other pods.
#[derive(Debug)]
pub struct Balance {
    own: PodId,
    timing: BalanceTiming,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    others: HashMap<PodId, Other>,
    /// Connections that should go to other pods.
    surplus: usize,
    /// It held too many, and has not come down to the mean yet.
    is_moving: bool,
    /// When the last of them went.
    left: Option<Instant>,
    /// None where none may go.
    limit: Option<RateLimit>,
}

#[derive(Debug)]
struct Other {
    held: usize,
    heard: Instant,
}

impl Balance {
    /// Nothing was heard yet; at most so many connections go each second.
    pub fn new(own: PodId, timing: BalanceTiming, rate: u32) -> Self {
        let limit = NonZeroU32::new(rate).map(|rate| RateLimit::new(rate, BURST, Instant::now()));
        Self {
            own,
            timing,
            state: Mutex::new(State { others: HashMap::new(), surplus: 0, is_moving: false, left: None, limit }),
        }
    }

    /// Notes how many another pod holds; none if it stops, and takes no more.
    pub fn heard(&self, pod: PodId, held: Option<usize>, now: Instant) {
        if pod == self.own {
            return;
        }
        let others = &mut lock(&self.state).others;
        match held {
            None => drop(others.remove(&pod)),
            Some(held) if others.len() < MAX_PODS || others.contains_key(&pod) => {
                others.insert(pod, Other { held, heard: now });
            }
            Some(_) => {}
        }
    }

    /// Decides how many should go while this pod holds so many; none while it cannot be compared.
    pub fn compare(&self, held: Option<usize>, now: Instant) {
        let mut state = lock(&self.state);
        let since = self.timing.interval * SILENT_INTERVALS;
        state.others.retain(|_, other| now.duration_since(other.heard) <= since);
        // Once some go, they go down to the mean.
        let slack = if state.is_moving { None } else { Some(self.timing.slack) };
        let surplus = held.map_or(0, |held| surplus(held, state.others.values().map(|other| other.held), slack));
        // Who has left is missing here and counted nowhere until it came to another pod and that was heard.
        let left = state.left.map(|left| left + self.timing.interval);
        let is_settled = left.is_none_or(|left| state.others.values().all(|other| other.heard >= left));
        state.surplus = if is_settled { surplus } else { surplus.min(state.surplus) };
        state.is_moving = if is_settled { surplus > 0 } else { state.is_moving && held.is_some() };
    }

    /// Takes the leave of one connection, if one should go now.
    pub(crate) fn may_leave(&self, now: Instant) -> bool {
        let mut state = lock(&self.state);
        let State { surplus, left, limit: Some(limit), .. } = &mut *state else { return false };
        let leaves = *surplus > 0 && limit.take(now, 1);
        if leaves {
            *surplus -= 1;
            *left = Some(now);
        }
        leaves
    }

    /// The connections that should go still, as a metric.
    pub(crate) fn report(&self, environment: &str) {
        let surplus = lock(&self.state).surplus;
        gauge!("bellwire_connections_surplus", "environment" => environment.to_owned()).set(surplus as f64);
    }
}

/// How many a pod holds above the mean; with a slack only if that is more than it, and than a tenth.
fn surplus(held: usize, others: impl ExactSizeIterator<Item = usize>, slack: Option<usize>) -> usize {
    let pods = others.len() + 1;
    let mean = others.fold(held, usize::saturating_add).div_ceil(pods);
    let above = held.saturating_sub(mean);
    if above > slack.map_or(0, |slack| slack.max(mean / 10)) { above } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn balance(rate: u32) -> (Balance, [PodId; 3]) {
        let timing = BalanceTiming { slack: 4, ..BalanceTiming::default() };
        (Balance::new(PodId::gateway(), timing, rate), [(); 3].map(|()| PodId::gateway()))
    }

    /// How many leave of so many that ask at one moment.
    fn leaving(balance: &Balance, of: usize, now: Instant) -> usize {
        (0..of).filter(|_| balance.may_leave(now)).count()
    }

    #[test]
    fn only_what_is_more_than_a_tenth_above_the_mean_goes_and_then_down_to_it() {
        assert_eq!(surplus(1000, [].into_iter(), Some(4)), 0, "alone it is the mean");
        assert_eq!(surplus(225, [225, 225, 225, 0, 0, 0, 0].into_iter(), Some(16)), 112);
        assert_eq!(surplus(110, [100, 90].into_iter(), Some(4)), 0);
        assert_eq!(surplus(111, [100, 89].into_iter(), Some(4)), 11);
        assert_eq!(surplus(110, [100, 90].into_iter(), None), 10, "once some go");
        assert_eq!(surplus(8, [0].into_iter(), Some(4)), 0, "few are chance");
        assert_eq!(surplus(0, [500].into_iter(), None), 0);
        assert_eq!(surplus(usize::MAX, [usize::MAX].into_iter(), None), usize::MAX - usize::MAX.div_ceil(2));
    }

    #[test]
    fn so_many_go_each_second_and_no_more_than_were_too_many() {
        let ((balance, [other, ..]), now) = (balance(10), Instant::now());
        assert_eq!(leaving(&balance, 100, now), 0);
        balance.heard(other, Some(0), now);
        balance.compare(Some(60), now);
        assert_eq!(leaving(&balance, 100, now), 10);
        assert_eq!(leaving(&balance, 100, now + SECOND), 10);
        balance.compare(Some(40), now + SECOND);
        let more: usize = (2..60).map(|second| leaving(&balance, 100, now + second * SECOND)).sum();
        assert_eq!(more, 10, "what has gone is not counted twice");
    }

    #[test]
    fn nobody_more_goes_until_those_who_went_are_counted_elsewhere_and_then_down_to_the_mean() {
        let ((balance, [other, ..]), now) = (balance(1000), Instant::now());
        let surplus_after = |held: usize, others: usize, seconds: u32| {
            balance.heard(other.clone(), Some(others), now + seconds * SECOND);
            balance.compare(Some(held), now + seconds * SECOND);
            lock(&balance.state).surplus
        };
        assert_eq!(surplus_after(60, 0, 0), 30);
        assert_eq!(leaving(&balance, 100, now), 30);
        assert_eq!(surplus_after(30, 10, 4), 0, "the other twenty are on their way");
        assert_eq!(surplus_after(33, 27, 5), 3, "three came back, and so few would not go had none gone");
        assert_eq!(leaving(&balance, 100, now + 5 * SECOND), 3);
        assert_eq!(surplus_after(30, 30, 10), 0);
        assert_eq!(surplus_after(33, 27, 15), 0, "few are chance again");
    }

    #[test]
    fn a_pod_that_is_silent_or_stops_and_an_own_message_count_nothing() {
        let ((balance, [dead, stopping, new]), now) = (balance(1000), Instant::now());
        let surplus_at = |seconds: u32| {
            balance.compare(Some(60), now + seconds * SECOND);
            lock(&balance.state).surplus
        };
        balance.heard(balance.own.clone(), Some(0), now);
        assert_eq!(surplus_at(0), 0);
        balance.heard(dead, Some(0), now);
        assert_eq!(surplus_at(15), 30, "it may have been lost on the way");
        assert_eq!(surplus_at(16), 0, "it is dead");
        balance.heard(stopping.clone(), Some(0), now + 16 * SECOND);
        assert_eq!(surplus_at(17), 30);
        balance.heard(stopping, None, now + 17 * SECOND);
        assert_eq!(surplus_at(17), 0, "it takes none");
        balance.heard(new, Some(20), now + 17 * SECOND);
        assert_eq!(surplus_at(17), 20);
        balance.compare(Some(41), now + 17 * SECOND);
        assert_eq!(lock(&balance.state).surplus, 10);
        balance.compare(None, now + 17 * SECOND);
        assert_eq!(leaving(&balance, 100, now + 17 * SECOND), 0, "what cannot be compared stays");
    }

    #[test]
    fn where_it_is_off_nobody_goes() {
        let ((balance, [other, ..]), now) = (balance(0), Instant::now());
        balance.heard(other, Some(0), now);
        balance.compare(Some(1000), now);
        assert_eq!(leaving(&balance, 100, now), 0);
    }
}
