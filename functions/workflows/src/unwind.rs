//! A run that will not end well: what is under way is taken back, what was done is undone.

use model::{StepState, TaskState};
use runtime::DatabaseError;

use crate::{
    definition::Doing,
    plan::{Action, PATIENT, Plan, Prepare, Prepared, Trouble, Undo},
    state::{ItemState, Of, Phase},
};

/// How long the end of a task that was taken back is waited for: longer than a function may take to stop.
const UNWINDING: i64 = 90_000;
/// The same where the task is a run of its own, which undoes its steps.
const UNWINDING_RUN: i64 = 3_600_000;

impl Plan<'_> {
    /// Takes back what is under way, and begins nothing more.
    pub(crate) fn stop(&mut self) {
        for of in self.run.all_items() {
            let step = self.run.step_definition(of.step);
            let (doing, unwinding) = (step.doing(), if step.nested { UNWINDING_RUN } else { UNWINDING });
            let now = self.now;
            let item = self.run.item(of);
            match item.state {
                ItemState::Running if doing == Doing::Job => {
                    let attempt = item.attempt;
                    item.rest_in(ItemState::Stopping, None);
                    item.due = Some(now + unwinding);
                    self.actions.push(Action::Cancel(of, attempt));
                }
                ItemState::Running | ItemState::Waiting | ItemState::Resting | ItemState::Asked => {
                    item.rest_in(ItemState::Cancelled, None);
                }
                _ => {}
            }
        }
        for at in 0..self.run.steps.len() {
            if self.run.steps[at].state == StepState::Waiting {
                self.end_step(at, StepState::Cancelled, None);
            }
        }
        self.run.phase = Phase::Stopping;
    }

    pub(crate) fn stop_is_over(&mut self) -> bool {
        let over = self.run.steps.iter().flat_map(|step| &step.items).all(|item| item.state.is_end());
        if over {
            self.run.phase = Phase::Undoing;
        }
        over
    }

    /// Undoes the step that ended last; the next when that is done.
    pub(crate) fn undo(&mut self, prepare: &mut Prepare<'_>) -> Result<bool, DatabaseError> {
        self.settle_undone();
        let with = |state: ItemState| {
            let steps = self.run.steps.iter().enumerate();
            steps.filter(move |(_, step)| step.items.iter().any(|item| item.state == state)).map(|(at, _)| at)
        };
        if with(ItemState::Undoing).next().is_some() {
            return Ok(false);
        }
        let to_undo = with(ItemState::Succeeded).filter(|at| self.run.step_definition(*at).compensate.is_some());
        let Some(at) = to_undo.max_by_key(|at| self.run.steps[*at].order) else {
            self.run.phase = Phase::Over(if self.run.cancelled { TaskState::Cancelled } else { TaskState::Failed });
            return Ok(false);
        };
        let done: Vec<_> = (0..self.run.steps[at].items.len())
            .map(|item| Of { step: at, item })
            .filter(|of| self.run.steps[of.step].items[of.item].state == ItemState::Succeeded)
            .collect();
        let prepared = match prepare(self.run, at, Undo::Yes) {
            Ok(Prepared::NotYet) => return Ok(false),
            Ok(Prepared::Jobs(inputs)) if inputs.len() == done.len() => Ok(inputs),
            Ok(_) => Err("what undoes it could not be made ready".to_owned()),
            Err(Trouble::Words(why)) => Err(why),
            Err(Trouble::Database(error)) => return Err(error),
        };
        let deadline = self.now + if self.run.step_definition(at).nested { PATIENT } else { self.limits.step_timeout };
        match prepared {
            Ok(inputs) => {
                for (of, input) in done.into_iter().zip(inputs) {
                    let item = self.run.item(of);
                    (item.state, item.deadline, item.input) = (ItemState::Undoing, Some(deadline), Some(input));
                    self.actions.push(Action::Submit(of));
                }
            }
            Err(why) => {
                done.into_iter().for_each(|of| self.run.item(of).rest_in(ItemState::NotUndone, Some(why.clone())))
            }
        }
        self.settle_undone();
        Ok(true)
    }

    /// Steps all of whose items are undone are compensated; one that could not be says so.
    pub(crate) fn settle_undone(&mut self) {
        for step in &mut self.run.steps {
            let is = |state: ItemState| step.items.iter().any(|item| item.state == state);
            if is(ItemState::Undoing) {
                continue;
            }
            if let Some(item) = step.items.iter().find(|item| item.state == ItemState::NotUndone) {
                let why = item.note.as_deref().unwrap_or("it failed");
                step.note = Some(format!("it could not be undone: {why}"));
            } else if is(ItemState::Undone) && step.state == StepState::Succeeded {
                step.state = StepState::Compensated;
            }
        }
    }
}
