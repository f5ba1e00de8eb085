//! Tasks that are begun later.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use model::{Kind, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{Cluster, Pod, cluster::answer, over_both_backplanes, until};
use serde_json::{Value, json};

over_both_backplanes! {
    a_delayed_task_is_begun_once_its_time_has_come_and_not_before,
    a_delayed_task_that_was_cancelled_is_never_begun,
    a_delay_that_is_none_is_refused,
}

/// Notes when it was begun.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<Timestamp>>>);

#[async_trait]
impl Function for Noting {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    async fn run(&self, _: &Context, _: Value) -> Result<Completion<Value>, Failure> {
        self.0.lock().unwrap().push(Timestamp::now());
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "done") })
    }
}

async fn start(pod: &Pod, token: &str, body: Value) -> Value {
    until("the task is taken", async || {
        let (status, task) = answer(pod.request("POST", "/api/tasks", token).body(body.to_string())).await;
        (status == 202).then_some(task)
    })
    .await
}

async fn in_state(pod: &Pod, token: &str, task: &Value, state: &str) -> Value {
    let path = format!("/api/tasks/{}", task["id"].as_str().unwrap());
    until(&format!("the task is {state}"), async || {
        let (_, task) = answer(pod.request("GET", &path, token)).await;
        (task["state"] == state).then_some(task)
    })
    .await
}

async fn a_delayed_task_is_begun_once_its_time_has_come_and_not_before(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let noting = Noting::default();
    let _worker = cluster.worker("prod", noting.clone()).await;
    let token = cluster.token("ada", "prod");
    let time = Timestamp::now() + jiff::SignedDuration::from_secs(3);
    let task = start(&one, &token, json!({ "kind": "told", "not_before": time })).await;
    assert_eq!((&task["state"], &task["not_before"]), (&json!("queued"), &json!(time)));
    let delayed = start(&one, &token, json!({ "kind": "told", "delay": "2s" })).await;
    assert_eq!(in_state(&two, &token, &task, "queued").await["not_before"], json!(time));
    in_state(&two, &token, &delayed, "succeeded").await;
    in_state(&two, &token, &task, "succeeded").await;
    let mut begun = noting.0.lock().unwrap().clone();
    begun.sort_unstable();
    assert!(begun.len() == 2 && begun[1] >= time, "{begun:?}, not before {time}");
    let created: Timestamp = delayed["created"].as_str().unwrap().parse().unwrap();
    assert!(begun[0] >= created + jiff::SignedDuration::from_millis(1900), "{begun:?}, two seconds after {created}");
}

async fn a_delayed_task_that_was_cancelled_is_never_begun(cluster: Cluster) {
    let pod = cluster.pod().await;
    let noting = Noting::default();
    let _worker = cluster.worker("prod", noting.clone()).await;
    let token = cluster.token("ada", "prod");
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let task = start(&pod, &token, json!({ "kind": "told", "delay": "2s" })).await;
    let path = format!("/api/tasks/{}", task["id"].as_str().unwrap());
    assert_eq!(answer(pod.request("DELETE", &path, &token)).await.0, 202);
    // Its worker says that it saw it, once it has it.
    loop {
        let event = browser.next().await.data;
        if event["source"] == "/functions/told" {
            assert_eq!(event["type"], "bellwire.task.cancelled");
            break;
        }
    }
    assert!(noting.0.lock().unwrap().is_empty());
}

async fn a_delay_that_is_none_is_refused(cluster: Cluster) {
    let pod = cluster.pod().await;
    let noting = Noting::default();
    let _worker = cluster.worker("prod", noting.clone()).await;
    let token = cluster.token("ada", "prod");
    for (bad, words) in [
        (json!({ "delay": "soon" }), "delay: \"soon\" is no duration"),
        (json!({ "delay": "2s", "not_before": "2026-11-29T00:00:00Z" }), "beside not_before"),
        (json!({ "not_before": "tomorrow" }), "not_before"),
        (json!({ "not_before": "9999-01-01T00:00:00Z" }), "366 days at most"),
        (json!({ "delay": "500days" }), "366 days at most"),
        (json!({ "delay": 5 }), "delay"),
    ] {
        let mut body = json!({ "kind": "told" });
        body.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        let (status, problem) = answer(pod.request("POST", "/api/tasks", &token).body(body.to_string())).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains(words), "{body}: {problem}");
    }
    // What lies in the past is begun at once.
    let past = start(&pod, &token, json!({ "kind": "told", "not_before": "2020-01-01T00:00:00Z" })).await;
    in_state(&pod, &token, &past, "succeeded").await;
    assert!(past.get("not_before").is_none());
}
