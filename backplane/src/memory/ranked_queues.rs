//! The waiting jobs of a kind: those of high priority first, and among those of one rank owners take turns.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use model::{job::Job, policy::Priority};

use crate::lane::{Lane, Turns};

/// Waiting jobs by their rank: those of high priority first, and nothing for ever behind the others.
#[derive(Default)]
pub(super) struct RankedQueues {
    high: FairQueue,
    normal: FairQueue,
    low: FairQueue,
    turns: Turns,
}

impl RankedQueues {
    fn of(&mut self, rank: Priority) -> &mut FairQueue {
        match rank {
            Priority::High => &mut self.high,
            Priority::Normal => &mut self.normal,
            Priority::Low => &mut self.low,
        }
    }

    pub(super) fn push_back(&mut self, waiting: Waiting) {
        self.of(Lane::of(&waiting.job).rank()).push_back(waiting);
    }

    /// Puts a job before all others of its rank.
    pub(super) fn push_front(&mut self, waiting: Waiting) {
        self.of(Lane::of(&waiting.job).rank()).push_front(waiting);
    }

    pub(super) fn pop_front(&mut self) -> Option<Waiting> {
        let ranks = self.turns.ranks();
        let waiting = ranks.into_iter().find_map(|rank| self.of(rank).pop_front())?;
        self.turns.took(Lane::of(&waiting.job));
        for rank in ranks {
            if self.of(rank).count == 0 {
                self.turns.had_none(rank);
            }
        }
        Some(waiting)
    }

    pub(super) fn count(&self) -> usize {
        self.high.count + self.normal.count + self.low.count
    }
}

/// Waiting jobs; their owners take turns.
#[derive(Default)]
struct FairQueue {
    /// No queue is empty.
    by_owner: HashMap<String, VecDeque<Waiting>>,
    /// The owners of `by_owner`, the next one first.
    turns: VecDeque<String>,
    count: usize,
}

/// A job that waits.
pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) redeliveries: u32,
}

impl FairQueue {
    fn push_back(&mut self, waiting: Waiting) {
        self.count += 1;
        match self.by_owner.entry(waiting.job.owner.clone()) {
            Entry::Occupied(mut jobs) => jobs.get_mut().push_back(waiting),
            Entry::Vacant(none) => {
                self.turns.push_back(none.key().clone());
                none.insert(VecDeque::from([waiting]));
            }
        }
    }

    /// Puts a job before all others.
    fn push_front(&mut self, waiting: Waiting) {
        self.count += 1;
        let owner = waiting.job.owner.clone();
        self.turns.retain(|other| *other != owner);
        self.by_owner.entry(owner.clone()).or_default().push_front(waiting);
        self.turns.push_front(owner);
    }

    fn pop_front(&mut self) -> Option<Waiting> {
        let owner = self.turns.pop_front()?;
        let Entry::Occupied(mut jobs) = self.by_owner.entry(owner) else { return None };
        let waiting = jobs.get_mut().pop_front()?;
        self.count -= 1;
        if jobs.get().is_empty() {
            jobs.remove();
        } else {
            self.turns.push_back(jobs.key().clone());
        }
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use model::TaskId;
    use serde_json::Value;

    use super::*;
    use crate::lane::BEFORE_LOW;

    fn waiting(priority: Priority) -> Waiting {
        let job = Job::new(TaskId::new(), "imports".parse().unwrap(), "ada", "A job", Value::Null);
        Waiting { job: Job { priority, ..job }, redeliveries: 0 }
    }

    #[test]
    fn one_of_low_priority_that_has_just_come_does_not_overtake_for_what_was_done_before() {
        let mut queues = RankedQueues::default();
        for _ in 0..=BEFORE_LOW {
            queues.push_back(waiting(Priority::Normal));
            queues.pop_front().unwrap();
        }
        queues.push_back(waiting(Priority::Low));
        for _ in 0..BEFORE_LOW {
            queues.push_back(waiting(Priority::Normal));
            assert_eq!(queues.pop_front().unwrap().job.priority, Priority::Normal);
        }
        queues.push_back(waiting(Priority::Normal));
        assert_eq!(queues.pop_front().unwrap().job.priority, Priority::Low);
    }
}
