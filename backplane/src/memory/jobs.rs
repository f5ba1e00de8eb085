//! The job queues: a job that is taken and not settled is delivered again. Owners take turns among jobs of one rank.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use model::{environment::Kind, job::Job};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::ranked_queues::{RankedQueues, Waiting};
use crate::{
    dead::{self, DeadJob, DeadJobs, Depth, Retried},
    jobs::{JobDelivery, JobQueues, JobReader, Settle, Settlement, wait_of},
    lane::Lane,
    link::{Link, SendError},
};

/// Most jobs that one queue holds, and most of its dead ones; as many again for owners who have none yet.
const MAX_QUEUED: usize = 100_000;

#[derive(Clone, Default)]
pub(super) struct MemoryJobs {
    queues: Arc<Mutex<HashMap<Kind, Arc<Queue>>>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    ready: RankedQueues,
    delayed: Vec<(Instant, Job)>,
    dead: VecDeque<DeadJob>,
}

impl State {
    /// Lets those wait whose delay is over.
    fn end_delays(&mut self) {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = self.delayed.drain(..).partition(|(at, _)| *at <= now);
        self.delayed = later;
        due.into_iter().for_each(|(_, job)| self.ready.push_back(Waiting { job, redeliveries: 0 }));
    }
}

impl MemoryJobs {
    fn queue(&self, kind: &Kind) -> Option<Arc<Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave it half changed: each change is a push or a pop.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_first(&self, job: Job, redeliveries: u32) {
        self.state().ready.push_front(Waiting { job, redeliveries });
        self.changed.notify_waiters();
    }

    fn put_last(&self, job: Job) {
        self.state().ready.push_back(Waiting { job, redeliveries: 0 });
        self.changed.notify_waiters();
    }

    /// The next job, or the time at which one will be due.
    fn next(&self) -> Result<Waiting, Option<Instant>> {
        let mut state = self.state();
        state.end_delays();
        match state.ready.pop_front() {
            Some(waiting) => Ok(waiting),
            None => Err(state.delayed.iter().map(|(at, _)| *at).min()),
        }
    }

    async fn wait_for_next(&self) -> Waiting {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change between is missed.
            changed.as_mut().enable();
            match self.next() {
                Ok(waiting) => return waiting,
                Err(None) => changed.await,
                Err(Some(due)) => {
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(due) => {}
                    }
                }
            }
        }
    }
}

/// A delivered job; dropped unsettled it goes back to the head of its queue.
struct UnsettledJob {
    queue: Arc<Queue>,
    unsettled: Mutex<Option<Waiting>>,
    /// Until it has ended.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Drop for UnsettledJob {
    fn drop(&mut self) {
        let unsettled = self.unsettled.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waiting) = unsettled {
            self.queue.put_first(waiting.job, waiting.redeliveries + 1);
        }
    }
}

#[async_trait]
impl Settle for UnsettledJob {
    fn ended(&self) {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), SendError> {
        let unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Waiting { job, redeliveries }) = unsettled else {
            return Ok(());
        };
        self.ended();
        match settlement {
            Settlement::Done => {}
            Settlement::GiveBack => self.queue.put_first(job, redeliveries),
            Settlement::Requeue => self.queue.put_first(job, redeliveries + 1),
            Settlement::Retry { job, after } => {
                let due = Instant::now() + wait_of(&job, after);
                self.queue.state().delayed.push((due, job));
                self.queue.changed.notify_waiters();
            }
            Settlement::Dead { reason } => {
                let mut state = self.queue.state();
                if state.dead.len() == MAX_QUEUED {
                    state.dead.pop_front();
                }
                let attempts = job.attempts.saturating_add(redeliveries).saturating_add(1);
                let (id, since) = (job.task.to_string(), Some(Timestamp::now()));
                state.dead.push_back(DeadJob { id, job: Ok(job), reason, since, attempts });
            }
        }
        Ok(())
    }
}

#[async_trait]
impl JobQueues for MemoryJobs {
    async fn submit(&self, job: &Job) -> Result<(), SendError> {
        let Some(queue) = self.queue(&job.kind) else {
            return Err(SendError::Unroutable(format!("no function of kind {}", job.kind)));
        };
        {
            let mut state = queue.state();
            if let Some(delay) = job.delay(Timestamp::now()) {
                if state.delayed.len() >= MAX_QUEUED {
                    return Err(SendError::Full(format!("{MAX_QUEUED} jobs of kind {} are delayed", job.kind)));
                }
                state.delayed.push((Instant::now() + wait_of(job, delay), job.clone()));
                drop(state);
                queue.changed.notify_waiters();
                return Ok(());
            }
            let limit = if matches!(Lane::of(job), Lane::First | Lane::High) { 2 * MAX_QUEUED } else { MAX_QUEUED };
            if state.ready.count() >= limit {
                return Err(SendError::Full(format!("{limit} jobs of kind {} wait", job.kind)));
            }
            state.ready.push_back(Waiting { job: job.clone(), redeliveries: 0 });
        }
        queue.changed.notify_waiters();
        Ok(())
    }

