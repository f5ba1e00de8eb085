//! The tasks of one environment, folded from its events: reading the list asks no database.
//!
//! Gateway, worker and the next attempt all publish, so events come twice and out of order. The fold is therefore
//! monotone: of two events of a task the later attempt wins, and within it the higher sequence; an end wins over all
//! that is no end, and a success over everything, for its effect is there.
//!
//! A task is its owner's, whoever else hears of it: the first owner that an event names stays.

use std::{collections::HashMap, sync::Arc, time::Instant};

use jiff::Timestamp;
use model::{Audience, Event, Kind, Priority, Task, TaskId, TaskState, claim::Claim, json_memory};
use tokio::sync::futures::OwnedNotified;

use super::{
    claims::{Claims, Holder},
    submissions::Submissions,
    task_index::{TaskIndex, TaskKeys},
};
use crate::json_size::fits;

pub use super::task_index::Queued;

mod merge;

/// The number of tasks kept; beyond it whoever has most loses theirs, first those that have ended.
const MAX_TASKS: usize = 100_000;
/// The size of all tasks in bytes, their results as they lie in memory; beyond it the same.
const MAX_BYTES: usize = 96 << 20;
/// The size of a task beside its JSON, roughly.
const ENTRY_BYTES: usize = 256;

/// The tasks, and those that are on their way to the log.
#[derive(Debug, Default)]
pub struct TaskList {
    tasks: HashMap<TaskId, TaskEntry>,
    index: TaskIndex,
    submissions: Submissions,
    claims: Claims,
}

#[derive(Debug)]
struct TaskEntry {
    task: Arc<Task>,
    audience: Audience,
    keys: TaskKeys,
}

/// An event of a task, or of a step of a run, that names another owner than the task has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task {0} has another owner, and is not changed")]
pub struct ForeignOwner(pub TaskId);

/// Whether a user may start a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Admission {
    /// It was started before.
    Known(Arc<Task>),
    /// It is being started by another request with the same id.
    Starting,
    /// It counts from now on.
    Admitted {
        /// The number of the user's other unfinished tasks of at least its priority.
        unfinished: usize,
    },
    /// The user has as many unfinished tasks as one may have.
    Refused,
}

impl TaskList {
    /// Folds an event's task in, if it has one; returns the task's id if the event ends it.
    pub fn fold(&mut self, event: &Event, time: Timestamp) -> Result<Option<TaskId>, ForeignOwner> {
        let Some(mut task) = event.task().ok().flatten() else {
            return Ok(None);
        };
        task.owner = self.owner_of(&task)?;
        task.updated = Some(time);
        self.submissions.remove(task.id);
        let (id, ended) = (task.id, task.state.is_end().then_some(task.id));
        match self.tasks.get_mut(&id) {
            Some(entry) => {
                merge::merge(&mut entry.task, task);
                let keys = keys(&entry.task, &self.index);
                if keys != entry.keys {
                    self.index.remove(&entry.keys);
                    self.index.insert(&keys);
                    entry.keys = keys;
                }
            }
            None => self.insert(task, event.audience.clone(), time),
        }
        if let Some(entry) = self.tasks.get(&id) {
            self.claims.see(&entry.task, time);
        }
        while (self.tasks.len() > MAX_TASKS || self.index.bytes() > MAX_BYTES)
            && let Some(id) = self.index.to_evict()
        {
            self.remove(id);
        }
        Ok(ended)
    }

    /// The owner that a task has after an event: of a step without one, its run's.
    fn owner_of(&self, update: &Task) -> Result<Option<String>, ForeignOwner> {
        let known = |id: TaskId| self.tasks.get(&id).and_then(|entry| entry.task.owner.clone());
        let named = update.owner.clone().filter(|owner| !owner.is_empty());
        let parent = update.parent.filter(|parent| *parent != update.id);
        let owners = [known(update.id), named, parent.and_then(known)];
        let mut owners = owners.into_iter().flatten();
        let owner = owners.next();
        match owners.all(|other| Some(&other) == owner.as_ref()) {
            true => Ok(owner),
            false => Err(ForeignOwner(update.id)),
        }
    }

    fn insert(&mut self, mut task: Task, audience: Audience, time: Timestamp) {
        task.created.get_or_insert(time);
        let keys = keys(&task, &self.index);
        self.index.insert(&keys);
        self.tasks.insert(task.id, TaskEntry { task: Arc::new(task), audience, keys });
    }

