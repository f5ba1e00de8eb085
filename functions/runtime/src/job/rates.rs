//! When a job may begin by the rates that hold for it, over all workers: a reservation in their database, by the generic cell rate
//! algorithm. It is kept for each attempt, however often the job is taken meanwhile.
//!
//! Only what begins soon is reserved, and what begins later asks again: else whoever has many jobs would have all places for
//! hours, and those of cancelled ones too. Whoever has few may reserve further ahead than whoever has many.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
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
    "
    CREATE TABLE IF NOT EXISTS bellwire_rates (key TEXT PRIMARY KEY, next BIGINT NOT NULL);
    CREATE TABLE IF NOT EXISTS bellwire_reservations (
        task TEXT NOT NULL, attempts BIGINT NOT NULL, key TEXT NOT NULL, begins BIGINT NOT NULL,
        PRIMARY KEY (task, attempts, key)
    );
    CREATE INDEX IF NOT EXISTS bellwire_reservations_begins ON bellwire_reservations (begins);
    ",
);
/// What is past is forgotten so often.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
/// What is past is kept so long, in microseconds: its job may be with a worker that is cut off.
const KEPT: i64 = 2 * 24 * 3600 * 1_000_000;

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
    /// When the database has failed, or was asked after that.
    failed: Mutex<Option<Instant>>,
}

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
        Self { database, environment, kind, forgotten: Mutex::new(Instant::now()), failed: Mutex::default() }
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
        for (of, rate) in rates.into_iter().rev() {
            let reservation = Reservation {
                key: rate.key(&format!("{}/{}/{of}", self.environment, self.kind), &job.owner, input),
                task: job.task,
                attempts: job.attempts,
                interval: interval(rate),
                tolerance: interval(rate).saturating_mul(i64::from(rate.burst) - 1),
                ahead: i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX),
                forgets: self.forgets(),
            };
            let (begins, is_reserved) = database.transaction_with(&TABLES, move |sql| reservation.take(sql)).await?;
            if !is_reserved {
                // As soon as it may reserve that place; in a crowd not all at once.
                let asks_again = begins.saturating_sub(ahead).max(pause.mul_f64(rand::random_range(1.0..1.5)));
                return Ok(Some(Wait { begins: Some(begins), is_reserved, asks_again }));
            }
            if !begins.is_zero() {
                return Ok(Some(Wait { begins: Some(begins), is_reserved, asks_again: begins }));
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

/// What is asked of one rate for one attempt at a job. Times are microseconds since 1970.
struct Reservation {
    key: String,
    task: TaskId,
    attempts: u32,
    interval: i64,
    /// So much earlier than in its turn a job may begin.
    tolerance: i64,
    /// What would begin later than so long from now is not reserved.
    ahead: i64,
    /// Forgets what is past on this occasion.
    forgets: bool,
}

impl Reservation {
    /// How long the job waits yet, and whether that was reserved, before or now.
    fn take(self, sql: &mut dyn Transaction) -> Result<(Duration, bool), DatabaseError> {
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
        let now = now(sql)?;
        let own = [self.task.to_string().into(), i64::from(self.attempts).into(), key.clone()];
        let found = "SELECT begins FROM bellwire_reservations WHERE task = $1 AND attempts = $2 AND key = $3";
        let found = number(&sql.query(found, &own)?);
        let begins = found.unwrap_or_else(|| now.max(next - self.tolerance));
        let is_reserved = found.is_some() || begins - now <= self.ahead;
        if found.is_none() && is_reserved {
            let [task, attempts, _] = own;
            let insert = "INSERT INTO bellwire_reservations (task, attempts, key, begins) VALUES ($1, $2, $3, $4)";
            sql.execute(insert, &[task, attempts, key.clone(), begins.into()])?;
            let next = now.max(next).saturating_add(self.interval);
            sql.execute("UPDATE bellwire_rates SET next = $1 WHERE key = $2", &[next.into(), key])?;
        }
        if self.forgets {
            let past = [Value::from(now - KEPT)];
            sql.execute("DELETE FROM bellwire_reservations WHERE begins < $1", &past)?;
            sql.execute("DELETE FROM bellwire_rates WHERE next < $1", &past)?;
        }
        Ok((Duration::from_micros(u64::try_from(begins - now).unwrap_or_default()), is_reserved))
    }
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
mod tests {
    use model::policy::Policies;
    use serde_json::json;

    use super::*;

    struct Counter {
        rates: Rates,
        policies: Policies,
        _folder: tempfile::TempDir,
    }

    impl Counter {
        fn new(policies: Json) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", folder.path().join("t.db").display());
            let database = Database::open_url("the test's url", &url, "test").unwrap();
            let rates = Rates::new(Some(database), "test".parse().unwrap(), "calls".parse().unwrap());
            Self { rates, policies: serde_json::from_value(policies).unwrap(), _folder: folder }
        }

        /// In milliseconds, rounded to a second: the machine may be slow.
        async fn wait(&self, job: &Job) -> u128 {
            let begins = self.asked(job).await.map(|wait| wait.begins.unwrap());
            begins.unwrap_or_default().as_millis().div_ceil(1000) * 1000
        }

        async fn asked(&self, job: &Job) -> Option<Wait> {
            let policy = self.policies.of(&job.input);
            self.rates.wait(job, &job.input, &policy).await
        }
    }

    fn job(owner: &str, input: Json) -> Job {
        Job::new(TaskId::new(), "calls".parse().unwrap(), owner, "A call", input)
    }

    fn every(rate: Json) -> Json {
        json!({ "every": { "rate": rate } })
    }

    #[tokio::test]
    async fn jobs_begin_one_after_another_and_one_that_comes_again_keeps_its_place() {
        let counter = Counter::new(every(json!({ "jobs": 1, "period": 1000 })));
        let jobs: Vec<_> = (0..4).map(|_| job("ada", json!({}))).collect();
        for (number, job) in jobs.iter().enumerate() {
            assert_eq!(counter.wait(job).await, 1000 * number as u128);
        }
        assert!(counter.wait(&jobs[3]).await <= 3000 && counter.wait(&jobs[0]).await == 0);
        // Another attempt is another call.
        let again = Job { attempts: 1, ..jobs[0].clone() };
        assert!((3900..=4000).contains(&counter.wait(&again).await));
    }

    #[tokio::test]
    async fn a_burst_begins_at_once_and_what_follows_in_its_turn() {
        let counter = Counter::new(every(json!({ "jobs": 1, "period": 1000, "burst": 3 })));
        let mut waits = Vec::new();
        for _ in 0..5 {
            waits.push(counter.wait(&job("ada", json!({}))).await);
        }
        assert_eq!(waits, [0, 0, 0, 1000, 2000]);
    }

    #[tokio::test]
    async fn each_value_of_a_key_has_a_rate_of_its_own() {
        let counter = Counter::new(every(json!({ "jobs": 1, "period": 1000, "by": ["owner", "input.to"] })));
        for (owner, to, wait) in
            [("ada", "x", 0), ("ada", "x", 1000), ("bob", "x", 0), ("ada", "y", 0), ("bob", "x", 1000)]
        {
            assert_eq!(counter.wait(&job(owner, json!({ "to": to }))).await, wait, "{owner} to {to}");
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_a_slow_definition_takes_no_place_of_others_meanwhile() {
        let slow = json!({ "name": "slow", "input": { "report": "slow" }, "policy": { "rate": { "jobs": 1, "period": 60_000 } } });
        let counter =
            Counter::new(json!({ "every": { "rate": { "jobs": 1, "period": 1000 } }, "definitions": [slow] }));
        let mut waits = Vec::new();
        for report in ["slow", "slow", "slow", "quick"] {
            waits.push(counter.wait(&job("ada", json!({ "report": report }))).await);
        }
        assert_eq!(waits, [0, 60_000, 120_000, 1000]);
    }

    #[tokio::test]
    async fn whoever_has_many_reserves_no_further_ahead_than_others_are_let_before_them() {
        let counter = Counter::new(every(json!({ "jobs": 5, "period": 60_000 })));
        for number in 0..200 {
            let job = Job { backlog: 100, ..job("ada", json!({})) };
            let wait = counter.asked(&job).await;
            let reserved = wait.is_none_or(|wait| wait.is_reserved);
            assert_eq!(reserved, number < 6, "{number}: {wait:?}");
            assert!(wait.is_none_or(|wait| reserved || wait.asks_again >= Duration::from_secs(30)), "{wait:?}");
        }
        let first = counter.asked(&job("bob", json!({}))).await.unwrap();
        assert!(first.is_reserved && first.begins.unwrap() < Duration::from_secs(73), "{first:?}");
    }

    #[tokio::test]
    async fn a_place_far_ahead_is_asked_for_when_it_may_be_reserved_by_whoever_has_few_first() {
        let counter = Counter::new(every(json!({ "jobs": 1, "period": 600_000 })));
        assert_eq!(counter.asked(&job("ada", json!({}))).await, None);
        let asks_again = async |backlog| {
            let wait = counter.asked(&Job { backlog, ..job("ada", json!({})) }).await.unwrap();
            assert!(!wait.is_reserved && wait.begins.unwrap().as_secs() >= 590, "{wait:?}");
            wait.asks_again.as_secs()
        };
        assert!((500..=510).contains(&asks_again(0).await));
        assert!((530..=540).contains(&asks_again(100).await));
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_not_asked_by_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("gone");
        std::fs::write(&in_the_way, "a file where the database's folder shall be").unwrap();
        let url = format!("sqlite://{}", in_the_way.join("t.db").display());
        let database = Database::open_url("the test's url", &url, "test").unwrap();
        let rates = Rates::new(Some(database), "test".parse().unwrap(), "calls".parse().unwrap());
        let policies = serde_json::from_value(every(json!({ "jobs": 9, "period": 1000 }))).unwrap();
        let counter = Counter { rates, policies, _folder: folder };
        let unknown = Some(Wait { begins: None, is_reserved: false, asks_again: UNKNOWN });
        assert_eq!(counter.asked(&job("ada", json!({}))).await, unknown);
        std::fs::remove_file(in_the_way).unwrap();
        assert_eq!(counter.asked(&job("ada", json!({}))).await, unknown, "it is asked again later");
        *counter.rates.failed() = Instant::now().checked_sub(ASK_AWAY_EVERY);
        assert_eq!(counter.asked(&job("ada", json!({}))).await, None);
    }

    #[test]
    fn the_time_between_two_jobs_is_never_too_short() {
        let of = |jobs, period| interval(&Rate { jobs, period, burst: 1, by: Vec::new() });
        assert_eq!((of(10, 1000), of(7, 1000), of(1, 60_000)), (100_000, 142_858, 60_000_000));
    }
}
