//! The RabbitMQ that the tests are given, and what its operator can do to it.

use std::process::Command;

use backplane::{
    Lane,
    topology::{Prefix, Topology},
};
use lapin::{
    BasicProperties, Confirmation, Connection, ConnectionProperties,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions,
        QueuePurgeOptions,
    },
    types::FieldTable,
};
use model::{Environment, Kind};

/// An address with an administrator's rights.
pub fn url() -> String {
    given("BELLWIRE_TEST_AMQP_URL")
}

/// What the tests are told by a variable.
pub fn given(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run `make test`, which starts a broker"))
}

/// A connection of the administrator's.
pub async fn connect() -> Connection {
    Connection::connect(&url(), ConnectionProperties::default()).await.unwrap()
}

/// Runs rabbitmqctl; gives what it prints.
pub fn ctl(arguments: &[&str]) -> String {
    let ran = rabbitmqctl(arguments).output().unwrap();
    assert!(ran.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// rabbitmqctl for this broker, to be run.
pub fn rabbitmqctl(arguments: &[&str]) -> Command {
    let given = rabbitmqctl_words();
    let mut words = given.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg("-q").args(arguments);
    command
}

/// rabbitmqctl for this broker: the program, and arguments that it always has.
pub fn rabbitmqctl_words() -> String {
    given("BELLWIRE_TEST_RABBITMQCTL")
}

/// A prefix that no other test has.
pub fn prefix() -> Prefix {
    format!("t{:08x}", rand::random::<u32>()).parse().unwrap()
}

/// Deletes all that an environment has on the broker.
pub async fn clean(prefix: &Prefix, environments: &[Environment], kinds: &[Kind]) {
    let connection = connect().await;
    let (mut queues, mut exchanges) = (Vec::new(), Vec::new());
    for environment in environments {
        let topology = Topology::new(prefix.clone(), environment.clone());
        queues.extend([topology.stream(), topology.queue_of(Topology::LEASE_KEY)]);
        exchanges.extend([
            topology.everywhere(),
            topology.exchange(),
            topology.publishers(),
            topology.jobs(),
            topology.control(),
        ]);
        for kind in kinds {
            queues.extend([topology.job_queue(kind), topology.queue_of(&topology.dead_key(kind))]);
            queues.extend(Lane::ASKED.map(|lane| topology.queue_of(&topology.lane_key(kind, lane))));
            queues.extend(backplane::jobs::RETRY_STEPS.map(|step| topology.queue_of(&topology.retry_key(kind, step))));
        }
    }
    // Deleting what is not there is no error.
    let channel = connection.create_channel().await.unwrap();
    for queue in queues {
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }
    for exchange in exchanges {
        channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// Deletes an exchange.
pub async fn delete_exchange(name: &str) {
    let connection = connect().await;
    let channel = connection.create_channel().await.unwrap();
    channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

/// Unbinds a queue, and removes what is in it once nobody consumes it any more.
pub async fn unbind_and_empty(queue: &str, exchange: &str, key: &str) {
    let connection = connect().await;
    let channel = connection.create_channel().await.unwrap();
    channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default()).await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    while channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().consumer_count() > 0 {}
    while channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.unwrap() > 0 {}
    connection.close(200, "done".into()).await.unwrap();
}

/// Publishes bytes as any program might, with no checks.
pub async fn publish(exchange: &str, key: &str, body: &[u8]) {
    assert!(try_publish(&url(), exchange, key, body).await.unwrap().is_ack());
}

/// Publishes bytes as this user; what the broker says to it.
pub async fn try_publish(url: &str, exchange: &str, key: &str, body: &[u8]) -> lapin::Result<Confirmation> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?.await
}

/// Closes the connections with this name, as an operator does; waits until there is one.
pub fn close_connection(name: &str) {
    let named = format!("\"{name}\"");
    for _ in 0..20 {
        let connections = ctl(&["list_connections", "pid", "client_properties"]);
        let pids: Vec<_> = connections.lines().filter(|line| line.contains(&named)).collect();
        for line in &pids {
            let pid = line.split_whitespace().next().unwrap();
            ctl(&["close_connection", pid, "closed by a test"]);
        }
        if !pids.is_empty() {
            return;
        }
    }
    panic!("no connection is named {name}");
}
