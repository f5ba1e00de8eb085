//! Starts the tasks of an environment's schedules while its pod has the lease.
//!
//! A task is started first and written down after. Its id is made of the schedule and the time, so that whoever takes over in between
//! starts the same task again, which is none.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use backplane::follow::ReadHealth;
use jiff::{SignedDuration, Timestamp};
use metrics::counter;
use storage::StorageError;
use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

use super::{
    known::{self, KnownSchedule},
    record::{Record, Said, ScheduleId, StartedTask},
};
use crate::{
    api::tasks::TaskKey,
    dispatch::registry::Recipient,
    pod::{EnvironmentState, Pod},
};

/// The longest pause between two looks at the clock, the catalogue and what people have said.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The shortest one, so that a thousand schedules are written down a few times a second at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// The pause between two looks into a catalogue without schedules.
const IDLE_PAUSE: Duration = Duration::from_secs(2);
/// A task that was started may take this long to come through the log.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(30);
/// What is kept of a schedule that is gone is forgotten after so long.
const FORGET_AFTER: SignedDuration = SignedDuration::from_hours(24 * 60);

/// The scheduler of one environment on one pod.
pub(crate) struct Scheduler {
    pod: Pod,
    environment: Arc<EnvironmentState>,
    known: HashMap<ScheduleId, Arc<KnownSchedule>>,
    records: BTreeMap<ScheduleId, Record>,
    /// The records as they lie in the storage.
    written: BTreeMap<ScheduleId, Record>,
    /// When each has something to do next, for as long as its record is not touched.
    due: HashMap<ScheduleId, Option<Timestamp>>,
}

impl Scheduler {
    /// A scheduler that has not applied for the lease.
    pub(crate) fn new(pod: Pod, environment: Arc<EnvironmentState>) -> Self {
        Self {
            pod,
            environment,
            known: HashMap::new(),
            records: BTreeMap::new(),
            written: BTreeMap::new(),
            due: HashMap::new(),
        }
    }

    /// Starts what is due, whenever this pod has the lease, until it begins to stop.
    pub(crate) async fn run(mut self) {
        let stopping = self.pod.draining.clone();
        tokio::select! {
            () = stopping.cancelled() => {}
            () = self.serve() => {}
        }
    }

    async fn serve(&mut self) {
        // Who has no schedules needs no lease, and no connection for it.
        while !self.has_schedules().await {
            sleep(IDLE_PAUSE.mul_f64(rand::random_range(0.8..1.2))).await;
        }
        let mut lease = self.environment.backplane.scheduling.apply();
        loop {
            if lease.held.wait_for(|held| *held).await.is_err() {
                return warn!(environment = %self.environment.name, "nobody can tell whether this pod starts what is scheduled");
            }
            info!(environment = %self.environment.name, "starting what is scheduled");
            self.hold(&lease.held).await;
            info!(environment = %self.environment.name, "another gateway starts what is scheduled");
        }
    }

    async fn has_schedules(&self) -> bool {
        let functions = self.environment.functions.all().await;
        functions.is_ok_and(|functions| functions.iter().any(|function| !function.schedules.is_empty()))
    }

    /// Works while the lease is held.
    async fn hold(&mut self, held: &watch::Receiver<bool>) {
        let mut has_records = false;
        while *held.borrow() {
            let pause = match self.turn(&mut has_records, held).await {
                Ok(pause) => pause,
                Err(error) => {
                    warn!(environment = %self.environment.name, %error, "what is scheduled cannot be looked up or written down now");
                    LONGEST_PAUSE
                }
            };
            let mut held = held.clone();
            tokio::select! {
                _ = held.wait_for(|held| !*held) => return,
                () = sleep(pause) => {}
            }
        }
    }

    async fn turn(&mut self, has_records: &mut bool, held: &watch::Receiver<bool>) -> Result<Duration, StorageError> {
        // Only who has read the log knows which tasks have ended.
        if *self.environment.dispatch.health.borrow() != ReadHealth::CaughtUp {
            return Ok(LONGEST_PAUSE);
        }
        if !*has_records {
            // Another pod may have written since this one had the lease.
            self.records = self.environment.schedules.records().await?;
            self.written.clone_from(&self.records);
            self.due.clear();
            *has_records = true;
        }
        let functions = self.environment.functions.all().await?;
        let known = known::of(&functions, &self.pod.config.schedules_for, &self.known);
        let is_same =
            |id: &ScheduleId| known.get(id).zip(self.known.get(id)).is_some_and(|(now, then)| Arc::ptr_eq(now, then));
        self.due.retain(|id, _| is_same(id));
        for (id, schedule) in known.iter().filter(|(id, _)| !is_same(id)) {
            if let Err(reason) = schedule.times() {
                warn!(environment = %self.environment.name, schedule = id, reason, "a schedule starts nothing");
            }
        }
        self.known = known;
        let said = self.environment.schedules.said().await?;
        let (known, now) = (self.known.clone(), Timestamp::now());
        for (id, schedule) in &known {
            if !*held.borrow() {
                break;
            }
            self.advance(id, schedule, said.get(id), now).await;
        }
        self.records.retain(|_, record| now.duration_since(record.seen) < FORGET_AFTER);
        if self.records != self.written {
            self.environment.schedules.keep(&self.records).await?;
            self.written.clone_from(&self.records);
        }
        Ok(self.pause())
    }

