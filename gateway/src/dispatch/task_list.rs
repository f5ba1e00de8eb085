//! The tasks of one environment, folded from its events: reading the list asks no database.
//!
//! Events come twice and out of order, for gateway, worker and the next attempt all speak. So the fold is
//! monotone: of two words about a task the later attempt, and within it the higher sequence, stands; an end
//! absorbs all that is no end, and a success stands above all, for its effect is there.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use model::{Audience, Event, Task, TaskId, TaskState, Term};

/// Most tasks kept; beyond it those least recently heard of go first.
const MOST_TASKS: usize = 100_000;

/// The tasks and who may see them.
#[derive(Debug, Default)]
pub struct TaskList {
    tasks: HashMap<TaskId, Known>,
    /// Where they are listed; the newest task has the greatest key.
    lists: HashMap<List, BTreeSet<(Timestamp, TaskId)>>,
}

/// A list that a task is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum List {
    /// Of those whom an audience names so.
    Of(Term),
    /// The steps of a workflow's run; they are in no other list.
    Steps(TaskId),
}

#[derive(Debug)]
struct Known {
    task: Task,
    audience: Audience,
    created: Timestamp,
    parent: Option<TaskId>,
}

impl TaskList {
    /// Takes what an event says of a task, if anything; answers which task it is the end of, if it is.
    pub fn fold(&mut self, event: &Event, time: Timestamp) -> Option<TaskId> {
        let mut task = event.task().ok().flatten()?;
        let ended = task.state.is_end().then_some(task.id);
        task.updated = Some(time);
        match self.tasks.get_mut(&task.id) {
            Some(known) => known.hear(task),
            None => self.begin(task, event.audience.clone(), time),
        }
        ended
    }

    fn begin(&mut self, mut task: Task, audience: Audience, time: Timestamp) {
        if self.tasks.len() >= MOST_TASKS {
            self.drop_tenth();
        }
        let created = *task.created.get_or_insert(time);
        let known = Known { audience, created, parent: task.parent, task };
        for list in known.lists() {
            self.lists.entry(list).or_default().insert((created, known.task.id));
        }
        self.tasks.insert(known.task.id, known);
    }

    /// Drops the tasks of which nothing was heard since.
    pub fn evict(&mut self, horizon: Timestamp) {
        let old = |known: &Known| known.task.updated.is_none_or(|updated| updated < horizon);
        let ids: Vec<_> = self.tasks.iter().filter(|(_, known)| old(known)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.remove(id));
    }

    fn drop_tenth(&mut self) {
        let mut ages: Vec<_> = self.tasks.iter().map(|(id, known)| (known.task.updated, *id)).collect();
        ages.sort_unstable();
        ages.into_iter().take(MOST_TASKS / 10).for_each(|(_, id)| self.remove(id));
    }

    fn remove(&mut self, id: TaskId) {
        let Some(known) = self.tasks.remove(&id) else {
            return;
        };
        for list in known.lists() {
            if let Some(ids) = self.lists.get_mut(&list) {
                ids.remove(&(known.created, id));
                if ids.is_empty() {
                    self.lists.remove(&list);
                }
            }
        }
    }

    /// The tasks that somebody hears of, newest first, at most `most`; with a parent the steps of that run alone.
    pub fn list(&self, user: &str, groups: &[String], parent: Option<TaskId>, most: usize) -> Vec<Task> {
        let terms = || {
            let own = [Term::User(user.to_owned()), Term::Environment];
            own.into_iter().chain(groups.iter().cloned().map(Term::Group)).map(List::Of).collect()
        };
        let lists: Vec<List> = parent.map_or_else(terms, |run| vec![List::Steps(run)]);
        let mut keys: Vec<_> = lists
            .iter()
            .filter_map(|list| self.lists.get(list))
            .flat_map(|ids| {
                ids.iter().rev().filter(|(_, id)| self.find(*id, user, groups).is_some()).take(most).copied()
            })
            .collect();
        keys.sort_unstable_by(|one, other| other.cmp(one));
        keys.dedup();
        keys.truncate(most);
        keys.iter().filter_map(|(_, id)| self.tasks.get(id)).map(|known| known.task.clone()).collect()
    }

    /// Running tasks of which something should have been heard before this, and who hears of them; at most `most`.
    pub fn silent(&self, since: Timestamp, most: usize) -> Vec<(Task, Audience)> {
        let is_silent = |task: &Task| task.state == TaskState::Running && task.next_by.is_some_and(|by| by < since);
        let silent = self.tasks.values().filter(|known| is_silent(&known.task)).take(most);
        silent.map(|known| (known.task.clone(), known.audience.clone())).collect()
    }

    /// One task, if somebody may see it.
    pub fn find(&self, id: TaskId, user: &str, groups: &[String]) -> Option<&Task> {
        self.tasks.get(&id).filter(|known| known.audience.includes(user, groups)).map(|known| &known.task)
    }

