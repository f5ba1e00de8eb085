//! Questions: who is asked when, which answers count, and what they decide.

use model::{
    Audience, TaskError,
    approval::{Answer, Decision, Details},
    task::DECLINED,
};
use serde_json::{Value, json};

use super::{
    asking::{Asking, Given},
    state::{Item, ItemIndex, ItemState},
    transition::{Action, Closing, Telling, Transition},
};

/// The pause before a question is repeated, without a toast, for pods that have lost it; in milliseconds.
const QUESTION_INTERVAL: i64 = 12 * 3_600_000;
/// The most reminders of one question.
const MAX_REMINDERS: u32 = 50;
/// In characters.
const MAX_COMMENT: usize = 500;

/// What a run asks at a step, in one of its wordings: as it was asked first, or of more people.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) audience: Audience,
    /// The digest of the question.
    pub(crate) digest: String,
    pub(crate) details: Details,
}

impl Transition<'_> {
    /// The item of a question that is asked now.
    pub(crate) fn asked_item(&mut self, step: usize, question: Value) -> Item {
        let (now, definition) = (self.now, self.run.step_definition(step));
        let deadline = Some(now + self.timeout(step));
        let asking = Asking {
            until: deadline,
            repeat_at: Some(now + QUESTION_INTERVAL),
            remind_at: definition.remind.map(|pause| now + pause.milliseconds()),
            escalate_at: definition.escalate.as_ref().map(|to| now + to.after.milliseconds()),
            ..Asking::default()
        };
        let due = asking.due();
        self.actions.push(Action::Ask(ItemIndex { step, item: 0 }, Telling::First));
        Item { state: ItemState::Asked, due, deadline, asking: Some(asking), ..Item::new(question) }
    }

    /// Tells a question again that is due: to more people, as a reminder, or for pods that have lost it.
    pub(crate) fn tell_again(&mut self, index: ItemIndex) {
        let now = self.now;
        let remind = self.run.step_definition(index.step).remind;
        let item = self.run.item_mut(index);
        let is_past = |time: Option<i64>| time.is_some_and(|time| time <= now);
        // A question that was asked before there were reminders is repeated alone.
        let asking = item.asking.get_or_insert_default();
        let telling = if is_past(asking.escalate_at) {
            (asking.escalate_at, asking.escalated) = (None, true);
            // A reminder of the same moment would come as a second toast.
            if is_past(asking.remind_at) {
                asking.remind_at = remind.map(|pause| now + pause.milliseconds());
            }
            self.actions.push(Action::Close(index, Closing::Escalated));
            Telling::Escalation
        } else if is_past(asking.remind_at) {
            asking.reminders += 1;
            let next = remind.filter(|_| asking.reminders < MAX_REMINDERS).map(|pause| now + pause.milliseconds());
            asking.remind_at = next;
            Telling::Reminder
        } else {
            Telling::Repetition
        };
        asking.repeat_at = Some(now + QUESTION_INTERVAL);
        (item.due, item.round) = (asking.due(), item.round + 1);
        self.actions.push(Action::Ask(index, telling));
    }

    /// Nobody has decided in time.
    pub(crate) fn expire(&mut self, index: ItemIndex) {
        let (time, needed) = (self.timeout_text(index.step), self.needed(index.step));
        let item = self.run.item_mut(index);
        let approved = item.asking.as_ref().map(|asking| asking.approved_by().len()).unwrap_or_default();
        let message = match approved {
            0 => format!("nobody answered within {time}"),
            _ => format!("{approved} of {needed} approvals came within {time}"),
        };
        item.fail(TaskError { reason: "deadline".to_owned(), message });
        self.actions.push(Action::Close(index, Closing::Expired));
    }

    /// How many people must approve a step.
    pub(crate) fn needed(&self, step: usize) -> usize {
        self.run.step_definition(step).approvals.unwrap_or(1).max(1) as usize
    }

    /// Counts an answer to one of the wordings of the run's own question.
    pub(crate) fn answered(&mut self, answer: Answer, asked: &[Asked]) {
        let Some(step) = self.run.definition.step_index(&answer.step) else { return };
        let index = ItemIndex { step, item: 0 };
        if self.run.steps[step].items.first().is_none_or(|item| item.state != ItemState::Asked) {
            return;
        }
        let needed = self.needed(step);
        let given = match counted(&answer, asked, &self.run.owner) {
            Ok(given) => given,
            Err(reason) => {
                tracing::warn!(run = %self.run.id, step = answer.step, by = answer.by, "an answer does not count: {reason}");
                return;
            }
        };
        let item = self.run.item_mut(index);
        let asking = item.asking.get_or_insert_default();
        if asking.given.iter().any(|other| other.by == given.by) {
            return;
        }
        asking.given.push(given.clone());
        let approved_by = asking.approved_by();
        item.progress = approved_by.len() as f64 / needed as f64;
        let comment = given.comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
        if given.decision == Decision::Approve && approved_by.len() < needed {
            let (count, by) = (approved_by.len(), approved_by.join(", "));
            item.note = Some(format!("{count} of {needed} have approved: {by}{comment}"));
            return;
        }
        item.output = Some(output(asking, &given));
        item.progress = 1.0;
        match given.decision {
            Decision::Approve => {
                item.enter(ItemState::Succeeded, Some(format!("approved by {}{comment}", approved_by.join(", "))));
            }
            Decision::Reject => {
                let message = format!("rejected by {}{comment}", given.by);
                item.fail(TaskError { reason: DECLINED.to_owned(), message });
            }
        }
        if needed > 1 {
            self.actions.push(Action::Close(index, Closing::Decided));
        }
    }
}

/// The output of an approval: the answer that decided it, and all of them.
fn output(asking: &Asking, last: &Given) -> Value {
    json!({
        "decision": last.decision,
        "by": last.by,
        "comment": last.comment,
        "answer": last.answer,
        "answers": asking.given,
    })
}

/// An answer as it counts, or why it does not.
fn counted(answer: &Answer, asked: &[Asked], owner: &str) -> Result<Given, String> {
    let Some(asked) = asked.iter().find(|asked| asked.digest == answer.digest) else {
        return Err("it is to another question than the run's".to_owned());
    };
    if !asked.audience.includes(&answer.by, &answer.groups) {
        return Err("it is of somebody who was not asked".to_owned());
    }
    if asked.details.others_only && answer.by == owner {
        return Err("it is of whoever started the run, and another person must answer".to_owned());
    }
    Ok(Given {
        by: answer.by.clone(),
        decision: answer.decision,
        comment: answer.comment.as_ref().map(|comment| comment.chars().take(MAX_COMMENT).collect()),
        answer: asked.details.read_values(answer.form_values(), answer.decision)?,
    })
}
