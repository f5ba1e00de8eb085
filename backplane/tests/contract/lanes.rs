//! The queues behind a kind's first on a real broker: where they are missing, full or refused.

use backplane::{Backplane, Depth, Lane, SendError, Settlement};
use futures_util::future::join_all;
use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use model::{Job, Priority};
use tokio::time::{Duration, sleep, timeout};

use crate::{
    broker,
    dead::imports,
    expect::{next, soon, up},
    jobs::job_of,
    world::Rabbit,
};

const AT_ONCE: u16 = 32;
/// Of so many jobs a reader knows how long they took: the long ones of an earlier round are not among them then.
const LOOKED_BACK_ON: usize = 64;
/// Between them, so that they take longer together than a consumer stays at least.
const PAUSE: Duration = Duration::from_millis(5);
/// One for each lane behind the first.
const BACKLOGS: [u32; 3] = [1, 4, 32];

async fn delete_lanes(rabbit: &Rabbit) {
    let (topology, channel) = (rabbit.topology("prod"), broker::connect().await.create_channel().await.unwrap());
    for lane in Lane::ASKED {
        let queue = topology.queue_of(&topology.lane_key(&imports(), lane));
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }
}

/// Takes so many jobs with another reader; whether that they have waited was no attempt at any of them. The broker itself puts
/// back and counts what it is pushing at the moment at which a consumer is cancelled (rabbitmq-server #3729), so that a reader
/// cannot promise it of each: rounds in which that happened say nothing.
async fn come_without_an_attempt(plane: &Backplane, count: u16) -> bool {
    let mut other = plane.jobs.consume(&imports(), count);
    let mut counted = 0;
    for _ in 0..count {
        let delivery = next(&mut other).await;
        counted += delivery.job.as_ref().unwrap().attempts + delivery.redeliveries;
        delivery.settle.settle(Settlement::Done).await.unwrap();
    }
    counted == 0
}

#[tokio::test]
async fn where_a_kind_has_one_queue_its_jobs_all_go_there() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let mut reader = plane.jobs.consume(&imports(), 4);
        up(&mut reader.link).await;
        // As an older version has declared it.
        delete_lanes(&rabbit).await;
        let of = |priority, backlog| Job { priority, ..job_of("ada", backlog) };
        let others = [of(Priority::High, 0), of(Priority::High, 2), of(Priority::Low, 0), of(Priority::Low, 9)];
        for job in BACKLOGS.map(|backlog| job_of("ada", backlog)).into_iter().chain(others) {
            plane.jobs.submit(&job).await.unwrap();
            let taken = next(&mut reader).await;
            assert_eq!(taken.job, Ok(job));
            taken.settle.settle(Settlement::Done).await.unwrap();
        }
        assert!(reader.link.borrow().is_up());
        assert_eq!(plane.jobs.depth(&imports()).await, Ok(Depth::default()));
    })
    .await;
}

#[tokio::test]
async fn short_jobs_are_handed_out_ahead_and_go_to_another_reader_when_one_takes_long() {
    let handed_out_ahead = Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        // Many at once, since how many are handed out ahead is a matter of how long those that run take together.
        let mut reader = plane.jobs.consume(&imports(), AT_ONCE);
        up(&mut reader.link).await;
        // Those of a round come together: what is pushed while the first of them has waited too long may be counted.
        let submit = async |count: u16| {
            let jobs: Vec<_> = (0..count).map(|_| job_of("ada", 0)).collect();
            for submitted in join_all(jobs.iter().map(|job| plane.jobs.submit(job))).await {
                submitted.unwrap();
            }
        };
        let mut are_ahead = false;
        while !are_ahead {
            for _ in 0..LOOKED_BACK_ON {
                submit(1).await;
                next(&mut reader).await.settle.settle(Settlement::Done).await.unwrap();
                sleep(PAUSE).await;
            }
            submit(AT_ONCE + 9).await;
            let mut long = Vec::new();
            for _ in 0..AT_ONCE {
                long.push(next(&mut reader).await);
            }
            are_ahead = plane.jobs.depth(&imports()).await.unwrap().waiting == 0;
            are_ahead &= come_without_an_attempt(&plane, 9).await;
            for delivery in long {
                delivery.settle.settle(Settlement::Done).await.unwrap();
            }
        }
        assert_eq!(plane.jobs.depth(&imports()).await, Ok(Depth::default()));
    });
    timeout(Duration::from_secs(60), handed_out_ahead).await.expect("some are handed out ahead, and are no attempts");
}

