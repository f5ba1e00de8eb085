//! Who may begin what.

use model::{Job, TaskState};
use serde_json::json;
use workflows::{Workflows, WorkflowsConfig};

use crate::stage::Stage;

const ONE: &str = "title = 'One'\nallow = ['group:staff']\n[[input]]\nname = 'n'\ntype = 'integer'\nrequired = true\n\
                   [[step]]\nid = 'it'\nkind = 'work'\ninput = { name = 'it' }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_begin_says_why() {
    let stage = Stage::new(&[("one", ONE)]).await;
    let _engine = stage.engine();
    for (workflow, input, words) in [
        ("two", json!({}), "workflow: there is no \"two\"; there is one"),
        ("one", json!({}), "input.n: it is missing"),
        ("one", json!({ "n": "x" }), "input.n: it must be a whole number"),
    ] {
        let task = stage.end(stage.start(workflow, input).await).await;
        assert!(task.error.as_ref().unwrap().message.contains(words), "{task:#?}");
    }
    let job = Job { groups: vec!["guests".to_owned()], ..stage.job("one", json!({ "n": 1 })) };
    stage.submit(&job).await;
    let error = stage.end(job.task).await.error.unwrap();
    assert_eq!(
        (error.reason.as_str(), error.message.as_str()),
        ("forbidden", "one may be started by group:staff only")
    );
    assert!(stage.work.names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn begun_twice_it_is_done_once() {
    let stage = Stage::new(&[("one", ONE)]).await;
    let _engines = [stage.engine(), stage.engine()];
    let job = stage.job("one", json!({ "n": 1 }));
    for _ in 0..3 {
        stage.submit(&job).await;
    }
    assert_eq!(stage.end(job.task).await.state, TaskState::Succeeded);
    let other = stage.start("one", json!({ "n": 2 })).await;
    stage.end(other).await;
    assert_eq!(stage.work.names().len(), 2);
    let ends = stage.said().into_iter().filter(|event| event.id == format!("{}.succeeded", job.task));
    assert!(ends.count() >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_definition_does_not_change_a_run_under_way() {
    let toml = |second: &str| {
        format!(
            "title = 'T'\n[[step]]\nid = 'first'\nkind = 'work'\ninput = {{ name = 'first', how = 'waits' }}\n\
             [[step]]\nid = '{second}'\nkind = 'work'\nneeds = ['first']\ninput = {{ name = '{second}' }}\n"
        )
    };
    let stage = Stage::new(&[("changing", &toml("before"))]).await;
    let engine = stage.engine();
    let run = stage.start("changing", json!({})).await;
    stage.step(run, "first", model::StepState::Running).await;
    engine.stop().await;
    stage.define("changing", &toml("after"));
    let _engine = stage.engine();
    stage.work.let_go("first");
    let task = stage.end(run).await;
    assert_eq!(task.steps[1].id, "before");
    assert_eq!(stage.work.names(), ["first", "before"]);
}

#[test]
fn without_a_folder_there_are_no_workflows() {
    use runtime::Function;
    assert!(Workflows::open(WorkflowsConfig::default()).unwrap().offers().is_empty());
}
