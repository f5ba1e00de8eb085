//! Declares exchanges, queues and bindings where they are missing and this user may.
//!
//! A passive declare needs no permission, since RabbitMQ 4.3 any one on that name; a real one does, even of something that
//! exists with equal arguments. Each has a channel of its own, because an error closes the channel.
//!
//! What this user may not even look at is not his to declare, so it counts as existing: what is wrong with it is told by its use.

use std::time::Duration;

use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use model::environment::Kind;

use super::connect::{Fault, fault};
use crate::{jobs::RETRY_STEPS, lane::Lane, link::SendError, topology::Topology};

/// Entries of the log are kept this long, and as many as fit; a policy of the operator's overrides both.
const LOG_MAX_AGE: &str = "7D";
const LOG_MAX_BYTES: i64 = 1_000_000_000;
/// Retention removes whole segments, so they are small.
const LOG_SEGMENT_BYTES: i64 = 10_000_000;
/// Jobs that a queue holds before it refuses more.
const JOBS_MAX_LENGTH: i64 = 100_000;
/// Redeliveries of a job whose workers were lost, before the broker dead-letters it.
const JOBS_DELIVERY_LIMIT: i64 = 20;
/// The same for dead jobs, which every scan delivers: RabbitMQ 4 drops them after 20 deliveries if none is set.
const DEAD_DELIVERY_LIMIT: i64 = 1_000_000_000;

/// Messages that the queue of the lease holds beside the one that its holder has.
const LEASE_MAX_LENGTH: i64 = 100;

/// Which bindings to declare: whether one exists cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bindings {
    /// Those of new queues.
    NewOnly,
    /// All, because one was missing.
    All,
}

/// The existence of an exchange or a queue before it was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existence {
    /// It existed.
    Existing,
    /// It is new, so it is empty.
    Created,
}

/// Declares the fanouts of events, the stream and its bindings; returns the existence of the stream.
pub(super) async fn log(
    connection: &Connection,
    topology: &Topology,
    bindings: Bindings,
) -> Result<Existence, SendError> {
    let (everywhere, own, stream) = (topology.everywhere(), topology.exchange(), topology.stream());
    let publishers = topology.publishers();
    exchange(connection, &everywhere, ExchangeKind::Fanout).await?;
    exchange(connection, &own, ExchangeKind::Fanout).await?;
    let for_publishers = match exchange(connection, &publishers, ExchangeKind::Fanout).await {
        // An environment from before plain publishers had an exchange of their own goes on without it.
        Err(SendError::Refused(_)) if bindings == Bindings::NewOnly => None,
        declared => Some(declared?),
    };
    let existence = queue(connection, &stream, stream_arguments()).await?;
    let is_new = existence == Existence::Created || bindings == Bindings::All;
    if for_publishers == Some(Existence::Created) || is_new && for_publishers.is_some() {
        bind(connection, &stream, &publishers, "").await?;
    }
    if is_new {
        // Its own exchange last: a publish to it that is not returned proves both.
        bind(connection, &stream, &everywhere, "").await?;
        bind(connection, &stream, &own, "").await?;
    }
    Ok(existence)
}

/// Declares the exchange of jobs and the queues of a kind without the lanes that are asked: work, retries and dead jobs.
pub(super) async fn jobs(
    connection: &Connection,
    topology: &Topology,
    kind: &Kind,
    bindings: Bindings,
) -> Result<(), SendError> {
    exchange(connection, &topology.jobs(), ExchangeKind::Direct).await?;
    // The dead queue first: at-least-once dead lettering holds everything back while its target is missing.
    let dead = topology.dead_key(kind);
    job_queue(connection, topology, &dead, dead_arguments(), bindings).await?;
    for step in RETRY_STEPS {
        let key = topology.retry_key(kind, step);
        job_queue(connection, topology, &key, retry_arguments(topology, kind, step), bindings).await?;
    }
    job_queue(connection, topology, kind.as_str(), work_arguments(topology, kind), bindings).await
}

