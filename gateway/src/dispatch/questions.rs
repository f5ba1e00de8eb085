//! The questions that workflows of one environment ask people, folded from its events, each with its first answer.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    hash::Hash,
    sync::Arc,
};

use jiff::Timestamp;
use model::{
    Audience, Event, TaskId, Term,
    approval::{Answer, DECIDED, Question},
};
use signing::Verifier;
use tokio::sync::oneshot;

use super::shares::Shares;

/// The number of questions kept; beyond it whoever's runs ask most lose theirs, first those with the oldest events.
const MAX_QUESTIONS: usize = 10_000;
/// The number of requests of one user that may wait at once for the answer to one question.
const MAX_WAITERS_PER_USER: usize = 4;
/// The number of all requests that may wait at once for the answer to one question.
const MAX_WAITERS: usize = 1024;

/// A question, with its answer if there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedQuestion {
    /// The question.
    pub question: Question,
    /// The people who may answer.
    pub audience: Audience,
    /// The time of its first event.
    pub asked_at: Timestamp,
    /// The first answer.
    pub answer: Option<Answer>,
}

/// A step of a run.
type StepKey = (TaskId, Arc<str>);

#[derive(Debug)]
struct StepEntry {
    question: Option<(Question, Audience, Timestamp)>,
    answer: Option<Answer>,
    updated: Timestamp,
    /// The owner that it counts for: the one of its question, nobody's while only the answer is known.
    owner: String,
    waiters: Vec<(String, oneshot::Sender<Answer>)>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// It counts, or is about no question.
    Counts,
    /// It is an answer to a question that has one.
    Late,
    /// It claims to be an answer, and no gateway has signed it.
    Unsigned,
}

/// The questions of runs that have not ended.
#[derive(Debug)]
pub struct Questions {
    verifier: Verifier,
    runs: HashMap<TaskId, BTreeMap<Arc<str>, StepEntry>>,
    /// The unanswered ones, by whom they are put to; the newest has the greatest key.
    open: HashMap<Term, BTreeSet<(Timestamp, StepKey)>>,
    updates: BTreeSet<(Timestamp, StepKey)>,
    shares: Shares,
    /// By owner, the oldest first.
    ages: HashMap<String, BTreeSet<(Timestamp, StepKey)>>,
}

