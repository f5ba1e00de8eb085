//! The database goes away and comes back.

use scenarios::until;

use crate::{
    books::Books,
    ledger::Ledger,
    phase::{Phase, Watch},
    stage::{Checkpoint, Stage},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    let stage = Stage::with(Books::postgres().await).await;
    let (url, proxy) = stage.books.behind_a_proxy(false).await;
    let worker = stage.worker_of(Ledger::watched(Watch::none()), &url);
    let task = stage.start("write").await;
    let seen = stage.until(task, "its second attempt", |seen| seen["attempt"] == 2).await;
    assert_eq!(seen["error"]["reason"], "unavailable", "{seen}");
    assert_eq!(seen["error"]["message"], "The database cannot be used now.", "{seen}");
    proxy.restore();
    stage.done_once(task, worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_lost_within_the_transaction_gets_the_effect_at_the_next_attempt() {
    let stage = Stage::with(Books::postgres().await).await;
    let (url, proxy) = stage.books.behind_a_proxy(true).await;
    let (checkpoint, watch) = Checkpoint::at(Phase::Writing);
    let worker = stage.worker_of(Ledger::watched(watch), &url);
    let task = stage.start("write").await;
    let halted = checkpoint.halted().await;
    proxy.cut();
    halted.go_on();
    stage.until(task, "its second attempt", |seen| seen["attempt"] == 2).await;
    assert!(stage.books.rows(task).await.is_empty());
    proxy.restore();
    stage.done_once(task, worker).await;
}

/// The worst moment: the database has committed, and the worker never hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_not_done_again() {
    let stage = Stage::with(Books::postgres().await).await;
    stage.books.execute("CREATE FUNCTION slowly() RETURNS trigger AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END' LANGUAGE plpgsql").await;
    stage.books.execute("CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slowly()").await;
    let (url, proxy) = stage.books.behind_a_proxy(true).await;
    let worker = stage.worker_of(Ledger::watched(Watch::none()), &url);
    let task = stage.start("write").await;
    until("the commit is under way", async || stage.books.is_committing().await.then_some(())).await;
    proxy.cut();
    proxy.restore();
    let seen = stage.until_state(task, "succeeded").await;
    assert_eq!((&seen["attempt"], &seen["result"]["attempt"]), (&2.into(), &1.into()), "{seen}");
    assert_eq!(stage.books.rows(task).await, [1], "the first attempt wrote it");
    stage.done_once(task, worker).await;
}