    /// Drops the tasks without an event since.
    pub fn evict(&mut self, horizon: Timestamp, now: Instant) {
        self.submissions.evict(now);
        self.claims.evict();
        while let Some((_, id)) = self.index.oldest().filter(|(updated, _)| *updated < horizon) {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: TaskId) {
        if let Some(entry) = self.tasks.remove(&id) {
            self.index.remove(&entry.keys);
            self.claims.release(id);
        }
    }

    /// Folds a claim in, unless its task has ended meanwhile.
    pub fn claim(&mut self, claim: Claim, time: Timestamp) {
        match self.has_ended(claim.task) {
            true => self.claims.changed.notify_waiters(),
            false => self.claims.claim(claim, time),
        }
    }

    /// The task that has one of these digests, and what is known of it.
    pub fn claimed(&self, unique: &[String], now: Timestamp) -> Option<(Holder, Option<Arc<Task>>)> {
        let holder = self.claims.first_holder(unique, now)?;
        let task = self.tasks.get(&holder.task).map(|entry| entry.task.clone());
        Some((holder.clone(), task))
    }

    /// Told whenever something of what is claimed has changed.
    pub fn next_claim(&self) -> OwnedNotified {
        self.claims.changed.clone().notified_owned()
    }

    /// Forgets what the log says, which is read again; what was submitted still counts.
    pub fn clear(&mut self) {
        let claims = self.claims.cleared();
        *self = Self { submissions: std::mem::take(&mut self.submissions), claims, ..Self::default() };
    }

    /// A user's tasks, newest first, at most `max`; with a parent only the steps of that run.
    pub fn list(&self, user: &str, parent: Option<TaskId>, max: usize) -> Vec<Arc<Task>> {
        let newest = self.index.newest(user, parent).take(max);
        newest.filter_map(|id| self.tasks.get(&id)).map(|entry| entry.task.clone()).collect()
    }

    /// Running tasks whose next report is overdue, each with its audience; at most `max`.
    pub fn stalled(&self, now: Timestamp, max: usize) -> Vec<(Arc<Task>, Audience)> {
        let stalled = self.index.overdue(now).take(max).filter_map(|id| self.tasks.get(&id));
        stalled.map(|entry| (entry.task.clone(), entry.audience.clone())).collect()
    }

    /// What waits of each kind.
    pub fn queued(&self, now: Timestamp) -> impl Iterator<Item = (Kind, Queued)> {
        self.index.queued(now)
    }

    /// One task, if it is the user's.
    pub fn find(&self, id: TaskId, user: &str) -> Option<&Arc<Task>> {
        self.tasks.get(&id).map(|entry| &entry.task).filter(|task| task.owner.as_deref() == Some(user))
    }

    /// Admits a task that a user starts; it counts until the log has it, or it is withdrawn.
    pub fn admit(&mut self, id: TaskId, user: &str, priority: Priority, max: usize, now: Instant) -> Admission {
        if let Some(task) = self.find(id, user) {
            return Admission::Known(task.clone());
        }
        if self.submissions.contains(id) {
            return Admission::Starting;
        }
        let unfinished = |least| self.index.unfinished(user, least) + self.submissions.of(user, least);
        if unfinished(Priority::Low) >= max {
            return Admission::Refused;
        }
        let unfinished = unfinished(priority);
        self.submissions.add(id, user, priority, now);
        Admission::Admitted { unfinished }
    }

    /// Told whenever a task that was being started is in the log, or was refused.
    pub fn next_started(&self) -> OwnedNotified {
        self.submissions.removed.clone().notified_owned()
    }

    /// Forgets a task that was admitted and then refused.
    pub fn withdraw(&mut self, id: TaskId) {
        self.submissions.remove(id);
    }

    /// True if a task is known to have ended.
    pub fn has_ended(&self, id: TaskId) -> bool {
        self.tasks.get(&id).is_some_and(|entry| entry.task.state.is_end())
    }
}

fn keys(task: &Task, index: &TaskIndex) -> TaskKeys {
    TaskKeys {
        id: task.id,
        owner: index.name(task.owner.as_deref().unwrap_or_default()),
        parent: task.parent,
        created: task.created.unwrap_or_default(),
        updated: task.updated.unwrap_or_default(),
        priority: task.priority,
        is_unfinished: !task.state.is_end() || waits_cancelled(task),
        waits: waits_since(task).map(|since| (task.kind.clone(), since)),
        next_by: task.next_by.filter(|_| task.state == TaskState::Running),
        bytes: ENTRY_BYTES
            + fits(task, usize::MAX).unwrap_or_default().max(task.result.as_ref().map_or(0, json_memory::of_value)),
    }
}

/// Since when a task may begin that no worker has seen.
fn waits_since(task: &Task) -> Option<Timestamp> {
    let is_new = task.state == TaskState::Queued && task.attempt == 0;
    is_new.then(|| task.created.unwrap_or_default().max(task.not_before.unwrap_or_default()))
}

/// Cancelled before a worker took its job, which waits in its queue until a worker has seen to it.
fn waits_cancelled(task: &Task) -> bool {
    task.state == TaskState::Cancelled && task.attempt == 0
}

#[cfg(test)]
mod tests;
