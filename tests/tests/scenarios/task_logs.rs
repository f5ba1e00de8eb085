//! What a function says while it runs: for its owner alone, at once, and for as long as the task's files are there.

use std::sync::Arc;

use async_trait::async_trait;
use gateway::GatewayConfig;
use model::{Kind, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{Cluster, Pod, TIMEOUT, cluster::answer, over_both_backplanes, until};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};

over_both_backplanes! {
    what_a_function_says_is_read_by_its_owner_while_it_runs_and_by_nobody_else,
    what_a_killed_worker_has_said_stays_and_the_next_goes_on,
    a_task_that_says_nothing_has_an_empty_log,
    a_log_is_followed_line_by_line_on_any_pod_until_its_task_has_ended,
    a_log_that_is_followed_counts_as_a_connection_and_ends_with_its_pod,
}

/// Says that it begins, waits, and says that it ends.
#[derive(Clone)]
struct Talking {
    go: Arc<Semaphore>,
}

#[async_trait]
impl Function for Talking {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    async fn run(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        if input != json!("quiet") {
            context.log(Level::Info, "it begins");
            tokio::select! {
                permit = self.go.acquire() => permit.unwrap().forget(),
                () = context.stop.cancelled() => return Err(Failure::Stopped),
            }
            context.log(Level::Warning, "it ends");
        }
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "done") })
    }
}

impl Talking {
    fn new() -> Self {
        Self { go: Arc::new(Semaphore::new(0)) }
    }
}

async fn start(pod: &Pod, token: &str, input: &str) -> String {
    let body = json!({ "kind": "told", "input": input });
    until("the task is taken", async || {
        let (status, task) = answer(pod.request("POST", "/api/tasks", token).body(body.to_string())).await;
        (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
    })
    .await
}

async fn ended(pod: &Pod, token: &str, id: &str) {
    until("the task has ended", async || {
        let (_, task) = answer(pod.request("GET", &format!("/api/tasks/{id}"), token)).await;
        (task["state"] == "succeeded").then_some(())
    })
    .await;
}

async fn log(pod: &Pod, token: &str, id: &str, query: &str) -> Value {
    let (status, log) = until("the pod knows the task", async || {
        let answered = answer(pod.request("GET", &format!("/api/tasks/{id}/log{query}"), token)).await;
        (answered.0 != 404).then_some(answered)
    })
    .await;
    assert_eq!(status, 200, "{log}");
    log
}

/// What it says, with the attempts that said it.
fn said(log: &Value) -> Vec<(u64, String)> {
    let line = |line: &Value| (line["attempt"].as_u64().unwrap(), line["message"].as_str().unwrap().to_owned());
    log["lines"].as_array().unwrap().iter().map(line).collect()
}

async fn what_a_function_says_is_read_by_its_owner_while_it_runs_and_by_nobody_else(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let talking = Talking::new();
    let _worker = cluster.worker("prod", talking.clone()).await;
    let ada = cluster.token("ada", "prod");
    let id = start(&one, &ada, "talk").await;
    let first = until("its first line", async || {
        let log = log(&two, &ada, &id, "").await;
        (!said(&log).is_empty()).then_some(log)
    })
    .await;
    assert_eq!(said(&first), [(1, "it begins".to_owned())]);
    assert_eq!((&first["lines"][0]["level"], &first["more"]), (&json!("info"), &json!(false)));
    talking.go.add_permits(1);
    ended(&one, &ada, &id).await;
    // Complete before the end is told.
    assert_eq!(said(&log(&two, &ada, &id, "").await).len(), 2);
    let later = log(&one, &ada, &id, &format!("?after={}", first["next"].as_str().unwrap())).await;
    assert_eq!(said(&later), [(1, "it ends".to_owned())]);
    assert_eq!(said(&log(&one, &ada, &id, "?tail=1").await), [(1, "it ends".to_owned())]);
    let last = later["next"].as_str().unwrap();
    let nothing = log(&one, &ada, &id, &format!("?after={last}")).await;
    assert!(said(&nothing).is_empty() && nothing["next"] == last);
    for (token, expected) in [
        (cluster.token("bob", "prod"), 404),
        (cluster.token("ada", "test"), 404),
        (
            cluster.token_with("prod", |claims| (claims.sub, claims.scope) = ("root".to_owned(), "operate".to_owned())),
            404,
        ),
        ("nonsense".to_owned(), 401),
    ] {
        assert_eq!(answer(one.request("GET", &format!("/api/tasks/{id}/log"), &token)).await.0, expected);
    }
    for bad in ["?after=x", "?after=1", "?tail=-1", "?before=1"] {
        assert_eq!(answer(one.request("GET", &format!("/api/tasks/{id}/log{bad}"), &ada)).await.0, 400, "{bad}");
    }
    assert_eq!(answer(one.request("GET", "/api/tasks/nothing/log", &ada)).await.0, 404);
}

async fn what_a_killed_worker_has_said_stays_and_the_next_goes_on(cluster: Cluster) {
    let pod = cluster.pod().await;
    let talking = Talking::new();
    let first = cluster.worker("prod", talking.clone()).await;
    let ada = cluster.token("ada", "prod");
    let id = start(&pod, &ada, "talk").await;
    until("its first line", async || (!said(&log(&pod, &ada, &id, "").await).is_empty()).then_some(())).await;
    first.kill().await;
    // With a permit of its own: what is left of the first run takes none from it.
    let talking = Talking::new();
    let _second = cluster.worker("prod", talking.clone()).await;
    talking.go.add_permits(1);
    ended(&pod, &ada, &id).await;
    let lines = said(&log(&pod, &ada, &id, "").await);
    let texts: Vec<_> = lines.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["it begins", "it begins", "it ends"]);
    assert!(lines[0].0 < lines[1].0 && lines[1].0 == lines[2].0, "{lines:?}");
}

