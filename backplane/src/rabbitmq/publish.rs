//! Publishes messages over the publishing connection, until the broker has confirmed them.

use std::{future::pending, slice, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    backoff::{backoff, pause},
    connect::{Broker, Fault, fault},
    publication::Publication,
    publish_channel::{Answer, Answers, PublishRequest},
    publish_connection::{PublishConnection, maintain},
};
use crate::link::{Link, SendError};

/// Limit for publishing, retries included; then it is `Unavailable`.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);
/// Most messages that wait for the broker at a time.
const MAX_IN_FLIGHT: usize = 256;

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
    pub(super) fn into_error(self, publication: &Publication) -> SendError {
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
    in_flight: Arc<Semaphore>,
    _connecting: AbortOnDropHandle<()>,
}

impl Publisher {
    /// Begins to connect.
    pub(super) fn new(broker: &Broker) -> Result<Self, String> {
        let pool = broker.pool("publish")?;
        let (current_sender, current) = watch::channel(None);
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let connecting = AbortOnDropHandle::new(tokio::spawn(maintain(pool, current_sender, link_sender)));
        Ok(Self { current, link, in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)), _connecting: connecting })
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
    pub(super) async fn send(&self, publication: &Publication) -> Result<(), Failure> {
        self.send_all(slice::from_ref(publication)).await.pop().unwrap_or(Ok(()))
    }

    /// The same for several of one exchange: they are written together and in order, and each has an outcome of its own.
    pub(super) async fn send_all(&self, publications: &[Publication]) -> Vec<Result<(), Failure>> {
        let Some(Publication { exchange, .. }) = publications.first() else { return Vec::new() };
        let mut sending = Sending::new(publications);
        let blocked = tokio::select! {
            () = self.until_settled(exchange, &mut sending) => false,
            () = self.blocked() => true,
            () = sleep(PUBLISH_TIMEOUT) => false,
        };
        if sending.unsettled().next().is_some() && !blocked {
            // Whatever kept this channel from answering, the next publication uses a new one.
            let current = self.current.borrow().clone();
            if let Some(connection) = current {
                connection.discard(exchange).await;
            }
        }
        let unavailable = || match &sending.reason {
            Some(reason) if self.link.borrow().is_up() => SendError::Unavailable(reason.clone()),
            _ => self.unavailable(),
        };
        let outcomes = sending.outcomes.into_iter();
        outcomes.map(|outcome| outcome.unwrap_or_else(|| Err(Failure::Final(unavailable())))).collect()
    }

    /// Sends a publication; if its exchange or queue is missing, redeclares once and sends it again.
    pub(super) async fn send_or_redeclare(
        &self,
        publication: &Publication,
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
    pub(super) async fn send_once(&self, publication: &Publication) -> Result<(), Failure> {
        if !self.link.borrow().is_up() {
            return Err(Failure::Final(self.unavailable()));
        }
        let mut sending = Sending::new(slice::from_ref(publication));
        tokio::select! {
            () = self.attempt(&publication.exchange, &mut sending) => {}
            () = self.blocked() => return Err(Failure::Final(self.unavailable())),
            () = sleep(PUBLISH_TIMEOUT) => return Err(Failure::Final(self.unavailable())),
        }
        let reason = sending.reason.unwrap_or_default();
        sending.outcomes.pop().flatten().unwrap_or(Err(Failure::Final(SendError::Unavailable(reason))))
    }

    /// Attempts until all are settled.
    async fn until_settled(&self, exchange: &str, sending: &mut Sending<'_>) {
        let mut pauses = backoff();
        loop {
            self.attempt(exchange, sending).await;
            if sending.unsettled().next().is_none() {
                return;
            }
            pause(&mut pauses).await;
        }
    }

    /// One attempt at those that are not settled.
    async fn attempt(&self, exchange: &str, sending: &mut Sending<'_>) {
        let (at, messages): (Vec<_>, Vec<_>) = sending.unsettled().unzip();
        let permits = u32::try_from(messages.len().min(MAX_IN_FLIGHT)).unwrap_or(1);
        let Ok(permit) = self.in_flight.clone().acquire_many_owned(permits).await else { return };
        match self.request(exchange, messages, permit).await {
            Ok(answers) => at.into_iter().zip(answers).for_each(|(at, answer)| sending.settle(at, answer)),
            Err(reason) => sending.reason = Some(reason),
        }
    }

    /// Hands messages to the channel of the exchange; an error is a transient one.
    async fn request(
        &self,
        exchange: &str,
        messages: Vec<Publication>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Answers, String> {
        // Not kept: a connection that breaks goes back to its pool at once.
        let requests = self.next_connection().await.requests(exchange).await.map_err(|error| error.to_string())?;
        let (sender, answers) = oneshot::channel();
        let request = PublishRequest { messages, answers: sender, permit };
        let lost = || "the channel ended before the broker had confirmed".to_owned();
        requests.send(request).await.map_err(|_| lost())?;
        answers.await.map_err(|_| lost())
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

/// Publications on their way, and what became of each.
struct Sending<'a> {
    publications: &'a [Publication],
    outcomes: Vec<Option<Result<(), Failure>>>,
    /// Why the last attempt settled not all of them.
    reason: Option<String>,
}

impl<'a> Sending<'a> {
    fn new(publications: &'a [Publication]) -> Self {
        Self { publications, outcomes: publications.iter().map(|_| None).collect(), reason: None }
    }

    fn unsettled(&self) -> impl Iterator<Item = (usize, Publication)> {
        let all = self.publications.iter().zip(&self.outcomes).enumerate();
        all.filter(|(_, (_, outcome))| outcome.is_none()).map(|(at, (publication, _))| (at, publication.clone()))
    }

    fn settle(&mut self, at: usize, answer: lapin::Result<Answer>) {
        let publication = &self.publications[at];
        self.outcomes[at] = Some(match answer {
            Ok(Answer::Confirmed) => Ok(()),
            Ok(Answer::Returned) => Err(Failure::Returned),
            Ok(Answer::Refused) => Err(Failure::Final(SendError::Full(publication.target()))),
            Err(error) => match fault(&error) {
                Fault::Refused => Err(Failure::Final(refused(publication))),
                Fault::Missing => Err(Failure::NoExchange),
                Fault::Other => {
                    self.reason = Some(error.to_string());
                    return;
                }
            },
        });
    }
}

fn refused(publication: &Publication) -> SendError {
    SendError::Refused(format!("ask your operator: this user may not write to {}", publication.exchange))
}
