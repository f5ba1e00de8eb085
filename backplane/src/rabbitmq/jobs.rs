//! The job queues: submits over the publishing connection, and takes over a connection for each reader.

use std::sync::Arc;

use async_trait::async_trait;
use model::{environment::Kind, job::Job};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connect::{Broker, await_answer},
    dead::RabbitDeadJobs,
    declare,
    job_consumer::JobConsumer,
    publish::{Failure, Publication, Publisher},
    reconnect,
    settle::Settler,
};
use crate::{
    dead::{self, DeadJobs, Depth},
    jobs::{JobQueues, JobReader, RETRY_STEPS},
    link::{Link, SendError},
};

/// An environment's job queues.
pub(super) struct RabbitJobs {
    pub(super) broker: Broker,
    pub(super) publisher: Arc<Publisher>,
}

impl RabbitJobs {
    /// The number of messages ready in the queue of this routing key; `None` if there is no such queue.
    async fn ready(&self, key: &str) -> Result<Option<u32>, SendError> {
        let connection = self.publisher.connection().await?;
        let queue = self.broker.topology.queue_of(key);
        await_answer(declare::ready(connection.connection(), &queue)).await?
    }

    /// The error for a job that was returned. Its queue is declared by its worker or by the operator, never by the
    /// submitter; but a broker that starts knows its queues before it can reach them.
    async fn returned(&self, kind: &Kind) -> SendError {
        match self.ready(kind.as_str()).await {
            Ok(None) => SendError::Unroutable(format!("no function of kind {kind}")),
            Ok(Some(_)) => SendError::Unavailable(format!("the queue of {kind} cannot be reached yet")),
            Err(error) => error,
        }
    }
}

#[async_trait]
impl JobQueues for RabbitJobs {
    async fn submit(&self, job: &Job) -> Result<(), SendError> {
        let publication = Publication::of_job(self.broker.topology.jobs(), job.kind.to_string(), job)?;
        match self.publisher.send(&publication).await {
            Err(Failure::Returned | Failure::NoExchange) => Err(self.returned(&job.kind).await),
            settled => settled.map_err(|failure| failure.into_error(&publication)),
        }
    }

    fn consume(&self, kind: &Kind, at_once: u16) -> JobReader {
        let at_once = at_once.max(1);
        let (sender, deliveries) = mpsc::channel(usize::from(at_once));
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let (topology, publisher) = (self.broker.topology.clone(), self.publisher.clone());
        let settler = Arc::new(Settler { topology, kind: kind.clone(), publisher });
        let consumer = JobConsumer { settler, at_once, deliveries: sender };
        let task = tokio::spawn(reconnect::run_sessions(self.broker.clone(), "jobs", link_sender, consumer));
        JobReader { deliveries, link, task: AbortOnDropHandle::new(task) }
    }

    async fn depth(&self, kind: &Kind) -> Result<Depth, SendError> {
        let topology = &self.broker.topology;
        let waiting = self.ready(kind.as_str()).await?.ok_or_else(|| dead::no_queue(kind))?;
        let mut retrying = 0;
        for step in RETRY_STEPS {
            retrying += u64::from(self.ready(&topology.retry_key(kind, step)).await?.unwrap_or(0));
        }
        let dead = self.ready(&topology.dead_key(kind)).await?.unwrap_or(0);
        Ok(Depth { waiting: waiting.into(), retrying, dead: dead.into() })
    }

    fn dead(&self, kind: &Kind) -> Box<dyn DeadJobs> {
        let (broker, publisher) = (self.broker.clone(), self.publisher.clone());
        Box::new(RabbitDeadJobs { broker, kind: kind.clone(), publisher })
    }
}
