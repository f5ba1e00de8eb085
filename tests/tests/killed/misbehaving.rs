//! Functions that never end or panic, over the real broker.

use std::time::Duration;

use backplane::Depth;

use crate::{books::Books, ledger::Ledger, phase::Watch, stage::Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_ends_is_failed_at_its_deadline_and_others_are_served_meanwhile() {
    let mut stage = Stage::with(Books::sqlite().await).await;
    let function = Ledger { deadline: Duration::from_secs(2), ..Ledger::watched(Watch::none()) };
    let worker = stage.worker_of(function, &stage.books.url());
    let endless = stage.start("endless").await;
    stage.until_state(endless, "running").await;
    let other = stage.start("write").await;
    stage.until_state(other, "succeeded").await;
    assert_eq!(stage.see(endless).await["state"], "running");
    let seen = stage.until_state(endless, "failed").await;
    assert_eq!(seen["error"]["reason"], "deadline", "{seen}");
    assert_eq!(seen["error"]["message"], "It took longer than the 2 seconds that it may take.", "{seen}");
    assert_eq!(stage.ends_shown(endless).await, [format!("{endless}.failed")]);
    // It is not tried again, and lies beside no queue.
    worker.stop().await;
    stage.until_depth(Depth::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_panics_within_its_transaction_leaves_nothing_and_is_tried_again() {
    let stage = Stage::with(Books::postgres().await).await;
    let worker = stage.worker();
    let task = stage.start("panic").await;
    let seen = stage.until_state(task, "succeeded").await;
    assert_eq!(seen["attempt"], 2, "{seen}");
    assert_eq!(stage.books.rows(task).await, [2]);
    stage.done_once(task, worker).await;
}
