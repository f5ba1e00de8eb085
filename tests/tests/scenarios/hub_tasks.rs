//! A task that a client of the hub starts is the task that `POST /api/tasks` starts, with the same words where it cannot be.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use model::{Kind, Policies, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, Hub, Pod,
    cluster::{Worker, answer},
    hub::Transport,
    over_both_backplanes, until,
};
use serde_json::{Value, json};
use signalr::{Encoding, Outcome};

over_both_backplanes! {
    what_is_unique_is_one_task_whichever_way_it_is_asked_for,
    a_key_is_one_task_whichever_way_it_comes,
    a_task_of_the_hub_may_wait_and_stand_behind_others,
    what_a_task_may_not_say_is_refused_in_the_same_words,
}

const DOOR: (Transport, Encoding) = (Transport::WebSockets, Encoding::MessagePack);

/// Runs until it is cancelled; of its jobs with the input `{"one": true}` one is unfinished at a time, whoever starts it.
#[derive(Clone)]
struct Endless;

#[async_trait]
impl Function for Endless {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    fn policies(&self) -> Policies {
        let one = json!({ "name": "one", "input": { "one": true }, "policy": { "unique": [] } });
        serde_json::from_value(json!({ "definitions": [one] })).unwrap()
    }

    async fn run(&self, context: &Context, _: Value) -> Result<Completion<Value>, Failure> {
        context.stop.cancelled().await;
        Ok(Completion { output: json!({}), toast: Toast::new(Level::Success, "done") })
    }
}

/// A worker that the pod knows.
async fn worker(cluster: &Cluster, pod: &Pod) -> Worker {
    let worker = cluster.worker("prod", Endless).await;
    until("the function is known", async || {
        let (_, known) = answer(pod.request("GET", "/api/functions", &cluster.token("ada", "prod"))).await;
        (!known["functions"].as_array()?.is_empty()).then_some(())
    })
    .await;
    worker
}

async fn post(pod: &Pod, token: &str, body: &Value) -> (u16, Value) {
    answer(pod.request("POST", "/api/tasks", token).body(body.to_string())).await
}

async fn start(client: &mut Hub, input: Value, options: Value) -> Result<Value, String> {
    match client.invoke("StartTask", vec![json!("told"), input, json!("T"), options]).await {
        Outcome::Result(task) => Ok(task),
        Outcome::Error(words) => Err(words),
        other => panic!("{other:?}"),
    }
}

async fn what_is_unique_is_one_task_whichever_way_it_is_asked_for(cluster: Cluster) {
    let pod = cluster.pod().await;
    let _worker = worker(&cluster, &pod).await;
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let mut adas = Hub::connect(&pod.url, &ada, DOOR, "").await;
    let mut bobs = Hub::connect(&pod.url, &bob, DOOR, "").await;
    // By the request.
    let first = start(&mut adas, json!({}), json!({ "unique": "november" })).await.unwrap();
    assert!(first["id"].is_string() && first["existing"].is_null(), "{first}");
    let again = start(&mut adas, json!({ "x": 1 }), json!({ "unique": "november" })).await.unwrap();
    assert_eq!((&again["id"], &again["existing"]), (&first["id"], &json!(true)), "{again}");
    let (status, over_http) = post(&pod, &ada, &json!({ "kind": "told", "unique": "november" })).await;
    assert_eq!((status, &over_http["id"]), (200, &first["id"]), "{over_http}");
    let others = start(&mut bobs, json!({}), json!({ "unique": "november" })).await.unwrap();
    assert_ne!(others["id"], first["id"]);
    // By the definition.
    let (status, first) = post(&pod, &ada, &json!({ "kind": "told", "input": { "one": true } })).await;
    assert_eq!(status, 202, "{first}");
    let again = start(&mut adas, json!({ "one": true }), Value::Null).await.unwrap();
    assert_eq!((&again["id"], &again["existing"]), (&first["id"], &json!(true)), "{again}");
    let refused = start(&mut bobs, json!({ "one": true }), Value::Null).await.unwrap_err();
    assert!(refused.starts_with("not-unique: ") && !refused.contains("ada"), "{refused}");
}

