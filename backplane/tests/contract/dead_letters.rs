//! What lies among the dead of a real broker, and how it came there.

use backplane::{SendError, Settlement};
use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use model::Job;

use crate::{
    broker,
    dead::{Imports, imports},
    expect::{next, soon, up},
    fixtures::job,
    world::Rabbit,
};

#[tokio::test]
async fn bytes_that_are_no_job_are_shown_as_they_are_and_can_only_be_dropped() {
    Rabbit::run(async |rabbit| {
        let imports = Imports::over(rabbit.open(&broker::url(), "prod")).await;
        broker::publish(&rabbit.topology("prod").jobs(), "imports.dead", b"\xff what").await;
        let [dead] = &imports.dead.list(0, 10).await.unwrap()[..] else { panic!("there is one") };
        let invalid = dead.job.as_ref().unwrap_err();
        assert_eq!(invalid.bytes, b"\xff what");
        assert!(invalid.reason.starts_with("it is no job: "), "{invalid:?}");
        assert_eq!((dead.reason.as_str(), dead.since, dead.attempts), ("nobody said why", None, 0));
        let error = imports.dead.retry(&dead.id).await.unwrap_err();
        assert!(matches!(&error, SendError::Invalid(why) if why.contains("can only be dropped")), "{error}");
        let retried = imports.dead.retry_all().await.unwrap();
        assert_eq!((retried.jobs, retried.skipped), (0, 1));
        assert_eq!(imports.dead.find(&dead.id).await.unwrap().as_ref(), Some(dead));
        assert_eq!(imports.dead.discard(&dead.id).await, Ok(true));
        assert_eq!(imports.dead.find(&dead.id).await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn a_job_that_the_broker_gave_up_says_so_and_can_be_tried_again() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        declare_impatient(&rabbit).await;
        let mut imports = Imports::over(plane.clone()).await;
        let lost = Job { attempts: 1, ..job("imports") };
        plane.jobs.submit(&lost).await.unwrap();
        // Handed out twice, and never heard of again.
        drop(next(&mut imports.reader).await);
        drop(next(&mut imports.reader).await);
        let dead = soon("a dead one", async {
            loop {
                if let Some(dead) = imports.dead.list(0, 1).await.unwrap().pop() {
                    break dead;
                }
            }
        })
        .await;
        assert_eq!((dead.job.as_ref(), dead.attempts), (Ok(&lost), 1));
        assert_eq!(dead.reason, "the broker gave it up: delivery_limit");
        assert!(dead.since.is_some());
        assert_eq!(imports.dead.retry(&dead.id).await, Ok(true));
        let again = next(&mut imports.reader).await;
        assert_eq!(again.job, Ok(Job { attempts: 0, ..lost }));
        again.settle.settle(Settlement::Done).await.unwrap();
    })
    .await;
}

/// The queue of imports as an operator may declare it, who hands a job out no more than twice.
async fn declare_impatient(rabbit: &Rabbit) {
    let topology = rabbit.topology("prod");
    let channel = broker::connect().await.create_channel().await.unwrap();
    let mut arguments = FieldTable::default();
    for (name, value) in [
        ("x-queue-type", AMQPValue::LongString("quorum".into())),
        ("x-delivery-limit", AMQPValue::LongLongInt(1)),
        ("x-dead-letter-exchange", AMQPValue::LongString(topology.jobs().into())),
        ("x-dead-letter-routing-key", AMQPValue::LongString("imports.dead".into())),
    ] {
        arguments.insert(name.into(), value);
    }
    let (jobs, queue) = (topology.jobs(), topology.job_queue(&imports()));
    let (options, none) = (ExchangeDeclareOptions { durable: true, ..Default::default() }, FieldTable::default());
    channel.exchange_declare(jobs.as_str().into(), ExchangeKind::Direct, options, none.clone()).await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.as_str().into(), options, arguments).await.unwrap();
    channel.queue_bind(queue.into(), jobs.into(), "imports".into(), QueueBindOptions::default(), none).await.unwrap();
}

#[tokio::test]
async fn the_dead_are_declared_with_a_limit_that_no_number_of_looks_reaches_and_go_nowhere_else() {
    Rabbit::run(async |rabbit| {
        let _imports = Imports::over(rabbit.open(&broker::url(), "prod")).await;
        let listed = broker::ctl(&["list_queues", "name", "arguments"]);
        let dead = format!("{}.dead", rabbit.topology("prod").job_queue(&imports()));
        let line = listed.lines().find(|line| line.starts_with(&dead)).unwrap();
        assert!(line.contains("\"x-delivery-limit\",1000000000"), "{line}");
        assert!(!line.contains("dead-letter"), "{line}");
    })
    .await;
}

#[tokio::test]
async fn a_kind_whose_queue_is_there_and_cannot_be_reached_yet_is_not_said_to_be_unknown() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let mut reader = plane.jobs.consume(&imports(), 1);
        up(&mut reader.link).await;
        // As in a broker's start, when a queue exists before anything finds its way there.
        let topology = rabbit.topology("prod");
        let channel = broker::connect().await.create_channel().await.unwrap();
        let (queue, jobs) = (topology.job_queue(&imports()), topology.jobs());
        channel.queue_unbind(queue.into(), jobs.into(), "imports".into(), FieldTable::default()).await.unwrap();
        let error = plane.jobs.submit(&job("imports")).await.unwrap_err();
        assert_eq!(error, SendError::Unavailable("the queue of imports cannot be reached yet".to_owned()));
    })
    .await;
}
