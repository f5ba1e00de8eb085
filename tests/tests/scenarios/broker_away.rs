//! The broker goes away and comes back: nothing is lost, and meanwhile everybody is told the truth.

use std::time::Duration;

use async_trait::async_trait;
use gateway::GatewayConfig;
use lapin::{Connection, ConnectionProperties, options::QueueDeleteOptions};
use model::{Kind, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, EventStream, TIMEOUT, TestBackplane,
    cluster::{answer, event},
    until,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_without_a_broker_at_the_start_says_so_and_serves_once_it_is_there() {
    let (test_backplane, proxy) = TestBackplane::rabbitmq().await.behind_a_proxy(false).await;
    let cluster = Cluster::new(test_backplane).await;
    let pod = cluster.unready_pod(GatewayConfig::default()).await;
    let token = cluster.token("ada", "prod");
    let listening = EventStream::ask(&pod.url, &token, None).await;
    assert_eq!(listening.status(), 503);
    assert!(listening.headers().contains_key("retry-after"));
    let publishing = pod.request("POST", "/api/events", &token).body(event("x", "environment").to_string());
    let publishing = publishing.header("content-type", "application/json").send().await.unwrap();
    assert_eq!((publishing.status().as_u16(), publishing.headers().contains_key("retry-after")), (503, true));
    assert!(!pod.readiness.is_ready());

    proxy.restore();
    timeout(TIMEOUT, pod.readiness.ready()).await.expect("it gets ready by itself");
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    pod.publish(&token, &event("now", "user:ada")).await;
    assert_eq!(browser.next_ids(1).await, ["now"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_broker_is_away_a_pod_serves_what_it_knows_and_misses_nothing_after() {
    let test_backplane = TestBackplane::rabbitmq().await;
    let (cut_off, proxy) = test_backplane.behind_a_proxy(true).await;
    let (near, far) = (Cluster::new(test_backplane).await, Cluster::new(cut_off).await);
    let (one, two) = (near.pod().await, far.pod_with(often()).await);
    let token = near.token("ada", "prod");
    let mut browser = two.browser(&far, "ada", "prod").await;
    let start = browser.cursor.clone();
    one.publish(&token, &event("before", "user:ada")).await;
    assert_eq!(browser.next_ids(1).await, ["before"]);

    proxy.cut();
    until("the pod says that it is degraded", async || two.readiness.describe().contains("degraded").then_some(()))
        .await;
    assert!(two.readiness.is_ready(), "all pods would fail together: {}", two.readiness.describe());
    let (status, problem) = two.try_publish("/api/events", &token, &event("refused", "user:ada")).await;
    assert_eq!((status, problem["type"].as_str()), (503, Some("urn:bellwire:problem:unavailable")), "{problem}");
    let mut back = EventStream::connect(&two.url, &token, Some(&start)).await;
    assert_eq!(back.next_ids(1).await, ["before"]);
    one.publish(&token, &event("meanwhile", "user:ada")).await;

    proxy.restore();
    assert_eq!(browser.next_ids(1).await, ["meanwhile"]);
    assert_eq!(back.next_ids(1).await, ["meanwhile"]);
    // It reads again before it can publish again, or after.
    until("it publishes again", async || {
        let (status, _) = two.try_publish("/api/events", &token, &event("after", "user:ada")).await;
        (status == 202).then_some(())
    })
    .await;
    assert_eq!(browser.next_ids(1).await, ["after"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_whose_stream_is_gone_is_refused_by_name_and_another_is_served() {
    let test_backplane = TestBackplane::rabbitmq().await;
    delete_stream(&test_backplane, "test").await;
    let cluster = Cluster::new(test_backplane.clone()).await;
    let pod = cluster.unready_pod(GatewayConfig::default()).await;
    until("prod and qa are served", async || {
        let ready = ["prod", "qa"].map(|name| pod.readiness.is_ready_for(name));
        (ready == [Some(true); 2]).then_some(())
    })
    .await;
    assert!(pod.readiness.is_ready(), "{}", pod.readiness.describe());
    assert_eq!(pod.readiness.is_ready_for("test"), Some(false), "{}", pod.readiness.describe());
    let (ada, tests) = (cluster.token("ada", "prod"), cluster.token("ada", "test"));
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    pod.publish(&ada, &event("served", "user:ada")).await;
    assert_eq!(browser.next_ids(1).await, ["served"]);
    let requests = [("GET", "/events"), ("GET", "/api/tasks"), ("POST", "/api/tasks"), ("POST", "/api/events")];
    for (method, path) in requests.into_iter().chain([("POST", "/hub/negotiate?negotiateVersion=1")]) {
        let response = pod.request(method, path, &tests).body("{}").send().await.unwrap();
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        assert!(status == 503 && text.contains("the environment test"), "{method} {path}: {status} {text}");
    }
    // Made again, it is served like any other.
    test_backplane.declare(&"test".parse().unwrap(), &[]).await;
    timeout(TIMEOUT, pod.readiness.ready()).await.expect("all are served");
    pod.publish(&tests, &event("again", "user:ada")).await;
}

async fn delete_stream(test_backplane: &TestBackplane, environment: &str) {
    let TestBackplane::RabbitMq { operator, prefix } = test_backplane else { panic!("it is about RabbitMQ") };
    let connection = Connection::connect(operator.as_str(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let stream = format!("{prefix}.{environment}.events");
    channel.queue_delete(stream.into(), QueueDeleteOptions::default()).await.unwrap();
}

fn often() -> GatewayConfig {
    GatewayConfig { heartbeat: Duration::from_millis(200), ..GatewayConfig::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_again_and_again_lose_nothing_and_double_nothing() {
    let test_backplane = TestBackplane::rabbitmq().await;
    let (cut_off, proxy) = test_backplane.behind_a_proxy(true).await;
    let (near, far) = (Cluster::new(test_backplane).await, Cluster::new(cut_off).await);
    let (one, two) = (near.pod().await, far.pod().await);
    let mut browser = two.browser(&far, "ada", "prod").await;
    let token = near.token("app", "prod");
    let mut expected = Vec::new();
    for round in 0..5 {
        for n in 0..20 {
            let id = format!("{round}.{n}");
            one.publish(&token, &event(&id, "user:ada")).await;
            expected.push(id);
            if n == 10 {
                proxy.cut();
                proxy.restore();
            }
        }
    }
    assert_eq!(browser.next_ids(100).await, expected);
}

/// Says when it has begun, and is done when told.
struct Told {
    begun: mpsc::Sender<()>,
    go: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

#[async_trait]
impl Function for Told {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    async fn run(&self, _: &Context, _: Value) -> Result<Completion<Value>, Failure> {
        self.begun.send(()).await.unwrap();
        self.go.lock().await.recv().await;
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "done") })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_finished_while_the_broker_is_away_is_announced_when_it_is_back() {
    let test_backplane = TestBackplane::rabbitmq().await;
    let (cut_off, proxy) = test_backplane.behind_a_proxy(true).await;
    let (near, far) = (Cluster::new(test_backplane).await, Cluster::new(cut_off).await);
    let pod = near.pod().await;
    let (begun, mut has_begun) = mpsc::channel(8);
    let (go, told) = mpsc::channel(8);
    let _worker = far.worker("prod", Told { begun, go: tokio::sync::Mutex::new(told) }).await;
    let token = near.token("ada", "prod");
    let mut browser = pod.browser(&near, "ada", "prod").await;
    let id = until("the task is taken", async || {
        let (status, task) = answer(pod.request("POST", "/api/tasks", &token).body(r#"{"kind":"told"}"#)).await;
        (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
    })
    .await;
    timeout(TIMEOUT, has_begun.recv()).await.unwrap();
    proxy.cut();
    // Twice: should the delivery come again, its second run is let go as well.
    go.send(()).await.unwrap();
    go.send(()).await.unwrap();
    proxy.restore();
    let toasts = async {
        loop {
            let data = browser.next().await.data;
            assert_eq!(data["subject"], format!("task/{id}"));
            if data["data"]["toast"].is_object() {
                return data["type"].clone();
            }
        }
    };
    assert_eq!(timeout(TIMEOUT, toasts).await.expect("it is announced"), "bellwire.task.succeeded");
    let (_, task) = answer(pod.request("GET", &format!("/api/tasks/{id}"), &token)).await;
    assert_eq!(task["state"], "succeeded");
}
