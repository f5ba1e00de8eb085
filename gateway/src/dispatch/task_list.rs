//! The tasks of one environment, folded from its events: reading the list asks no database.
//!
//! Gateway, worker and the next attempt all publish, so events come twice and out of order. The fold is therefore
//! monotone: of two events of a task the later attempt wins, and within it the higher sequence; an end wins over all
//! that is no end, and a success over everything, for its effect is there.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use model::{Audience, Event, Task, TaskId, TaskState, Term};

/// The number of tasks kept; beyond it those updated least recently are dropped.
const MAX_TASKS: usize = 100_000;

/// The tasks, indexed by who may see them.
#[derive(Debug, Default)]
pub struct TaskList {
    tasks: HashMap<TaskId, TaskEntry>,
    /// The lists that they are in; the newest task has the greatest key.
    lists: HashMap<ListKey, BTreeSet<(Timestamp, TaskId)>>,
}

/// The name of a list that a task is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum ListKey {
    /// The tasks whose audience has this term.
    Audience(Term),
    /// The steps of a workflow's run; they are in no other list.
    Steps(TaskId),
}

#[derive(Debug)]
struct TaskEntry {
    task: Task,
    audience: Audience,
    created: Timestamp,
    parent: Option<TaskId>,
}

impl TaskList {
    /// Folds an event's task in, if it has one; returns the task's id if the event ends it.
    pub fn fold(&mut self, event: &Event, time: Timestamp) -> Option<TaskId> {
        let mut task = event.task().ok().flatten()?;
        let ended = task.state.is_end().then_some(task.id);
        task.updated = Some(time);
        match self.tasks.get_mut(&task.id) {
            Some(entry) => entry.merge(task),
            None => self.insert(task, event.audience.clone(), time),
        }
        ended
    }

    fn insert(&mut self, mut task: Task, audience: Audience, time: Timestamp) {
        if self.tasks.len() >= MAX_TASKS {
            self.evict_oldest_tenth();
        }
        let created = *task.created.get_or_insert(time);
        let entry = TaskEntry { audience, created, parent: task.parent, task };
        for list in entry.lists() {
            self.lists.entry(list).or_default().insert((created, entry.task.id));
        }
        self.tasks.insert(entry.task.id, entry);
    }

    /// Drops the tasks without an event since.
    pub fn evict(&mut self, horizon: Timestamp) {
        let old = |entry: &TaskEntry| entry.task.updated.is_none_or(|updated| updated < horizon);
        let ids: Vec<_> = self.tasks.iter().filter(|(_, entry)| old(entry)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.remove(id));
    }

    fn evict_oldest_tenth(&mut self) {
        let mut ages: Vec<_> = self.tasks.iter().map(|(id, entry)| (entry.task.updated, *id)).collect();
        ages.sort_unstable();
        ages.into_iter().take(MAX_TASKS / 10).for_each(|(_, id)| self.remove(id));
    }

    fn remove(&mut self, id: TaskId) {
        let Some(entry) = self.tasks.remove(&id) else {
            return;
        };
        for list in entry.lists() {
            if let Some(ids) = self.lists.get_mut(&list) {
                ids.remove(&(entry.created, id));
                if ids.is_empty() {
                    self.lists.remove(&list);
                }
            }
        }
    }

    /// The tasks that a user may see, newest first, at most `max`; with a parent only the steps of that run.
    pub fn list(&self, user: &str, groups: &[String], parent: Option<TaskId>, max: usize) -> Vec<Task> {
        let terms = || {
            let own = [Term::User(user.to_owned()), Term::Environment];
            own.into_iter().chain(groups.iter().cloned().map(Term::Group)).map(ListKey::Audience).collect()
        };
        let lists: Vec<ListKey> = parent.map_or_else(terms, |run| vec![ListKey::Steps(run)]);
        let mut keys: Vec<_> = lists
            .iter()
            .filter_map(|list| self.lists.get(list))
            .flat_map(|ids| {
                ids.iter().rev().filter(|(_, id)| self.find(*id, user, groups).is_some()).take(max).copied()
            })
            .collect();
        keys.sort_unstable_by(|one, other| other.cmp(one));
        keys.dedup();
        keys.truncate(max);
        keys.iter().filter_map(|(_, id)| self.tasks.get(id)).map(|entry| entry.task.clone()).collect()
    }

