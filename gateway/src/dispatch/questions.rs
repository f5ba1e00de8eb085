//! The questions that workflows of one environment ask people, folded from its events, each with its first answer.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use model::{
    Audience, Event, TaskId,
    approval::{Answer, DECIDED, Question},
};
use signing::Verifier;
use tokio::sync::oneshot;

/// The number of questions kept; beyond it those with the oldest events are dropped.
const MAX_QUESTIONS: usize = 10_000;
/// The number of requests that may wait at once for the answer to one question.
const MAX_WAITERS: usize = 64;

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

#[derive(Debug, Default)]
struct StepEntry {
    question: Option<(Question, Audience, Timestamp)>,
    answer: Option<Answer>,
    updated: Timestamp,
    waiters: Vec<oneshot::Sender<Answer>>,
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
    runs: HashMap<TaskId, BTreeMap<String, StepEntry>>,
    steps: usize,
}

impl Questions {
    /// No questions; answers count if this verifies them.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, runs: HashMap::new(), steps: 0 }
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
            let step = self.step(question.task, &question.step, time);
            // Asked again it is the same question, to the same people.
            step.question.get_or_insert_with(|| (question, event.audience.clone(), time));
        }
        Folded::Counts
    }

    fn answer(&mut self, answer: Answer, time: Timestamp) -> Folded {
        let step = self.step(answer.task, &answer.step, time);
        if step.answer.is_some() {
            return Folded::Late;
        }
        step.waiters.drain(..).for_each(|waiter| drop(waiter.send(answer.clone())));
        step.answer = Some(answer);
        Folded::Counts
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.steps = 0;
    }

    fn step(&mut self, task: TaskId, id: &str, time: Timestamp) -> &mut StepEntry {
        if self.steps >= MAX_QUESTIONS {
            self.evict_oldest_tenth();
        }
        let steps = self.runs.entry(task).or_default();
        self.steps += usize::from(!steps.contains_key(id));
        let step = steps.entry(id.to_owned()).or_default();
        step.updated = step.updated.max(time);
        step
    }

    /// Drops the questions of a run that has ended.
    pub fn end(&mut self, task: TaskId) {
        self.steps -= self.runs.remove(&task).map_or(0, |steps| steps.len());
    }

    /// Drops the questions without an event since.
    pub fn evict(&mut self, horizon: Timestamp) {
        self.runs.retain(|_, steps| {
            steps.retain(|_, step| step.updated >= horizon);
            !steps.is_empty()
        });
        self.steps = self.runs.values().map(BTreeMap::len).sum();
    }

    fn evict_oldest_tenth(&mut self) {
        let mut times: Vec<_> = self.runs.values().flat_map(BTreeMap::values).map(|step| step.updated).collect();
        times.sort_unstable();
        if let Some(horizon) = times.get(MAX_QUESTIONS / 10) {
            // Those of that very moment as well: however many they are, some go.
            self.evict(*horizon + Duration::from_nanos(1));
        }
    }

    /// The unanswered questions to a user, newest first, at most `max`.
    pub fn open(&self, user: &str, groups: &[String], max: usize) -> Vec<AskedQuestion> {
        let open = self.runs.values().flat_map(BTreeMap::values).filter(|step| step.answer.is_none());
        let mut asked: Vec<_> =
            open.filter_map(StepEntry::question).filter(|asked| asked.audience.includes(user, groups)).collect();
        asked.sort_unstable_by_key(|asked| Reverse(asked.asked_at));
        asked.truncate(max);
        asked
    }

    /// The question of a step.
    pub fn find(&self, task: TaskId, step: &str) -> Option<AskedQuestion> {
        self.runs.get(&task)?.get(step)?.question()
    }

    /// Replies with the first answer as soon as there is one; drops `reply` if there is no such question, or no more.
    pub fn wait(&mut self, task: TaskId, step: &str, reply: oneshot::Sender<Answer>) {
        let Some(step) = self.runs.get_mut(&task).and_then(|steps| steps.get_mut(step)) else {
            return;
        };
        step.waiters.retain(|waiter| !waiter.is_closed());
        match &step.answer {
            Some(answer) => drop(reply.send(answer.clone())),
            None if step.waiters.len() < MAX_WAITERS => step.waiters.push(reply),
            None => {}
        }
    }
}

impl StepEntry {
    fn question(&self) -> Option<AskedQuestion> {
        let (question, audience, asked_at) = self.question.clone()?;
        Some(AskedQuestion { question, audience, asked_at, answer: self.answer.clone() })
    }
}

#[cfg(test)]
mod tests {
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
        questions.wait(task, "publish", reply);
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
        questions.wait(task, "one", reply);
        questions.evict(now + Duration::from_secs(1));
        assert_eq!((questions.steps, questions.open("bob", &finance(), 9).len()), (1, 1));
        assert!(received.try_recv().is_err());
        questions.end(task);
        questions.fold(&question(task, "two", 1), now, |ended| ended == task);
        assert_eq!((questions.steps, questions.runs.len()), (0, 0));
    }

    #[test]
    fn however_many_are_asked_a_bounded_number_is_kept_and_the_newest_are() {
        let (mut questions, task, now) = (no_questions(), TaskId::new(), Timestamp::now());
        for n in 0..12_000 {
            questions.fold(&question(task, &format!("s{n}"), 0), now + Duration::from_millis(n), |_| false);
        }
        assert!(questions.steps <= MAX_QUESTIONS, "{}", questions.steps);
        assert_eq!(questions.steps, questions.runs.values().map(BTreeMap::len).sum::<usize>());
        assert_eq!(questions.open("bob", &finance(), 1)[0].question.step, "s11999");
        let mut questions = no_questions();
        for n in 0..12_000 {
            questions.fold(&question(task, &format!("s{n}"), 0), now, |_| false);
        }
        assert!(questions.steps <= MAX_QUESTIONS, "of one moment: {}", questions.steps);
    }
}
