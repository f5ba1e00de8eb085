//! Jobs that fail, for now or for good.

use std::time::Duration;

use async_trait::async_trait;
use backplane::{Link, SendError, Settlement, jobs::Settle};
use model::{Job, TaskState, toast::Level};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    stage::{Stage, Step, settlements, within},
    tricks::Tricks,
};

/// A channel that settles nothing; it notes when it was to, and when the job went back.
struct Stuck(mpsc::Sender<Instant>);

#[async_trait]
impl Settle for Stuck {
    async fn settle(&self, _: Settlement) -> Result<(), SendError> {
        self.0.try_send(Instant::now()).unwrap();
        Err(SendError::Full("the queue of the retries".to_owned()))
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.0.try_send(Instant::now()).unwrap();
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_settled_is_not_given_back_at_once() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let (times, mut noted) = mpsc::channel(2);
    stage.deliver_over(Ok(stage.job(json!({ "trick": "panic" }))), 0, Box::new(Stuck(times))).await;
    let settled = within("a settlement", noted.recv()).await.unwrap();
    let given_back = within("the job to go back", noted.recv()).await.unwrap();
    assert!(given_back - settled >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_job_that_cannot_be_settled_stays_while_nothing_can_be_published() {
    let stage = Stage::new();
    let _host = stage.host().await;
    stage.publishing.send_replace(Link::Blocked);
    let (times, mut noted) = mpsc::channel(2);
    stage.deliver_over(Ok(stage.job(json!({ "trick": "panic" }))), 0, Box::new(Stuck(times))).await;
    let settled = within("a settlement", noted.recv()).await.unwrap();
    // Later than it goes back where something can be.
    let opened = settled + Duration::from_millis(1500);
    sleep_until(opened).await;
    stage.publishing.send_replace(Link::Up);
    let given_back = within("the job to go back", noted.recv()).await.unwrap();
    assert!(given_back >= opened);
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_the_host_goes_on() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "panic" })).await;
    let steps = stage.until_settled(1).await;
    let [Settlement::Retry { job, after }] = settlements(&steps).collect::<Vec<_>>()[..] else { panic!("{steps:?}") };
    assert_eq!((job.task, job.attempts, *after), (task, 1, Duration::from_secs(1)));
    let other = stage.submit(json!({ "trick": "finish" })).await;
    stage
        .until("another job's end", |steps| steps.iter().any(|step| step.publishes(other, TaskState::Succeeded)))
        .await;
}

#[tokio::test]
async fn a_run_past_its_deadline_is_stopped_and_failed_for_good() {
    let stage = Stage::with(Tricks { deadline: Duration::from_millis(50), ..Tricks::default() });
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "hold" })).await;
    let steps = stage.until_settled(1).await;
    let end = steps.iter().find(|step| step.publishes(task, TaskState::Failed)).unwrap();
    assert_eq!(end.task().unwrap().error.unwrap().reason, "deadline");
    assert!(matches!(steps.last(), Some(Step::Settled(Settlement::Done))), "{steps:?}");
    assert_eq!(stage.tricks.running.borrow().0, 0);
}

