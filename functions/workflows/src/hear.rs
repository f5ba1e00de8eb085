//! What an entry of the log says of a run.

use backplane::{Destination, LogEntry};
use model::{TaskId, TaskState, approval::Answer};
use serde_json::Value;

use crate::{
    fold::{TaskEnd, Word},
    tell,
};

/// The run that an entry is about, and what it says.
pub(crate) fn heard(entry: &LogEntry) -> Option<(TaskId, Word)> {
    let event = entry.event.as_ref().ok().filter(|_| entry.origin == Destination::Own)?;
    if let Some(answer) = Answer::of(event) {
        return Some((answer.task, Word::Answered(answer)));
    }
    let task = event.task().ok().flatten()?;
    let is_function = event.source.starts_with("/functions/");
    if task.state == TaskState::Cancelled && !is_function {
        // Taken back by a person, or by the run that it is within; a step's function tells its own end.
        return (task.kind == tell::kind()).then_some((task.id, Word::Cancelled));
    }
    let run = task.parent?;
    let word = match task.state {
        TaskState::Queued => return None,
        TaskState::Running => Word::Progressed(task.id, task.progress),
        TaskState::Succeeded => Word::Ended(task.id, TaskEnd::Succeeded(task.result.unwrap_or(Value::Null))),
        TaskState::Failed => {
            let words = task.error.map_or_else(|| "it failed".to_owned(), |error| error.message);
            Word::Ended(task.id, TaskEnd::Failed(words))
        }
        TaskState::Cancelled => Word::Ended(task.id, TaskEnd::Cancelled),
    };
    Some((run, word))
}
