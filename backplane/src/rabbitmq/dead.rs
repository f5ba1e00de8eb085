//! Dead jobs: listed, put back into their queue, or discarded.
//!
//! AMQP has no way to look at a message without taking it: a scan keeps what it has seen unacknowledged, so that the next
//! one can be had, and returns all at its end. The dead queue has a delivery limit that no number of scans reaches.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use lapin::{
    Channel, Connection,
    message::{BasicGetMessage, Delivery},
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions},
    types::{AMQPValue, FieldTable},
};
use model::environment::Kind;

use super::{
    connect::{Broker, Fault, await_answer, fault},
    publish::Publisher,
    submit::submit,
};
use crate::{
    dead::{self, DeadJob, DeadJobs, Retried},
    link::SendError,
};

/// Headers of a job that we dead-lettered: the reason, the time (RFC 3339) and the number of attempts.
pub(super) const REASON: &str = "reason";
pub(super) const SINCE: &str = "dead-since";
pub(super) const ATTEMPTS: &str = "attempts";
/// The header of a job that the broker dead-lettered, after losing too many workers with it; the last death first.
const X_DEATH: &str = "x-death";

/// The dead jobs of one kind.
pub(super) struct RabbitDeadJobs {
    pub(super) broker: Broker,
    pub(super) kind: Kind,
    pub(super) publisher: Arc<Publisher>,
}

/// A pass over the queue on a connection of its own; what it has seen goes back when the connection closes.
struct Scan {
    connection: Connection,
    channel: Channel,
    queue: String,
    kind: Kind,
}

/// A dead job that the scan holds.
struct ScannedJob {
    dead: DeadJob,
    delivery: Delivery,
    /// The number of jobs after it.
    remaining: u32,
}

impl RabbitDeadJobs {
    async fn start_scan(&self) -> Result<Scan, SendError> {
        let connection = self.broker.connect("dead jobs").await.map_err(SendError::Unavailable)?;
        let channel = await_answer(connection.create_channel()).await?.map_err(transient)?;
        let topology = &self.broker.topology;
        let queue = topology.queue_of(&topology.dead_key(&self.kind));
        Ok(Scan { connection, channel, queue, kind: self.kind.clone() })
    }

    /// Puts the job back into its lane of this kind, whatever kind it names, and only then removes it here.
    async fn requeue(&self, scanned: &ScannedJob) -> Result<(), SendError> {
        let job = dead::for_retry(&scanned.dead)?;
        let is_here = || scanned.delivery.acker.usable();
        submit((&self.broker, &self.publisher), &self.kind, &job, &is_here).await?;
        scanned.acknowledge().await
    }
}

impl Scan {
    /// The next job that was not seen yet.
    async fn next(&self) -> Result<Option<ScannedJob>, SendError> {
        let got = await_answer(self.channel.basic_get(self.queue.as_str().into(), BasicGetOptions::default())).await?;
        let got = got.map_err(|error| match fault(&error) {
            Fault::Missing => dead::no_queue(&self.kind),
            Fault::Refused => SendError::Refused(format!("ask your operator: this user may not read {}", self.queue)),
            Fault::Other => transient(error),
        })?;
        Ok(got.map(|BasicGetMessage { delivery, message_count, .. }| {
            let dead = read(&delivery);
            ScannedJob { dead, delivery, remaining: message_count }
        }))
    }

    async fn find(&self, id: &str) -> Result<Option<ScannedJob>, SendError> {
        while let Some(scanned) = self.next().await? {
            if scanned.dead.id == id {
                return Ok(Some(scanned));
            }
        }
        Ok(None)
    }

    /// Returns all jobs that are still held. After an error the connection's end does the same.
    async fn end(self) {
        let all = BasicNackOptions { multiple: true, requeue: true };
        // A failure here returns them as well.
        await_answer(self.channel.basic_nack(0, all)).await.ok();
        await_answer(self.connection.close(200, "done".into())).await.ok();
    }
}

impl ScannedJob {
    async fn acknowledge(&self) -> Result<(), SendError> {
        let acknowledged = await_answer(self.delivery.acker.ack(BasicAckOptions::default())).await?;
        match acknowledged.map_err(transient)? {
            true => Ok(()),
            false => {
                Err(SendError::Unavailable("the connection was lost before the dead one was taken away".to_owned()))
            }
        }
    }
}

