//! The harness of the scenarios: engines that can be killed, a function with scripted behaviour, and a record of all events.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::symlink,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use backplane::{Backplane, Destination, ReadFrom, log::LogItem, memory::Broker};
use futures_util::TryStreamExt;
use model::{
    Audience, Environment, Event, Job, Kind, PodId, Step, StepState, Task, TaskId, TaskState, Toast,
    approval::{Answer, Decision, Question},
    log_line::LogLine,
    toast::Level,
};
use process::Readiness;
use runtime::{
    Completion, Context, Database, DatabaseConfig, Failure, Function, Host, HostConfig, WorkerContext, testing,
};
use serde_json::{Map, Value, json};
use storage::{Storage, StorageConfig};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use workflows::{Workflows, WorkflowsConfig};

const PATIENCE: Duration = Duration::from_secs(30);

/// One environment.
pub(crate) struct Harness {
    pub(crate) folder: TempDir,
    pub(crate) environment: Environment,
    pub(crate) backplane: Backplane,
    pub(crate) storage: Storage,
    pub(crate) work: Work,
    events: watch::Receiver<Vec<Event>>,
    _working: AbortOnDropHandle<()>,
    _recording: AbortOnDropHandle<()>,
}

/// A process that starts runs and advances them.
pub(crate) struct Engine {
    stop: CancellationToken,
    task: JoinHandle<Result<(), runtime::HostError>>,
}

