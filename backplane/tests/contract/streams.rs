//! What a stream does that no log should, and what a reader makes of it.

use std::time::Duration;

use backplane::{Backplane, Gap, ReadFrom, topology::Topology};
use futures_util::StreamExt;
use jiff::{Timestamp, ToSpan};
use lapin::{
    Connection, Consumer,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable, LongString},
};
use model::{Cursor, Event};
use tokio::time::timeout;

use crate::{
    broker,
    expect::{down, entry, gap, id, ids, soon, up},
    fixtures::{event, long_ago, names, publish},
    world::Rabbit,
};

/// Far longer than what is there takes to come.
const SILENCE: Duration = Duration::from_secs(2);

fn after(last: Cursor) -> ReadFrom {
    let ReadFrom::Time(horizon) = long_ago() else { unreachable!("it is a time") };
    ReadFrom::After { last, horizon }
}

async fn delete(connection: &Connection, stream: &str) {
    let channel = connection.create_channel().await.unwrap();
    channel.queue_delete(stream.into(), QueueDeleteOptions::default()).await.unwrap();
}

/// A stream that keeps little: segments of 50 KB, two of them.
async fn declare_small(connection: &Connection, topology: &Topology) {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("stream".into()));
    arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(100_000));
    arguments.insert("x-stream-max-segment-size-bytes".into(), AMQPValue::LongLongInt(50_000));
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    let channel = connection.create_channel().await.unwrap();
    channel.queue_declare(topology.stream().into(), options, arguments).await.unwrap();
}

async fn consume(connection: &Connection, stream: &str, offset: AMQPValue) -> lapin::Result<Consumer> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(100, BasicQosOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), offset);
    channel.basic_consume(stream.into(), "".into(), BasicConsumeOptions::default(), arguments).await
}

/// Publishes so many and reads them back; the cursor of the last.
async fn fill(plane: &Backplane, count: usize) -> Cursor {
    publish(plane, &names(count)).await;
    let mut reader = plane.log.read(long_ago());
    let mut last = None;
    for _ in 0..count {
        last = Some(entry(&mut reader).await.cursor);
    }
    last.unwrap()
}

#[tokio::test]
async fn a_stream_made_again_and_shorter_is_a_gap_and_read_from_the_horizon() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let last = fill(&plane, 10).await;
        let connection = broker::connect().await;
        delete(&connection, &rabbit.topology("prod").stream()).await;
        publish(&plane, &["new".to_owned()]).await;
        let mut reader = plane.log.read(after(last));
        assert_eq!(gap(&mut reader).await, Gap::Remade);
        assert_eq!(ids(&mut reader, 1).await, ["new"]);
    })
    .await;
}

#[tokio::test]
async fn a_stream_made_again_and_longer_is_a_gap_and_read_from_the_horizon() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let last = fill(&plane, 3).await;
        let connection = broker::connect().await;
        delete(&connection, &rabbit.topology("prod").stream()).await;
        let new: Vec<_> = (0..10).map(|n| format!("new {n}")).collect();
        publish(&plane, &new).await;
        let mut reader = plane.log.read(after(last));
        assert_eq!(gap(&mut reader).await, Gap::Remade);
        assert_eq!(ids(&mut reader, 10).await, new);
    })
    .await;
}

#[tokio::test]
async fn a_stream_deleted_under_its_reader_is_made_again_and_read_on_after_a_gap() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        publish(&plane, &names(3)).await;
        let mut reader = plane.log.read(long_ago());
        assert_eq!(ids(&mut reader, 3).await, names(3));
        delete(&broker::connect().await, &rabbit.topology("prod").stream()).await;
        down(&mut reader.link).await;
        up(&mut reader.link).await;
        publish(&plane, &["new".to_owned()]).await;
        assert_eq!(gap(&mut reader).await, Gap::Remade);
        assert_eq!(ids(&mut reader, 1).await, ["new"]);
    })
    .await;
}

