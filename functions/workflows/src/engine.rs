//! What brings runs forward: hears the log, looks at the clock, sends what is decided. Any number of processes may do
//! so at once: each change is a transaction that locks its run, and what is sent twice is one by its id.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backplane::follow::{FollowItem, FollowTiming, Follower};
use jiff::Timestamp;
use metrics::counter;
use model::{PodId, TaskId};
use runtime::{Database, DatabaseError, WorkerContext};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tracing::{error, info, warn};

use crate::{
    change::{Changed, Changing},
    config::WorkflowsConfig,
    fold::Word,
    hear,
    plan::Limits,
    store::{self, Dialect},
};

/// How often the clock is looked at, give or take a quarter.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);
/// How often old runs are removed.
const BETWEEN_PURGES: Duration = Duration::from_secs(600);
/// The pause while the database is away; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A run that cannot be read is looked at again after that long, in milliseconds.
const BROKEN: i64 = 600_000;
/// Most runs whose progress is collected, and most that were taken back before they had begun.
const MOST_COLLECTED: usize = 10_000;

/// The engine of one process.
pub(crate) struct Engine {
    pub(crate) place: WorkerContext,
    pub(crate) database: Database,
    config: WorkflowsConfig,
    limits: Limits,
    dialect: Dialect,
    /// A run was begun here.
    begun: Arc<Notify>,
    /// Something is to be sent.
    pub(crate) outgoing: Notify,
    /// Progress since the last sweep: it may wait.
    progress: Mutex<HashMap<TaskId, HashMap<TaskId, f64>>>,
    /// Runs that were taken back and are not in the database: they may be begun at this moment.
    taken_back: Mutex<VecDeque<TaskId>>,
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl Engine {
    pub(crate) fn new(place: WorkerContext, database: Database, config: WorkflowsConfig, begun: Arc<Notify>) -> Self {
        let limits = Limits::of(config.most_items, config.items_at_once, config.step_timeout);
        let dialect = Dialect::of(&database);
        let (progress, taken_back) = (Mutex::default(), Mutex::default());
        Self { place, database, config, limits, dialect, begun, outgoing: Notify::new(), progress, taken_back }
    }

    /// Brings runs forward for as long as it is polled; ends only with an error.
    pub(crate) async fn live(&self) -> anyhow::Result<()> {
        self.make_tables().await;
        tokio::select! {
            ended = self.hear_log() => ended,
            () = self.keep_time() => Ok(()),
            () = self.send_all() => Ok(()),
        }
    }

    async fn make_tables(&self) {
        let dialect = self.dialect;
        self.until_done("the tables of workflows are not there yet", || {
            self.database.transaction(move |transaction| store::make_tables(transaction, dialect))
        })
        .await;
    }

    /// Hears the log from its horizon on, so that what was told while no engine ran is found.
    async fn hear_log(&self) -> anyhow::Result<()> {
        // Another name than the host's: each follows the log by pulses of its own.
        let patience = FollowTiming::with_horizon(self.config.host.horizon);
        let mut follower = Follower::start(self.place.backplane.log.clone(), &PodId::worker(), patience);
        while let Some(item) = follower.next().await {
            match item {
                FollowItem::Entry(entry) => match hear::heard(&entry) {
                    None => {}
                    Some((run, Word::Progressed(task, part))) => self.collect(run, task, part),
                    Some((run, word)) => self.take_in(run, word).await,
                },
                FollowItem::Gap(gap) => {
                    warn!(?gap, "a part of the log was lost; steps under way are asked for again");
                    self.ask_again().await;
                }
                FollowItem::CaughtUp(_) => {}
            }
        }
        anyhow::bail!("the reader of the event log has ended")
    }

    fn collect(&self, run: TaskId, task: TaskId, part: f64) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.len() < MOST_COLLECTED || progress.contains_key(&run) {
            progress.entry(run).or_default().insert(task, part);
        }
    }

    /// Takes in a word that must not be lost: while the database is away, nothing after it is heard.
    async fn take_in(&self, run: TaskId, word: Word) {
        let is_cancel = word == Word::Cancelled;
        let words = vec![word];
        let changed = self.until_done("what was heard is not written down yet", || self.change(run, words.clone()));
        if changed.await == Some(Changed::Unknown) && is_cancel {
            let mut taken_back = self.taken_back.lock().unwrap_or_else(PoisonError::into_inner);
            taken_back.push_back(run);
            if taken_back.len() > MOST_COLLECTED {
                taken_back.pop_front();
            }
        }
    }

