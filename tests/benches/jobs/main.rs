//! Jobs of an empty function: how many a second, and how long from submitting one to health of its end, with one
//! worker process and with four, beside Celery on the same broker with the same promises (durable queue, confirmed
//! publishing, late acknowledgement). Then how fair they are. `make bench` runs it; with `fairness` as argument only that.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    collections::HashMap,
    env,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use backplane::{Backplane, BackplaneConfig, Destination, LogItem, LogReader, ReadFrom};
use futures_util::{StreamExt, stream};
use model::{Environment, Job, Kind, PodId, TaskId, TaskState, Toast, toast::Level};
use process::Readiness;
use runtime::{
    Completion, Context, Failure, Function, Host, HostConfig, WorkerContext,
    testing::{granted, verifier},
};
use scenarios::TestBackplane;
use serde_json::{Value, json};
use storage::{Storage, StorageConfig};
use tokio::time::timeout;

mod celery;
mod fairness;

/// Jobs in a queue before its workers start.
const BACKLOG: usize = 4000;
/// Jobs submitted one by one, and how many a second.
const PACED: usize = 600;
const PER_SECOND: u32 = 40;
/// Jobs that one worker process does at once, on both sides.
const AT_ONCE: u16 = 2;
const TIMEOUT: Duration = Duration::from_secs(180);
/// Set in a worker's process: the broker's address, then the prefix.
const WORKER: [&str; 2] = ["BELLWIRE_BENCH_WORKER_URL", "BELLWIRE_BENCH_WORKER_PREFIX"];

/// What was measured of one side.
struct Measured {
    per_second: f64,
    /// In milliseconds.
    p50: f64,
    p99: f64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if let [Ok(url), Ok(prefix)] = WORKER.map(env::var) {
        return work(&url, &prefix).await;
    }
    if env::args().any(|argument| argument == "fairness") {
        return fairness::measure().await;
    }
    println!(
        "empty jobs: {BACKLOG} from a full queue; then {PACED} at {PER_SECOND}/s, submit to end; {AT_ONCE} at once in each worker"
    );
    let python = celery::install();
    for workers in [1, 4] {
        let ours = ours(workers).await;
        let theirs = celery::measure(&python, workers);
        for (name, side) in [("bellwire", &ours), ("celery", &theirs)] {
            let Measured { per_second, p50, p99 } = side;
            println!("  {workers} workers  {name:<9} {per_second:>7.0} jobs/s   p50 {p50:>7.2} ms   p99 {p99:>7.2} ms");
        }
        println!(
            "  {workers} workers  ratio     {:>7.2}          p50 {:>7.2}      p99 {:>7.2}",
            ours.per_second / theirs.per_second,
            ours.p50 / theirs.p50,
            ours.p99 / theirs.p99,
        );
    }
    fairness::measure().await;
}

async fn ours(workers: usize) -> Measured {
    let test_backplane = TestBackplane::rabbitmq().await;
    let TestBackplane::RabbitMq { operator, prefix } = &test_backplane else { panic!("it is about RabbitMQ") };
    let environment = "prod".parse().unwrap();
    test_backplane.declare(&environment, &[kind()]).await;
    let backplane = backplane(operator.as_str(), prefix);
    let mut reader = backplane.log.read(ReadFrom::Time(jiff::Timestamp::now()));
    let jobs = &backplane.jobs;
    let filled = stream::iter(0..BACKLOG).map(|_| async { jobs.submit(&job()).await.unwrap() });
    filled.buffer_unordered(100).collect::<Vec<()>>().await;
    let _workers: Vec<_> = (0..workers).map(|_| Worker::start(operator.as_str(), prefix)).collect();
    let mut first = None;
    for _ in 0..BACKLOG {
        ended(&mut reader).await;
        first.get_or_insert_with(Instant::now);
    }
    let per_second = (BACKLOG - 1) as f64 / first.unwrap().elapsed().as_secs_f64();

    let submitting = async {
        let mut sent = HashMap::new();
        let mut pace = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
        for _ in 0..PACED {
            pace.tick().await;
            let job = job();
            sent.insert(job.task, Instant::now());
            jobs.submit(&job).await.unwrap();
        }
        sent
    };
    let health = async {
        let mut heard = Vec::new();
        for _ in 0..PACED {
            heard.push((ended(&mut reader).await, Instant::now()));
        }
        heard
    };
    let (sent, heard) = tokio::join!(submitting, health);
    let mut took: Vec<_> = heard.iter().map(|(task, at)| *at - sent[task]).collect();
    took.sort_unstable();
    let at = |part: f64| took[(took.len() as f64 * part) as usize].as_secs_f64() * 1000.0;
    Measured { per_second, p50: at(0.5), p99: at(0.99) }
}

/// The next task that has succeeded.
async fn ended(reader: &mut LogReader) -> TaskId {
    next_in_state(reader, TaskState::Succeeded).await
}

/// The next task that comes to this state.
async fn next_in_state(reader: &mut LogReader, state: TaskState) -> TaskId {
    loop {
        let item = timeout(TIMEOUT, reader.items.recv()).await.expect("the workers do their jobs").unwrap();
        let LogItem::Entry(entry) = item else { continue };
        let Ok(event) = &entry.event else { continue };
        if entry.origin == Destination::Own
            && let Ok(Some(task)) = event.task()
            && task.state == state
        {
            return task.id;
        }
    }
}

fn kind() -> Kind {
    "quick".parse().unwrap()
}

fn job() -> Job {
    granted(&prod(), Job::new(TaskId::new(), kind(), "ada", "Nothing", json!({})))
}

fn prod() -> Environment {
    "prod".parse().unwrap()
}

fn backplane(url: &str, prefix: &str) -> Backplane {
    let config = BackplaneConfig { url: url.to_owned(), prefix: prefix.parse().unwrap() };
    Backplane::open(&config, &"prod".parse().unwrap()).unwrap()
}

/// A worker in a process of its own, ended when dropped.
struct Worker(Child);

impl Worker {
    fn start(url: &str, prefix: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.envs(WORKER.into_iter().zip([url, prefix])).stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn work(url: &str, prefix: &str) {
    let place = WorkerContext {
        environment: prod(),
        backplane: backplane(url, prefix),
        verifier: verifier(&prod()),
        storage: Storage::open(&StorageConfig { url: "memory:".to_owned() }).unwrap(),
        database: None,
        pod: PodId::worker(),
    };
    let config = HostConfig { concurrency: AT_ONCE, ..HostConfig::default() };
    Host::new(place, config, Empty, &Readiness::default()).unwrap().run(std::future::pending()).await.unwrap();
}

struct Empty;

#[async_trait]
impl Function for Empty {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        kind()
    }

    async fn run(&self, _: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        tokio::time::sleep(Duration::from_millis(input["milliseconds"].as_u64().unwrap_or(0))).await;
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "Nothing is done") })
    }
}
