//! Tasks that overtake others, or wait behind them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::{Kind, Policies, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, Pod,
    cluster::{ALL, answer},
    over_both_backplanes, until,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

over_both_backplanes! {
    one_of_high_priority_is_begun_before_all_that_wait_and_one_of_low_after_them,
    nobody_overtakes_others_at_will,
}

/// Notes in which order its tasks begin; each run takes one of these to end.
#[derive(Clone)]
struct Ordered {
    begun: Arc<Mutex<Vec<String>>>,
    go: Arc<Semaphore>,
}

#[async_trait]
impl Function for Ordered {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    fn policies(&self) -> Policies {
        let of = |name: &str, priority: &str| json!({ "name": name, "input": { "report": name }, "policy": { "priority": priority } });
        serde_json::from_value(json!({ "definitions": [of("alarm", "high"), of("archive", "low")] })).unwrap()
    }

    async fn run(&self, context: &Context, _: Value) -> Result<Completion<Value>, Failure> {
        self.begun.lock().unwrap().push(context.title.clone());
        tokio::select! {
            permit = self.go.acquire() => permit.unwrap().forget(),
            () = context.stop.cancelled() => return Err(Failure::Stopped),
        }
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "done") })
    }
}

async fn started(cluster: &Cluster, pod: &Pod) -> (Ordered, scenarios::cluster::Worker) {
    let ordered = Ordered { begun: Arc::default(), go: Arc::new(Semaphore::new(0)) };
    let worker = cluster.worker("prod", ordered.clone()).await;
    let token = cluster.token("ada", "prod");
    until("the function is known", async || {
        let (_, known) = answer(pod.request("GET", "/api/functions", &token)).await;
        (!known["functions"].as_array()?.is_empty()).then_some(())
    })
    .await;
    (ordered, worker)
}

async fn start(cluster: &Cluster, pod: &Pod, owner: &str, body: Value) -> Value {
    let mut task = json!({ "kind": "told", "title": owner });
    task.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let token = cluster.token(owner, "prod");
    let (status, task) = answer(pod.request("POST", "/api/tasks", &token).body(task.to_string())).await;
    assert_eq!(status, 202, "{task}");
    task
}

async fn one_of_high_priority_is_begun_before_all_that_wait_and_one_of_low_after_them(cluster: Cluster) {
    let pod = cluster.pod().await;
    let (ordered, _worker) = started(&cluster, &pod).await;
    let begun = || ordered.begun.lock().unwrap().clone();
    // It asks for jobs once some wait behind the first lane; until then it is pushed those.
    for _ in 0..10 {
        start(&cluster, &pod, "many", json!({})).await;
    }
    // One after the other: two that begin together may note it in either order.
    let until_begun =
        async |count: usize| until("so many have begun", async || (begun().len() == count).then_some(())).await;
    until_begun(2).await;
    for count in 3..=4 {
        ordered.go.add_permits(1);
        until_begun(count).await;
    }
    let archive = start(&cluster, &pod, "archivist", json!({ "input": { "report": "archive" } })).await;
    let waits = start(&cluster, &pod, "patient", json!({ "priority": "low" })).await;
    let alarm = start(&cluster, &pod, "alarmed", json!({ "input": { "report": "alarm" } })).await;
    let shown = [&archive["priority"], &waits["priority"], &alarm["priority"]];
    assert_eq!(shown, [&json!("low"), &json!("low"), &json!("high")]);
    for count in 5..=13 {
        ordered.go.add_permits(1);
        until_begun(count).await;
    }
    ordered.go.add_permits(2);
    let begun = begun();
    let at = |owner: &str| begun.iter().position(|other| other == owner).unwrap();
    let last_of_many = begun.iter().rposition(|owner| owner == "many").unwrap();
    assert!(at("alarmed") < last_of_many && at("archivist").min(at("patient")) > at("alarmed"), "{begun:?}");
    assert!(at("archivist").min(at("patient")) + 1 >= last_of_many, "{begun:?}");
}

async fn nobody_overtakes_others_at_will(cluster: Cluster) {
    let pod = cluster.pod().await;
    let (_ordered, _worker) = started(&cluster, &pod).await;
    let token = |scope: &str| cluster.token_with("prod", |claims| claims.scope = format!("{ALL}{scope}"));
    let post = async |token: &str, report: &str, priority: &str| {
        let body = json!({ "kind": "told", "input": { "report": report }, "priority": priority }).to_string();
        answer(pod.request("POST", "/api/tasks", token).body(body)).await
    };
    for (report, priority) in [("sales", "high"), ("archive", "normal"), ("archive", "high")] {
        let (status, problem) = post(&token(""), report, priority).await;
        assert!(status == 403 && problem["detail"].as_str().unwrap().contains("tasks:high"), "{problem}");
        assert_eq!(post(&token(" tasks:high"), report, priority).await.0, 202);
    }
    for (report, priority) in [("alarm", "high"), ("alarm", "low"), ("sales", "normal"), ("archive", "low")] {
        assert_eq!(post(&token(""), report, priority).await.0, 202, "{report} {priority}");
    }
    let (status, problem) = post(&token(" tasks:high"), "sales", "urgent").await;
    assert!(status == 400 && problem["detail"].as_str().unwrap().contains("urgent"), "{problem}");
}
