//! A broker that restarts in the middle. A binary of its own: the other scenarios need the broker all the time.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{process::Command, time::Duration};

use async_trait::async_trait;
use model::{Kind, Toast, toast::Level};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_restart_in_the_middle_loses_nothing() {
    let cluster = Cluster::new(TestBackplane::rabbitmq().await).await;
    let (one, two) = (cluster.pod().await, cluster.pod().await);
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

    let _worker = cluster.worker("prod", Quick).await;
    let path = format!("/api/tasks/{}", waiting["id"].as_str().unwrap());
    until("the job that waited is done", async || {
        let (_, seen) = answer(two.request("GET", &path, &token)).await;
        (seen["state"] == "succeeded").then_some(())
    })
    .await;
}
