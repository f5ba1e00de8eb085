//! Transitions of runs by events and by time, without a database or a broker.

mod approving;
mod retrying;

use std::{collections::HashMap, sync::Arc};

use model::{Priority, StepState, TaskId, TaskState, approval::Details};
use serde_json::{Map, Value, json};

use super::{
    approve::Asked,
    event::{RunEvent, TaskOutcome, step_error},
    messages::{self, Told},
    state::{ItemIndex, ItemState, Operation, Phase, RULES, Run, StepRun},
    transition::{Action, Limits, ResolveError, Resolved, Transition},
};
use crate::definition::document::Definition;

/// A run, and what its steps are resolved to; by default to one job.
struct TestRun {
    run: Run,
    now: i64,
    resolved: HashMap<&'static str, Result<Resolved, &'static str>>,
    /// The wordings of the question that is answered.
    asked: Vec<Asked>,
}

fn start(steps: &str) -> TestRun {
    let definition: Definition = toml::from_str(&format!("title = 'T'\n{steps}")).unwrap();
    let run = Run {
        id: TaskId::new(),
        environment: "test".parse().unwrap(),
        title: "T".to_owned(),
        owner: "ada".to_owned(),
        groups: Vec::new(),
        backlog: 0,
        priority: Priority::Normal,
        parent: None,
        depth: 0,
        grant: None,
        traceparent: None,
        created: jiff::Timestamp::now(),
        input: Map::new(),
        attempt: 1,
        sequence: 0,
        revision: 0,
        published_at: 0,
        has_unpublished: false,
        phase: Phase::Running,
        cancelled: false,
        failure: None,
        ended_steps: 0,
        said: Default::default(),
        rules: RULES,
        steps: definition.steps.iter().map(|_| StepRun::waiting()).collect(),
        definition: Arc::new(definition),
    };
    TestRun { run, now: 1_000_000, resolved: HashMap::new(), asked: vec![asked("of it", Details::default())] }
}

fn asked(digest: &str, details: Details) -> Asked {
    Asked { audience: "user:bob group:reviewers".parse().unwrap(), digest: digest.to_owned(), details }
}

impl TestRun {
    /// The actions that follow from these events, or from the time alone.
    fn then(&mut self, events: Vec<RunEvent>) -> Vec<Action> {
        let limits = Limits { most_items: 100, items_at_once: 2, step_timeout: 60_000 };
        let resolved = &self.resolved;
        let mut transition = Transition { run: &mut self.run, now: self.now, limits, actions: Vec::new() };
        for event in events {
            transition.apply(event, &self.asked);
        }
        let resolve = &mut |run: &Run, step: usize, operation: Operation| {
            let id = run.step_definition(step).id.as_str();
            let succeeded = run.steps[step].items.iter().filter(|item| item.state == ItemState::Succeeded).count();
            match resolved.get(id) {
                _ if operation == Operation::Compensate => Ok(Resolved::Jobs(vec![json!({}); succeeded])),
                None => Ok(Resolved::Jobs(vec![json!({})])),
                Some(Ok(resolved)) => Ok(resolved.clone()),
                Some(Err(error)) => Err(ResolveError::Invalid((*error).to_owned())),
            }
        };
        transition.advance(resolve).unwrap();
        transition.actions
    }

    /// The ids of the steps whose tasks are submitted.
    fn submits(&mut self, events: Vec<RunEvent>) -> Vec<String> {
        let actions = self.then(events);
        let submitted = actions.into_iter().filter_map(|action| match action {
            Action::Submit(index) => Some(self.run.step_definition(index.step).id.clone()),
            _ => None,
        });
        submitted.collect()
    }

    fn task(&self, id: &str, item: usize) -> TaskId {
        self.run.current_task(ItemIndex { step: self.run.definition.step_index(id).unwrap(), item })
    }

    fn succeeded(&self, id: &str, item: usize) -> RunEvent {
        RunEvent::TaskEnded(self.task(id, item), TaskOutcome::Succeeded(json!({ "rows": 1 })))
    }

    fn failed(&self, id: &str, item: usize) -> RunEvent {
        RunEvent::TaskEnded(self.task(id, item), TaskOutcome::Failed(step_error("sour"), None))
    }

