//! Attempts that fail, are cancelled or never end: what is tried again, when, and how often.

use model::{StepState, TaskError, TaskState};
use serde_json::json;

use super::{CHAIN, TestRun, start};
use crate::run::{
    event::{RunEvent, TaskOutcome, step_error},
    messages::{self, Told},
    state::{ItemIndex, ItemState, Phase},
    transition::{Action, Resolved},
};

#[test]
fn attempts_are_counted_pause_between_and_are_tasks_of_their_own() {
    let mut run =
        start("[[step]]\nid = 'one'\nkind = 'work'\nretry = { attempts = 2, delay = '5s' }\ntimeout = '1m'\n");
    run.then(vec![]);
    let first = run.task("one", 0);
    assert!(run.then(vec![run.failed("one", 0)]).is_empty());
    assert_eq!(run.run.due(), Some(run.now + 5000));
    assert_eq!(run.run.steps[0].note.as_deref(), Some("try 1 of 2: sour"));
    run.now += 4999;
    assert_eq!(run.submits(vec![]), [] as [&str; 0]);
    run.now += 1;
    assert_eq!(run.submits(vec![]), ["one"]);
    assert_ne!(first, run.task("one", 0));
    // The first has failed already; hearing it again is not the second's failure.
    run.then(vec![RunEvent::TaskEnded(first, TaskOutcome::Failed(step_error("sour"), None))]);
    assert_eq!(run.states(), [StepState::Running]);
    run.then(vec![run.failed("one", 0)]);
    assert_eq!(run.run.phase, Phase::Ended(TaskState::Failed));
}

#[test]
fn pauses_between_attempts_may_grow() {
    let retry = "retry = { attempts = 4, first = '5s', most = '12s' }";
    let mut run = start(&format!("[[step]]\nid = 'one'\nkind = 'work'\n{retry}\n"));
    run.then(vec![]);
    for pause in [5000, 10_000, 12_000] {
        run.then(vec![run.failed("one", 0)]);
        assert_eq!(run.run.due(), Some(run.now + pause));
        run.now += pause;
        assert_eq!(run.submits(vec![]), ["one"]);
    }
}

#[test]
fn an_attempt_that_timed_out_and_succeeds_after_all_counts_and_the_next_is_cancelled() {
    let mut run = start("[[step]]\nid = 'one'\nkind = 'work'\nretry = { attempts = 2 }\ntimeout = '1s'\n");
    run.then(vec![]);
    let first = run.task("one", 0);
    run.now += 1000;
    let actions = run.then(vec![]);
    let index = ItemIndex { step: 0, item: 0 };
    assert_eq!(actions, [Action::Cancel(index, 1), Action::Submit(index)]);
    let actions = run.then(vec![RunEvent::TaskEnded(first, TaskOutcome::Succeeded(json!(1)))]);
    assert_eq!(actions, [Action::Cancel(index, 2)]);
    assert_eq!(run.run.phase, Phase::Ended(TaskState::Succeeded));
}

#[test]
fn what_would_fail_again_is_not_tried_again_and_what_may_pass_is() {
    let steps = "[[step]]\nid = 'it'\nkind = 'work'\nretry = { attempts = 3, delay = '1s' }\n";
    for (reason, is_retried) in [
        ("input", false),
        ("forbidden", false),
        ("quota", false),
        ("table", false),
        ("unavailable", true),
        ("lost", true),
        ("panic", true),
        ("deadline", true),
    ] {
        let mut run = start(steps);
        run.then(vec![]);
        let error = TaskError { reason: reason.to_owned(), message: "sour".to_owned() };
        run.then(vec![RunEvent::TaskEnded(run.task("it", 0), TaskOutcome::Failed(error, None))]);
        let expected = if is_retried { ItemState::Retrying } else { ItemState::Failed };
        assert_eq!(run.run.steps[0].items[0].state, expected, "{reason}");
        let told = run.run.failure.as_ref().map(|error| error.reason.as_str());
        assert_eq!(told, (!is_retried).then_some(reason));
    }
}

