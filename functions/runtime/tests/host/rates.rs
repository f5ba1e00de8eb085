//! Rates over several workers, in either database.

use std::time::Duration;

use backplane::Settlement;
use jiff::Timestamp;
use model::{Policies, TaskId, TaskState};
use runtime::Database;
use serde_json::{Value, json};

use crate::{
    databases::{open, schema},
    stage::{Stage, Step, settlements},
    tricks::Tricks,
};

fn stage(database: Database, rate: Value) -> Stage {
    let policies: Policies = serde_json::from_value(json!({ "every": { "rate": rate } })).unwrap();
    let mut stage = Stage::with(Tricks { policies, ..Tricks::default() });
    stage.database = Some(database);
    stage
}

/// When each task ended, in order; each ends as soon as it begins.
fn ended(steps: &[Step]) -> Vec<Timestamp> {
    let succeeded = steps.iter().filter_map(Step::task).filter(|task| task.state == TaskState::Succeeded);
    let mut ended: Vec<_> = succeeded.map(|task| task.updated.unwrap()).collect();
    ended.sort_unstable();
    ended
}

async fn over_both(scenario: impl AsyncFn(Database)) {
    let folder = tempfile::tempdir().unwrap();
    scenario(open(&format!("sqlite://{}", folder.path().join("t.db").display()))).await;
    scenario(open(&schema().await)).await;
}

#[tokio::test]
async fn over_all_workers_no_more_jobs_begin_than_the_rate_allows_and_none_is_an_attempt_before() {
    over_both(async |database| {
        // What workers share is their database.
        let rate = json!({ "jobs": 4, "period": 1000 });
        let (one, two) = (stage(database.clone(), rate.clone()), stage(database, rate));
        let _hosts = (one.host().await, two.host().await);
        let submitted = Timestamp::now();
        for _ in 0..4 {
            one.submit(json!({ "trick": "finish" })).await;
            two.submit(json!({ "trick": "finish" })).await;
        }
        let done = |steps: &[Step]| settlements(steps).filter(|one| **one == Settlement::Done).count() == 4;
        let steps = [one.until("all to have ended", done).await, two.until("all to have ended", done).await].concat();
        let ended = ended(&steps);
        let milliseconds: Vec<_> = ended.iter().map(|time| time.duration_since(submitted).as_millis()).collect();
        assert_eq!(ended.len(), 8);
        // The first at once, and each other a quarter of a second after the one before at the soonest.
        let is_in_its_turn = |(number, time): (usize, &i128)| *time >= 250 * number as i128;
        assert!(milliseconds.iter().enumerate().all(is_in_its_turn), "{milliseconds:?}");
        let attempts = steps.iter().filter_map(Step::task).filter(|task| task.state == TaskState::Succeeded);
        assert!(attempts.into_iter().all(|task| task.attempt == 1));
        let waiting = steps.iter().filter_map(Step::task).filter(|task| task.state == TaskState::Queued);
        for queued in waiting {
            let ended =
                steps.iter().filter(|step| step.publishes(queued.id, TaskState::Succeeded)).find_map(Step::task);
            assert!(ended.unwrap().updated >= queued.not_before, "{queued:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_its_rate_keeps_no_other_from_beginning_and_can_be_cancelled() {
    over_both(async |database| {
        let stage = stage(database, json!({ "jobs": 1, "period": 3_600_000, "by": ["input.times"] }));
        let _host = stage.host().await;
        let mut waiting: Vec<TaskId> = Vec::new();
        for _ in 0..10 {
            waiting.push(stage.submit(json!({ "trick": "finish" })).await);
        }
        let other = stage.submit(json!({ "trick": "finish", "times": 1 })).await;
        let done =
            |task: TaskId| move |steps: &[Step]| steps.iter().any(|step| step.publishes(task, TaskState::Succeeded));
        stage.until("another to end", done(other)).await;
        let steps = stage.until("all others to wait", |steps| settlements(steps).count() >= 11).await;
        let waits = |task: &TaskId| {
            let queued = steps.iter().filter(|step| step.publishes(*task, TaskState::Queued)).find_map(Step::task);
            queued.map(|task| task.not_before.unwrap().duration_since(Timestamp::now()).as_secs())
        };
        let times: Vec<_> = waiting.iter().filter_map(waits).collect();
        assert_eq!(times.len(), 9, "one of them began: {steps:?}");
        // Nobody has a place so far ahead: each is told of the first that is free.
        assert!(times.iter().all(|seconds| (3500..=3600).contains(seconds)), "{times:?}");
        let cancelled = *waiting.iter().find(|task| waits(task).is_some()).unwrap();
        let job = settlements(&steps).find_map(|settlement| match settlement {
            Settlement::Retry { job, .. } if job.task == cancelled => Some(job.clone()),
            _ => None,
        });
        stage.take_back(&job.unwrap()).await;
        let is_cancelled = |steps: &[Step]| steps.iter().any(|step| step.publishes(cancelled, TaskState::Cancelled));
        stage.until("it to be cancelled", is_cancelled).await;
    })
    .await;
}

#[tokio::test]
async fn a_job_that_lost_its_workers_is_counted_though_it_waits_for_its_rate() {
    over_both(async |database| {
        let stage = stage(database, json!({ "jobs": 1, "period": 3_600_000 }));
        let _host = stage.host().await;
        let first = stage.submit(json!({ "trick": "finish" })).await;
        let done = |steps: &[Step]| steps.iter().any(|step| step.publishes(first, TaskState::Succeeded));
        stage.until("the only one to begin", done).await;
        let lost = stage.job(json!({ "trick": "finish" }));
        stage.deliver(Ok(lost.clone()), 3).await;
        let held = |step: &Settlement| match step {
            Settlement::Retry { job, .. } if job.task == lost.task => Some(job.attempts),
            _ => None,
        };
        let steps = stage.until("it to be held", |steps| settlements(steps).any(|one| held(one).is_some())).await;
        assert_eq!(settlements(&steps).find_map(held), Some(3));
    })
    .await;
}

#[tokio::test]
async fn without_its_database_a_job_with_a_rate_waits_and_is_no_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("gone");
    std::fs::write(&in_the_way, "a file where the database's folder shall be").unwrap();
    let database = open(&format!("sqlite://{}", in_the_way.join("t.db").display()));
    let stage = stage(database, json!({ "jobs": 100, "period": 1000 }));
    let host = stage.host().await;
    let task = stage.submit(json!({ "trick": "finish" })).await;
    let steps = stage.until_settled(1).await;
    let [Settlement::Retry { job, after }] = settlements(&steps).collect::<Vec<_>>()[..] else { panic!("{steps:?}") };
    assert_eq!((job.task, job.attempts, *after), (task, 0, Duration::from_secs(60)));
    let told = steps.iter().filter_map(Step::task).count();
    assert_eq!(told, 0, "until when it waits is not known: {steps:?}");
    std::fs::remove_file(in_the_way).unwrap();
    // A host of its own, since this one asks again after a while.
    host.kill().await;
    let _host = stage.host().await;
    let other = stage.submit(json!({ "trick": "finish" })).await;
    let done = |steps: &[Step]| steps.iter().any(|step| step.publishes(other, TaskState::Succeeded));
    stage.until("another to be done", done).await;
}