    fn states(&self) -> Vec<StepState> {
        self.run.steps.iter().map(|step| step.state).collect()
    }
}

const CHAIN: &str = "
[[step]]
id = 'one'
kind = 'work'
compensate = { kind = 'work' }
[[step]]
id = 'two'
kind = 'work'
needs = ['one']
compensate = { kind = 'work' }
[[step]]
id = 'three'
kind = 'work'
needs = ['two']
";
const EACH: &str = "
[[step]]
id = 'each'
kind = 'work'
for_each = 'x'
compensate = { kind = 'work' }
";

#[test]
fn a_chain_goes_step_by_step_to_its_end() {
    let mut run = start(CHAIN);
    assert_eq!(run.submits(vec![]), ["one"]);
    assert_eq!(run.submits(vec![]), [] as [&str; 0], "nothing is submitted twice");
    assert_eq!(run.submits(vec![run.succeeded("one", 0)]), ["two"]);
    assert_eq!(run.submits(vec![run.succeeded("two", 0)]), ["three"]);
    assert_eq!(run.run.phase, Phase::Running);
    run.then(vec![run.succeeded("three", 0)]);
    assert_eq!((run.run.phase, run.run.due()), (Phase::Ended(TaskState::Succeeded), None));
}

#[test]
fn the_same_event_twice_and_an_event_of_an_unknown_task_change_nothing() {
    let mut run = start(CHAIN);
    run.then(vec![]);
    let event = run.succeeded("one", 0);
    run.then(vec![event.clone()]);
    let before = run.run.clone();
    assert!(run.then(vec![event, RunEvent::TaskEnded(TaskId::new(), TaskOutcome::Cancelled)]).is_empty());
    assert!(run.run == before);
}

#[test]
fn a_job_waits_behind_the_first_jobs_of_others_by_what_its_owner_has_unfinished() {
    let mut run = start("[[step]]\nid = 'a'\nkind = 'k'\nfor_each = 'x'\n[[step]]\nid = 'b'\nkind = 'k'");
    run.run.backlog = 5;
    run.resolved.insert("a", Ok(Resolved::Jobs(vec![json!({}); 3])));
    let backlogs = |run: &TestRun, actions: Vec<Action>| {
        let jobs = actions.into_iter().filter_map(|action| match action {
            Action::Submit(index) => messages::job(&run.run, index, &json!({})),
            _ => None,
        });
        jobs.map(|job| job.backlog).collect::<Vec<_>>()
    };
    let actions = run.then(vec![]);
    // Two of three items at once, and the other step.
    assert_eq!(backlogs(&run, actions), [5, 6, 7]);
    let next = run.then(vec![run.succeeded("a", 0)]);
    assert_eq!(backlogs(&run, next), [6]);
}

#[test]
fn a_failure_undoes_what_was_done_the_last_first_one_step_at_a_time() {
    let mut run = start(CHAIN);
    run.then(vec![]);
    run.then(vec![run.succeeded("one", 0)]);
    run.then(vec![run.succeeded("two", 0)]);
    assert_eq!(run.submits(vec![run.failed("three", 0)]), ["two"]);
    assert_eq!(run.run.failure.as_ref().unwrap().message, "three: sour");
    assert_eq!(run.submits(vec![run.succeeded("two", 0)]), ["one"]);
    assert_eq!(run.run.phase, Phase::Compensating);
    run.then(vec![run.succeeded("one", 0)]);
    assert_eq!(run.states(), [StepState::Compensated, StepState::Compensated, StepState::Failed]);
    assert_eq!(run.run.phase, Phase::Ended(TaskState::Failed));
}

#[test]
fn a_cancelled_run_waits_for_the_end_of_what_runs() {
    let mut run = start(CHAIN);
    run.then(vec![]);
    run.then(vec![run.succeeded("one", 0)]);
    let actions = run.then(vec![RunEvent::Cancelled]);
    assert_eq!(actions, [Action::Cancel(ItemIndex { step: 1, item: 0 }, 1)]);
    assert_eq!((run.run.phase, run.run.due()), (Phase::Stopping, Some(run.now + 90_000)));
    // Its effect came about all the same, so it is undone as well.
    assert_eq!(run.submits(vec![run.succeeded("two", 0)]), ["two"]);
    run.then(vec![run.succeeded("two", 0)]);
    run.then(vec![run.succeeded("one", 0)]);
    assert_eq!(run.run.phase, Phase::Ended(TaskState::Cancelled));
    assert_eq!(run.states(), [StepState::Compensated, StepState::Compensated, StepState::Cancelled]);
}

