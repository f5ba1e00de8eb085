//! Steps that fail, runs that are taken back, and what was done before.

use model::{StepState, TaskState};
use serde_json::json;

use crate::harness::Harness;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_tried_again_as_often_as_it_says() {
    let toml = |attempts: u32| {
        format!(
            "title = 'T'\n[[step]]\nid = 'it'\ntitle = 'The step'\nkind = 'work'\n\
             retry = {{ attempts = {attempts}, delay = '10ms' }}\ninput = {{ name = 'it', how = 'fails twice' }}\n"
        )
    };
    let harness = Harness::new(&[("thrice", &toml(3)), ("twice", &toml(2).replace("'it', how", "'other', how"))]).await;
    let _engine = harness.engine();
    let task = harness.end(harness.start("thrice", json!({})).await).await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:#?}");
    assert_eq!(harness.work.names(), ["it", "it", "it"]);
    let task = harness.end(harness.start("twice", json!({})).await).await;
    assert_eq!(task.error.unwrap().message, "The step: other is sour");
    assert_eq!(harness.work.names().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_that_is_wrong_is_not_tried_again() {
    let toml = "title = 'T'\n[[step]]\nid = 'it'\nkind = 'work'\nretry = { attempts = 3, delay = '10ms' }\n\
                input = { name = 'it', how = 'fails' }\n";
    let harness = Harness::new(&[("wrong", toml)]).await;
    let _engine = harness.engine();
    let error = harness.end(harness.start("wrong", json!({})).await).await.error.unwrap();
    assert_eq!((error.reason.as_str(), error.message.as_str()), ("input", "it: it is sour"));
    assert_eq!(harness.work.names(), ["it"]);
}

const UNDONE: &str = r#"
title = "Undone"
[[step]]
id = "one"
kind = "work"
input = { name = "one" }
compensate = { kind = "work", input = { name = "undo one", what = "{{ steps.one.output.got.name }}" } }
[[step]]
id = "two"
kind = "work"
needs = ["one"]
for_each = "['a', 'b']"
input = { name = "{{ item }}" }
[step.compensate]
kind = "work"
input = { name = "undo {{ item }}", what = "{{ steps.two.output.got.name }} after {{ steps.one.output.got.name }}" }
[[step]]
id = "three"
kind = "work"
needs = ["two"]
input = { name = "three" }
[[step]]
id = "beside"
kind = "work"
needs = ["one"]
input = { name = "beside", how = "waits" }
[[step]]
id = "four"
kind = "work"
needs = ["three"]
input = { name = "four", how = "HOW" }
[[step]]
id = "never"
kind = "work"
needs = ["four"]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_is_undone_in_reverse_when_a_later_step_fails() {
    let harness = Harness::new(&[("undone", &UNDONE.replace("HOW", "fails"))]).await;
    let _engine = harness.engine();
    let run = harness.start("undone", json!({})).await;
    let task = harness.end(run).await;
    assert_eq!((task.state, task.error.unwrap().message.as_str()), (TaskState::Failed, "four: four is sour"));
    let states: Vec<_> = task.steps.iter().map(|step| step.state).collect();
    use StepState::{Cancelled, Compensated, Failed, Succeeded};
    assert_eq!(states, [Compensated, Compensated, Succeeded, Cancelled, Failed, Cancelled]);
    let names = harness.work.names();
    let undone: Vec<_> = names.iter().filter(|name| name.starts_with("undo")).collect();
    assert!(undone.len() == 3 && undone[2] == "undo one", "{names:?}");
    assert_eq!(harness.work.input_of("undo b")["what"], "b after one");
    let toasts = harness.events().into_iter().filter(|event| event.source.ends_with("workflows"));
    let toast = toasts.filter_map(|event| event.toast().unwrap()).next().unwrap();
    assert_eq!((toast.title.as_str(), toast.body.as_deref()), ("A run failed", Some("four: four is sour")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_stops_its_steps_and_undoes_the_others() {
    let harness = Harness::new(&[("undone", &UNDONE.replace("HOW", "waits"))]).await;
    let _engine = harness.engine();
    let job = harness.job("undone", json!({}));
    harness.submit(&job).await;
    harness.step(job.task, "four", StepState::Running).await;
    harness.cancel(&job).await;
    let task = harness.end(job.task).await;
    assert_eq!(task.state, TaskState::Cancelled);
    let states: Vec<_> = task.steps.iter().map(|step| step.state).collect();
    use StepState::{Cancelled, Compensated, Succeeded};
    assert_eq!(states, [Compensated, Compensated, Succeeded, Cancelled, Cancelled, Cancelled]);
    assert!(harness.work.names().contains(&"undo one".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_cancelled_before_it_is_saved_never_does_a_step() {
    let harness = Harness::new(&[("undone", &UNDONE.replace("HOW", "waits"))]).await;
    let job = harness.job("undone", json!({}));
    harness.cancel(&job).await;
    let _engine = harness.engine();
    harness.submit(&job).await;
    assert_eq!(harness.end(job.task).await.state, TaskState::Cancelled);
    assert!(harness.work.names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_takes_too_long_is_cancelled_and_the_run_fails() {
    let toml =
        "title = 'T'\n[[step]]\nid = 'it'\nkind = 'work'\ntimeout = '200ms'\ninput = { name = 'it', how = 'waits' }\n";
    let harness = Harness::new(&[("slow", toml)]).await;
    let _engine = harness.engine();
    let task = harness.end(harness.start("slow", json!({})).await).await;
    assert_eq!(task.error.unwrap().message, "it: its end was not heard within 0 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_undone_is_noted_and_the_rest_is_undone() {
    let toml = r#"
        title = "T"
        [[step]]
        id = "one"
        kind = "work"
        input = { name = "one" }
        compensate = { kind = "work", input = { name = "undo one" } }
        [[step]]
        id = "two"
        kind = "work"
        needs = ["one"]
        input = { name = "two" }
        compensate = { kind = "work", input = { name = "undo two", how = "fails" } }
        [[step]]
        id = "three"
        kind = "work"
        needs = ["two"]
        input = { name = "three", how = "fails" }
    "#;
    let harness = Harness::new(&[("stuck", toml)]).await;
    let _engine = harness.engine();
    let task = harness.end(harness.start("stuck", json!({})).await).await;
    let told: Vec<_> = task.steps.iter().map(|step| (step.state, step.note.clone())).collect();
    assert_eq!(told[0].0, StepState::Compensated);
    assert_eq!(told[1], (StepState::Succeeded, Some("it could not be undone: undo two is sour".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nested_run_is_cancelled_with_its_parent_and_undoes_its_own_steps_first() {
    let inner = r#"
        title = "Inner"
        [[step]]
        id = "done"
        kind = "work"
        input = { name = "inner" }
        compensate = { kind = "work", input = { name = "undo inner" } }
        [[step]]
        id = "held"
        kind = "work"
        needs = ["done"]
        input = { name = "held", how = "waits" }
    "#;
    let outer = r#"
        title = "Outer"
        [[step]]
        id = "first"
        kind = "work"
        input = { name = "outer" }
        compensate = { kind = "work", input = { name = "undo outer" } }
        [[step]]
        id = "within"
        kind = "inner"
        needs = ["first"]
    "#;
    let harness = Harness::new(&[("inner", inner), ("outer", outer)]).await;
    let _engine = harness.engine();
    let job = harness.job("outer", json!({}));
    harness.submit(&job).await;
    crate::harness::until("the inner step runs", async || {
        harness.work.names().contains(&"held".to_owned()).then_some(())
    })
    .await;
    harness.cancel(&job).await;
    let task = harness.end(job.task).await;
    assert_eq!((task.state, task.steps[1].state), (TaskState::Cancelled, StepState::Cancelled));
    assert_eq!(harness.work.names(), ["outer", "inner", "held", "undo inner", "undo outer"]);
}
