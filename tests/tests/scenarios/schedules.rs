//! What starts by itself: each time once, whoever is killed, and as its owner and operators want it.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use gateway::GatewayConfig;
use jiff::{SignedDuration, Timestamp};
use model::{Kind, Schedule, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, Pod,
    cluster::{Worker, answer},
    over_both_backplanes, until,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

over_both_backplanes! {
    each_time_starts_one_task_however_many_gateways_there_are,
    a_gateway_that_is_killed_has_a_successor_that_starts_nothing_twice_and_misses_nothing,
    what_was_started_and_not_written_down_is_the_same_task,
    a_pause_outlives_every_process_and_is_not_made_up_for,
    people_see_and_change_their_own_schedules_and_operators_all,
    a_run_that_is_asked_for_is_its_owners_task,
    nothing_starts_for_somebody_whom_the_gateways_settings_do_not_name,
    a_time_at_which_the_task_before_runs_is_left_out,
    a_schedule_that_its_worker_has_no_more_starts_nothing,
}

/// A function with schedules; it notes the times that its inputs name.
#[derive(Clone)]
struct Scheduled {
    schedules: Vec<Schedule>,
    times: Arc<Mutex<Vec<Timestamp>>>,
    /// Each run takes one of these.
    go: Arc<Semaphore>,
}

#[async_trait]
impl Function for Scheduled {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    fn schedules(&self) -> Vec<Schedule> {
        self.schedules.clone()
    }

    async fn run(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        tokio::select! {
            permit = self.go.acquire() => permit.unwrap().forget(),
            () = context.stop.cancelled() => return Err(Failure::Stopped),
        }
        self.times.lock().unwrap().push(input["time"].as_str().unwrap().parse().unwrap());
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, context.title.clone()) })
    }
}

impl Scheduled {
    /// Schedules of ada with these fields besides.
    fn with<const COUNT: usize>(schedules: [Value; COUNT]) -> Self {
        let schedule = |fields: Value| {
            let mut json = json!({
                "name": "a.b", "title": "By itself", "owner": "ada", "input": { "time": "{{ time }}" }, "time_zone": "UTC",
            });
            json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            serde_json::from_value(json).unwrap()
        };
        let go = Arc::new(Semaphore::new(1_000_000));
        Self { schedules: schedules.map(schedule).to_vec(), times: Arc::default(), go }
    }

    fn every_second() -> Self {
        Self::with([json!({ "every": 1, "catch_up": "all", "overlap": "parallel" })])
    }

    fn times(&self) -> Vec<Timestamp> {
        self.times.lock().unwrap().clone()
    }

    /// Waits for so many more.
    async fn more(&self, count: usize) {
        let before = self.times().len();
        until("more tasks have started by themselves", async || (self.times().len() >= before + count).then_some(()))
            .await;
    }

    /// Asserts that each second from the first to the last was told, and none twice.
    fn assert_each_second_once(&self) {
        let times = self.times();
        let distinct: BTreeSet<_> = times.iter().copied().collect();
        assert_eq!(distinct.len(), times.len(), "one started twice: {times:?}");
        let (first, last) = (*distinct.first().unwrap(), *distinct.last().unwrap());
        let seconds = last.duration_since(first).as_secs() + 1;
        assert_eq!(distinct.len() as i64, seconds, "one was missed: {times:?}");
    }
}

/// A worker that is in the catalogue.
async fn worker(cluster: &Cluster, function: &Scheduled) -> Worker {
    let worker = cluster.worker("prod", function.clone()).await;
    let catalogue = cluster.storage.catalogue(&"prod".parse().unwrap());
    let wanted = serde_json::to_value(&function.schedules).unwrap();
    until("the worker is in the catalogue", async || {
        let entries = catalogue.all().await.unwrap();
        let described = entries.iter().map(|entry| serde_json::from_slice::<Value>(&entry.bytes).unwrap());
        let is_there = |entry: Value| entry.get("schedules").unwrap_or(&json!([])) == &wanted;
        described.into_iter().any(is_there).then_some(())
    })
    .await;
    worker
}

async fn pod(cluster: &Cluster) -> Pod {
    cluster.pod_with(GatewayConfig { schedules_for: vec!["*".parse().unwrap()], ..GatewayConfig::default() }).await
}

async fn list(pod: &Pod, token: &str) -> Vec<Value> {
    let (status, answer) = answer(pod.request("GET", "/api/schedules", token)).await;
    assert_eq!(status, 200, "{answer}");
    answer["schedules"].as_array().unwrap().clone()
}

async fn post(pod: &Pod, token: &str, word: &str) -> (u16, Value) {
    answer(pod.request("POST", &format!("/api/schedules/told/a.b/{word}"), token)).await
}

