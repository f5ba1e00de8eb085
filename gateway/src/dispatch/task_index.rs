//! The orders in which tasks are looked up: of their owner, by time, and by when their worker reports next.
//!
//! Each question costs what it answers, however many tasks there are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use model::{Kind, Priority, TaskId};

use super::shares::Shares;

/// What a task is looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskKeys {
    /// Its id.
    pub id: TaskId,
    /// Its owner; empty until an event names one.
    pub owner: Arc<str>,
    /// The workflow's run that it is a step of.
    pub parent: Option<TaskId>,
    /// When it was started.
    pub created: Timestamp,
    /// The time of its last event.
    pub updated: Timestamp,
    /// Whether its job overtakes others.
    pub priority: Priority,
    /// False once it has ended.
    pub is_unfinished: bool,
    /// Its kind, and since when it may begin, while no worker has begun it.
    pub waits: Option<(Kind, Timestamp)>,
    /// The time by which its worker reports again, while it runs.
    pub next_by: Option<Timestamp>,
    /// Its size in bytes, roughly.
    pub bytes: usize,
}

/// The tasks of one owner.
#[derive(Debug, Default)]
struct OwnerTasks {
    /// By run, those of none under `None`; the newest has the greatest key.
    lists: BTreeMap<Option<TaskId>, BTreeSet<(Timestamp, TaskId)>>,
    /// Those that have ended first, then by their last event.
    ages: BTreeSet<(bool, Timestamp, TaskId)>,
    /// The number of unfinished ones that are no steps, by their priority.
    unfinished: [usize; 3],
}

/// The indexes.
#[derive(Debug, Default)]
pub struct TaskIndex {
    owners: HashMap<Arc<str>, OwnerTasks>,
    /// In bytes.
    shares: Shares,
    bytes: usize,
    updates: BTreeSet<(Timestamp, TaskId)>,
    reports: BTreeSet<(Timestamp, TaskId)>,
    waiting: HashMap<Kind, BTreeSet<(Timestamp, TaskId)>>,
}

/// Tasks of a kind that may begin, and that no worker has begun.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Queued {
    /// How many.
    pub count: usize,
    /// How long the oldest waits.
    pub oldest_seconds: f64,
}

impl Queued {
    /// These and others.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.oldest_seconds = self.oldest_seconds.max(other.oldest_seconds);
    }
}

impl TaskIndex {
    /// An owner's name, shared by all of their tasks.
    pub fn name(&self, owner: &str) -> Arc<str> {
        self.owners.get_key_value(owner).map_or_else(|| owner.into(), |(name, _)| name.clone())
    }

    /// Adds a task.
    pub fn insert(&mut self, keys: &TaskKeys) {
        let owner = self.owners.entry(keys.owner.clone()).or_default();
        owner.lists.entry(keys.parent).or_default().insert((keys.created, keys.id));
        owner.ages.insert((keys.is_unfinished, keys.updated, keys.id));
        owner.unfinished[keys.priority as usize] += usize::from(keys.is_unfinished && keys.parent.is_none());
        self.shares.add(&keys.owner, keys.bytes);
        self.bytes += keys.bytes;
        self.updates.insert((keys.updated, keys.id));
        self.reports.extend(keys.next_by.map(|time| (time, keys.id)));
        if let Some((kind, since)) = &keys.waits {
            self.waiting.entry(kind.clone()).or_default().insert((*since, keys.id));
        }
    }

    /// Removes a task that was added with these keys.
    pub fn remove(&mut self, keys: &TaskKeys) {
        if let Some(owner) = self.owners.get_mut(&keys.owner) {
            if let Some(list) = owner.lists.get_mut(&keys.parent) {
                list.remove(&(keys.created, keys.id));
                if list.is_empty() {
                    owner.lists.remove(&keys.parent);
                }
            }
            owner.ages.remove(&(keys.is_unfinished, keys.updated, keys.id));
            owner.unfinished[keys.priority as usize] -= usize::from(keys.is_unfinished && keys.parent.is_none());
            if owner.ages.is_empty() {
                self.owners.remove(&keys.owner);
            }
        }
        self.shares.remove(&keys.owner, keys.bytes);
        self.bytes -= keys.bytes;
        self.updates.remove(&(keys.updated, keys.id));
        if let Some(time) = keys.next_by {
            self.reports.remove(&(time, keys.id));
        }
        if let Some((kind, since)) = &keys.waits
            && let Some(waiting) = self.waiting.get_mut(kind)
        {
            waiting.remove(&(*since, keys.id));
            if waiting.is_empty() {
                self.waiting.remove(kind);
            }
        }
    }

    /// The tasks of an owner, newest first: the steps of a run, or those that are no steps.
    pub fn newest(&self, owner: &str, parent: Option<TaskId>) -> impl Iterator<Item = TaskId> {
        let list = self.owners.get(owner).and_then(|owner| owner.lists.get(&parent));
        list.into_iter().flat_map(|list| list.iter().rev()).map(|(_, id)| *id)
    }

    /// The number of an owner's unfinished tasks of at least this priority; the steps of runs do not count.
    pub fn unfinished(&self, owner: &str, least: Priority) -> usize {
        self.owners.get(owner).map_or(0, |owner| owner.unfinished[least as usize..].iter().sum())
    }

    /// What waits of each kind.
    pub fn queued(&self, now: Timestamp) -> impl Iterator<Item = (Kind, Queued)> {
        self.waiting.iter().map(move |(kind, waiting)| {
            // Few are delayed, so they are counted.
            let later = waiting.iter().rev().take_while(|(since, _)| *since > now).count();
            let count = waiting.len() - later;
            let oldest = waiting.first().filter(|_| count > 0);
            let oldest_seconds = oldest.map_or(0.0, |(since, _)| now.duration_since(*since).as_secs_f64());
            (kind.clone(), Queued { count, oldest_seconds })
        })
    }

    /// The size of all tasks in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The task to drop for a new one: of the owner of most, the oldest that has ended, or the oldest of all.
    pub fn to_evict(&self) -> Option<TaskId> {
        let owner = self.shares.largest()?;
        self.owners.get(&owner)?.ages.first().map(|(_, _, id)| *id)
    }

    /// The task whose last event is the oldest.
    pub fn oldest(&self) -> Option<(Timestamp, TaskId)> {
        self.updates.first().copied()
    }

    /// The tasks whose next report is due, the most overdue first.
    pub fn overdue(&self, now: Timestamp) -> impl Iterator<Item = TaskId> {
        self.reports.iter().take_while(move |(time, _)| *time < now).map(|(_, id)| *id)
    }

    /// True if nothing is left of any task.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let Self { owners, shares, bytes, updates, reports, waiting } = self;
        *bytes == 0
            && owners.is_empty()
            && shares.largest().is_none()
            && updates.is_empty()
            && reports.is_empty()
            && waiting.is_empty()
    }
}
