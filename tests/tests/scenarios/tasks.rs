//! A task from its start to its end, as its owner sees it on any pod.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Kind, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, EventStream, Pod,
    cluster::{answer, event},
    over_both_backplanes, until,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

over_both_backplanes! {
    a_task_is_seen_from_queued_to_its_toast_on_every_pod,
    the_same_key_starts_a_task_once_whichever_pod_is_asked,
    a_cancelled_task_ends_without_its_effect,
    a_task_cancelled_while_it_waits_never_begins,
    somebody_elses_task_cannot_be_seen_or_cancelled,
    a_function_that_panics_or_fails_tells_its_owner,
    a_killed_workers_task_is_done_by_the_next,
    a_persons_first_task_passes_the_many_of_another,
    two_pods_and_a_new_one_show_the_same_list,
    what_a_list_does_not_say_yet_follows_its_cursor_on_any_pod,
    a_started_task_is_there_on_any_pod_at_once,
}

/// Waits to be let go, then is done; `how` makes it fail.
#[derive(Clone)]
pub(crate) struct Patient {
    go: Arc<Semaphore>,
    effects: Arc<Semaphore>,
    /// Held by every worker and every run of it.
    alive: Arc<()>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    how: String,
}

impl Patient {
    pub(crate) fn new() -> Self {
        Self { go: Arc::new(Semaphore::new(0)), effects: Arc::new(Semaphore::new(0)), alive: Arc::new(()) }
    }
}

#[async_trait]
impl Function for Patient {
    type Input = Input;
    type Output = Value;

    fn kind(&self) -> Kind {
        "patient".parse().unwrap()
    }

    async fn run(&self, context: &Context, input: Input) -> Result<Completion<Value>, Failure> {
        let _alive = self.alive.clone();
        context.progress(0.5);
        tokio::select! {
            permit = self.go.acquire() => permit.unwrap().forget(),
            () = context.stop.cancelled() => return Err(Failure::Stopped),
        }
        match input.how.as_str() {
            "panics" => panic!("on purpose"),
            "fails" => Err(Failure::input("the input is sour")),
            _ => {
                self.effects.add_permits(1);
                let toast = Toast::new(Level::Success, format!("{} is ready", context.title));
                Ok(Completion { output: json!({ "attempt": context.attempt }), toast })
            }
        }
    }
}

