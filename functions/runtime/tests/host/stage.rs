//! A memory backplane that writes down what a host says and settles, and can refuse.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use backplane::{
    Backplane, DeadJobs, Depth, Destination, EventLog, JobDelivery, JobQueues, JobReader, Link, LogReader, ReadFrom,
    SendError, Settlement, jobs::Settle, memory::Broker,
};
use model::{Audience, EncodedEvent, Environment, Event, Job, Kind, PodId, Task, TaskId, TaskState};
use process::Readiness;
use runtime::{Database, Host, HostConfig, HostError, WorkerContext, testing};
use serde_json::Value;
use storage::{Storage, StorageConfig};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::tricks::Tricks;

/// What a host did that others can see.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Published(Event),
    Settled(Settlement),
}

impl Step {
    /// Whether it publishes this state of a task.
    pub(crate) fn publishes(&self, task: TaskId, state: TaskState) -> bool {
        self.task().is_some_and(|own| own.id == task && own.state == state)
    }

    pub(crate) fn task(&self) -> Option<Task> {
        match self {
            Self::Published(event) => event.task().unwrap(),
            Self::Settled(_) => None,
        }
    }
}

/// Everything around a host.
pub(crate) struct Stage {
    pub(crate) tricks: Tricks,
    pub(crate) config: HostConfig,
    pub(crate) storage: Storage,
    pub(crate) database: Option<Database>,
    pub(crate) environment: Environment,
    inner: Backplane,
    watched: Backplane,
    steps: watch::Receiver<Vec<Step>>,
    /// While true the log takes nothing but pulses.
    pub(crate) refuses: watch::Sender<bool>,
    /// The link of the log's readers; nothing is read while it is down.
    pub(crate) reading: watch::Sender<Link>,
    /// The link of publishing, as the log tells it.
    pub(crate) publishing: watch::Sender<Link>,
    refused: watch::Receiver<u32>,
    injected: mpsc::Sender<JobDelivery>,
    /// Notified when the host says that a job may have come.
    pub(crate) wake: Arc<Notify>,
    record: Record,
}

/// A host that runs.
pub(crate) struct RunningHost {
    stop: CancellationToken,
    task: JoinHandle<Result<(), HostError>>,
}

