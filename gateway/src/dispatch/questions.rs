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
    approval::{ASKED, Answer, DECIDED, Question},
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
    /// Its digest: see [`Question::digest`].
    pub digest: String,
    /// The people who may answer.
    pub audience: Audience,
    /// The time of its first event.
    pub asked_at: Timestamp,
    /// The first answer.
    pub answer: Option<Answer>,
}

/// What a step asks: the step's id and the question's digest. Every worker may ask in the name of every step, so that there
/// may be several; a run counts the answer to its own alone.
type StepQuestion = (Arc<str>, Arc<str>);
/// A question of a run.
type QuestionKey = (TaskId, StepQuestion);

/// The question that somebody means to answer.
#[derive(Debug)]
pub enum Found {
    /// There is none.
    Nothing,
    /// It is put to others.
    NotAsked,
    /// It.
    One(Box<AskedQuestion>),
    /// The step asks them several, and it was not said which is meant.
    Several,
}

#[derive(Debug)]
struct QuestionEntry {
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
    /// It claims to be a question, and is none or claims the digest of another.
    Untrue,
}

/// The questions of runs that have not ended.
#[derive(Debug)]
pub struct Questions {
    verifier: Verifier,
    runs: HashMap<TaskId, BTreeMap<StepQuestion, QuestionEntry>>,
    /// The unanswered ones, by whom they are put to; the newest has the greatest key.
    open: HashMap<Term, BTreeSet<(Timestamp, QuestionKey)>>,
    updates: BTreeSet<(Timestamp, QuestionKey)>,
    shares: Shares,
    /// By owner, the oldest first.
    ages: HashMap<String, BTreeSet<(Timestamp, QuestionKey)>>,
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
        if event.event_type != ASKED {
            return Folded::Counts;
        }
        let Some((question, digest)) = Question::with_digest(event) else {
            return Folded::Untrue;
        };
        if !has_ended(question.task) {
            let (task, name) = (question.task, (question.step.as_str().into(), digest.into()));
            self.change(task, name, time, |entry| {
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
        let (task, name) = (answer.task, named(&answer.step, &answer.digest));
        let entry = self.runs.get(&task).and_then(|asked| asked.get(&name));
        if entry.is_some_and(|entry| entry.answer.is_some()) {
            return Folded::Late;
        }
        self.change(task, name, time, |entry| {
            entry.waiters.drain(..).for_each(|(_, waiter)| drop(waiter.send(answer.clone())));
            entry.answer = Some(answer);
        });
        Folded::Counts
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::new(self.verifier.clone());
    }

    fn change(&mut self, task: TaskId, name: StepQuestion, time: Timestamp, change: impl FnOnce(&mut QuestionEntry)) {
        let entry = self.take(task, &name);
        let mut entry = entry.unwrap_or_else(|| QuestionEntry {
            question: None,
            answer: None,
            updated: time,
            owner: String::new(),
            waiters: Vec::new(),
        });
        entry.updated = entry.updated.max(time);
        change(&mut entry);
        self.put((task, name), entry);
        while self.updates.len() > MAX_QUESTIONS {
            let owner = self.shares.largest();
            let oldest = owner.and_then(|owner| self.ages.get(&*owner)?.first().cloned());
            let Some((_, (task, name))) = oldest else {
                return;
            };
            self.take(task, &name);
        }
    }

    fn put(&mut self, key: QuestionKey, entry: QuestionEntry) {
        for (term, asked) in entry.open_terms() {
            self.open.entry(term.clone()).or_default().insert((asked, key.clone()));
        }
        let age = (entry.updated, key.clone());
        self.updates.insert(age.clone());
        self.ages.entry(entry.owner.clone()).or_default().insert(age);
        self.shares.add(&entry.owner, 1);
        self.runs.entry(key.0).or_default().insert(key.1, entry);
    }

    fn take(&mut self, task: TaskId, name: &StepQuestion) -> Option<QuestionEntry> {
        let asked = self.runs.get_mut(&task)?;
        let (name, entry) = asked.remove_entry(name)?;
        if asked.is_empty() {
            self.runs.remove(&task);
        }
        let key = (task, name);
        for (term, asked) in entry.open_terms() {
            remove_from(&mut self.open, term, &(asked, key.clone()));
        }
        let age = (entry.updated, key);
        self.updates.remove(&age);
        remove_from(&mut self.ages, &entry.owner, &age);
        self.shares.remove(&entry.owner, 1);
        Some(entry)
    }

    /// Drops the questions of a run that has ended.
    pub fn end(&mut self, task: TaskId) {
        let asked: Vec<_> = self.runs.get(&task).into_iter().flat_map(BTreeMap::keys).cloned().collect();
        asked.iter().for_each(|name| drop(self.take(task, name)));
    }

    /// Drops the questions without an event since.
    pub fn evict(&mut self, horizon: Timestamp) {
        while let Some((_, (task, name))) = self.updates.first().filter(|(updated, _)| *updated < horizon).cloned() {
            self.take(task, &name);
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
                let (task, name) = &first.1;
                asked.extend(self.runs.get(task).and_then(|asked| asked.get(name)?.question(name)));
            }
        }
        asked
    }

    /// The question of a step to a user, answered or not: the one of this digest, or else the only one.
    pub fn find(&self, task: TaskId, step: &str, digest: Option<&str>, user: &str, groups: &[String]) -> Found {
        let Some(asked) = self.runs.get(&task) else {
            return Found::Nothing;
        };
        let from = named(step, digest.unwrap_or_default());
        let of_step = asked.range(from..).take_while(|((of, _), _)| **of == *step);
        let meant = of_step.filter(|((_, other), _)| digest.is_none_or(|digest| **other == *digest));
        let mut found = Found::Nothing;
        for question in meant.filter_map(|(name, entry)| entry.question(name)) {
            found = match found {
                found if !question.audience.includes(user, groups) => match found {
                    Found::Nothing => Found::NotAsked,
                    found => found,
                },
                Found::One(_) => return Found::Several,
                _ => Found::One(Box::new(question)),
            };
        }
        found
    }

    /// Replies to a user with the first answer as soon as there is one; drops `reply` if there is no such question, or no
    /// more, or too many wait for it.
    pub fn wait(&mut self, task: TaskId, step: &str, digest: &str, user: &str, reply: oneshot::Sender<Answer>) {
        let Some(step) = self.runs.get_mut(&task).and_then(|asked| asked.get_mut(&named(step, digest))) else {
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

fn named(step: &str, digest: &str) -> StepQuestion {
    (step.into(), digest.into())
}

/// A list of questions from some place on, compared by the first.
struct Newest<'a, L> {
    first: &'a (Timestamp, QuestionKey),
    rest: L,
}

impl<'a, L: Iterator<Item = &'a (Timestamp, QuestionKey)>> Newest<'a, L> {
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

impl QuestionEntry {
    fn question(&self, (_, digest): &StepQuestion) -> Option<AskedQuestion> {
        let (question, audience, asked_at) = self.question.clone()?;
        Some(AskedQuestion { question, digest: digest.to_string(), audience, asked_at, answer: self.answer.clone() })
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
        let (by, step, digest) = (by.to_owned(), step.to_owned(), digest(task, step));
        let unsigned =
            Answer { task, step, digest, decision, by, groups: vec![], comment: None, signature: String::new() };
        key().sign_answer(&"prod".parse().unwrap(), unsigned).event(Audience::user("ada"))
    }

    fn digest(task: TaskId, step: &str) -> String {
        Question::with_digest(&question(task, step, 0)).unwrap().1
    }

    fn find(questions: &Questions, task: TaskId) -> AskedQuestion {
        match questions.find(task, "publish", None, "bob", &finance()) {
            Found::One(question) => *question,
            other => panic!("{other:?}"),
        }
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
        questions.wait(task, "publish", &digest(task, "publish"), "bob", reply);
        questions.fold(&answer(task, "publish", "bob", Decision::Approve), now, |_| false);
        questions.fold(&answer(task, "publish", "eve", Decision::Reject), now, |_| false);
        assert_eq!(received.try_recv().unwrap().by, "bob");
        assert!(questions.open("bob", &finance(), 9).is_empty());
        assert_eq!(find(&questions, task).answer.unwrap().by, "bob");
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
            let mut data = signed.data.as_ref().unwrap().to_value().unwrap();
            data["answer"][name] = value.into();
            signed.clone().with_data(data)
        };
        let no_answer = signed.clone().with_data(serde_json::json!({}));
        for forged in [forge("decision", "approve"), forge("by", "eve"), forge("signature", ""), no_answer] {
            assert_eq!(questions.fold(&forged, now, |_| false), Folded::Unsigned, "{forged:?}");
            assert_eq!(questions.open("bob", &finance(), 9).len(), 1);
        }
        assert_eq!(questions.fold(&signed, now, |_| false), Folded::Counts);
        assert_eq!(questions.fold(&answer(task, "publish", "amy", Decision::Approve), now, |_| false), Folded::Late);
        assert_eq!(find(&questions, task).answer.unwrap().by, "bob");
    }

    #[test]
    fn another_question_in_the_name_of_a_step_is_another_with_an_answer_of_its_own() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        let asked = Question::of(&question(task, "publish", 0)).unwrap();
        let pizza = Question { question: "Pizza?".to_owned(), ..asked.clone() };
        let (finance_asked, bob_asked) = ("group:finance".parse().unwrap(), Audience::user("bob"));
        let forged = [pizza.event(finance_asked, None, 0), asked.event(bob_asked, None, 0)];
        for event in forged.iter().chain([&question(task, "publish", 0)]) {
            assert_eq!(questions.fold(event, now, |_| false), Folded::Counts);
        }
        let misleading = pizza.event("group:finance".parse().unwrap(), None, 1);
        let mut data = misleading.data.as_ref().unwrap().to_value().unwrap();
        data["digest"] = digest(task, "publish").into();
        let misleading = misleading.with_data(data);
        assert_eq!(questions.fold(&misleading, now, |_| false), Folded::Untrue);
        assert_eq!(questions.open("bob", &finance(), 9).len(), 3);
        assert!(matches!(questions.find(task, "publish", None, "bob", &finance()), Found::Several));
        assert!(matches!(questions.find(task, "publish", None, "eve", &[]), Found::NotAsked));
        assert!(matches!(questions.find(task, "publish", Some("x"), "bob", &finance()), Found::Nothing));
        questions.fold(&answer(task, "publish", "bob", Decision::Approve), now, |_| false);
        let open = questions.open("bob", &finance(), 9);
        assert!(open.len() == 2 && open.iter().all(|open| open.digest != digest(task, "publish")), "{open:?}");
        let Found::One(mine) = questions.find(task, "publish", Some(&digest(task, "publish")), "bob", &finance())
        else {
            panic!("it is answered");
        };
        assert_eq!(mine.answer.unwrap().by, "bob");
    }

    #[test]
    fn nothing_is_kept_of_a_run_that_has_ended_or_is_too_old() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        questions.fold(&question(task, "one", 0), now, |_| false);
        questions.fold(&question(task, "two", 0), now + Duration::from_secs(2), |_| false);
        let (reply, mut received) = oneshot::channel();
        questions.wait(task, "one", &digest(task, "one"), "bob", reply);
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
        assert_eq!(find(&questions, bobs.task).question, bobs, "the oldest of all");
    }

    #[test]
    fn a_question_to_several_groups_of_a_user_is_listed_once_in_order_of_time() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        let audiences = ["group:finance user:bob", "group:ops", "environment group:ops", "user:eve"];
        for (n, audience) in (0..).zip(audiences) {
            let asked = Question::of(&question(task, &format!("s{n}"), 0)).unwrap();
            let event = asked.event(audience.parse().unwrap(), None, 0);
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
            questions.wait(task, "publish", &digest(task, "publish"), "eve", reply);
            waiting.push(received);
        }
        let (reply, mut bobs) = oneshot::channel();
        questions.wait(task, "publish", &digest(task, "publish"), "bob", reply);
        questions.fold(&answer(task, "publish", "bob", Decision::Approve), now, |_| false);
        assert_eq!(bobs.try_recv().unwrap().by, "bob");
        assert_eq!(waiting.iter_mut().filter_map(|one| one.try_recv().ok()).count(), MAX_WAITERS_PER_USER);
    }
}
