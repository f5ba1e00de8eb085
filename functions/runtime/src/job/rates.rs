//! When a job may begin by the rates that hold for it, over all workers: a reservation in their database, by the generic cell rate
//! algorithm. It is kept until the job begins, whichever queue it waits in and however often it is taken meanwhile; the next attempt
//! makes one of its own.
//!
//! Only what begins soon is reserved, and what begins later asks again: else whoever has many jobs would have all places for
//! hours, and those of cancelled ones too. Whoever has few may reserve further ahead than whoever has many. So that these go
//! on while others ask, one of a few places goes to a job that was submitted long ago; there is no order among them.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use backplane::Lane;
use jiff::Timestamp;
use model::{
    Environment, Job, Kind, TaskId,
    policy::{JobPolicy, Rate},
};
use serde_json::Value as Json;
use tracing::warn;

use crate::database::{Database, DatabaseError, Dialect, Tables, Transaction, Value};

const TABLES: Tables = Tables::portable(
    &["bellwire_rates", "bellwire_reservations"],
    &["bellwire_reservations_begins"],
    "
    CREATE TABLE IF NOT EXISTS bellwire_rates (key TEXT PRIMARY KEY, next BIGINT NOT NULL);
    CREATE TABLE IF NOT EXISTS bellwire_reservations (
        task TEXT NOT NULL, attempts BIGINT NOT NULL, key TEXT NOT NULL, begins BIGINT NOT NULL,
        PRIMARY KEY (task, attempts, key)
    );
    CREATE INDEX IF NOT EXISTS bellwire_reservations_begins ON bellwire_reservations (begins);
    ",
);
/// In place of the attempts: older versions kept a place for each of them, used or not.
const UNUSED: i64 = -1;
/// What is past is forgotten so often.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// What is past is kept so long, in microseconds: its job may be with a worker that is cut off.
const KEPT: i64 = 2 * 24 * 3600 * 1_000_000;

/// A job that has waited so long may reserve further ahead than any other.
const WAITED_LONG: Duration = Duration::from_secs(300);
const LONG_AHEAD: Duration = Duration::from_secs(120);
/// One of so many places in a row goes to such a job, so that a thousand of them keep nobody else waiting.
const LONG_EVERY: i64 = 8;
/// Those who wait for one place ask for it within this time, each at a moment of its own. It is shorter than what one lane may
/// reserve before another.
const SPREAD: Duration = Duration::from_secs(8);

/// A database that failed is asked again so often, by one job at a time.
const ASK_AWAY_EVERY: Duration = Duration::from_secs(50);
/// The pause of a job whose rate the database cannot tell now.
const UNKNOWN: Duration = Duration::from_secs(60);

/// The rates of one function.
pub(crate) struct Rates {
    database: Option<Database>,
    environment: Environment,
    kind: Kind,
    forgotten: Mutex<Instant>,
    clock: Clock,
    /// When the database has failed, or was asked after that.
    failed: Mutex<Option<Instant>>,
}

/// Tells the time, in microseconds since 1970.
type Clock = Arc<dyn Fn(&mut dyn Transaction) -> Result<i64, DatabaseError> + Send + Sync>;

/// How long a job waits for its rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Until it begins; where that is not reserved, until the first place that is free now, if that is known.
    pub(crate) begins: Option<Duration>,
    /// It begins then.
    pub(crate) is_reserved: bool,
    /// It is taken again after this.
    pub(crate) asks_again: Duration,
}

/// How far ahead a job reserves, and the shortest pause in which it asks again; that is shorter, so that no place stays empty.
fn ahead(job: &Job) -> (Duration, Duration) {
    let (ahead, pause) = match Lane::of(job) {
        Lane::High | Lane::First => (90, 10),
        Lane::Few => (80, 10),
        Lane::Many => (70, 30),
        Lane::Flood | Lane::Low => (60, 30),
        Lane::LowFlood => (50, 30),
    };
    (Duration::from_secs(ahead), Duration::from_secs(pause))
}

impl Rates {
    pub(crate) fn new(database: Option<Database>, environment: Environment, kind: Kind) -> Self {
        let (forgotten, failed) = (Mutex::new(Instant::now()), Mutex::default());
        Self { database, environment, kind, forgotten, clock: Arc::new(now), failed }
    }

