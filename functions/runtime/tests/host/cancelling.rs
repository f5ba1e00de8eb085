//! Tasks that their owner takes back.

use std::time::Duration;

use backplane::{Link, Settlement};
use model::TaskState;
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{Stage, Step, settlements};

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

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_log_is_let_go_after_a_minute_and_has_not_been_attempted() {
    let stage = Stage::new();
    let _host = stage.host().await;
    stage.reading.send_replace(Link::Down("it is away".to_owned()));
    // Time stands until the host has seen that.
    sleep(Duration::from_millis(1)).await;
    let job = stage.job(json!({ "trick": "finish" }));
    stage.deliver(Ok(job.clone()), 2).await;
    sleep(Duration::from_secs(59)).await;
    let steps = stage.until("nothing", |_| true).await;
    assert!(steps.is_empty(), "it may be cancelled by what was not read: {steps:?}");
    sleep(Duration::from_secs(2)).await;
    let steps = stage.until_settled(1).await;
    let [Settlement::Retry { job: later, after }] = settlements(&steps).collect::<Vec<_>>()[..] else {
        panic!("{steps:?}")
    };
    assert_eq!((later.task, later.attempts, after.as_secs()), (job.task, 2, 10), "the broker's count is kept");
    assert_eq!(stage.tricks.running.borrow().1, 0);
    stage.reading.send_replace(Link::Up);
    stage.deliver(Ok(later.clone()), 0).await;
    let done = |steps: &[Step]| settlements(steps).count() == 2;
    stage.until("it to wait until its time", done).await;
    stage.submit(json!({ "trick": "finish" })).await;
    let done = |steps: &[Step]| settlements(steps).any(|settled| *settled == Settlement::Done);
    stage.until("another to be done", done).await;
}
