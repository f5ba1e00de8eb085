//! One question with its answers.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use model::{
    Audience, Term,
    approval::{Answer, Decision, Question},
};
use tokio::sync::oneshot;

/// The number of requests of one user that may wait at once for the answer to one question.
pub(super) const MAX_WAITERS_PER_USER: usize = 4;
/// The number of all requests that may wait at once for the answer to one question.
const MAX_WAITERS: usize = 1024;
/// The number of answers that are kept of a question that is not known yet.
const MAX_ANSWERS: usize = 64;
/// How long after its time a question still stands that its run has not ended.
const LATE: Duration = Duration::from_secs(60);

/// What a step asks: the step's id and the question's digest. Every worker may ask in the name of every step, so that there
/// may be several; a run counts the answer to its own alone.
pub(super) type StepQuestion = (Arc<str>, Arc<str>);

/// A question, with its answers.
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
    /// The first answer of each person, in the order of the log.
    pub answers: Vec<Answer>,
    /// Who has approved it.
    pub approved_by: Vec<String>,
    /// The answer that decided it.
    pub decided: Option<Answer>,
    /// Why it ended without such an answer.
    pub closed: Option<String>,
}

/// A question as it is kept; or its answers, where they were read before it.
#[derive(Debug)]
pub(super) struct QuestionEntry {
    question: Option<(Question, Audience, Timestamp)>,
    answers: Vec<Answer>,
    /// Who had approved before the first event that this pod has read.
    approved_before: Vec<String>,
    closed: Option<String>,
    pub(super) updated: Timestamp,
    /// The owner that it counts for: the one of its question, nobody's while only the answer is known.
    pub(super) owner: String,
    waiters: Vec<(String, oneshot::Sender<Answer>)>,
}

impl QuestionEntry {
    pub(super) fn new(time: Timestamp) -> Self {
        Self {
            question: None,
            answers: Vec::new(),
            approved_before: Vec::new(),
            closed: None,
            updated: time,
            owner: String::new(),
            waiters: Vec::new(),
        }
    }

    /// It is asked; asked again it is the same question, to the same people.
    pub(super) fn ask(&mut self, question: Question, audience: Audience, time: Timestamp, approved_by: Vec<String>) {
        for by in approved_by {
            if self.approved_before.len() < MAX_ANSWERS && !self.approved_before.contains(&by) {
                self.approved_before.push(by);
            }
        }
        if self.question.is_none() {
            self.owner.clone_from(&question.owner);
            self.question = Some((question, audience, time));
            self.answers.truncate(MAX_ANSWERS);
        }
    }

    /// True if an answer counts: of somebody who may answer and has not, while it is open.
    pub(super) fn takes(&self, answer: &Answer) -> bool {
        let may_answer = self.question.as_ref().is_none_or(|(question, audience, _)| {
            audience.includes(&answer.by, &answer.groups) && !is_own(question, &answer.by)
        });
        may_answer
            && self.closed.is_none()
            && self.decided().is_none()
            && !self.has_answered(&answer.by)
            && self.answers.len() < MAX_ANSWERS
    }

    /// Counts an answer, and tells those who wait for it.
    pub(super) fn answer(&mut self, answer: Answer) {
        self.answers.push(answer.clone());
        let decides = self.decided().is_some();
        let (told, others) = self.waiters.drain(..).partition(|(user, _)| decides || *user == answer.by);
        self.waiters = others;
        for (_, waiter) in Vec::from_iter::<Vec<(String, oneshot::Sender<Answer>)>>(told) {
            drop(waiter.send(answer.clone()));
        }
    }

    /// It ends for this reason; who waits is told that it is gone.
    pub(super) fn close(&mut self, reason: String) {
        self.closed.get_or_insert(reason);
        self.waiters.clear();
    }

    /// Replies to a user with their own answer, or the one that decides it.
    pub(super) fn wait(&mut self, user: &str, reply: oneshot::Sender<Answer>) {
        self.waiters.retain(|(_, waiter)| !waiter.is_closed());
        let of_user = self.waiters.iter().filter(|(waiting, _)| waiting == user).count();
        let own = self.answers.iter().find(|answer| answer.by == user).or_else(|| self.decided());
        match own {
            Some(answer) => drop(reply.send(answer.clone())),
            None if self.closed.is_none() && self.waiters.len() < MAX_WAITERS && of_user < MAX_WAITERS_PER_USER => {
                self.waiters.push((user.to_owned(), reply));
            }
            None => {}
        }
    }

    /// The answer that decides it: the first rejection, or the last of as many approvals as are needed.
    fn decided(&self) -> Option<&Answer> {
        let needed = self.question.as_ref().map_or(1, |(question, ..)| question.details.needed());
        let mut approved: Vec<&str> = self.approved_before.iter().map(String::as_str).collect();
        self.answers.iter().find(|answer| match answer.decision {
            Decision::Reject => true,
            Decision::Approve => {
                if !approved.contains(&answer.by.as_str()) {
                    approved.push(&answer.by);
                }
                approved.len() >= needed
            }
        })
    }

    fn has_answered(&self, user: &str) -> bool {
        self.answers.iter().any(|answer| answer.by == user) || self.approved_before.iter().any(|by| by == user)
    }

    /// True while it waits for answers.
    fn is_open(&self) -> bool {
        self.question.is_some() && self.closed.is_none() && self.decided().is_none()
    }

    /// True if it waits for the answer of a user who is asked.
    pub(super) fn waits_for(&self, user: &str) -> bool {
        let is_own = self.question.as_ref().is_some_and(|(question, ..)| is_own(question, user));
        self.is_open() && !is_own && !self.has_answered(user)
    }

    /// The question, if it is open and put to this user, answered by them or not.
    pub(super) fn open_to(&self, user: &str, groups: &[String]) -> Option<&Question> {
        let (question, audience, _) = self.question.as_ref().filter(|_| self.is_open())?;
        let is_late = question.details.until.is_some_and(|until| until + LATE < Timestamp::now());
        (audience.includes(user, groups) && !is_late).then_some(question)
    }

    pub(super) fn question(&self, (_, digest): &StepQuestion) -> Option<AskedQuestion> {
        let (question, audience, asked_at) = self.question.clone()?;
        let approvals = self.answers.iter().filter(|answer| answer.decision == Decision::Approve);
        let mut approved_by = self.approved_before.clone();
        for Answer { by, .. } in approvals {
            if !approved_by.contains(by) {
                approved_by.push(by.clone());
            }
        }
        Some(AskedQuestion {
            question,
            digest: digest.to_string(),
            audience,
            asked_at,
            answers: self.answers.clone(),
            approved_by,
            decided: self.decided().cloned(),
            closed: self.closed.clone(),
        })
    }

    /// The terms of its audience while it is open, each with the time of the question.
    pub(super) fn open_terms(&self) -> impl Iterator<Item = (&Term, Timestamp)> {
        let open = self.question.as_ref().filter(|_| self.is_open());
        open.into_iter().flat_map(|(_, audience, asked)| audience.terms().iter().map(|term| (term, *asked)))
    }
}

/// True if a user asks it of others only, and may not answer it.
fn is_own(question: &Question, user: &str) -> bool {
    question.details.others_only && question.owner == user
}
