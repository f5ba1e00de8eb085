//! One job, from the queue to its settlement.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use backplane::{JobDelivery, Link, Settlement, follow::ReadHealth};
use jiff::Timestamp;
use metrics::{counter, gauge, histogram};
use model::{
    Job, Kind, Policies, audience,
    policy::{JobPolicy, Retry},
};
use process::telemetry::{Span, SpanKind};
use storage::OwnerFiles;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use crate::{
    context::Context,
    failure::Failure,
    job::{
        attempt::{Outcome, StopSignals, attempt},
        input::JobInput,
        log_reader::{Cancellations, RunningTask},
        publisher::{ENDS_AT_ONCE, TaskEnd, TaskPublisher},
        rates::{Rates, Wait},
        schema::InputSchema,
        task_locks::TaskLocks,
        verdict::Verdict,
    },
    json_function::JsonFunction,
    policy::MAX_ATTEMPTS,
    run_log::RunLog,
    worker_context::WorkerContext,
};

/// A job that was delivered so often without a settlement ends its worker each time; it is not run once more.
/// Above the number of attempts, because a broker that restarts counts too.
const MAX_REDELIVERIES: u32 = 10;
/// The same over all that the job itself counts: what is given back takes the broker's count along. Above what a policy allows.
const MAX_LOST_ATTEMPTS: u32 = MAX_ATTEMPTS + 2 * MAX_REDELIVERIES;

/// A job waits here no longer for the log; then any worker may take it.
const LOG_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause of a job that waited so long.
const LOG_AWAY: Duration = Duration::from_secs(10);

/// A job that could not be settled is put back after this, or once something can be published again.
const UNSETTLED: Duration = Duration::from_secs(1);
/// The most that it is kept, far below the 30 minutes after which the broker takes it back.
const LONGEST_UNSETTLED: Duration = Duration::from_secs(600);

/// Runs the jobs of one host.
pub(crate) struct Runner {
    pub(crate) worker: WorkerContext,
    pub(crate) function: Arc<JsonFunction>,
    pub(crate) schema: Arc<InputSchema>,
    pub(crate) kind: Kind,
    pub(crate) cancellations: Cancellations,
    pub(crate) locks: TaskLocks,
    /// How its jobs are treated.
    pub(crate) policies: Mutex<Arc<Policies>>,
    pub(crate) rates: Rates,
    /// The attempts at a job whose policy names none.
    pub(crate) retry: Retry,
    /// Cancelled when the host takes no more jobs.
    pub(crate) stopping: CancellationToken,
    /// Cancelled when the host's grace is over.
    pub(crate) grace_over: CancellationToken,
}

impl Runner {
    /// Runs a job and settles it; its place is free for another once the function has ended.
    pub(crate) async fn handle_delivery(self: Arc<Self>, delivery: JobDelivery, place: OwnedSemaphorePermit) {
        let JobDelivery { job, redeliveries, settle } = delivery;
        let settlement = match job.and_then(|job| self.check(job)) {
            Ok(job) if !self.has_read_log().await => self.give_back(job, redeliveries),
            Ok(job) => {
                let attempt = job.attempts.saturating_add(redeliveries).saturating_add(1);
                let traceparent = job.traceparent.as_deref().unwrap_or_default();
                let span = info_span!("job", task = %job.task, kind = %self.kind, attempt, traceparent);
                let ended = || {
                    drop(place);
                    settle.ended();
                };
                self.run_job(job, attempt, redeliveries, ended).instrument(span).await
            }
            Err(reason) => {
                error!(kind = %self.kind, reason, "the delivery is no job to run here; it is dead-lettered");
                counter!("bellwire_function_refused_total", "kind" => self.kind.to_string()).increment(1);
                Settlement::Dead { reason }
            }
        };
        if let Err(error) = settle.settle(settlement).await {
            warn!(kind = %self.kind, %error, "a job was not settled; it comes again");
            self.wait_to_put_back().await;
        }
    }

    /// Waits a moment, and until something can be published: what is put back sooner comes again at once, and the broker counts
    /// it as an attempt each time.
    async fn wait_to_put_back(&self) {
        let mut publishing = self.worker.backplane.log.publishing();
        let can_publish = async {
            sleep(UNSETTLED).await;
            publishing.wait_for(Link::is_up).await.ok();
        };
        tokio::select! {
            _ = timeout(LONGEST_UNSETTLED, can_publish) => {}
            () = self.stopping.cancelled() => {}
        }
    }

    /// Checks the kind, the owner, and that a gateway has said that it is the owner's.
    fn check(&self, job: Job) -> Result<Job, String> {
        if job.kind != self.kind {
            return Err(format!("it is a job for {}, in the queue of {}", job.kind, self.kind));
        }
        if !audience::is_id(&job.owner) {
            return Err("its owner is no user id".to_owned());
        }
        self.worker.verifier.check_job(&job).map_err(|fault| fault.to_string())?;
        Ok(job)
    }

