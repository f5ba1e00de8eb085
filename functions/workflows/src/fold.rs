//! What a word from outside changes in a run. The same word twice changes nothing more.

use model::{
    Audience, TaskId,
    approval::{Answer, Decision},
};
use serde_json::{Value, json};

use crate::{
    plan::{Action, Plan},
    state::{ItemState, Of, Phase},
};

/// A word about a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// A task of its steps has come so far.
    Progressed(TaskId, f64),
    /// A task of its steps waits, for this reason.
    Waits(TaskId, String),
    /// A task of its steps has ended.
    Ended(TaskId, TaskEnd),
    /// Somebody has answered a question; with whom was asked.
    Answered(Answer),
    /// It was taken back.
    Cancelled,
    /// A part of the log was lost: whatever may have ended is asked for again.
    Missed,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TaskEnd {
    /// With this result.
    Succeeded(Value),
    /// With these words.
    Failed(String),
    /// Taken back.
    Cancelled,
}

/// In characters.
const LONGEST_COMMENT: usize = 500;

impl Plan<'_> {
    /// Takes in a word; `asked` tells who was asked by an item.
    pub(crate) fn hear(&mut self, word: Word, asked: &mut dyn FnMut(Of) -> Audience) {
        match word {
            Word::Progressed(task, progress) => {
                if let Some((of, _)) = self.run.find(task) {
                    let item = self.run.item(of);
                    item.progress = item.progress.max(progress.clamp(0.0, 1.0));
                }
            }
            Word::Waits(task, why) => {
                if let Some((of, _)) = self.run.find(task) {
                    self.run.item(of).note = Some(why);
                }
            }
            Word::Ended(task, end) => {
                if let Some((of, attempt)) = self.run.find(task) {
                    self.task_ended(of, attempt, end);
                }
            }
            Word::Answered(answer) => self.answered(answer, asked),
            Word::Cancelled => {
                self.run.cancelled = true;
            }
            Word::Missed => self.ask_again(),
        }
    }

    fn task_ended(&mut self, of: Of, attempt: u32, end: TaskEnd) {
        let item = self.run.item(of);
        let (state, is_last) = (item.state, attempt == item.attempt);
        match (state, end) {
            (ItemState::Undoing, TaskEnd::Succeeded(_)) => item.rest_in(ItemState::Undone, None),
            (ItemState::Undoing, TaskEnd::Failed(why)) => item.rest_in(ItemState::NotUndone, Some(why)),
            (ItemState::Undoing, TaskEnd::Cancelled) => {
                item.rest_in(ItemState::NotUndone, Some("it was taken back".to_owned()));
            }
            // An earlier try that was given up has come to its end after all: its effect is there.
            (_, TaskEnd::Succeeded(result)) => {
                let current = item.attempt;
                item.href = result.get("href").and_then(Value::as_str).map(str::to_owned);
                (item.output, item.progress, item.note) = (Some(result), 1.0, None);
                item.rest_in(ItemState::Succeeded, None);
                if !is_last && state == ItemState::Running {
                    self.actions.push(Action::Cancel(of, current));
                }
            }
            (ItemState::Stopping, _) if is_last => item.rest_in(ItemState::Cancelled, None),
            (ItemState::Running, TaskEnd::Failed(why)) if is_last => self.try_again_or_fail(of, why),
            (ItemState::Running, TaskEnd::Cancelled) if is_last => {
                item.rest_in(ItemState::Failed, Some("its task was cancelled".to_owned()));
            }
            _ => {}
        }
        self.settle_undone();
    }

    fn answered(&mut self, answer: Answer, asked: &mut dyn FnMut(Of) -> Audience) {
        let Some(step) = self.run.definition.position(&answer.step) else {
            return;
        };
        let of = Of { step, item: 0 };
        if self.run.steps[step].items.first().is_none_or(|item| item.state != ItemState::Asked) {
            return;
        }
        let Answer { decision, by, groups, comment, .. } = answer;
        if !asked(of).includes(&by, &groups) {
            tracing::warn!(run = %self.run.id, step = self.run.step_definition(step).id, by, "somebody who was not asked has answered; it does not count");
            return;
        }
        let comment = comment.map(|comment| comment.chars().take(LONGEST_COMMENT).collect::<String>());
        let words = comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
        let item = self.run.item(of);
        item.progress = 1.0;
        item.output = Some(json!({ "decision": decision, "by": by, "comment": comment }));
        match decision {
            Decision::Approve => item.rest_in(ItemState::Succeeded, Some(format!("approved by {by}{words}"))),
            Decision::Reject => item.rest_in(ItemState::Failed, Some(format!("rejected by {by}{words}"))),
        }
    }

    /// Tasks that may have ended unheard are submitted again: done once all the same, they tell their end again.
    fn ask_again(&mut self) {
        if matches!(self.run.phase, Phase::Stopping | Phase::Over(_)) {
            return;
        }
        for of in self.run.all_items() {
            let item = self.run.item(of);
            if (item.state == ItemState::Running && item.attempt > 0) || item.state == ItemState::Undoing {
                self.actions.push(Action::Submit(of));
            }
        }
    }
}
