//! Which of its kind's queues a job waits in, and which of them is asked next: whoever has submitted many does not stand
//! before another's first, and nothing waits for ever.

use model::{job::Job, policy::Priority};

/// A queue of a kind. But for their priority, jobs are told apart by their backlog: how many unfinished tasks of at least this
/// priority their owner had when submitting them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Of high priority, with a backlog of 0 to 3: served before all others. More of an owner's wait as if they were normal, so
    /// that nobody takes all workers.
    High,
    /// No backlog: it holds about one job of each owner, and is served before those behind it.
    First,
    /// A backlog of 1 to 3.
    Few,
    /// 4 to 31.
    Many,
    /// 32 or more.
    Flood,
    /// Of low priority, with a backlog of 0 to 3: served when nothing else waits.
    Low,
    /// Of low priority, with a longer one.
    LowFlood,
}

impl Lane {
    /// All but the first, which is pushed. Those of one priority are served in turn.
    pub const ASKED: [Self; 6] = [Self::High, Self::Few, Self::Many, Self::Flood, Self::Low, Self::LowFlood];

    /// The lane of a job.
    pub fn of(job: &Job) -> Self {
        match (job.priority, job.backlog) {
            (Priority::High, 0..=3) => Self::High,
            (Priority::Low, 0..=3) => Self::Low,
            (Priority::Low, _) => Self::LowFlood,
            (_, backlog) => Self::of_backlog(backlog),
        }
    }

    /// The lanes to try for a job: its own, and what an older broker has in its place.
    pub(crate) fn choices(job: &Job) -> Vec<Self> {
        let mut choices = vec![Self::of(job), Self::of_backlog(job.backlog), Self::First];
        if job.priority == Priority::Low {
            choices[1] = Self::Flood;
        }
        choices.dedup();
        choices
    }

    fn of_backlog(backlog: u32) -> Self {
        match backlog {
            0 => Self::First,
            1..=3 => Self::Few,
            4..=31 => Self::Many,
            _ => Self::Flood,
        }
    }

    /// Its place among the three ranks that lanes are served by.
    pub(crate) fn rank(self) -> Priority {
        match self {
            Self::High => Priority::High,
            Self::First | Self::Few | Self::Many | Self::Flood => Priority::Normal,
            Self::Low | Self::LowFlood => Priority::Low,
        }
    }

    /// The end of its queue's name, such as `bulk.1`; none for the first.
    pub(crate) fn suffix(self) -> Option<&'static str> {
        match self {
            Self::High => Some("high"),
            Self::First => None,
            Self::Few => Some("bulk.1"),
            Self::Many => Some("bulk.2"),
            Self::Flood => Some("bulk.3"),
            Self::Low => Some("low.1"),
            Self::LowFlood => Some("low.2"),
        }
    }
}

/// So many jobs of high priority are taken in a row while others wait, and so many of the first lane while others of its
/// priority do.
pub const IN_A_ROW: u32 = 8;
/// So many jobs of a higher priority are taken in a row while one of low priority waits.
pub const BEFORE_LOW: u32 = 32;

/// Whose turn it is, by what was taken before: the ageing by which nothing waits for ever.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    high_in_a_row: u32,
    first_in_a_row: u32,
    since_low: u32,
}

impl Turns {
    /// The ranks in the order in which they are asked now.
    pub(crate) fn ranks(&self) -> [Priority; 3] {
        use Priority::{High, Low, Normal};
        match (self.since_low >= BEFORE_LOW, self.high_in_a_row >= IN_A_ROW) {
            (true, false) => [Low, High, Normal],
            (true, true) => [Low, Normal, High],
            (false, true) => [Normal, High, Low],
            (false, false) => [High, Normal, Low],
        }
    }

    /// Whether the lanes behind the first are asked before it.
    pub(crate) fn is_first_last(&self) -> bool {
        self.first_in_a_row >= IN_A_ROW
    }

    /// Notes that a rank was asked and has no job: nothing of it has waited for the others.
    pub(crate) fn had_none(&mut self, rank: Priority) {
        match rank {
            Priority::High => {}
            Priority::Normal => self.high_in_a_row = 0,
            Priority::Low => self.since_low = 0,
        }
    }

    /// The same of the lanes behind the first.
    pub(crate) fn had_none_behind_first(&mut self) {
        self.first_in_a_row = 0;
    }

