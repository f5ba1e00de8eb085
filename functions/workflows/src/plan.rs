//! What comes next in a run: pure, from what is known and the time to what is to be done.

use model::{StepState, TaskError, TaskState};
use runtime::DatabaseError;
use serde_json::{Value, json};

use crate::{
    definition::{Doing, Lasting},
    state::{Item, ItemState, Of, Phase, Run},
};

/// How long is waited for people and other runs where the step does not say.
pub(crate) const PATIENT: i64 = 30 * 24 * 3_600_000;
/// After which a question is asked again, without a toast, for pods that have lost it.
const BETWEEN_ROUNDS: i64 = 12 * 3_600_000;

/// What is to be done outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The item's task is put into its queue.
    Submit(Of),
    /// The item's task, of this try, is taken back.
    Cancel(Of, u32),
    /// The item's question is asked.
    Ask(Of),
}

/// What may be set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) most_items: usize,
    pub(crate) items_at_once: usize,
    /// In milliseconds.
    pub(crate) step_timeout: i64,
}

/// What a step is about to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Prepared {
    /// Nothing, for this reason.
    Skip(String),
    /// A job, or one for each: what they are given.
    Jobs(Vec<Value>),
    /// To ask: whom and what.
    Ask(Value),
    /// To wait until then.
    Until(i64),
    /// Something that it refers to is not here yet.
    NotYet,
}

/// Why a step could not be prepared.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Words for the person: the step fails.
    Words(String),
    /// The database did not answer: nothing of this change stands.
    Database(DatabaseError),
}

/// Prepares a step, or what undoes it: what is given for each of its items that was done.
pub(crate) type Prepare<'a> = dyn FnMut(&Run, usize, Undo) -> Result<Prepared, Trouble> + 'a;

/// Whether a step is done or undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    No,
    Yes,
}

/// One step of a change.
pub(crate) struct Plan<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) now: i64,
    pub(crate) limits: Limits,
    pub(crate) actions: Vec<Action>,
}