#[test]
fn a_step_of_several_items_tells_how_many_of_them_are_done() {
    let mut run = start("[[step]]\nid = 'one'\nkind = 'work'\nfor_each = '{{ input.list }}'\n");
    run.resolved.insert("one", Ok(Resolved::Jobs(vec![json!({}); 3])));
    run.then(vec![]);
    let items =
        |run: &TestRun| messages::state_event(&run.run, Told::default()).task().unwrap().unwrap().steps[0].items;
    assert_eq!(items(&run), Some((0, 3)));
    run.then(vec![run.succeeded("one", 0)]);
    assert_eq!(items(&run), Some((1, 3)));
}

#[test]
fn a_step_that_failed_links_to_what_there_is_of_it_and_so_does_the_toast_of_its_run() {
    let mut run = start("[[step]]\nid = 'one'\nkind = 'work'\n");
    run.then(vec![]);
    let href = "/api/files/a/rejected.csv";
    let outcome = TaskOutcome::Failed(step_error("sour"), Some(href.to_owned()));
    run.then(vec![RunEvent::TaskEnded(run.task("one", 0), outcome)]);
    let event = messages::state_event(&run.run, Told::default());
    let task = event.task().unwrap().unwrap();
    assert_eq!((task.state, task.steps[0].href.as_deref()), (TaskState::Failed, Some(href)));
    assert_eq!(event.toast().unwrap().unwrap().action.unwrap().href, href);
}

#[test]
fn the_jobs_of_steps_have_the_priority_of_their_run_unless_they_say_another() {
    let mut run =
        start("[[step]]\nid = 'one'\nkind = 'work'\n[[step]]\nid = 'two'\nkind = 'work'\npriority = 'high'\n");
    run.run.priority = Priority::Low;
    run.then(vec![]);
    let priority = |step| messages::job(&run.run, ItemIndex { step, item: 0 }, &json!({})).unwrap().priority;
    assert_eq!([priority(0), priority(1)], [Priority::Low, Priority::High]);
    let kept: Run = serde_json::from_value(serde_json::to_value(&run.run).unwrap()).unwrap();
    assert_eq!(kept.priority, Priority::Low);
}

#[test]
fn items_are_begun_as_others_end_and_one_that_fails_stops_the_others() {
    let mut run = start(EACH);
    run.resolved.insert("each", Ok(Resolved::Jobs(vec![json!({}); 4])));
    assert_eq!(run.submits(vec![]).len(), 2);
    assert_eq!(run.submits(vec![run.succeeded("each", 1)]).len(), 1);
    let actions = run.then(vec![run.failed("each", 0)]);
    assert_eq!(actions, [Action::Cancel(ItemIndex { step: 0, item: 2 }, 1)]);
    assert_eq!(run.run.steps[0].note.as_deref(), Some("item 1 of 4: sour"));
    assert_eq!(
        run.submits(vec![RunEvent::TaskEnded(run.task("each", 2), TaskOutcome::Cancelled)]),
        ["each"],
        "the second is undone"
    );
    run.then(vec![run.succeeded("each", 1)]);
    assert_eq!(run.run.phase, Phase::Ended(TaskState::Failed));
    let items: Vec<_> = run.run.steps[0].items.iter().map(|item| item.state).collect();
    assert_eq!(items, [ItemState::Failed, ItemState::Compensated, ItemState::Cancelled, ItemState::Cancelled]);
}

