//! Dead jobs: looked at, put back into their queue, or forgotten.
//!
//! AMQP can look at a message only by taking it: what was seen is held unacknowledged until the end of the look, so
//! that the next one can be had, and then returned all at once. The queue of the dead is declared with a delivery
//! limit that no number of looks reaches.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use lapin::{
    Channel, Connection,
    message::{BasicGetMessage, Delivery},
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    connect::{Broker, Fault, answer, fault},
    publish::{Parcel, Publisher},
};
use model::environment::Kind;

use crate::{
    dead::{self, DeadJob, DeadJobs, Retried},
    send::SendError,
};

/// Headers of what we bury: why, since when (RFC 3339) and after how many attempts.
pub(super) const REASON: &str = "reason";
pub(super) const SINCE: &str = "dead-since";
pub(super) const ATTEMPTS: &str = "attempts";
/// Of what the broker itself laid here, because its worker was lost with it again and again; the last death first.
const BROKERS_DEATHS: &str = "x-death";

/// The dead jobs of one kind.
pub(super) struct RabbitDead {
    broker: Broker,
    kind: Kind,
    publisher: Arc<Publisher>,
}

/// A look at the queue on a connection of its own; what was seen goes back with it.
struct Look {
    connection: Connection,
    channel: Channel,
    queue: String,
    kind: Kind,
}

/// A dead job in hand.
struct Seen {
    dead: DeadJob,
    delivery: Delivery,
    /// How many there are behind it.
    behind: u32,
}

impl RabbitDead {
    pub(super) fn new(broker: Broker, kind: Kind, publisher: Arc<Publisher>) -> Self {
        Self { broker, kind, publisher }
    }

    async fn begin(&self) -> Result<Look, SendError> {
        let connection = self.broker.connect("dead jobs").await.map_err(SendError::Unavailable)?;
        let channel = answer(connection.create_channel()).await?.map_err(passing)?;
        let topology = &self.broker.topology;
        let queue = topology.queue_of(&topology.dead_key(&self.kind));
        Ok(Look { connection, channel, queue, kind: self.kind.clone() })
    }

    /// Puts it back into its queue; only then is it dead no longer.
    async fn revive(&self, seen: &Seen) -> Result<(), SendError> {
        let job = dead::anew(&seen.dead)?;
        // To the queue it is beside, whatever kind it says.
        let parcel = Parcel::of_job(self.broker.topology.jobs(), self.kind.to_string(), &job)?;
        self.publisher.send(&parcel).await.map_err(|failure| failure.explain(&parcel))?;
        seen.forget().await
    }
}

impl Look {
    /// The next that was not seen yet.
    async fn next(&self) -> Result<Option<Seen>, SendError> {
        let got = answer(self.channel.basic_get(self.queue.as_str().into(), BasicGetOptions::default())).await?;
        let got = got.map_err(|error| match fault(&error) {
            Fault::Missing => dead::no_queue(&self.kind),
            Fault::Refused => SendError::Refused(format!("ask your operator: this user may not read {}", self.queue)),
            Fault::Other => passing(error),
        })?;
        Ok(got.map(|BasicGetMessage { delivery, message_count, .. }| {
            let dead = read(&delivery);
            Seen { dead, delivery, behind: message_count }
        }))
    }

