//! Which unfinished task has what only one may have, folded from the log: the first claim in it counts, on every pod.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use model::{Task, TaskId, claim::Claim};
use tokio::sync::Notify;

/// A claim whose task was not heard of for so long is void: its gateway ended before it had told of the task. Clocks of gateways
/// that are further apart shorten or lengthen it.
const VOID_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// So long a job may be submitted for a claim: it is in its queue, and told of, before the claim is void.
const YOUNG: SignedDuration = SignedDuration::from_secs(30);
/// The number of digests kept; beyond it further claims are refused.
const MAX_CLAIMS: usize = 200_000;
/// The number of digests of one task: by its definition, and by its request.
const MAX_DIGESTS: usize = 2;

/// What is claimed.
#[derive(Debug, Default)]
pub struct Claims {
    /// By digest.
    holders: HashMap<String, Holder>,
    digests: HashMap<TaskId, Vec<String>>,
    /// Claims whose tasks were not heard of yet.
    unheard: HashSet<TaskId>,
    /// The latest time in the log.
    latest: Timestamp,
    /// Told whenever something may be different for who waits.
    pub changed: Arc<Notify>,
}

/// The task that has a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The task.
    pub task: TaskId,
    /// The user whose task it is.
    pub owner: String,
    /// A digest of what the task is to do, where the claim says it.
    pub work: String,
    /// When it was claimed, by the clock of the gateway that did.
    since: Timestamp,
}

impl Holder {
    /// Whether there is time to submit the task's job before the claim is void.
    pub fn is_young(&self) -> bool {
        Timestamp::now().duration_since(self.since) < YOUNG
    }
}

impl Claims {
    /// Folds a claim in.
    pub fn claim(&mut self, claim: Claim, time: Timestamp) {
        self.changed.notify_waiters();
        self.latest = self.latest.max(time);
        let Claim { task, owner, unique, work, withdrawn } = claim;
        if withdrawn {
            // Another request may have started it meanwhile.
            if self.unheard.contains(&task) {
                self.release(task);
            }
            return;
        }
        let void: Vec<_> = unique
            .iter()
            .filter_map(|digest| self.holder(digest))
            .filter(|holder| self.is_void(holder, time))
            .map(|holder| holder.task)
            .collect();
        void.into_iter().for_each(|task| self.release(task));
        let is_free = unique.iter().all(|digest| self.holder(digest).is_none_or(|holder| holder.task == task));
        if !is_free || unique.len() > MAX_DIGESTS || self.holders.len() + unique.len() > MAX_CLAIMS {
            return;
        }
        if self.hold(&unique, Holder { task, owner, work, since: time }) {
            self.unheard.insert(task);
        }
    }

    /// Notes what an event has made of a task: one that goes on keeps what it has, and one that has ended frees it.
    pub fn see(&mut self, task: &Task, time: Timestamp) {
        self.latest = self.latest.max(time);
        if task.state.is_end() {
            self.release(task.id);
            return;
        }
        if self.unheard.remove(&task.id) {
            self.changed.notify_waiters();
        }
        if (1..=MAX_DIGESTS).contains(&task.unique.len()) && self.holders.len() < MAX_CLAIMS {
            // Claimed before what this pod has read of the log.
            let owner = task.owner.clone().unwrap_or_default();
            self.hold(&task.unique, Holder { task: task.id, owner, work: String::new(), since: time });
        }
    }

    /// Frees what a task has.
    pub fn release(&mut self, task: TaskId) {
        let Some(digests) = self.digests.remove(&task) else { return };
        self.unheard.remove(&task);
        for digest in digests {
            self.holders.remove(&digest);
        }
        self.changed.notify_waiters();
    }

    /// The task that has one of these.
    pub fn first_holder(&self, unique: &[String], now: Timestamp) -> Option<&Holder> {
        unique.iter().filter_map(|digest| self.holder(digest)).find(|holder| !self.is_void(holder, now))
    }

    /// The same with nothing claimed; who waits is told of the next change.
    pub fn cleared(&self) -> Self {
        Self { changed: self.changed.clone(), ..Self::default() }
    }

    /// Forgets claims whose tasks were never heard of, by the time of the log: what is read again is old by the clock.
    pub fn evict(&mut self) {
        let is_void = |task: &&TaskId| {
            let holder = self.digests.get(*task).and_then(|digests| self.holder(digests.first()?));
            holder.is_none_or(|holder| self.latest.duration_since(holder.since) >= 2 * VOID_AFTER)
        };
        let void: Vec<_> = self.unheard.iter().filter(is_void).copied().collect();
        void.into_iter().for_each(|task| self.release(task));
    }

    fn holder(&self, digest: &str) -> Option<&Holder> {
        self.holders.get(digest)
    }

    fn is_void(&self, holder: &Holder, now: Timestamp) -> bool {
        self.unheard.contains(&holder.task) && now.duration_since(holder.since) >= VOID_AFTER
    }

    /// Gives a task those of these that are free; false if it has some already.
    fn hold(&mut self, unique: &[String], holder: Holder) -> bool {
        if self.digests.contains_key(&holder.task) {
            return false;
        }
        let free: Vec<_> = unique.iter().filter(|digest| !self.holders.contains_key(*digest)).cloned().collect();
        if free.is_empty() {
            return false;
        }
        self.digests.insert(holder.task, free.clone());
        self.holders.extend(free.into_iter().map(|digest| (digest, holder.clone())));
        true
    }
}

