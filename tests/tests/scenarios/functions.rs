//! What can be started, and what is shown of what was.

use std::time::Duration;

use async_trait::async_trait;
use backplane::Destination;
use gateway::{GatewayConfig, dispatch::lost_workers::LostWorkerTiming};
use jiff::{SignedDuration, Timestamp};
use model::{
    Audience, Event, Job, Kind, Step, StepState, Task, TaskId, TaskState, Toast,
    catalogue::{Field, FieldType, Offer},
    toast::Level,
};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{Cluster, Pod, cluster::answer, over_both_backplanes, test_backplane::Role, until};
use serde::Deserialize;
use serde_json::{Value, json};

over_both_backplanes! {
    what_a_worker_offers_is_listed_for_those_who_may_start_it,
    a_wrong_input_is_told_with_all_that_is_wrong_before_the_function_runs,
    a_task_that_ends_at_once_is_right_in_the_list_of_every_pod,
    the_trace_of_a_request_is_carried_to_its_last_event,
    what_is_too_large_for_the_broker_goes_in_and_comes_out_as_a_file,
    the_steps_of_a_run_are_listed_under_it_alone,
    a_task_whose_worker_fell_silent_waits_again_on_every_pod_and_is_told_once,
}

/// Offers two things, and says at once that it is done.
struct Told;

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    report: String,
    parameters: Parameters,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    year: u32,
}

#[async_trait]
impl Function for Told {
    type Input = Input;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    fn title(&self) -> String {
        "Tell".to_owned()
    }

    fn offers(&self) -> Vec<Offer> {
        let year = Field {
            path: "parameters.year".to_owned(),
            title: "Year".to_owned(),
            field_type: FieldType::Integer,
            default: None,
            required: true,
            choices: vec![],
            hint: String::new(),
        };
        let offer = |name: &str, allow: &[&str]| Offer {
            name: name.to_owned(),
            title: name.to_owned(),
            allow: allow.iter().map(|&each| each.to_owned()).collect(),
            fields: vec![year.clone()],
            ..Offer::default()
        };
        vec![offer("sales", &[]), offer("wages", &["group:finance", "user:eve"])]
    }

    async fn run(&self, _: &Context, input: Input) -> Result<Completion<Value>, Failure> {
        let output = json!({ "report": input.report, "year": input.parameters.year, "text": input.text });
        Ok(Completion { output, toast: Toast::new(Level::Success, "Told") })
    }
}