    /// Waits until all that was cancelled is known, since no such job is begun; false if that takes too long.
    async fn has_read_log(&self) -> bool {
        let mut health = self.cancellations.health.clone();
        tokio::select! {
            biased;
            read = timeout(LOG_TIMEOUT, health.wait_for(|health| *health == ReadHealth::CaughtUp)) => matches!(read, Ok(Ok(_))),
            () = self.stopping.cancelled() => false,
        }
    }

    /// Lets a job go that was not begun, for a worker that has read the log; what the broker has counted stays counted.
    fn give_back(&self, job: Job, redeliveries: u32) -> Settlement {
        if self.stopping.is_cancelled() {
            return Settlement::GiveBack;
        }
        let (attempts, not_before) = (job.attempts.saturating_add(redeliveries), from_now(LOG_AWAY));
        Settlement::Retry { job: Job { attempts, not_before, ..job }, after: LOG_AWAY }
    }

    async fn run_job(&self, job: Job, attempt: u32, redeliveries: u32, ended: impl FnOnce()) -> Settlement {
        let _guard = tokio::select! {
            guard = self.locks.lock(job.task) => guard,
            () = self.grace_over.cancelled() => return Settlement::GiveBack,
        };
        // What is published anew takes the broker's count along: it may have been begun, and have ended its worker.
        let job = Job { attempts: job.attempts.saturating_add(redeliveries), ..job };
        if self.cancellations.has_succeeded(job.task) {
            info!("it has succeeded before: its job came twice");
            return Settlement::Done;
        }
        let files = self.worker.storage.files(&self.worker.environment, &job.owner);
        let mut publisher = TaskPublisher::new(self.worker.backplane.log.clone(), files.clone(), &job, attempt);
        let running = self.cancellations.begin(job.task);
        let delay = job.delay(Timestamp::now());
        let started = Instant::now();
        let mut span = None;
        // What was cancelled ends now, whatever it would wait for: the log forgets that in a day.
        let verdict = if running.cancelled.is_cancelled() {
            Verdict::End(TaskEnd::Cancelled, Settlement::Done)
        } else if let Some(delay) = delay {
            publisher.still_queued().await;
            return Settlement::Retry { job, after: delay };
        } else if redeliveries > MAX_REDELIVERIES || attempt > MAX_LOST_ATTEMPTS {
            Verdict::lost(attempt)
        } else {
            let policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (retry, outcome) = match self.policy(&policies, &job, &files).await {
                Ok((policy, input)) => {
                    if let Some(wait) = self.rates.wait(&job, input.value(), &policy).await {
                        return self.hold(job, wait, &publisher).await;
                    }
                    self.count(attempt);
                    let retry = policy.retry().unwrap_or(&self.retry);
                    let numbers = (attempt, retry.attempts);
                    let signals = self.signals(&running);
                    span = self.begin_span(&job, attempt);
                    if let Some(span) = &span {
                        publisher.set_traceparent(span.traceparent());
                    }
                    (retry, self.run_attempt(&job, numbers, input, (files, signals), &publisher).await)
                }
                Err(failure) => {
                    self.count(attempt);
                    (&self.retry, Outcome::Failed(failure))
                }
            };
            match (outcome, self.function.completes_in_background()) {
                (Outcome::Completed(_), true) => Verdict::Detached,
                (outcome, _) => Verdict::of(outcome, &job, attempt, retry),
            }
        };
        ended();
        let (outcome, seconds) = (verdict.label(), started.elapsed().as_secs_f64());
        if let Some(span) = &mut span {
            span.set("bellwire.outcome", outcome);
        }
        counter!("bellwire_function_runs_total", "kind" => self.kind.to_string(), "outcome" => outcome).increment(1);
        histogram!("bellwire_function_seconds", "kind" => self.kind.to_string()).record(seconds);
        info!(outcome, seconds, "run");
        let has_succeeded = matches!(verdict, Verdict::End(TaskEnd::Succeeded { .. }, _));
        let settlement = self.publish(verdict, &publisher).await;
        if has_succeeded && settlement == Settlement::Done {
            self.cancellations.succeeded(job.task);
        }
        settlement
    }

