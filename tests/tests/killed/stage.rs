//! Everything around a worker: its broker, its database, a pod, and somebody who listens.

use std::pin::pin;

use backplane::{Backplane, BackplaneConfig, DeadJobs, Depth};
use model::{Environment, Job, PodId, TaskId};
use process::Readiness;
use runtime::{Database, Host, HostConfig, HostError, WorkerContext};
use scenarios::{
    Cluster, EventStream, NetworkProxy, Pod, TIMEOUT, TestBackplane,
    cluster::{answer, event, verifier},
    test_backplane::Role,
    until,
};
use serde_json::{Value, json};
use storage::{Storage, StorageConfig};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    books::{self, Books},
    child::Killable,
    ledger::{KIND, Ledger},
    phase::{Phase, Watch, watched},
};

/// Where a worker works.
pub(crate) struct Workplace {
    pub(crate) test_backplane: TestBackplane,
    pub(crate) database: Database,
    pub(crate) host: HostConfig,
}

/// Works until told to stop.
pub(crate) async fn work(
    place: &Workplace,
    function: Ledger,
    shutdown: impl Future<Output = ()>,
) -> Result<(), HostError> {
    let config = place.host.clone();
    let backplane = place.test_backplane.backplane(&prod(), Role::Worker(&KIND.parse().unwrap()));
    let place = WorkerContext {
        backplane: watched(backplane, &function.watch),
        environment: prod(),
        verifier: verifier(&prod()),
        storage: Storage::open(&StorageConfig::at("memory:")).unwrap(),
        database: Some(place.database.clone()),
        pod: PodId::worker(),
        telemetry: Default::default(),
    };
    Host::new(place, config, function, &Readiness::default())?.run(shutdown).await
}

pub(crate) fn prod() -> Environment {
    "prod".parse().unwrap()
}

/// A stage.
pub(crate) struct Stage {
    pub(crate) books: Books,
    pub(crate) pod: Pod,
    cluster: Cluster,
    browser: EventStream,
}

/// A worker within this process.
pub(crate) struct Worker {
    stop: CancellationToken,
    task: JoinHandle<Result<(), HostError>>,
}

impl Stage {
    pub(crate) async fn with(books: Books) -> Self {
        let cluster = Cluster::new(TestBackplane::rabbitmq().await).await;
        cluster.test_backplane.declare(&prod(), &[KIND.parse().unwrap()]).await;
        let pod = cluster.pod().await;
        let browser = pod.browser(&cluster, "ada", "prod").await;
        Self { books, pod, cluster, browser }
    }

    /// A worker in a process of its own, halting where it is said.
    pub(crate) fn child(&self, halt: Option<Phase>) -> Killable {
        Killable::start(&self.cluster.test_backplane, &self.books.url(), halt)
    }

    /// A worker that does its work.
    pub(crate) fn worker(&self) -> Worker {
        self.worker_of(Ledger::watched(Watch::none()), &self.books.url())
    }

    /// One that does this, and writes to the database at this address.
    pub(crate) fn worker_of(&self, function: Ledger, database: &str) -> Worker {
        self.worker_with(HostConfig::default(), function, database)
    }

    pub(crate) fn worker_with(&self, host: HostConfig, function: Ledger, database: &str) -> Worker {
        Worker::start(
            Workplace { test_backplane: self.cluster.test_backplane.clone(), database: books::open(database), host },
            function,
        )
    }

    /// One whose network to the broker can be cut.
    pub(crate) async fn worker_behind_a_proxy(&self, function: Ledger) -> (Worker, NetworkProxy) {
        let (test_backplane, proxy) = self.cluster.test_backplane.behind_a_proxy(true).await;
        let (database, host) = (books::open(&self.books.url()), HostConfig::default());
        (Worker::start(Workplace { test_backplane, database, host }, function), proxy)
    }

    /// Asks for a task, as ada.
    pub(crate) async fn start(&self, act: &str) -> TaskId {
        let body = json!({ "kind": KIND, "input": { "act": act } }).to_string();
        let (status, task) = self.ask("POST", "/api/tasks", body).await;
        assert_eq!(status, 202, "{task}");
        task["id"].as_str().unwrap().parse().unwrap()
    }

    /// Puts a job into its queue, once more.
    pub(crate) async fn submit(&self, job: &Job) {
        let gateway = self.cluster.test_backplane.backplane(&prod(), Role::Gateway);
        gateway.jobs.submit(job).await.unwrap();
    }