#[async_trait]
impl DeadJobs for RabbitDeadJobs {
    async fn list(&self, skip: usize, limit: usize) -> Result<Vec<DeadJob>, SendError> {
        let scan = self.start_scan().await?;
        let mut found = Vec::new();
        let mut visited = 0;
        while found.len() < limit
            && let Some(scanned) = scan.next().await?
        {
            visited += 1;
            if visited > skip {
                found.push(scanned.dead);
            }
        }
        scan.end().await;
        Ok(found)
    }

    async fn find(&self, id: &str) -> Result<Option<DeadJob>, SendError> {
        let scan = self.start_scan().await?;
        let found = scan.find(id).await?;
        scan.end().await;
        Ok(found.map(|scanned| scanned.dead))
    }

    async fn retry(&self, id: &str) -> Result<bool, SendError> {
        let scan = self.start_scan().await?;
        let found = scan.find(id).await?;
        if let Some(scanned) = &found {
            self.requeue(scanned).await?;
        }
        scan.end().await;
        Ok(found.is_some())
    }

    async fn retry_all(&self) -> Result<Retried, SendError> {
        let scan = self.start_scan().await?;
        let mut retried = Retried::default();
        let mut remaining = None;
        // Only those that were there at the beginning: a job that dies again meanwhile is not retried for ever.
        while remaining != Some(0)
            && let Some(scanned) = scan.next().await?
        {
            remaining = Some(remaining.map_or(scanned.remaining, |remaining| remaining - 1));
            match self.requeue(&scanned).await {
                Ok(()) => retried.jobs += 1,
                Err(SendError::Invalid(_)) => retried.skipped += 1,
                Err(error) => return Err(error),
            }
        }
        scan.end().await;
        Ok(retried)
    }

    async fn discard(&self, id: &str) -> Result<bool, SendError> {
        let scan = self.start_scan().await?;
        let found = scan.find(id).await?;
        if let Some(scanned) = &found {
            scanned.acknowledge().await?;
        }
        scan.end().await;
        Ok(found.is_some())
    }
}

fn read(delivery: &Delivery) -> DeadJob {
    let job = dead::parse(&delivery.data);
    let none = FieldTable::default();
    let headers = delivery.properties.headers().as_ref().unwrap_or(&none);
    let broker_death = last_death(headers);
    let since = text(headers, SINCE).and_then(|since| since.parse().ok());
    let since = since.or_else(|| broker_death.and_then(time));
    let reason = text(headers, REASON).unwrap_or_else(|| match broker_death.and_then(|death| text(death, REASON)) {
        Some(reason) => format!("the broker gave it up: {reason}"),
        None => "nobody said why".to_owned(),
    });
    let attempts = headers.inner().get(ATTEMPTS).and_then(count);
    let attempts = attempts.unwrap_or_else(|| job.as_ref().map_or(0, |job| job.attempts));
    DeadJob { id: dead::id(&job), job, reason, since, attempts }
}

/// A number in whichever width its sender's client chose: those of other languages take the shortest.
fn count(value: &AMQPValue) -> Option<u32> {
    match *value {
        AMQPValue::ShortShortInt(count) => count.try_into().ok(),
        AMQPValue::ShortShortUInt(count) => Some(count.into()),
        AMQPValue::ShortInt(count) => count.try_into().ok(),
        AMQPValue::ShortUInt(count) => Some(count.into()),
        AMQPValue::LongInt(count) => count.try_into().ok(),
        AMQPValue::LongUInt(count) => Some(count),
        AMQPValue::LongLongInt(count) => count.try_into().ok(),
        _ => None,
    }
}

fn text(headers: &FieldTable, name: &str) -> Option<String> {
    let text = headers.inner().get(name)?.as_long_string()?;
    Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
}

fn last_death(headers: &FieldTable) -> Option<&FieldTable> {
    match headers.inner().get(X_DEATH)?.as_array()?.as_slice().first()? {
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

fn transient(error: lapin::Error) -> SendError {
    SendError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_in_whichever_width_a_client_wrote_it() {
        let widths = [
            AMQPValue::ShortShortInt(7),
            AMQPValue::ShortShortUInt(7),
            AMQPValue::ShortInt(7),
            AMQPValue::ShortUInt(7),
            AMQPValue::LongInt(7),
            AMQPValue::LongUInt(7),
            AMQPValue::LongLongInt(7),
        ];
        assert!(widths.iter().all(|value| count(value) == Some(7)), "{widths:?}");
        assert_eq!([AMQPValue::LongInt(-1), AMQPValue::Boolean(true)].map(|value| count(&value)), [None, None]);
    }
}