async fn each_time_starts_one_task_however_many_gateways_there_are(cluster: Cluster) {
    let function = Scheduled::every_second();
    let _worker = worker(&cluster, &function).await;
    let pods =
        [pod(&cluster).await, pod(&cluster).await, pod(&cluster).await, pod(&cluster).await, pod(&cluster).await];
    let mut browser = pods[4].browser(&cluster, "ada", "prod").await;
    function.more(3).await;
    function.assert_each_second_once();
    let toast = loop {
        if let Some(title) = browser.next().await.data["data"]["toast"]["title"].as_str() {
            break title.to_owned();
        }
    };
    assert_eq!(toast, "By itself");
}

async fn a_gateway_that_is_killed_has_a_successor_that_starts_nothing_twice_and_misses_nothing(cluster: Cluster) {
    let function = Scheduled::every_second();
    let _worker = worker(&cluster, &function).await;
    let (mut one, mut two) = (pod(&cluster).await, pod(&cluster).await);
    function.more(1).await;
    for _ in 0..2 {
        one.kill().await;
        one = two;
        function.more(1).await;
        two = pod(&cluster).await;
    }
    // Nobody is left for a while.
    one.kill().await;
    two.stop().await;
    let _last = pod(&cluster).await;
    function.more(2).await;
    function.assert_each_second_once();
}

async fn what_was_started_and_not_written_down_is_the_same_task(cluster: Cluster) {
    let function = Scheduled::every_second();
    let _worker = worker(&cluster, &function).await;
    let first = pod(&cluster).await;
    let state = || cluster.stored_files().into_iter().find(|file| file.ends_with("state.all.json"));
    let state = until("it is written down", async || state()).await;
    function.more(1).await;
    let before = fs::read(&state).unwrap();
    function.more(2).await;
    first.kill().await;
    // As if it had been killed before it wrote.
    fs::write(&state, before).unwrap();
    let second = pod(&cluster).await;
    function.more(2).await;
    function.assert_each_second_once();
    let (_, tasks) = answer(second.request("GET", "/api/tasks", &cluster.token("ada", "prod"))).await;
    let ids: BTreeSet<_> = tasks["tasks"].as_array().unwrap().iter().map(|task| task["id"].to_string()).collect();
    assert!(ids.len() >= function.times().len(), "each is a task of its own");
}

async fn a_pause_outlives_every_process_and_is_not_made_up_for(cluster: Cluster) {
    let function = Scheduled::every_second();
    let _worker = worker(&cluster, &function).await;
    let token = cluster.token("ada", "prod");
    let (one, two) = (pod(&cluster).await, pod(&cluster).await);
    function.more(1).await;
    let (status, paused) = post(&two, &token, "pause").await;
    assert_eq!((status, paused["paused"]["by"].as_str(), &paused["next"]), (200, Some("ada"), &Value::Null));
    one.stop().await;
    two.kill().await;
    let paused_at = Timestamp::now();
    let three = pod(&cluster).await;
    assert_eq!(list(&three, &token).await[0]["paused"]["by"], "ada");
    until("it was paused for more than a second", async || {
        (Timestamp::now() > paused_at + SignedDuration::from_secs(3)).then_some(())
    })
    .await;
    let (_, resumed) = post(&three, &token, "resume").await;
    assert!(resumed["paused"].is_null() && resumed["next"].is_string(), "{resumed}");
    let resumed_at = Timestamp::now();
    function.more(2).await;
    let (from, to) = (paused_at + SignedDuration::from_secs(1), resumed_at);
    let meanwhile: Vec<_> = function.times().into_iter().filter(|time| *time > from && *time < to).collect();
    assert_eq!(meanwhile, []);
}

