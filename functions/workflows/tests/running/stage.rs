//! What the runs stand on: engines that can be killed, a function that does what it is told, and all that was said.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::symlink,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use backplane::{Backplane, Destination, ReadFrom, log::LogItem, memory::Broker};
use model::{
    Audience, Environment, Event, Job, Kind, PodId, Step, StepState, Task, TaskId, TaskState, Toast,
    approval::{Answer, Decision, Question},
    toast::Level,
};
use process::Readiness;
use runtime::{Completion, Context, Database, DatabaseConfig, Failure, Function, Host, HostConfig, WorkerContext};
use serde_json::{Map, Value, json};
use storage::{Storage, StorageConfig};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use workflows::{Workflows, WorkflowsConfig};

const PATIENCE: Duration = Duration::from_secs(30);

/// One environment.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) environment: Environment,
    pub(crate) backplane: Backplane,
    pub(crate) storage: Storage,
    pub(crate) work: Work,
    said: watch::Receiver<Vec<Event>>,
    _working: AbortOnDropHandle<()>,
    _hearing: AbortOnDropHandle<()>,
}

/// A process that begins runs and brings them forward.
pub(crate) struct Engine {
    stop: CancellationToken,
    task: JoinHandle<Result<(), runtime::HostError>>,
}

impl Stage {
    /// With these definitions, and a worker of the function `work`.
    pub(crate) async fn new(definitions: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("definitions")).unwrap();
        fs::create_dir(folder.path().join("disk")).unwrap();
        let storage = StorageConfig { url: format!("file:{}", folder.path().join("files").display()) };
        let environment: Environment = "test".parse().unwrap();
        let backplane = Broker::new().environment(&environment);
        let storage = Storage::open(&storage).unwrap();
        let (said, _hearing) = hear(&backplane);
        let mut stage = Self {
            environment,
            backplane,
            storage,
            work: Work::default(),
            said,
            _working: AbortOnDropHandle::new(tokio::spawn(async {})),
            _hearing,
            folder,
        };
        stage.bring_database_back();
        for (name, toml) in definitions {
            stage.define(name, toml);
        }
        let host = HostConfig { concurrency: 8, ..HostConfig::default() };
        let host = Host::new(stage.place(false), host, stage.work.clone(), &Readiness::default()).unwrap();
        stage._working =
            AbortOnDropHandle::new(tokio::spawn(async move { host.run(std::future::pending()).await.unwrap() }));
        stage
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

    pub(crate) fn place(&self, with_database: bool) -> WorkerContext {
        WorkerContext {
            environment: self.environment.clone(),
            backplane: self.backplane.clone(),
            storage: self.storage.clone(),
            database: with_database.then(|| self.database()),
            pod: PodId::worker(),
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine_with(self.config())
    }

    pub(crate) fn engine_with(&self, config: WorkflowsConfig) -> Engine {
        let host = config.host.clone();
        let function = Workflows::open(config).unwrap();
        let host = Host::new(self.place(true), host, function, &Readiness::default()).unwrap();
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
        Job { groups: vec!["staff".to_owned()], ..job }
    }

    pub(crate) async fn submit(&self, job: &Job) {
        // The queue is there once a worker takes from it.
        until("the job is taken", async || self.backplane.jobs.submit(job).await.ok()).await;
    }

    /// Waits until something that was said is so.
    pub(crate) async fn heard<T>(&self, what: &str, mut is: impl FnMut(&Event) -> Option<T>) -> T {
        let mut said = self.said.clone();
        let found = said.wait_for(|said| said.iter().any(|event| is(event).is_some()));
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(said) => said.unwrap().iter().find_map(is).unwrap(),
            Err(_) => panic!("it was not heard: {what}; last of all: {:#?}", self.said.borrow().last()),
        }
    }

    /// The run's task when it has ended.
    pub(crate) async fn end(&self, run: TaskId) -> Task {
        self.heard("the end of the run", |event| {
            let task = event.task().ok().flatten().filter(|task| task.id == run && task.state.is_end())?;
            (event.source == "/functions/workflows").then_some(task)
        })
        .await
    }

    /// Waits until a step is in this state.
    pub(crate) async fn step(&self, run: TaskId, id: &str, state: StepState) -> Step {
        let step = |event: &Event| {
            let task = event.task().ok().flatten().filter(|task| task.id == run)?;
            task.steps.into_iter().find(|step| step.id == id && step.state == state)
        };
        self.heard(&format!("{id} {state:?}"), step).await
    }

    pub(crate) async fn question(&self, run: TaskId) -> (Question, Event) {
        let asked = |event: &Event| Some((Question::of(event).filter(|question| question.task == run)?, event.clone()));
        self.heard("the question", asked).await
    }

