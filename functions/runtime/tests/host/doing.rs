//! Jobs that come to a good end.

use std::collections::HashSet;

use backplane::Settlement;
use model::{Audience, Event, Job, Task, TaskId, TaskState};
use runtime::testing;
use serde_json::json;

use crate::{
    stage::{Stage, Step, settlements, within},
    tricks::Tricks,
};

#[tokio::test(start_paused = true)]
async fn a_finished_job_is_announced_before_it_is_acknowledged() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "finish" })).await;
    let steps = stage.until_settled(1).await;
    let [Step::Published(end), Step::Settled(Settlement::Done)] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(end.id, format!("{task}.succeeded"));
    assert_eq!((end.source.as_str(), end.event_type.as_str()), ("/functions/tricks", "bellwire.task.succeeded"));
    assert_eq!(end.audience, Audience::user("ada"));
    assert_eq!(end.subject, Some(format!("task/{task}")));
    assert!(end.traceparent.as_ref().is_some_and(|parent| parent.starts_with("00-0af7")));
    assert_eq!(end.toast().unwrap().unwrap().title, "A trick is done");
    let task = end.task().unwrap().unwrap();
    assert_eq!((task.progress, task.attempt, task.result), (1.0, 1, Some(json!({ "attempt": 1 }))));
    assert!(task.created.is_some() && task.updated >= task.created);
}

#[tokio::test(start_paused = true)]
async fn a_beginning_is_told_of_what_does_not_end_at_once() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let (quick, slow) =
        (stage.submit(json!({ "trick": "finish" })).await, stage.submit(json!({ "trick": "hold" })).await);
    stage.until("its beginning", |steps| steps.iter().any(|step| step.publishes(slow, TaskState::Running))).await;
    stage.tricks.gate.add_permits(1);
    let steps = stage.until_settled(2).await;
    let states = |id| steps.iter().filter_map(Step::task).filter(move |task| task.id == id).map(|task| task.state);
    assert_eq!(states(quick).collect::<Vec<_>>(), [TaskState::Succeeded]);
    assert_eq!(states(slow).collect::<Vec<_>>(), [TaskState::Running, TaskState::Succeeded]);
}

#[tokio::test]
async fn what_goes_on_in_the_background_is_told_of_however_soon_it_has_begun() {
    let stage = Stage::with(Tricks { in_background: true, ..Tricks::default() });
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "finish" })).await;
    let steps = stage.until_settled(1).await;
    let told = steps.iter().filter_map(Step::task).filter(|told| told.id == task).map(|told| told.state);
    assert_eq!(told.collect::<Vec<_>>(), [TaskState::Running]);
}

#[tokio::test]
async fn another_job_runs_while_the_end_of_one_is_not_confirmed_and_neither_is_acknowledged_before_it_is() {
    let mut stage = Stage::new();
    stage.config.concurrency = 1;
    let _host = stage.host().await;
    let mut refusals = stage.refusals();
    stage.refuses.send_replace(true);
    let tasks = [stage.submit(json!({ "trick": "finish" })).await, stage.submit(json!({ "trick": "finish" })).await];
    within("both to have run", stage.tricks.finished.subscribe().wait_for(|number| *number == 2)).await.unwrap();
    within("their ends to be refused", refusals.wait_for(|number| *number >= 3)).await.unwrap();
    assert_eq!(settlements(&stage.until("nothing", |_| true).await).count(), 0);
    stage.refuses.send_replace(false);
    let steps = stage.until_settled(2).await;
    for task in tasks {
        assert!(steps.iter().any(|step| step.publishes(task, TaskState::Succeeded)), "{steps:?}");
    }
}

#[tokio::test]
async fn progress_is_told_a_few_times_a_second_and_only_when_it_changed() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "chatter" })).await;
    let all = |steps: &[Step]| steps.iter().filter_map(Step::task).any(|task| task.progress == 1.0);
    stage.until("all progress to be told", all).await;
    stage.tricks.gate.add_permits(1);
    let steps = stage.until_settled(1).await;
    let published: Vec<_> = steps.iter().filter_map(Step::task).collect();
    assert!(published.iter().all(|published| published.id == task));
    // Started, an early and a late progress, done: a thousand reports became these.
    assert!((3..=5).contains(&published.len()), "{published:?}");
    assert!(published.is_sorted_by(|a, b| a.sequence < b.sequence && a.progress <= b.progress), "{published:?}");
    let ids: HashSet<_> =
        steps.iter().filter_map(|step| if let Step::Published(e) = step { Some(&e.id) } else { None }).collect();
    assert_eq!(ids.len(), published.len());
}

#[tokio::test]
async fn no_more_run_at_once_than_may() {
    let stage = Stage::new();
    let _host = stage.host().await;
    for _ in 0..5 {
        // Past the queue's own bound, as after a lost connection.
        stage.deliver(Ok(stage.job(json!({ "trick": "hold" }))), 0).await;
    }
    stage.until_running(2).await;
    stage.tricks.gate.add_permits(5);
    stage.until_settled(5).await;
    assert_eq!(stage.tricks.running.borrow().1, 2);
}