    fn consume(&self, kind: &Kind, at_once: u16) -> JobReader {
        let queue = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.entry(kind.clone()).or_default().clone()
        };
        let (sender, deliveries) = mpsc::channel(1);
        let slots = Arc::new(Semaphore::new(usize::from(at_once.max(1))));
        let (link_sender, link) = watch::channel(Link::Up);
        let stop = CancellationToken::new();
        let until = stop.clone();
        let task = tokio::spawn(async move {
            let _link = link_sender;
            // It ends when the reader is stopped or dropped.
            until.run_until_cancelled(hand_out(queue, slots, sender)).await;
        });
        JobReader { deliveries, stop, link, wake: Arc::default(), task: AbortOnDropHandle::new(task) }
    }

    async fn depth(&self, kind: &Kind) -> Result<Depth, SendError> {
        let queue = self.queue(kind).ok_or_else(|| dead::no_queue(kind))?;
        let mut state = queue.state();
        state.end_delays();
        let (waiting, retrying, dead) = (state.ready.count(), state.delayed.len(), state.dead.len());
        Ok(Depth { waiting: waiting as u64, retrying: retrying as u64, dead: dead as u64 })
    }

    fn dead(&self, kind: &Kind) -> Box<dyn DeadJobs> {
        Box::new(MemoryDeadJobs { jobs: self.clone(), kind: kind.clone() })
    }
}

/// Hands out jobs while the receiver lives and there are places.
async fn hand_out(queue: Arc<Queue>, slots: Arc<Semaphore>, sender: mpsc::Sender<JobDelivery>) {
    // The semaphore is never closed.
    while let Ok(permit) = slots.clone().acquire_owned().await {
        // Before a job is taken: what waits here would have to go back.
        let Ok(handing) = sender.reserve().await else { return };
        let waiting = queue.wait_for_next().await;
        let (job, redeliveries) = (waiting.job.clone(), waiting.redeliveries);
        let (unsettled, place) = (Mutex::new(Some(waiting)), Mutex::new(Some(permit)));
        let settle = Box::new(UnsettledJob { queue: queue.clone(), unsettled, place });
        handing.send(JobDelivery { job: Ok(job), redeliveries, settle });
    }
}

/// The dead jobs of one kind.
struct MemoryDeadJobs {
    jobs: MemoryJobs,
    kind: Kind,
}

impl MemoryDeadJobs {
    fn queue(&self) -> Result<Arc<Queue>, SendError> {
        self.jobs.queue(&self.kind).ok_or_else(|| dead::no_queue(&self.kind))
    }
}

impl Queue {
    /// Removes the dead job of this id and returns it converted; if `convert` fails, the job stays.
    fn take_dead<T>(
        &self,
        id: &str,
        convert: impl Fn(&DeadJob) -> Result<T, SendError>,
    ) -> Result<Option<T>, SendError> {
        let mut state = self.state();
        let Some(index) = state.dead.iter().position(|dead| dead.id == id) else {
            return Ok(None);
        };
        let converted = convert(&state.dead[index])?;
        state.dead.remove(index);
        Ok(Some(converted))
    }
}

#[async_trait]
impl DeadJobs for MemoryDeadJobs {
    async fn list(&self, skip: usize, limit: usize) -> Result<Vec<DeadJob>, SendError> {
        Ok(self.queue()?.state().dead.iter().skip(skip).take(limit).cloned().collect())
    }

    async fn find(&self, id: &str) -> Result<Option<DeadJob>, SendError> {
        Ok(self.queue()?.state().dead.iter().find(|dead| dead.id == id).cloned())
    }

    async fn retry(&self, id: &str) -> Result<bool, SendError> {
        let queue = self.queue()?;
        let Some(job) = queue.take_dead(id, dead::for_retry)? else {
            return Ok(false);
        };
        queue.put_last(job);
        Ok(true)
    }

    async fn retry_all(&self) -> Result<Retried, SendError> {
        let queue = self.queue()?;
        let dead = std::mem::take(&mut queue.state().dead);
        let jobs: Vec<_> = dead.iter().filter_map(|dead| dead::for_retry(dead).ok()).collect();
        let retried = Retried { jobs: jobs.len() as u64, skipped: 0 };
        jobs.into_iter().for_each(|job| queue.put_last(job));
        Ok(retried)
    }

    async fn discard(&self, id: &str) -> Result<bool, SendError> {
        Ok(self.queue()?.take_dead(id, |_| Ok(()))?.is_some())
    }
}
