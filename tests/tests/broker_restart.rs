//! A broker that restarts in the middle, and a cluster that loses a node. A binary of its own: the other scenarios need the broker all the time.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use gateway::GatewayConfig;
use jiff::Timestamp;
use model::{Kind, Schedule, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, Pod, TestBackplane,
    cluster::{answer, event},
    until,
};
use serde_json::{Value, json};

fn broker(word: &str) {
    let program = std::env::var("BELLWIRE_TEST_BROKER")
        .expect("run `make test`: its broker can be stopped; one that was given cannot");
    assert!(Command::new(program).arg(word).status().unwrap().success(), "the broker did not {word}");
}

/// As a program should publish: the same id until it is confirmed.
async fn publish_for_sure(pod: &Pod, token: &str, event: &Value) {
    until("it is confirmed", async || {
        let (status, answer) = pod.try_publish("/api/events", token, event).await;
        assert!(status == 202 || status == 503, "{answer}");
        (status == 202).then_some(())
    })
    .await;
}

struct Quick;

#[async_trait]
impl Function for Quick {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "quick".parse().unwrap()
    }

    async fn run(&self, _: &Context, _: Value) -> Result<Completion<Value>, Failure> {
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "done") })
    }
}

/// Starts by itself each second, and notes for which.
#[derive(Clone, Default)]
struct Ticking(Arc<Mutex<BTreeMap<Timestamp, usize>>>);

#[async_trait]
impl Function for Ticking {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    fn schedules(&self) -> Vec<Schedule> {
        let schedule = json!({
            "name": "each.second", "title": "Tick", "owner": "tom", "input": { "time": "{{ time }}" }, "every": 1,
            "time_zone": "UTC", "catch_up": "all", "overlap": "parallel",
        });
        vec![serde_json::from_value(schedule).unwrap()]
    }

    async fn run(&self, _: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        *self.0.lock().unwrap().entry(input["time"].as_str().unwrap().parse().unwrap()).or_default() += 1;
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "tick") })
    }
}

