//! Attempts and pauses as a definition, a function or the settings say.

use std::time::Duration;

use backplane::Settlement;
use model::{Policies, TaskState};
use process::Readiness;
use runtime::HostConfig;
use serde_json::{Value, json};

use crate::{
    stage::{Stage, Step, settlements},
    tricks::Tricks,
};

fn policies(written: Value) -> Policies {
    serde_json::from_value(written).unwrap()
}

/// The pauses after each attempt, in seconds, until it was given up.
fn pauses(steps: &[Step]) -> Vec<u64> {
    let pauses = settlements(steps).filter_map(|settlement| match settlement {
        // Only what was an attempt; the rest waits on.
        Settlement::Retry { job, after } if job.attempts > 0 => Some((job.attempts, after.as_secs())),
        _ => None,
    });
    let mut pauses: Vec<_> = pauses.collect();
    pauses.dedup_by_key(|(attempts, _)| *attempts);
    pauses.into_iter().map(|(_, seconds)| seconds).collect()
}

async fn until_given_up(stage: &Stage) -> Vec<Step> {
    let is_dead = |steps: &[Step]| settlements(steps).any(|settlement| matches!(settlement, Settlement::Dead { .. }));
    stage.until("the job to be given up", is_dead).await
}

#[tokio::test]
async fn a_definition_says_how_often_and_after_which_pauses_its_jobs_are_tried_again() {
    let retry = json!({ "attempts": 3, "pauses": { "first": 1000, "most": 1000 } });
    let definition = json!({ "name": "busy", "input": { "trick": "busy" }, "policy": { "retry": retry } });
    let policies = policies(json!({ "definitions": [definition] }));
    let stage = Stage::with(Tricks { policies, ..Tricks::default() });
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "busy", "times": 99 })).await;
    let steps = until_given_up(&stage).await;
    assert_eq!(pauses(&steps), [1, 1]);
    let queued = steps.iter().find(|step| step.publishes(task, TaskState::Queued)).and_then(Step::task).unwrap();
    let until = queued.not_before.unwrap().duration_since(queued.updated.unwrap());
    assert!((900..=1200).contains(&until.as_millis()), "it says until when it waits: {queued:?}");
    let failed = steps.iter().filter_map(Step::task).filter(|task| task.not_before.is_none() || task.error.is_some());
    let failed = failed.filter(|task| matches!(task.state, TaskState::Queued | TaskState::Failed));
    let times: Vec<_> = failed.map(|task| task.updated.unwrap()).collect();
    assert_eq!(times.len(), 3, "{steps:?}");
    assert!(times.windows(2).all(|pair| pair[1].duration_since(pair[0]).as_millis() >= 1000), "{times:?}");
    // Another of its jobs is as it was.
    let other = stage.submit(json!({ "trick": "panic" })).await;
    let retried = |steps: &[Step]| {
        settlements(steps).find_map(|settlement| match settlement {
            Settlement::Retry { job, after } if job.task == other => Some((*after, job.not_before)),
            _ => None,
        })
    };
    let steps = stage.until("another to be tried again", |steps| retried(steps).is_some()).await;
    assert_eq!(retried(&steps), Some((Duration::from_secs(1), None)));
}

#[tokio::test]
async fn the_settings_go_before_the_function_and_a_definition_before_both() {
    let retry = |attempts: u32| json!({ "retry": { "attempts": attempts, "pauses": { "first": 0, "most": 0 } } });
    let definition = json!({ "name": "busy", "input": { "trick": "busy" }, "policy": retry(4) });
    let policies = policies(json!({ "every": retry(3), "definitions": [definition] }));
    let setting = serde_json::from_value(json!({ "attempts": 2, "delay": "0s" })).unwrap();
    for (setting, input, attempts) in [
        (None, json!({ "trick": "panic" }), 3),
        (Some(setting), json!({ "trick": "panic" }), 2),
        (None, json!({ "trick": "busy", "times": 99 }), 4),
    ] {
        let mut stage = Stage::with(Tricks { policies: policies.clone(), ..Tricks::default() });
        stage.config = HostConfig { retry: setting, ..stage.config.clone() };
        let _host = stage.host().await;
        stage.submit(input).await;
        let steps = until_given_up(&stage).await;
        assert_eq!(pauses(&steps).len() + 1, attempts);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_policy_is_said_before_a_job_is_taken() {
    let refused = |written: Value, setting: Value| {
        let mut stage = Stage::with(Tricks { policies: policies(json!({ "every": written })), ..Tricks::default() });
        stage.config = serde_json::from_value(setting).unwrap();
        stage.build(&Readiness::default()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (policy, setting, words) in [
        (
            json!({ "retry": { "attempts": 21 } }),
            json!({}),
            "the policy of the tricks function: retry.attempts: it is 1 to 20",
        ),
        (json!({}), json!({ "retry": { "attempts": 2, "most": "1s" } }), "retry.most: it needs first"),
        (
            json!({ "unique": ["input.trik"] }),
            json!({}),
            "input.trik: the input has no field \"trik\"; it has times, trick",
        ),
        (
            json!({ "rate": { "jobs": 1, "period": 1, "by": ["input.x"] } }),
            json!({}),
            "input.x: the input has no field",
        ),
        (json!({}), json!({ "rate": "10/s" }), "rate: it is kept in a database: set database.url"),
    ] {
        let error = refused(policy, setting);
        assert!(error.contains(words), "{words} in {error}");
    }
}
