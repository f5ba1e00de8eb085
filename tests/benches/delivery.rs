//! How long from publishing to a browser's connection on a pod, against a bare consumer of the same stream.
//!
//! Both listen at the same time to the same events, so that the machine's mood falls on both.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use backplane::Destination;
use futures_util::StreamExt;
use lapin::{
    Connection, ConnectionProperties,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use model::{Audience, Event};
use scenarios::{Cluster, TestBackplane, test_backplane::Role};
use tokio::sync::{mpsc, oneshot};

const EVENTS: usize = 10_000;
const WARM_UP: usize = 500;
const PER_SECOND: u32 = 500;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let cluster = Cluster::new(TestBackplane::rabbitmq().await).await;
    let pod = cluster.pod().await;
    let (heard, mut arrivals) = mpsc::channel::<(Listener, usize, Instant)>(2 * EVENTS);

    let (consuming, ready) = oneshot::channel();
    let bare = tokio::spawn(consume(cluster.test_backplane.clone(), consuming, heard.clone()));
    ready.await.unwrap();
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let browser = tokio::spawn(async move {
        for _ in 0..EVENTS {
            let frame = browser.next().await;
            let number = frame.data["id"].as_str().unwrap().parse().unwrap();
            heard.send((Listener::Browser, number, Instant::now())).await.unwrap();
        }
    });

    let log = cluster.test_backplane.backplane(&"prod".parse().unwrap(), Role::Gateway).log;
    let mut sent = HashMap::new();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    for number in 0..EVENTS {
        pace.tick().await;
        let mut event = Event::new("/bench", "bench.event", Audience::user("ada"));
        event.id = number.to_string();
        event.data = Some(serde_json::json!({ "text": "x".repeat(400) }).into());
        sent.insert(number, Instant::now());
        log.publish(Destination::Own, &event).await.unwrap();
    }
    browser.await.unwrap();
    bare.await.unwrap();

    let mut took: HashMap<Listener, Vec<Duration>> = HashMap::new();
    while let Some((listener, number, at)) = arrivals.recv().await {
        if number >= WARM_UP {
            took.entry(listener).or_default().push(at - sent[&number]);
        }
    }
    let [bare, browser] =
        [Listener::Bare, Listener::Browser].map(|listener| Percentiles::of(took.remove(&listener).unwrap()));
    println!("publish to receive at {PER_SECOND} events/s, {} events of about 600 bytes, one run:", EVENTS - WARM_UP);
    println!("  bare consumer of the stream    p50 {:>6.2} ms   p99 {:>6.2} ms", bare.p50, bare.p99);
    println!("  a browser's connection         p50 {:>6.2} ms   p99 {:>6.2} ms", browser.p50, browser.p99);
    println!(
        "  ratio                          p50 {:>6.2}      p99 {:>6.2}",
        browser.p50 / bare.p50,
        browser.p99 / bare.p99
    );
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Listener {
    Bare,
    Browser,
}

/// In milliseconds.
struct Percentiles {
    p50: f64,
    p99: f64,
}

impl Percentiles {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let at = |part: f64| took[(took.len() as f64 * part) as usize].as_secs_f64() * 1000.0;
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// The least that can be done with lapin: a consumer that reads each event's id.
async fn consume(
    test_backplane: TestBackplane,
    consuming: oneshot::Sender<()>,
    heard: mpsc::Sender<(Listener, usize, Instant)>,
) {
    let TestBackplane::RabbitMq { operator, prefix } = test_backplane else { panic!("it is about RabbitMQ") };
    let connection = Connection::connect(operator.as_str(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.basic_qos(300, BasicQosOptions::default()).await.unwrap();
    let mut from = FieldTable::default();
    from.insert("x-stream-offset".into(), AMQPValue::LongString("next".into()));
    let stream = format!("{prefix}.prod.events");
    let mut consumer =
        channel.basic_consume(stream.into(), "bare".into(), BasicConsumeOptions::default(), from).await.unwrap();
    consuming.send(()).unwrap();
    let mut left = EVENTS;
    while left > 0 {
        let delivery = consumer.next().await.unwrap().unwrap();
        let at = Instant::now();
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        let event = Event::parse(&delivery.data).unwrap();
        if let Ok(number) = event.id.parse()
            && !event.is_pulse()
        {
            heard.send((Listener::Bare, number, at)).await.unwrap();
            left -= 1;
        }
    }
}
