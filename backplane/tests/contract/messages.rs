//! Events as other people's programs send them over AMQP, and what becomes of those that cannot be used.

use std::io::Write;

use backplane::{Backplane, DropReason, LogReader};
use flate2::{Compression, write::GzEncoder};
use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};

use crate::{
    broker,
    expect::{entry, id, up},
    fixtures::{event, long_ago},
    world::Rabbit,
};

/// A reader of the log of `prod`, which is there.
async fn reader(rabbit: &Rabbit) -> (Backplane, LogReader) {
    let plane = rabbit.open(&broker::url(), "prod");
    let mut reader = plane.log.read(long_ago());
    up(&mut reader.link).await;
    (plane, reader)
}

/// Publishes as a plain publisher does.
async fn say(rabbit: &Rabbit, properties: BasicProperties, body: &[u8]) {
    let connection = broker::connect().await;
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let (exchange, options) = (rabbit.topology("prod").publishers(), BasicPublishOptions::default());
    let sent = channel.basic_publish(exchange.into(), "".into(), options, body, properties).await.unwrap();
    assert!(sent.await.unwrap().is_ack());
    connection.close(200, "done".into()).await.unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// The headers of a binary event.
fn headers(prefix: &str, id: &str, more: Vec<(&str, AMQPValue)>) -> FieldTable {
    let required = [("specversion", "1.0"), ("id", id), ("source", "/s"), ("type", "t"), ("audience", "user:ada")];
    let mut headers = FieldTable::default();
    for (name, value) in required.map(|(name, value)| (name, text(value))).into_iter().chain(more) {
        headers.insert(format!("{prefix}{name}").into(), value);
    }
    headers
}

#[tokio::test]
async fn an_event_may_be_packed_and_is_unpacked_no_further_than_an_event_is_long() {
    Rabbit::run(async |rabbit| {
        let (_plane, mut reader) = reader(&rabbit).await;
        let packed = |bytes: &[u8]| (BasicProperties::default().with_content_encoding("gzip".into()), gzip(bytes));
        let (properties, body) = packed(&event("packed").to_json().unwrap());
        say(&rabbit, properties, &body).await;
        assert_eq!(id(&entry(&mut reader).await), "packed");
        // A client that names the encoding of its letters.
        let named = BasicProperties::default().with_content_encoding("utf-8".into());
        say(&rabbit, named, &event("named").to_json().unwrap()).await;
        assert_eq!(id(&entry(&mut reader).await), "named");
        let (properties, bomb) = packed(&vec![b' '; 100 << 20]);
        say(&rabbit, properties.clone(), &bomb).await;
        say(&rabbit, properties, b"no gzip").await;
        let unknown = BasicProperties::default().with_content_encoding("br".into());
        say(&rabbit, unknown, b"\x0b\x02\x80").await;
        for wanted in ["65536 bytes once it is unpacked", "not the gzip", "\"br\""] {
            let dropped = entry(&mut reader).await.event.unwrap_err();
            assert!(matches!(&dropped, DropReason::Unreadable(why) if why.contains(wanted)), "{dropped}");
        }
    })
    .await;
}

#[tokio::test]
async fn attributes_may_stand_in_headers_under_each_prefix_and_as_their_own_types() {
    Rabbit::run(async |rabbit| {
        let (_plane, mut reader) = reader(&rabbit).await;
        for prefix in ["cloudEvents:", "cloudEvents_", "ce-"] {
            let more = vec![
                ("time", AMQPValue::Timestamp(1_700_000_000)),
                ("expirytime", AMQPValue::LongLongInt(4_102_444_800_123)),
                ("sampledrate", AMQPValue::LongInt(7)),
                ("flag", AMQPValue::Boolean(true)),
                ("subject", AMQPValue::Void),
            ];
            let properties = BasicProperties::default().with_headers(headers(prefix, prefix, more));
            say(&rabbit, properties.with_content_type("application/json".into()), b"{\"n\": 1e400}").await;
            let entry = entry(&mut reader).await;
            let read = entry.event.unwrap();
            assert_eq!((read.id.as_str(), read.data.as_ref().unwrap().get()), (prefix, "{\"n\":1e400}"));
            let value = serde_json::to_value(without_data(&read)).unwrap();
            let wanted = json!({ "time": "2023-11-14T22:13:20Z", "expirytime": "2100-01-01T00:00:00.123Z",
                "sampledrate": 7, "flag": true, "subject": Value::Null });
            for (name, wanted) in wanted.as_object().unwrap() {
                assert_eq!(value.get(name).unwrap_or(&Value::Null), wanted, "{name}");
            }
        }
        // The content type decides, whatever headers stand beside it.
        let structured = BasicProperties::default().with_headers(headers("cloudEvents:", "headers", vec![]));
        let structured = structured.with_content_type("application/cloudevents+json; charset=utf-8".into());
        say(&rabbit, structured, &event("body").to_json().unwrap()).await;
        assert_eq!(id(&entry(&mut reader).await), "body");
    })
    .await;
}

/// The event without its data, which no value can hold.
fn without_data(event: &model::Event) -> model::Event {
    model::Event { data: None, ..event.clone() }
}

#[tokio::test]
async fn what_cannot_be_used_is_read_with_its_reason_its_bytes_and_who_sent_it() {
    Rabbit::run(async |rabbit| {
        let (plane, mut reader) = reader(&rabbit).await;
        let batch = BasicProperties::default().with_content_type("application/cloudevents-batch+json".into());
        say(&rabbit, batch, b"[]").await;
        let wrong = headers("ce-", "1", vec![("my-own", text("x"))]);
        say(&rabbit, BasicProperties::default().with_headers(wrong), b"").await;
        let odd = headers("ce-", "1", vec![("list", AMQPValue::Double(0.5))]);
        say(&rabbit, BasicProperties::default().with_headers(odd), b"").await;
        say(&rabbit, BasicProperties::default(), b"\xffnot json").await;
        for (wanted, body) in [
            ("cloudevents-batch", &b"[]"[..]),
            ("my-own", b""),
            ("\"list\"", b""),
            ("CloudEvent in JSON", b"\xffnot json"),
        ] {
            let entry = entry(&mut reader).await;
            let reason = entry.event.unwrap_err().to_string();
            assert!(reason.contains(wanted), "{wanted}: {reason}");
            let message = entry.dropped.unwrap();
            assert_eq!((message.exchange, message.body), (rabbit.topology("prod").publishers(), body.to_vec()));
        }
        plane.log.publish(backplane::Destination::Own, &event("fine")).await.unwrap();
        assert_eq!(entry(&mut reader).await.dropped, None);
        let end = plane.log.near_end().await.unwrap();
        assert!(end.is_some_and(|end| end <= 4), "{end:?}");
    })
    .await;
}