    /// Does what is due of one schedule.
    async fn advance(&mut self, id: &ScheduleId, schedule: &Arc<KnownSchedule>, said: Option<&Said>, now: Timestamp) {
        if schedule.times().is_err() {
            // Nothing is made up for once it may start.
            self.records.remove(id);
            self.due.remove(id);
            return;
        }
        let record = self.records.entry(id.clone()).or_insert_with(|| Record::new(schedule, now));
        let decided = record.decided;
        record.see(schedule, now);
        if let Some(resumed) = said.and_then(|said| said.resumed) {
            record.skip_until(resumed);
        }
        if said.is_some_and(|said| said.pause.is_some()) {
            record.waiting.clear();
            self.due.insert(id.clone(), None);
            return;
        }
        let changed = record.decided != decided || !self.due.get(id).is_some_and(Option::is_some);
        if changed {
            self.due.insert(id.clone(), schedule.next_start(record.decided));
        }
        let is_due = self.due.get(id).copied().flatten().is_some_and(|due| due <= now);
        if !is_due && record.waiting.is_empty() {
            return;
        }
        record.collect(schedule, now);
        self.due.insert(id.clone(), schedule.next_start(record.decided));
        if record.waiting.is_empty() {
            return;
        }
        let last = [record.last.clone(), said.and_then(|said| said.run.clone())];
        let mut is_running = false;
        for started in last.into_iter().flatten() {
            is_running |= self.is_running(&started, now).await;
        }
        let Some(record) = self.records.get_mut(id) else { return };
        for time in record.release(schedule.schedule.overlap, is_running) {
            self.start(id, schedule, time).await;
        }
    }

    /// True if a task has not ended, as far as is known.
    async fn is_running(&self, started: &StartedTask, now: Timestamp) -> bool {
        let owner = Recipient { user: started.owner.clone(), groups: Vec::new() };
        match self.environment.dispatch.find_task(Arc::new(owner), started.task).await {
            Ok(Some(task)) => !task.state.is_end(),
            _ => now.duration_since(started.started) < ON_ITS_WAY,
        }
    }

    async fn start(&mut self, id: &ScheduleId, schedule: &KnownSchedule, time: Timestamp) {
        let task = schedule.task_of(&self.environment, time);
        let outcome = schedule.start(&self.pod, &self.environment, time, TaskKey::Idempotent(task)).await;
        let Some(record) = self.records.get_mut(id) else { return };
        let kind = schedule.kind.to_string();
        // Where what it starts is unique and there is one already, that is what the next time waits for.
        let running = outcome.as_ref().ok().map_or(task, |started| started.task.id);
        let result = match outcome {
            Ok(started) if started.existing => "existing",
            Ok(_) => "started",
            // Started before, by a definition that was changed since.
            Err(problem) if problem.has_code("idempotency-key-reused") => "started",
            Err(problem) if problem.is_passing() || problem.has_code("unknown-kind") => {
                let detail = problem.detail().to_owned();
                if record.problem.as_ref() != Some(&detail) {
                    warn!(schedule = id, %time, reason = detail, "what is scheduled cannot be started yet; it is tried again");
                    record.problem = Some(detail);
                }
                return;
            }
            Err(problem) => {
                warn!(schedule = id, %time, reason = problem.detail(), "what is scheduled cannot be started");
                record.refused(time, problem.detail());
                "refused"
            }
        };
        if result != "refused" {
            info!(schedule = id, %time, task = %running, result, "started what is scheduled");
            record.started(time, running, &schedule.schedule.owner, Timestamp::now());
        }
        counter!("bellwire_schedules_total", "kind" => kind, "result" => result).increment(1);
    }

    /// The pause until something is due.
    fn pause(&self) -> Duration {
        let next = self.due.values().flatten().min();
        let until = next.map(|next| next.duration_since(Timestamp::now()));
        let until = until.and_then(|until| Duration::try_from(until).ok()).unwrap_or(SHORTEST_PAUSE);
        if next.is_none() { LONGEST_PAUSE } else { until.clamp(SHORTEST_PAUSE, LONGEST_PAUSE) }
    }
}