#[cfg(test)]
mod tests {
    use model::{Job, TaskState};
    use serde_json::Value;

    use super::*;

    fn claim(task: TaskId, unique: &[&str]) -> Claim {
        let unique = unique.iter().map(|digest| (*digest).to_owned()).collect();
        Claim { task, owner: "ada".to_owned(), unique, work: String::new(), withdrawn: false }
    }

    fn task(id: TaskId, state: TaskState, unique: &[&str]) -> Task {
        let job = Job::new(id, "imports".parse().unwrap(), "ada", "A job", Value::Null);
        let unique = unique.iter().map(|digest| (*digest).to_owned()).collect();
        Task { unique, ..Task::of(&job, state) }
    }

    struct Log {
        claims: Claims,
        now: Timestamp,
    }

    impl Log {
        fn new() -> Self {
            Self { claims: Claims::default(), now: "2026-11-29T00:00:00Z".parse().unwrap() }
        }

        fn claim(&mut self, task: TaskId, unique: &[&str]) {
            self.claims.claim(claim(task, unique), self.now);
        }

        fn holder(&self, digest: &str) -> Option<TaskId> {
            self.claims.first_holder(&[digest.to_owned()], self.now).map(|holder| holder.task)
        }
    }

    #[test]
    fn the_first_claim_counts_until_its_task_has_ended() {
        let (mut log, first, second) = (Log::new(), TaskId::new(), TaskId::new());
        log.claim(first, &["a"]);
        log.claim(second, &["a"]);
        assert_eq!(log.holder("a"), Some(first));
        log.claims.see(&task(first, TaskState::Queued, &["a"]), log.now);
        log.claims.see(&task(first, TaskState::Succeeded, &[]), log.now);
        assert_eq!(log.holder("a"), None);
        log.claim(second, &["a"]);
        assert_eq!(log.holder("a"), Some(second));
        assert_eq!((log.claims.holders.len(), log.claims.digests.len(), log.claims.unheard.len()), (1, 1, 1));
    }

    #[test]
    fn a_claim_of_several_has_all_of_them_or_none() {
        let (mut log, first, second) = (Log::new(), TaskId::new(), TaskId::new());
        log.claim(first, &["a"]);
        log.claim(second, &["b", "a"]);
        assert_eq!((log.holder("a"), log.holder("b")), (Some(first), None));
    }

    #[test]
    fn a_claim_without_a_task_is_void_after_a_while_and_one_with_a_task_never() {
        let (mut log, first, second, third) = (Log::new(), TaskId::new(), TaskId::new(), TaskId::new());
        log.claim(first, &["a"]);
        log.now += SignedDuration::from_secs(59);
        log.claim(second, &["a"]);
        assert_eq!(log.holder("a"), Some(first));
        log.now += SignedDuration::from_secs(1);
        assert_eq!(log.holder("a"), None);
        log.claim(second, &["a"]);
        log.claims.see(&task(second, TaskState::Running, &["a"]), log.now);
        log.now += SignedDuration::from_hours(20);
        log.claim(third, &["a"]);
        assert_eq!(log.holder("a"), Some(second));
        log.claims.evict();
        assert_eq!(log.holder("a"), Some(second));
    }

    #[test]
    fn what_was_withdrawn_is_free_unless_another_request_has_started_it() {
        let (mut log, id) = (Log::new(), TaskId::new());
        log.claim(id, &["a"]);
        log.claims.claim(Claim { withdrawn: true, ..claim(id, &["a"]) }, log.now);
        assert_eq!(log.holder("a"), None);
        log.claim(id, &["a"]);
        log.claims.see(&task(id, TaskState::Queued, &["a"]), log.now);
        log.claims.claim(Claim { withdrawn: true, ..claim(id, &["a"]) }, log.now);
        assert_eq!(log.holder("a"), Some(id));
    }

    #[test]
    fn a_pod_that_has_not_read_the_claim_knows_it_from_the_task() {
        let (mut log, id) = (Log::new(), TaskId::new());
        log.claims.see(&task(id, TaskState::Running, &["a"]), log.now);
        log.claim(TaskId::new(), &["a"]);
        assert_eq!(log.holder("a"), Some(id));
        log.now += SignedDuration::from_hours(1);
        log.claim(TaskId::new(), &["b"]);
        log.claims.evict();
        assert_eq!(log.holder("a"), Some(id));
    }

    #[test]
    fn a_claim_of_hours_ago_that_is_read_again_waits_for_its_task_all_the_same() {
        let (mut log, id) = (Log::new(), TaskId::new());
        log.claim(id, &["a"]);
        log.claims.evict();
        log.claim(TaskId::new(), &["a"]);
        log.claims.see(&task(id, TaskState::Queued, &["a"]), log.now + SignedDuration::from_secs(1));
        log.now += SignedDuration::from_hours(9);
        assert_eq!(log.holder("a"), Some(id));
    }

    #[test]
    fn a_void_claim_hides_no_other_and_none_is_of_more_digests_than_a_gateway_makes() {
        let (mut log, first, second) = (Log::new(), TaskId::new(), TaskId::new());
        log.claim(first, &["a"]);
        log.now += SignedDuration::from_secs(60);
        log.claim(second, &["b"]);
        let both = ["a".to_owned(), "b".to_owned()];
        assert_eq!(log.claims.first_holder(&both, log.now).map(|holder| holder.task), Some(second));
        log.claim(TaskId::new(), &["c", "d", "e"]);
        assert_eq!(log.holder("c"), None);
    }
}
