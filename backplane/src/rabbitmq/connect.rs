//! Connects to the broker, and classifies its errors.

use std::{sync::Arc, time::Duration};

use deadpool_lapin::{Config, Pool, Runtime, Timeouts};
use lapin::{
    Connection, ConnectionProperties, ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
    uri::AMQPUri,
};
use tokio::time::timeout;

use crate::{link::SendError, topology::Topology};

/// Limit for connecting, the handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit for an answer of the broker.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds between heartbeats; a peer silent for twice as long counts as lost.
const HEARTBEAT: u16 = 10;

/// The broker of one environment: its address and the names on it.
#[derive(Clone)]
pub(super) struct Broker {
    // Holds the password: never shown.
    url: Arc<str>,
    pub(super) topology: Arc<Topology>,
}

impl Broker {
    /// Parses the address; an error never repeats it.
    pub(super) fn new(url: &str, topology: Topology) -> Result<Self, String> {
        let mut uri: AMQPUri = url.parse().map_err(|_| "it is no amqp://user:password@host:port/vhost".to_owned())?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        uri.query.connection_timeout.get_or_insert(CONNECT_TIMEOUT.as_millis() as u64);
        Ok(Self { url: uri.to_string().into(), topology: Arc::new(topology) })
    }

    /// A new connection, named after its purpose.
    pub(super) async fn connect(&self, purpose: &str) -> Result<Connection, String> {
        match timeout(CONNECT_TIMEOUT, Connection::connect(&self.url, properties(&self.topology, purpose))).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer to connecting within {CONNECT_TIMEOUT:?}")),
        }
    }

    /// A pool for the publishing connection.
    pub(super) fn pool(&self, purpose: &'static str) -> Result<Pool, String> {
        let config = Config { url: Some(self.url.to_string()), pool: None };
        let topology = self.topology.clone();
        let builder = config
            .builder(move || properties(&topology, purpose), Runtime::Tokio1)
            .map_err(|error| error.to_string())?;
        // One in use, and a second while publishes in flight still hold one that broke.
        let limit = Some(CONNECT_TIMEOUT);
        builder
            .max_size(2)
            .timeouts(Timeouts { wait: limit, create: limit, recycle: limit })
            .build()
            .map_err(|error| error.to_string())
    }
}

fn properties(topology: &Topology, purpose: &str) -> ConnectionProperties {
    // `bellwire.prod` is shown to the operator as `bellwire prod events`.
    let name = format!("{} {purpose}", topology.exchange().replacen('.', " ", 1));
    // No recovery by the library: it would start a stream where it first started, and interfere with ours.
    ConnectionProperties::default().with_connection_name(name.into())
}

/// The kinds of error that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// 403: this user may not.
    Refused,
    /// 404: there is no such exchange or queue.
    Missing,
    /// Anything else; it may be transient.
    Other,
}

/// Awaits an answer within [`ANSWER_TIMEOUT`]: if a connection is lost at the wrong moment, the library never answers.
pub(super) async fn await_answer<T>(request: impl Future<Output = T>) -> Result<T, SendError> {
    let late = |_| SendError::Unavailable(format!("the broker gave no answer within {ANSWER_TIMEOUT:?}"));
    timeout(ANSWER_TIMEOUT, request).await.map_err(late)
}

/// Classifies an error of the library.
pub(super) fn fault(error: &lapin::Error) -> Fault {
    let ErrorKind::ProtocolError(error) = error.kind() else {
        return Fault::Other;
    };
    match error.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Fault::Refused,
        // The broker also answers 404 for a queue that exists and is not up yet.
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) if !is_queue_unavailable(error.get_message().as_str()) => {
            Fault::Missing
        }
        _ => Fault::Other,
    }
}

/// True if a 404 is about a queue that starts, recovers or has lost its leader.
fn is_queue_unavailable(message: &str) -> bool {
    ["is down or inaccessible", "due to timeout", "stopped by supervisor"].iter().any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_refused_without_its_password_being_shown() {
        let topology = Topology::new(Default::default(), "prod".parse().unwrap());
        for url in ["amqp:ada:secret@host", "http://ada:secret@host", "amqp://ada:secret@host/?heartbeat=secret"] {
            let error = Broker::new(url, topology.clone()).err().unwrap();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
