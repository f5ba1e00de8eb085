//! One trace from the request to the browser, told to a collector.

use async_trait::async_trait;
use model::{Audience, Kind, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, Collector, EventStream, Pod,
    cluster::{answer, event},
    over_both_backplanes, until,
};
use serde_json::{Value, json};

over_both_backplanes! {
    one_trace_leads_from_the_request_to_the_browser,
    what_is_published_is_traced_to_the_browsers_of_every_pod,
    what_is_not_sampled_is_told_to_nobody,
}

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Tells another user, and is done.
struct Telling;

#[async_trait]
impl Function for Telling {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    async fn run(&self, context: &Context, _: Value) -> Result<Completion<Value>, Failure> {
        let toast = Toast::new(Level::Success, "Told");
        context.tell("bob", Audience::user("bob"), &toast).await?;
        Ok(Completion { output: Value::Null, toast })
    }
}

async fn start(pod: &Pod, token: &str, trace: Option<&str>) {
    let body = json!({ "kind": "told", "title": "hunter2", "input": { "secret": "hunter2" } }).to_string();
    until("the task is taken", async || {
        let request = pod.request("POST", "/api/tasks", token).body(body.clone());
        let request = trace.iter().fold(request, |request, trace| request.header("traceparent", *trace));
        (answer(request).await.0 == 202).then_some(())
    })
    .await;
}

/// What is shown until a task is known to have waited and to have ended; its worker may say the second first.
async fn ends(browser: &mut EventStream) -> Vec<Value> {
    let mut shown = Vec::new();
    let has = |shown: &[Value], end: &str| shown.iter().any(|event| event["type"] == format!("bellwire.task.{end}"));
    while !(has(&shown, "queued") && has(&shown, "succeeded")) {
        shown.push(browser.next().await.data);
    }
    shown
}

async fn one_trace_leads_from_the_request_to_the_browser(mut cluster: Cluster) {
    let collector = Collector::start().await;
    cluster.telemetry = collector.telemetry("a gateway", 0.0);
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    cluster.telemetry = collector.telemetry("a worker", 0.0);
    let _worker = cluster.worker("prod", Telling).await;
    let mut ada = two.browser(&cluster, "ada", "prod").await;
    let mut bob = two.browser(&cluster, "bob", "prod").await;
    start(&one, &cluster.token("ada", "prod"), Some(SAMPLED)).await;

    let shown = [ends(&mut ada).await, vec![bob.next().await.data]].concat();

    let started = collector.span("start task", |_| true).await;
    assert_eq!((&*started.trace, &*started.parent, &*started.service), (TRACE, CALLER, "a gateway"));
    let run = collector.span("run told", |_| true).await;
    assert_eq!((&run.parent, &*run.service), (&started.id, "a worker"));
    assert_eq!((&*run.attributes["bellwire.outcome"], &*run.attributes["bellwire.attempt"]), ("succeeded", "1"));
    assert_eq!(run.attributes["bellwire.task"], started.attributes["bellwire.task"]);
    for (event_type, above, by) in [
        ("bellwire.task.queued", &started, "a gateway"),
        ("bellwire.task.succeeded", &run, "a worker"),
        ("bellwire.message", &run, "a worker"),
    ] {
        let shown = shown.iter().find(|shown| shown["type"] == event_type).unwrap();
        let traceparent = shown["traceparent"].as_str().unwrap();
        let id = traceparent.strip_prefix(&format!("00-{TRACE}-")).unwrap().strip_suffix("-01").unwrap();
        let published = collector.span("publish", |span| span.id == id).await;
        assert_eq!((&published.parent, &*published.service), (&above.id, by), "{event_type}");
        let delivered = collector.span("deliver", |span| span.parent == id).await;
        assert_eq!(&*delivered.service, "a gateway", "{event_type}");
        for span in [&published, &delivered] {
            assert_eq!(span.attributes["bellwire.event.type"], event_type);
        }
        assert_eq!(delivered.attributes["bellwire.connections"], "1");
        assert!(delivered.attributes["bellwire.lag_seconds"].parse::<f64>().unwrap() < 30.0);
    }
    let spans = collector.spans();
    assert!(
        spans.iter().all(|span| span.trace == TRACE && span.attributes["bellwire.environment"] == "prod"),
        "{spans:?}"
    );
    assert!(!format!("{spans:?}").contains("hunter2"), "{spans:?}");
}

async fn what_is_published_is_traced_to_the_browsers_of_every_pod(mut cluster: Cluster) {
    let collector = Collector::start().await;
    cluster.telemetry = collector.telemetry("a gateway", 1.0);
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let mut ada = [
        one.browser(&cluster, "ada", "prod").await,
        two.browser(&cluster, "ada", "prod").await,
        two.browser(&cluster, "ada", "prod").await,
    ];
    let mut own = event("own", "user:ada");
    own["traceparent"] = json!(SAMPLED);
    let batch = json!([event("first", "user:ada"), own, event("nobody", "user:eve")]).to_string();
    let request = one.request("POST", "/api/events", &cluster.token("app", "prod"));
    let request = request.header("content-type", "application/cloudevents-batch+json").body(batch);
    assert_eq!(answer(request).await.0, 202);
    for browser in &mut ada {
        assert_eq!(browser.next_ids(2).await, ["first", "own"]);
    }
    let request = collector.span("publish", |span| span.parent.is_empty()).await;
    assert_ne!(request.trace, TRACE, "a request without a trace begins one");
    assert_eq!(request.attributes["bellwire.events"], "3");
    let own = collector.span("publish", |span| span.parent == CALLER).await;
    assert_eq!((&*own.trace, &*own.attributes["bellwire.event.type"]), (TRACE, "test.said"));
    for published in [request, own] {
        let connections = until("both pods have delivered it", async || {
            let below =
                collector.spans().into_iter().filter(|span| span.name == "deliver" && span.parent == published.id);
            let mut connections: Vec<_> = below.map(|span| span.attributes["bellwire.connections"].clone()).collect();
            connections.sort();
            (connections.len() == 2).then_some(connections)
        })
        .await;
        assert_eq!(connections, ["1", "2"], "one span for a pod, however many listen");
    }
    assert_eq!(collector.spans().len(), 6, "{:?}", collector.spans());
}

async fn what_is_not_sampled_is_told_to_nobody(mut cluster: Cluster) {
    let collector = Collector::start().await;
    cluster.telemetry = collector.telemetry("all", 0.0);
    let pod = cluster.pod().await;
    let worker = cluster.worker("prod", Telling).await;
    let token = cluster.token("ada", "prod");
    let mut ada = pod.browser(&cluster, "ada", "prod").await;
    let not_sampled = SAMPLED.replace("-01", "-00");
    for trace in [Some(&*not_sampled), None] {
        start(&pod, &token, trace).await;
        for shown in ends(&mut ada).await {
            assert_eq!(shown.get("traceparent").and_then(Value::as_str), trace, "{shown}");
        }
    }
    worker.stop().await;
    pod.stop().await;
    cluster.telemetry.close().await;
    assert!(collector.spans().is_empty(), "{:?}", collector.spans());
}
