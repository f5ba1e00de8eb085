//! One message over the publishing connection, until the broker has confirmed it.

use std::{future::pending, sync::Arc, time::Duration};

use jiff::Timestamp;
use lapin::{BasicProperties, Channel, Confirmation, options::BasicPublishOptions, types::ShortString};
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connect::{Broker, Fault, fault},
    heal::Backoff,
    line::{self, Line},
};
use model::job::Job;

use crate::send::{Link, SendError};

/// How long publishing is tried before it is said to be unavailable.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most messages on their way to the broker at a time.
const MOST_IN_FLIGHT: usize = 256;
/// The content type of a job.
pub(super) const JOB: &str = "application/json";
/// The delivery mode of what outlives a restart of the broker.
const DURABLE: u8 = 2;

/// A message and where it goes. It goes there again and again, with the same id, until it is confirmed.
pub(super) struct Parcel {
    pub(super) exchange: String,
    pub(super) key: String,
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
}

impl Parcel {
    /// A durable message with an id.
    pub(super) fn new(exchange: String, key: String, content_type: &str, id: &str, body: Vec<u8>) -> Self {
        let properties = BasicProperties::default()
            .with_content_type(content_type.into())
            .with_delivery_mode(DURABLE)
            .with_timestamp(Timestamp::now().as_second().unsigned_abs());
        // A short string of AMQP has 255 bytes; the id in the body is the one that counts.
        let properties = match ShortString::try_new(id) {
            Ok(id) => properties.with_message_id(id),
            Err(_) => properties,
        };
        Self { exchange, key, body, properties }
    }

    /// A job on its way to a routing key of the jobs exchange.
    pub(super) fn of_job(exchange: String, key: String, job: &Job) -> Result<Self, SendError> {
        let body = serde_json::to_vec(job).map_err(|error| SendError::Invalid(error.to_string()))?;
        Ok(Self::new(exchange, key, JOB, &job.task.to_string(), body))
    }

    /// A message that may be lost.
    pub(super) fn passing(exchange: String, content_type: &str, body: Vec<u8>) -> Self {
        let properties = BasicProperties::default().with_content_type(content_type.into());
        Self { exchange, key: String::new(), body, properties }
    }

    fn target(&self) -> String {
        if self.key.is_empty() { self.exchange.clone() } else { format!("{} with the key {}", self.exchange, self.key) }
    }
}

/// Why a parcel was not taken.
pub(super) enum Failure {
    /// Nothing is bound there; it was lost.
    Returned,
    /// There is no such exchange.
    NoExchange,
    /// Any other.
    Final(SendError),
}

impl Failure {
    /// Says it to whoever sent the parcel.
    pub(super) fn explain(self, parcel: &Parcel) -> SendError {
        match self {
            Self::Returned => SendError::Unroutable(format!("no queue is bound to {}", parcel.target())),
            Self::NoExchange => SendError::Unroutable(format!("there is no exchange {}", parcel.exchange)),
            Self::Final(error) => error,
        }
    }
}

/// Publishes over one connection that is kept up in the background.
pub(super) struct Publisher {
    line: watch::Receiver<Option<Arc<Line>>>,
    link: watch::Receiver<Link>,
    in_flight: Semaphore,
    _kept: AbortOnDropHandle<()>,
}

impl Publisher {
    /// Begins to connect.
    pub(super) fn new(broker: &Broker) -> Result<Self, String> {
        let pool = broker.pool("publish")?;
        let (line_sender, line) = watch::channel(None);
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let kept = tokio::spawn(line::keep(pool, line_sender, link_sender));
        Ok(Self { line, link, in_flight: Semaphore::new(MOST_IN_FLIGHT), _kept: AbortOnDropHandle::new(kept) })
    }

    /// Whether publishing is possible now.
    pub(super) fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// The connection, to declare over it what is missing.
    pub(super) async fn line(&self) -> Result<Arc<Line>, SendError> {
        match timeout(PATIENCE, self.next_line()).await {
            Ok(line) => Ok(line),
            Err(_) => Err(self.unavailable()),
        }
    }

