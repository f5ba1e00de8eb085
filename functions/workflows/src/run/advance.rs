//! Advances a run as far as it can go now: what is due by the clock, then what its state allows.

use model::{StepState, TaskError, TaskState, task::DECLINED};
use runtime::DatabaseError;
use serde_json::{Value, json};

use super::{
    state::{Item, ItemIndex, ItemState, Operation, Phase},
    transition::{Action, Resolve, ResolveError, Resolved, Transition},
};
use crate::definition::document::StepType;

impl Transition<'_> {
    pub(crate) fn advance(&mut self, resolve: &mut Resolve<'_>) -> Result<(), DatabaseError> {
        loop {
            let was_due = self.apply_clock();
            self.settle_steps();
            let has_moved = match self.run.phase {
                Phase::Running => self.start_steps(resolve)?,
                Phase::Stopping => self.finish_stop(),
                Phase::Compensating => self.compensate(resolve)?,
                Phase::Ended(_) => false,
            };
            if !has_moved && !was_due {
                return Ok(());
            }
        }
    }

    /// Applies what is due by now; answers whether something was.
    fn apply_clock(&mut self) -> bool {
        let mut was_due = false;
        for index in self.run.all_items() {
            let (step_type, now) = (self.run.step_definition(index.step).step_type(), self.now);
            let item = self.run.item_mut(index);
            let is_past = |time: Option<i64>| time.is_some_and(|time| time <= now);
            match item.state {
                ItemState::Running if step_type == StepType::Wait && is_past(item.due) => {
                    item.progress = 1.0;
                    item.output = Some(json!({ "until": rfc3339(item.due.unwrap_or(now)) }));
                    item.enter(ItemState::Succeeded, None);
                }
                ItemState::Running if is_past(item.deadline) => {
                    let attempt = item.attempt;
                    self.actions.push(Action::Cancel(index, attempt));
                    let message = format!("its end was not heard within {}", self.timeout_text(index.step));
                    self.retry_or_fail(index, TaskError { reason: "deadline".to_owned(), message });
                }
                ItemState::Retrying if is_past(item.due) => self.submit(index),
                ItemState::Asked if is_past(item.deadline) => self.expire(index),
                ItemState::Asked if is_past(item.due) => self.tell_again(index),
                ItemState::Stopping if is_past(item.due) => item.enter(ItemState::Cancelled, None),
                ItemState::Compensating if is_past(item.deadline) => {
                    let error = "what undoes it did not end in time".to_owned();
                    item.enter(ItemState::CompensationFailed, Some(error));
                }
                _ => continue,
            }
            was_due = true;
        }
        was_due
    }

    pub(crate) fn timeout_text(&self, step: usize) -> String {
        match self.timeout(step) / 1000 {
            seconds @ 0..120 => format!("{seconds} s"),
            seconds @ 120..7200 => format!("{} min", seconds / 60),
            seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
            seconds => format!("{} days", seconds / 86_400),
        }
    }

    /// Derives the states of running steps from those of their items.
    fn settle_steps(&mut self) {
        for index in 0..self.run.steps.len() {
            let step = &mut self.run.steps[index];
            if step.is_over() || step.state == StepState::Waiting {
                continue;
            }
            let failed = step.items.iter().position(|item| item.state == ItemState::Failed);
            let all_ended = step.items.iter().all(|item| item.state.is_end());
            let state = match failed {
                // Its other items are cancelled when the run stops.
                Some(_) => StepState::Failed,
                None if all_ended && step.has_item(ItemState::Cancelled) => StepState::Cancelled,
                None if all_ended => StepState::Succeeded,
                None if step.has_item(ItemState::Asked) => StepState::Asked,
                None => StepState::Running,
            };
            if let Some(item) = failed {
                step.rejected = step.items[item].reason.as_deref() == Some(DECLINED);
                let error = step.items[item].note.clone().unwrap_or_default();
                let has_items = self.run.definition.steps[index].for_each.is_some();
                let count = step.items.len();
                step.note = Some(if has_items { format!("item {} of {count}: {error}", item + 1) } else { error });
            } else if step.items.len() == 1 {
                step.note.clone_from(&step.items[0].note);
            }
            step.state = state;
            self.number_if_ended(index);
        }
    }

    /// Starts what can start, unless the run must stop; answers whether something changed.
    fn start_steps(&mut self, resolve: &mut Resolve<'_>) -> Result<bool, DatabaseError> {
        let failed = self.run.steps.iter().position(|step| step.state == StepState::Failed);
        if self.run.cancelled || failed.is_some() {
            self.run.failure = failed.map(|step| self.failure_of(step));
            self.stop();
            return Ok(true);
        }
        let mut has_moved = false;
        for step in 0..self.run.steps.len() {
            if self.run.steps[step].state == StepState::Waiting {
                has_moved |= self.start_step(step, resolve)?;
            }
            has_moved |= self.start_items(step);
        }
        if !has_moved && self.run.steps.iter().all(|step| step.is_over()) {
            self.run.phase = Phase::Ended(TaskState::Succeeded);
        }
        Ok(has_moved)
    }

    fn failure_of(&self, step: usize) -> TaskError {
        let error = self.run.steps[step].note.as_deref().unwrap_or("it failed");
        let failed = self.run.steps[step].items.iter().find(|item| item.state == ItemState::Failed);
        let message = format!("{}: {error}", self.run.step_definition(step).display_title());
        let reason = match failed {
            Some(item) => item.reason.clone().unwrap_or_else(|| "step".to_owned()),
            // It could not be made ready.
            None => "input".to_owned(),
        };
        TaskError { reason, message }
    }

    /// Starts a step whose needs have ended; answers whether something changed.
    fn start_step(&mut self, index: usize, resolve: &mut Resolve<'_>) -> Result<bool, DatabaseError> {
        let definition = self.run.definition.clone();
        let step = &definition.steps[index];
        let needs: Vec<_> = step.needs.iter().filter_map(|need| definition.step_index(need)).collect();
        let state = |need: usize| self.run.steps[need].state;
        if !needs.iter().all(|need| matches!(state(*need), StepState::Succeeded | StepState::Skipped)) {
            return Ok(false);
        }
        let skipped = needs.iter().find(|need| state(**need) == StepState::Skipped);
        if let Some(skipped) = skipped.filter(|_| !step.even_after_skipped) {
            let note = format!("{} was skipped", definition.steps[*skipped].display_title());
            self.end_step(index, StepState::Skipped, Some(note));
            return Ok(true);
        }
        match resolve(self.run, index, Operation::Execute) {
            Ok(Resolved::Pending) => return Ok(false),
            Ok(Resolved::Skip(reason)) => self.end_step(index, StepState::Skipped, Some(reason)),
            Ok(resolved) => {
                self.run.steps[index].state = StepState::Running;
                self.add_items(index, resolved);
            }
            Err(ResolveError::Invalid(error)) => self.end_step(index, StepState::Failed, Some(error)),
            Err(ResolveError::Database(error)) => return Err(error),
        }
        Ok(true)
    }

    fn add_items(&mut self, step: usize, resolved: Resolved) {
        self.run.steps[step].items = match resolved {
            Resolved::Jobs(inputs) => inputs.into_iter().map(Item::new).collect(),
            Resolved::Ask(question) => vec![self.asked_item(step, question)],
            Resolved::Until(due) => vec![Item { state: ItemState::Running, due: Some(due), ..Item::new(Value::Null) }],
            Resolved::Skip(_) | Resolved::Pending => Vec::new(),
        };
    }

    /// Submits as many waiting items as may run at once; answers whether there were any.
    fn start_items(&mut self, step: usize) -> bool {
        let items = &self.run.steps[step].items;
        let running = items.iter().filter(|item| !item.state.is_end() && item.state != ItemState::Waiting).count();
        let waiting = items.iter().enumerate().filter(|(_, item)| item.state == ItemState::Waiting);
        let room = self.limits.items_at_once.max(1).saturating_sub(running);
        let next: Vec<_> = waiting.map(|(item, _)| ItemIndex { step, item }).take(room).collect();
        next.iter().for_each(|index| self.submit(*index));
        !next.is_empty()
    }
}

/// A time in RFC 3339.
fn rfc3339(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).map(|time| time.to_string()).unwrap_or_default()
}