    async fn ask_again(&self) {
        let environment = self.place.environment.clone();
        let under_way = self.until_done("the runs under way are not known yet", || {
            let environment = environment.clone();
            self.database.transaction(move |transaction| store::under_way(transaction, &environment))
        });
        for run in under_way.await.unwrap_or_default() {
            self.take_in(run, Word::Missed).await;
        }
    }

    /// Changes a run in one transaction, and again as outputs come from storage.
    pub(crate) async fn change(&self, run: TaskId, words: Vec<Word>) -> Result<Changed, DatabaseError> {
        let mut words = words;
        loop {
            let changing = Changing { limits: self.limits, dialect: self.dialect, now: now() };
            let said = std::mem::take(&mut words);
            let changed = self.database.transaction(move |transaction| changing.change(transaction, run, said)).await?;
            self.outgoing.notify_one();
            match &changed {
                Changed::Over(state) => {
                    counter!("bellwire_workflow_runs_total", "outcome" => state.as_str()).increment(1);
                    return Ok(changed);
                }
                Changed::Done(fetch) if !fetch.is_empty() && self.fetch(run, fetch).await? => {}
                _ => return Ok(changed),
            }
        }
    }

    /// Looks at the runs whose time has come, again and again.
    async fn keep_time(&self) {
        let mut purge = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let sweep = Instant::now() + jittered(BETWEEN_SWEEPS);
            match self.sweep().await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    warn!(%error, "runs cannot be brought forward now; it is tried again");
                    sleep(jittered(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            if Instant::now() >= purge {
                purge = Instant::now() + jittered(BETWEEN_PURGES);
                self.purge().await;
            }
            // What other processes have written down and not sent is looked for as well.
            self.outgoing.notify_one();
            tokio::select! {
                () = sleep_until(sweep) => {}
                () = self.begun.notified() => {}
            }
        }
    }

    async fn sweep(&self) -> Result<(), DatabaseError> {
        let progress = std::mem::take(&mut *self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        for (run, parts) in progress {
            let words = parts.into_iter().map(|(task, part)| Word::Progressed(task, part)).collect();
            self.look_at(run, words).await?;
        }
        let (environment, now) = (self.place.environment.clone(), now());
        let due = self.database.transaction(move |transaction| store::due(transaction, &environment, now)).await?;
        for run in due {
            let words = if self.was_taken_back(run) { vec![Word::Cancelled] } else { Vec::new() };
            self.look_at(run, words).await?;
        }
        Ok(())
    }

    /// A run that is broken must not hold up the others.
    async fn look_at(&self, run: TaskId, words: Vec<Word>) -> Result<(), DatabaseError> {
        match self.change(run, words).await {
            Err(DatabaseError::Refused(why)) => {
                error!(%run, why, "a run cannot be brought forward");
                let due = now() + BROKEN;
                self.database.transaction(move |transaction| store::put_off(transaction, run, due)).await
            }
            changed => changed.map(drop),
        }
    }

    fn was_taken_back(&self, run: TaskId) -> bool {
        self.taken_back.lock().unwrap_or_else(PoisonError::into_inner).contains(&run)
    }

    async fn purge(&self) {
        let keep = i64::try_from(self.config.keep.as_millis()).unwrap_or(i64::MAX);
        let before = now().saturating_sub(keep);
        loop {
            let environment = self.place.environment.clone();
            let purged = self.database.transaction(move |transaction| store::purge(transaction, &environment, before));
            match purged.await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return warn!(%error, "old runs are not removed now; later"),
            }
        }
    }

    /// Tries until the database has answered. What it refuses will not be taken later either: `None`.
    async fn until_done<T, F>(&self, what: &str, work: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, DatabaseError>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match work().await {
                Ok(done) => {
                    if pause > FIRST_PAUSE {
                        info!("the database answers again");
                    }
                    return Some(done);
                }
                Err(error @ DatabaseError::Refused(_)) => {
                    error!(%error, "{what}, and will not be");
                    return None;
                }
                Err(error) => warn!(%error, "{what}; it is tried again"),
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Give or take a quarter, so that processes do not act in step.
pub(crate) fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.75..1.25))
}