impl Harness {
    /// With these definitions, and a worker of the function `work`.
    pub(crate) async fn new(definitions: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("definitions")).unwrap();
        fs::create_dir(folder.path().join("disk")).unwrap();
        let storage = StorageConfig::at(format!("file:{}", folder.path().join("files").display()));
        let environment: Environment = "test".parse().unwrap();
        let backplane = Broker::new().environment(&environment);
        let storage = Storage::open(&storage).unwrap();
        let (events, _recording) = record(&backplane);
        let mut harness = Self {
            environment,
            backplane,
            storage,
            work: Work::default(),
            events,
            _working: AbortOnDropHandle::new(tokio::spawn(async {})),
            _recording,
            folder,
        };
        harness.bring_database_back();
        for (name, toml) in definitions {
            harness.define(name, toml);
        }
        let host = HostConfig { concurrency: 8, attempts: 1, ..HostConfig::default() };
        let host = Host::new(harness.worker(false), host, harness.work.clone(), &Readiness::default()).unwrap();
        harness._working =
            AbortOnDropHandle::new(tokio::spawn(async move { host.run(std::future::pending()).await.unwrap() }));
        harness
    }

    /// Writes a definition; engines started later know it.
    pub(crate) fn define(&self, name: &str, toml: &str) {
        fs::write(self.folder.path().join("definitions").join(format!("{name}.toml")), toml).unwrap();
    }

    pub(crate) fn config(&self) -> WorkflowsConfig {
        WorkflowsConfig {
            definitions: self.folder.path().join("definitions"),
            kinds: vec![kind("work"), kind("nobody")],
            ..WorkflowsConfig::default()
        }
    }

    pub(crate) fn database(&self) -> Database {
        let url = format!("sqlite://{}", self.folder.path().join("mounted/it.db").display());
        Database::open(&DatabaseConfig { url }).unwrap()
    }

    /// Takes the disk with the database away, in one step: a file that went by itself would be made anew.
    pub(crate) fn take_database_away(&self) {
        let nothing = self.folder.path().join("nothing");
        fs::write(&nothing, "no folder").unwrap();
        fs::rename(nothing, self.folder.path().join("mounted")).unwrap();
    }

    pub(crate) fn bring_database_back(&self) {
        let link = self.folder.path().join("link");
        symlink("disk", &link).unwrap();
        fs::rename(link, self.folder.path().join("mounted")).unwrap();
    }

    pub(crate) fn worker(&self, with_database: bool) -> WorkerContext {
        WorkerContext {
            environment: self.environment.clone(),
            backplane: self.backplane.clone(),
            verifier: testing::verifier(&self.environment),
            storage: self.storage.clone(),
            database: with_database.then(|| self.database()),
            pod: PodId::worker(),
            telemetry: Default::default(),
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine_with(self.config())
    }

    pub(crate) fn engine_with(&self, config: WorkflowsConfig) -> Engine {
        let host = config.host.clone();
        let function = Workflows::open(config).unwrap();
        let host = Host::new(self.worker(true), host, function, &Readiness::default()).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(host.run(stop.clone().cancelled_owned()));
        Engine { stop, task }
    }

    /// Ada, of the group `staff`, starts a workflow.
    pub(crate) async fn start(&self, workflow: &str, input: Value) -> TaskId {
        let job = self.job(workflow, input);
        self.submit(&job).await;
        job.task
    }

    pub(crate) fn job(&self, workflow: &str, input: Value) -> Job {
        let input = json!({ "workflow": workflow, "input": input });
        let job = Job::new(TaskId::new(), kind("workflows"), "ada", "A run", input);
        testing::granted(&self.environment, Job { groups: vec!["staff".to_owned()], ..job })
    }

    pub(crate) async fn submit(&self, job: &Job) {
        // The queue is there once a worker takes from it.
        until("the job is taken", async || self.backplane.jobs.submit(job).await.ok()).await;
    }

    /// Waits for an event.
    pub(crate) async fn wait_for<T>(&self, what: &str, mut is: impl FnMut(&Event) -> Option<T>) -> T {
        let mut events = self.events.clone();
        let found = events.wait_for(|events| events.iter().any(|event| is(event).is_some()));
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(events) => events.unwrap().iter().find_map(is).unwrap(),
            Err(_) => panic!("there was no event of {what}; the last: {:#?}", self.events.borrow().last()),
        }
    }

    /// The run's task when it has ended.
    pub(crate) async fn end(&self, run: TaskId) -> Task {
        self.wait_for("the end of the run", |event| {
            let task = event.task().ok().flatten().filter(|task| task.id == run && task.state.is_end())?;
            (event.source == "/functions/workflows").then_some(task)
        })
        .await
    }

    /// What a run of ada's has said so far, as far as it is stored.
    pub(crate) async fn log(&self, run: TaskId) -> Option<Vec<LogLine>> {
        let key = format!("{run}/log.1.jsonl").parse().unwrap();
        let file = self.storage.files(&self.environment, "ada").get(&key).await.ok()?;
        let text: Vec<u8> = file.content.map_ok(|piece| piece.to_vec()).try_concat().await.unwrap();
        Some(String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// Waits until a step is in this state.
    pub(crate) async fn step(&self, run: TaskId, id: &str, state: StepState) -> Step {
        let step = |event: &Event| {
            let task = event.task().ok().flatten().filter(|task| task.id == run)?;
            task.steps.into_iter().find(|step| step.id == id && step.state == state)
        };
        self.wait_for(&format!("{id} {state:?}"), step).await
    }

    pub(crate) async fn question(&self, run: TaskId) -> (Question, Event) {
        let asked = |event: &Event| Some((Question::of(event).filter(|question| question.task == run)?, event.clone()));
        self.wait_for("the question", asked).await
    }

    /// Answers a question, as a gateway does.
    pub(crate) async fn answer(&self, run: TaskId, step: &str, by: &str, groups: &[&str], decision: Decision) {
        let asked = |event: &Event| Some(Question::with_digest(event).filter(|(asked, _)| asked.task == run)?.1);
        let digest = self.events().iter().find_map(asked).unwrap_or_default();
        self.answer_to((run, step, &digest), by, groups, decision).await;
    }

    /// Answers the question of a run, a step and a digest.
    pub(crate) async fn answer_to(&self, asked: (TaskId, &str, &str), by: &str, groups: &[&str], decision: Decision) {
        self.answer_with(asked, by, groups, (decision, "")).await;
    }

    /// The same with the values of a form, as JSON.
    pub(crate) async fn answer_with(
        &self,
        (run, step, digest): (TaskId, &str, &str),
        by: &str,
        groups: &[&str],
        (decision, values): (Decision, &str),
    ) {
        let answer = Answer {
            task: run,
            step: step.to_owned(),
            digest: digest.to_owned(),
            decision,
            by: by.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            comment: Some("as agreed".to_owned()),
            values: values.to_owned(),
            signature: String::new(),
        };
        let answer = testing::gateway_key().sign_answer(&self.environment, answer);
        self.publish(&answer.event(Audience::user("ada"))).await;
    }

    /// Cancels a task as its owner, as a gateway does.
    pub(crate) async fn cancel(&self, job: &Job) {
        let task = Task::of(job, TaskState::Cancelled);
        let mut event = Event::of_task("/gateway", Audience::user("ada"), &task, None);
        event.id = format!("{}.cancelled", job.task);
        self.publish(&event).await;
    }

    pub(crate) async fn publish(&self, event: &Event) {
        self.backplane.log.publish(Destination::Own, event).await.unwrap();
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.borrow().clone()
    }
}

impl Engine {
    /// Kills it: its jobs are delivered again.
    pub(crate) async fn kill(self) {
        self.task.abort();
        self.task.await.ok();
    }

    /// Stops it as a deployment would.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
    }
}

