//! Tasks that their owner takes back, wherever they are.

use backplane::Depth;

use crate::{
    books::Books,
    ledger::Ledger,
    phase::{Phase, Watch},
    stage::{Checkpoint, Stage},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_runs() {
    let stage = Stage::with(Books::sqlite().await).await;
    let (checkpoint, watch) = Checkpoint::at(Phase::Begun);
    let worker = stage.worker_of(Ledger::watched(watch), &stage.books.url());
    let task = stage.start("endless").await;
    checkpoint.halted().await.go_on();
    stage.take_back(task).await;
    stage.never_done(task, worker).await;
}

/// The word comes when the row is written and not committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_within_its_transaction() {
    let stage = Stage::with(Books::postgres().await).await;
    let (checkpoint, watch) = Checkpoint::at(Phase::Writing);
    let function = Ledger::watched(watch);
    let mut stopped = function.stopped.subscribe();
    let worker = stage.worker_of(function, &stage.books.url());
    let task = stage.start("write").await;
    let halted = checkpoint.halted().await;
    stage.take_back(task).await;
    // It has reached the running function.
    tokio::time::timeout(scenarios::TIMEOUT, stopped.wait_for(|stopped| *stopped)).await.unwrap().unwrap();
    halted.go_on();
    stage.never_done(task, worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_waits() {
    let stage = Stage::with(Books::sqlite().await).await;
    let task = stage.start("write").await;
    stage.until_state(task, "queued").await;
    stage.take_back(task).await;
    let worker = stage.worker();
    stage.never_done(task, worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_on_the_retry_ladder() {
    let stage = Stage::with(Books::sqlite().await).await;
    let worker = stage.worker();
    let task = stage.start("fail").await;
    stage.until(task, "its second attempt", |seen| seen["attempt"] == 2).await;
    stage.take_back(task).await;
    stage.never_done(task, worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_its_worker_restarts() {
    for at in [Phase::Begun, Phase::Writing] {
        let stage = Stage::with(Books::postgres().await).await;
        let mut child = stage.child(Some(at));
        let task = stage.start("write").await;
        child.halted().await;
        child.kill();
        stage.take_back(task).await;
        stage.until_depth(Depth { waiting: 1, ..Depth::default() }).await;
        let worker = stage.worker_of(Ledger::watched(Watch::none()), &stage.books.url());
        stage.never_done(task, worker).await;
    }
}
