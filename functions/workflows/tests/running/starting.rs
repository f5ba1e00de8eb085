//! Starting runs: permissions and inputs.

use model::{Job, TaskState};
use runtime::testing;
use serde_json::json;
use workflows::{Workflows, WorkflowsConfig};

use crate::harness::Harness;

const ONE: &str = "title = 'One'\nallow = ['group:staff']\n[[input]]\nname = 'n'\ntype = 'integer'\nrequired = true\n\
                   [[step]]\nid = 'it'\nkind = 'work'\ninput = { name = 'it' }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_cannot_start_fails_with_the_reason() {
    let harness = Harness::new(&[("one", ONE)]).await;
    let _engine = harness.engine();
    for (workflow, input, words) in [
        ("two", json!({}), "workflow: there is no \"two\"; there is one"),
        ("one", json!({}), "input.n: it must be given"),
        ("one", json!({ "n": "x" }), "input.n: \"x\" is not a whole number"),
    ] {
        let task = harness.end(harness.start(workflow, input).await).await;
        assert!(task.error.as_ref().unwrap().message.contains(words), "{task:#?}");
    }
    let job = Job { groups: vec!["guests".to_owned()], ..harness.job("one", json!({ "n": 1 })) };
    let job = testing::granted(&harness.environment, job);
    harness.submit(&job).await;
    let error = harness.end(job.task).await.error.unwrap();
    assert_eq!(
        (error.reason.as_str(), error.message.as_str()),
        ("forbidden", "one may be started by group:staff only")
    );
    assert!(harness.work.names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_started_twice_is_done_once() {
    let harness = Harness::new(&[("one", ONE)]).await;
    let _engines = [harness.engine(), harness.engine()];
    let job = harness.job("one", json!({ "n": 1 }));
    for _ in 0..3 {
        harness.submit(&job).await;
    }
    assert_eq!(harness.end(job.task).await.state, TaskState::Succeeded);
    let other = harness.start("one", json!({ "n": 2 })).await;
    harness.end(other).await;
    assert_eq!(harness.work.names().len(), 2);
    let ends = harness.events().into_iter().filter(|event| event.id == format!("{}.succeeded", job.task));
    assert!(ends.count() >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_definition_does_not_change_a_running_one() {
    let toml = |second: &str| {
        format!(
            "title = 'T'\n[[step]]\nid = 'first'\nkind = 'work'\ninput = {{ name = 'first', how = 'waits' }}\n\
             [[step]]\nid = '{second}'\nkind = 'work'\nneeds = ['first']\ninput = {{ name = '{second}' }}\n"
        )
    };
    let harness = Harness::new(&[("changing", &toml("before"))]).await;
    let engine = harness.engine();
    let run = harness.start("changing", json!({})).await;
    harness.step(run, "first", model::StepState::Running).await;
    engine.stop().await;
    harness.define("changing", &toml("after"));
    let _engine = harness.engine();
    harness.work.release("first");
    let task = harness.end(run).await;
    assert_eq!(task.steps[1].id, "before");
    assert_eq!(harness.work.names(), ["first", "before"]);
}

#[test]
fn without_a_folder_there_are_no_workflows() {
    use runtime::Function;
    assert!(Workflows::open(WorkflowsConfig::default()).unwrap().offers().is_empty());
}