#[tokio::test]
async fn what_was_handed_out_ahead_and_cannot_be_given_back_stays_without_an_attempt() {
    let stays = Rabbit::run(async |rabbit| {
        let (plane, topology) = (rabbit.open(&broker::url(), "prod"), rabbit.topology("prod"));
        let channel = broker::connect().await.create_channel().await.unwrap();
        let mut reader = plane.jobs.consume(&imports(), AT_ONCE);
        up(&mut reader.link).await;
        let key = topology.lane_key(&imports(), Lane::First);
        let (queue, exchange) = (topology.queue_of(&key), topology.jobs());
        let mut stay = false;
        while !stay {
            for _ in 0..LOOKED_BACK_ON {
                plane.jobs.submit(&job_of("ada", 0)).await.unwrap();
                next(&mut reader).await.settle.settle(Settlement::Done).await.unwrap();
                sleep(PAUSE).await;
            }
            let (queue, exchange, key) = (queue.as_str(), exchange.as_str(), key.as_str());
            channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default()).await.unwrap();
            for _ in 0..AT_ONCE + 9 {
                let job = serde_json::to_vec(&job_of("ada", 0)).unwrap();
                let (straight, options) = ("".into(), BasicPublishOptions::default());
                channel.basic_publish(straight, queue.into(), options, &job, BasicProperties::default()).await.unwrap();
            }
            let mut long = Vec::new();
            for _ in 0..AT_ONCE {
                long.push(next(&mut reader).await);
            }
            // Longer than any of them waits.
            sleep(Duration::from_millis(200)).await;
            stay = plane.jobs.depth(&imports()).await.unwrap().waiting == 0;
            let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
            channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments).await.unwrap();
            stay &= come_without_an_attempt(&plane, 9).await;
            for delivery in long {
                delivery.settle.settle(Settlement::Done).await.unwrap();
            }
        }
    });
    timeout(Duration::from_secs(60), stays).await.expect("some are handed out ahead, and are no attempts");
}

#[tokio::test]
async fn a_full_lane_refuses_those_in_it_and_nobody_else() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let topology = rabbit.topology("prod");
        let flood = topology.queue_of(&topology.lane_key(&imports(), Lane::Flood));
        let mut arguments = FieldTable::default();
        for (name, value) in [
            ("x-queue-type", AMQPValue::LongString("quorum".into())),
            ("x-overflow", AMQPValue::LongString("reject-publish".into())),
            ("x-max-length", AMQPValue::LongLongInt(1)),
        ] {
            arguments.insert(name.into(), value);
        }
        let channel = broker::connect().await.create_channel().await.unwrap();
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(flood.into(), options, arguments).await.unwrap();
        let config =
            backplane::BackplaneConfig { url: broker::url(), prefix: rabbit.prefix.clone(), ..Default::default() };
        Backplane::declare(&config, &"prod".parse().unwrap(), &[imports()]).await.unwrap();
        let refused = soon("a refusal", async {
            loop {
                if let Err(error) = plane.jobs.submit(&job_of("mallory", 32)).await {
                    break error;
                }
            }
        });
        let wanted = format!("{} with the key imports.bulk.3", topology.jobs());
        assert_eq!(refused.await, SendError::Full(wanted));
        for backlog in [0, 1, 4] {
            plane.jobs.submit(&job_of("ada", backlog)).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_depth_counts_the_jobs_of_all_lanes() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let config =
            backplane::BackplaneConfig { url: broker::url(), prefix: rabbit.prefix.clone(), ..Default::default() };
        Backplane::declare(&config, &"prod".parse().unwrap(), &[imports()]).await.unwrap();
        for priority in [Priority::Low, Priority::Normal, Priority::High] {
            for backlog in [0, 1, 4, 32] {
                plane.jobs.submit(&Job { priority, ..job_of("ada", backlog) }).await.unwrap();
            }
        }
        assert_eq!(plane.jobs.depth(&imports()).await, Ok(Depth { waiting: 12, ..Depth::default() }));
    })
    .await;
}
