//! Whoever gives up what it asked of the broker leaves nothing behind that the broker would serve in its stead.

use std::time::Duration;

use backplane::Backplane;
use model::PodId;
use tokio::time::{sleep, timeout};

use crate::{
    broker::{self, ctl},
    expect::{soon, up},
    fixtures::long_ago,
    world::Rabbit,
};

/// Opens one reader after another, and drops each a little later in its life than the one before: from connecting to a
/// while after it is up.
async fn leaves_no_connection<R>(open: impl AsyncFn(&Backplane) -> R, is_up: impl AsyncFn(&mut R)) {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        // What is missing on the broker is declared once, and not by those who give up.
        is_up(&mut open(&plane).await).await;
        for milliseconds in (0..80).step_by(2) {
            let mut reader = open(&plane).await;
            timeout(Duration::from_millis(milliseconds), is_up(&mut reader)).await.ok();
        }
        drop(plane);
        soon("an end of all connections", async {
            while ctl(&["list_connections", "client_properties"]).contains(&rabbit.name()) {
                sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_reader_of_the_log_leaves_no_connection() {
    leaves_no_connection(async |plane| plane.log.read(long_ago()), async |reader| up(&mut reader.link).await).await;
}

#[tokio::test]
async fn a_reader_of_jobs_leaves_no_connection() {
    let kind = "reports".parse().unwrap();
    leaves_no_connection(async |plane| plane.jobs.consume(&kind, 4), async |reader| up(&mut reader.link).await).await;
}

#[tokio::test]
async fn a_subscriber_of_control_leaves_no_connection() {
    let pod = PodId::gateway();
    leaves_no_connection(async |plane| plane.control.subscribe(&pod), async |reader| up(&mut reader.link).await).await;
}

#[tokio::test]
async fn an_applicant_for_the_lease_leaves_no_connection() {
    leaves_no_connection(
        async |plane| plane.scheduling.apply(),
        async |lease| drop(lease.held.wait_for(|held| *held).await.unwrap()),
    )
    .await;
}