    /// Takes a task back, as ada.
    pub(crate) async fn take_back(&self, task: TaskId) {
        let (status, answer) = self.ask("DELETE", &format!("/api/tasks/{task}"), String::new()).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// The task as the pod shows it, once that is so.
    pub(crate) async fn until(&self, task: TaskId, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{what}: task {task}"), async || {
            let seen = self.see(task).await;
            is_so(&seen).then_some(seen)
        })
        .await
    }

    /// The task as the pod shows it now.
    pub(crate) async fn see(&self, task: TaskId) -> Value {
        self.ask("GET", &format!("/api/tasks/{task}"), String::new()).await.1
    }

    pub(crate) async fn until_state(&self, task: TaskId, state: &str) -> Value {
        self.until(task, state, |seen| seen["state"] == state).await
    }

    async fn ask(&self, method: &str, path: &str, body: String) -> (u16, Value) {
        answer(self.pod.request(method, path, &self.cluster.token("ada", "prod")).body(body)).await
    }

    /// The dead jobs, for their operator.
    pub(crate) fn dead(&self) -> Box<dyn DeadJobs> {
        let TestBackplane::RabbitMq { operator, prefix } = &self.cluster.test_backplane else {
            panic!("it is over a broker")
        };
        let config =
            BackplaneConfig { url: operator.to_string(), prefix: prefix.parse().unwrap(), ..Default::default() };
        Backplane::open(&config, &prod()).unwrap().jobs.dead(&KIND.parse().unwrap())
    }

    /// Waits until there are so many.
    pub(crate) async fn until_depth(&self, wanted: Depth) {
        let gateway = self.cluster.test_backplane.backplane(&prod(), Role::Gateway);
        let kind = KIND.parse().unwrap();
        until(&format!("{wanted:?}"), async || {
            // The broker may have come back a moment ago.
            (gateway.jobs.depth(&kind).await.ok()? == wanted).then_some(())
        })
        .await;
    }

    /// Lets workers take what is left: one that stops with a job in hand, which came again, gives it back.
    async fn until_nothing_is_left(&self) {
        let gateway = self.cluster.test_backplane.backplane(&prod(), Role::Gateway);
        let kind = KIND.parse().unwrap();
        until("nothing is left in the queues", async || {
            let worker = self.worker();
            self.until_depth(Depth::default()).await;
            worker.stop().await;
            (gateway.jobs.depth(&kind).await.ok()? == Depth::default()).then_some(())
        })
        .await;
    }

    /// The ids of the ends that a listener was shown of a task, up to now.
    pub(crate) async fn ends_shown(&mut self, task: TaskId) -> Vec<String> {
        let marker = TaskId::new().to_string();
        self.pod.publish(&self.cluster.token("ada", "prod"), &event(&marker, "user:ada")).await;
        let mut ends = Vec::new();
        loop {
            let shown = self.browser.next().await.data;
            if shown["id"] == marker.as_str() {
                return ends;
            }
            let of_the_task = shown["subject"] == format!("task/{task}");
            if of_the_task
                && ["succeeded", "failed", "cancelled"].iter().any(|end| shown["data"]["task"]["state"] == *end)
            {
                ends.push(shown["id"].as_str().unwrap().to_owned());
            }
        }
    }

    /// Waits for the task's good end, stops who worked, and checks that it was done once and that nothing is left.
    pub(crate) async fn done_once(mut self, task: TaskId, worker: Worker) {
        self.until_state(task, "succeeded").await;
        worker.stop().await;
        self.until_nothing_is_left().await;
        assert_eq!(self.books.rows(task).await.len(), 1, "the effect is there once");
        assert_eq!(self.ends_shown(task).await, [format!("{task}.succeeded")], "its end is shown once");
        self.books.end().await;
    }

    /// Waits until a worker has told that it was taken back, stops it, and checks that the task had no effect and
    /// that nothing is left.
    pub(crate) async fn never_done(mut self, task: TaskId, worker: Worker) {
        loop {
            let shown = self.browser.next().await.data;
            let by_a_worker = shown["source"] == format!("/functions/{KIND}");
            if by_a_worker && shown["id"] == format!("{task}.cancelled") {
                break;
            }
        }
        worker.stop().await;
        self.until_nothing_is_left().await;
        assert_eq!(self.until_state(task, "cancelled").await["result"], Value::Null);
        assert!(self.books.rows(task).await.is_empty(), "it has no effect");
        self.books.end().await;
    }
}

impl Worker {
    fn start(place: Workplace, function: Ledger) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { work(&place, function, pin!(stopped.cancelled_owned())).await });
        Worker { stop, task }
    }

    /// Stops it as Kubernetes would.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(TIMEOUT, self.task).await.expect("it stops").unwrap().unwrap();
    }
}

/// Halts who reaches a phase until it is let go, the first time only.
pub(crate) struct Checkpoint {
    reached: std::sync::mpsc::Receiver<()>,
    go: std::sync::mpsc::SyncSender<()>,
}

impl Checkpoint {
    /// A checkpoint, and the watch that halts there.
    pub(crate) fn at(halt: Phase) -> (Self, Watch) {
        let (told, reached) = std::sync::mpsc::sync_channel(8);
        let (go, let_go) = std::sync::mpsc::sync_channel::<()>(8);
        let let_go = std::sync::Mutex::new(Some(let_go));
        let watch = Watch::with(move |phase| {
            if phase != halt {
                return;
            }
            let first = let_go.lock().unwrap().take();
            if let Some(let_go) = first {
                told.send(()).unwrap();
                // An error is a test that has ended.
                let_go.recv_timeout(TIMEOUT * 2).ok();
            }
        });
        (Self { reached, go }, watch)
    }

    /// Waits until somebody is halted.
    pub(crate) async fn halted(self) -> Halted {
        let Self { reached, go } = self;
        let waiting = tokio::task::spawn_blocking(move || reached.recv_timeout(TIMEOUT));
        waiting.await.unwrap().expect("somebody gets there");
        Halted(go)
    }
}

/// Somebody who is halted.
pub(crate) struct Halted(std::sync::mpsc::SyncSender<()>);

impl Halted {
    /// Lets it go on.
    pub(crate) fn go_on(self) {
        self.0.send(()).unwrap();
    }
}
