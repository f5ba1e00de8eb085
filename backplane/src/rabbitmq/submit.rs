//! Puts a job into the lane of its kind.

use jiff::Timestamp;
use model::{environment::Kind, job::Job};

use super::{
    connect::{Broker, await_answer},
    declare,
    publication::Publication,
    publish::{Failure, IsWanted, Publisher},
};
use crate::{lane::Lane, link::SendError};

/// Puts a job into its lane of this kind, whatever kind the job names; into another where there is no such lane. One that is
/// not to be begun yet waits among the retries. No attempt is begun once it is not wanted any more.
pub(super) async fn submit(
    (broker, publisher): (&Broker, &Publisher),
    kind: &Kind,
    job: &Job,
    is_wanted: IsWanted<'_>,
) -> Result<(), SendError> {
    let delay = job.delay(Timestamp::now());
    for lane in Lane::choices(job) {
        let key = broker.topology.lane_key(kind, lane);
        let publication = match delay {
            // Its worker delays it again until its time has come.
            Some(delay) => Publication::of_delayed(&broker.topology, kind, job, delay)?,
            None => Publication::of_job(broker.topology.jobs(), key, job)?,
        };
        match publisher.send_while(&publication, is_wanted).await {
            Err(Failure::Returned | Failure::NoExchange) => {}
            settled => return settled.map_err(|failure| failure.into_error(&publication)),
        }
        // A queue is declared by its worker or by the operator, never by the submitter; but a broker that starts knows its
        // queues before it can reach them.
        if ready(broker, publisher, &publication.key).await?.is_some() {
            return Err(SendError::Unavailable(format!("the queue of {} cannot be reached yet", publication.key)));
        }
        // It would have waited in the same queue whichever its lane.
        if delay.is_some() {
            break;
        }
    }
    Err(SendError::Unroutable(format!("no function of kind {kind}")))
}

/// The number of messages ready in the queue of this routing key; `None` if there is no such queue.
pub(super) async fn ready(broker: &Broker, publisher: &Publisher, key: &str) -> Result<Option<u32>, SendError> {
    let connection = publisher.connection().await?;
    await_answer(declare::ready(connection.connection(), &broker.topology.queue_of(key))).await?
}