async fn start(pod: &Pod, token: &str, how: &str) -> String {
    let body = json!({ "kind": "patient", "title": "Wait", "input": { "how": how } });
    // The worker makes its queue when it begins; until then there is no such kind.
    until("the task is taken", async || {
        let (status, task) = answer(pod.request("POST", "/api/tasks", token).body(body.to_string())).await;
        (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
    })
    .await
}

async fn in_state(pod: &Pod, token: &str, id: &str, state: &str) -> Value {
    until(&format!("the task is {state}"), async || {
        let (status, task) = answer(pod.request("GET", &format!("/api/tasks/{id}"), token)).await;
        (status == 200 && task["state"] == state).then_some(task)
    })
    .await
}

async fn a_task_is_seen_from_queued_to_its_toast_on_every_pod(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let patient = Patient::new();
    let worker = cluster.worker("prod", patient.clone()).await;
    let mut browsers = [one.browser(&cluster, "ada", "prod").await, two.browser(&cluster, "ada", "prod").await];
    let mut bob = two.browser(&cluster, "bob", "prod").await;
    let token = cluster.token("ada", "prod");
    let id = start(&one, &token, "well").await;
    let running = in_state(&two, &token, &id, "running").await;
    assert_eq!((running["title"].as_str(), running["attempt"].as_u64()), (Some("Wait"), Some(1)));
    patient.go.add_permits(1);
    for browser in &mut browsers {
        let mut states = Vec::new();
        let toast = loop {
            let data = browser.next().await.data;
            assert_eq!(data["subject"], format!("task/{id}"));
            states.push(data["data"]["task"]["state"].as_str().unwrap().to_owned());
            if data["data"]["toast"].is_object() {
                break data["data"]["toast"].clone();
            }
        };
        assert_eq!(toast["title"], "Wait is ready");
        assert!(states.contains(&"queued".into()) && states.last() == Some(&"succeeded".into()), "{states:?}");
    }
    let task = in_state(&two, &token, &id, "succeeded").await;
    assert_eq!((&task["progress"], &task["result"]["attempt"]), (&json!(1.0), &json!(1)));
    one.publish(&token, &event("only this", "user:bob")).await;
    assert_eq!(bob.next_ids(1).await, ["only this"]);
    worker.stop().await;
}

async fn the_same_key_starts_a_task_once_whichever_pod_is_asked(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let patient = Patient::new();
    let _worker = cluster.worker("prod", patient.clone()).await;
    let token = cluster.token("ada", "prod");
    let first = start(&one, &token, "well").await;
    patient.go.add_permits(10);
    in_state(&one, &token, &first, "succeeded").await;
    let mut ids = Vec::new();
    for pod in [&one, &two, &one] {
        let body = json!({ "kind": "patient", "input": { "how": "well" } }).to_string();
        let request = pod.request("POST", "/api/tasks", &token).header("idempotency-key", "k1").body(body);
        let (status, task) = answer(request).await;
        assert_eq!(status, 202);
        ids.push(task["id"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    in_state(&two, &token, &ids[0], "succeeded").await;
    let (_, list) = answer(two.request("GET", "/api/tasks", &token)).await;
    assert_eq!(list["tasks"].as_array().unwrap().len(), 2, "{list}");
}

async fn a_cancelled_task_ends_without_its_effect(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let patient = Patient::new();
    let _worker = cluster.worker("prod", patient.clone()).await;
    let token = cluster.token("ada", "prod");
    let id = start(&one, &token, "well").await;
    in_state(&two, &token, &id, "running").await;
    let (status, task) = answer(two.request("DELETE", &format!("/api/tasks/{id}"), &token)).await;
    assert_eq!((status, task["state"].as_str()), (202, Some("cancelled")));
    in_state(&one, &token, &id, "cancelled").await;
    // Whoever is done next proves that the cancelled one let its place go.
    let next = start(&one, &token, "well").await;
    patient.go.add_permits(1);
    in_state(&one, &token, &next, "succeeded").await;
    assert_eq!(patient.effects.available_permits(), 1);
    let (status, problem) = answer(one.request("DELETE", &format!("/api/tasks/{next}"), &token)).await;
    assert_eq!((status, problem["type"].as_str()), (409, Some("urn:bellwire:problem:task-ended")));
}

async fn a_task_cancelled_while_it_waits_never_begins(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let patient = Patient::new();
    let first = cluster.worker("prod", patient.clone()).await;
    let done = start(&pod, &token, "well").await;
    patient.go.add_permits(1);
    in_state(&pod, &token, &done, "succeeded").await;
    first.stop().await;
    // The queue is there, and nobody takes from it.
    let id = start(&pod, &token, "well").await;
    in_state(&pod, &token, &id, "queued").await;
    assert_eq!(answer(pod.request("DELETE", &format!("/api/tasks/{id}"), &token)).await.0, 202);
    in_state(&pod, &token, &id, "cancelled").await;
    let later = start(&pod, &token, "well").await;
    patient.go.add_permits(5);
    let _second = cluster.worker("prod", patient.clone()).await;
    in_state(&pod, &token, &later, "succeeded").await;
    in_state(&pod, &token, &id, "cancelled").await;
    assert_eq!(patient.effects.available_permits(), 2);
}

async fn somebody_elses_task_cannot_be_seen_or_cancelled(cluster: Cluster) {
    let pod = cluster.pod().await;
    let patient = Patient::new();
    let _worker = cluster.worker("prod", patient.clone()).await;
    let id = start(&pod, &cluster.token("ada", "prod"), "well").await;
    in_state(&pod, &cluster.token("ada", "prod"), &id, "running").await;
    for (user, environment) in [("bob", "prod"), ("ada", "test")] {
        let token = cluster.token(user, environment);
        for method in ["GET", "DELETE"] {
            assert_eq!(answer(pod.request(method, &format!("/api/tasks/{id}"), &token)).await.0, 404);
        }
        let (_, list) = answer(pod.request("GET", "/api/tasks", &token)).await;
        assert_eq!(list["tasks"], json!([]));
    }
}

async fn a_function_that_panics_or_fails_tells_its_owner(cluster: Cluster) {
    let pod = cluster.pod().await;
    let patient = Patient::new();
    patient.go.add_permits(100);
    let _worker = cluster.worker("prod", patient.clone()).await;
    let token = cluster.token("ada", "prod");
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let id = start(&pod, &token, "fails").await;
    let failed = in_state(&pod, &token, &id, "failed").await;
    assert_eq!(failed["error"]["message"], "the input is sour");
    let toast = loop {
        let data = browser.next().await.data["data"].clone();
        if data["toast"].is_object() {
            break data["toast"].clone();
        }
    };
    assert_eq!(toast["level"], "error");
    let misspelt = json!({ "kind": "patient", "input": { "how": "well", "hwo": 1 } }).to_string();
    let (_, task) = answer(pod.request("POST", "/api/tasks", &token).body(misspelt)).await;
    let failed = in_state(&pod, &token, task["id"].as_str().unwrap(), "failed").await;
    assert!(failed["error"]["message"].as_str().unwrap().contains("hwo"), "{failed}");
    // A panic is a failed attempt and not a dead worker.
    start(&pod, &token, "panics").await;
    let id = start(&pod, &token, "well").await;
    in_state(&pod, &token, &id, "succeeded").await;
}

async fn a_killed_workers_task_is_done_by_the_next(cluster: Cluster) {
    let pod = cluster.pod().await;
    let patient = Patient::new();
    let first = cluster.worker("prod", patient.clone()).await;
    let token = cluster.token("ada", "prod");
    let id = start(&pod, &token, "well").await;
    in_state(&pod, &token, &id, "running").await;
    first.kill().await;
    // A run that is not quite dead could still be let go in place of the next.
    until("nothing of it is left", async || (Arc::strong_count(&patient.alive) == 1).then_some(())).await;
    patient.go.add_permits(1);
    let _second = cluster.worker("prod", patient.clone()).await;
    let task = in_state(&pod, &token, &id, "succeeded").await;
    // Handed out once more to the one that was dying, it may be the third.
    assert!(task["attempt"].as_u64() >= Some(2), "{task}");
    assert_eq!(patient.effects.available_permits(), 1);
}

async fn a_persons_first_task_passes_the_many_of_another(cluster: Cluster) {
    let pod = cluster.pod().await;
    let patient = Patient::new();
    let worker = cluster.worker("prod", patient.clone()).await;
    let (mallory, ada) = (cluster.token("mallory", "prod"), cluster.token("ada", "prod"));
    for _ in 0..20 {
        let id = start(&pod, &mallory, "well").await;
        // The pod counts what it has read from the log.
        until("the task is listed", async || {
            let (status, _) = answer(pod.request("GET", &format!("/api/tasks/{id}"), &mallory)).await;
            (status == 200).then_some(())
        })
        .await;
    }
    let running = async || {
        let (_, listed) = answer(pod.request("GET", "/api/tasks", &mallory)).await;
        let running = listed["tasks"].as_array()?.iter().filter(|task| task["state"] == "running");
        (running.count() == 2).then_some(())
    };
    until("the worker has its hands full", running).await;
    let first = start(&pod, &ada, "well").await;
    // As many as run at once end.
    patient.go.add_permits(2);
    in_state(&pod, &ada, &first, "running").await;
    patient.go.add_permits(20);
    in_state(&pod, &ada, &first, "succeeded").await;
    worker.stop().await;
}

async fn two_pods_and_a_new_one_show_the_same_list(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let patient = Patient::new();
    patient.go.add_permits(100);
    let _worker = cluster.worker("prod", patient.clone()).await;
    let token = cluster.token("ada", "prod");
    for n in 0..10 {
        let id = start(if n % 2 == 0 { &one } else { &two }, &token, if n % 3 == 0 { "fails" } else { "well" }).await;
        in_state(&one, &token, &id, if n % 3 == 0 { "failed" } else { "succeeded" }).await;
        in_state(&two, &token, &id, if n % 3 == 0 { "failed" } else { "succeeded" }).await;
    }
    let new = cluster.pod().await;
    let mut lists = Vec::new();
    for pod in [&one, &two, &new] {
        lists.push(answer(pod.request("GET", "/api/tasks", &token)).await.1["tasks"].take());
    }
    assert_eq!(lists[0].as_array().unwrap().len(), 10);
    assert!(lists[0] == lists[1] && lists[1] == lists[2]);
}

async fn what_a_list_does_not_say_yet_follows_its_cursor_on_any_pod(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let patient = Patient::new();
    let _worker = cluster.worker("prod", patient.clone()).await;
    let token = cluster.token("ada", "prod");
    let id = start(&one, &token, "well").await;
    in_state(&one, &token, &id, "running").await;
    let (_, list) = answer(one.request("GET", "/api/tasks", &token)).await;
    let cursor = list["cursor"].as_str().expect("the list says up to where it is complete");
    patient.go.add_permits(1);
    in_state(&two, &token, &id, "succeeded").await;
    let mut late = EventStream::connect(&two.url, &token, Some(cursor)).await;
    let mut frame = late.next().await;
    while frame.event != "bellwire.task.succeeded" {
        frame = late.next().await;
    }
    assert_eq!(frame.data["data"]["task"]["id"], json!(id));
}

async fn a_started_task_is_there_on_any_pod_at_once(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let _worker = cluster.worker("prod", Patient::new()).await;
    let token = cluster.token("ada", "prod");
    start(&one, &token, "well").await;
    let body = json!({ "kind": "patient", "title": "Wait", "input": { "how": "well" } }).to_string();
    for round in 0..40 {
        let started = one.request("POST", "/api/tasks", &token).body(body.clone()).send().await.unwrap();
        assert_eq!(started.status(), 202, "round {round}");
        let location = started.headers()["location"].to_str().unwrap().to_owned();
        // Not once more: whoever follows the answer does it once.
        assert_eq!(answer(two.request("GET", &location, &token)).await.0, 200, "round {round}");
        assert_eq!(answer(two.request("DELETE", &location, &token)).await.0, 202, "round {round}");
    }
}
