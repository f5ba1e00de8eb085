//! Applies an event to a run. The same event twice changes nothing more.

use serde_json::Value;

use super::{
    approve::Asked,
    event::{RunEvent, TaskOutcome},
    state::{ItemIndex, ItemState, Phase},
    transition::{Action, Transition},
};

/// The most times that what undoes a step is submitted again after it was cancelled.
const MAX_UNDONE_AGAIN: u32 = 20;
impl Transition<'_> {
    /// Applies an event; `asked` are the wordings of the run's own question at the step of an answer.
    pub(crate) fn apply(&mut self, event: RunEvent, asked: &[Asked]) {
        match event {
            RunEvent::TaskProgressed(task, progress) => {
                if let Some((index, _)) = self.run.find(task) {
                    let item = self.run.item_mut(index);
                    item.progress = item.progress.max(progress.clamp(0.0, 1.0));
                }
            }
            RunEvent::TaskWaits(task, reason) => {
                if let Some((index, _)) = self.run.find(task) {
                    self.run.item_mut(index).note = Some(reason);
                }
            }
            RunEvent::TaskEnded(task, outcome) => {
                if let Some((index, attempt)) = self.run.find(task) {
                    self.task_ended(index, attempt, outcome);
                }
            }
            RunEvent::Answered(answer) => self.answered(answer, asked),
            RunEvent::Cancelled => self.run.cancelled = true,
            RunEvent::LogGap => self.submit_again(),
        }
    }

    fn task_ended(&mut self, index: ItemIndex, attempt: u32, outcome: TaskOutcome) {
        let item = self.run.item_mut(index);
        let (state, is_current) = (item.state, attempt == item.attempt);
        match (state, outcome) {
            (ItemState::Compensating, TaskOutcome::Succeeded(_)) => item.enter(ItemState::Compensated, None),
            (ItemState::Compensating, TaskOutcome::Failed(error, _)) => {
                item.enter(ItemState::CompensationFailed, Some(error.message));
            }
            // That a run undoes what it did is its promise, and not its owner's to take back.
            (ItemState::Compensating, TaskOutcome::Cancelled) if item.undone_again < MAX_UNDONE_AGAIN => {
                (item.attempt, item.undone_again) = (item.attempt + 1, item.undone_again + 1);
                self.actions.push(Action::Submit(index));
            }
            (ItemState::Compensating, TaskOutcome::Cancelled) => {
                item.enter(ItemState::CompensationFailed, Some("it was taken back".to_owned()));
            }
            // An earlier attempt that timed out may succeed after all: its effect is there.
            (_, TaskOutcome::Succeeded(result)) => {
                let current = item.attempt;
                item.href = result.get("href").and_then(Value::as_str).map(str::to_owned);
                (item.output, item.progress, item.note) = (Some(result), 1.0, None);
                item.enter(ItemState::Succeeded, None);
                if !is_current && state == ItemState::Running {
                    self.actions.push(Action::Cancel(index, current));
                }
            }
            (ItemState::Stopping, _) if is_current => item.enter(ItemState::Cancelled, None),
            (ItemState::Running, TaskOutcome::Failed(error, href)) if is_current => {
                item.href = href;
                self.retry_or_fail(index, error);
            }
            (ItemState::Running, TaskOutcome::Cancelled) if is_current => {
                item.enter(ItemState::Failed, Some("its task was cancelled".to_owned()));
            }
            _ => {}
        }
    }

    /// Submits all running tasks again: one that has ended is not run twice but publishes its end again.
    fn submit_again(&mut self) {
        if matches!(self.run.phase, Phase::Stopping | Phase::Ended(_)) {
            return;
        }
        for index in self.run.all_items() {
            let item = self.run.item(index);
            if (item.state == ItemState::Running && item.attempt > 0) || item.state == ItemState::Compensating {
                self.actions.push(Action::Submit(index));
            }
        }
    }
}