impl Plan<'_> {
    /// Goes as far as it can be gone now.
    pub(crate) fn advance(&mut self, prepare: &mut Prepare<'_>) -> Result<(), DatabaseError> {
        loop {
            let struck = self.look_at_the_clock();
            self.settle_steps();
            let moved = match self.run.phase {
                Phase::Going => self.go(prepare)?,
                Phase::Stopping => self.stop_is_over(),
                Phase::Undoing => self.undo(prepare)?,
                Phase::Over(_) => false,
            };
            if !moved && !struck {
                return Ok(());
            }
        }
    }

    /// Does what was put off until now; answers whether there was something.
    fn look_at_the_clock(&mut self) -> bool {
        let mut struck = false;
        for of in self.run.all_items() {
            let (doing, now) = (self.run.step_definition(of.step).doing(), self.now);
            let item = self.run.item(of);
            let reached = |time: Option<i64>| time.is_some_and(|time| time <= now);
            match item.state {
                ItemState::Running if doing == Doing::Wait && reached(item.due) => {
                    item.progress = 1.0;
                    item.output = Some(json!({ "until": rfc3339(item.due.unwrap_or(now)) }));
                    item.rest_in(ItemState::Succeeded, None);
                }
                ItemState::Running if reached(item.deadline) => {
                    let attempt = item.attempt;
                    self.actions.push(Action::Cancel(of, attempt));
                    self.try_again_or_fail(
                        of,
                        format!("its end was not heard within {}", self.patience_in_words(of.step)),
                    );
                }
                ItemState::Resting if reached(item.due) => self.submit(of),
                ItemState::Asked if reached(item.deadline) => {
                    let why = format!("nobody answered within {}", self.patience_in_words(of.step));
                    self.run.item(of).rest_in(ItemState::Failed, Some(why));
                }
                ItemState::Asked if reached(item.due) => {
                    (item.due, item.round) = (Some(now + BETWEEN_ROUNDS), item.round + 1);
                    self.actions.push(Action::Ask(of));
                }
                ItemState::Stopping if reached(item.due) => item.rest_in(ItemState::Cancelled, None),
                ItemState::Undoing if reached(item.deadline) => {
                    item.rest_in(ItemState::NotUndone, Some("what undoes it did not end in time".to_owned()));
                }
                _ => continue,
            }
            struck = true;
        }
        struck
    }

    /// A try has failed: there is another, or that was the last.
    pub(crate) fn try_again_or_fail(&mut self, of: Of, why: String) {
        let retry = self.run.step_definition(of.step).retry.clone();
        let now = self.now;
        let item = self.run.item(of);
        match retry {
            Some(retry) if item.attempt < retry.attempts => {
                item.rest_in(ItemState::Resting, Some(format!("try {} of {}: {why}", item.attempt, retry.attempts)));
                (item.due, item.progress) = (Some(now + retry.delay.milliseconds()), 0.0);
            }
            _ => item.rest_in(ItemState::Failed, Some(why)),
        }
    }

    /// The next try at a job.
    fn submit(&mut self, of: Of) {
        let deadline = self.now + self.patience(of.step);
        let item = self.run.item(of);
        item.attempt += 1;
        (item.state, item.due, item.deadline) = (ItemState::Running, None, Some(deadline));
        self.actions.push(Action::Submit(of));
    }

    fn patience(&self, step: usize) -> i64 {
        let step = self.run.step_definition(step);
        match step.timeout {
            Some(timeout) => timeout.milliseconds(),
            None if step.nested || step.doing() == Doing::Approval => PATIENT,
            None => self.limits.step_timeout,
        }
    }

    fn patience_in_words(&self, step: usize) -> String {
        match self.patience(step) / 1000 {
            seconds @ 0..120 => format!("{seconds} s"),
            seconds @ 120..7200 => format!("{} min", seconds / 60),
            seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
            seconds => format!("{} days", seconds / 86_400),
        }
    }

    /// What has become of steps by what has become of their items.
    fn settle_steps(&mut self) {
        for at in 0..self.run.steps.len() {
            let step = &mut self.run.steps[at];
            if step.is_over() || step.state == StepState::Waiting {
                continue;
            }
            let is = |state: ItemState| step.items.iter().any(|item| item.state == state);
            let failed = step.items.iter().position(|item| item.state == ItemState::Failed);
            let all_over = step.items.iter().all(|item| item.state.is_end());
            let state = match failed {
                // Its other items are taken back first where the run stops.
                Some(_) => StepState::Failed,
                None if all_over && is(ItemState::Cancelled) => StepState::Cancelled,
                None if all_over => StepState::Succeeded,
                None if is(ItemState::Asked) => StepState::Asked,
                None => StepState::Running,
            };
            if let Some(item) = failed {
                let why = step.items[item].note.clone().unwrap_or_default();
                let many = self.run.definition.steps[at].for_each.is_some();
                step.note = Some(if many { format!("item {} of {}: {why}", item + 1, step.items.len()) } else { why });
            } else if step.items.len() == 1 {
                step.note.clone_from(&step.items[0].note);
            }
            step.state = state;
            self.mark_ended(at);
        }
    }

    fn mark_ended(&mut self, step: usize) {
        let step = &mut self.run.steps[step];
        if step.is_over() && step.order == 0 {
            self.run.ended += 1;
            step.order = self.run.ended;
        }
    }

    pub(crate) fn end_step(&mut self, at: usize, state: StepState, note: Option<String>) {
        let step = &mut self.run.steps[at];
        (step.state, step.note) = (state, note);
        self.mark_ended(at);
    }

    fn go(&mut self, prepare: &mut Prepare<'_>) -> Result<bool, DatabaseError> {
        let failed = self.run.steps.iter().position(|step| step.state == StepState::Failed);
        if self.run.cancelled || failed.is_some() {
            self.run.failure =
                failed.map(|at| TaskError { reason: "step".to_owned(), message: self.words_of_failure(at) });
            self.stop();
            return Ok(true);
        }
        let mut moved = false;
        for at in 0..self.run.steps.len() {
            if self.run.steps[at].state == StepState::Waiting {
                moved |= self.begin(at, prepare)?;
            }
            moved |= self.begin_items(at);
        }
        if !moved && self.run.steps.iter().all(|step| step.is_over()) {
            self.run.phase = Phase::Over(TaskState::Succeeded);
        }
        Ok(moved)
    }

    fn words_of_failure(&self, at: usize) -> String {
        let why = self.run.steps[at].note.as_deref().unwrap_or("it failed");
        format!("{}: {why}", self.run.step_definition(at).shown())
    }

    /// Begins a step whose needs have ended; answers whether something changed.
    fn begin(&mut self, at: usize, prepare: &mut Prepare<'_>) -> Result<bool, DatabaseError> {
        let definition = self.run.definition.clone();
        let step = &definition.steps[at];
        let needs: Vec<_> = step.needs.iter().filter_map(|need| definition.position(need)).collect();
        let ended_well =
            |need: &usize| matches!(self.run.steps[*need].state, StepState::Succeeded | StepState::Skipped);
        if !needs.iter().all(ended_well) {
            return Ok(false);
        }
        let skipped = needs.iter().find(|need| self.run.steps[**need].state == StepState::Skipped);
        if let Some(skipped) = skipped.filter(|_| !step.even_after_skipped) {
            let note = format!("{} was skipped", definition.steps[*skipped].shown());
            self.end_step(at, StepState::Skipped, Some(note));
            return Ok(true);
        }
        match prepare(self.run, at, Undo::No) {
            Ok(Prepared::NotYet) => return Ok(false),
            Ok(Prepared::Skip(why)) => self.end_step(at, StepState::Skipped, Some(why)),
            Ok(prepared) => {
                self.run.steps[at].state = StepState::Running;
                self.fill(at, prepared);
            }
            Err(Trouble::Words(why)) => self.end_step(at, StepState::Failed, Some(why)),
            Err(Trouble::Database(error)) => return Err(error),
        }
        Ok(true)
    }

    fn fill(&mut self, step: usize, prepared: Prepared) {
        let (now, deadline) = (self.now, self.now + self.patience(step));
        self.run.steps[step].items = match prepared {
            Prepared::Jobs(inputs) => inputs.into_iter().map(Item::new).collect(),
            Prepared::Ask(question) => {
                self.actions.push(Action::Ask(Of { step, item: 0 }));
                let due = Some(now + BETWEEN_ROUNDS);
                vec![Item { state: ItemState::Asked, due, deadline: Some(deadline), ..Item::new(question) }]
            }
            Prepared::Until(due) => vec![Item { state: ItemState::Running, due: Some(due), ..Item::new(Value::Null) }],
            Prepared::Skip(_) | Prepared::NotYet => Vec::new(),
        };
    }

    /// Begins as many waiting items as may be under way at once.
    fn begin_items(&mut self, step: usize) -> bool {
        let items = &self.run.steps[step].items;
        let under_way = items.iter().filter(|item| !item.state.is_end() && item.state != ItemState::Waiting).count();
        let waiting = items.iter().enumerate().filter(|(_, item)| item.state == ItemState::Waiting);
        let room = self.limits.items_at_once.max(1).saturating_sub(under_way);
        let next: Vec<_> = waiting.map(|(item, _)| Of { step, item }).take(room).collect();
        next.iter().for_each(|of| self.submit(*of));
        !next.is_empty()
    }
}

/// A time as it is written for people and programs.
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).map(|time| time.to_string()).unwrap_or_default()
}

impl Limits {
    pub(crate) fn of(most_items: usize, items_at_once: usize, step_timeout: std::time::Duration) -> Self {
        Self { most_items, items_at_once, step_timeout: Lasting(step_timeout).milliseconds() }
    }
}
