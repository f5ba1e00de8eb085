//! Our side: a worker with an empty function, and a program that submits jobs and reads the log for their ends.

use std::{
    collections::HashMap,
    env,
    future::pending,
    io::stdin,
    path::Path,
    process::Command,
    sync::{Arc, LazyLock, Mutex},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use backplane::{Backplane, BackplaneConfig, ReadFrom};
use futures_util::{StreamExt, stream};
use model::{Environment, Job, Kind, PodId, TaskId, Toast, job::WORKFLOWS, toast::Level};
use process::Readiness;
use runtime::{
    Completion, Context, Database, DatabaseConfig, Failure, Function, Host, HostConfig, WorkerContext,
    testing::{gateway_key, verifier},
};
use serde_json::{Value, json};
use signing::SigningKey;
use storage::{Storage, StorageConfig};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;
use workflows::{Workflows, WorkflowsConfig};

use crate::{ended, program::Role, side::Side};

/// Jobs that are submitted at once to fill the queue.
const SUBMITTED_AT_ONCE: usize = 100;
/// The key that signs jobs, made once as in a gateway.
static KEY: LazyLock<SigningKey> = LazyLock::new(gateway_key);

/// The broker's.
pub(crate) fn address() -> String {
    env::var("BELLWIRE_TEST_AMQP_URL").expect("run `make bench`, which starts a broker")
}

pub(crate) fn side() -> Side {
    let url = address();
    let service = url::Url::parse(&url).unwrap().port().unwrap();
    let program = move |_: &str| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env("BENCH_URL", &url);
        command
    };
    Side {
        name: "bellwire",
        contract: "a quorum queue, synced; publishing confirmed; acknowledged once the end is confirmed in the log, where it is heard",
        teller: Role::Submit,
        service,
        program: Box::new(program),
    }
}

/// The same with a worker of workflows beside that of the steps.
pub(crate) fn workflows_side() -> Side {
    let Side { name, teller, service, program, .. } = side();
    let database = env::var("BELLWIRE_TEST_DATABASE_URL").expect("run `make bench`, which starts a database");
    let program = move |name: &str| {
        let mut command = program(name);
        command.env("BENCH_DATABASE", &database);
        command
    };
    let contract = "each step a job of its own, the run in PostgreSQL; synced, confirmed and told as above";
    Side { name, contract, teller, service, program: Box::new(program) }
}

/// The program of a role, if this process is one.
pub(crate) async fn run_role() -> bool {
    let variable = |name: &str| env::var(name).ok();
    let (Some(role), Some(url), Some(name)) = (variable("BENCH_ROLE"), variable("BENCH_URL"), variable("BENCH_NAME"))
    else {
        return false;
    };
    if role == Role::Work.as_str() {
        work(&url, &name, variable("BENCH_AT_ONCE").unwrap().parse().unwrap()).await;
    } else {
        submit(&url, &name).await;
    }
    true
}

pub(crate) fn kind() -> Kind {
    "quick".parse().unwrap()
}

pub(crate) fn job() -> Job {
    signed(unsigned_job("ada"))
}

/// An empty job of an owner, to be changed and [signed].
pub(crate) fn unsigned_job(owner: &str) -> Job {
    Job::new(TaskId::new(), kind(), owner, "Nothing", json!({}))
}

/// A job as a gateway has signed it.
pub(crate) fn signed(job: Job) -> Job {
    KEY.grant(&prod(), job)
}

pub(crate) fn prod() -> Environment {
    "prod".parse().unwrap()
}

pub(crate) fn backplane(url: &str, prefix: &str) -> Backplane {
    Backplane::open(&config(url, prefix), &prod()).unwrap()
}

/// Declares all that a test needs.
pub(crate) async fn declare(url: &str, prefix: &str) {
    Backplane::declare(&config(url, prefix), &prod(), &[kind(), WORKFLOWS.parse().unwrap()]).await.unwrap();
}

fn config(url: &str, prefix: &str) -> BackplaneConfig {
    BackplaneConfig { url: url.to_owned(), prefix: prefix.parse().unwrap() }
}