    async fn until(&self, id: &str) -> Result<Option<Seen>, SendError> {
        while let Some(seen) = self.next().await? {
            if seen.dead.id == id {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    /// Returns all that is still in hand to its place. Left out (an error came first), the connection's end does it.
    async fn end(self) {
        let all = BasicNackOptions { multiple: true, requeue: true };
        // What goes wrong here returns them as well.
        answer(self.channel.basic_nack(0, all)).await.ok();
        answer(self.connection.close(200, "done".into())).await.ok();
    }
}

impl Seen {
    async fn forget(&self) -> Result<(), SendError> {
        let acknowledged = answer(self.delivery.acker.ack(BasicAckOptions::default())).await?;
        match acknowledged.map_err(passing)? {
            true => Ok(()),
            false => {
                Err(SendError::Unavailable("the connection was lost before the dead one was taken away".to_owned()))
            }
        }
    }
}

#[async_trait]
impl DeadJobs for RabbitDead {
    async fn look(&self, skip: usize, most: usize) -> Result<Vec<DeadJob>, SendError> {
        let look = self.begin().await?;
        let mut found = Vec::new();
        let mut passed = 0;
        while found.len() < most
            && let Some(seen) = look.next().await?
        {
            passed += 1;
            if passed > skip {
                found.push(seen.dead);
            }
        }
        look.end().await;
        Ok(found)
    }

    async fn find(&self, id: &str) -> Result<Option<DeadJob>, SendError> {
        let look = self.begin().await?;
        let found = look.until(id).await?;
        look.end().await;
        Ok(found.map(|seen| seen.dead))
    }

    async fn retry(&self, id: &str) -> Result<bool, SendError> {
        let look = self.begin().await?;
        let found = look.until(id).await?;
        if let Some(seen) = &found {
            self.revive(seen).await?;
        }
        look.end().await;
        Ok(found.is_some())
    }

    async fn retry_all(&self) -> Result<Retried, SendError> {
        let look = self.begin().await?;
        let mut retried = Retried::default();
        let mut left = None;
        // Those that were there at the beginning: what dies again meanwhile is not tried for ever.
        while left != Some(0)
            && let Some(seen) = look.next().await?
        {
            left = Some(left.map_or(seen.behind, |left| left - 1));
            match self.revive(&seen).await {
                Ok(()) => retried.jobs += 1,
                Err(SendError::Invalid(_)) => retried.stayed += 1,
                Err(error) => return Err(error),
            }
        }
        look.end().await;
        Ok(retried)
    }

    async fn discard(&self, id: &str) -> Result<bool, SendError> {
        let look = self.begin().await?;
        let found = look.until(id).await?;
        if let Some(seen) = &found {
            seen.forget().await?;
        }
        look.end().await;
        Ok(found.is_some())
    }
}

fn read(delivery: &Delivery) -> DeadJob {
    let job = dead::parse(&delivery.data);
    let none = FieldTable::default();
    let headers = delivery.properties.headers().as_ref().unwrap_or(&none);
    let by_the_broker = last_death(headers);
    let since = text(headers, SINCE).and_then(|since| since.parse().ok());
    let since = since.or_else(|| by_the_broker.and_then(time));
    let reason = text(headers, REASON).unwrap_or_else(|| match by_the_broker.and_then(|death| text(death, REASON)) {
        Some(reason) => format!("the broker gave it up: {reason}"),
        None => "nobody said why".to_owned(),
    });
    let counted = headers.inner().get(ATTEMPTS).and_then(AMQPValue::as_long_long_int);
    let attempts = counted.and_then(|count| u32::try_from(count).ok());
    let attempts = attempts.unwrap_or_else(|| job.as_ref().map_or(0, |job| job.attempts));
    DeadJob { id: dead::id(&job), job, reason, since, attempts }
}

fn text(headers: &FieldTable, name: &str) -> Option<String> {
    let text = headers.inner().get(name)?.as_long_string()?;
    Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
}

fn last_death(headers: &FieldTable) -> Option<&FieldTable> {
    match headers.inner().get(BROKERS_DEATHS)?.as_array()?.as_slice().first()? {
        AMQPValue::FieldTable(death) => Some(death),
        _ => None,
    }
}

fn time(death: &FieldTable) -> Option<Timestamp> {
    match death.inner().get("time")? {
        AMQPValue::Timestamp(seconds) => Timestamp::from_second(i64::try_from(*seconds).ok()?).ok(),
        _ => None,
    }
}

fn passing(error: lapin::Error) -> SendError {
    SendError::Unavailable(error.to_string())
}