type Record = watch::Sender<Vec<Step>>;

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Tricks::default())
    }

    pub(crate) fn with(tricks: Tricks) -> Self {
        let environment: Environment = "test".parse().unwrap();
        let inner = Broker::new().environment(&environment);
        let record = Record::new(Vec::new());
        let (refuses, reading) = (watch::Sender::new(false), watch::Sender::new(Link::Up));
        let publishing = watch::Sender::new(Link::Up);
        let (injected, injections) = mpsc::channel(8);
        let (refusals, refused) = watch::channel(0);
        let wake = Arc::new(Notify::new());
        let log = WatchedLog {
            inner: inner.log.clone(),
            record: record.clone(),
            refuses: refuses.clone(),
            refusals,
            reading: reading.clone(),
            publishing: publishing.clone(),
        };
        let jobs = WatchedJobs {
            inner: inner.jobs.clone(),
            record: record.clone(),
            injections: Arc::new(tokio::sync::Mutex::new(injections)),
            wake: wake.clone(),
        };
        let watched = Backplane { log: Arc::new(log), jobs: Arc::new(jobs), ..inner.clone() };
        let steps = record.subscribe();
        let config = HostConfig { attempts: 3, grace: Duration::from_secs(20), ..HostConfig::default() };
        let storage = Storage::open(&StorageConfig::at("memory:")).unwrap();
        let database = None;
        Self {
            tricks,
            config,
            storage,
            database,
            environment,
            inner,
            watched,
            steps,
            refuses,
            reading,
            publishing,
            refused,
            injected,
            wake,
            record,
        }
    }

    /// Starts a host and waits until it is ready.
    pub(crate) async fn host(&self) -> RunningHost {
        let readiness = Readiness::default();
        let host = self.build(&readiness).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(host.run(stop.clone().cancelled_owned()));
        within("the host to be ready", readiness.ready()).await;
        RunningHost { stop, task }
    }

    pub(crate) fn build(&self, readiness: &Readiness) -> Result<Host, HostError> {
        let worker = WorkerContext {
            environment: self.environment.clone(),
            backplane: self.watched.clone(),
            verifier: testing::verifier(&self.environment),
            storage: self.storage.clone(),
            database: self.database.clone(),
            pod: PodId::worker(),
            telemetry: Default::default(),
        };
        Host::new(worker, self.config.clone(), self.tricks.clone(), readiness)
    }

    pub(crate) fn job(&self, input: Value) -> Job {
        let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
        let job = Job::new(TaskId::new(), "tricks".parse().unwrap(), "ada", "A trick", input);
        testing::granted(&self.environment, Job { traceparent, ..job })
    }

    pub(crate) async fn submit(&self, input: Value) -> TaskId {
        let job = self.job(input);
        self.inner.jobs.submit(&job).await.unwrap();
        job.task
    }

    /// Hands the host a delivery as a broker might.
    pub(crate) async fn deliver(&self, job: Result<Job, String>, redeliveries: u32) {
        self.deliver_over(job, redeliveries, Box::new(Nowhere)).await;
    }

    /// The same over a channel of the test's own.
    pub(crate) async fn deliver_over(&self, job: Result<Job, String>, redeliveries: u32, settle: Box<dyn Settle>) {
        let delivery = JobDelivery { job, redeliveries, settle };
        self.injected.send(watched(delivery, &self.record, None)).await.unwrap();
    }

    /// Publishes an event as somebody else.
    pub(crate) async fn publish(&self, event: &Event) {
        self.inner.log.publish(Destination::Own, event).await.unwrap();
    }

    /// The word that the gateway puts into the log.
    pub(crate) async fn take_back(&self, job: &Job) {
        let task = Task { sequence: 1, ..Task::of(job, TaskState::Cancelled) };
        let event = Event::of_task("/gateway", Audience::user(&job.owner), &task, None);
        self.publish(&event).await;
    }

    /// Waits until what was done is so, and gives it.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&[Step]) -> bool) -> Vec<Step> {
        let mut steps = self.steps.clone();
        let found = within(what, steps.wait_for(|steps| is_so(steps))).await.unwrap();
        found.clone()
    }

    /// Waits until a job was settled, and gives all until then.
    pub(crate) async fn until_settled(&self, times: usize) -> Vec<Step> {
        self.until("a job to be settled", |steps| settlements(steps).count() >= times).await
    }

    /// How often the log has refused.
    pub(crate) fn refusals(&self) -> watch::Receiver<u32> {
        self.refused.clone()
    }

    pub(crate) async fn until_running(&self, number: u32) {
        let mut running = self.tricks.running.subscribe();
        within("functions to run", running.wait_for(|(now, _)| *now == number)).await.unwrap();
    }
}

impl RunningHost {
    /// Tells it to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has stopped by itself.
    pub(crate) async fn stopped(self) {
        within("the host to stop", self.task).await.unwrap().unwrap();
    }

    /// Ends it in the middle, as a killed process does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(within("the host to be killed", self.task).await.unwrap_err().is_cancelled());
    }
}

