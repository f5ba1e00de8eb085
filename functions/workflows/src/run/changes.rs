//! The changes of a run, in words for its owner.

use model::{StepState, TaskState, toast::Level};

use super::state::{Phase, Run, StepRun};

/// Says what has changed of a run: which step began, how it ended, what it waits for.
pub(crate) fn say_changes(before: &Run, run: &mut Run, now: i64) {
    let mut said = std::mem::take(&mut run.said);
    if said.is_empty() {
        let (count, ending) = (run.steps.len(), if run.steps.len() == 1 { "" } else { "s" });
        said.say(now, Level::Info, format!("The run begins; it has {count} step{ending}."));
    }
    for (index, (was, step)) in before.steps.iter().zip(&run.steps).enumerate() {
        if (was.state, &was.note) == (step.state, &step.note) {
            continue;
        }
        if let Some((level, words)) = words_of(was, step) {
            said.say(now, level, format!("{}: {words}", run.step_definition(index).display_title()));
        }
    }
    if before.phase != run.phase {
        let (level, words) = match run.phase {
            Phase::Running => (Level::Info, "The run goes on."),
            Phase::Stopping => (Level::Warning, "The run cannot succeed any more; what is under way is stopped."),
            Phase::Compensating => (Level::Warning, "What was done is undone, the last step first."),
            Phase::Ended(TaskState::Succeeded) => (Level::Success, "The run has succeeded."),
            Phase::Ended(TaskState::Cancelled) => (Level::Warning, "The run was cancelled."),
            Phase::Ended(_) => (Level::Error, "The run has failed."),
        };
        said.say(now, level, words.to_owned());
    }
    run.said = said;
}

/// What is said of a step whose state or note has changed.
fn words_of(was: &StepRun, step: &StepRun) -> Option<(Level, String)> {
    let with_note = |word: &str| step.note.as_ref().map_or_else(|| word.to_owned(), |note| format!("{word}: {note}"));
    if was.state == step.state {
        return step.note.clone().map(|note| (Level::Warning, note));
    }
    Some(match step.state {
        StepState::Waiting => return None,
        StepState::Running => (Level::Info, with_note("begins")),
        StepState::Asked => (Level::Info, with_note("waits for an answer")),
        StepState::Succeeded => (Level::Success, with_note("is done")),
        StepState::Failed if step.rejected => (Level::Warning, with_note("is rejected")),
        StepState::Failed => (Level::Error, with_note("has failed")),
        StepState::Skipped => (Level::Info, with_note("is skipped")),
        StepState::Cancelled => (Level::Warning, with_note("is cancelled")),
        StepState::Compensated => (Level::Info, with_note("is undone")),
    })
}
