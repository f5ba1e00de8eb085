//! Publishes one message over the publishing connection, until the broker has confirmed it.

use std::{borrow::Cow, future::pending, sync::Arc, time::Duration};

use backon::Retryable;
use jiff::Timestamp;
use lapin::{BasicProperties, Channel, Confirmation, options::BasicPublishOptions, types::ShortString};
use model::{environment::Kind, job::Job};
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    backoff::backoff,
    connect::{Broker, Fault, fault},
    publish_connection::{PublishConnection, maintain},
};
use crate::{
    jobs::{retry_step, wait_of},
    link::{Link, SendError},
    topology::Topology,
};

/// Limit for publishing, retries included; then it is `Unavailable`.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Most messages that wait for the broker at a time.
const MAX_IN_FLIGHT: usize = 256;
/// The content type of a job.
pub(super) const JOB: &str = "application/json";
/// The delivery mode of a message that outlives a restart of the broker.
const DURABLE: u8 = 2;

/// A message and its target; each retry sends it with the same id.
pub(super) struct Publication<'a> {
    pub(super) exchange: String,
    pub(super) key: String,
    pub(super) body: Cow<'a, [u8]>,
    pub(super) properties: BasicProperties,
}

impl<'a> Publication<'a> {
    /// A durable message with an id.
    pub(super) fn new(
        exchange: String,
        key: String,
        content_type: &str,
        id: &str,
        body: impl Into<Cow<'a, [u8]>>,
    ) -> Self {
        let properties = BasicProperties::default()
            .with_content_type(content_type.into())
            .with_delivery_mode(DURABLE)
            .with_timestamp(Timestamp::now().as_second().unsigned_abs());
        // A short string of AMQP has 255 bytes; the id in the body is the one that counts.
        let properties = match ShortString::try_new(id) {
            Ok(id) => properties.with_message_id(id),
            Err(_) => properties,
        };
        Self { exchange, key, body: body.into(), properties }
    }

    /// A job for a routing key of the jobs exchange.
    pub(super) fn of_job(exchange: String, key: String, job: &Job) -> Result<Self, SendError> {
        let body = serde_json::to_vec(job).map_err(|error| SendError::Invalid(error.to_string()))?;
        Ok(Self::new(exchange, key, JOB, &job.task.to_string(), body))
    }

    /// A job that comes into its kind's first lane after about this delay.
    pub(super) fn of_delayed(topology: &Topology, kind: &Kind, job: &Job, after: Duration) -> Result<Self, SendError> {
        let step = retry_step(after);
        let mut publication = Self::of_job(topology.jobs(), topology.retry_key(kind, step), job)?;
        // Jobs that fail together do not come back together; only a little apart, for a queue expires at its head alone.
        let wait = step.mul_f64(rand::random_range(0.8..1.0)).min(wait_of(job, after));
        publication.properties = publication.properties.with_expiration(wait.as_millis().to_string().into());
        Ok(publication)
    }

    /// A message that may be lost.
    pub(super) fn transient(exchange: String, content_type: &str, body: Vec<u8>) -> Self {
        let properties = BasicProperties::default().with_content_type(content_type.into());
        Self { exchange, key: String::new(), body: body.into(), properties }
    }

    fn target(&self) -> String {
        if self.key.is_empty() { self.exchange.clone() } else { format!("{} with the key {}", self.exchange, self.key) }
    }
}

/// Why a publication was not accepted.
pub(super) enum Failure {
    /// Returned: no queue is bound there.
    Returned,
    /// There is no such exchange.
    NoExchange,
    /// Any other.
    Final(SendError),
}

impl Failure {
    /// The error for the publication's sender.
    pub(super) fn into_error(self, publication: &Publication<'_>) -> SendError {
        match self {
            Self::Returned => SendError::Unroutable(format!("no queue is bound to {}", publication.target())),
            Self::NoExchange => SendError::Unroutable(format!("there is no exchange {}", publication.exchange)),
            Self::Final(error) => error,
        }
    }
}

/// Publishes over one connection that is kept up in the background.
pub(super) struct Publisher {
    current: watch::Receiver<Option<Arc<PublishConnection>>>,
    link: watch::Receiver<Link>,
    in_flight: Semaphore,
    _connecting: AbortOnDropHandle<()>,
}

impl Publisher {
    /// Begins to connect.
    pub(super) fn new(broker: &Broker) -> Result<Self, String> {
        let pool = broker.pool("publish")?;
        let (current_sender, current) = watch::channel(None);
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let connecting = AbortOnDropHandle::new(tokio::spawn(maintain(pool, current_sender, link_sender)));
        Ok(Self { current, link, in_flight: Semaphore::new(MAX_IN_FLIGHT), _connecting: connecting })
    }

    /// The state of publishing.
    pub(super) fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// The connection, for declaring over it.
    pub(super) async fn connection(&self) -> Result<Arc<PublishConnection>, SendError> {
        timeout(PUBLISH_TIMEOUT, self.next_connection()).await.map_err(|_| self.unavailable())
    }

