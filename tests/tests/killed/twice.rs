//! One job delivered twice.

use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use backplane::Depth;
use model::{Job, TaskId};
use runtime::HostConfig;
use scenarios::cluster::granted;
use serde_json::json;

use crate::{
    books::Books,
    ledger::{KIND, Ledger},
    phase::{Phase, Watch},
    stage::{Checkpoint, Stage, prod},
};

fn job() -> Job {
    granted(&prod(), Job::new(TaskId::new(), KIND.parse().unwrap(), "ada", "Twice", json!({})))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_worker_runs_it_one_at_a_time() {
    let stage = Stage::with(Books::postgres().await).await;
    let (checkpoint, halt) = Checkpoint::at(Phase::Begun);
    let runs = std::sync::Arc::new((AtomicI32::new(0), AtomicI32::new(0)));
    let (counted, halted_at) = (runs.clone(), halt);
    let watch = Watch::with(move |phase| {
        let (now, most) = &*counted;
        match phase {
            Phase::Begun => {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            }
            Phase::Committed => {
                now.fetch_sub(1, SeqCst);
            }
            _ => {}
        }
        halted_at.reach_blocking(phase);
    });
    let worker = stage.worker_of(Ledger::watched(watch), &stage.books.url());
    let job = job();
    stage.submit(&job).await;
    let halted = checkpoint.halted().await;
    stage.submit(&job).await;
    // The second is taken as well, and waits.
    stage.until_depth(Depth::default()).await;
    halted.go_on();
    stage.done_once(job.task, worker).await;
    assert_eq!(runs.1.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_that_run_it_at_once_have_one_effect_and_show_one_end() {
    for books in [Books::postgres().await, Books::sqlite().await] {
        let stage = Stage::with(books).await;
        let ((checkpoint, watch), job) = (Checkpoint::at(Phase::Writing), job());
        let one_at_once = HostConfig { concurrency: 1, ..HostConfig::default() };
        let one = stage.worker_with(one_at_once, Ledger::watched(watch), &stage.books.url());
        stage.submit(&job).await;
        let halted = checkpoint.halted().await;
        let (begun, watch) = Checkpoint::at(Phase::Begun);
        let other = stage.worker_of(Ledger::watched(watch), &stage.books.url());
        stage.submit(&job).await;
        begun.halted().await.go_on();
        halted.go_on();
        stage.until_state(job.task, "succeeded").await;
        one.stop().await;
        stage.done_once(job.task, other).await;
    }
}