pub(crate) fn settlements(steps: &[Step]) -> impl Iterator<Item = &Settlement> {
    steps.iter().filter_map(|step| match step {
        Step::Settled(settlement) => Some(settlement),
        Step::Published(_) => None,
    })
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(Duration::from_secs(20), future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

struct WatchedLog {
    inner: Arc<dyn EventLog>,
    record: Record,
    refuses: watch::Sender<bool>,
    refusals: watch::Sender<u32>,
    reading: watch::Sender<Link>,
    publishing: watch::Sender<Link>,
}

#[async_trait]
impl EventLog for WatchedLog {
    async fn publish_encoded(&self, to: Destination, encoded: &EncodedEvent<'_>) -> Result<(), SendError> {
        let event = encoded.event();
        if event.is_pulse() {
            return self.inner.publish_encoded(to, encoded).await;
        }
        if *self.refuses.borrow() {
            self.refusals.send_modify(|number| *number += 1);
            return Err(SendError::Unavailable("it is away".to_owned()));
        }
        self.inner.publish_encoded(to, encoded).await?;
        self.record.send_modify(|steps| steps.push(Step::Published(event.clone())));
        Ok(())
    }

    fn read(&self, from: ReadFrom) -> LogReader {
        let LogReader { mut items, task, .. } = self.inner.read(from);
        let (sender, passed) = mpsc::channel(1);
        let mut reading = self.reading.subscribe();
        let task = tokio::spawn(async move {
            let _reading = task;
            while let Some(item) = items.recv().await {
                let is_up = reading.wait_for(Link::is_up).await.is_ok();
                if !is_up || sender.send(item).await.is_err() {
                    return;
                }
            }
        });
        LogReader { items: passed, link: self.reading.subscribe(), task: AbortOnDropHandle::new(task) }
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.publishing.subscribe()
    }
}

struct WatchedJobs {
    inner: Arc<dyn JobQueues>,
    record: Record,
    injections: Arc<tokio::sync::Mutex<mpsc::Receiver<JobDelivery>>>,
    wake: Arc<Notify>,
}

#[async_trait]
impl JobQueues for WatchedJobs {
    async fn submit(&self, job: &Job) -> Result<(), SendError> {
        self.inner.submit(job).await
    }

    async fn depth(&self, kind: &Kind) -> Result<Depth, SendError> {
        self.inner.depth(kind).await
    }

    fn dead(&self, kind: &Kind) -> Box<dyn DeadJobs> {
        self.inner.dead(kind)
    }

    fn consume(&self, kind: &Kind, at_once: u16) -> JobReader {
        let JobReader { mut deliveries, stop, link, task, .. } = self.inner.consume(kind, at_once);
        let (sender, taken) = mpsc::channel(1);
        let (record, injections) = (self.record.clone(), self.injections.clone());
        let task = tokio::spawn(async move {
            let (_reading, channel) = (task, Arc::new(()));
            let mut injections = injections.lock().await;
            loop {
                let delivery = tokio::select! {
                    biased;
                    Some(delivery) = injections.recv() => delivery,
                    delivery = deliveries.recv() => match delivery {
                        Some(delivery) => watched(delivery, &record, Some(Arc::downgrade(&channel))),
                        None => break,
                    },
                };
                if sender.send(delivery).await.is_err() {
                    return;
                }
            }
            // Stopped: what was taken can still be settled.
            drop(sender);
            std::future::pending().await
        });
        JobReader { deliveries: taken, stop, link, wake: self.wake.clone(), task: AbortOnDropHandle::new(task) }
    }
}

fn watched(delivery: JobDelivery, record: &Record, channel: Option<Weak<()>>) -> JobDelivery {
    let settle = Box::new(WatchedSettle { inner: delivery.settle, record: record.clone(), channel });
    JobDelivery { settle, ..delivery }
}

struct WatchedSettle {
    inner: Box<dyn Settle>,
    record: Record,
    /// What was taken can be settled only while its reader lives, as on a broker's channel.
    channel: Option<Weak<()>>,
}

#[async_trait]
impl Settle for WatchedSettle {
    fn ended(&self) {
        self.inner.ended();
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), SendError> {
        if self.channel.as_ref().is_some_and(|channel| channel.strong_count() == 0) {
            return Err(SendError::Unavailable("the channel is closed".to_owned()));
        }
        self.record.send_modify(|steps| steps.push(Step::Settled(settlement.clone())));
        // A test does not wait for the ladder: what was put on it comes again after its first step.
        let settlement = match settlement {
            Settlement::Retry { job, .. } => Settlement::Retry { job, after: Duration::ZERO },
            other => other,
        };
        self.inner.settle(settlement).await
    }
}

/// The settling of a delivery that no queue holds.
struct Nowhere;

#[async_trait]
impl Settle for Nowhere {
    async fn settle(&self, _: Settlement) -> Result<(), SendError> {
        Ok(())
    }
}
