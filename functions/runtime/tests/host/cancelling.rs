//! Tasks that their owner takes back.

use backplane::Settlement;
use model::TaskState;
use serde_json::json;

use crate::stage::{Stage, Step};

#[tokio::test]
async fn a_task_taken_back_before_the_host_started_is_not_begun() {
    let stage = Stage::new();
    let job = stage.job(json!({ "trick": "finish" }));
    stage.take_back(&job).await;
    let _host = stage.host().await;
    stage.deliver(Ok(job.clone()), 0).await;
    let steps = stage.until_settled(1).await;
    assert!(steps[0].publishes(job.task, TaskState::Cancelled), "{steps:?}");
    assert!(matches!(steps[1..], [Step::Settled(Settlement::Done)]), "{steps:?}");
    assert_eq!(stage.tricks.running.borrow().1, 0);
}

#[tokio::test]
async fn a_running_task_that_is_taken_back_stops_and_others_go_on() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let (taken_back, other) = (stage.job(json!({ "trick": "hold" })), stage.job(json!({ "trick": "hold" })));
    stage.deliver(Ok(taken_back.clone()), 0).await;
    stage.deliver(Ok(other.clone()), 0).await;
    stage.until_running(2).await;
    stage.take_back(&taken_back).await;
    let steps = stage.until_settled(1).await;
    assert!(steps.iter().any(|step| step.publishes(taken_back.task, TaskState::Cancelled)), "{steps:?}");
    assert!(matches!(steps.last(), Some(Step::Settled(Settlement::Done))), "{steps:?}");
    stage.tricks.gate.add_permits(1);
    let steps = stage.until_settled(2).await;
    assert!(steps.iter().any(|step| step.publishes(other.task, TaskState::Succeeded)), "{steps:?}");
}

#[tokio::test]
async fn an_effect_that_came_about_before_the_word_to_stop_was_seen_is_told_as_done() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let job = stage.job(json!({ "trick": "stubborn" }));
    stage.deliver(Ok(job.clone()), 0).await;
    stage.until_running(1).await;
    stage.take_back(&job).await;
    let steps = stage.until_settled(1).await;
    assert!(steps.iter().any(|step| step.publishes(job.task, TaskState::Succeeded)), "{steps:?}");
}
