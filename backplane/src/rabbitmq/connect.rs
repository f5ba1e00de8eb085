//! Connects to the broker, and classifies its errors.

use std::{future::pending, panic::resume_unwind, sync::Arc, time::Duration};

use deadpool::{
    Runtime,
    managed::{self, Metrics, RecycleError, RecycleResult, Timeouts},
};
use lapin::{
    Channel, Connection, ConnectionProperties, Consumer, ErrorKind,
    options::BasicConsumeOptions,
    protocol::{AMQPErrorKind, AMQPSoftError},
    runtime::default_runtime,
    types::{FieldTable, ShortString},
    uri::AMQPUri,
};
use tokio::time::timeout;
use url::{Host, Position, Url};

use crate::{link::SendError, tls_files::TlsFiles, topology::Topology};

/// Limit for connecting, the handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit for an answer of the broker.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds between heartbeats; a peer silent for twice as long counts as lost.
const HEARTBEAT: u16 = 10;

/// The connections of a pool.
pub(super) type Pool = managed::Pool<Connector>;
/// A connection of the pool.
pub(super) type PooledConnection = managed::Object<Connector>;

/// Makes the connections of a pool, all for one purpose.
pub(super) struct Connector {
    broker: Broker,
    purpose: &'static str,
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = String;

    async fn create(&self) -> Result<Connection, String> {
        self.broker.connect(self.purpose).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<String> {
        match connection.status().connected() {
            true => Ok(()),
            false => Err(RecycleError::message("it is not connected")),
        }
    }
}

/// The broker of one environment: its address and the names on it.
#[derive(Clone)]
pub(super) struct Broker {
    // Holds the password: never shown.
    url: Arc<str>,
    tls: TlsFiles,
    pub(super) topology: Arc<Topology>,
}

impl Broker {
    /// Parses the address; an error never repeats it.
    pub(super) fn new(url: &str, tls: TlsFiles, topology: Topology) -> Result<Self, String> {
        let mut uri = parse(url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        uri.query.connection_timeout.get_or_insert(CONNECT_TIMEOUT.as_millis() as u64);
        Ok(Self { url: uri.to_string().into(), tls, topology: Arc::new(topology) })
    }

    /// A new connection, named after its purpose.
    pub(super) async fn connect(&self, purpose: &str) -> Result<Connection, String> {
        let connecting = async {
            let tls = self.tls.read().await?;
            let runtime = default_runtime().map_err(|error| error.to_string())?;
            let properties = properties(&self.topology, purpose);
            Connection::connect_with_config(&self.url, properties, tls, runtime)
                .await
                .map_err(|error| error.to_string())
        };
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(format!("no answer to connecting within {CONNECT_TIMEOUT:?}")),
        }
    }

    /// A pool for the publishing connection.
    pub(super) fn pool(&self, purpose: &'static str) -> Result<Pool, String> {
        // One in use, and a second while publishes in flight still hold one that broke.
        let limit = Some(CONNECT_TIMEOUT);
        Pool::builder(Connector { broker: self.clone(), purpose })
            .runtime(Runtime::Tokio1)
            .max_size(2)
            .timeouts(Timeouts { wait: limit, create: limit, recycle: limit })
            .build()
            .map_err(|error| error.to_string())
    }
}

/// The library's reading of an address, which takes `localhost` for a host that it does not understand.
fn parse(text: &str) -> Result<AMQPUri, String> {
    let no_address = "it is no amqp://user:password@host:port/vhost".to_owned();
    let url = Url::parse(text).map_err(|_| no_address.clone())?;
    let mut uri: AMQPUri = text.parse().map_err(|_| no_address)?;
    if url.fragment().is_some() || url[Position::BeforePath..].contains('@') {
        // Else `amqp://user:12#3@broker` would be the host `user`.
        return Err("a `#`, `?`, `/` or `@` of a user, password or vhost must be percent-encoded, as in %23".to_owned());
    }
    match url.host() {
        None => return Err("it names no host".to_owned()),
        // Written so that it is read back as a name: as an address in brackets it would be lost.
        Some(Host::Ipv6(address)) => uri.authority.host = address.to_string().replace(':', "%3A"),
        Some(Host::Ipv4(address)) => uri.authority.host = address.to_string(),
        Some(Host::Domain(_)) => {}
    }
    Ok(uri)
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

/// Starts a consumer, by a task of its own that ends with the broker's answer also when nobody waits for it any more.
///
/// The library cancels a consumer that it has given out, and none whose request was given up: that would keep its channel and
/// connection, and be served by the broker, for as long as this process lives.
pub(super) async fn start_consumer(
    channel: &Channel,
    queue: &str,
    options: BasicConsumeOptions,
    arguments: FieldTable,
) -> lapin::Result<Consumer> {
    let (channel, queue) = (channel.clone(), ShortString::from(queue));
    let request = async move { channel.basic_consume(queue, ShortString::from(""), options, arguments).await };
    match tokio::spawn(request).await {
        Ok(started) => started,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends, and whoever waits here with it.
            Err(_) => pending().await,
        },
    }
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
    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    #[test]
    fn a_wrong_address_is_refused_without_its_password_being_shown() {
        let topology = Topology::new(Default::default(), "prod".parse().unwrap());
        for url in [
            "amqp:ada:secret@host",
            "http://ada:secret@host",
            "amqp://ada:secret@host/?heartbeat=secret",
            "amqp://ada:secret@[fe80::1%25eth0]/",
        ] {
            let error = Broker::new(url, TlsFiles::default(), topology.clone()).err().unwrap();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_is_the_one_that_was_written_or_refused() {
        let topology = Topology::new(Default::default(), "prod".parse().unwrap());
        for (url, host, port) in [
            ("amqp://ada:secret@[2001:db8::5]/%2f", "2001:db8::5", 5672),
            ("amqps://ada:secret@[::1]:5673/%2f", "::1", 5673),
            ("amqp://ada:secret@[::ffff:10.0.0.7]/", "::ffff:10.0.0.7", 5672),
            ("amqp://ada:secret@10.0.0.7:5673/%2f", "10.0.0.7", 5673),
            ("amqp://ada:sec%23ret@broker.example/%2f", "broker.example", 5672),
        ] {
            let written = Broker::new(url, TlsFiles::default(), topology.clone()).ok().unwrap().url;
            let read: AMQPUri = written.parse().unwrap();
            assert_eq!((&*read.authority.host, read.authority.port), (host, port), "{url}");
            assert!(read.authority.userinfo.password.starts_with("sec"), "{url}");
        }
        for url in [
            "amqp:///%2f",
            "amqp://",
            "amqp://ada:12#3@broker/%2f",
            "amqp://ada:12?3@broker/%2f",
            "amqp://ada:12/3@broker/%2f",
        ] {
            assert!(Broker::new(url, TlsFiles::default(), topology.clone()).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_broker_with_an_address_of_ipv6_is_reached() {
        let Ok(listener) = TcpListener::bind("[::1]:0").await else {
            return; // A machine without IPv6.
        };
        let topology = Topology::new(Default::default(), "prod".parse().unwrap());
        let url = format!("amqp://ada:secret@{}/%2f", listener.local_addr().unwrap());
        let broker = Broker::new(&url, TlsFiles::default(), topology).ok().unwrap();
        let reached = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut greeting = [0; 4];
            socket.read_exact(&mut greeting).await.unwrap();
            greeting
        };
        tokio::select! {
            greeting = reached => assert_eq!(&greeting, b"AMQP"),
            connected = broker.connect("events") => panic!("it was another's: {:?}", connected.err()),
        }
    }
}