    /// Sends it, and again, until it is confirmed, refused or time is up.
    pub(super) async fn send(&self, parcel: &Parcel) -> Result<(), Failure> {
        let mut reason = None;
        tokio::select! {
            outcome = self.until_settled(parcel, &mut reason) => return outcome,
            () = self.blocked() => return Err(Failure::Final(self.unavailable())),
            () = sleep(PATIENCE) => {}
        }
        // Whatever kept it from answering, the next one begins on a new channel.
        let line = self.line.borrow().clone();
        if let Some(line) = line {
            line.discard(&parcel.exchange).await;
        }
        Err(Failure::Final(match reason {
            Some(reason) if self.link.borrow().is_up() => SendError::Unavailable(reason),
            _ => self.unavailable(),
        }))
    }

    /// Sends it; if nothing is there to take it, mends that once and sends it again.
    pub(super) async fn send_or_mend(
        &self,
        parcel: &Parcel,
        mend: impl Future<Output = Result<(), SendError>> + Send,
    ) -> Result<(), SendError> {
        let sent = match self.send(parcel).await {
            Err(Failure::Returned | Failure::NoExchange) => {
                timeout(PATIENCE, mend).await.unwrap_or_else(|_| Err(self.unavailable()))?;
                self.send(parcel).await
            }
            settled => settled,
        };
        sent.map_err(|failure| failure.explain(parcel))
    }

    /// Sends it if that is possible now, and does not try again.
    pub(super) async fn send_once(&self, parcel: &Parcel) -> Result<(), Failure> {
        if !self.link.borrow().is_up() {
            return Err(Failure::Final(self.unavailable()));
        }
        let attempt = tokio::select! {
            attempt = self.attempt(parcel) => attempt,
            () = self.blocked() => return Err(Failure::Final(self.unavailable())),
            () = sleep(PATIENCE) => return Err(Failure::Final(self.unavailable())),
        };
        attempt.unwrap_or_else(|error| Err(Failure::Final(SendError::Unavailable(error.to_string()))))
    }

    async fn until_settled(&self, parcel: &Parcel, reason: &mut Option<String>) -> Result<(), Failure> {
        let _slot = self.in_flight.acquire().await;
        let mut backoff = Backoff::new();
        loop {
            match self.attempt(parcel).await {
                Ok(settled) => return settled,
                Err(error) => *reason = Some(error.to_string()),
            }
            sleep(backoff.pause()).await;
        }
    }

    /// One attempt; an outer error is a passing one.
    async fn attempt(&self, parcel: &Parcel) -> lapin::Result<Result<(), Failure>> {
        let line = self.next_line().await;
        let channel = line.channel(&parcel.exchange).await?;
        // The connection is needed no longer; one that breaks goes back to its pool at once.
        drop(line);
        match publish(&channel, parcel).await {
            Ok(confirmation) => Ok(settled(parcel, &confirmation)),
            Err(error) => match fault(&error) {
                Fault::Refused => Ok(Err(Failure::Final(refused(parcel)))),
                Fault::Missing => Ok(Err(Failure::NoExchange)),
                Fault::Other => Err(error),
            },
        }
    }

    async fn next_line(&self) -> Arc<Line> {
        let mut line = self.line.clone();
        let next = line.wait_for(Option::is_some).await.ok().and_then(|line| line.clone());
        match next {
            Some(line) => line,
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
            Link::Up => format!("no confirm within {PATIENCE:?}"),
        })
    }
}

async fn publish(channel: &Channel, parcel: &Parcel) -> lapin::Result<Confirmation> {
    // Mandatory always: without it, what nothing is bound for is confirmed and lost.
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let (exchange, key) = (parcel.exchange.as_str().into(), parcel.key.as_str().into());
    channel.basic_publish(exchange, key, options, &parcel.body, parcel.properties.clone()).await?.await
}

fn settled(parcel: &Parcel, confirmation: &Confirmation) -> Result<(), Failure> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => Err(Failure::Returned),
        Confirmation::Nack(_) => Err(Failure::Final(SendError::Full(parcel.target()))),
        Confirmation::NotRequested => unreachable!("every channel of a line has confirms on"),
    }
}

fn refused(parcel: &Parcel) -> SendError {
    SendError::Refused(format!("ask your operator: this user may not write to {}", parcel.exchange))
}
