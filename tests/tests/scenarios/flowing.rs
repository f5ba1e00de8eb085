//! Workflows over pods, workers and databases: begun on one pod, approved on another, and what goes away comes back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use model::{Kind, PodId, TaskId, Toast, toast::Level};
use process::Readiness;
use runtime::{Completion, Context, Database, DatabaseConfig, Failure, Function, Host, HostConfig, WorkerContext};
use scenarios::{
    Cluster, EventStream, NetworkProxy, Pod, TestBackplane,
    cluster::{answer, verifier},
    over_both_backplanes,
    test_backplane::Role,
    until,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use workflows::{Workflows, WorkflowsConfig};

over_both_backplanes! {
    begun_on_one_pod_it_is_approved_by_a_second_person_on_the_other,
    a_rejection_is_told_to_the_owner_and_what_was_done_is_undone,
    of_two_engines_one_is_killed_in_the_middle_and_each_step_is_done_once,
    taken_back_by_its_owner_it_stops_and_undoes_what_was_done,
}

const FLOWS: [(&str, &str); 2] = [
    (
        "asking",
        r#"
title = "Asking"
[[input]]
name = "n"
type = "integer"
default = 2
[[step]]
id = "load"
kind = "quick"
input = { name = "load", n = "{{ input.n }}" }
compensate = { kind = "quick", input = { name = "unload" } }
[[step]]
id = "approve"
kind = "approval"
needs = ["load"]
ask = "group:reviewers"
question = "Are {{ steps.load.output.n }} right?"
[[step]]
id = "publish"
kind = "quick"
needs = ["approve"]
input = { name = "publish", by = "{{ steps.approve.output.by }}" }
"#,
    ),
    (
        "waiting",
        r#"
title = "Waiting"
[[step]]
id = "first"
kind = "quick"
input = { name = "first" }
compensate = { kind = "quick", input = { name = "undo first" } }
[[step]]
id = "each"
kind = "quick"
needs = ["first"]
for_each = "range(5)"
input = { name = "n{{ item }}" }
[[step]]
id = "held"
kind = "quick"
needs = ["each"]
input = { name = "held", waits = true }
[[step]]
id = "last"
kind = "quick"
needs = ["held"]
input = { name = "last" }
"#,
    ),
];

/// A function that notes what it does, and waits where it is told to.
#[derive(Clone, Default)]
pub(crate) struct Quick(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    effects: HashMap<TaskId, String>,
    inputs: Vec<Value>,
    may_go: CancellationToken,
}

impl Quick {
    pub(crate) fn effects(&self) -> Vec<String> {
        let mut effects: Vec<_> = self.0.lock().unwrap().effects.values().cloned().collect();
        effects.sort();
        effects
    }

    pub(crate) fn input_of(&self, name: &str) -> Value {
        self.0.lock().unwrap().inputs.iter().find(|input| input["name"] == name).cloned().unwrap_or_default()
    }

    fn let_go(&self) {
        self.0.lock().unwrap().may_go.cancel();
    }
}

#[async_trait]
impl Function for Quick {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "quick".parse().unwrap()
    }

    async fn run(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        if input["waits"] == true {
            let may_go = self.0.lock().unwrap().may_go.clone();
            tokio::select! {
                () = may_go.cancelled() => {}
                () = context.stop.cancelled() => return Err(Failure::Stopped),
            }
        }
        let name = input["name"].as_str().unwrap_or_default().to_owned();
        let mut noted = self.0.lock().unwrap();
        noted.effects.insert(context.task, name);
        noted.inputs.push(input.clone());
        Ok(Completion { output: input, toast: Toast::new(Level::Success, "done") })
    }
}

/// A database of a test's own: PostgreSQL where there is a broker, SQLite where all is in one process.
pub(crate) struct Tables {
    folder: TempDir,
    schema: Option<String>,
}

fn administrator() -> String {
    std::env::var("BELLWIRE_TEST_DATABASE_URL").expect("run `make test`, which starts a PostgreSQL")
}

impl Tables {
    pub(crate) async fn beside(cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("definitions")).unwrap();
        for (name, toml) in FLOWS.into_iter().chain(crate::four_eyes::FLOWS) {
            std::fs::write(folder.path().join("definitions").join(format!("{name}.toml")), toml).unwrap();
        }
        let TestBackplane::RabbitMq { .. } = cluster.test_backplane else {
            return Self { folder, schema: None };
        };
        let schema = format!("flowing_{}", TaskId::new()).to_lowercase();
        let mut connection = PgConnection::connect(&administrator()).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        Self { folder, schema: Some(schema) }
    }

    fn url(&self, administrator: &str) -> String {
        match &self.schema {
            None => format!("sqlite://{}", self.folder.path().join("it.db").display()),
            Some(schema) => {
                let more = if administrator.contains('?') { '&' } else { '?' };
                format!("{administrator}{more}options[search_path]={schema}")
            }
        }
    }

    /// A worker that begins runs and brings them forward.
    pub(crate) async fn engine(&self, cluster: &Cluster) -> Engine {
        let url = if self.schema.is_some() { self.url(&administrator()) } else { self.url("") };
        self.engine_at(cluster, &url).await
    }

    async fn engine_at(&self, cluster: &Cluster, url: &str) -> Engine {
        let definitions = self.folder.path().join("definitions");
        let kinds = vec!["quick".parse().unwrap()];
        let function = Workflows::open(WorkflowsConfig { definitions, kinds, ..WorkflowsConfig::default() }).unwrap();
        let (environment, kind) = ("prod".parse().unwrap(), function.kind());
        cluster.test_backplane.declare(&environment, std::slice::from_ref(&kind)).await;
        let place = WorkerContext {
            backplane: cluster.test_backplane.backplane(&environment, Role::Worker(&kind)),
            verifier: verifier(&environment),
            environment,
            storage: cluster.storage.clone(),
            database: Some(Database::open(&DatabaseConfig { url: url.to_owned() }).unwrap()),
            pod: PodId::worker(),
            telemetry: Default::default(),
        };
        let host = Host::new(place, HostConfig::default(), function, &Readiness::default()).unwrap();
        Engine(tokio::spawn(host.run(std::future::pending())))
    }
}

