//! The questions that workflows of one environment ask people, folded from its events, each with its first answer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
};

use jiff::Timestamp;
use model::{
    Event, TaskId, Term,
    approval::{ASKED, Answer, Closed, DECIDED, Question},
};
use signing::Verifier;
use tokio::sync::oneshot;

use super::{
    asked_question::{AskedQuestion, QuestionEntry, StepQuestion},
    newest::newest_first,
    shares::Shares,
};

/// The number of questions kept; beyond it whoever's runs ask most lose theirs, first those with the oldest events.
const MAX_QUESTIONS: usize = 10_000;
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

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// It counts, or is about no question.
    Counts,
    /// It is an answer to a question that is decided or ended, or of somebody who has answered it or may not.
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
        if let Some(closed) = Closed::of(event) {
            if !has_ended(closed.task) {
                self.change(closed.task, named(&closed.step, &closed.digest), time, |entry| entry.close(closed.reason));
            }
            return Folded::Counts;
        }
        if event.event_type != ASKED {
            return Folded::Counts;
        }
        let Some((question, digest)) = Question::with_digest(event) else {
            return Folded::Untrue;
        };
        if !has_ended(question.task) {
            let (task, name) = (question.task, (question.step.as_str().into(), digest.into()));
            let approved_by = Question::approved_by(event);
            self.change(task, name, time, |entry| entry.ask(question, event.audience.clone(), time, approved_by));
        }
        Folded::Counts
    }

    fn answer(&mut self, answer: Answer, time: Timestamp) -> Folded {
        let (task, name) = (answer.task, named(&answer.step, &answer.digest));
        let entry = self.runs.get(&task).and_then(|asked| asked.get(&name));
        if entry.is_some_and(|entry| !entry.takes(&answer)) {
            return Folded::Late;
        }
        self.change(task, name, time, |entry| entry.answer(answer));
        Folded::Counts
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Self::new(self.verifier.clone());
    }

    fn change(&mut self, task: TaskId, name: StepQuestion, time: Timestamp, change: impl FnOnce(&mut QuestionEntry)) {
        let entry = self.take(task, &name);
        let mut entry = entry.unwrap_or_else(|| QuestionEntry::new(time));
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

    /// The open questions to a user that they have not answered and may, newest first, at most `max`.
    pub fn open(&self, user: &str, groups: &[String], max: usize) -> Vec<AskedQuestion> {
        let own = [Term::User(user.to_owned()), Term::Environment];
        let terms = own.into_iter().chain(groups.iter().cloned().map(Term::Group));
        let lists = terms.filter_map(|term| self.open.get(&term)).map(|list| list.iter().rev());
        let mut last = None;
        // Asked of several terms of the user it comes once from each.
        let each_once = newest_first(lists).filter(|question| last.replace(*question) != Some(*question));
        let asked = each_once.filter_map(|(_, (task, name))| {
            self.runs.get(task)?.get(name).filter(|entry| entry.waits_for(user))?.question(name)
        });
        asked.take(max).collect()
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

    /// The owner of a file that a user may read, since an open question of this step names it and is put to them.
    pub fn owner_of_file(&self, task: TaskId, step: &str, file: &str, user: &str, groups: &[String]) -> Option<String> {
        let asked = self.runs.get(&task)?.range(named(step, "")..).take_while(|((of, _), _)| **of == *step);
        asked.filter_map(|(_, entry)| entry.open_to(user, groups)).find_map(|question| {
            let names_it = question.details.files.iter().any(|named| named == file);
            names_it.then(|| question.owner.clone())
        })
    }

    /// Replies to a user with their own answer as soon as there is one, or with the one that decides the question before;
    /// drops `reply` if there is no such question, or no more, or too many wait for it.
    pub fn wait(&mut self, task: TaskId, step: &str, digest: &str, user: &str, reply: oneshot::Sender<Answer>) {
        if let Some(entry) = self.runs.get_mut(&task).and_then(|asked| asked.get_mut(&named(step, digest))) {
            entry.wait(user, reply);
        }
    }
}

fn named(step: &str, digest: &str) -> StepQuestion {
    (step.into(), digest.into())
}

fn remove_from<K: Eq + Hash, V: Ord>(lists: &mut HashMap<K, BTreeSet<V>>, name: &K, value: &V) {
    if let Some(list) = lists.get_mut(name) {
        list.remove(value);
        if list.is_empty() {
            lists.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