impl Questions {
    /// No questions; answers count if this verifies them.
    pub fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            runs: HashMap::new(),
            open: HashMap::new(),
            updates: BTreeSet::new(),
            shares: Shares::default(),
            ages: HashMap::new(),
        }
    }

    /// Folds a question or an answer in; other events, and those of a run that has ended, change nothing.
    pub fn fold(&mut self, event: &Event, time: Timestamp, has_ended: impl Fn(TaskId) -> bool) -> Folded {
        if event.event_type == DECIDED {
            return match Answer::of(event).filter(|answer| self.verifier.is_signed(answer)) {
                Some(answer) if has_ended(answer.task) => Folded::Counts,
                Some(answer) => self.answer(answer, time),
                None => Folded::Unsigned,
            };
        }
        if let Some(question) = Question::of(event).filter(|question| !has_ended(question.task)) {
            let (task, step) = (question.task, question.step.clone());
            self.change(task, &step, time, |entry| {
                // Asked again it is the same question, to the same people.
                if entry.question.is_none() {
                    entry.owner.clone_from(&question.owner);
                    entry.question = Some((question, event.audience.clone(), time));
                }
            });
        }
        Folded::Counts
    }

    fn answer(&mut self, answer: Answer, time: Timestamp) -> Folded {
        let (task, step) = (answer.task, answer.step.clone());
        let entry = self.runs.get(&task).and_then(|steps| steps.get(step.as_str()));
        if entry.is_some_and(|entry| entry.answer.is_some()) {
            return Folded::Late;
        }
        self.change(task, &step, time, |entry| {
            entry.waiters.drain(..).for_each(|(_, waiter)| drop(waiter.send(answer.clone())));
            entry.answer = Some(answer);
        });
        Folded::Counts
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::new(self.verifier.clone());
    }

    fn change(&mut self, task: TaskId, step: &str, time: Timestamp, change: impl FnOnce(&mut StepEntry)) {
        let entry = self.take(task, step);
        let mut entry = entry.unwrap_or_else(|| StepEntry {
            question: None,
            answer: None,
            updated: time,
            owner: String::new(),
            waiters: Vec::new(),
        });
        entry.updated = entry.updated.max(time);
        change(&mut entry);
        self.put((task, step.into()), entry);
        while self.updates.len() > MAX_QUESTIONS {
            let owner = self.shares.largest();
            let oldest = owner.and_then(|owner| self.ages.get(&*owner)?.first().cloned());
            let Some((_, (task, step))) = oldest else {
                return;
            };
            self.take(task, &step);
        }
    }

    fn put(&mut self, key: StepKey, entry: StepEntry) {
        for (term, asked) in entry.open_terms() {
            self.open.entry(term.clone()).or_default().insert((asked, key.clone()));
        }
        let age = (entry.updated, key.clone());
        self.updates.insert(age.clone());
        self.ages.entry(entry.owner.clone()).or_default().insert(age);
        self.shares.add(&entry.owner);
        self.runs.entry(key.0).or_default().insert(key.1, entry);
    }

    fn take(&mut self, task: TaskId, step: &str) -> Option<StepEntry> {
        let steps = self.runs.get_mut(&task)?;
        let (step, entry) = steps.remove_entry(step)?;
        if steps.is_empty() {
            self.runs.remove(&task);
        }
        let key = (task, step);
        for (term, asked) in entry.open_terms() {
            remove_from(&mut self.open, term, &(asked, key.clone()));
        }
        let age = (entry.updated, key);
        self.updates.remove(&age);
        remove_from(&mut self.ages, &entry.owner, &age);
        self.shares.remove(&entry.owner);
        Some(entry)
    }

    /// Drops the questions of a run that has ended.
    pub fn end(&mut self, task: TaskId) {
        let steps: Vec<_> = self.runs.get(&task).into_iter().flat_map(BTreeMap::keys).cloned().collect();
        steps.iter().for_each(|step| drop(self.take(task, step)));
    }

    /// Drops the questions without an event since.
    pub fn evict(&mut self, horizon: Timestamp) {
        while let Some((_, (task, step))) = self.updates.first().filter(|(updated, _)| *updated < horizon).cloned() {
            self.take(task, &step);
        }
    }

    /// The unanswered questions to a user, newest first, at most `max`.
    pub fn open(&self, user: &str, groups: &[String], max: usize) -> Vec<AskedQuestion> {
        let own = [Term::User(user.to_owned()), Term::Environment];
        let terms = own.into_iter().chain(groups.iter().cloned().map(Term::Group));
        let lists = terms.filter_map(|term| self.open.get(&term)).map(|list| list.iter().rev());
        // The newest of each list, the newest of all on top: no more is looked at than is taken.
        let mut newest: BinaryHeap<_> = lists.filter_map(Newest::of).collect();
        let (mut asked, mut last) = (Vec::new(), None);
        while asked.len() < max
            && let Some(Newest { first, rest }) = newest.pop()
        {
            newest.extend(Newest::of(rest));
            // Asked of several terms of the user it comes once from each.
            if last.replace(first) != Some(first) {
                asked.extend(self.find(first.1.0, &first.1.1));
            }
        }
        asked
    }

    /// The question of a step.
    pub fn find(&self, task: TaskId, step: &str) -> Option<AskedQuestion> {
        self.runs.get(&task)?.get(step)?.question()
    }

    /// Replies to a user with the first answer as soon as there is one; drops `reply` if there is no such question, or no
    /// more, or too many wait for it.
    pub fn wait(&mut self, task: TaskId, step: &str, user: &str, reply: oneshot::Sender<Answer>) {
        let Some(step) = self.runs.get_mut(&task).and_then(|steps| steps.get_mut(step)) else {
            return;
        };
        step.waiters.retain(|(_, waiter)| !waiter.is_closed());
        let of_user = step.waiters.iter().filter(|(waiting, _)| waiting == user).count();
        match &step.answer {
            Some(answer) => drop(reply.send(answer.clone())),
            None if step.waiters.len() < MAX_WAITERS && of_user < MAX_WAITERS_PER_USER => {
                step.waiters.push((user.to_owned(), reply));
            }
            None => {}
        }
    }
}

/// A list of questions from some place on, compared by the first.
struct Newest<'a, L> {
    first: &'a (Timestamp, StepKey),
    rest: L,
}

