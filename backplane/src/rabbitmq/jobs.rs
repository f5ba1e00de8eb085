//! The job queues: submits over the publishing connection, and takes over a connection for each reader.

use std::sync::Arc;

use async_trait::async_trait;
use model::{environment::Kind, job::Job};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    connect::Broker, dead::RabbitDeadJobs, job_consumer::JobConsumer, publish::Publisher, reconnect, settle::Settler,
    submit,
};
use crate::{
    dead::{self, DeadJobs, Depth},
    jobs::{JobQueues, JobReader, RETRY_STEPS},
    lane::Lane,
    link::{Link, SendError},
};

/// An environment's job queues.
pub(super) struct RabbitJobs {
    pub(super) broker: Broker,
    pub(super) publisher: Arc<Publisher>,
}

impl RabbitJobs {
    async fn ready(&self, key: &str) -> Result<Option<u32>, SendError> {
        submit::ready(&self.broker, &self.publisher, key).await
    }
}

#[async_trait]
impl JobQueues for RabbitJobs {
    async fn submit(&self, job: &Job) -> Result<(), SendError> {
        submit::submit((&self.broker, &self.publisher), &job.kind, job, &|| true).await
    }

    fn consume(&self, kind: &Kind, at_once: u16) -> JobReader {
        let at_once = at_once.max(1);
        let (sender, deliveries) = mpsc::channel(usize::from(at_once));
        let (link_sender, link) = watch::channel(Link::Down("connecting".to_owned()));
        let (topology, publisher) = (self.broker.topology.clone(), self.publisher.clone());
        let settler = Arc::new(Settler { topology, kind: kind.clone(), publisher });
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let consumer = JobConsumer { settler, at_once, deliveries: sender, wake: wake.clone(), stop: stop.clone() };
        let task = tokio::spawn(reconnect::run_sessions(self.broker.clone(), "jobs", link_sender, consumer));
        JobReader { deliveries, stop, link, wake, task: AbortOnDropHandle::new(task) }
    }

    async fn depth(&self, kind: &Kind) -> Result<Depth, SendError> {
        let topology = &self.broker.topology;
        let mut waiting = u64::from(self.ready(kind.as_str()).await?.ok_or_else(|| dead::no_queue(kind))?);
        for lane in Lane::ASKED {
            waiting += u64::from(self.ready(&topology.lane_key(kind, lane)).await?.unwrap_or(0));
        }
        let mut retrying = 0;
        for step in RETRY_STEPS {
            retrying += u64::from(self.ready(&topology.retry_key(kind, step)).await?.unwrap_or(0));
        }
        let dead = self.ready(&topology.dead_key(kind)).await?.unwrap_or(0);
        Ok(Depth { waiting, retrying, dead: dead.into() })
    }

    fn dead(&self, kind: &Kind) -> Box<dyn DeadJobs> {
        let (broker, publisher) = (self.broker.clone(), self.publisher.clone());
        Box::new(RabbitDeadJobs { broker, kind: kind.clone(), publisher })
    }
}