    /// Whether a task is known to have ended.
    pub fn has_ended(&self, id: TaskId) -> bool {
        self.tasks.get(&id).is_some_and(|known| known.task.state.is_end())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Known {
    fn lists(&self) -> Vec<List> {
        match self.parent {
            Some(run) => vec![List::Steps(run)],
            None => self.audience.terms().iter().cloned().map(List::Of).collect(),
        }
    }

    fn hear(&mut self, said: Task) {
        let known = &mut self.task;
        if rank(&said) <= rank(known) {
            // An older word may still tell what the newer ones left out.
            known.owner = known.owner.take().or(said.owner);
            // A run that was taken back goes on to undo its steps.
            if said.state == known.state && said.sequence > known.sequence && !said.steps.is_empty() {
                (known.steps, known.sequence) = (said.steps, said.sequence);
            }
            return;
        }
        let owner = said.owner.or(known.owner.take());
        let progress = if said.state == TaskState::Running && said.attempt == known.attempt {
            said.progress.max(known.progress)
        } else {
            said.progress
        };
        // The host's own words of a run say nothing of its steps.
        let steps = if said.steps.is_empty() { std::mem::take(&mut known.steps) } else { said.steps };
        *known = Task { created: Some(self.created), parent: self.parent, owner, progress, steps, ..said };
    }
}

/// The greater stands.
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

    fn word(id: TaskId, state: TaskState, attempt: u32, sequence: u32) -> Event {
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
        let words =
            [word(id, Queued, 0, 0), word(id, Running, 1, 1), word(id, Running, 2, 1), word(id, Succeeded, 2, 2)];
        for order in permutations(words.len()) {
            let mut list = TaskList::default();
            for at in order.iter().chain(&order) {
                list.fold(&words[*at], Timestamp::now());
            }
            let task = list.find(id, "ada", &[]).unwrap();
            assert_eq!((task.state, task.attempt), (Succeeded, 2), "{order:?}");
        }
    }

    #[test]
    fn queued_after_started_changes_nothing() {
        let (id, mut list) = (TaskId::new(), TaskList::default());
        list.fold(&word(id, TaskState::Running, 1, 3), Timestamp::now());
        list.fold(&word(id, TaskState::Queued, 0, 0), Timestamp::now());
        assert_eq!(list.find(id, "ada", &[]).unwrap().state, TaskState::Running);
    }

    #[test]
    fn a_run_that_was_taken_back_shows_how_its_steps_are_undone() {
        let (id, mut list) = (TaskId::new(), TaskList::default());
        let mut after = |sequence, steps: &[&str]| {
            let mut said = word(id, TaskState::Cancelled, 1, sequence);
            let step =
                |state: &&str| serde_json::json!({ "id": "load", "title": "Load", "kind": "imports", "state": state });
            said.data.as_mut().unwrap()["task"]["steps"] = steps.iter().map(step).collect();
            list.fold(&said, Timestamp::now());
            list.find(id, "ada", &[]).unwrap().steps.first().map(|step| step.state)
        };
        assert_eq!(after(3, &["succeeded"]), Some(StepState::Succeeded));
        assert_eq!(after(5, &["compensated"]), Some(StepState::Compensated));
        assert_eq!(after(4, &["succeeded"]), Some(StepState::Compensated), "an older word changes nothing");
        assert_eq!(after(6, &[]), Some(StepState::Compensated), "nor one that says nothing of them");
    }

    #[test]
    fn an_end_absorbs_and_a_success_is_the_truth() {
        let (id, mut list) = (TaskId::new(), TaskList::default());
        let mut state_after = |state| {
            list.fold(&word(id, state, 9, 9), Timestamp::now());
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
            list.fold(&word(*id, TaskState::Queued, 0, 0), now + std::time::Duration::from_secs(at as u64));
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
        list.fold(&word(run, TaskState::Running, 1, 1), now);
        let mut of_step = word(step, TaskState::Succeeded, 1, 1);
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
    fn who_is_silent_beyond_its_word_is_found_and_no_other() {
        let (mut list, now) = (TaskList::default(), Timestamp::now());
        let next_by = |id, state, seconds: i64| {
            let mut event = word(id, state, 1, 1);
            event.data.as_mut().unwrap()["task"]["next_by"] =
                (now + jiff::SignedDuration::from_secs(seconds)).to_string().into();
            event
        };
        let silent = TaskId::new();
        list.fold(&next_by(silent, TaskState::Running, -1), now);
        list.fold(&next_by(TaskId::new(), TaskState::Running, 1), now);
        list.fold(&next_by(TaskId::new(), TaskState::Succeeded, -1), now);
        list.fold(&word(TaskId::new(), TaskState::Running, 1, 1), now);
        let found: Vec<_> = list.silent(now, 9).into_iter().map(|(task, audience)| (task.id, audience)).collect();
        assert_eq!(found, [(silent, Audience::user("ada"))]);
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