    /// Retries a publication with the same id until the broker confirms or refuses it, or five seconds pass.
    pub(super) async fn send(&self, publication: &Publication<'_>) -> Result<(), Failure> {
        let mut reason = None;
        tokio::select! {
            outcome = self.until_settled(publication, &mut reason) => return outcome,
            () = self.blocked() => return Err(Failure::Final(self.unavailable())),
            () = sleep(PUBLISH_TIMEOUT) => {}
        }
        // Whatever kept this channel from answering, the next publication uses a new one.
        let current = self.current.borrow().clone();
        if let Some(connection) = current {
            connection.discard(&publication.exchange).await;
        }
        Err(Failure::Final(match reason {
            Some(reason) if self.link.borrow().is_up() => SendError::Unavailable(reason),
            _ => self.unavailable(),
        }))
    }

    /// Sends a publication; if its exchange or queue is missing, redeclares once and sends it again.
    pub(super) async fn send_or_redeclare(
        &self,
        publication: &Publication<'_>,
        redeclare: impl Future<Output = Result<(), SendError>> + Send,
    ) -> Result<(), SendError> {
        let sent = match self.send(publication).await {
            Err(Failure::Returned | Failure::NoExchange) => {
                timeout(PUBLISH_TIMEOUT, redeclare).await.unwrap_or_else(|_| Err(self.unavailable()))?;
                self.send(publication).await
            }
            settled => settled,
        };
        sent.map_err(|failure| failure.into_error(publication))
    }

    /// Sends a publication if that is possible now, without retrying.
    pub(super) async fn send_once(&self, publication: &Publication<'_>) -> Result<(), Failure> {
        if !self.link.borrow().is_up() {
            return Err(Failure::Final(self.unavailable()));
        }
        tokio::select! {
            attempt = self.attempt(publication) => attempt.unwrap_or_else(transient),
            () = self.blocked() => Err(Failure::Final(self.unavailable())),
            () = sleep(PUBLISH_TIMEOUT) => Err(Failure::Final(self.unavailable())),
        }
    }

    /// Attempts until one is settled; `reason` is why the last one was not.
    async fn until_settled(&self, publication: &Publication<'_>, reason: &mut Option<String>) -> Result<(), Failure> {
        let _slot = self.in_flight.acquire().await;
        let attempts = (|| self.attempt(publication)).retry(backoff());
        attempts.notify(|error, _| *reason = Some(error.to_string())).await.unwrap_or_else(transient)
    }

    /// One attempt; an outer error is a transient one.
    async fn attempt(&self, publication: &Publication<'_>) -> lapin::Result<Result<(), Failure>> {
        let connection = self.next_connection().await;
        let channel = connection.channel(&publication.exchange).await?;
        // No longer needed; a connection that breaks goes back to its pool at once.
        drop(connection);
        match publish(&channel, publication).await {
            Ok(confirmation) => Ok(settled(publication, &confirmation)),
            Err(error) => match fault(&error) {
                Fault::Refused => Ok(Err(Failure::Final(refused(publication)))),
                Fault::Missing => Ok(Err(Failure::NoExchange)),
                Fault::Other => Err(error),
            },
        }
    }

    async fn next_connection(&self) -> Arc<PublishConnection> {
        let mut current = self.current.clone();
        let next = current.wait_for(Option::is_some).await.ok().and_then(|connection| connection.clone());
        match next {
            Some(connection) => connection,
            // Its task cannot end before this value does.
            None => pending().await,
        }
    }

    async fn blocked(&self) {
        let mut link = self.link.clone();
        let ended = link.wait_for(|link| *link == Link::Blocked).await.is_err();
        if ended {
            pending().await
        }
    }

    fn unavailable(&self) -> SendError {
        SendError::Unavailable(match &*self.link.borrow() {
            Link::Down(reason) => reason.clone(),
            Link::Blocked => "it takes nothing for now (an alarm of memory or disk)".to_owned(),
            Link::Up => format!("no confirm within {PUBLISH_TIMEOUT:?}"),
        })
    }
}

async fn publish(channel: &Channel, publication: &Publication<'_>) -> lapin::Result<Confirmation> {
    // Always mandatory: without it, a message that no queue is bound for is confirmed and lost.
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let (exchange, key) = (publication.exchange.as_str().into(), publication.key.as_str().into());
    channel.basic_publish(exchange, key, options, &publication.body, publication.properties.clone()).await?.await
}

fn settled(publication: &Publication<'_>, confirmation: &Confirmation) -> Result<(), Failure> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(Failure::Returned),
        Confirmation::Nack(_) => Err(Failure::Final(SendError::Full(publication.target()))),
        Confirmation::NotRequested => unreachable!("every publishing channel has confirms on"),
    }
}

fn refused(publication: &Publication<'_>) -> SendError {
    SendError::Refused(format!("ask your operator: this user may not write to {}", publication.exchange))
}

fn transient(error: lapin::Error) -> Result<(), Failure> {
    Err(Failure::Final(SendError::Unavailable(error.to_string())))
}