/// Declares a lane of a kind that is asked, before or behind the first.
pub(super) async fn lane(
    connection: &Connection,
    topology: &Topology,
    kind: &Kind,
    lane: Lane,
    bindings: Bindings,
) -> Result<(), SendError> {
    let key = topology.lane_key(kind, lane);
    job_queue(connection, topology, &key, work_arguments(topology, kind), bindings).await
}

/// Declares the queue by which gateways agree on who starts what is scheduled.
pub(super) async fn lease(connection: &Connection, topology: &Topology, bindings: Bindings) -> Result<(), SendError> {
    exchange(connection, &topology.jobs(), ExchangeKind::Direct).await?;
    job_queue(connection, topology, Topology::LEASE_KEY, lease_arguments(), bindings).await
}

/// Declares the fanout of control messages.
pub(super) async fn control(connection: &Connection, topology: &Topology) -> Result<(), SendError> {
    exchange(connection, &topology.control(), ExchangeKind::Fanout).await.map(drop)
}

/// Binds a queue; idempotent.
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
    let existence = queue(connection, &name, arguments).await?;
    if existence == Existence::Created || bindings == Bindings::All {
        bind(connection, &name, &topology.jobs(), key).await?;
    }
    Ok(())
}

async fn exchange(connection: &Connection, name: &str, kind: ExchangeKind) -> Result<Existence, SendError> {
    let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let found =
        channel(connection).await?.exchange_declare(name.into(), kind.clone(), passive, FieldTable::default()).await;
    match found.as_ref().map_err(fault) {
        Ok(()) | Err(Fault::Refused) => return Ok(Existence::Existing),
        Err(Fault::Missing) => {}
        Err(Fault::Other) => return found.map(|()| Existence::Existing).map_err(unavailable),
    }
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let declared = channel(connection).await?.exchange_declare(name.into(), kind, durable, FieldTable::default()).await;
    declared.map(|()| Existence::Created).map_err(|error| declare_error(&error, name))
}

async fn queue(connection: &Connection, name: &str, arguments: FieldTable) -> Result<Existence, SendError> {
    match ready(connection, name).await {
        Ok(Some(_)) | Err(SendError::Refused(_)) => return Ok(Existence::Existing),
        Ok(None) => {}
        Err(error) => return Err(error),
    }
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let declared = channel(connection).await?.queue_declare(name.into(), durable, arguments).await;
    declared.map(|_| Existence::Created).map_err(|error| declare_error(&error, name))
}

/// The number of messages ready in a queue; `None` if there is no such queue. Since RabbitMQ 4.3 it needs some right on that queue.
pub(super) async fn ready(connection: &Connection, name: &str) -> Result<Option<u32>, SendError> {
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    match channel(connection).await?.queue_declare(name.into(), passive, FieldTable::default()).await {
        Ok(queue) => Ok(Some(queue.message_count())),
        Err(error) if fault(&error) == Fault::Missing => Ok(None),
        Err(error) => Err(explain(&error, || format!("this user may not count what is in {name}"))),
    }
}

async fn channel(connection: &Connection) -> Result<Channel, SendError> {
    connection.create_channel().await.map_err(unavailable)
}

fn unavailable(error: lapin::Error) -> SendError {
    SendError::Unavailable(error.to_string())
}

fn declare_error(error: &lapin::Error, name: &str) -> SendError {
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

/// Its messages say nothing, so the oldest may go; what is redelivered with each holder that is lost must not.
fn lease_arguments() -> FieldTable {
    let mut arguments = dead_arguments();
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(LEASE_MAX_LENGTH));
    arguments
}

fn work_arguments(topology: &Topology, kind: &Kind) -> FieldTable {
    let mut arguments = dead_lettering(topology, &topology.dead_key(kind));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(JOBS_DELIVERY_LIMIT));
    arguments
}

fn retry_arguments(topology: &Topology, kind: &Kind, step: Duration) -> FieldTable {
    let mut arguments = dead_lettering(topology, kind.as_str());
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(step.as_millis() as i64));
    arguments
}

/// Dead lettering without loss: a full queue refuses, and a message leaves only once its target has confirmed.
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