    /// Running tasks whose next report is overdue, each with its audience; at most `max`.
    pub fn stalled(&self, now: Timestamp, max: usize) -> Vec<(Task, Audience)> {
        let is_stalled = |task: &Task| task.state == TaskState::Running && task.next_by.is_some_and(|by| by < now);
        let stalled = self.tasks.values().filter(|entry| is_stalled(&entry.task)).take(max);
        stalled.map(|entry| (entry.task.clone(), entry.audience.clone())).collect()
    }

    /// One task, if the user may see it.
    pub fn find(&self, id: TaskId, user: &str, groups: &[String]) -> Option<&Task> {
        self.tasks.get(&id).filter(|entry| entry.audience.includes(user, groups)).map(|entry| &entry.task)
    }

    /// True if a task is known to have ended.
    pub fn has_ended(&self, id: TaskId) -> bool {
        self.tasks.get(&id).is_some_and(|entry| entry.task.state.is_end())
    }
}

impl TaskEntry {
    fn lists(&self) -> Vec<ListKey> {
        match self.parent {
            Some(run) => vec![ListKey::Steps(run)],
            None => self.audience.terms().iter().cloned().map(ListKey::Audience).collect(),
        }
    }

    fn merge(&mut self, update: Task) {
        let current = &mut self.task;
        if rank(&update) <= rank(current) {
            // An older event may still have what the newer ones left out.
            current.owner = current.owner.take().or(update.owner);
            // A cancelled run goes on to undo its steps.
            if update.state == current.state && update.sequence > current.sequence && !update.steps.is_empty() {
                (current.steps, current.sequence) = (update.steps, update.sequence);
            }
            return;
        }
        let owner = update.owner.or(current.owner.take());
        let progress = if update.state == TaskState::Running && update.attempt == current.attempt {
            update.progress.max(current.progress)
        } else {
            update.progress
        };
        // The host's own events of a run have no steps.
        let steps = if update.steps.is_empty() { std::mem::take(&mut current.steps) } else { update.steps };
        *current = Task { created: Some(self.created), parent: self.parent, owner, progress, steps, ..update };
    }
}

/// The greater wins.
fn rank(task: &Task) -> (u8, u32, u32) {
    match task.state {
        TaskState::Succeeded => (2, 0, 0),
        TaskState::Failed | TaskState::Cancelled => (1, 0, 0),
        TaskState::Queued | TaskState::Running => (0, task.attempt, task.sequence),
    }
}

#[cfg(test)]
mod tests {
    use model::StepState;

    use super::*;

    fn event(id: TaskId, state: TaskState, attempt: u32, sequence: u32) -> Event {
        let kind = "imports".parse().unwrap();
        let progress = f64::from(sequence) / 10.0;
        let job = model::Job::new(id, kind, "ada", "x", serde_json::Value::Null);
        let task = Task { created: None, updated: None, progress, attempt, sequence, ..Task::of(&job, state) };
        Event::of_task("/t", Audience::user("ada"), &task, None)
    }

    #[test]
    fn whatever_the_order_of_its_events_a_task_ends_the_same() {
        use TaskState::{Queued, Running, Succeeded};
        let id = TaskId::new();
        let events =
            [event(id, Queued, 0, 0), event(id, Running, 1, 1), event(id, Running, 2, 1), event(id, Succeeded, 2, 2)];
        for order in permutations(events.len()) {
            let mut list = TaskList::default();
            for at in order.iter().chain(&order) {
                list.fold(&events[*at], Timestamp::now());
            }
            let task = list.find(id, "ada", &[]).unwrap();
            assert_eq!((task.state, task.attempt), (Succeeded, 2), "{order:?}");
        }
    }

    #[test]
    fn queued_after_started_changes_nothing() {
        let (id, mut list) = (TaskId::new(), TaskList::default());
        list.fold(&event(id, TaskState::Running, 1, 3), Timestamp::now());
        list.fold(&event(id, TaskState::Queued, 0, 0), Timestamp::now());
        assert_eq!(list.find(id, "ada", &[]).unwrap().state, TaskState::Running);
    }

