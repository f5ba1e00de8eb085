//! Takes jobs of one kind and runs them, a bounded number at once.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use ::metrics::gauge;
use backplane::{JobDelivery, JobReader, Link, Settlement, follow::ReadHealth};
use model::Kind;
use process::{Condition, Readiness};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{error, info, warn};

use crate::{
    described::{Described, DescriptionFault, described},
    function::{Function, MAX_RUN},
    host_config::HostConfig,
    introduction,
    job::{attempt::SHUTDOWN_TIMEOUT, log_reader::Cancellations, rates::Rates, runner::Runner, task_locks::TaskLocks},
    json_function::{JsonAdapter, JsonFunction},
    metrics, queue_metrics,
    traced_log::TracedLog,
    worker_context::WorkerContext,
};

/// An error that keeps a host from starting, or from taking more jobs; then its process should be started again.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A run may take longer than the broker leaves a job to its worker.
    #[error(
        "the deadline of the {kind} function is {asked:?}; {longest:?} is the longest there is, since the broker hands a job \
         out again after 30 minutes",
        longest = MAX_RUN
    )]
    Deadline {
        /// The kind of the function.
        kind: Kind,
        /// Its deadline.
        asked: Duration,
    },
    /// What the function says of itself cannot be.
    #[error(transparent)]
    Description(#[from] DescriptionFault),
    /// The task that reads the queue has ended.
    #[error("the reader of the {0} queue has ended")]
    QueueEnded(Kind),
    /// The task that follows the log has ended.
    #[error("the reader of the event log has ended")]
    LogEnded,
    /// The background work of the function has ended.
    #[error("the background work of the {0} function has ended: {1}")]
    BackgroundEnded(Kind, String),
}

/// Most jobs whose function has ended and whose end is not published yet.
const MOST_ENDING: usize = 128;

/// The time for giving back what has not begun: for ending the consumer, and twice that of a publication.
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(20);

/// A host of one function: build it, then run it.
pub struct Host {
    config: HostConfig,
    runner: Arc<Runner>,
    ready: Condition,
    _introduction: AbortOnDropHandle<()>,
}

impl Host {
    /// A host that follows the log already and takes no job yet; it is ready while it reads its queue and the log.
    /// Called within a Tokio runtime.
    pub fn new(
        mut worker: WorkerContext,
        config: HostConfig,
        function: impl Function,
        readiness: &Readiness,
    ) -> Result<Self, HostError> {
        let function: Arc<JsonFunction> = Arc::new(JsonAdapter(function));
        let (kind, asked) = (function.kind(), function.deadline());
        if asked > MAX_RUN {
            return Err(HostError::Deadline { kind, asked });
        }
        let Described { description, policies, retry, schema } = described(&worker, &config, function.as_ref())?;
        worker.backplane.log = Arc::new(TracedLog {
            log: worker.backplane.log,
            telemetry: worker.telemetry.clone(),
            environment: worker.environment.clone(),
        });
        let runner = Runner {
            cancellations: Cancellations::follow(&worker, config.horizon, function.clone()),
            rates: Rates::new(worker.database.clone(), worker.environment.clone(), kind.clone()),
            worker,
            kind,
            function,
            schema: Arc::new(schema),
            locks: TaskLocks::default(),
            policies: Mutex::new(Arc::new(policies)),
            retry,
            stopping: CancellationToken::new(),
            grace_over: CancellationToken::new(),
        };
        metrics::describe(&runner.kind);
        backplane::describe_metrics();
        gauge!("bellwire_function_concurrency", "kind" => runner.kind.to_string())
            .set(f64::from(config.concurrency.max(1)));
        let ready = readiness.condition(format!("{} of {}", runner.kind, runner.worker.environment));
        let runner = Arc::new(runner);
        let _introduction = introduction::spawn(runner.clone(), config.clone(), description);
        Ok(Self { config, runner, ready, _introduction })
    }