async fn start(pod: &Pod, token: &str, input: Value, trace: Option<&str>) -> String {
    let body = json!({ "kind": "told", "input": input }).to_string();
    until("the task is taken", async || {
        let mut request = pod.request("POST", "/api/tasks", token).body(body.clone());
        if let Some(trace) = trace {
            request = request.header("traceparent", trace);
        }
        let (status, task) = answer(request).await;
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

async fn what_a_worker_offers_is_listed_for_those_who_may_start_it(cluster: Cluster) {
    let pod = cluster.pod().await;
    let list = async |user: &str, environment: &str, groups: &[&str]| {
        let token = cluster.token_with(environment, |claims| {
            claims.sub = user.to_owned();
            claims.groups = groups.iter().map(|&group| group.to_owned()).collect();
        });
        let (status, list) = answer(pod.request("GET", "/api/functions", &token)).await;
        assert_eq!(status, 200, "{list}");
        list["functions"].as_array().unwrap().clone()
    };
    assert!(list("ada", "prod", &[]).await.is_empty());
    let _worker = cluster.worker("prod", Told).await;
    let functions = until("the function is listed", async || {
        let list = list("ada", "prod", &[]).await;
        (!list.is_empty()).then_some(list)
    })
    .await;
    let names = |functions: &[Value]| {
        let offers = functions[0]["offers"].as_array().unwrap().clone();
        offers.iter().map(|offer| offer["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((&functions[0]["kind"], &functions[0]["title"]), (&json!("told"), &json!("Tell")));
    assert_eq!(functions[0]["input"]["required"], json!(["report", "parameters"]));
    assert_eq!(names(&functions), ["sales"]);
    assert_eq!(names(&list("bob", "prod", &["finance"]).await), ["sales", "wages"]);
    assert_eq!(names(&list("eve", "prod", &[]).await), ["sales", "wages"]);
    assert!(list("bob", "test", &["finance"]).await.is_empty());
    let document = until("the function is described", async || {
        let (_, document) = answer(reqwest::Client::new().get(format!("{}/api/openapi.json", pod.url))).await;
        document["components"]["schemas"]["input.told"].is_object().then_some(document)
    })
    .await;
    let forms = &document["components"]["schemas"]["NewTask"]["anyOf"];
    assert_eq!(forms[0]["properties"]["input"]["$ref"], "#/components/schemas/input.told");
    assert!(!document.to_string().contains("wages"), "who has no token learns of no definition");
}

async fn a_wrong_input_is_told_with_all_that_is_wrong_before_the_function_runs(cluster: Cluster) {
    let pod = cluster.pod().await;
    let _worker = cluster.worker("prod", Told).await;
    let token = cluster.token("ada", "prod");
    let id = start(&pod, &token, json!({ "report": 7, "parameters": { "year": "x" } }), None).await;
    let failed = in_state(&pod, &token, &id, "failed").await;
    assert_eq!(failed["error"]["reason"], "input");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("input.report: 7 is not a text"), "{message}");
    assert!(message.contains(r#"input.parameters.year: "x" is not a whole number"#), "{message}");
}

async fn a_task_that_ends_at_once_is_right_in_the_list_of_every_pod(cluster: Cluster) {
    let pods = [cluster.pod().await, cluster.pod().await];
    let _worker = cluster.worker("prod", Told).await;
    let token = cluster.token("ada", "prod");
    let id = start(&pods[0], &token, json!({ "report": "sales", "parameters": { "year": 2026 } }), None).await;
    for pod in &pods {
        let ended = in_state(pod, &token, &id, "succeeded").await;
        assert_eq!((&ended["progress"], &ended["attempt"]), (&json!(1.0), &json!(1)), "{ended}");
        assert!(ended["created"].as_str() <= ended["updated"].as_str() && ended.get("next_by").is_none(), "{ended}");
    }
}

async fn the_trace_of_a_request_is_carried_to_its_last_event(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let _worker = cluster.worker("prod", Told).await;
    let token = cluster.token("ada", "prod");
    let mut browser = two.browser(&cluster, "ada", "prod").await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    start(&one, &token, json!({ "report": "sales", "parameters": { "year": 2026 } }), Some(trace)).await;
    loop {
        let event = browser.next().await.data;
        assert_eq!(event["traceparent"], trace, "{event}");
        if event["type"] == "bellwire.task.succeeded" {
            return;
        }
    }
}

async fn what_is_too_large_for_the_broker_goes_in_and_comes_out_as_a_file(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let _worker = cluster.worker("prod", Told).await;
    let token = cluster.token("ada", "prod");
    let text = "ü".repeat(1 << 20);
    let input = json!({ "report": "sales", "parameters": { "year": 2026 }, "text": text });
    let id = start(&one, &token, input.clone(), None).await;
    let (status, stored) = answer(two.request("GET", &format!("/api/files/{id}/input.json"), &token)).await;
    assert!(status == 200 && stored == input, "it does not go over the broker");
    let task = in_state(&two, &token, &id, "succeeded").await;
    assert_eq!((&task["result"]["report"], &task["result"]["year"]), (&json!("sales"), &json!(2026)));
    assert!(task["result"]["text"].is_null() && task.to_string().len() < 2000);
    let href = task["result"]["href"].as_str().unwrap();
    let (status, whole) = answer(two.request("GET", href, &token)).await;
    assert!(status == 200 && whole["text"] == text.as_str());
    assert_eq!(task["result"]["bytes"], whole.to_string().len());
    assert_eq!(answer(two.request("GET", href, &cluster.token("bob", "prod"))).await.0, 404);
}

fn running(id: TaskId, attempt: u32, sequence: u32) -> Task {
    let job = Job::new(id, "told".parse().unwrap(), "ada", "A run", Value::Null);
    Task { attempt, sequence, progress: 0.5, ..Task::of(&job, TaskState::Running) }
}

async fn say(cluster: &Cluster, task: &Task) {
    let kind: Kind = "told".parse().unwrap();
    let backplane = cluster.test_backplane.backplane(&"prod".parse().unwrap(), Role::Worker(&kind));
    let event = Event::of_task("/functions/told", Audience::user("ada"), task, None);
    backplane.log.publish(Destination::Own, &event).await.unwrap();
}

async fn the_steps_of_a_run_are_listed_under_it_alone(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let (run, step) = (TaskId::new(), TaskId::new());
    let shown = Step {
        id: "load".to_owned(),
        title: "Load".to_owned(),
        kind: "imports".to_owned(),
        needs: vec![],
        state: StepState::Running,
        progress: 0.5,
        items: None,
        note: None,
        href: None,
        rejected: false,
        asks: None,
    };
    say(&cluster, &Task { steps: vec![shown], ..running(run, 1, 2) }).await;
    // A host's own word says nothing of steps, and takes none away.
    say(&cluster, &running(run, 1, 3)).await;
    say(&cluster, &Task { parent: Some(run), ..running(step, 1, 1) }).await;
    let of_step = in_state(&pod, &token, &step.to_string(), "running").await;
    assert_eq!(of_step["parent"], json!(run));
    let list = async |query: &str, token: &str| {
        let (status, list) = answer(pod.request("GET", &format!("/api/tasks{query}"), token)).await;
        assert_eq!(status, 200, "{list}");
        list["tasks"].as_array().unwrap().clone()
    };
    let all = list("", &token).await;
    assert_eq!((all.len(), &all[0]["id"], &all[0]["steps"][0]["id"]), (1, &json!(run), &json!("load")));
    let steps = list(&format!("?parent={run}"), &token).await;
    assert_eq!((steps.len(), &steps[0]["id"]), (1, &json!(step)));
    assert!(list(&format!("?parent={run}"), &cluster.token("bob", "prod")).await.is_empty());
    assert_eq!(answer(pod.request("GET", "/api/tasks?parent=x", &token)).await.0, 400);
}

async fn a_task_whose_worker_fell_silent_waits_again_on_every_pod_and_is_told_once(cluster: Cluster) {
    let millis = Duration::from_millis;
    let lost = LostWorkerTiming { interval: millis(50), delay: millis(50), healthy_for: millis(100) };
    let config = || GatewayConfig { lost, ..GatewayConfig::default() };
    let (one, two) = (cluster.pod_with(config()).await, cluster.pod_with(config()).await);
    let token = cluster.token("ada", "prod");
    let mut browser = one.browser(&cluster, "ada", "prod").await;
    let (silent, alive) = (TaskId::new(), TaskId::new());
    let by = |seconds| Some(Timestamp::now() + SignedDuration::from_secs(seconds));
    say(&cluster, &Task { next_by: by(60), ..running(alive, 1, 5) }).await;
    say(&cluster, &Task { next_by: by(-1), ..running(silent, 1, 5) }).await;
    for pod in [&one, &two] {
        let task = in_state(pod, &token, &silent.to_string(), "queued").await;
        assert_eq!((&task["error"]["reason"], &task["attempt"]), (&json!("lost"), &json!(1)));
        assert_eq!(in_state(pod, &token, &alive.to_string(), "running").await["progress"], 0.5);
    }
    // It was only slow: its next word stands above, and then it is lost once more.
    say(&cluster, &Task { next_by: by(60), ..running(silent, 1, 50) }).await;
    for pod in [&one, &two] {
        in_state(pod, &token, &silent.to_string(), "running").await;
    }
    say(&cluster, &Task { next_by: by(-1), ..running(silent, 1, 60) }).await;
    in_state(&two, &token, &silent.to_string(), "queued").await;
    // Taken up by another.
    say(&cluster, &Task { state: TaskState::Succeeded, ..running(silent, 2, 1) }).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|state| state != "succeeded") {
        let event = browser.next().await.data;
        if event["subject"] == format!("task/{silent}") {
            told.push(event["data"]["task"]["state"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(told, ["running", "queued", "running", "running", "queued", "succeeded"]);
}