    #[test]
    fn a_cancelled_run_shows_how_its_steps_are_undone() {
        let (id, mut list) = (TaskId::new(), TaskList::default());
        let mut after = |sequence, steps: &[&str]| {
            let mut update = event(id, TaskState::Cancelled, 1, sequence);
            let step =
                |state: &&str| serde_json::json!({ "id": "load", "title": "Load", "kind": "imports", "state": state });
            update.data.as_mut().unwrap()["task"]["steps"] = steps.iter().map(step).collect();
            list.fold(&update, Timestamp::now());
            list.find(id, "ada", &[]).unwrap().steps.first().map(|step| step.state)
        };
        assert_eq!(after(3, &["succeeded"]), Some(StepState::Succeeded));
        assert_eq!(after(5, &["compensated"]), Some(StepState::Compensated));
        assert_eq!(after(4, &["succeeded"]), Some(StepState::Compensated), "an older event changes nothing");
        assert_eq!(after(6, &[]), Some(StepState::Compensated), "nor one without steps");
    }

    #[test]
    fn an_end_absorbs_and_a_success_is_the_truth() {
        let (id, mut list) = (TaskId::new(), TaskList::default());
        let mut state_after = |state| {
            list.fold(&event(id, state, 9, 9), Timestamp::now());
            list.find(id, "ada", &[]).unwrap().state
        };
        assert_eq!(state_after(TaskState::Cancelled), TaskState::Cancelled);
        assert_eq!(state_after(TaskState::Running), TaskState::Cancelled);
        assert_eq!(state_after(TaskState::Failed), TaskState::Cancelled);
        assert_eq!(state_after(TaskState::Succeeded), TaskState::Succeeded);
        assert_eq!(state_after(TaskState::Failed), TaskState::Succeeded);
    }

    #[test]
    fn a_list_is_newest_first_and_shows_nobody_elses() {
        let mut list = TaskList::default();
        let now = Timestamp::now();
        let ids: Vec<_> = (0..5).map(|_| TaskId::new()).collect();
        for (at, id) in ids.iter().enumerate() {
            list.fold(&event(*id, TaskState::Queued, 0, 0), now + std::time::Duration::from_secs(at as u64));
        }
        let listed: Vec<_> = list.list("ada", &[], None, 3).iter().map(|task| task.id).collect();
        assert_eq!(listed, [ids[4], ids[3], ids[2]]);
        assert!(list.list("bob", &["ada".into()], None, 9).is_empty() && list.find(ids[0], "bob", &[]).is_none());
        list.evict(now + std::time::Duration::from_secs(4));
        assert_eq!(list.list("ada", &[], None, 9).len(), 1);
        assert_eq!(list.lists.values().map(BTreeSet::len).sum::<usize>(), 1);
    }

    #[test]
    fn a_runs_steps_are_listed_under_it_and_nowhere_else() {
        let (mut list, now) = (TaskList::default(), Timestamp::now());
        let (run, step) = (TaskId::new(), TaskId::new());
        list.fold(&event(run, TaskState::Running, 1, 1), now);
        let mut of_step = event(step, TaskState::Succeeded, 1, 1);
        of_step.data.as_mut().unwrap()["task"]["parent"] = run.to_string().into();
        assert_eq!(list.fold(&of_step, now), Some(step));
        let ids = |parent| list.list("ada", &[], parent, 9).iter().map(|task| task.id).collect::<Vec<_>>();
        assert_eq!((ids(None), ids(Some(run))), (vec![run], vec![step]));
        assert!(list.list("bob", &[], Some(run), 9).is_empty());
        list.remove(run);
        list.remove(step);
        assert!(list.lists.is_empty());
    }

    #[test]
    fn a_running_task_whose_report_is_overdue_is_found_and_no_other() {
        let (mut list, now) = (TaskList::default(), Timestamp::now());
        let next_by = |id, state, seconds: i64| {
            let mut event = event(id, state, 1, 1);
            event.data.as_mut().unwrap()["task"]["next_by"] =
                (now + jiff::SignedDuration::from_secs(seconds)).to_string().into();
            event
        };
        let stalled = TaskId::new();
        list.fold(&next_by(stalled, TaskState::Running, -1), now);
        list.fold(&next_by(TaskId::new(), TaskState::Running, 1), now);
        list.fold(&next_by(TaskId::new(), TaskState::Succeeded, -1), now);
        list.fold(&event(TaskId::new(), TaskState::Running, 1, 1), now);
        let found: Vec<_> = list.stalled(now, 9).into_iter().map(|(task, audience)| (task.id, audience)).collect();
        assert_eq!(found, [(stalled, Audience::user("ada"))]);
    }

    fn permutations(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![vec![]];
        }
        let shorter = permutations(n - 1);
        (0..n)
            .flat_map(|at| {
                shorter.iter().map(move |order| {
                    let mut order = order.clone();
                    order.insert(at, n - 1);
                    order
                })
            })
            .collect()
    }
}
