//! A run that cannot succeed: running tasks are cancelled, then steps that succeeded are undone.

use model::{StepState, TaskState};
use runtime::DatabaseError;

use super::{
    state::{ItemIndex, ItemState, Operation, Phase},
    transition::{Action, Closing, LONG_TIMEOUT, Resolve, ResolveError, Resolved, Transition},
};
use crate::definition::document::StepType;

/// The longest wait for the end of a cancelled task, in milliseconds: longer than a function may take to stop.
const STOP_TIMEOUT: i64 = 90_000;
/// The same where the task is a run of its own, which undoes its steps.
const NESTED_STOP_TIMEOUT: i64 = 3_600_000;

impl Transition<'_> {
    /// Cancels what runs, and starts nothing more.
    pub(crate) fn stop(&mut self) {
        for index in self.run.all_items() {
            let step = self.run.step_definition(index.step);
            let (step_type, nested, now) = (step.step_type(), step.nested, self.now);
            let item = self.run.item_mut(index);
            match item.state {
                ItemState::Running if step_type == StepType::Job => {
                    let attempt = item.attempt;
                    item.enter(ItemState::Stopping, None);
                    item.due = Some(now + if nested { NESTED_STOP_TIMEOUT } else { STOP_TIMEOUT });
                    self.actions.push(Action::Cancel(index, attempt));
                }
                ItemState::Asked => {
                    item.enter(ItemState::Cancelled, None);
                    self.actions.push(Action::Close(index, Closing::Withdrawn));
                }
                ItemState::Running | ItemState::Waiting | ItemState::Retrying => {
                    item.enter(ItemState::Cancelled, None);
                }
                _ => {}
            }
        }
        for step in 0..self.run.steps.len() {
            if self.run.steps[step].state == StepState::Waiting {
                self.end_step(step, StepState::Cancelled, None);
            }
        }
        self.run.phase = Phase::Stopping;
    }

    /// Goes on to compensation once all tasks have ended; answers whether they have.
    pub(crate) fn finish_stop(&mut self) -> bool {
        let all_ended = self.run.steps.iter().flat_map(|step| &step.items).all(|item| item.state.is_end());
        if all_ended {
            self.run.phase = Phase::Compensating;
        }
        all_ended
    }

    /// Undoes the step that ended last, and the next once that is done; answers whether something changed.
    pub(crate) fn compensate(&mut self, resolve: &mut Resolve<'_>) -> Result<bool, DatabaseError> {
        self.settle_compensated_steps();
        if self.run.steps.iter().any(|step| step.has_item(ItemState::Compensating)) {
            return Ok(false);
        }
        let remaining = self.run.steps.iter().enumerate().filter(|(index, step)| {
            step.has_item(ItemState::Succeeded) && self.run.step_definition(*index).compensate.is_some()
        });
        let Some((step, _)) = remaining.max_by_key(|(_, step)| step.end_order) else {
            self.run.phase = Phase::Ended(if self.run.cancelled { TaskState::Cancelled } else { TaskState::Failed });
            return Ok(false);
        };
        let succeeded: Vec<_> = (0..self.run.steps[step].items.len())
            .map(|item| ItemIndex { step, item })
            .filter(|index| self.run.item(*index).state == ItemState::Succeeded)
            .collect();
        let inputs = match resolve(self.run, step, Operation::Compensate) {
            Ok(Resolved::Pending) => return Ok(false),
            Ok(Resolved::Jobs(inputs)) if inputs.len() == succeeded.len() => Ok(inputs),
            Ok(_) => Err("what undoes it could not be made ready".to_owned()),
            Err(ResolveError::Invalid(error)) => Err(error),
            Err(ResolveError::Database(error)) => return Err(error),
        };
        match inputs {
            Ok(inputs) => {
                let nested = self.run.step_definition(step).nested;
                let deadline = self.now + if nested { LONG_TIMEOUT } else { self.limits.step_timeout };
                for (index, input) in succeeded.into_iter().zip(inputs) {
                    let item = self.run.item_mut(index);
                    (item.state, item.deadline, item.input) = (ItemState::Compensating, Some(deadline), Some(input));
                    self.actions.push(Action::Submit(index));
                }
            }
            Err(error) => {
                for index in succeeded {
                    self.run.item_mut(index).enter(ItemState::CompensationFailed, Some(error.clone()));
                }
            }
        }
        Ok(true)
    }

    /// Steps whose items are all undone are compensated; one that could not be undone notes why.
    fn settle_compensated_steps(&mut self) {
        for step in &mut self.run.steps {
            if step.has_item(ItemState::Compensating) {
                continue;
            }
            if let Some(item) = step.items.iter().find(|item| item.state == ItemState::CompensationFailed) {
                let error = item.note.as_deref().unwrap_or("it failed");
                step.note = Some(format!("it could not be undone: {error}"));
            } else if step.has_item(ItemState::Compensated) && step.state == StepState::Succeeded {
                step.state = StepState::Compensated;
            }
        }
    }
}
