//! A job that moves is published before it is acknowledged; what the broker has put back meanwhile is not published.

use std::time::{Duration, Instant};

use backplane::{Backplane, BackplaneConfig, Depth, SendError, Settlement};
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use model::Job;
use tokio::time::sleep;

use crate::{
    broker,
    dead::imports,
    expect::{down, next, soon, up},
    fixtures::job,
    jobs::{job_of, nothing_comes},
    network_proxy::{NetworkProxy, relay_to},
    world::Rabbit,
};

/// Keeps a backplane from publishing while it reads on.
async fn stop_publishing(rabbit: &Rabbit, plane: &Backplane, proxy: &NetworkProxy) {
    let mut publishing = plane.log.publishing();
    up(&mut publishing).await;
    proxy.refuse();
    let name = format!("{} prod publish", rabbit.name());
    tokio::task::spawn_blocking(move || broker::close_connection(&name)).await.unwrap();
    down(&mut publishing).await;
}

async fn put(rabbit: &Rabbit, job: &Job) {
    broker::publish(&rabbit.topology("prod").jobs(), "imports", &serde_json::to_vec(job).unwrap()).await;
}

#[tokio::test]
async fn a_job_whose_connection_ends_while_it_is_tried_again_or_given_up_is_not_doubled() {
    Rabbit::run(async |rabbit| {
        let proxy = relay_to(&broker::url()).await;
        let plane = rabbit.open(&proxy.through(&broker::url()), "prod");
        let mut reader = plane.jobs.consume(&imports(), 1);
        let submitted = job("imports");
        let retried = Job { attempts: 1, ..submitted.clone() };
        let moves = [
            Settlement::Retry { job: retried, after: Duration::from_secs(600) },
            Settlement::Dead { reason: "no such file".to_owned() },
        ];
        for settlement in moves {
            up(&mut reader.link).await;
            put(&rabbit, &submitted).await;
            let held = next(&mut reader).await;
            stop_publishing(&rabbit, &plane, &proxy).await;
            let (settled, ()) = tokio::join!(held.settle.settle(settlement), async {
                proxy.cut();
                down(&mut reader.link).await;
                proxy.restore();
            });
            assert!(matches!(settled, Err(SendError::Unavailable(_))), "{settled:?}");
            let again = next(&mut reader).await;
            assert_eq!((again.job, again.redeliveries), (Ok(submitted.clone()), 1));
            again.settle.settle(Settlement::Done).await.unwrap();
            up(&mut plane.log.publishing()).await;
            assert_eq!(plane.jobs.depth(&imports()).await, Ok(Depth::default()));
        }
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_connection_ends_on_the_way_to_its_lane_is_not_doubled() {
    Rabbit::run(async |rabbit| {
        let proxy = relay_to(&broker::url()).await;
        let plane = rabbit.open(&proxy.through(&broker::url()), "prod");
        let mut reader = plane.jobs.consume(&imports(), 1);
        up(&mut reader.link).await;
        stop_publishing(&rabbit, &plane, &proxy).await;
        let direct = rabbit.open(&broker::url(), "prod");
        let retried = Job { attempts: 1, ..job_of("mallory", 40) };
        put(&rabbit, &retried).await;
        let taken = async {
            while direct.jobs.depth(&imports()).await.unwrap().waiting > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        soon("the job to be taken", taken).await;
        proxy.cut();
        proxy.restore();
        let again = next(&mut reader).await;
        assert_eq!(again.job.as_ref().map(|job| job.task), Ok(retried.task));
        again.settle.settle(Settlement::Done).await.unwrap();
        nothing_comes(&mut reader).await;
        assert_eq!(direct.jobs.depth(&imports()).await, Ok(Depth::default()));
    })
    .await;
}

#[tokio::test]
async fn a_job_that_cannot_be_moved_keeps_no_other_from_beginning_and_those_after_it_are_not_tried() {
    Rabbit::run(async |rabbit| {
        let proxy = relay_to(&broker::url()).await;
        let plane = rabbit.open(&proxy.through(&broker::url()), "prod");
        up(&mut plane.log.publishing()).await;
        let mut reader = plane.jobs.consume(&imports(), 1);
        up(&mut reader.link).await;
        // Its channel is open then.
        plane.jobs.submit(&job("imports")).await.unwrap();
        next(&mut reader).await.settle.settle(Settlement::Done).await.unwrap();
        // As if the queue had no majority: nothing is confirmed.
        proxy.stop_first(1);
        let (retried, other) = (Job { attempts: 1, ..job_of("mallory", 40) }, job("imports"));
        put(&rabbit, &retried).await;
        put(&rabbit, &other).await;
        for expected in [&other, &retried] {
            let taken = next(&mut reader).await;
            assert_eq!(taken.job.as_ref(), Ok(expected));
            taken.settle.settle(Settlement::Done).await.unwrap();
        }
        let began = Instant::now();
        let later = Job { attempts: 1, ..job_of("mallory", 40) };
        put(&rabbit, &later).await;
        let taken = next(&mut reader).await;
        assert_eq!(taken.job, Ok(later));
        assert!(began.elapsed() < Duration::from_secs(4), "it is begun where it is: {:?}", began.elapsed());
        taken.settle.settle(Settlement::Done).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_job_of_which_a_copy_may_be_on_its_way_is_put_back_for_others_and_not_copied_again() {
    Rabbit::run(async |rabbit| {
        let proxy = relay_to(&broker::url()).await;
        let plane = rabbit.open(&proxy.through(&broker::url()), "prod");
        up(&mut plane.log.publishing()).await;
        let mut busy = plane.jobs.consume(&imports(), 1);
        up(&mut busy.link).await;
        plane.jobs.submit(&job("imports")).await.unwrap();
        next(&mut busy).await.settle.settle(Settlement::Done).await.unwrap();
        proxy.stop_first(1);
        let (retried, other) = (Job { attempts: 1, ..job_of("mallory", 40) }, job("imports"));
        put(&rabbit, &retried).await;
        put(&rabbit, &other).await;
        let running = next(&mut busy).await;
        assert_eq!(running.job.as_ref(), Ok(&other));
        // It has one place, which is taken for long.
        let free = rabbit.open(&broker::url(), "prod");
        let mut reader = free.jobs.consume(&imports(), 1);
        let again = next(&mut reader).await;
        assert_eq!(again.job.map(|job| job.task), Ok(retried.task));
        again.settle.settle(Settlement::Done).await.unwrap();
        running.settle.settle(Settlement::Done).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn jobs_on_their_way_to_their_lane_let_another_go_first_as_those_that_are_run_do() {
    Rabbit::run(async |rabbit| {
        let (plane, topology) = (rabbit.open(&broker::url(), "prod"), rabbit.topology("prod"));
        let config = BackplaneConfig { url: broker::url(), prefix: rabbit.prefix.clone(), ..Default::default() };
        Backplane::declare(&config, &"prod".parse().unwrap(), &[imports()]).await.unwrap();
        let (channel, jobs) = (broker::connect().await.create_channel().await.unwrap(), topology.jobs());
        plane.jobs.submit(&job_of("ada", 1)).await.unwrap();
        for _ in 0..400 {
            let retried = serde_json::to_vec(&Job { attempts: 1, ..job_of("mallory", 2) }).unwrap();
            let (exchange, options) = (jobs.as_str().into(), BasicPublishOptions::default());
            let published = channel.basic_publish(exchange, "imports".into(), options, &retried, Default::default());
            published.await.unwrap();
        }
        let all_wait = async {
            while plane.jobs.depth(&imports()).await.unwrap().waiting < 401 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        soon("all to wait", all_wait).await;
        let mut reader = plane.jobs.consume(&imports(), 1);
        let taken = next(&mut reader).await;
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let first = topology.job_queue(&imports());
        let left = channel.queue_declare(first.into(), passive, Default::default()).await.unwrap().message_count();
        assert!(left > 0, "all were moved before one was begun");
        taken.settle.settle(Settlement::Done).await.unwrap();
    })
    .await;
}
