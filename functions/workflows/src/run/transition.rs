//! One move of a run: the state that changes, and the actions that follow.

use std::time::Duration;

use model::{StepState, TaskError};
use runtime::DatabaseError;
use serde_json::Value;

use super::state::{ItemIndex, ItemState, Operation, Run};
use crate::{
    config::WorkflowsConfig,
    definition::document::{HumanDuration, StepType},
};

/// The timeout of approvals and nested workflows by default, in milliseconds.
pub(crate) const LONG_TIMEOUT: i64 = 30 * 24 * 3_600_000;

/// A message that follows from a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Submits the current task of an item.
    Submit(ItemIndex),
    /// Cancels the task of this attempt of an item.
    Cancel(ItemIndex, u32),
    /// Asks the question of an item.
    Ask(ItemIndex, Telling),
    /// Ends the question of an item, for this reason.
    Close(ItemIndex, Closing),
}

/// Why a question is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    First,
    /// For pods that have lost it, without a toast.
    Repetition,
    Reminder,
    Escalation,
}

/// Why a question ends that pods would still show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// By several answers.
    Decided,
    /// Nobody has decided in time.
    Expired,
    /// It is asked anew, of more people.
    Escalated,
    /// The run does not need it any more.
    Withdrawn,
}

impl Closing {
    /// The word in the event.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Expired => "expired",
            Self::Escalated => "escalated",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// The settings that bound a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) most_items: usize,
    pub(crate) items_at_once: usize,
    /// In milliseconds.
    pub(crate) step_timeout: i64,
}

impl From<&WorkflowsConfig> for Limits {
    fn from(config: &WorkflowsConfig) -> Self {
        let step_timeout = HumanDuration(config.step_timeout).milliseconds();
        Self { most_items: config.most_items, items_at_once: config.items_at_once, step_timeout }
    }
}

/// A step with its references replaced.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resolved {
    /// Skipped, for this reason.
    Skip(String),
    /// The inputs of its jobs: one, or one for each item.
    Jobs(Vec<Value>),
    /// A question with its audience.
    Ask(Value),
    /// A pause until then.
    Until(i64),
    /// A stored output that it refers to is not fetched yet.
    Pending,
}

/// Why a step could not be resolved.
#[derive(Debug)]
pub(crate) enum ResolveError {
    /// The definition or the values are wrong: the step fails with this message.
    Invalid(String),
    /// The transaction failed: the whole move is undone.
    Database(DatabaseError),
}

/// Resolves a step, or what undoes each of its items that succeeded.
pub(crate) type Resolve<'a> = dyn FnMut(&Run, usize, Operation) -> Result<Resolved, ResolveError> + 'a;

/// One move of a run.
pub(crate) struct Transition<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) now: i64,
    pub(crate) limits: Limits,
    pub(crate) actions: Vec<Action>,
}

impl Transition<'_> {
    /// Submits the next attempt of an item.
    pub(crate) fn submit(&mut self, index: ItemIndex) {
        let deadline = self.now + self.timeout(index.step);
        let item = self.run.item_mut(index);
        item.attempt += 1;
        (item.state, item.due, item.deadline) = (ItemState::Running, None, Some(deadline));
        // It is of the attempt before.
        item.href = None;
        self.actions.push(Action::Submit(index));
    }

    /// Schedules the next attempt of an item, or fails it after the last, or where another would fail as well.
    pub(crate) fn retry_or_fail(&mut self, index: ItemIndex, error: TaskError) {
        let retry = self.run.step_definition(index.step).retry.clone();
        let now = self.now;
        let item = self.run.item_mut(index);
        match retry {
            Some(retry) if item.attempt < retry.attempts && !error.is_permanent() => {
                let note = format!("try {} of {}: {}", item.attempt, retry.attempts, error.message);
                item.enter(ItemState::Retrying, Some(note));
                let pause = retry.pauses().map_or(Duration::ZERO, |pauses| pauses.after(item.attempt));
                (item.due, item.progress) = (Some(now + HumanDuration(pause).milliseconds()), 0.0);
            }
            _ => item.fail(error),
        }
    }

    /// The longest wait for the end of a step, in milliseconds.
    pub(crate) fn timeout(&self, step: usize) -> i64 {
        let step = self.run.step_definition(step);
        match step.timeout {
            Some(timeout) => timeout.milliseconds(),
            None if step.nested || step.step_type() == StepType::Approval => LONG_TIMEOUT,
            None => self.limits.step_timeout,
        }
    }

    pub(crate) fn end_step(&mut self, step: usize, state: StepState, note: Option<String>) {
        let run = &mut self.run.steps[step];
        (run.state, run.note) = (state, note);
        self.number_if_ended(step);
    }

    /// Notes the order in which steps end.
    pub(crate) fn number_if_ended(&mut self, step: usize) {
        let step = &mut self.run.steps[step];
        if step.is_over() && step.end_order == 0 {
            self.run.ended_steps += 1;
            step.end_order = self.run.ended_steps;
        }
    }
}
