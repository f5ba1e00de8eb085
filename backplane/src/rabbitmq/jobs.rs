//! The job queues: work out over the publishing connection, and in over one for each reader.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connect::Broker,
    heal,
    publish::{Failure, Parcel, Publisher},
    settle::Desk,
    take::Taking,
};
use crate::{
    environment::Kind,
    jobs::{Job, JobQueues, JobReader},
    send::{Link, SendError},
};

/// The content type of a job.
pub(super) const CONTENT_TYPE: &str = "application/json";

/// An environment's job queues.
pub(super) struct RabbitJobs {
    broker: Broker,
    publisher: Arc<Publisher>,
}

impl RabbitJobs {
    pub(super) fn new(broker: Broker, publisher: Arc<Publisher>) -> Self {
        Self { broker, publisher }
    }
}

#[async_trait]
impl JobQueues for RabbitJobs {
    async fn submit(&self, job: &Job) -> Result<(), SendError> {
        let parcel = parcel(self.broker.topology.jobs(), job.kind.to_string(), job)?;
        match self.publisher.send(&parcel).await {
            // The queue is made by who takes from it, or by the operator: not by whoever names a kind.
            Err(Failure::Returned | Failure::NoExchange) => {
                Err(SendError::Unroutable(format!("no function of kind {}", job.kind)))
            }
            settled => settled.map_err(|failure| failure.explain(&parcel)),
        }
    }

    fn take(&self, kind: &Kind, at_once: u16) -> JobReader {
        let at_once = at_once.max(1);
        let (sender, deliveries) = mpsc::channel(usize::from(at_once));
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let desk = Arc::new(Desk::new(self.broker.topology.clone(), kind.clone(), self.publisher.clone()));
        let taking = Taking::new(desk, at_once, sender);
        let task = tokio::spawn(heal::keep(self.broker.clone(), "jobs", link_sender, taking));
        JobReader { deliveries, link, task: AbortOnDropHandle::new(task) }
    }
}

/// A job on its way to a routing key of the jobs exchange.
pub(super) fn parcel(exchange: String, key: String, job: &Job) -> Result<Parcel, SendError> {
    let body = serde_json::to_vec(job).map_err(|error| SendError::Invalid(error.to_string()))?;
    Ok(Parcel::new(exchange, key, CONTENT_TYPE, &job.task.to_string(), body))
}
