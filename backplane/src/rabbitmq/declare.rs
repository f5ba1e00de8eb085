//! The names on the broker: looked for, and made where they are missing and this user may.
//!
//! Looking needs no right; declaring what exists, even with equal arguments, needs one. Each try has a
//! channel of its own, because an error closes the channel.

use std::time::Duration;

use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::connect::{Fault, fault};
use model::environment::Kind;

use crate::{jobs::RETRY_STEPS, send::SendError, topology::Topology};

/// Entries of the log are kept this long, and as many as fit; a policy of the operator's overrides both.
const LOG_MAX_AGE: &str = "7D";
const LOG_MAX_BYTES: i64 = 1_000_000_000;
/// Retention removes whole segments, so they are small.
const LOG_SEGMENT_BYTES: i64 = 10_000_000;
/// Jobs that a queue holds before it refuses more.
const JOBS_MAX_LENGTH: i64 = 100_000;
/// Times a job is handed out again after a worker was lost with it, before it is laid beside.
const JOBS_DELIVERY_LIMIT: i64 = 20;
/// The same for the dead, whom looking hands out: RabbitMQ 4 has a limit of 20 where none is given, and drops them at it.
const DEAD_DELIVERY_LIMIT: i64 = 1_000_000_000;

/// Whether bindings are made again: they cannot be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bindings {
    /// Only of what had to be made.
    OfTheNew,
    /// All, because one was found missing.
    All,
}

/// Whether something had to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It was there.
    There,
    /// It is new, so it is empty.
    Made,
}

/// The fanouts of events, the stream and its bindings; answers for the stream.
pub(super) async fn log(connection: &Connection, topology: &Topology, bindings: Bindings) -> Result<Found, SendError> {
    let (everywhere, own, stream) = (topology.everywhere(), topology.exchange(), topology.stream());
    exchange(connection, &everywhere, ExchangeKind::Fanout).await?;
    exchange(connection, &own, ExchangeKind::Fanout).await?;
    let found = queue(connection, &stream, stream_arguments()).await?;
    if found == Found::Made || bindings == Bindings::All {
        // Its own last: a publish to it that is not returned proves both.
        bind(connection, &stream, &everywhere, "").await?;
        bind(connection, &stream, &own, "").await?;
    }
    Ok(found)
}

/// The exchange of jobs, and the queues of a kind: its own, the ladder, the dead.
pub(super) async fn jobs(
    connection: &Connection,
    topology: &Topology,
    kind: &Kind,
    bindings: Bindings,
) -> Result<(), SendError> {
    exchange(connection, &topology.jobs(), ExchangeKind::Direct).await?;
    // The dead first: at-least-once dead lettering holds everything back while its target is missing.
    let dead = topology.dead_key(kind);
    job_queue(connection, topology, &dead, dead_arguments(), bindings).await?;
    for step in RETRY_STEPS {
        let key = topology.retry_key(kind, step);
        job_queue(connection, topology, &key, ladder_arguments(topology, kind, step), bindings).await?;
    }
    job_queue(connection, topology, kind.as_str(), work_arguments(topology, kind), bindings).await
}

/// The fanout of words between pods.
pub(super) async fn control(connection: &Connection, topology: &Topology) -> Result<(), SendError> {
    exchange(connection, &topology.control(), ExchangeKind::Fanout).await
}

/// Binds a queue; binding twice is binding once.
pub(super) async fn bind(connection: &Connection, queue: &str, exchange: &str, key: &str) -> Result<(), SendError> {
    channel(connection)
        .await?
        .queue_bind(queue.into(), exchange.into(), key.into(), QueueBindOptions::default(), FieldTable::default())
        .await
        .map_err(|error| {
            explain(&error, || format!("{queue} is not bound to {exchange} and this user may not bind it"))
        })
}

async fn job_queue(
    connection: &Connection,
    topology: &Topology,
    key: &str,
    arguments: FieldTable,
    bindings: Bindings,
) -> Result<(), SendError> {
    let name = topology.queue_of(key);
    let found = queue(connection, &name, arguments).await?;
    if found == Found::Made || bindings == Bindings::All {
        bind(connection, &name, &topology.jobs(), key).await?;
    }
    Ok(())
}

