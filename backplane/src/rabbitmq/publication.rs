//! A message for an exchange, with its target and its properties.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use lapin::{BasicProperties, types::ShortString};
use model::{environment::Kind, job::Job};

use crate::{
    jobs::{retry_step, wait_of},
    link::SendError,
    topology::Topology,
};

/// The content type of a job.
pub(super) const JOB: &str = "application/json";
/// The delivery mode of a message that outlives a restart of the broker.
const DURABLE: u8 = 2;

/// A message and its target; each retry sends it with the same id.
#[derive(Debug, Clone)]
pub(super) struct Publication {
    pub(super) exchange: String,
    pub(super) key: String,
    pub(super) body: Bytes,
    pub(super) properties: BasicProperties,
}

impl Publication {
    /// A durable message with an id.
    pub(super) fn new(exchange: String, key: String, content_type: &str, id: &str, body: impl Into<Bytes>) -> Self {
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

    /// Its id; empty if it has none.
    pub(super) fn id(&self) -> &str {
        self.properties.message_id().as_ref().map_or("", |id| id.as_str())
    }

    /// Its target, in words.
    pub(super) fn target(&self) -> String {
        if self.key.is_empty() { self.exchange.clone() } else { format!("{} with the key {}", self.exchange, self.key) }
    }
}
