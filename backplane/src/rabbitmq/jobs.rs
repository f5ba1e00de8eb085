//! The job queues: work out over the publishing connection, and in over one for each reader.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    connect::{Broker, answer},
    dead::RabbitDead,
    declare, heal,
    publish::{Failure, Parcel, Publisher},
    settle::Desk,
    take::Taking,
};
use model::{environment::Kind, job::Job};

use crate::{
    dead::{self, DeadJobs, Depth},
    jobs::{JobQueues, JobReader, RETRY_STEPS},
    send::{Link, SendError},
};

/// An environment's job queues.
pub(super) struct RabbitJobs {
    broker: Broker,
    publisher: Arc<Publisher>,
}

impl RabbitJobs {
    pub(super) fn new(broker: Broker, publisher: Arc<Publisher>) -> Self {
        Self { broker, publisher }
    }

    /// How many wait in a queue of this routing key; `None` where there is none.
    async fn ready(&self, key: &str) -> Result<Option<u32>, SendError> {
        let line = self.publisher.line().await?;
        let queue = self.broker.topology.queue_of(key);
        answer(declare::ready(line.connection(), &queue)).await?
    }

    /// What it means that a job came back. The queue is made by who takes from it, or by the operator: not by whoever
    /// names a kind. But a broker that starts knows its queues before it can reach them.
    async fn no_way(&self, kind: &Kind) -> SendError {
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
        let parcel = Parcel::of_job(self.broker.topology.jobs(), job.kind.to_string(), job)?;
        match self.publisher.send(&parcel).await {
            Err(Failure::Returned | Failure::NoExchange) => Err(self.no_way(&job.kind).await),
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
        Box::new(RabbitDead::new(self.broker.clone(), kind.clone(), self.publisher.clone()))
    }
}