    /// Counts a job that was taken of this lane.
    pub(crate) fn took(&mut self, lane: Lane) {
        match lane.rank() {
            Priority::High => {
                self.high_in_a_row += 1;
                self.since_low += 1;
            }
            Priority::Normal => {
                self.high_in_a_row = 0;
                self.first_in_a_row = if lane == Lane::First { self.first_in_a_row + 1 } else { 0 };
                self.since_low += 1;
            }
            Priority::Low => (self.high_in_a_row, self.since_low) = (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use model::TaskId;
    use serde_json::Value;

    use super::*;

    fn job(priority: Priority, backlog: u32) -> Job {
        let job = Job::new(TaskId::new(), "imports".parse().unwrap(), "ada", "A job", Value::Null);
        Job { priority, backlog, ..job }
    }

    #[test]
    fn the_more_an_owner_has_unfinished_the_further_back_the_next_job_waits() {
        use Lane::*;
        let lanes = |priority| [0, 1, 3, 4, 31, 32, 10_000].map(|backlog| Lane::of(&job(priority, backlog)));
        assert_eq!(lanes(Priority::Normal), [First, Few, Few, Many, Many, Flood, Flood]);
        assert_eq!(lanes(Priority::High), [High, High, High, Many, Many, Flood, Flood]);
        assert_eq!(lanes(Priority::Low), [Low, Low, Low, LowFlood, LowFlood, LowFlood, LowFlood]);
    }

    #[test]
    fn a_broker_without_the_lane_of_a_job_has_another_for_it() {
        use Lane::*;
        assert_eq!(Lane::choices(&job(Priority::High, 0)), [High, First]);
        assert_eq!(Lane::choices(&job(Priority::High, 2)), [High, Few, First]);
        assert_eq!(Lane::choices(&job(Priority::Low, 0)), [Low, Flood, First]);
        assert_eq!(Lane::choices(&job(Priority::Normal, 5)), [Many, First]);
        assert_eq!(Lane::choices(&job(Priority::Normal, 0)), [First]);
    }

    /// What is taken of lanes that never run out.
    fn taken(full: &[Lane], count: usize) -> Vec<Lane> {
        let mut turns = Turns::default();
        let mut next = || {
            let normal: &[Lane] =
                if turns.is_first_last() { &[Lane::Few, Lane::First] } else { &[Lane::First, Lane::Few] };
            let order = turns.ranks().into_iter().flat_map(|rank| match rank {
                Priority::High => &[Lane::High][..],
                Priority::Normal => normal,
                Priority::Low => &[Lane::Low],
            });
            let lane = *order.into_iter().find(|lane| full.contains(lane)).unwrap();
            turns.took(lane);
            lane
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn high_overtakes_low_waits_and_nothing_waits_for_ever() {
        let full = [Lane::High, Lane::First, Lane::Few, Lane::Low];
        let taken = taken(&full, 330);
        let mut counts: HashMap<Lane, usize> = HashMap::new();
        taken.iter().for_each(|lane| *counts.entry(*lane).or_default() += 1);
        assert_eq!(taken[..9], [[Lane::High; 8].as_slice(), &[Lane::First]].concat());
        assert_eq!(counts[&Lane::Low], 10);
        let longest_wait = |lane: Lane| {
            let at: Vec<_> = taken.iter().enumerate().filter(|(_, other)| **other == lane).map(|(at, _)| at).collect();
            at.windows(2).map(|pair| pair[1] - pair[0] - 1).max().unwrap()
        };
        assert_eq!(longest_wait(Lane::Low), BEFORE_LOW as usize);
        // One of low priority counts as another, so that eight more of high priority may follow it.
        let in_a_row = IN_A_ROW as usize;
        assert!(longest_wait(Lane::First) <= 3 * in_a_row + 1, "{}", longest_wait(Lane::First));
        assert!(longest_wait(Lane::Few) <= (in_a_row + 1).pow(2) + 3 * in_a_row, "{}", longest_wait(Lane::Few));
    }

    #[test]
    fn one_of_high_priority_is_next_however_many_others_wait() {
        let mut turns = Turns::default();
        (0..7).for_each(|_| turns.took(Lane::First));
        assert_eq!(turns.ranks()[0], Priority::High);
        (0..BEFORE_LOW).for_each(|_| turns.took(Lane::Flood));
        assert_eq!(turns.ranks(), [Priority::Low, Priority::High, Priority::Normal]);
    }

    #[test]
    fn what_did_not_wait_is_owed_no_turn() {
        let mut turns = Turns::default();
        (0..BEFORE_LOW).for_each(|_| turns.took(Lane::First));
        assert!(turns.is_first_last() && turns.ranks()[0] == Priority::Low);
        turns.had_none(Priority::Low);
        turns.had_none_behind_first();
        assert!(!turns.is_first_last());
        assert_eq!(turns.ranks(), [Priority::High, Priority::Normal, Priority::Low]);
        (0..IN_A_ROW).for_each(|_| turns.took(Lane::High));
        assert_eq!(turns.ranks()[0], Priority::Normal);
        turns.had_none(Priority::Normal);
        assert_eq!(turns.ranks()[0], Priority::High);
    }
}
