//! One job, from taken to settled.

use std::{sync::Arc, time::Instant};

use backplane::{EventLog, JobDelivery, Settlement};
use metrics::{counter, gauge, histogram};
use model::{Environment, Job, Kind, audience};
use storage::{OwnerFiles, Storage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use crate::{
    announce::Announcer,
    attempt::{Outcome, Stops, attempt},
    cancellations::Cancellations,
    context::Context,
    database::Database,
    erased::Erased,
    job_input::JobInput,
    schema::InputSchema,
    underway::Underway,
    verdict::Verdict,
};

/// A job handed out so often and never heard of again ends its worker each time; it is not run once more.
/// Above the number of attempts, because a broker that restarts counts too.
const MOST_REDELIVERIES: u32 = 10;

/// What the jobs of one host share.
pub(crate) struct Runner {
    pub(crate) environment: Environment,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) storage: Storage,
    pub(crate) database: Option<Database>,
    pub(crate) function: Arc<dyn Erased>,
    pub(crate) schema: Arc<InputSchema>,
    pub(crate) kind: Kind,
    pub(crate) cancellations: Cancellations,
    pub(crate) underway: Underway,
    /// Most attempts at one job.
    pub(crate) attempts: u32,
    /// Cancelled when the host's grace is over.
    pub(crate) giving_up: CancellationToken,
}

impl Runner {
    /// Does a job and settles it.
    pub(crate) async fn take(self: Arc<Self>, delivery: JobDelivery) {
        let JobDelivery { job, redeliveries, settle } = delivery;
        let settlement = match job.and_then(|job| self.check(job)) {
            Ok(job) => {
                let attempt = job.attempts.saturating_add(redeliveries).saturating_add(1);
                let traceparent = job.traceparent.as_deref().unwrap_or_default();
                let span = info_span!("job", task = %job.task, kind = %self.kind, attempt, traceparent);
                self.work(job, attempt, redeliveries).instrument(span).await
            }
            Err(reason) => {
                error!(kind = %self.kind, reason, "what was taken is no job; it is put beside the queue");
                Settlement::Dead { reason }
            }
        };
        if let Err(error) = settle.settle(settlement).await {
            warn!(kind = %self.kind, %error, "a job was not settled; it comes again");
        }
    }

    /// What a job of ours must be beyond its shape.
    fn check(&self, job: Job) -> Result<Job, String> {
        if job.kind != self.kind {
            return Err(format!("it is a job for {}, in the queue of {}", job.kind, self.kind));
        }
        if !audience::is_id(&job.owner) {
            return Err("its owner is no user id".to_owned());
        }
        Ok(job)
    }

    async fn work(&self, job: Job, attempt: u32, redeliveries: u32) -> Settlement {
        let _turn = tokio::select! {
            turn = self.underway.turn(job.task) => turn,
            () = self.giving_up.cancelled() => return Settlement::Requeue,
        };
        let files = self.storage.files(&self.environment, &job.owner);
        let announcer = Announcer::new(self.log.clone(), files.clone(), &job, attempt);
        let began = Instant::now();
        let verdict = if redeliveries > MOST_REDELIVERIES {
            Verdict::lost(attempt)
        } else {
            self.count(attempt);
            let outcome = self.run(&job, attempt, files, &announcer).await;
            match (outcome, self.function.continues()) {
                (Outcome::Completed(_), true) => Verdict::GoesOn,
                (outcome, _) => Verdict::of(outcome, &job, attempt, self.attempts),
            }
        };
        let (word, seconds) = (verdict.word(), began.elapsed().as_secs_f64());
        counter!("bellwire_function_runs_total", "kind" => self.kind.to_string(), "outcome" => word).increment(1);
        histogram!("bellwire_function_seconds", "kind" => self.kind.to_string()).record(seconds);
        info!(outcome = word, seconds, "run");
        self.tell(verdict, &announcer).await
    }

    /// How far into its attempts a job is when it runs; what few jobs ever reach is one.
    fn count(&self, attempt: u32) {
        let attempt = if attempt < 6 { attempt.to_string() } else { "6+".to_owned() };
        let kind = self.kind.to_string();
        counter!("bellwire_function_attempts_total", "kind" => kind, "attempt" => attempt).increment(1);
    }

    async fn run(&self, job: &Job, attempt_number: u32, files: OwnerFiles, announcer: &Announcer) -> Outcome {
        let running = self.cancellations.running(job.task);
        if running.cancelled.is_cancelled() {
            return Outcome::Cancelled;
        }
        let (progress, told) = watch::channel(0.0);
        let context = Context {
            task: job.task,
            environment: self.environment.clone(),
            owner: job.owner.clone(),
            groups: job.groups.clone(),
            parent: job.parent,
            title: job.title.clone(),
            attempt: attempt_number,
            deadline: Instant::now() + self.function.limit(),
            traceparent: job.traceparent.clone(),
            database: self.database.clone(),
            files,
            stop: CancellationToken::new(),
            progress,
        };
        let stops = Stops { cancelled: running.cancelled.clone(), giving_up: self.giving_up.clone() };
        let gauge = gauge!("bellwire_function_running", "kind" => self.kind.to_string());
        gauge.increment(1.0);
        let ended = CancellationToken::new();
        let run = async {
            let _ended = ended.clone().drop_guard();
            let input = JobInput::new(job, self.schema.clone());
            attempt(self.function.clone(), context, input, &stops).await
        };
        // Joined, not raced: a word that is on its way is not cut off, and comes before the end.
        let (outcome, ()) = tokio::join!(run, announcer.progress(told, &ended));
        gauge.decrement(1.0);
        outcome
    }

    /// Tells what became of it; only then may it be settled.
    async fn tell(&self, verdict: Verdict, announcer: &Announcer) -> Settlement {
        match verdict {
            Verdict::Requeue => Settlement::Requeue,
            Verdict::GoesOn => Settlement::Done,
            Verdict::Again(why, settlement) => {
                announcer.queued_again(why).await;
                settlement
            }
            Verdict::End(end, settlement) => match announcer.end(end, &self.giving_up).await {
                true => settlement,
                // Done, and not told: whoever takes it next finds its effect and tells it.
                false => Settlement::Requeue,
            },
        }
    }
}