async fn exchange(connection: &Connection, name: &str, kind: ExchangeKind) -> Result<(), SendError> {
    let look = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let looked =
        channel(connection).await?.exchange_declare(name.into(), kind.clone(), look, FieldTable::default()).await;
    if !is_missing(looked)? {
        return Ok(());
    }
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let made = channel(connection).await?.exchange_declare(name.into(), kind, durable, FieldTable::default()).await;
    made.map_err(|error| missing(&error, name))
}

async fn queue(connection: &Connection, name: &str, arguments: FieldTable) -> Result<Found, SendError> {
    if ready(connection, name).await?.is_some() {
        return Ok(Found::There);
    }
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let made = channel(connection).await?.queue_declare(name.into(), durable, arguments).await;
    made.map(|_| Found::Made).map_err(|error| missing(&error, name))
}

/// How many messages wait in a queue; `None` if there is no such queue. It needs no right.
pub(super) async fn ready(connection: &Connection, name: &str) -> Result<Option<u32>, SendError> {
    let look = QueueDeclareOptions { passive: true, ..Default::default() };
    match channel(connection).await?.queue_declare(name.into(), look, FieldTable::default()).await {
        Ok(queue) => Ok(Some(queue.message_count())),
        Err(error) if fault(&error) == Fault::Missing => Ok(None),
        Err(error) => Err(SendError::Unavailable(error.to_string())),
    }
}

async fn channel(connection: &Connection) -> Result<Channel, SendError> {
    connection.create_channel().await.map_err(|error| SendError::Unavailable(error.to_string()))
}

fn is_missing(looked: lapin::Result<()>) -> Result<bool, SendError> {
    match looked {
        Ok(()) => Ok(false),
        Err(error) if fault(&error) == Fault::Missing => Ok(true),
        Err(error) => Err(SendError::Unavailable(error.to_string())),
    }
}

fn missing(error: &lapin::Error, name: &str) -> SendError {
    explain(error, || format!("{name} is missing and this user may not declare it"))
}

fn explain(error: &lapin::Error, refused: impl FnOnce() -> String) -> SendError {
    match fault(error) {
        Fault::Refused => SendError::Refused(format!("ask your operator: {}", refused())),
        Fault::Missing | Fault::Other => SendError::Unavailable(error.to_string()),
    }
}

fn stream_arguments() -> FieldTable {
    table([
        ("x-queue-type", text("stream")),
        ("x-max-age", text(LOG_MAX_AGE)),
        ("x-max-length-bytes", AMQPValue::LongLongInt(LOG_MAX_BYTES)),
        ("x-stream-max-segment-size-bytes", AMQPValue::LongLongInt(LOG_SEGMENT_BYTES)),
    ])
}

fn quorum_arguments() -> FieldTable {
    table([("x-queue-type", text("quorum"))])
}

fn dead_arguments() -> FieldTable {
    let mut arguments = quorum_arguments();
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DEAD_DELIVERY_LIMIT));
    arguments
}

fn work_arguments(topology: &Topology, kind: &Kind) -> FieldTable {
    let mut arguments = dead_lettering(topology, &topology.dead_key(kind));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(JOBS_DELIVERY_LIMIT));
    arguments
}

fn ladder_arguments(topology: &Topology, kind: &Kind, step: Duration) -> FieldTable {
    let mut arguments = dead_lettering(topology, kind.as_str());
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(step.as_millis() as i64));
    arguments
}

/// Nothing is dropped on the way: what cannot be taken is refused, and what leaves is confirmed first.
fn dead_lettering(topology: &Topology, key: &str) -> FieldTable {
    let mut arguments = quorum_arguments();
    for (name, value) in [
        ("x-dead-letter-exchange", text(&topology.jobs())),
        ("x-dead-letter-routing-key", text(key)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
        ("x-max-length", AMQPValue::LongLongInt(JOBS_MAX_LENGTH)),
    ] {
        arguments.insert(name.into(), value);
    }
    arguments
}

fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}
