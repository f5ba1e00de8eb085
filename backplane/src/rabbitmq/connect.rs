//! One connection to the broker, and what its errors mean.

use std::{sync::Arc, time::Duration};

use deadpool_lapin::{Config, Pool, Runtime, Timeouts};
use lapin::{
    Connection, ConnectionProperties, ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
    uri::AMQPUri,
};
use tokio::time::timeout;

use crate::{send::SendError, topology::Topology};

/// How long connecting may take, the handshake included.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long the broker may take to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// Seconds between heartbeats; a peer silent for twice as long is gone.
const HEARTBEAT: u16 = 10;

/// The broker of one environment: its address and the names on it.
#[derive(Clone)]
pub(super) struct Broker {
    // It holds the password: never shown.
    url: Arc<str>,
    pub(super) topology: Arc<Topology>,
}

impl Broker {
    /// Checks the address; an error never repeats it.
    pub(super) fn new(url: &str, topology: Topology) -> Result<Self, String> {
        let mut uri: AMQPUri = url.parse().map_err(|_| "it is no amqp://user:password@host:port/vhost".to_owned())?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        uri.query.connection_timeout.get_or_insert(CONNECT_PATIENCE.as_millis() as u64);
        Ok(Self { url: uri.to_string().into(), topology: Arc::new(topology) })
    }

    /// A new connection, named after what it is for.
    pub(super) async fn connect(&self, purpose: &str) -> Result<Connection, String> {
        match timeout(CONNECT_PATIENCE, Connection::connect(&self.url, properties(&self.topology, purpose))).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer to connecting within {CONNECT_PATIENCE:?}")),
        }
    }

    /// A pool for the publishing connection.
    pub(super) fn pool(&self, purpose: &'static str) -> Result<Pool, String> {
        let config = Config { url: Some(self.url.to_string()), pool: None };
        let topology = self.topology.clone();
        let builder = config
            .builder(move || properties(&topology, purpose), Runtime::Tokio1)
            .map_err(|error| error.to_string())?;
        // One is in use; a second while those who publish let go of the one that broke.
        let patience = Some(CONNECT_PATIENCE);
        builder
            .max_size(2)
            .timeouts(Timeouts { wait: patience, create: patience, recycle: patience })
            .build()
            .map_err(|error| error.to_string())
    }
}

fn properties(topology: &Topology, purpose: &str) -> ConnectionProperties {
    // `bellwire.prod` is shown to the operator as `bellwire prod events`.
    let name = format!("{} {purpose}", topology.exchange().replacen('.', " ", 1));
    // No recovery by the library: it would begin a stream where it once began, and fight with ours.
    ConnectionProperties::default().with_connection_name(name.into())
}

/// What the broker said to a single act, as far as somebody decides on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// 403: this user may not.
    Refused,
    /// 404: there is no such exchange or queue.
    Missing,
    /// Anything else; it may pass.
    Other,
}

/// What the broker answers in time. Where a connection goes away in the wrong moment the library never ends an asking.
pub(super) async fn answer<T>(asking: impl Future<Output = T>) -> Result<T, SendError> {
    let late = |_| SendError::Unavailable(format!("the broker gave no answer within {ANSWER_PATIENCE:?}"));
    timeout(ANSWER_PATIENCE, asking).await.map_err(late)
}

/// What an error of the library means.
pub(super) fn fault(error: &lapin::Error) -> Fault {
    let ErrorKind::ProtocolError(said) = error.kind() else {
        return Fault::Other;
    };
    match said.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Fault::Refused,
        // The broker says 404 as well of what exists and is not up yet.
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) if !is_not_up(said.get_message().as_str()) => Fault::Missing,
        _ => Fault::Other,
    }
}

/// Whether a 404 is of a queue that starts, recovers or has lost its leader.
fn is_not_up(said: &str) -> bool {
    ["is down or inaccessible", "due to timeout", "stopped by supervisor"].iter().any(|words| said.contains(words))
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