    /// Somebody answers, as a gateway tells it.
    pub(crate) async fn answer(&self, run: TaskId, step: &str, by: &str, groups: &[&str], decision: Decision) {
        let answer = Answer {
            task: run,
            step: step.to_owned(),
            decision,
            by: by.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            comment: Some("as agreed".to_owned()),
        };
        self.say(&answer.event(Audience::user("ada"))).await;
    }

    /// The owner takes it back, as a gateway tells it.
    pub(crate) async fn cancel(&self, job: &Job) {
        let task = Task::of(job, TaskState::Cancelled);
        let mut event = Event::of_task("/gateway", Audience::user("ada"), &task, None);
        event.id = format!("{}.cancelled", job.task);
        self.say(&event).await;
    }

    pub(crate) async fn say(&self, event: &Event) {
        self.backplane.log.publish(Destination::Own, event).await.unwrap();
    }

    /// All that was said so far.
    pub(crate) fn said(&self) -> Vec<Event> {
        self.said.borrow().clone()
    }
}

impl Engine {
    /// Kills it: what it held comes again.
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

/// Waits for a condition that must come about.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not come about: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn hear(backplane: &Backplane) -> (watch::Receiver<Vec<Event>>, AbortOnDropHandle<()>) {
    let (sender, said) = watch::channel(Vec::new());
    let reader = backplane.log.read(ReadFrom::Time(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1)));
    let task = tokio::spawn(async move {
        // Whole, with the task that reads.
        let mut reader = reader;
        while let Some(item) = reader.items.recv().await {
            if let LogItem::Entry(entry) = item
                && let Ok(event) = entry.event
            {
                sender.send_modify(|said| said.push(event.as_ref().clone()));
            }
        }
    });
    (said, AbortOnDropHandle::new(task))
}

/// The function `work`: does what `how` says and gives back what it was given.
#[derive(Clone, Default)]
pub(crate) struct Work(Arc<Mutex<Done>>);

#[derive(Default)]
struct Done {
    /// What it was given, in the order that it began.
    given: Vec<Value>,
    /// Runs of each task.
    runs: HashMap<TaskId, u32>,
    /// How often each name has failed.
    failed: HashMap<String, u32>,
    /// Names that may go on.
    let_go: Vec<String>,
    at_once: usize,
    most_at_once: usize,
}

impl Work {
    /// What it was given under each `name`, in the order that it began.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |given: &Value| given["name"].as_str().unwrap_or_default().to_owned();
        self.0.lock().unwrap().given.iter().map(name).collect()
    }

    pub(crate) fn given(&self, name: &str) -> Value {
        let done = self.0.lock().unwrap();
        done.given.iter().rev().find(|given| given["name"] == name).cloned().unwrap_or_default()
    }

    /// Lets those who wait under this name go on.
    pub(crate) fn let_go(&self, name: &str) {
        self.0.lock().unwrap().let_go.push(name.to_owned());
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.0.lock().unwrap().most_at_once
    }

    /// Tasks that were run more than once.
    pub(crate) fn run_twice(&self) -> usize {
        self.0.lock().unwrap().runs.values().filter(|runs| **runs > 1).count()
    }

    fn begins(&self, context: &Context, given: &Value) {
        let mut done = self.0.lock().unwrap();
        done.given.push(given.clone());
        *done.runs.entry(context.task).or_default() += 1;
        done.at_once += 1;
        done.most_at_once = done.most_at_once.max(done.at_once);
    }

    async fn act(&self, context: &Context, given: &Value) -> Result<(), Failure> {
        let name = given["name"].as_str().unwrap_or_default().to_owned();
        match given["how"].as_str().unwrap_or("well") {
            "waits" => loop {
                tokio::select! {
                    () = context.stop.cancelled() => return Err(Failure::Stopped),
                    () = tokio::time::sleep(Duration::from_millis(5)) => {}
                }
                if self.0.lock().unwrap().let_go.contains(&name) {
                    return Ok(());
                }
            },
            "fails" => Err(Failure::input(format!("{name} is sour"))),
            "fails twice" => {
                let mut done = self.0.lock().unwrap();
                let failed = done.failed.entry(name.clone()).or_default();
                *failed += 1;
                if *failed > 2 { Ok(()) } else { Err(Failure::input(format!("{name} is sour"))) }
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

    async fn run(&self, context: &Context, given: Value) -> Result<Completion<Value>, Failure> {
        self.begins(context, &given);
        let acted = self.act(context, &given).await;
        self.0.lock().unwrap().at_once -= 1;
        acted?;
        let mut output =
            Map::from_iter([("got".to_owned(), given.clone()), ("href".to_owned(), json!("/api/files/x/y"))]);
        if let Some(stored) = given.get("stored") {
            output.insert("stored".to_owned(), stored.clone());
        }
        Ok(Completion { output: Value::Object(output), toast: Toast::new(Level::Success, "done") })
    }
}