pub(crate) fn kind(name: &str) -> Kind {
    name.parse().unwrap()
}

/// Waits for a condition.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn record(backplane: &Backplane) -> (watch::Receiver<Vec<Event>>, AbortOnDropHandle<()>) {
    let (sender, events) = watch::channel(Vec::new());
    let reader = backplane.log.read(ReadFrom::Time(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1)));
    let task = tokio::spawn(async move {
        // Whole, with the task that reads.
        let mut reader = reader;
        while let Some(item) = reader.items.recv().await {
            if let LogItem::Entry(entry) = item
                && let Ok(event) = entry.event
            {
                sender.send_modify(|events| events.push(event.as_ref().clone()));
            }
        }
    });
    (events, AbortOnDropHandle::new(task))
}

/// The function `work`: behaves as `how` says and returns its input.
#[derive(Clone, Default)]
pub(crate) struct Work(Arc<Mutex<WorkLog>>);

#[derive(Default)]
struct WorkLog {
    /// Its inputs, in the order of its runs.
    inputs: Vec<Value>,
    /// Runs of each task.
    runs: HashMap<TaskId, u32>,
    /// The failures of each name so far.
    failed: HashMap<String, u32>,
    /// Names whose runs may end.
    released: Vec<String>,
    at_once: usize,
    most_at_once: usize,
}

impl Work {
    /// The names in its inputs, in the order of its runs.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |input: &Value| input["name"].as_str().unwrap_or_default().to_owned();
        self.0.lock().unwrap().inputs.iter().map(name).collect()
    }

    pub(crate) fn input_of(&self, name: &str) -> Value {
        let log = self.0.lock().unwrap();
        log.inputs.iter().rev().find(|input| input["name"] == name).cloned().unwrap_or_default()
    }

    /// Ends the runs that wait under this name.
    pub(crate) fn release(&self, name: &str) {
        self.0.lock().unwrap().released.push(name.to_owned());
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.0.lock().unwrap().most_at_once
    }

    /// Tasks that were run more than once.
    pub(crate) fn run_twice(&self) -> usize {
        self.0.lock().unwrap().runs.values().filter(|runs| **runs > 1).count()
    }

    fn record_start(&self, context: &Context, input: &Value) {
        let mut log = self.0.lock().unwrap();
        log.inputs.push(input.clone());
        *log.runs.entry(context.task).or_default() += 1;
        log.at_once += 1;
        log.most_at_once = log.most_at_once.max(log.at_once);
    }

    async fn behave(&self, context: &Context, input: &Value) -> Result<(), Failure> {
        let name = input["name"].as_str().unwrap_or_default().to_owned();
        match input["how"].as_str().unwrap_or("well") {
            "waits" => loop {
                tokio::select! {
                    () = context.stop.cancelled() => return Err(Failure::Stopped),
                    () = tokio::time::sleep(Duration::from_millis(5)) => {}
                }
                if self.0.lock().unwrap().released.contains(&name) {
                    return Ok(());
                }
            },
            "fails" => Err(Failure::input(format!("{name} is sour"))),
            "fails twice" => {
                let mut log = self.0.lock().unwrap();
                let failed = log.failed.entry(name.clone()).or_default();
                *failed += 1;
                if *failed > 2 {
                    Ok(())
                } else {
                    Err(Failure::passing(format!("{name} is sour"), anyhow::anyhow!("away")))
                }
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Function for Work {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        kind("work")
    }

    async fn run(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        self.record_start(context, &input);
        let result = self.behave(context, &input).await;
        self.0.lock().unwrap().at_once -= 1;
        result?;
        let mut output =
            Map::from_iter([("got".to_owned(), input.clone()), ("href".to_owned(), json!("/api/files/x/y"))]);
        if let Some(stored) = input.get("stored") {
            output.insert("stored".to_owned(), stored.clone());
        }
        Ok(Completion { output: Value::Object(output), toast: Toast::new(Level::Success, "done") })
    }
}
