//! Publishes messages over the publishing connection, until the broker has confirmed them.

use std::{
    future::pending,
    slice,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use metrics::{counter, histogram};
use tokio::{
    sync::{oneshot, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    backoff::{backoff, pause},
    connect::{Broker, Fault, fault},
    publication::Publication,
    publish_channel::{MAX_BATCH, PublishRequest},
    publish_connection::{PublishConnection, maintain},
    unconfirmed::Answer,
};
use crate::link::{Link, SendError};

/// Limit for publishing, retries included; then it is `Unavailable`.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a publication was not accepted.
pub(super) enum Failure {
    /// Returned: no queue is bound there.
    Returned,
    /// There is no such exchange.
    NoExchange,
    /// Any other.
    Final(SendError),
    /// The broker may have taken it: it was handed over, and nothing sure was heard of it.
    InDoubt(SendError),
}

impl Failure {
    /// The error for the publication's sender.
    pub(super) fn into_error(self, publication: &Publication) -> SendError {
        match self {
            Self::Returned => SendError::Unroutable(format!("no queue is bound to {}", publication.target())),
            Self::NoExchange => SendError::Unroutable(format!("there is no exchange {}", publication.exchange)),
            Self::Final(error) | Self::InDoubt(error) => error,
        }
    }
}

/// Says whether a publication is still wanted.
pub(super) type IsWanted<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// Publishes over one connection that is kept up in the background.
pub(super) struct Publisher {
    current: watch::Receiver<Option<Arc<PublishConnection>>>,
    link: watch::Receiver<Link>,
    _connecting: AbortOnDropHandle<()>,
}

impl Publisher {
    /// Begins to connect.
    pub(super) fn new(broker: &Broker) -> Result<Self, String> {
        let pool = broker.pool("publish")?;
        let (current_sender, current) = watch::channel(None);
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let connecting = AbortOnDropHandle::new(tokio::spawn(maintain(pool, current_sender, link_sender)));
        Ok(Self { current, link, _connecting: connecting })
    }

    /// The state of publishing.
    pub(super) fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// The connection, for declaring over it.
    pub(super) async fn connection(&self) -> Result<Arc<PublishConnection>, SendError> {
        timeout(PUBLISH_TIMEOUT, self.next_connection()).await.map_err(|_| self.unavailable())
    }

    /// Retries a publication with the same id until the broker confirms or refuses it, or five seconds pass. No attempt is begun
    /// once it is not wanted any more: a copy of what the broker has handed out again would be a second one.
    pub(super) async fn send_while(&self, publication: &Publication, is_wanted: IsWanted<'_>) -> Result<(), Failure> {
        let sending = Sending { is_wanted: Some(is_wanted), ..Sending::new(slice::from_ref(publication)) };
        self.send_until_settled(sending).await.pop().unwrap_or(Ok(()))
    }

    /// The same for several of one exchange and kind, which are wanted whatever happens: they are written in order, and each has
    /// an outcome of its own.
    pub(super) async fn send_all(&self, publications: &[Publication]) -> Vec<Result<(), Failure>> {
        if publications.is_empty() {
            return Vec::new();
        }
        self.send_until_settled(Sending::new(publications)).await
    }

    async fn send_until_settled(&self, mut sending: Sending<'_>) -> Vec<Result<(), Failure>> {
        let begun = Instant::now();
        tokio::select! {
            () = self.until_settled(&mut sending) => {}
            () = self.blocked() => {}
            () = sleep(PUBLISH_TIMEOUT) => {}
        }
        let unavailable = || match &sending.reason {
            Some(reason) if self.link.borrow().is_up() => SendError::Unavailable(reason.clone()),
            _ => self.unavailable(),
        };
        let outcomes = sending.outcomes.into_iter().zip(sending.handed_over);
        let outcomes: Vec<_> = outcomes
            .map(|(outcome, handed_over)| match (outcome, handed_over) {
                (Some(outcome), _) => outcome,
                (None, 0) => Err(Failure::Final(unavailable())),
                (None, _) => Err(Failure::InDoubt(unavailable())),
            })
            .collect();
        histogram!("bellwire_publish_seconds").record(begun.elapsed());
        let failures =
            outcomes.iter().filter(|outcome| matches!(outcome, Err(Failure::Final(_) | Failure::InDoubt(_)))).count();
        if failures > 0 {
            counter!("bellwire_publish_failures_total").increment(failures as u64);
        }
        outcomes
    }

    /// Sends a publication while it is wanted; if its exchange or queue is missing, redeclares once and sends it again.
    pub(super) async fn send_or_redeclare(
        &self,
        publication: &Publication,
        is_wanted: IsWanted<'_>,
        redeclare: impl Future<Output = Result<(), SendError>> + Send,
    ) -> Result<(), SendError> {
        let sent = match self.send_while(publication, is_wanted).await {
            Err(Failure::Returned | Failure::NoExchange) => {
                timeout(PUBLISH_TIMEOUT, redeclare).await.unwrap_or_else(|_| Err(self.unavailable()))?;
                self.send_while(publication, is_wanted).await
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
            () = self.attempt(&mut sending) => {}
            () = self.blocked() => return Err(Failure::Final(self.unavailable())),
            () = sleep(PUBLISH_TIMEOUT) => return Err(Failure::Final(self.unavailable())),
        }
        let reason = sending.reason.unwrap_or_default();
        sending.outcomes.pop().flatten().unwrap_or(Err(Failure::Final(SendError::Unavailable(reason))))
    }

    /// Attempts until all are settled.
    async fn until_settled(&self, sending: &mut Sending<'_>) {
        let mut pauses = backoff();
        loop {
            self.attempt(sending).await;
            let unsettled = sending.unsettled().count();
            if unsettled == 0 || !sending.is_wanted() {
                return;
            }
            counter!("bellwire_publish_retries_total").increment(unsettled as u64);
            pause(&mut pauses).await;
        }
    }

    /// One attempt at those that are not settled; each is settled as soon as it is answered.
    async fn attempt(&self, sending: &mut Sending<'_>) {
        let unsettled: Vec<_> = sending.unsettled().collect();
        let Some((_, Publication { exchange, key, .. })) = unsettled.first() else { return };
        // Not kept: a connection that breaks goes back to its pool at once.
        let batches = match self.next_connection().await.batches(exchange, key).await {
            Ok(batches) => batches,
            Err(error) => {
                sending.reason = Some(error.to_string());
                return;
            }
        };
        if !sending.is_wanted() {
            sending.reason = Some("nobody wants it any more".to_owned());
            return;
        }
        let mut answers = FuturesUnordered::new();
        let mut unsent = unsettled.into_iter().peekable();
        while unsent.peek().is_some() {
            let mut answered = Vec::new();
            let requests = unsent.by_ref().take(MAX_BATCH).map(|(at, message)| {
                let (answer, receiver) = oneshot::channel();
                answered.push((at, receiver));
                PublishRequest { message, answer }
            });
            let batch = requests.collect();
            if batches.send(batch).await.is_err() {
                sending.reason = Some(lost());
                break;
            }
            for (at, receiver) in answered {
                sending.handed_over[at] += 1;
                answers.push(receiver.map(move |answer| (at, answer)));
            }
        }
        while let Some((at, answer)) = answers.next().await {
            match answer {
                Ok(answer) => sending.settle(at, answer),
                Err(_) => sending.reason = Some(lost()),
            }
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

/// Publications on their way, and what became of each.
struct Sending<'a> {
    publications: &'a [Publication],
    outcomes: Vec<Option<Result<(), Failure>>>,
    /// How often each was handed over: the broker may have taken one of which nothing was heard then.
    handed_over: Vec<u32>,
    /// Why the last attempt settled not all of them.
    reason: Option<String>,
    is_wanted: Option<IsWanted<'a>>,
}

impl<'a> Sending<'a> {
    fn new(publications: &'a [Publication]) -> Self {
        let outcomes = publications.iter().map(|_| None).collect();
        Self { publications, outcomes, handed_over: vec![0; publications.len()], reason: None, is_wanted: None }
    }

    fn is_wanted(&self) -> bool {
        self.is_wanted.is_none_or(|is_wanted| is_wanted())
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
        if self.handed_over[at] > 1
            && let Some(Err(Failure::Final(error))) = &self.outcomes[at]
        {
            // A refusal would say that it is nowhere.
            let error = SendError::Unavailable(format!("it may have been taken before, and now {error}"));
            self.outcomes[at] = Some(Err(Failure::InDoubt(error)));
        }
    }
}

fn lost() -> String {
    "the channel ended before the broker had confirmed".to_owned()
}

fn refused(publication: &Publication) -> SendError {
    SendError::Refused(format!("ask your operator: this user may not write to {}", publication.exchange))
}

#[cfg(test)]
mod tests {
    use lapin::ErrorKind;

    use super::*;

    #[test]
    fn what_may_have_been_taken_before_is_never_told_to_be_refused() {
        let publication = Publication::new("jobs".to_owned(), "quick".to_owned(), "application/json", "1", Vec::new());
        let publications = [publication.clone(), publication];
        let mut sending = Sending { handed_over: vec![2, 1], ..Sending::new(&publications) };
        sending.settle(0, Err(ErrorKind::MissingHeartbeatError.into()));
        sending.settle(0, Ok(Answer::Refused));
        sending.settle(1, Ok(Answer::Refused));
        let failed = |at: usize| sending.outcomes[at].as_ref().and_then(|outcome| outcome.as_ref().err());
        assert!(matches!(failed(0), Some(Failure::InDoubt(SendError::Unavailable(_)))));
        assert!(matches!(failed(1), Some(Failure::Final(SendError::Full(_)))));
    }
}
