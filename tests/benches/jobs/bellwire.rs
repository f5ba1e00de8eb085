//! Our side: a worker with an empty function, and a program that submits jobs and reads the log for their ends.

use std::{
    collections::HashMap,
    env,
    future::pending,
    path::Path,
    process::Command,
    sync::{Arc, LazyLock, Mutex},
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
use tokio::sync::{oneshot, watch};
use tokio_util::task::AbortOnDropHandle;
use workflows::{Workflows, WorkflowsConfig};

use crate::{
    ended, floor,
    program::Role,
    side::Side,
    submitter::{self, Ends},
};

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
    let at_once = variable("BENCH_AT_ONCE").unwrap().parse().unwrap();
    if floor::is_meant() {
        floor::run(&role, &url, &name, at_once).await;
    } else if role == Role::Work.as_str() {
        work(&url, &name, at_once).await;
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
    job_of(TaskId::new(), owner)
}

fn job_of(task: TaskId, owner: &str) -> Job {
    Job::new(task, kind(), owner, "Nothing", json!({}))
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
    BackplaneConfig { url: url.to_owned(), prefix: prefix.parse().unwrap(), ..Default::default() }
}

async fn work(url: &str, prefix: &str, at_once: u16) {
    let place = || WorkerContext {
        environment: prod(),
        backplane: backplane(url, prefix),
        verifier: verifier(&prod()),
        storage: Storage::open(&StorageConfig::at("memory:")).unwrap(),
        database: env::var("BENCH_DATABASE").ok().map(|url| Database::open(&DatabaseConfig { url }).unwrap()),
        pod: PodId::worker(),
        telemetry: Default::default(),
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

/// Submits jobs, and reads the log for their ends.
async fn submit(url: &str, prefix: &str) {
    declare(url, prefix).await;
    let (backplane, clock) = (backplane(url, prefix), Instant::now());
    let mut reader = backplane.log.read(ReadFrom::Time(jiff::Timestamp::now()));
    let (ends, heard) = watch::channel(Ends::new());
    let runs = Arc::new(Runs::default());
    let awaited = runs.clone();
    let _hearing = AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let task = ended(&mut reader).await;
            awaited.end(task);
            ends.send_modify(|ends| ends.push((task.to_string(), clock.elapsed().as_secs_f64())));
        }
    }));
    let submit = |task| {
        let jobs = backplane.jobs.clone();
        async move { jobs.submit(&signed(job_of(task, "ada"))).await.unwrap() }
    };
    submitter::serve(clock, heard, submit, async |count, at_once| runs.each(&backplane, count, at_once).await).await;
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