async fn people_see_and_change_their_own_schedules_and_operators_all(cluster: Cluster) {
    let mine = json!({ "cron": "0 6 1 1 *", "time_zone": "Europe/Berlin" });
    let bobs = json!({ "name": "b.c", "every": 86400, "owner": "bob" });
    let _worker = worker(&cluster, &Scheduled::with([mine, bobs])).await;
    let pod = pod(&cluster).await;
    let (ada, eve) = (cluster.token("ada", "prod"), cluster.token("eve", "prod"));
    let operator =
        cluster.token_with("prod", |claims| (claims.sub, claims.scope) = ("root".to_owned(), "operate".to_owned()));
    let names = async |token: &str| {
        let list = list(&pod, token).await;
        list.iter().map(|schedule| schedule["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&ada).await, ["a.b"]);
    assert_eq!(names(&operator).await, ["a.b", "b.c"]);
    assert!(names(&eve).await.is_empty() && names(&cluster.token("ada", "test")).await.is_empty());
    let shown = list(&pod, &ada).await.remove(0);
    let expected =
        json!({ "cron": "0 6 1 1 *", "zone": "Europe/Berlin", "owner": "ada", "overlap": "skip", "catch_up": "last" });
    assert_eq!(
        json!({ "cron": shown["cron"], "zone": shown["time_zone"], "owner": shown["owner"], "overlap": shown["overlap"], "catch_up": shown["catch_up"] }),
        expected
    );
    assert!(shown["next"].as_str().unwrap().ends_with("-01-01T05:00:00Z"), "{shown}");
    for word in ["pause", "resume", "run"] {
        assert_eq!(post(&pod, &eve, word).await.0, 404);
        let listener = cluster.token_with("prod", |claims| claims.scope = String::new());
        assert_eq!(post(&pod, &listener, word).await.0, 403);
    }
    assert_eq!(post(&pod, &operator, "pause").await.1["paused"]["by"], "root");
    assert_eq!(post(&pod, &ada, "pause").await.1["paused"]["by"], "root", "it pauses already");
    assert_eq!(post(&pod, &ada, "resume").await.0, 200);
    let (_, functions) = answer(pod.request("GET", "/api/functions", &eve)).await;
    assert!(!functions.to_string().contains("bob"), "{functions}");
}

async fn a_run_that_is_asked_for_is_its_owners_task(cluster: Cluster) {
    let function = Scheduled::with([json!({ "cron": "0 6 1 1 *" })]);
    let _worker = worker(&cluster, &function).await;
    let pod = pod(&cluster).await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let operator =
        cluster.token_with("prod", |claims| (claims.sub, claims.scope) = ("root".to_owned(), "operate".to_owned()));
    let (status, run) = until("its worker has a queue", async || {
        let answer = post(&pod, &operator, "run").await;
        (answer.1["type"] != "urn:bellwire:problem:unknown-kind").then_some(answer)
    })
    .await;
    assert_eq!(status, 202, "{run}");
    let task = run["task"].as_str().unwrap();
    loop {
        let event = browser.next().await.data;
        assert_eq!(event["data"]["task"]["id"], task);
        if event["type"] == "bellwire.task.succeeded" {
            break;
        }
    }
    assert_eq!(
        answer(pod.request("GET", &format!("/api/tasks/{task}"), &operator)).await.0,
        404,
        "it is not the operator's"
    );
    assert_eq!(function.times().len(), 1);
}

async fn nothing_starts_for_somebody_whom_the_gateways_settings_do_not_name(cluster: Cluster) {
    let function = Scheduled::with([
        json!({ "every": 1 }),
        json!({ "name": "b.c", "every": 1, "owner": "bob", "groups": ["board"] }),
    ]);
    let _worker = worker(&cluster, &function).await;
    let allowed = ["user:bob", "group:sales"].map(|entry| entry.parse().unwrap()).to_vec();
    let pod = cluster.pod_with(GatewayConfig { schedules_for: allowed, ..GatewayConfig::default() }).await;
    let of = async |user| list(&pod, &cluster.token(user, "prod")).await.remove(0);
    let (adas, bobs) = (of("ada").await, of("bob").await);
    assert!(adas["problem"].as_str().unwrap().starts_with("user:ada is not in gateway.schedules_for"), "{adas}");
    assert!(bobs["problem"].as_str().unwrap().starts_with("group:board is not in gateway.schedules_for"), "{bobs}");
    assert!(adas["next"].is_null() && bobs["next"].is_null());
    assert_eq!(post(&pod, &cluster.token("ada", "prod"), "run").await.0, 409);
    assert!(function.times().is_empty());
}

async fn a_time_at_which_the_task_before_runs_is_left_out(cluster: Cluster) {
    let function = Scheduled { go: Arc::new(Semaphore::new(0)), ..Scheduled::with([json!({ "every": 1 })]) };
    let _worker = worker(&cluster, &function).await;
    let pod = pod(&cluster).await;
    let token = cluster.token("ada", "prod");
    let left_out = until("a time is left out", async || {
        let left_out = list(&pod, &token).await[0]["left_out"].clone();
        left_out.is_object().then_some(left_out)
    })
    .await;
    assert_eq!(left_out["reason"], "the task before had not ended");
    let (_, tasks) = answer(pod.request("GET", "/api/tasks", &token)).await;
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1, "{tasks}");
    function.go.add_permits(1000);
    function.more(2).await;
}

async fn a_schedule_that_its_worker_has_no_more_starts_nothing(cluster: Cluster) {
    let function = Scheduled::every_second();
    let first = worker(&cluster, &function).await;
    let pod = pod(&cluster).await;
    function.more(1).await;
    let second = worker(&cluster, &Scheduled { schedules: Vec::new(), ..function.clone() }).await;
    first.stop().await;
    let token = cluster.token("ada", "prod");
    until("it is gone", async || list(&pod, &token).await.is_empty().then_some(())).await;
    // Another, which is new now, starts while the one that is gone does not.
    let other = Scheduled::with([json!({ "name": "c.d", "every": 1, "title": "Another" })]);
    let _third = worker(&cluster, &other).await;
    second.stop().await;
    let before = function.times();
    other.more(2).await;
    assert_eq!(function.times(), before);
}