impl<'a, L: Iterator<Item = &'a (Timestamp, StepKey)>> Newest<'a, L> {
    fn of(mut list: L) -> Option<Self> {
        list.next().map(|first| Self { first, rest: list })
    }
}

impl<L> PartialEq for Newest<'_, L> {
    fn eq(&self, other: &Self) -> bool {
        self.first == other.first
    }
}

impl<L> Eq for Newest<'_, L> {}

impl<L> PartialOrd for Newest<'_, L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<L> Ord for Newest<'_, L> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.first.cmp(other.first)
    }
}

fn remove_from<K: Eq + Hash, V: Ord>(lists: &mut HashMap<K, BTreeSet<V>>, name: &K, value: &V) {
    if let Some(list) = lists.get_mut(name) {
        list.remove(value);
        if list.is_empty() {
            lists.remove(name);
        }
    }
}

impl StepEntry {
    fn question(&self) -> Option<AskedQuestion> {
        let (question, audience, asked_at) = self.question.clone()?;
        Some(AskedQuestion { question, audience, asked_at, answer: self.answer.clone() })
    }

    /// The terms of its audience while it is unanswered, each with the time of the question.
    fn open_terms(&self) -> impl Iterator<Item = (&Term, Timestamp)> {
        let open = self.question.as_ref().filter(|_| self.answer.is_none());
        open.into_iter().flat_map(|(_, audience, asked)| audience.terms().iter().map(|term| (term, *asked)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::approval::Decision;
    use signing::SigningKey;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::derived_from(b"a secret")
    }

    fn no_questions() -> Questions {
        Questions::new(Verifier::of(&"prod".parse().unwrap(), &key()))
    }

    fn question(task: TaskId, step: &str, round: u32) -> Event {
        let (title, question) = ("Airports".to_owned(), "Publish?".to_owned());
        let question = Question { task, step: step.to_owned(), title, question, owner: "ada".to_owned() };
        question.event("group:finance".parse().unwrap(), None, round)
    }

    fn answer(task: TaskId, step: &str, by: &str, decision: Decision) -> Event {
        let (by, step) = (by.to_owned(), step.to_owned());
        let unsigned = Answer { task, step, decision, by, groups: vec![], comment: None, signature: String::new() };
        key().sign_answer(&"prod".parse().unwrap(), unsigned).event(Audience::user("ada"))
    }

    fn finance() -> Vec<String> {
        vec!["finance".to_owned()]
    }

    #[test]
    fn a_question_is_open_to_those_asked_until_the_first_answer_which_stands() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        questions.fold(&question(task, "publish", 0), now, |_| false);
        questions.fold(&question(task, "publish", 1), now + Duration::from_secs(9), |_| false);
        let open = questions.open("bob", &finance(), 9);
        assert_eq!((open.len(), open[0].asked_at), (1, now));
        assert!(questions.open("bob", &[], 9).is_empty());
        let (reply, mut received) = oneshot::channel();
        questions.wait(task, "publish", "bob", reply);
        questions.fold(&answer(task, "publish", "bob", Decision::Approve), now, |_| false);
        questions.fold(&answer(task, "publish", "eve", Decision::Reject), now, |_| false);
        assert_eq!(received.try_recv().unwrap().by, "bob");
        assert!(questions.open("bob", &finance(), 9).is_empty());
        assert_eq!(questions.find(task, "publish").unwrap().answer.unwrap().by, "bob");
        // Asked again by a worker that had not read the answer.
        questions.fold(&question(task, "publish", 2), now, |_| false);
        assert!(questions.open("bob", &finance(), 9).is_empty());
    }

    #[test]
    fn an_answer_that_no_gateway_has_signed_does_not_count_and_keeps_no_true_one_away() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        questions.fold(&question(task, "publish", 0), now, |_| false);
        let signed = answer(task, "publish", "bob", Decision::Reject);
        let forge = |name: &str, value: &str| {
            let mut forged = signed.clone();
            forged.data.as_mut().unwrap()["answer"][name] = value.into();
            forged
        };
        let no_answer = signed.clone().with_data(serde_json::json!({}));
        for forged in [forge("decision", "approve"), forge("by", "eve"), forge("signature", ""), no_answer] {
            assert_eq!(questions.fold(&forged, now, |_| false), Folded::Unsigned, "{forged:?}");
            assert_eq!(questions.open("bob", &finance(), 9).len(), 1);
        }
        assert_eq!(questions.fold(&signed, now, |_| false), Folded::Counts);
        assert_eq!(questions.fold(&answer(task, "publish", "amy", Decision::Approve), now, |_| false), Folded::Late);
        assert_eq!(questions.find(task, "publish").unwrap().answer.unwrap().by, "bob");
    }

