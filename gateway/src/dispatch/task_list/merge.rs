//! What of two events of a task counts: monotone, so that their order and their repetition change nothing.

use std::sync::Arc;

use model::{Task, TaskState};

/// Takes into a task what an update has of it.
pub(super) fn merge(current: &mut Arc<Task>, mut update: Task) {
    if rank(&update) <= rank(current) {
        // An older event may still have what the newer ones left out.
        if current.owner != update.owner {
            Arc::make_mut(current).owner = update.owner;
        }
        if current.request.is_none() && update.request.is_some() {
            Arc::make_mut(current).request = update.request;
        }
        if current.priority.is_normal() && !update.priority.is_normal() {
            Arc::make_mut(current).priority = update.priority;
        }
        if current.unique.is_empty() && !update.unique.is_empty() {
            Arc::make_mut(current).unique = update.unique;
        }
        // A worker has taken the job of a cancelled task from its queue.
        if update.state == current.state && update.attempt > current.attempt {
            Arc::make_mut(current).attempt = update.attempt;
        }
        // A cancelled run goes on to undo its steps.
        if update.state == current.state && update.sequence > current.sequence && !update.steps.is_empty() {
            let current = Arc::make_mut(current);
            (current.steps, current.sequence) = (update.steps, update.sequence);
        }
        return;
    }
    if update.state == TaskState::Running && update.attempt == current.attempt {
        update.progress = update.progress.max(current.progress);
    }
    // The host's own events of a run have no steps.
    if update.steps.is_empty() {
        // Somebody who lists it has it still; then it is copied.
        update.steps = match Arc::get_mut(current) {
            Some(current) => std::mem::take(&mut current.steps),
            None => current.steps.clone(),
        };
    }
    // Only the gateway that started it tells the request, and workers in other languages tell neither of these.
    let request = current.request.clone().or(update.request);
    if update.priority.is_normal() {
        update.priority = current.priority;
    }
    if update.unique.is_empty() {
        update.unique.clone_from(&current.unique);
    }
    *current = Arc::new(Task { created: current.created, parent: current.parent, request, ..update });
}

/// The greater wins.
fn rank(task: &Task) -> (u8, u32, u32) {
    match task.state {
        TaskState::Succeeded => (2, 0, 0),
        TaskState::Failed | TaskState::Cancelled => (1, 0, 0),
        TaskState::Queued | TaskState::Running => (0, task.attempt, task.sequence),
    }
}