#[test]
fn what_is_not_undone_in_time_does_not_hold_up_the_rest() {
    let mut run = start(CHAIN);
    run.then(vec![]);
    run.then(vec![run.succeeded("one", 0)]);
    run.then(vec![run.succeeded("two", 0)]);
    run.then(vec![run.failed("three", 0)]);
    run.now += 60_000;
    assert_eq!(run.submits(vec![]), ["one"]);
    run.now += 60_000;
    run.then(vec![]);
    assert_eq!(run.run.phase, Phase::Ended(TaskState::Failed));
    assert!(run.run.steps.iter().take(2).all(|step| step.note.as_ref().unwrap().starts_with("it could not be undone")));
}

#[test]
fn what_undoes_a_step_is_submitted_again_when_it_is_cancelled_but_not_for_ever() {
    let mut run = start(CHAIN);
    run.then(vec![]);
    run.then(vec![run.succeeded("one", 0)]);
    assert_eq!(run.submits(vec![run.failed("two", 0)]), ["one"]);
    let cancelled = |run: &TestRun| RunEvent::TaskEnded(run.task("one", 0), TaskOutcome::Cancelled);
    let first = run.task("one", 0);
    let again = cancelled(&run);
    assert_eq!(run.submits(vec![again.clone()]), ["one"]);
    assert!(run.task("one", 0) != first, "a cancelled task is not run");
    assert!(run.submits(vec![again]).is_empty(), "the same event twice");
    let mut submitted = 2;
    while !run.submits(vec![cancelled(&run)]).is_empty() {
        submitted += 1;
    }
    assert_eq!((submitted, run.run.phase), (21, Phase::Ended(TaskState::Failed)));
    assert_eq!(run.run.steps[0].note.as_deref(), Some("it could not be undone: it was taken back"));
}

#[test]
fn a_cancelled_task_that_never_ends_does_not_hold_up_the_run() {
    let mut run = start("[[step]]\nid = 'one'\nkind = 'work'\n");
    run.then(vec![]);
    run.then(vec![RunEvent::Cancelled]);
    run.now += 90_000;
    run.then(vec![]);
    assert_eq!((run.run.phase, run.states()), (Phase::Ended(TaskState::Cancelled), vec![StepState::Cancelled]));
}

#[test]
fn a_step_links_to_what_there_is_of_its_last_attempt() {
    let mut run =
        start("[[step]]\nid = 'one'\nkind = 'work'\nretry = { attempts = 2, delay = '5s' }\ntimeout = '1m'\n");
    run.then(vec![]);
    let failed = TaskOutcome::Failed(step_error("sour"), Some("/api/files/a/rejected.csv".to_owned()));
    run.then(vec![RunEvent::TaskEnded(run.task("one", 0), failed)]);
    run.now += 5000;
    assert_eq!(run.submits(vec![]), ["one"]);
    run.now += 60_000;
    run.then(vec![]);
    let task = messages::state_event(&run.run, Told::default()).task().unwrap().unwrap();
    assert_eq!((task.state, task.steps[0].href.as_deref()), (TaskState::Failed, None), "the second made nothing");
}

#[test]
fn a_step_of_several_items_links_to_what_there_is_of_the_one_that_failed() {
    let mut run = start("[[step]]\nid = 'one'\nkind = 'work'\nfor_each = '{{ input.list }}'\n");
    run.resolved.insert("one", Ok(Resolved::Jobs(vec![json!({}); 3])));
    run.then(vec![]);
    let href = "/api/files/a/rejected.csv";
    let other = TaskOutcome::Succeeded(json!({ "href": "/api/files/b/made.csv" }));
    let failed = |href: Option<&str>| TaskOutcome::Failed(step_error("sour"), href.map(str::to_owned));
    let ends = [failed(None), failed(Some(href)), other].into_iter().enumerate();
    run.then(ends.map(|(item, end)| RunEvent::TaskEnded(run.task("one", item), end)).collect());
    let task = messages::state_event(&run.run, Told::default()).task().unwrap().unwrap();
    assert_eq!(task.steps[0].href.as_deref(), Some(href));
}
