use std::{
    collections::HashSet,
    sync::atomic::{AtomicI64, Ordering},
};

use jiff::SignedDuration;
use model::policy::Policies;
use serde_json::json;

use super::*;

/// Rates by a clock that stands still unless a test moves it.
struct Counter {
    rates: Rates,
    policies: Policies,
    clock: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl Counter {
    fn new(policies: Json) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let database = Database::open_url("the test's url", &url, "test").unwrap();
        Self::over(database, policies, folder)
    }

    fn over(database: Database, policies: Json, folder: tempfile::TempDir) -> Self {
        let clock = Arc::new(AtomicI64::new(Timestamp::now().as_microsecond()));
        let read = clock.clone();
        let rates = Rates::new(Some(database), "test".parse().unwrap(), "calls".parse().unwrap());
        let rates = Rates { clock: Arc::new(move |_| Ok(read.load(Ordering::SeqCst))), ..rates };
        Self { rates, policies: serde_json::from_value(policies).unwrap(), clock, _folder: folder }
    }

    fn advance(&self, seconds: u64) {
        self.clock.fetch_add(micros(Duration::from_secs(seconds)), Ordering::SeqCst);
    }

    /// In milliseconds.
    async fn wait(&self, job: &Job) -> u128 {
        let begins = self.asked(job).await.map(|wait| wait.begins.unwrap());
        begins.unwrap_or_default().as_millis()
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
async fn jobs_begin_one_after_another_and_one_that_comes_again_or_was_moved_keeps_its_place() {
    let counter = Counter::new(every(json!({ "jobs": 1, "period": 1000 })));
    let jobs: Vec<_> = (0..4).map(|_| job("ada", json!({}))).collect();
    for (number, job) in jobs.iter().enumerate() {
        assert_eq!(counter.wait(job).await, 1000 * number as u128);
    }
    assert_eq!(counter.wait(&jobs[3]).await, 3000);
    // Its worker was lost, and it was moved to its lane.
    let moved = Job { attempts: 2, ..jobs[3].clone() };
    assert_eq!(counter.wait(&moved).await, 3000);
    // The first has begun: another attempt is another call.
    let again = Job { attempts: 1, ..jobs[0].clone() };
    assert_eq!(counter.wait(&again).await, 4000);
    counter.advance(3);
    assert_eq!(counter.wait(&moved).await, 0);
    assert_eq!(counter.wait(&Job { attempts: 3, ..moved }).await, 2000);
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
    for (owner, to, wait) in [("ada", "x", 0), ("ada", "x", 1000), ("bob", "x", 0), ("ada", "y", 0), ("bob", "x", 1000)]
    {
        assert_eq!(counter.wait(&job(owner, json!({ "to": to }))).await, wait, "{owner} to {to}");
    }
}

#[tokio::test]
async fn whoever_waits_for_a_slow_definition_takes_no_place_of_others_meanwhile() {
    let slow =
        json!({ "name": "slow", "input": { "report": "slow" }, "policy": { "rate": { "jobs": 1, "period": 60_000 } } });
    let counter = Counter::new(json!({ "every": { "rate": { "jobs": 1, "period": 1000 } }, "definitions": [slow] }));
    let mut waits = Vec::new();
    for report in ["slow", "slow", "slow", "quick"] {
        waits.push(counter.wait(&job("ada", json!({ "report": report }))).await);
    }
    assert_eq!(waits, [0, 60_000, 120_000, 1000]);
}

#[tokio::test]
async fn whoever_has_many_reserves_no_further_ahead_than_others_are_let_before_them() {
    let counter = Counter::new(every(json!({ "jobs": 5, "period": 60_000 })));
    for number in 0..20 {
        let job = Job { backlog: 100, ..job("ada", json!({})) };
        let wait = counter.asked(&job).await;
        let reserved = wait.is_none_or(|wait| wait.is_reserved);
        assert_eq!(reserved, number < 6, "{number}: {wait:?}");
        assert!(wait.is_none_or(|wait| reserved || wait.asks_again >= Duration::from_secs(30)), "{wait:?}");
    }
    let first = counter.asked(&job("bob", json!({}))).await.unwrap();
    assert_eq!((first.is_reserved, first.begins), (true, Some(Duration::from_secs(72))));
}

#[tokio::test]
async fn one_of_a_few_places_goes_to_a_job_that_has_waited_long_however_many_others_ask() {
    let counter = Counter::new(every(json!({ "jobs": 1, "period": 1000 })));
    let created = Timestamp::now() - SignedDuration::from_secs(600);
    let many = || Job { backlog: 100, ..job("mallory", json!({})) };
    let reserves = async |job: &Job| counter.asked(job).await.is_none_or(|wait| wait.is_reserved);
    for round in 0..10 {
        let mut of_others = 0;
        while reserves(&job("ada", json!({}))).await {
            of_others += 1;
        }
        assert_eq!(of_others, if round == 0 { 91 } else { 7 });
        assert!(!reserves(&many()).await, "it has not waited long");
        assert!(reserves(&Job { created, ..many() }).await, "in round {round}");
        assert!(!reserves(&Job { created, ..many() }).await, "only one of them");
        counter.advance(8);
    }
}

#[tokio::test]
async fn a_place_far_ahead_is_asked_for_when_it_may_be_reserved_by_whoever_has_few_first() {
    let counter = Counter::new(every(json!({ "jobs": 1, "period": 600_000 })));
    assert_eq!(counter.asked(&job("ada", json!({}))).await, None);
    let asks_again = async |backlog| {
        let wait = counter.asked(&Job { backlog, ..job("ada", json!({})) }).await.unwrap();
        assert!(!wait.is_reserved && wait.begins == Some(Duration::from_secs(600)), "{wait:?}");
        wait.asks_again
    };
    let mut last = Duration::ZERO;
    for (backlog, earliest) in [(0, 510), (100, 540)] {
        let mut asked = HashSet::new();
        for _ in 0..20 {
            asked.insert(asks_again(backlog).await);
        }
        let (first, latest) = (asked.iter().min().unwrap(), asked.iter().max().unwrap());
        assert!(*first >= Duration::from_secs(earliest) && *first > last, "{first:?}");
        assert!(*latest < *first + SPREAD && asked.len() > 10, "they ask at moments of their own: {asked:?}");
        last = *latest;
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_not_asked_by_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("gone");
    std::fs::write(&in_the_way, "a file where the database's folder shall be").unwrap();
    let url = format!("sqlite://{}", in_the_way.join("t.db").display());
    let database = Database::open_url("the test's url", &url, "test").unwrap();
    let counter = Counter::over(database, every(json!({ "jobs": 9, "period": 1000 })), folder);
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
