//! What operators scale and alert by: each metric of a pod and a worker says what it is and stands in the table, and says
//! the truth. A program of its own, since a process has its metrics once.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use gateway::GatewayConfig;
use model::{Kind, Toast, toast::Level};
use process::prometheus::install_recorder;
use runtime::{Completion, Context, Failure, Function};
use scenarios::{Cluster, EventStream, TestBackplane, cluster::answer, cluster::event, until};
use serde_json::{Value, json};

const TABLE: &str = include_str!("../../docs/metrics.md");
/// What is only there where it happens, or is set: TLS, identity providers, traces, schedules, workflows, and refusals between pods.
const ELSEWHERE: [&str; 10] = [
    "bellwire_connections_surplus",
    "bellwire_control_dropped_total",
    "bellwire_function_attempts_total",
    "bellwire_provider_reads_total",
    "bellwire_schedules_total",
    "bellwire_spans_dropped_total",
    "bellwire_spans_sent_total",
    "bellwire_tls_certificate_expires_seconds",
    "bellwire_workflow_answers_refused_total",
    "bellwire_workflow_runs_total",
];

/// Is done at once.
struct Quick;

#[async_trait]
impl Function for Quick {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "quick".parse().unwrap()
    }

    async fn run(&self, context: &Context, _: Value) -> Result<Completion<Value>, Failure> {
        let toast = Toast::new(Level::Success, format!("{} is done", context.title));
        Ok(Completion { output: Value::Null, toast })
    }
}

/// The samples of a page, by name and labels as they stand there.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Waits until a sample is there of which this holds.
async fn until_said(sample: &str, holds: impl Fn(f64) -> bool) {
    let metrics = install_recorder();
    until(sample, async || samples(&metrics.render()).get(sample).copied().filter(|value| holds(*value))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_says_what_it_is_and_the_truth() {
    let metrics = install_recorder();
    let cluster = Cluster::new(TestBackplane::rabbitmq().await).await;
    let quick: Kind = "quick".parse().unwrap();
    cluster.test_backplane.declare(&"prod".parse().unwrap(), std::slice::from_ref(&quick)).await;
    let pod = cluster.pod_with(GatewayConfig { connections: 777, ..GatewayConfig::default() }).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));

    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let beginning = browser.cursor.clone();
    let now = jiff::Timestamp::now().to_string();
    for id in ["1", "2"] {
        let mut event = event(id, "user:ada");
        event["time"] = json!(now);
        pod.publish(&app, &event).await;
    }
    assert_eq!(browser.next_ids(2).await, ["1", "2"]);
    let mut back = EventStream::connect(&pod.url, &ada, Some(&beginning)).await;
    assert_eq!(back.next_ids(2).await, ["1", "2"]);
    let mut lost = EventStream::connect(&pod.url, &ada, Some("000000000000000000000000")).await;
    assert_eq!(lost.next().await.event, "gap");
    until_said("bellwire_connections{environment=\"prod\"}", |count| count == 3.0).await;
    until_said("bellwire_permits{of=\"connections\"}", |count| count == 3.0).await;
    until_said("bellwire_permits_limit{of=\"connections\"}", |count| count == 777.0).await;
    until_said("bellwire_sockets", |count| count >= 3.0).await;
    until_said("bellwire_resumes_total{environment=\"prod\",outcome=\"joined\"}", |count| count == 1.0).await;
    until_said("bellwire_resumes_total{environment=\"prod\",outcome=\"lost\"}", |count| count == 1.0).await;
    until_said("bellwire_replayed_events_count{environment=\"prod\"}", |count| count == 2.0).await;
    until_said("bellwire_event_to_socket_seconds_count{environment=\"prod\"}", |count| count == 2.0).await;
    until_said("bellwire_window_entries{environment=\"prod\"}", |count| count >= 3.0).await;
    until_said("bellwire_window_bytes{environment=\"prod\"}", |count| count > 500.0).await;
    until_said("bellwire_log_lag_seconds{environment=\"prod\"}", |lag| (0.0..30.0).contains(&lag)).await;
    let before = jiff::Timestamp::now().as_second() as f64 - 60.0;
    until_said("bellwire_log_last_entry_timestamp_seconds{environment=\"prod\"}", |time| time > before).await;
    until_said("bellwire_publish_seconds_count", |count| count >= 2.0).await;

    // Nobody is there to do it: what is asked for shows all the same.
    let task = json!({ "kind": "quick", "title": "Q", "input": {} });
    let (status, started) = answer(pod.request("POST", "/api/tasks", &ada).json(&task)).await;
    assert_eq!(status, 202, "{started}");
    let later = json!({ "kind": "quick", "title": "Q", "input": {}, "delay": "1h" });
    assert_eq!(answer(pod.request("POST", "/api/tasks", &ada).json(&later)).await.0, 202);
    let queued = "bellwire_tasks_queued{environment=\"prod\",kind=\"quick\"}";
    let oldest = "bellwire_tasks_oldest_queued_seconds{environment=\"prod\",kind=\"quick\"}";
    until_said(queued, |count| count == 1.0).await;
    until_said(oldest, |seconds| seconds > 5.0).await;
    let worker = cluster.worker("prod", Quick).await;
    until_said(queued, |count| count == 0.0).await;
    until_said(oldest, |seconds| seconds == 0.0).await;
    until_said("bellwire_function_runs_total{kind=\"quick\",outcome=\"succeeded\"}", |count| count == 1.0).await;
    until_said("bellwire_function_dead{kind=\"quick\"}", |count| count == 0.0).await;
    worker.stop().await;
    pod.stop().await;
    until_said("bellwire_connections_ended_total{reason=\"draining\"}", |count| count == 3.0).await;
    until_said("bellwire_connections_moved_total{why=\"stop\"}", |count| count == 3.0).await;
    drop((browser, back, lost));

    let page = metrics.render();
    let named = |prefix: &str| -> BTreeMap<&str, &str> {
        page.lines().filter_map(|line| line.strip_prefix(prefix)?.split_once(' ')).collect()
    };
    let (types, helps) = (named("# TYPE "), named("# HELP "));
    let without: Vec<_> = types.keys().filter(|name| !helps.contains_key(*name)).collect();
    assert!(without.is_empty(), "without HELP: {without:?}");
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let table: BTreeMap<_, _> = rows.map(|(name, rest)| (name, rest.split(' ').next().unwrap())).collect();
    for (name, sort) in &types {
        assert_eq!(table.get(name), Some(sort), "{name} in docs/metrics.md");
        assert_eq!(name.ends_with("_total"), *sort == "counter", "{name}");
    }
    let missing: BTreeSet<_> = table.keys().filter(|name| !types.contains_key(*name)).copied().collect();
    let not_expected: Vec<_> = missing.iter().filter(|name| !ELSEWHERE.contains(name)).collect();
    assert!(not_expected.is_empty(), "in docs/metrics.md and nowhere else: {not_expected:?}");
}