#[test]
fn a_wait_ends_with_its_time_alone_and_a_skipped_step_skips_those_that_need_it() {
    let steps = "[[step]]\nid = 'wait'\nkind = 'wait'\nfor = '1s'\n[[step]]\nid = 'maybe'\nkind = 'work'\n\
                 [[step]]\nid = 'after'\nkind = 'work'\nneeds = ['maybe']\n\
                 [[step]]\nid = 'anyway'\nkind = 'work'\nneeds = ['maybe', 'wait']\neven_after_skipped = true\n";
    let mut run = start(steps);
    run.resolved.insert("wait", Ok(Resolved::Until(run.now + 1000)));
    run.resolved.insert("maybe", Ok(Resolved::Skip("not so".to_owned())));
    assert!(run.then(vec![]).is_empty());
    use StepState::{Running, Skipped, Succeeded, Waiting};
    assert_eq!(run.states(), [Running, Skipped, Skipped, Waiting]);
    assert_eq!(run.run.due(), Some(run.now + 1000));
    run.now += 1000;
    assert_eq!(run.submits(vec![]), ["anyway"]);
    assert_eq!(run.states(), [Succeeded, Skipped, Skipped, Running]);
}

#[test]
fn a_step_that_cannot_be_resolved_fails_and_one_that_is_pending_waits() {
    let mut run = start(CHAIN);
    run.resolved.insert("two", Ok(Resolved::Pending));
    run.then(vec![]);
    assert!(run.then(vec![run.succeeded("one", 0)]).is_empty());
    assert_eq!(run.states()[1], StepState::Waiting);
    run.resolved.insert("two", Err("input.file: it is not there"));
    assert_eq!(run.submits(vec![]), ["one"]);
    assert_eq!(run.run.failure.as_ref().unwrap().message, "two: input.file: it is not there");
}

#[test]
fn after_a_gap_in_the_log_running_tasks_are_submitted_again() {
    let mut run = start(EACH);
    run.resolved.insert("each", Ok(Resolved::Jobs(vec![json!({}); 3])));
    run.then(vec![]);
    let before = run.run.clone();
    assert_eq!(run.then(vec![RunEvent::LogGap]).len(), 2);
    assert!(run.run == before, "the same tasks, not others");
}

#[test]
fn progress_only_rises_and_a_task_that_is_cancelled_by_itself_fails_its_step() {
    let mut run = start(CHAIN);
    run.then(vec![]);
    let task = run.task("one", 0);
    run.then(vec![
        RunEvent::TaskProgressed(task, 0.5),
        RunEvent::TaskProgressed(task, 0.2),
        RunEvent::TaskProgressed(task, f64::NAN),
    ]);
    assert_eq!(run.run.steps[0].items[0].progress, 0.5);
    run.then(vec![RunEvent::TaskEnded(task, TaskOutcome::Cancelled)]);
    assert_eq!(run.run.failure.as_ref().unwrap().message, "one: its task was cancelled");
    let end: Value = json!(run.run.phase);
    assert_eq!(end, json!({ "over": "failed" }));
}

#[test]
fn the_steps_of_a_run_that_failed_at_the_first_are_not_told_as_done() {
    let steps = "[[step]]\nid = 'one'\nkind = 'work'\n[[step]]\nid = 'two'\nkind = 'work'\nneeds = ['one']\n\
                 [[step]]\nid = 'three'\nkind = 'work'\nneeds = ['one']\n[[step]]\nid = 'four'\nkind = 'work'\nneeds = ['two']\n";
    let mut run = start(steps);
    run.then(vec![]);
    run.then(vec![run.failed("one", 0)]);
    let task = messages::state_event(&run.run, Told::default()).task().unwrap().unwrap();
    assert_eq!(task.state, TaskState::Failed);
    assert!(task.progress < 0.01, "{}", task.progress);
    assert!(task.steps.iter().all(|step| step.progress == 0.0), "{:#?}", task.steps);
}

#[test]
fn the_end_of_a_run_counts_what_was_done_and_what_was_skipped() {
    let steps = "[[step]]\nid = 'maybe'\nkind = 'work'\n[[step]]\nid = 'one'\nkind = 'work'\n\
                 [[step]]\nid = 'two'\nkind = 'work'\n";
    let mut run = start(steps);
    run.resolved.insert("maybe", Ok(Resolved::Skip("not so".to_owned())));
    run.then(vec![]);
    run.then(vec![run.succeeded("one", 0), run.succeeded("two", 0)]);
    let toast = messages::state_event(&run.run, Told::default()).toast().unwrap().unwrap();
    assert_eq!(toast.body.as_deref(), Some("2 steps done, 1 skipped"));
}