#[tokio::test]
async fn an_end_is_told_when_the_broker_is_back_and_only_then_acknowledged() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "hold" })).await;
    stage.until("its beginning", |steps| steps.iter().any(|step| step.publishes(task, TaskState::Running))).await;
    let mut refusals = stage.refusals();
    stage.refuses.send_replace(true);
    stage.tricks.gate.add_permits(1);
    crate::stage::within("two refusals", refusals.wait_for(|number| *number >= 2)).await.unwrap();
    assert_eq!(settlements(&stage.until("nothing", |_| true).await).count(), 0);
    stage.refuses.send_replace(false);
    let steps = stage.until_settled(1).await;
    assert!(matches!(&steps[1], Step::Published(end) if end.id == format!("{task}.succeeded")), "{steps:?}");
    assert!(matches!(&steps[2], Step::Settled(Settlement::Done)), "{steps:?}");
}

#[tokio::test]
async fn a_job_whose_worker_was_killed_is_done_by_another_and_its_end_keeps_its_id() {
    let stage = Stage::new();
    let first = stage.host().await;
    let task = stage.submit(json!({ "trick": "hold" })).await;
    stage.until_running(1).await;
    first.kill().await;
    stage.tricks.gate.add_permits(1);
    let _second = stage.host().await;
    let steps = stage.until_settled(1).await;
    let [.., Step::Published(end), Step::Settled(Settlement::Done)] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((end.id.clone(), end.task().unwrap().unwrap().attempt), (format!("{task}.succeeded"), 2));
}

#[tokio::test]
async fn a_job_handed_out_again_while_it_still_runs_here_waits_for_its_first_run_and_has_none_if_that_succeeds() {
    let mut stage = Stage::new();
    stage.config.concurrency = 3;
    let _host = stage.host().await;
    let (job, other) = (stage.job(json!({ "trick": "hold" })), stage.job(json!({ "trick": "hold" })));
    stage.deliver(Ok(job.clone()), 0).await;
    stage.until_running(1).await;
    stage.deliver(Ok(job), 1).await;
    // What is handed out later runs already.
    stage.deliver(Ok(other.clone()), 0).await;
    stage
        .until("another's beginning", |steps| steps.iter().any(|step| step.publishes(other.task, TaskState::Running)))
        .await;
    stage.tricks.gate.add_permits(3);
    let steps = stage.until_settled(3).await;
    assert_eq!(stage.tricks.running.borrow().1, 2);
    let published = steps.iter().filter_map(Step::task).filter(|task| task.id != other.task);
    assert_eq!(published.map(|task| task.attempt).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_job_whose_task_another_worker_has_brought_to_a_good_end_is_not_run_again() {
    let stage = Stage::new();
    let (done, failed) = (stage.job(json!({ "trick": "finish" })), stage.job(json!({ "trick": "finish" })));
    for (job, state) in [(&done, TaskState::Succeeded), (&failed, TaskState::Failed)] {
        let task = Task::of(job, state);
        stage.publish(&Event::of_task("/functions/tricks", Audience::user("ada"), &task, None)).await;
    }
    let _host = stage.host().await;
    stage.deliver(Ok(done.clone()), 1).await;
    // An operator has put it back into its queue.
    stage.deliver(Ok(failed.clone()), 0).await;
    let steps = stage.until_settled(2).await;
    let ran = |job: &Job| steps.iter().any(|step| step.publishes(job.task, TaskState::Succeeded));
    assert!(!ran(&done) && ran(&failed), "{steps:?}");
}

#[tokio::test]
async fn a_step_of_a_workflow_ends_without_a_toast() {
    let stage = Stage::new();
    let _host = stage.host().await;
    for trick in ["finish", "sour"] {
        let run = TaskId::new();
        let job = Job { parent: Some(run), ..stage.job(json!({ "trick": trick })) };
        let job = testing::granted(&stage.environment, job);
        stage.deliver(Ok(job.clone()), 0).await;
        let ended = |step: &Step| step.task().is_some_and(|task| task.id == job.task && task.state.is_end());
        let steps = stage.until("its end", |steps| steps.iter().any(ended)).await;
        let Some(Step::Published(end)) = steps.into_iter().find(ended) else { panic!("no end") };
        assert_eq!(end.task().unwrap().unwrap().parent, Some(run));
        assert_eq!(end.toast(), Ok(None));
    }
}

#[tokio::test]
async fn a_task_that_is_queued_makes_the_host_look_for_its_job() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let task = Task::of(&stage.job(json!({ "trick": "finish" })), TaskState::Queued);
    stage.publish(&Event::of_task("/gateway", Audience::user("ada"), &task, None)).await;
    within("a look", stage.wake.notified()).await;
}

#[tokio::test]
async fn a_job_whose_time_has_not_come_waits_on_and_begins_nothing_and_its_attempts_do_not_count() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let not_before = Some(jiff::Timestamp::now() + std::time::Duration::from_secs(3600));
    let later = Job { not_before, ..stage.job(json!({ "trick": "finish" })) };
    stage.deliver(Ok(later.clone()), 0).await;
    let steps = stage.until_settled(1).await;
    let [Step::Settled(Settlement::Retry { job, after })] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((job, after.as_secs() / 60), (&later, 59));
}

#[tokio::test]
async fn a_job_whose_time_has_not_come_ends_as_soon_as_its_worker_sees_that_it_was_cancelled() {
    let stage = Stage::new();
    let not_before = Some(jiff::Timestamp::now() + std::time::Duration::from_secs(3600));
    let later = Job { not_before, ..stage.job(json!({ "trick": "finish" })) };
    stage.take_back(&later).await;
    let _host = stage.host().await;
    stage.deliver(Ok(later.clone()), 0).await;
    let steps = stage.until_settled(1).await;
    assert!(steps[0].publishes(later.task, TaskState::Cancelled), "{steps:?}");
    assert!(matches!(&steps[1], Step::Settled(Settlement::Done)), "{steps:?}");
}
