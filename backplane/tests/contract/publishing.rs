//! What becomes of what is published: taken, returned, refused by a full queue.

use backplane::{Destination, SendError, Settlement, topology::Topology};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ExchangeKind,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use model::Event;
use tokio::task::JoinSet;

use crate::{
    broker,
    expect::{ids, next, soon, up},
    fixtures::{event, job, long_ago},
    world::Rabbit,
};

async fn confirming(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

async fn say(channel: &Channel, exchange: &str, mandatory: bool) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions { mandatory, ..Default::default() };
    channel.basic_publish(exchange.into(), "".into(), options, b"x", BasicProperties::default()).await?.await
}

#[tokio::test]
async fn what_nothing_is_bound_for_is_returned_if_mandatory_and_lost_in_silence_if_not() {
    Rabbit::run(async |rabbit| {
        rabbit.open(&broker::url(), "prod");
        let (connection, exchange) = (broker::connect().await, rabbit.topology("prod").exchange());
        let channel = confirming(&connection).await;
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let fanout = ExchangeKind::Fanout;
        channel.exchange_declare(exchange.as_str().into(), fanout, options, FieldTable::default()).await.unwrap();
        assert!(matches!(say(&channel, &exchange, true).await, Ok(Confirmation::Ack(Some(_)))));
        assert_eq!(say(&channel, &exchange, false).await.unwrap(), Confirmation::Ack(None));
    })
    .await;
}

#[tokio::test]
async fn a_missing_exchange_ends_the_channel_and_not_the_connection() {
    Rabbit::run(async |rabbit| {
        let (connection, exchange) = (broker::connect().await, rabbit.topology("none").exchange());
        let channel = confirming(&connection).await;
        assert!(say(&channel, &exchange, true).await.unwrap_err().to_string().contains("NOT_FOUND"));
        // At once, with no hanging.
        assert!(soon("an error", say(&channel, &exchange, true)).await.is_err());
        confirming(&connection).await;
    })
    .await;
}

#[tokio::test]
async fn publishing_makes_what_is_missing_and_binds_what_is_unbound() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        // Nothing is there: the exchanges and the stream are made.
        plane.log.publish(Destination::Own, &event("first")).await.unwrap();
        unbind(&rabbit.topology("prod")).await;
        plane.log.publish(Destination::Own, &event("second")).await.unwrap();
        plane.log.publish(Destination::Everywhere, &event("third")).await.unwrap();
        unbind(&rabbit.topology("prod")).await;
        let together = ["fourth", "fifth"].map(event);
        let encoded = together.each_ref().map(|event| event.encode().unwrap());
        plane.log.publish_all(Destination::Own, &encoded).await.unwrap();
        let read = ids(&mut plane.log.read(long_ago()), 5).await;
        assert_eq!(read, ["first", "second", "third", "fourth", "fifth"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_jobs_submitted_at_once_each_is_told_what_became_of_itself() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let mut reader = plane.jobs.consume(&"imports".parse().unwrap(), 1);
        up(&mut reader.link).await;
        let mut submitting = JoinSet::new();
        for number in 0..400 {
            let (jobs, job) = (plane.jobs.clone(), job(["imports", "reports"][number % 2]));
            submitting.spawn(async move { (job.kind.to_string(), jobs.submit(&job).await) });
        }
        for (kind, outcome) in submitting.join_all().await {
            match kind.as_str() {
                "imports" => assert_eq!(outcome, Ok(())),
                _ => assert_eq!(outcome, Err(SendError::Unroutable("no function of kind reports".to_owned()))),
            }
        }
        for _ in 0..200 {
            next(&mut reader).await.settle.settle(Settlement::Done).await.unwrap();
        }
    })
    .await;
}

async fn unbind(topology: &Topology) {
    let channel = broker::connect().await.create_channel().await.unwrap();
    for exchange in [topology.exchange(), topology.everywhere()] {
        let (stream, key) = (topology.stream().into(), "".into());
        channel.queue_unbind(stream, exchange.into(), key, FieldTable::default()).await.unwrap();
    }
}

