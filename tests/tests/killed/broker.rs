//! The broker goes away from a worker in the middle of a job, and hands the job to another one.

use runtime::HostConfig;

use crate::{
    books::Books,
    ledger::Ledger,
    phase::Phase,
    stage::{Checkpoint, Stage},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_off_within_its_transaction_and_the_one_that_got_its_job_have_one_effect() {
    let stage = Stage::with(Books::postgres().await).await;
    let (checkpoint, watch) = Checkpoint::at(Phase::Writing);
    let (cut_off, proxy) = stage.worker_behind_a_proxy(Ledger::watched(watch)).await;
    let task = stage.start("write").await;
    let halted = checkpoint.halted().await;
    proxy.cut();
    let (begun, watch) = Checkpoint::at(Phase::Begun);
    let other = stage.worker_with(HostConfig::default(), Ledger::watched(watch), &stage.books.url());
    // Both run it now.
    begun.halted().await.go_on();
    halted.go_on();
    stage.until_state(task, "succeeded").await;
    assert_eq!(stage.books.rows(task).await, [1], "the first wrote it, and the second found it");
    proxy.restore();
    cut_off.stop().await;
    stage.done_once(task, other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_off_before_it_can_tell_the_end_tells_it_when_the_broker_is_back() {
    let stage = Stage::with(Books::sqlite().await).await;
    let (checkpoint, watch) = Checkpoint::at(Phase::Committed);
    let (worker, proxy) = stage.worker_behind_a_proxy(Ledger::watched(watch)).await;
    let task = stage.start("write").await;
    let halted = checkpoint.halted().await;
    proxy.cut();
    halted.go_on();
    proxy.restore();
    stage.done_once(task, worker).await;
}