    /// How long a job waits yet; none if it may begin. It waits too while that is not known, since a rate is kept for somebody
    /// else's sake.
    ///
    /// The rate of its definition comes first, and that of its function only once that is over: else whoever has many jobs of a slow
    /// definition would take the places of others far ahead.
    pub(crate) async fn wait(&self, job: &Job, input: &Json, policy: &JobPolicy<'_>) -> Option<Wait> {
        policy.rates().next()?;
        let unknown = Wait { begins: None, is_reserved: false, asks_again: UNKNOWN };
        if !self.may_ask() {
            return Some(unknown);
        }
        let asked = self.ask(job, input, policy).await;
        *self.failed() = asked.is_err().then(Instant::now);
        asked.unwrap_or_else(|error| {
            warn!(%error, "its rate cannot be looked up; the job waits");
            Some(unknown)
        })
    }

    /// False for a while after the database has failed: who waits for an answer keeps a place from others.
    fn may_ask(&self) -> bool {
        let mut failed = self.failed();
        let waits = failed.is_some_and(|failed| failed.elapsed() < ASK_AWAY_EVERY);
        if failed.is_some() && !waits {
            *failed = Some(Instant::now());
        }
        !waits
    }

    fn failed(&self) -> MutexGuard<'_, Option<Instant>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, job: &Job, input: &Json, policy: &JobPolicy<'_>) -> Result<Option<Wait>, DatabaseError> {
        let Some(database) = &self.database else { return Ok(None) };
        let rates: Vec<_> = policy.rates().collect();
        let (ahead, pause) = ahead(job);
        let mut rates = rates.into_iter().rev().peekable();
        while let Some((of, rate)) = rates.next() {
            let reservation = Reservation {
                key: rate.key(&format!("{}/{}/{of}", self.environment, self.kind), &job.owner, input),
                task: job.task,
                is_last: rates.peek().is_none(),
                interval: interval(rate),
                tolerance: interval(rate).saturating_mul(i64::from(rate.burst) - 1),
                created: job.created.as_microsecond(),
                ahead: micros(ahead),
                clock: self.clock.clone(),
                forgets: self.forgets(),
            };
            let Place { begins, after, ahead, is_reserved } =
                database.transaction_with(&TABLES, move |sql| reservation.take(sql)).await?;
            if !is_reserved {
                // As soon as it may reserve that place, but not all at once.
                let moment = moment(job.task, begins);
                let asks_again = after.saturating_sub(ahead) + SPREAD.mul_f64(moment);
                let asks_again = asks_again.max(pause.mul_f64(1.0 + moment / 2.0));
                return Ok(Some(Wait { begins: Some(after), is_reserved, asks_again }));
            }
            if !after.is_zero() {
                return Ok(Some(Wait { begins: Some(after), is_reserved, asks_again: after }));
            }
        }
        Ok(None)
    }

    /// True once an hour.
    fn forgets(&self) -> bool {
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = forgotten.elapsed() >= FORGET_EVERY;
        if is_time {
            *forgotten = Instant::now();
        }
        is_time
    }
}

/// The time between two jobs, in microseconds; rounded up, so that no more begin.
fn interval(rate: &Rate) -> i64 {
    let period = i64::try_from(rate.period).unwrap_or(i64::MAX).saturating_mul(1000);
    let jobs = i64::from(rate.jobs.max(1));
    period / jobs + i64::from(period % jobs != 0)
}

/// What is asked of one rate for a job. Times are microseconds since 1970.
struct Reservation {
    key: String,
    task: TaskId,
    /// The job begins if this is over.
    is_last: bool,
    created: i64,
    interval: i64,
    /// So much earlier than in its turn a job may begin.
    tolerance: i64,
    /// What would begin later than so long from now is not reserved.
    ahead: i64,
    clock: Clock,
    /// Forgets what is past on this occasion.
    forgets: bool,
}

/// What is answered.
struct Place {
    /// When the job begins, or would; in microseconds since 1970.
    begins: i64,
    /// So long from now.
    after: Duration,
    /// It may be reserved so far ahead.
    ahead: Duration,
    /// It is, before or now.
    is_reserved: bool,
}