    /// Treats the jobs that are begun from here on so.
    pub(crate) fn set_policies(&self, policies: Policies) {
        *self.policies.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policies);
    }

    /// The policy of a job and its input, which is read if it goes by that.
    async fn policy<'a>(
        &self,
        policies: &'a Policies,
        job: &Job,
        files: &OwnerFiles,
    ) -> Result<(JobPolicy<'a>, JobInput), Failure> {
        let mut input = JobInput::new(job, self.schema.clone());
        if !policies.is_empty() {
            input.load(files).await?;
        }
        Ok((policies.of(input.value()), input))
    }

    /// Lets a job wait for its rate, which is no attempt.
    async fn hold(&self, job: Job, wait: Wait, publisher: &TaskPublisher) -> Settlement {
        counter!("bellwire_function_held_total", "kind" => self.kind.to_string()).increment(1);
        let (begins, asks_again) = (wait.begins.and_then(from_now), from_now(wait.asks_again));
        // An estimate is told once: each event goes to every reader of the log.
        if wait.is_reserved || begins.is_some() && job.not_before.is_none() {
            publisher.waits(begins).await;
        } else {
            publisher.still_queued().await;
        }
        Settlement::Retry { job: Job { not_before: asks_again, ..job }, after: wait.asks_again }
    }

    fn signals(&self, running: &RunningTask) -> StopSignals {
        StopSignals { cancelled: running.cancelled.clone(), grace_over: self.grace_over.clone() }
    }

    /// Counts an attempt by its number; the numbers that few jobs reach are one.
    fn count(&self, attempt: u32) {
        let attempt = if attempt < 6 { attempt.to_string() } else { "6+".to_owned() };
        let kind = self.kind.to_string();
        counter!("bellwire_function_attempts_total", "kind" => kind, "attempt" => attempt).increment(1);
    }

    async fn run_attempt(
        &self,
        job: &Job,
        (attempt_number, attempts): (u32, u32),
        input: JobInput,
        (files, signals): (OwnerFiles, StopSignals),
        publisher: &TaskPublisher,
    ) -> Outcome {
        let (progress, receiver) = watch::channel(0.0);
        let (log, log_files) = (RunLog::new(attempt_number), files.clone());
        let context = Context {
            task: job.task,
            environment: self.worker.environment.clone(),
            owner: job.owner.clone(),
            groups: job.groups.clone(),
            backlog: job.backlog,
            priority: job.priority,
            parent: job.parent,
            grant: job.grant.clone(),
            title: job.title.clone(),
            attempt: attempt_number,
            attempts,
            source: format!("/functions/{}", self.kind),
            events: self.worker.backplane.log.clone(),
            deadline: Instant::now() + self.function.deadline(),
            traceparent: publisher.traceparent().map(str::to_owned),
            database: self.worker.database.clone(),
            files,
            stop: CancellationToken::new(),
            log: log.clone(),
            progress,
        };
        let gauge = gauge!("bellwire_function_running", "kind" => self.kind.to_string());
        gauge.increment(1.0);
        let ended = CancellationToken::new();
        let run = async {
            let _ended = ended.clone().drop_guard();
            attempt(self.function.clone(), context, input, &signals).await
        };
        // Joined, not raced: an event that is being published is not cut off, and comes before the end.
        let stored = log.store(&log_files, job.task, &ended);
        // What goes on in the background has begun, however soon the function ends.
        let at_once = if self.function.completes_in_background() { Duration::ZERO } else { ENDS_AT_ONCE };
        let (outcome, (), ()) = tokio::join!(run, publisher.progress(at_once, receiver, &ended), stored);
        gauge.decrement(1.0);
        outcome
    }

    /// The span of a run, if the job's trace is sampled; it goes on until the end is published.
    fn begin_span(&self, job: &Job, attempt: u32) -> Option<Span> {
        let parent = self.worker.telemetry.parent(job.traceparent.as_deref())?;
        let mut span = self.worker.telemetry.child_of(parent, SpanKind::Consumer, format!("run {}", self.kind))?;
        span.set("bellwire.environment", self.worker.environment.to_string());
        span.set("bellwire.kind", self.kind.to_string());
        span.set("bellwire.task", job.task.to_string());
        span.set("bellwire.attempt", i64::from(attempt));
        Some(span)
    }

    /// Publishes the verdict; only then may the job be settled.
    async fn publish(&self, verdict: Verdict, publisher: &TaskPublisher) -> Settlement {
        match verdict {
            Verdict::Requeue => Settlement::Requeue,
            Verdict::Detached => Settlement::Done,
            Verdict::Retry(error, settlement) => {
                let not_before = match &settlement {
                    Settlement::Retry { job, .. } => job.not_before,
                    _ => None,
                };
                publisher.retry(error, not_before).await;
                settlement
            }
            Verdict::End(end, settlement) => match publisher.end(end, &self.grace_over).await {
                true => settlement,
                // Done, and not published: the next worker finds its effect and publishes it.
                false => Settlement::Requeue,
            },
        }
    }
}

/// The time after a pause.
fn from_now(pause: Duration) -> Option<Timestamp> {
    Timestamp::now().checked_add(pause).ok()
}
