//! A host that is told to stop.

use std::time::Duration;

use backplane::Settlement;
use model::TaskState;
use serde_json::json;

use crate::stage::{Stage, Step, settlements};

#[tokio::test]
async fn a_stopping_host_takes_no_more_and_lets_what_runs_finish() {
    let stage = Stage::new();
    let host = stage.host().await;
    let task = stage.submit(json!({ "trick": "hold" })).await;
    stage.until_running(1).await;
    host.stop();
    let late = stage.submit(json!({ "trick": "finish" })).await;
    stage.tricks.gate.add_permits(1);
    host.stopped().await;
    let steps = stage.until_settled(1).await;
    assert!(steps.iter().any(|step| step.publishes(task, TaskState::Succeeded)), "{steps:?}");
    assert!(!steps.iter().filter_map(Step::task).any(|task| task.id == late), "{steps:?}");
}

#[tokio::test]
async fn what_was_handed_over_and_has_not_begun_goes_back_while_the_rest_finishes() {
    let mut stage = Stage::new();
    stage.config.concurrency = 1;
    let host = stage.host().await;
    let task = stage.submit(json!({ "trick": "hold" })).await;
    stage.until_running(1).await;
    stage.deliver(Ok(stage.job(json!({ "trick": "finish" }))), 0).await;
    host.stop();
    let steps = stage.until_settled(1).await;
    assert_eq!(settlements(&steps).collect::<Vec<_>>(), [&Settlement::GiveBack]);
    stage.tricks.gate.add_permits(1);
    host.stopped().await;
    let steps = stage.until_settled(2).await;
    assert!(steps.iter().any(|step| step.publishes(task, TaskState::Succeeded)), "{steps:?}");
}

#[tokio::test]
async fn what_outlasts_the_grace_is_put_back_unharmed_and_done_by_another() {
    let mut stage = Stage::new();
    stage.config.grace = Duration::ZERO;
    let host = stage.host().await;
    let task = stage.submit(json!({ "trick": "hold" })).await;
    stage.until_running(1).await;
    host.stop();
    host.stopped().await;
    let steps = stage.until_settled(1).await;
    assert_eq!(settlements(&steps).collect::<Vec<_>>(), [&Settlement::Requeue]);
    assert!(!steps.iter().filter_map(Step::task).any(|task| task.state.is_end()), "{steps:?}");
    stage.tricks.gate.add_permits(1);
    let _second = stage.host().await;
    stage.until("its end", |steps| steps.iter().any(|step| step.publishes(task, TaskState::Succeeded))).await;
}

#[tokio::test]
async fn a_host_that_stops_while_the_broker_is_away_leaves_the_job_to_be_told_by_another() {
    let mut stage = Stage::new();
    stage.config.grace = Duration::ZERO;
    let host = stage.host().await;
    let task = stage.submit(json!({ "trick": "hold" })).await;
    stage.until("its beginning", |steps| steps.iter().any(|step| step.publishes(task, TaskState::Running))).await;
    let mut refusals = stage.refusals();
    stage.refuses.send_replace(true);
    stage.tricks.gate.add_permits(2);
    crate::stage::within("a refusal", refusals.wait_for(|number| *number >= 1)).await.unwrap();
    host.stop();
    host.stopped().await;
    stage.refuses.send_replace(false);
    let _second = stage.host().await;
    let steps = stage.until_settled(2).await;
    assert_eq!(settlements(&steps).collect::<Vec<_>>(), [&Settlement::Requeue, &Settlement::Done]);
    assert!(steps.iter().any(|step| step.publishes(task, TaskState::Succeeded)), "{steps:?}");
}
