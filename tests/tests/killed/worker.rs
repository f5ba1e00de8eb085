//! A worker killed with SIGKILL in each phase of a job; another one comes.

use backplane::Depth;

use crate::{books::Books, phase::Phase, stage::Stage};

/// The effect is had once and its end shown once, whenever the worker is killed.
async fn killed(act: &str, at: Phase, books: Books) {
    let stage = Stage::with(books).await;
    let mut child = stage.child(Some(at));
    let task = stage.start(act).await;
    child.halted().await;
    child.kill();
    if at != Phase::Settled {
        stage.until_depth(Depth { waiting: 1, ..Depth::default() }).await;
    }
    let second = stage.worker();
    stage.done_once(task, second).await;
}

/// Makes one test of each phase over each database.
macro_rules! killed {
    ($($sentence:ident: $act:literal, $phase:ident;)*) => {
        mod over_postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                super::killed($act, super::Phase::$phase, super::Books::postgres().await).await;
            })*
        }
        mod over_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                super::killed($act, super::Phase::$phase, super::Books::sqlite().await).await;
            })*
        }
    };
}

killed! {
    before_the_transaction: "write", Begun;
    within_the_transaction: "write", Writing;
    after_the_commit_and_before_its_end_is_told: "write", Committed;
    after_its_end_is_told_and_before_the_job_is_acknowledged: "write", Told;
    after_the_job_is_acknowledged: "write", Settled;
    while_the_job_waits_on_the_retry_ladder: "fail", Settled;
    before_the_job_is_on_the_retry_ladder: "fail", Told;
}
