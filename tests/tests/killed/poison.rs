//! A job that kills its worker each time it is taken.

use backplane::Depth;
use scenarios::TIMEOUT;
use tokio::time::{Duration, sleep, timeout};

use crate::{books::Books, stage::Stage};

/// The first run, and the ten more that a host allows a job whose worker was lost with it.
const MAX_DEATHS: u32 = 11;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_kills_each_worker_is_given_up_with_the_reason_and_its_owner_is_told_once() {
    let mut stage = Stage::with(Books::sqlite().await).await;
    let task = stage.start("poison").await;
    let (mut deaths, mut child) = (0, stage.child(None));
    let dying = async {
        loop {
            let seen = stage.see(task).await;
            if seen["state"] == "failed" {
                return seen;
            }
            if child.is_gone() {
                deaths += 1;
                child = stage.child(None);
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let seen = timeout(TIMEOUT * 2, dying).await.expect("it is given up");
    assert!((2..=MAX_DEATHS).contains(&deaths), "{deaths} workers died");
    assert_eq!(seen["error"]["reason"], "lost", "{seen}");
    stage.until_depth(Depth { dead: 1, ..Depth::default() }).await;
    child.kill();
    assert!(stage.books.rows(task).await.is_empty());
    assert_eq!(stage.ends_shown(task).await, [format!("{task}.failed")]);
    let [dead] = &stage.dead().list(0, 10).await.unwrap()[..] else { panic!("one is dead") };
    assert!(dead.reason.contains("lost: Its worker was lost each time"), "{dead:?}");
    assert_eq!((dead.id.clone(), dead.attempts), (task.to_string(), deaths + 1));
}
