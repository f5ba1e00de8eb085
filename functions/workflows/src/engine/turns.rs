//! Whose run is moved next: owners take turns, and so do the runs of an owner.

use std::collections::{HashMap, VecDeque};

use model::TaskId;

use crate::run::event::RunEvent;

/// The most runs that are moved at the same time.
pub(crate) const CONCURRENCY: usize = 4;
/// The most runs of one owner that are moved at the same time, so that there is always room for others.
const CONCURRENCY_PER_OWNER: usize = CONCURRENCY / 2;
/// The number of waiting events from which on no more are taken.
const CAPACITY: usize = 4096;

/// Runs that are to be moved, with their events in order.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Owners with runs that wait, the next first.
    owners: VecDeque<String>,
    /// The runs of each of them that wait, the next first.
    runs: HashMap<String, VecDeque<TaskId>>,
    waiting: HashMap<TaskId, Vec<RunEvent>>,
    events: usize,
    /// Runs that are moved now, with their owners.
    moving: HashMap<TaskId, String>,
}

impl Turns {
    /// Adds a run that is to be moved; its events come after those that wait already.
    pub(crate) fn add(&mut self, owner: String, run: TaskId, events: Vec<RunEvent>) {
        self.events += events.len();
        if let Some(waiting) = self.waiting.get_mut(&run) {
            waiting.extend(events);
            return;
        }
        self.waiting.insert(run, events);
        let runs = self.runs.entry(owner.clone()).or_default();
        if runs.is_empty() {
            self.owners.push_back(owner);
        }
        runs.push_back(run);
    }

    /// The next run with all its events; nobody else is given it until it is [`Self::done`].
    pub(crate) fn next(&mut self) -> Option<(TaskId, Vec<RunEvent>)> {
        if self.moving.len() >= CONCURRENCY {
            return None;
        }
        let (nth, place) = self.owners.iter().enumerate().find_map(|(nth, owner)| {
            let is_full = self.moving.values().filter(|moving| *moving == owner).count() >= CONCURRENCY_PER_OWNER;
            let runs = self.runs.get(owner).filter(|_| !is_full)?;
            Some((nth, runs.iter().position(|run| !self.moving.contains_key(run))?))
        })?;
        let owner = self.owners.remove(nth)?;
        let runs = self.runs.get_mut(&owner)?;
        let run = runs.remove(place)?;
        if runs.is_empty() {
            self.runs.remove(&owner);
        } else {
            self.owners.push_back(owner.clone());
        }
        self.moving.insert(run, owner);
        let events = self.waiting.remove(&run).unwrap_or_default();
        self.events -= events.len();
        Some((run, events))
    }

    /// Notes that a run is no longer moved.
    pub(crate) fn done(&mut self, run: TaskId) {
        self.moving.remove(&run);
    }

    /// True while no more should be added.
    pub(crate) fn is_full(&self) -> bool {
        self.events >= CAPACITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_take_turns_however_many_runs_and_events_one_of_them_has() {
        let mut turns = Turns::default();
        let runs: Vec<_> = (0..20).map(|_| TaskId::new()).collect();
        for run in runs.iter().chain(&runs) {
            turns.add("eve".to_owned(), *run, vec![RunEvent::LogGap]);
        }
        let (ada, bob) = (TaskId::new(), TaskId::new());
        turns.add("ada".to_owned(), ada, vec![RunEvent::LogGap]);
        turns.add("bob".to_owned(), bob, Vec::new());
        let mut next = || {
            let (run, events) = turns.next()?;
            turns.done(run);
            Some((run, events.len()))
        };
        assert_eq!([next(), next(), next()], [Some((runs[0], 2)), Some((ada, 1)), Some((bob, 0))]);
        assert_eq!([next(), next()], [Some((runs[1], 2)), Some((runs[2], 2))]);
    }

    #[test]
    fn an_owner_leaves_room_for_others() {
        let mut turns = Turns::default();
        for _ in 0..5 {
            turns.add("eve".to_owned(), TaskId::new(), Vec::new());
        }
        let first = turns.next().unwrap().0;
        assert!(turns.next().is_some() && turns.next().is_none());
        let ada = TaskId::new();
        turns.add("ada".to_owned(), ada, Vec::new());
        assert_eq!(turns.next().map(|(run, _)| run), Some(ada));
        assert!(turns.next().is_none());
        turns.done(first);
        assert!(turns.next().is_some());
    }

    #[test]
    fn a_run_is_moved_by_one_at_a_time_with_its_events_in_order() {
        let mut turns = Turns::default();
        let run = TaskId::new();
        turns.add("ada".to_owned(), run, vec![RunEvent::LogGap]);
        assert_eq!(turns.next(), Some((run, vec![RunEvent::LogGap])));
        turns.add("ada".to_owned(), run, vec![RunEvent::Cancelled]);
        turns.add("bob".to_owned(), run, vec![RunEvent::LogGap]);
        assert_eq!(turns.next(), None);
        turns.done(run);
        assert_eq!(turns.next(), Some((run, vec![RunEvent::Cancelled, RunEvent::LogGap])));
        turns.done(run);
        assert_eq!(turns.next(), None);
    }
}