pub(crate) struct Engine(pub(crate) JoinHandle<Result<(), runtime::HostError>>);

impl Engine {
    pub(crate) async fn kill(self) {
        self.0.abort();
        self.0.await.ok();
    }
}

pub(crate) async fn start(pod: &Pod, token: &str, workflow: &str, input: Value) -> String {
    let input = json!({ "workflow": workflow, "input": input });
    let body = json!({ "kind": "workflows", "title": "A run", "input": input }).to_string();
    until("the run is taken", async || {
        let (status, task) = answer(pod.request("POST", "/api/tasks", token).body(body.clone())).await;
        (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
    })
    .await
}

pub(crate) async fn in_state(pod: &Pod, token: &str, id: &str, state: &str) -> Value {
    until(&format!("the run is {state}"), async || {
        let (_, task) = answer(pod.request("GET", &format!("/api/tasks/{id}"), token)).await;
        (task["state"] == state).then_some(task)
    })
    .await
}

pub(crate) async fn step_in(pod: &Pod, token: &str, id: &str, step: &str, state: &str) {
    until(&format!("{step} is {state}"), async || {
        let (_, task) = answer(pod.request("GET", &format!("/api/tasks/{id}"), token)).await;
        let steps = task["steps"].as_array()?.clone();
        steps.iter().any(|each| each["id"] == step && each["state"] == state).then_some(())
    })
    .await;
}

pub(crate) fn member(cluster: &Cluster, user: &str, group: &str) -> String {
    cluster.token_with("prod", |claims| {
        claims.sub = user.to_owned();
        claims.groups = vec![group.to_owned()];
    })
}

async fn toast(browser: &mut EventStream) -> Value {
    loop {
        let data = browser.next().await.data["data"].clone();
        if data["toast"].is_object() {
            return data["toast"].clone();
        }
    }
}

async fn begun_on_one_pod_it_is_approved_by_a_second_person_on_the_other(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let (tables, quick) = (Tables::beside(&cluster).await, Quick::default());
    let _engines = [tables.engine(&cluster).await, tables.engine(&cluster).await];
    let _worker = cluster.worker("prod", quick.clone()).await;
    let (ada, bob, eve) =
        (cluster.token("ada", "prod"), member(&cluster, "bob", "reviewers"), cluster.token("eve", "prod"));
    let (mut adas, mut bobs) =
        (one.browser(&cluster, "ada", "prod").await, EventStream::connect(&two.url, &bob, None).await);
    let run = start(&one, &ada, "asking", json!({ "n": 7 })).await;
    let asked = toast(&mut bobs).await;
    assert_eq!((&asked["body"], &asked["decision"]["step"]), (&json!("Are 7 right?"), &json!("approve")), "{asked}");
    step_in(&one, &ada, &run, "approve", "asked").await;
    let path = format!("/api/tasks/{run}/steps/approve");
    let approve = json!({ "decision": "approve", "comment": "fine" }).to_string();
    let (status, _) = answer(two.request("POST", &path, &eve).body(approve.clone())).await;
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(answer(two.request("POST", &path, &bob).body(approve)).await.0, 200);
    let reject = json!({ "decision": "reject" }).to_string();
    // 404 where the run has ended meanwhile.
    let (status, _) = answer(one.request("POST", &path, &bob).body(reject)).await;
    assert!(matches!(status, 404 | 409), "{status}");
    for pod in [&one, &two] {
        let task = in_state(pod, &ada, &run, "succeeded").await;
        assert_eq!(task["result"]["steps"]["publish"], "succeeded", "{task}");
    }
    assert_eq!(quick.effects(), ["load", "publish"]);
    loop {
        let heard = toast(&mut adas).await;
        if heard["title"] == "A run is done" {
            break;
        }
    }
}

async fn a_rejection_is_told_to_the_owner_and_what_was_done_is_undone(cluster: Cluster) {
    let pod = cluster.pod().await;
    let (tables, quick) = (Tables::beside(&cluster).await, Quick::default());
    let _engine = tables.engine(&cluster).await;
    let _worker = cluster.worker("prod", quick.clone()).await;
    let (ada, bob) = (cluster.token("ada", "prod"), member(&cluster, "bob", "reviewers"));
    let mut bobs = EventStream::connect(&pod.url, &bob, None).await;
    let run = start(&pod, &ada, "asking", json!({})).await;
    toast(&mut bobs).await;
    let reject = json!({ "decision": "reject", "comment": "two are wrong" }).to_string();
    let path = format!("/api/tasks/{run}/steps/approve");
    assert_eq!(answer(pod.request("POST", &path, &bob).body(reject)).await.0, 200);
    let task = in_state(&pod, &ada, &run, "failed").await;
    assert_eq!(task["error"]["message"], "approve: rejected by bob: two are wrong");
    assert_eq!(quick.effects(), ["load", "unload"]);
}

async fn of_two_engines_one_is_killed_in_the_middle_and_each_step_is_done_once(cluster: Cluster) {
    let pod = cluster.pod().await;
    let (tables, quick) = (Tables::beside(&cluster).await, Quick::default());
    let (first, second) = (tables.engine(&cluster).await, tables.engine(&cluster).await);
    let _worker = cluster.worker("prod", quick.clone()).await;
    let ada = cluster.token("ada", "prod");
    let run = start(&pod, &ada, "waiting", json!({})).await;
    step_in(&pod, &ada, &run, "held", "running").await;
    first.kill().await;
    second.kill().await;
    quick.let_go();
    until("the step is done while no engine hears it", async || {
        quick.effects().contains(&"held".to_owned()).then_some(())
    })
    .await;
    let _third = tables.engine(&cluster).await;
    in_state(&pod, &ada, &run, "succeeded").await;
    assert_eq!(quick.effects(), ["first", "held", "last", "n0", "n1", "n2", "n3", "n4"]);
}

async fn taken_back_by_its_owner_it_stops_and_undoes_what_was_done(cluster: Cluster) {
    let pod = cluster.pod().await;
    let (tables, quick) = (Tables::beside(&cluster).await, Quick::default());
    let _engines = [tables.engine(&cluster).await, tables.engine(&cluster).await];
    let _worker = cluster.worker("prod", quick.clone()).await;
    let ada = cluster.token("ada", "prod");
    let run = start(&pod, &ada, "waiting", json!({})).await;
    step_in(&pod, &ada, &run, "held", "running").await;
    assert_eq!(answer(pod.request("DELETE", &format!("/api/tasks/{run}"), &ada)).await.0, 202);
    until("it is undone", async || quick.effects().contains(&"undo first".to_owned()).then_some(())).await;
    in_state(&pod, &ada, &run, "cancelled").await;
    assert!(!quick.effects().iter().any(|name| name == "last" || name == "held"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_a_run_rests_and_goes_on_after() {
    let test_backplane = TestBackplane::rabbitmq().await;
    let (cut_off, proxy) = test_backplane.behind_a_proxy(true).await;
    let (near, far) = (Cluster::new(test_backplane).await, Cluster::new(cut_off).await);
    let pod = near.pod().await;
    let (tables, quick) = (Tables::beside(&near).await, Quick::default());
    let _engine = tables.engine(&far).await;
    let _worker = near.worker("prod", quick.clone()).await;
    let ada = near.token("ada", "prod");
    let run = start(&pod, &ada, "waiting", json!({})).await;
    step_in(&pod, &ada, &run, "held", "running").await;
    proxy.cut();
    quick.let_go();
    until("the step is done", async || quick.effects().contains(&"held".to_owned()).then_some(())).await;
    proxy.restore();
    in_state(&pod, &ada, &run, "succeeded").await;
    assert_eq!(quick.effects(), ["first", "held", "last", "n0", "n1", "n2", "n3", "n4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_a_run_rests_and_goes_on_after() {
    let cluster = Cluster::new(TestBackplane::rabbitmq().await).await;
    let pod = cluster.pod().await;
    let (tables, quick) = (Tables::beside(&cluster).await, Quick::default());
    let mut behind: url::Url = administrator().parse().unwrap();
    let target = format!("{}:{}", behind.host_str().unwrap(), behind.port().unwrap_or(5432));
    let proxy = NetworkProxy::to(target, true).await;
    behind.set_host(Some("127.0.0.1")).unwrap();
    behind.set_port(Some(proxy.address.port())).unwrap();
    let _engine = tables.engine_at(&cluster, &tables.url(behind.as_str())).await;
    let _worker = cluster.worker("prod", quick.clone()).await;
    let ada = cluster.token("ada", "prod");
    let run = start(&pod, &ada, "waiting", json!({})).await;
    step_in(&pod, &ada, &run, "held", "running").await;
    proxy.cut();
    quick.let_go();
    until("the step is done", async || quick.effects().contains(&"held".to_owned()).then_some(())).await;
    // A run that cannot be written down now is begun when the database is back.
    let second = start(&pod, &ada, "waiting", json!({})).await;
    proxy.restore();
    for run in [run, second] {
        in_state(&pod, &ada, &run, "succeeded").await;
    }
    assert_eq!(quick.effects().len(), 16);
}