#[tokio::test]
async fn a_refusal_ends_a_job_for_good_with_the_result_and_the_toast_of_the_function() {
    let stage = Stage::new();
    let _host = stage.host().await;
    for (trick, is_published) in [("refused", true), ("unpublishable", false)] {
        let task = stage.submit(json!({ "trick": trick })).await;
        let steps = stage
            .until("the job's end", |steps| steps.iter().any(|step| step.publishes(task, TaskState::Failed)))
            .await;
        let end = steps.iter().find(|step| step.publishes(task, TaskState::Failed)).unwrap();
        let Step::Published(event) = end else { panic!("{end:?}") };
        let (ended, toast) = (end.task().unwrap(), event.toast().unwrap().unwrap());
        let error = ended.error.unwrap();
        assert_eq!((error.reason.as_str(), error.message.as_str()), ("rejected", "too many are bad"));
        let href = "/api/files/a/rejected.csv";
        assert_eq!(ended.result, is_published.then(|| json!({ "href": href })));
        assert_eq!(toast.action.map(|action| action.href), is_published.then(|| href.to_owned()));
        let title = if is_published { "Nothing was done" } else { "A trick failed" };
        assert_eq!(toast.title, title);
    }
    let steps = stage.until_settled(2).await;
    assert!(settlements(&steps).all(|settlement| matches!(settlement, Settlement::Done)), "{steps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_is_tried_again_with_growing_pauses_and_then_put_beside_the_queue() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "busy", "times": 99 })).await;
    let steps = stage.until_settled(3).await;
    let pauses: Vec<_> = settlements(&steps)
        .map(|settlement| match settlement {
            Settlement::Retry { after, .. } => Ok(after.as_secs()),
            other => Err(other),
        })
        .collect();
    let [Ok(1), Ok(10), Err(Settlement::Dead { reason })] = &pauses[..] else { panic!("{steps:?}") };
    assert!(reason.contains("the database is away"), "{reason}");
    let published: Vec<_> = steps.iter().filter_map(Step::task).map(|task| (task.attempt, task.state)).collect();
    let expected = [(2, TaskState::Queued), (3, TaskState::Queued), (3, TaskState::Failed)];
    assert_eq!(published, expected);
    let Step::Published(end) = &steps[steps.len() - 2] else { panic!("{steps:?}") };
    assert_eq!(end.id, format!("{task}.failed"));
    let toast = end.toast().unwrap().unwrap();
    assert_eq!((toast.level, toast.title.as_str()), (Level::Error, "A trick failed"));
    assert_eq!(toast.body.as_deref(), Some("the database is away"));
}

#[tokio::test]
async fn what_failed_in_passing_works_when_tried_again() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "busy", "times": 1 })).await;
    let steps = stage.until_settled(2).await;
    let end = steps.iter().find(|step| step.publishes(task, TaskState::Succeeded)).unwrap();
    assert_eq!(end.task().unwrap().attempt, 2);
}

#[tokio::test]
async fn an_unknown_field_is_named_and_never_tried_again() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "finish", "speed": "high" })).await;
    let steps = stage.until_settled(1).await;
    let end = steps.iter().find(|step| step.publishes(task, TaskState::Failed)).unwrap();
    let error = end.task().unwrap().error.unwrap();
    assert_eq!(error.reason, "input");
    assert_eq!(error.message, "input: unknown field `speed`");
    assert!(matches!(steps.last(), Some(Step::Settled(Settlement::Done))), "{steps:?}");
}

#[tokio::test]
async fn what_is_no_job_of_ours_is_put_beside_the_queue_with_the_reason() {
    let stage = Stage::new();
    let _host = stage.host().await;
    stage.deliver(Err("its bytes are no JSON".to_owned()), 0).await;
    let mut other = stage.job(json!({ "trick": "finish" }));
    other.kind = "reports".parse().unwrap();
    stage.deliver(Ok(other), 0).await;
    let mut nobody = stage.job(json!({ "trick": "finish" }));
    nobody.owner = "a b".to_owned();
    stage.deliver(Ok(nobody), 0).await;
    let others = Job { owner: "bob".to_owned(), ..stage.job(json!({ "trick": "finish" })) };
    stage.deliver(Ok(others), 0).await;
    let ungranted = Job { grant: None, ..stage.job(json!({ "trick": "finish" })) };
    stage.deliver(Ok(ungranted), 0).await;
    let steps = stage.until_settled(5).await;
    for settlement in settlements(&steps) {
        assert!(matches!(settlement, Settlement::Dead { .. }), "{settlement:?}");
    }
    let reasons = format!("{steps:?}");
    assert!(
        reasons.contains("was not signed by a gateway") && reasons.contains("no gateway has signed it"),
        "{reasons}"
    );
    assert_eq!(stage.tricks.running.borrow().1, 0);
    assert_eq!(steps.len(), 5, "nobody is told anything: {steps:?}");
}

#[tokio::test]
async fn a_job_that_ended_its_worker_each_time_is_given_up_unrun() {
    let stage = Stage::new();
    let _host = stage.host().await;
    stage.deliver(Ok(stage.job(json!({ "trick": "finish" }))), 11).await;
    let steps = stage.until_settled(1).await;
    let [Step::Published(end), Step::Settled(Settlement::Dead { .. })] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(end.task().unwrap().unwrap().error.unwrap().reason, "lost");
    assert_eq!(stage.tricks.running.borrow().1, 0);
}
