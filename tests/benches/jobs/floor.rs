//! The floor: what the broker alone takes for the same promises. The queues and the log of ours, messages of the same
//! size, and programs that do nothing but hand them on: no signature, no fence, no state, no retry.

use std::{env, process::Command, time::Instant};

use backplane::{Destination, topology::Topology};
use futures_util::{FutureExt, StreamExt, stream::FuturesOrdered};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, PublisherConfirm,
    options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use model::TaskId;
use tokio::{select, sync::watch};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    bellwire::{self, declare, job, kind, prod},
    program::Role,
    side::Side,
    submitter::{self, Ends},
};

/// Says that a program is of the floor.
const VARIABLE: &str = "BENCH_FLOOR";
/// The bytes of an event that says that a task has succeeded, about.
const EVENT_BYTES: usize = 700;
/// Entries of the log that are sent ahead of acknowledgements.
const ENTRIES_AHEAD: u16 = 300;
/// The format of a persistent message.
const PERSISTENT: u8 = 2;

pub(crate) fn side() -> Side {
    let Side { teller, service, program, .. } = bellwire::side();
    let program = move |name: &str| -> Command {
        let mut command = program(name);
        command.env(VARIABLE, "yes");
        command
    };
    Side {
        name: "rabbitmq-alone",
        contract: "the same queue, log and confirms by a bare client: messages of that size, nothing read or signed",
        teller,
        service,
        program: Box::new(program),
    }
}

/// Whether this process is a program of the floor.
pub(crate) fn is_meant() -> bool {
    env::var_os(VARIABLE).is_some()
}

pub(crate) async fn run(role: &str, url: &str, name: &str, at_once: u16) {
    let topology = Topology::new(name.parse().unwrap(), prod());
    if role == Role::Work.as_str() {
        work(url, &topology, at_once).await;
    } else {
        declare(url, name).await;
        submit(url, &topology).await;
    }
}

/// Publishes an event for each job, and acknowledges what is confirmed, several together.
async fn work(url: &str, topology: &Topology, at_once: u16) {
    let connection = connect(url).await;
    let mut jobs = consume(&connection, &topology.job_queue(&kind()), at_once, FieldTable::default()).await;
    let publishing = confirming(&connection).await;
    let (exchange, event) = (topology.destination(Destination::Own), vec![b'e'; EVENT_BYTES]);
    let mut ending = FuturesOrdered::new();
    loop {
        select! {
            Some(job) = jobs.next() => {
                let job = job.unwrap();
                let id = job.properties.message_id().clone().unwrap();
                let confirm = publish(&publishing, &exchange, "", &event, id).await;
                ending.push_back(async move { confirm.await.unwrap(); job });
            }
            Some(mut job) = ending.next() => {
                while let Some(Some(next)) = ending.next().now_or_never() {
                    job = next;
                }
                job.acker.ack(BasicAckOptions { multiple: true }).await.unwrap();
            }
        }
    }
}

async fn submit(url: &str, topology: &Topology) {
    let connection = connect(url).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), AMQPValue::LongString(LongString::from("next")));
    let mut log = consume(&connection, &topology.stream(), ENTRIES_AHEAD, arguments).await;
    let (ends, heard) = watch::channel(Vec::new());
    let clock = Instant::now();
    let _hearing = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut unacknowledged = 0;
        while let Some(entry) = log.next().await {
            let entry = entry.unwrap();
            let id = entry.properties.message_id().clone().unwrap().to_string();
            ends.send_modify(|ends: &mut Ends| ends.push((id, clock.elapsed().as_secs_f64())));
            unacknowledged += 1;
            if unacknowledged == ENTRIES_AHEAD / 3 {
                entry.acker.ack(BasicAckOptions { multiple: true }).await.unwrap();
                unacknowledged = 0;
            }
        }
    }));
    let publishing = confirming(&connection).await;
    let (exchange, body) = (topology.jobs(), serde_json::to_vec(&job()).unwrap());
    let submit = |task: TaskId| {
        let (publishing, exchange, body) = (publishing.clone(), exchange.clone(), body.clone());
        async move {
            let confirm = publish(&publishing, &exchange, kind().as_str(), &body, task.to_string().into()).await;
            confirm.await.unwrap();
        }
    };
    submitter::serve(clock, heard, submit, async |_, _| unreachable!("it has no workflows")).await;
}

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default()).await.unwrap()
}

async fn consume(connection: &Connection, queue: &str, prefetch: u16, arguments: FieldTable) -> Consumer {
    let channel = connection.create_channel().await.unwrap();
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.unwrap();
    channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), arguments).await.unwrap()
}

async fn confirming(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

/// Publishes a persistent message; what is returned resolves once it is confirmed.
async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8], id: ShortString) -> PublisherConfirm {
    let properties = BasicProperties::default().with_message_id(id).with_delivery_mode(PERSISTENT);
    channel.basic_publish(exchange.into(), key.into(), BasicPublishOptions::default(), body, properties).await.unwrap()
}
