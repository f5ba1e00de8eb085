//! Tasks that this pod has submitted and not yet seen in the log, so that a burst does not outrun it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use model::{Priority, TaskId};
use tokio::sync::Notify;

/// The time after which one that was never seen is forgotten; its job may have been lost with its queue.
const MAX_AGE: Duration = Duration::from_secs(60);
/// The number of submissions kept; beyond it the oldest are forgotten.
const MAX_SUBMISSIONS: usize = 100_000;

/// The submitted tasks, each with its owner.
#[derive(Debug, Default)]
pub struct Submissions {
    owners: HashMap<TaskId, (String, Priority)>,
    /// By owner and priority.
    counts: HashMap<String, [usize; 3]>,
    /// In order of time; those that were seen are still in it.
    times: VecDeque<(Instant, TaskId)>,
    /// Told whenever one is counted no more.
    pub removed: Arc<Notify>,
}

impl Submissions {
    /// Counts a task for its owner until it is seen, withdrawn or too old.
    pub fn add(&mut self, id: TaskId, owner: &str, priority: Priority, now: Instant) {
        while self.times.len() >= MAX_SUBMISSIONS {
            self.forget_first();
        }
        if self.owners.insert(id, (owner.to_owned(), priority)).is_none() {
            self.counts.entry(owner.to_owned()).or_default()[priority as usize] += 1;
            self.times.push_back((now, id));
        }
    }

    /// True if this task is counted.
    pub fn contains(&self, id: TaskId) -> bool {
        self.owners.contains_key(&id)
    }

    /// The number of an owner's tasks of at least this priority.
    pub fn of(&self, owner: &str, least: Priority) -> usize {
        self.counts.get(owner).map_or(0, |counts| counts[least as usize..].iter().sum())
    }

    /// Counts a task no more: the log has it, or the broker refused it.
    pub fn remove(&mut self, id: TaskId) {
        let Some((owner, priority)) = self.owners.remove(&id) else {
            return;
        };
        self.removed.notify_waiters();
        if let Some(counts) = self.counts.get_mut(&owner) {
            counts[priority as usize] -= 1;
            if counts.iter().all(|count| *count == 0) {
                self.counts.remove(&owner);
            }
        }
    }

    /// Forgets those that are too old.
    pub fn evict(&mut self, now: Instant) {
        while self.times.front().is_some_and(|(time, _)| now.duration_since(*time) >= MAX_AGE) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, id)) = self.times.pop_front() {
            self.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_counted_once_until_it_is_seen_or_too_old() {
        let (mut submissions, now) = (Submissions::default(), Instant::now());
        let (first, second) = (TaskId::new(), TaskId::new());
        submissions.add(first, "ada", Priority::Normal, now);
        submissions.add(first, "ada", Priority::Normal, now);
        submissions.add(second, "ada", Priority::Normal, now + MAX_AGE);
        assert_eq!((submissions.of("ada", Priority::Low), submissions.of("bob", Priority::Low)), (2, 0));
        submissions.evict(now + MAX_AGE);
        assert!(!submissions.contains(first) && submissions.contains(second));
        submissions.remove(second);
        assert!(submissions.counts.is_empty() && submissions.owners.is_empty());
        submissions.evict(now + 2 * MAX_AGE);
        assert!(submissions.times.is_empty());
    }

    #[test]
    fn however_many_are_submitted_a_bounded_number_is_kept() {
        let (mut submissions, now) = (Submissions::default(), Instant::now());
        (0..MAX_SUBMISSIONS + 10).for_each(|_| submissions.add(TaskId::new(), "ada", Priority::Normal, now));
        assert_eq!((submissions.of("ada", Priority::Low), submissions.times.len()), (MAX_SUBMISSIONS, MAX_SUBMISSIONS));
    }
}