#[tokio::test]
async fn what_retention_has_removed_is_a_gap() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let connection = broker::connect().await;
        declare_small(&connection, &rabbit.topology("prod")).await;
        let first = fill(&plane, 1).await;
        let big = Event { data: Some(serde_json::Value::from("x".repeat(20_000)).into()), ..event("big") };
        for _ in 0..40 {
            plane.log.publish(backplane::Destination::Own, &big).await.unwrap();
        }
        let mut reader = plane.log.read(after(first));
        assert_eq!(gap(&mut reader).await, Gap::Retention);
        let next = entry(&mut reader).await;
        assert_eq!(id(&next), "big");
        assert!(next.cursor.offset > first.offset + 1);
    })
    .await;
}

#[tokio::test]
async fn an_offset_out_of_range_is_clamped_below_and_silent_above() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let last = fill(&plane, 3).await;
        let (connection, stream) = (broker::connect().await, rabbit.topology("prod").stream());
        let mut below = consume(&connection, &stream, AMQPValue::LongLongInt(-1)).await.unwrap();
        let delivery = soon("the first entry", below.next()).await.unwrap().unwrap();
        assert_eq!(Event::parse(&delivery.data).unwrap().id, "e0");
        let beyond = i64::try_from(last.offset).unwrap() + 5;
        let mut above = consume(&connection, &stream, AMQPValue::LongLongInt(beyond)).await.unwrap();
        publish(&plane, &["unheard".to_owned()]).await;
        assert!(timeout(SILENCE, above.next()).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn an_offset_as_a_text_is_no_number_and_ends_the_channel() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        fill(&plane, 1).await;
        let connection = broker::connect().await;
        let offset = AMQPValue::LongString(LongString::from("0"));
        let error = consume(&connection, &rabbit.topology("prod").stream(), offset).await.unwrap_err();
        assert!(error.to_string().contains("PRECONDITION"), "{error}");
        assert!(connection.status().connected());
    })
    .await;
}

#[tokio::test]
async fn a_consumer_of_a_deleted_stream_just_ends() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        fill(&plane, 1).await;
        let (connection, stream) = (broker::connect().await, rabbit.topology("prod").stream());
        let mut consumer = consume(&connection, &stream, AMQPValue::LongLongInt(0)).await.unwrap();
        let delivery = soon("the first entry", consumer.next()).await.unwrap().unwrap();
        delete(&broker::connect().await, &stream).await;
        assert!(soon("its end", consumer.next()).await.is_none());
        assert!(connection.status().connected());
        assert!(delivery.acker.ack(BasicAckOptions::default()).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_came_another_way_is_dropped_and_has_a_place() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let mut reader = plane.log.read(long_ago());
        publish(&plane, &["ours".to_owned()]).await;
        let topology = rabbit.topology("prod");
        let hostile = event("theirs").to_json().unwrap();
        broker::publish("", &topology.stream(), &hostile).await;
        broker::publish(&topology.exchange(), "", b"no event").await;
        publish(&plane, &["ours again".to_owned()]).await;
        assert_eq!(ids(&mut reader, 1).await, ["ours"]);
        let foreign = entry(&mut reader).await;
        assert_eq!(foreign.event.unwrap_err().to_string(), "it came through the exchange \"\"");
        let malformed = entry(&mut reader).await;
        assert!(malformed.event.unwrap_err().to_string().contains("not a CloudEvent"));
        assert_eq!(ids(&mut reader, 1).await, ["ours again"]);
    })
    .await;
}

#[tokio::test]
async fn reading_from_a_time_begins_with_what_is_not_older() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        fill(&plane, 3).await;
        // The broker counts in whole seconds: what it has is older than the next.
        let mut reader = plane.log.read(ReadFrom::Time(Timestamp::now() + 1.second()));
        let first = loop {
            publish(&plane, &["later".to_owned()]).await;
            if let Ok(first) = timeout(Duration::from_millis(100), entry(&mut reader)).await {
                break first;
            }
        };
        assert_eq!(id(&first), "later");
    })
    .await;
}