impl Reservation {
    /// Reserves a place unless the job has one, or would begin too late.
    fn take(self, sql: &mut dyn Transaction) -> Result<Place, DatabaseError> {
        let key = Value::from(self.key.clone());
        sql.execute(
            "INSERT INTO bellwire_rates (key, next) VALUES ($1, 0) ON CONFLICT DO NOTHING",
            std::slice::from_ref(&key),
        )?;
        let next = match sql.dialect() {
            Dialect::Sqlite => "SELECT next FROM bellwire_rates WHERE key = $1",
            // Others who reserve wait here.
            Dialect::Postgres => "SELECT next FROM bellwire_rates WHERE key = $1 FOR UPDATE",
        };
        let next = number(&sql.query(next, std::slice::from_ref(&key))?).unwrap_or_default();
        let now = (self.clock)(sql)?;
        let own = [self.task.to_string().into(), UNUSED.into(), key.clone()];
        let found = "SELECT begins FROM bellwire_reservations WHERE task = $1 AND attempts = $2 AND key = $3";
        let found = number(&sql.query(found, &own)?);
        let begins = found.unwrap_or_else(|| now.max(next - self.tolerance));
        let waits_long = now - self.created >= micros(WAITED_LONG);
        let ahead = if waits_long { micros(LONG_AHEAD) } else { self.ahead };
        let is_reserved = found.is_some()
            || begins - now <= self.ahead
            || waits_long && begins - now <= ahead && self.is_for_long(sql, begins)?;
        // Where it was another's turn, it asks as one that has not waited.
        let ahead = if begins - now <= ahead { self.ahead } else { ahead };
        if found.is_none() && is_reserved {
            let [task, attempts, _] = own;
            let insert = "INSERT INTO bellwire_reservations (task, attempts, key, begins) VALUES ($1, $2, $3, $4)";
            sql.execute(insert, &[task, attempts, key.clone(), begins.into()])?;
            let next = now.max(next).saturating_add(self.interval);
            sql.execute("UPDATE bellwire_rates SET next = $1 WHERE key = $2", &[next.into(), key])?;
        }
        if is_reserved && begins <= now && self.is_last {
            // Its next attempt is another call.
            let task = [self.task.to_string().into()];
            sql.execute("DELETE FROM bellwire_reservations WHERE task = $1", &task)?;
        }
        if self.forgets {
            let past = [Value::from(now - KEPT)];
            sql.execute("DELETE FROM bellwire_reservations WHERE begins < $1", &past)?;
            sql.execute("DELETE FROM bellwire_rates WHERE next < $1", &past)?;
        }
        let duration = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or_default());
        Ok(Place { begins, after: duration(begins - now), ahead: duration(ahead), is_reserved })
    }

    /// Whether a place is for a job that has waited long; noted as that of the last one.
    fn is_for_long(&self, sql: &mut dyn Transaction, begins: i64) -> Result<bool, DatabaseError> {
        // A reservation of no task.
        let of_long = ["".into(), UNUSED.into(), Value::from(self.key.clone())];
        let last = "SELECT begins FROM bellwire_reservations WHERE task = $1 AND attempts = $2 AND key = $3";
        let last = number(&sql.query(last, &of_long)?);
        if last.is_some_and(|last| begins - last < self.interval.saturating_mul(LONG_EVERY)) {
            return Ok(false);
        }
        let [task, attempts, key] = of_long;
        let note = "INSERT INTO bellwire_reservations (task, attempts, key, begins) VALUES ($1, $2, $3, $4) \
                    ON CONFLICT (task, attempts, key) DO UPDATE SET begins = excluded.begins";
        sql.execute(note, &[task, attempts, key, begins.into()])?;
        Ok(true)
    }
}

/// A number from 0 to 1 that is a job's own for each place: who is last for one is not for the next.
fn moment(task: TaskId, begins: i64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (task, begins).hash(&mut hasher);
    (hasher.finish() % 1024) as f64 / 1024.0
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// By the clock of the server where there is one: those of workers differ.
fn now(sql: &mut dyn Transaction) -> Result<i64, DatabaseError> {
    match sql.dialect() {
        Dialect::Sqlite => Ok(Timestamp::now().as_microsecond()),
        Dialect::Postgres => {
            let rows = sql.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", &[])?;
            Ok(number(&rows).unwrap_or_else(|| Timestamp::now().as_microsecond()))
        }
    }
}

fn number(rows: &[crate::database::Row]) -> Option<i64> {
    rows.first().and_then(|row| row.integer(0))
}

#[cfg(test)]
mod tests;