#[tokio::test]
async fn an_event_carries_its_id_its_type_and_outlives_a_restart() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        plane.log.publish(Destination::Own, &event("first")).await.unwrap();
        let tap = tap(&rabbit.topology("prod").exchange()).await;
        plane.log.publish(Destination::Own, &event("tapped")).await.unwrap();
        // An id longer than a short string of AMQP is in the body alone.
        plane.log.publish(Destination::Own, &event(&"x".repeat(500))).await.unwrap();
        let message = tap.0.basic_get(tap.1.as_str().into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
        let properties = &message.properties;
        assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "tapped");
        assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/cloudevents+json");
        assert_eq!(properties.delivery_mode(), &Some(2));
        assert_eq!(Event::parse(&message.data).unwrap().id, "tapped");
    })
    .await;
}

/// A queue that gets what goes through an exchange.
async fn tap(exchange: &str) -> (Channel, String) {
    let channel = broker::connect().await.create_channel().await.unwrap();
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
    let name = queue.name().to_string();
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(name.as_str().into(), exchange.into(), "".into(), options, none).await.unwrap();
    (channel, name)
}

#[tokio::test]
async fn a_full_queue_refuses_more_and_keeps_what_it_has() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        declare_narrow(&rabbit.topology("prod"), 2).await;
        let mut full = None;
        let mut taken = 0;
        while full.is_none() {
            match plane.jobs.submit(&job("imports")).await {
                Ok(()) => taken += 1,
                Err(error) => full = Some(error),
            }
            assert!(taken < 10, "it is never full");
        }
        assert!(matches!(full, Some(SendError::Full(_))), "{full:?}");
        let mut reader = plane.jobs.consume(&"imports".parse().unwrap(), 10);
        for _ in 0..taken {
            next(&mut reader).await.settle.settle(backplane::Settlement::Done).await.unwrap();
        }
    })
    .await;
}

/// The queue of imports as an operator may declare it, with room for a few.
async fn declare_narrow(topology: &Topology, most: i64) {
    let channel = broker::connect().await.create_channel().await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(most));
    let (jobs, queue) = (topology.jobs(), topology.job_queue(&"imports".parse().unwrap()));
    let (options, none) = (ExchangeDeclareOptions { durable: true, ..Default::default() }, FieldTable::default());
    channel.exchange_declare(jobs.as_str().into(), ExchangeKind::Direct, options, none.clone()).await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.as_str().into(), options, arguments).await.unwrap();
    channel.queue_bind(queue.into(), jobs.into(), "imports".into(), QueueBindOptions::default(), none).await.unwrap();
}

#[tokio::test]
async fn a_buried_job_lies_beside_its_queue_with_the_reason() {
    Rabbit::run(async |rabbit| {
        let (plane, kind) = (rabbit.open(&broker::url(), "prod"), "imports".parse().unwrap());
        let mut reader = plane.jobs.consume(&kind, 1);
        up(&mut reader.link).await;
        let submitted = job("imports");
        plane.jobs.submit(&submitted).await.unwrap();
        let dead = backplane::Settlement::Dead { reason: "no such file".to_owned() };
        next(&mut reader).await.settle.settle(dead).await.unwrap();
        let topology = rabbit.topology("prod");
        let channel = broker::connect().await.create_channel().await.unwrap();
        let queue = topology.queue_of(&topology.dead_key(&kind)).into();
        let message = channel.basic_get(queue, BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
        let reason = message.properties.headers().as_ref().unwrap().inner().get("reason").unwrap();
        assert_eq!(reason, &AMQPValue::LongString("no such file".into()));
        assert_eq!(serde_json::from_slice::<model::Job>(&message.data).unwrap(), submitted);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_job_is_taken_with_the_reason_and_can_be_buried() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let mut reader = plane.jobs.consume(&"imports".parse().unwrap(), 1);
        up(&mut reader.link).await;
        broker::publish(&rabbit.topology("prod").jobs(), "imports", b"{}").await;
        let taken = next(&mut reader).await;
        let reason = taken.job.unwrap_err();
        assert!(reason.contains("task"), "{reason}");
        taken.settle.settle(backplane::Settlement::Dead { reason }).await.unwrap();
    })
    .await;
}