async fn a_task_that_says_nothing_has_an_empty_log(cluster: Cluster) {
    let pod = cluster.pod().await;
    let _worker = cluster.worker("prod", Talking::new()).await;
    let ada = cluster.token("ada", "prod");
    let id = start(&pod, &ada, "quiet").await;
    ended(&pod, &ada, &id).await;
    assert_eq!(log(&pod, &ada, &id, "").await, json!({ "lines": [], "next": null, "more": false }));
    assert!(!cluster.stored_files().iter().any(|file| file.to_string_lossy().contains("/log.")));
}

/// Somebody who follows a log.
struct Following {
    answer: reqwest::Response,
    rest: String,
}

impl Following {
    async fn of(pod: &Pod, token: &str, id: &str, query: &str) -> Self {
        let answer =
            pod.request("GET", &format!("/api/tasks/{id}/log?follow=true{query}"), token).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"application/jsonl".parse().unwrap())
        );
        Self { answer, rest: String::new() }
    }

    /// The next line that is not a sign of life; none at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.rest.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.rest = rest;
                if line.is_empty() {
                    continue;
                }
                return Some(serde_json::from_str(&line).unwrap());
            }
            let chunk = timeout(TIMEOUT, self.answer.chunk()).await.expect("it goes on or ends");
            self.rest += std::str::from_utf8(&chunk.unwrap()?).unwrap();
        }
    }
}

async fn a_log_is_followed_line_by_line_on_any_pod_until_its_task_has_ended(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let talking = Talking::new();
    let _worker = cluster.worker("prod", talking.clone()).await;
    let ada = cluster.token("ada", "prod");
    let id = start(&one, &ada, "talk").await;
    until("its first line", async || (!said(&log(&two, &ada, &id, "").await).is_empty()).then_some(())).await;
    let mut following = Following::of(&two, &ada, &id, "").await;
    assert_eq!(following.next().await.unwrap()["message"], "it begins", "while it runs");
    talking.go.add_permits(1);
    let last = following.next().await.unwrap();
    assert_eq!((&last["message"], &last["level"], &last["number"]), (&json!("it ends"), &json!("warning"), &json!(2)));
    assert_eq!(following.next().await, None, "the task has ended");

    ended(&one, &ada, &id).await;
    let mut later = Following::of(&one, &ada, &id, "&after=1.1").await;
    assert_eq!(later.next().await.unwrap()["message"], "it ends");
    assert_eq!(later.next().await, None);
    let bob = cluster.token("bob", "prod");
    assert_eq!(answer(one.request("GET", &format!("/api/tasks/{id}/log?follow=true"), &bob)).await.0, 404);
}

async fn a_log_that_is_followed_counts_as_a_connection_and_ends_with_its_pod(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { connections_per_user: 2, ..GatewayConfig::default() }).await;
    let _worker = cluster.worker("prod", Talking::new()).await;
    let ada = cluster.token("ada", "prod");
    let id = start(&pod, &ada, "talk").await;
    until("its first line", async || (!said(&log(&pod, &ada, &id, "").await).is_empty()).then_some(())).await;
    let mut one = Following::of(&pod, &ada, &id, "").await;
    let two = Following::of(&pod, &ada, &id, "&tail=1").await;
    let refused = answer(pod.request("GET", &format!("/api/tasks/{id}/log?follow=true"), &ada)).await;
    assert_eq!((refused.0, &refused.1["type"]), (429, &json!("urn:bellwire:problem:too-many-connections")));
    assert_eq!(said(&log(&pod, &ada, &id, "").await).len(), 1, "a look takes no place");
    drop(two);
    until("a place is free", async || {
        let request = pod.request("GET", &format!("/api/tasks/{id}/log?follow=true"), &ada);
        (request.send().await.unwrap().status() == 200).then_some(())
    })
    .await;
    assert_eq!(one.next().await.unwrap()["message"], "it begins");
    let (end, ()) = tokio::join!(one.next(), pod.stop());
    assert_eq!(end, None);
}