impl Ticking {
    /// Waits for one that is for a later time than this.
    async fn after(&self, time: Timestamp) {
        let is_later = async || self.0.lock().unwrap().keys().any(|each| *each > time).then_some(());
        until("one starts by itself", is_later).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_restart_in_the_middle_loses_nothing() {
    let cluster = Cluster::new(TestBackplane::rabbitmq().await).await;
    let ticking = Ticking::default();
    let _ticking = cluster.worker("prod", ticking.clone()).await;
    let config = GatewayConfig { schedules_for: vec!["user:tom".parse().unwrap()], ..GatewayConfig::default() };
    let (one, two) = (cluster.pod_with(config.clone()).await, cluster.pod_with(config).await);
    ticking.after(Timestamp::UNIX_EPOCH).await;
    let worker = cluster.worker("prod", Quick).await;
    let token = cluster.token("ada", "prod");
    let mut browser = two.browser(&cluster, "eve", "prod").await;
    let task = until("the task is taken", async || {
        let (status, task) = answer(one.request("POST", "/api/tasks", &token).body(r#"{"kind":"quick"}"#)).await;
        (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
    })
    .await;
    until("the first task is done", async || {
        let (_, seen) = answer(two.request("GET", &format!("/api/tasks/{task}"), &token)).await;
        (seen["state"] == "succeeded").then_some(())
    })
    .await;
    worker.stop().await;
    // It waits in its queue while the broker restarts.
    let (status, waiting) = answer(one.request("POST", "/api/tasks", &token).body(r#"{"kind":"quick"}"#)).await;
    assert_eq!(status, 202, "{waiting}");

    let restart = tokio::task::spawn_blocking(|| broker("restart"));
    let mut expected = Vec::new();
    let mut after = 0;
    // Nobody reads the browser meanwhile, and it is not to be ended as slow.
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    while after < 20 {
        let id = expected.len().to_string();
        publish_for_sure(&one, &token, &event(&id, "user:eve")).await;
        expected.push(id);
        after += usize::from(restart.is_finished());
        pace.tick().await;
    }
    restart.await.unwrap();
    assert_eq!(browser.next_ids(expected.len()).await, expected);

    ticking.after(Timestamp::now()).await;
    let ticks = ticking.0.lock().unwrap().clone();
    assert!(ticks.values().all(|count| *count == 1), "one started twice: {ticks:?}");
    let seconds = ticks.last_key_value().unwrap().0.duration_since(*ticks.first_key_value().unwrap().0).as_secs();
    assert_eq!(ticks.len() as i64, seconds + 1, "one was missed: {ticks:?}");

    let _worker = cluster.worker("prod", Quick).await;
    let path = format!("/api/tasks/{}", waiting["id"].as_str().unwrap());
    until("the job that waited is done", async || {
        let (_, seen) = answer(two.request("GET", &path, &token)).await;
        (seen["state"] == "succeeded").then_some(())
    })
    .await;
}

/// The nodes of a cluster.
struct Nodes(Vec<PathBuf>);

impl Nodes {
    fn given() -> Self {
        let folder = std::env::var("BELLWIRE_TEST_NODES").expect("run `make test-brokers`, which starts a cluster");
        Self(std::fs::read_dir(folder).unwrap().map(|node| node.unwrap().path()).collect())
    }

    /// What the first node that is there says about each queue.
    fn list_queues(&self, what: &str) -> Vec<(String, String)> {
        let mut answers = self.0.iter().map(|node| {
            Command::new(node)
                .args(["ctl", "--silent", "--no-table-headers", "list_queues", "name", what])
                .output()
                .unwrap()
        });
        let answer = answers.find(|answer| answer.status.success()).expect("a node answers");
        let lines = String::from_utf8(answer.stdout).unwrap();
        lines
            .lines()
            .map(|line| line.split_once('\t').unwrap())
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    /// The node that leads a queue.
    fn leader(&self, queue: &str) -> PathBuf {
        let leaders = self.list_queues("leader");
        let (_, leader) = leaders.into_iter().find(|(name, _)| name == queue).unwrap();
        self.0.iter().find(|node| node.ends_with(&leader)).unwrap().clone()
    }

    /// Waits until each queue of ours is on all nodes: else the next that is lost may be one of a majority.
    async fn all_replicated(&self, prefix: &str) {
        until("each queue is on all nodes", async || {
            let online = self.list_queues("online");
            let ours: Vec<_> =
                online.iter().filter(|(name, _)| name.starts_with(prefix) && !name.contains(".control.")).collect();
            (!ours.is_empty() && ours.iter().all(|(_, nodes)| nodes.split(',').count() == self.0.len())).then_some(())
        })
        .await;
    }
}

fn run(node: &std::path::Path, word: &str) {
    assert!(Command::new(node).arg(word).status().unwrap().success(), "{} did not {word}", node.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs a cluster: make test-brokers"]
async fn a_cluster_that_loses_the_leader_of_the_stream_again_and_again_loses_and_doubles_nothing() {
    let (test_backplane, nodes) = (TestBackplane::rabbitmq().await, Nodes::given());
    let TestBackplane::RabbitMq { prefix, .. } = &test_backplane else { unreachable!() };
    let (prefix, stream) = (prefix.clone(), format!("{prefix}.prod.events"));
    let cluster = Cluster::new(test_backplane).await;
    let quick = cluster.worker("prod", Quick).await;
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let token = cluster.token("ada", "prod");
    let mut browsers = [one.browser(&cluster, "eve", "prod").await, two.browser(&cluster, "eve", "prod").await];
    quick.stop().await;

    let (mut expected, mut waiting, mut unready) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        nodes.all_replicated(&prefix).await;
        let task = until("a task is taken", async || {
            let (status, task) = answer(one.request("POST", "/api/tasks", &token).body(r#"{"kind":"quick"}"#)).await;
            (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
        })
        .await;
        waiting.push(task);
        let lost = nodes.leader(&stream);
        let killing = tokio::task::spawn_blocking({
            let lost = lost.clone();
            move || run(&lost, "kill")
        });
        let (mut after, mut pace) = (0, tokio::time::interval(Duration::from_millis(5)));
        while after < 100 {
            let id = expected.len().to_string();
            let pod = [&one, &two][expected.len() % 2];
            publish_for_sure(pod, &token, &event(&id, "user:eve")).await;
            expected.push(id);
            after += usize::from(killing.is_finished());
            unready.extend(
                [&one, &two]
                    .map(|pod| (!pod.readiness.is_ready()).then(|| pod.readiness.describe()))
                    .into_iter()
                    .flatten(),
            );
            pace.tick().await;
        }
        killing.await.unwrap();
        assert_ne!(nodes.leader(&stream), lost);
        tokio::task::spawn_blocking(move || run(&lost, "start")).await.unwrap();
    }
    for browser in &mut browsers {
        // The same ids in the same order: none is missing, none comes twice.
        assert_eq!(browser.next_ids(expected.len()).await, expected);
    }
    assert_eq!(unready, Vec::<String>::new(), "what a pod was not ready for");

    let _quick = cluster.worker("prod", Quick).await;
    for task in waiting {
        until("a job that waited is done", async || {
            let (_, seen) = answer(two.request("GET", &format!("/api/tasks/{task}"), &token)).await;
            (seen["state"] == "succeeded").then_some(())
        })
        .await;
    }
}