async fn a_key_is_one_task_whichever_way_it_comes(cluster: Cluster) {
    let pod = cluster.pod().await;
    let _worker = worker(&cluster, &pod).await;
    let token = cluster.token("ada", "prod");
    let mut client = Hub::connect(&pod.url, &token, DOOR, "").await;
    let keyed = pod.request("POST", "/api/tasks", &token).header("idempotency-key", "K");
    let (status, first) = answer(keyed.body(json!({ "kind": "told", "title": "T", "input": 1 }).to_string())).await;
    assert_eq!(status, 202, "{first}");
    let again = start(&mut client, json!(1), json!({ "idempotency_key": "K" })).await.unwrap();
    assert_eq!(again["id"], first["id"]);
    let other = start(&mut client, json!(2), json!({ "idempotency_key": "K" })).await.unwrap_err();
    assert!(other.starts_with("idempotency-key-reused: "), "{other}");
    for wrong in [String::new(), "x".repeat(257)] {
        let refused = start(&mut client, json!(1), json!({ "idempotency_key": wrong })).await.unwrap_err();
        assert!(refused.starts_with("invalid-idempotency-key: "), "{refused}");
    }
}

async fn a_task_of_the_hub_may_wait_and_stand_behind_others(cluster: Cluster) {
    let pod = cluster.pod().await;
    let _worker = worker(&cluster, &pod).await;
    let token = cluster.token("ada", "prod");
    let mut client = Hub::connect(&pod.url, &token, DOOR, "").await;
    let not_before = |task: &Value| task["not_before"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let delayed = start(&mut client, json!({}), json!({ "delay": "1h", "priority": "low" })).await.unwrap();
    let wait = not_before(&delayed).duration_since(Timestamp::now());
    assert!(wait > SignedDuration::from_mins(59) && wait <= SignedDuration::from_hours(1), "{delayed}");
    assert_eq!(delayed["priority"], "low");
    let time = Timestamp::now() + SignedDuration::from_hours(2);
    let later = start(&mut client, json!({}), json!({ "not_before": time, "delay": null })).await.unwrap();
    assert_eq!(not_before(&later), time);
    let high =
        cluster.token_with("prod", |claims| (claims.sub, claims.scope) = ("bob".into(), "tasks tasks:high".into()));
    let mut client = Hub::connect(&pod.url, &high, DOOR, "").await;
    assert_eq!(start(&mut client, json!({}), json!({ "priority": "high" })).await.unwrap()["priority"], "high");
}

async fn what_a_task_may_not_say_is_refused_in_the_same_words(cluster: Cluster) {
    let pod = cluster.pod().await;
    let _worker = worker(&cluster, &pod).await;
    let token = cluster.token("ada", "prod");
    let mut client = Hub::connect(&pod.url, &token, DOOR, "").await;
    for options in [
        json!({ "priority": "high" }),
        json!({ "priority": "highest" }),
        json!({ "unique": "" }),
        json!({ "unique": "x".repeat(257) }),
        json!({ "unique": 7 }),
        json!({ "delay": "soon" }),
        json!({ "delay": "367d" }),
        json!({ "delay": "1s", "not_before": Timestamp::now() }),
        json!({ "not_before": "tomorrow" }),
        json!({ "not_before": Timestamp::now() + SignedDuration::from_hours(24 * 367) }),
    ] {
        let mut body = json!({ "kind": "told", "title": "T", "input": {} });
        body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let (status, problem) = post(&pod, &token, &body).await;
        assert!(status >= 400, "{options}: {problem}");
        let code = problem["type"].as_str().unwrap().strip_prefix("urn:bellwire:problem:").unwrap();
        // Where in a text something stands, only a request of text can say.
        let detail = problem["detail"].as_str().unwrap().split(" at line ").next().unwrap();
        let refused = start(&mut client, json!({}), options.clone()).await.unwrap_err();
        assert_eq!(refused, format!("{code}: {detail}"), "{options}");
    }
    let unknown = start(&mut client, json!({}), json!({ "begin_after": "1h" })).await.unwrap_err();
    assert!(unknown.contains("unknown field `begin_after`") && unknown.contains("`delay`"), "{unknown}");
    let wrong = start(&mut client, json!({}), json!("low")).await.unwrap_err();
    assert!(wrong.starts_with("StartTask takes a kind"), "{wrong}");
    let more = client.invoke("StartTask", vec![json!("told"), json!({}), Value::Null, json!({}), json!(1)]).await;
    assert!(matches!(&more, Outcome::Error(words) if words.starts_with("StartTask takes a kind")), "{more:?}");
}