    /// Takes jobs until `shutdown`; then lets the running ones finish within the grace and requeues the rest.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), HostError> {
        tokio::pin!(shutdown);
        let mut health = self.runner.cancellations.health.clone();
        self.update_readiness(&health.borrow(), None);
        // Before the log was read: the function may have to take what is in it.
        let (mut background, stop) = self.background();
        let background_ended = |ended| HostError::BackgroundEnded(self.runner.kind.clone(), reason(ended));
        // A cancelled task is known only once the log was read.
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            ended = &mut background => return Err(background_ended(ended)),
            caught_up = health.wait_for(|health| *health == ReadHealth::CaughtUp) => {
                caught_up.map_err(|_| HostError::LogEnded)?;
            }
        }
        info!(kind = %self.runner.kind, environment = %self.runner.worker.environment, "taking jobs");
        let mut queue = self.runner.worker.backplane.jobs.consume(&self.runner.kind, self.config.concurrency.max(1));
        let _metrics = queue_metrics::spawn(self.runner.worker.backplane.jobs.clone(), self.runner.kind.clone());
        let (mut jobs, places) = (JoinSet::new(), Arc::new(Semaphore::new(self.concurrency())));
        let ended = tokio::select! {
            ended = self.take_jobs(&mut queue, (&mut jobs, &places), health, shutdown) => ended,
            ended = &mut background => Err(background_ended(ended)),
        };
        self.ready.not_ready("stopping");
        self.runner.stopping.cancel();
        queue.stop.cancel();
        tokio::join!(self.finish(&mut jobs), self.give_back(&mut queue.deliveries));
        stop.cancel();
        if !background.is_finished() && timeout(SHUTDOWN_TIMEOUT, background).await.is_err() {
            warn!("the background work did not stop in time; it is abandoned");
        }
        // Only now: jobs are settled through the reader's connection.
        drop(queue);
        ended
    }

    /// Starts the background work of the function; its end is waited for, or it is aborted with its handle.
    fn background(&self) -> (AbortOnDropHandle<anyhow::Result<()>>, CancellationToken) {
        let stop = CancellationToken::new();
        let (function, worker, until) = (self.runner.function.clone(), self.runner.worker.clone(), stop.clone());
        let background = tokio::spawn(async move { function.background(&worker, until).await });
        (AbortOnDropHandle::new(background), stop)
    }

    async fn take_jobs(
        &self,
        queue: &mut JobReader,
        (jobs, places): (&mut JoinSet<()>, &Arc<Semaphore>),
        mut health: watch::Receiver<ReadHealth>,
        mut shutdown: impl Future<Output = ()> + Unpin,
    ) -> Result<(), HostError> {
        loop {
            self.update_readiness(&health.borrow(), Some(&queue.link.borrow()));
            // A queue that was lost hands out anew what still runs here, so the reader's bound is not enough.
            let room = jobs.len() < self.concurrency() + MOST_ENDING;
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                Some(ended) = jobs.join_next() => log_panic(ended),
                changed = health.changed() => changed.map_err(|_| HostError::LogEnded)?,
                Ok(()) = queue.link.changed() => {}
                () = self.runner.cancellations.queued.notified() => queue.wake.notify_one(),
                delivery = next_with_place(&mut queue.deliveries, places), if room => match delivery {
                    Some((delivery, place)) => { jobs.spawn(self.runner.clone().handle_delivery(delivery, place)); }
                    None => return Err(HostError::QueueEnded(self.runner.kind.clone())),
                },
            }
        }
    }

    fn concurrency(&self) -> usize {
        self.config.concurrency.max(1).into()
    }

    /// Lets go what was handed over and has not begun, until the reader has let go the rest.
    async fn give_back(&self, deliveries: &mut mpsc::Receiver<JobDelivery>) {
        let mut going = JoinSet::new();
        let all_gone = async {
            while let Some(JobDelivery { settle, .. }) = deliveries.recv().await {
                going.spawn(async move {
                    if let Err(error) = settle.settle(Settlement::GiveBack).await {
                        warn!(%error, "a job was not given back; it comes again");
                    }
                });
            }
            all(&mut going).await;
        };
        if timeout(GIVE_BACK_TIMEOUT, all_gone).await.is_err() {
            warn!(kind = %self.runner.kind, "jobs were not given back in time; the broker hands them out again");
        }
    }

    async fn finish(&self, jobs: &mut JoinSet<()>) {
        if jobs.is_empty() {
            return;
        }
        info!(running = jobs.len(), "letting running jobs finish");
        if timeout(self.config.grace, all(jobs)).await.is_ok() {
            return;
        }
        warn!(running = jobs.len(), "the grace is over; running jobs are requeued");
        self.runner.grace_over.cancel();
        if timeout(SHUTDOWN_TIMEOUT * 2, all(jobs)).await.is_err() {
            error!(running = jobs.len(), "jobs did not stop; they come again when the connection is closed");
        }
    }

    fn update_readiness(&self, health: &ReadHealth, queue: Option<&Link>) {
        match (health, queue) {
            (_, Some(Link::Down(reason))) => self.ready.not_ready(format!("the queue cannot be read: {reason}")),
            (ReadHealth::CaughtUp, Some(_)) => self.ready.ready(),
            (ReadHealth::CaughtUp | ReadHealth::CatchingUp, _) => self.ready.not_ready("reading the log"),
            (ReadHealth::Away(reason), _) => self.ready.not_ready(format!("the log cannot be read: {reason}")),
            (ReadHealth::Stalled, _) => self.ready.not_ready("the broker is reachable, but nothing of the log arrives"),
        }
    }
}

/// The next job once a place is free for it; `None` if there will be no more.
async fn next_with_place(
    deliveries: &mut mpsc::Receiver<JobDelivery>,
    places: &Arc<Semaphore>,
) -> Option<(JobDelivery, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    Some((deliveries.recv().await?, place))
}

async fn all(jobs: &mut JoinSet<()>) {
    while let Some(ended) = jobs.join_next().await {
        log_panic(ended);
    }
}

fn reason(ended: Result<anyhow::Result<()>, JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "it returned".to_owned(),
        Ok(Err(error)) => format!("{error:#}"),
        Err(error) => error.to_string(),
    }
}

/// A function's panic never comes here; this is a panic of the host.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "the host failed at a job; it comes again");
    }
}