    #[test]
    fn nothing_is_kept_of_a_run_that_has_ended_or_is_too_old() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        questions.fold(&question(task, "one", 0), now, |_| false);
        questions.fold(&question(task, "two", 0), now + Duration::from_secs(2), |_| false);
        let (reply, mut received) = oneshot::channel();
        questions.wait(task, "one", "bob", reply);
        questions.evict(now + Duration::from_secs(1));
        assert_eq!((questions.updates.len(), questions.open("bob", &finance(), 9).len()), (1, 1));
        assert!(received.try_recv().is_err());
        questions.end(task);
        questions.fold(&question(task, "two", 1), now, |ended| ended == task);
        assert_eq!((questions.updates.len(), questions.runs.len()), (0, 0));
    }

    #[test]
    fn however_many_are_asked_a_bounded_number_is_kept_and_the_newest_are() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        for n in 0..12_000 {
            questions.fold(&question(task, &format!("s{n}"), 0), now + Duration::from_millis(n), |_| false);
        }
        assert_eq!(questions.updates.len(), MAX_QUESTIONS);
        assert_eq!(questions.updates.len(), questions.runs.values().map(BTreeMap::len).sum::<usize>());
        assert_eq!(questions.open("bob", &finance(), 1)[0].question.step, "s11999");
        let mut questions = no_questions();
        for n in 0..12_000 {
            questions.fold(&question(task, &format!("s{n}"), 0), now, |_| false);
        }
        assert_eq!(questions.updates.len(), MAX_QUESTIONS, "of one moment");
        questions.end(task);
        assert!(questions.open.is_empty() && questions.ages.is_empty() && questions.updates.is_empty());
        assert_eq!(questions.shares.largest(), None);
    }

    #[test]
    fn whoever_asks_without_end_pushes_out_nobody_elses_question() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        let mut bobs = Question::of(&question(TaskId::new(), "publish", 0)).unwrap();
        bobs.owner = "bob".to_owned();
        questions.fold(&bobs.clone().event("group:finance".parse().unwrap(), None, 0), now, |_| false);
        for n in 0..MAX_QUESTIONS + 10 {
            questions.fold(&question(task, &format!("s{n}"), 0), now + Duration::from_secs(1), |_| false);
        }
        assert!(questions.find(bobs.task, "publish").is_some(), "the oldest of all");
    }

    #[test]
    fn a_question_to_several_groups_of_a_user_is_listed_once_in_order_of_time() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        let audiences = ["group:finance user:bob", "group:ops", "environment group:ops", "user:eve"];
        for (n, audience) in (0..).zip(audiences) {
            let mut event = question(task, &format!("s{n}"), 0);
            event.audience = audience.parse().unwrap();
            questions.fold(&event, now + Duration::from_secs(n), |_| false);
        }
        let groups = ["finance".to_owned(), "ops".to_owned()];
        let steps =
            |max| questions.open("bob", &groups, max).into_iter().map(|one| one.question.step).collect::<Vec<_>>();
        assert_eq!((steps(9), steps(2)), (vec!["s2".into(), "s1".into(), "s0".into()], vec!["s2".into(), "s1".into()]));
    }

    #[test]
    fn one_user_who_asks_again_and_again_does_not_keep_another_from_waiting() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        questions.fold(&question(task, "publish", 0), now, |_| false);
        let mut waiting = Vec::new();
        for _ in 0..100 {
            let (reply, received) = oneshot::channel();
            questions.wait(task, "publish", "eve", reply);
            waiting.push(received);
        }
        let (reply, mut bobs) = oneshot::channel();
        questions.wait(task, "publish", "bob", reply);
        questions.fold(&answer(task, "publish", "bob", Decision::Approve), now, |_| false);
        assert_eq!(bobs.try_recv().unwrap().by, "bob");
        assert_eq!(waiting.iter_mut().filter_map(|one| one.try_recv().ok()).count(), MAX_WAITERS_PER_USER);
    }
}
