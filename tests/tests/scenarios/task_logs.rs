//! What a function says while it runs: for its owner alone, at once, and for as long as the task's files are there.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Kind, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{Cluster, Pod, cluster::answer, over_both_backplanes, until};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

over_both_backplanes! {
    what_a_function_says_is_read_by_its_owner_while_it_runs_and_by_nobody_else,
    what_a_killed_worker_has_said_stays_and_the_next_goes_on,
    a_task_that_says_nothing_has_an_empty_log,
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
    let (status, log) = answer(pod.request("GET", &format!("/api/tasks/{id}/log{query}"), token)).await;
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