async fn work(url: &str, prefix: &str, at_once: u16) {
    let place = || WorkerContext {
        environment: prod(),
        backplane: backplane(url, prefix),
        verifier: verifier(&prod()),
        storage: Storage::open(&StorageConfig { url: "memory:".to_owned() }).unwrap(),
        database: env::var("BENCH_DATABASE").ok().map(|url| Database::open(&DatabaseConfig { url }).unwrap()),
        pod: PodId::worker(),
    };
    let config = HostConfig { concurrency: at_once, ..HostConfig::default() };
    let steps = Host::new(place(), config.clone(), Empty, &Readiness::default()).unwrap().run(pending());
    if place().database.is_none() {
        return steps.await.unwrap();
    }
    let workflows = WorkflowsConfig {
        definitions: Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows"),
        kinds: vec![kind()],
        ..WorkflowsConfig::default()
    };
    let workflows = Workflows::open(workflows).unwrap();
    let runs = Host::new(place(), config, workflows, &Readiness::default()).unwrap().run(pending());
    let (steps, runs) = tokio::join!(steps, runs);
    steps.and(runs).unwrap();
}

/// An empty function, or one that only waits.
struct Empty;

#[async_trait]
impl Function for Empty {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        kind()
    }

    async fn run(&self, _: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        if let Some(milliseconds) = input["milliseconds"].as_u64() {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "Nothing is done") })
    }
}

/// What `peers/program.mjs` does, for ours.
async fn submit(url: &str, prefix: &str) {
    declare(url, prefix).await;
    let (backplane, clock) = (backplane(url, prefix), Instant::now());
    let mut reader = backplane.log.read(ReadFrom::Time(jiff::Timestamp::now()));
    let (ends, heard) = watch::channel(Vec::new());
    let runs = Arc::new(Runs::default());
    let awaited = runs.clone();
    let _hearing = AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let task = ended(&mut reader).await;
            awaited.end(task);
            ends.send_modify(|ends| ends.push((task.to_string(), clock.elapsed().as_secs_f64())));
        }
    }));
    answer(&json!({ "ready": true }));
    let (said, mut commands) = mpsc::channel(1);
    thread::spawn(move || stdin().lines().try_for_each(|line| said.blocking_send(line.unwrap())));
    while let Some(command) = commands.recv().await {
        let words: Vec<_> = command.split(' ').collect();
        let number = |at: usize| words[at].parse::<usize>().unwrap();
        answer(&match words[0] {
            "fill" => fill(&backplane, number(1)).await,
            "pace" => pace(&backplane, clock, number(1), number(2)).await,
            "runs" => runs.each(&backplane, number(1), number(2)).await,
            "until" => {
                let ends = heard.clone().wait_for(|ends| ends.len() >= number(1)).await.unwrap()[number(1) - 1].1;
                json!({ "at": ends })
            }
            _ => json!({ "ends": &*heard.borrow() }),
        });
    }
}

/// The runs of a workflow whose end is waited for.
#[derive(Default)]
struct Runs(Mutex<HashMap<TaskId, oneshot::Sender<()>>>);

impl Runs {
    fn end(&self, task: TaskId) {
        self.0.lock().unwrap().remove(&task).map(|ended| ended.send(()));
    }

    async fn each(&self, backplane: &Backplane, count: usize, at_once: usize) -> Value {
        let one = async |_| {
            let input = json!({ "workflow": "three-steps", "input": {} });
            let job = signed(Job::new(TaskId::new(), WORKFLOWS.parse().unwrap(), "ada", "A run", input));
            let (ended, end) = oneshot::channel();
            self.0.lock().unwrap().insert(job.task, ended);
            let began = Instant::now();
            backplane.jobs.submit(&job).await.unwrap();
            end.await.unwrap();
            began.elapsed().as_secs_f64()
        };
        let took: Vec<_> = stream::iter(0..count).map(one).buffer_unordered(at_once).collect().await;
        json!({ "took": took })
    }
}

async fn fill(backplane: &Backplane, count: usize) -> Value {
    let submitted = stream::iter(0..count).map(|_| async { backplane.jobs.submit(&job()).await.unwrap() });
    submitted.buffer_unordered(SUBMITTED_AT_ONCE).collect::<Vec<()>>().await;
    json!({})
}

async fn pace(backplane: &Backplane, clock: Instant, count: usize, rate: usize) -> Value {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate as u32);
    let (mut sent, mut submitting) = (Vec::new(), JoinSet::new());
    for _ in 0..count {
        pace.tick().await;
        let (job, jobs) = (job(), backplane.jobs.clone());
        sent.push((job.task.to_string(), clock.elapsed().as_secs_f64()));
        submitting.spawn(async move { jobs.submit(&job).await.unwrap() });
    }
    submitting.join_all().await;
    json!({ "sent": sent })
}

fn answer(value: &Value) {
    println!("{value}");
}
