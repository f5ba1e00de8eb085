//! A report that a schedule makes for others: they are told, they alone may fetch it, and nobody has it sent but its owner.

use std::fs;

use reports::{DatabaseConfig, Delivery, Reports, ReportsConfig};
use scenarios::{Cluster, EventStream, Pod, cluster::answer, over_both_backplanes, until};
use serde_json::{Value, json};
use tempfile::TempDir;

over_both_backplanes! {
    those_whom_a_schedule_names_are_told_and_they_alone_may_fetch_its_report_on_any_pod,
    a_file_that_its_owner_deletes_is_shared_no_more,
    nobody_has_a_report_sent_but_the_owner_of_its_schedule_and_with_nothing_else_in_it,
    a_report_without_rows_goes_to_nobody_where_the_schedule_says_so,
}

const DEFINITION: &str = r#"
title = "Words by number"

[[parameter]]
name = "least"
type = "integer"
required = true

[[schedule]]
name = "yearly"
cron = "0 6 1 1 *"
owner = "ada"
input = { format = "csv", parameters = { least = 2 } }
deliver = { to = ["user:boss", "group:finance"] }

[[schedule]]
name = "empty"
cron = "0 6 1 1 *"
owner = "ada"
input = { format = "csv", parameters = { least = 9 } }
deliver = { to = ["user:boss"], skip_empty = true }
"#;

fn reports(folder: &TempDir) -> Reports {
    let file = folder.path().join("it.db");
    if !file.exists() {
        let rows =
            "CREATE TABLE words (word text, n integer); INSERT INTO words VALUES ('one', 1), ('two', 2), ('three', 3)";
        rusqlite::Connection::open(&file).unwrap().execute_batch(rows).unwrap();
        fs::write(folder.path().join("words.sql"), "SELECT word FROM words WHERE n >= :least ORDER BY n").unwrap();
        fs::write(folder.path().join("words.toml"), DEFINITION).unwrap();
    }
    let config = ReportsConfig { definitions: folder.path().into(), ..ReportsConfig::default() };
    Reports::open(config, &DatabaseConfig { url: format!("sqlite://{}", file.display()) }, Delivery::default()).unwrap()
}

async fn start(pod: &Pod, token: &str, input: Value) {
    let body = json!({ "kind": "reports", "title": "A report", "input": input }).to_string();
    until("the task is taken", async || {
        let (status, _) = answer(pod.request("POST", "/api/tasks", token).body(body.clone())).await;
        (status == 202).then_some(())
    })
    .await;
}

/// What the gateway's scheduler starts, of this schedule.
fn scheduled(name: &str) -> Value {
    json!({ "report": "words", "schedule": { "name": name, "time": "2026-01-01T06:00:00Z" } })
}

async fn toast(browser: &mut EventStream) -> Value {
    loop {
        let data = browser.next().await.data;
        if data["data"]["toast"].is_object() {
            return data;
        }
    }
}

fn member(cluster: &Cluster, user: &str, group: &str) -> String {
    cluster.token_with("prod", |claims| (claims.sub, claims.groups) = (user.to_owned(), vec![group.to_owned()]))
}

async fn those_whom_a_schedule_names_are_told_and_they_alone_may_fetch_its_report_on_any_pod(cluster: Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let _worker = cluster.worker("prod", reports(&folder)).await;
    let (ada, boss) = (cluster.token("ada", "prod"), cluster.token("boss", "prod"));
    let (bob, eve) = (member(&cluster, "bob", "finance"), member(&cluster, "eve", "sales"));
    let mut owner = one.browser(&cluster, "ada", "prod").await;
    let mut told = EventStream::connect(&two.url, &boss, None).await;
    let mut told_by_group = EventStream::connect(&one.url, &bob, None).await;
    start(&one, &ada, scheduled("yearly")).await;
    let toast_of_boss = toast(&mut told).await;
    assert_eq!(toast(&mut told_by_group).await["id"], toast_of_boss["id"]);
    assert_eq!(toast_of_boss["type"], "bellwire.message");
    let shown = &toast_of_boss["data"]["toast"];
    assert_eq!(
        (&shown["title"], &shown["body"]),
        (&json!("Words by number is ready"), &json!("2 rows · CSV · least: 2 · from ada"))
    );
    let end = toast(&mut owner).await;
    assert_eq!(end["type"], "bellwire.task.succeeded");
    let delivered = &end["data"]["task"]["result"]["delivered"];
    assert_eq!(delivered, &json!({ "to": "user:boss group:finance", "mails": 0, "webhooks": 0 }));
    assert!(end["data"]["toast"]["body"].as_str().unwrap().ends_with("sent to user:boss group:finance"), "{end}");

    let href = shown["action"]["href"].as_str().unwrap();
    for pod in [&one, &two] {
        for token in [&boss, &bob, &ada] {
            let file = pod.request("GET", href, token).send().await.unwrap();
            assert_eq!(file.status(), 200);
            assert!(file.text().await.unwrap().contains("three"));
        }
        let eves = answer(pod.request("GET", href, &eve)).await;
        let none = answer(pod.request("GET", &href.replace("words", "sword"), &boss)).await;
        assert_eq!((eves.0, &eves.1["detail"]), (404, &none.1["detail"]), "as if it were not there");
        assert_eq!(answer(pod.request("GET", href, &cluster.token("boss", "test"))).await.0, 404);
        // Nothing else of ada's comes with it.
        let own = end["data"]["task"]["result"]["about"].as_str().unwrap();
        assert_eq!(answer(pod.request("GET", own, &boss)).await.0, 404);
        let beside = format!("{}.about.json", href);
        assert_eq!(answer(pod.request("GET", &beside, &boss)).await.0, 404);
        for bad in ["/api/shared/..%2f..%2fprod/x", "/api/shared/0/x", "/api/shared/~functions/reports"] {
            assert_eq!(answer(pod.request("GET", bad, &boss)).await.0, 404, "{bad}");
        }
    }
    let recipients = until("the pod knows the schedule", async || {
        let (_, listed) = answer(two.request("GET", "/api/schedules", &ada)).await;
        listed["schedules"].as_array().unwrap().get(1).map(|schedule| schedule["recipients"].clone())
    });
    assert_eq!(recipients.await, json!(["user:boss", "group:finance"]));
}

async fn a_file_that_its_owner_deletes_is_shared_no_more(cluster: Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let pod = cluster.pod().await;
    let _worker = cluster.worker("prod", reports(&folder)).await;
    let (ada, boss) = (cluster.token("ada", "prod"), cluster.token("boss", "prod"));
    let (mut owner, mut told) =
        (pod.browser(&cluster, "ada", "prod").await, pod.browser(&cluster, "boss", "prod").await);
    start(&pod, &ada, scheduled("yearly")).await;
    let href = toast(&mut told).await["data"]["toast"]["action"]["href"].as_str().unwrap().to_owned();
    let own = toast(&mut owner).await["data"]["toast"]["action"]["href"].as_str().unwrap().to_owned();
    assert_eq!(answer(pod.request("GET", &href, &boss)).await.0, 200);
    assert_eq!(answer(pod.request("DELETE", &href, &boss)).await.0, 405, "who may read it may not delete it");
    assert_eq!(answer(pod.request("DELETE", &own, &ada)).await.0, 204);
    assert_eq!(answer(pod.request("GET", &href, &boss)).await.0, 404);
}

async fn nobody_has_a_report_sent_but_the_owner_of_its_schedule_and_with_nothing_else_in_it(cluster: Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let pod = cluster.pod().await;
    let _worker = cluster.worker("prod", reports(&folder)).await;
    let mut told = pod.browser(&cluster, "boss", "prod").await;
    let mut more = scheduled("yearly");
    more["parameters"] = json!({ "least": 1 });
    for (user, input, words) in [
        ("eve", scheduled("yearly"), "no schedule \"yearly\" of yours"),
        ("ada", scheduled("monthly"), "no schedule \"monthly\" of yours"),
        ("ada", more, "parameters and format are those of the schedule"),
    ] {
        let mut owner = pod.browser(&cluster, user, "prod").await;
        start(&pod, &cluster.token(user, "prod"), input).await;
        let end = toast(&mut owner).await;
        assert_eq!(end["type"], "bellwire.task.failed");
        assert!(end["data"]["task"]["error"]["message"].as_str().unwrap().contains(words), "{end}");
    }
    start(&pod, &cluster.token("ada", "prod"), scheduled("yearly")).await;
    assert_eq!(
        toast(&mut told).await["data"]["toast"]["body"],
        "2 rows · CSV · least: 2 · from ada",
        "it is the first"
    );
}

async fn a_report_without_rows_goes_to_nobody_where_the_schedule_says_so(cluster: Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let pod = cluster.pod().await;
    let _worker = cluster.worker("prod", reports(&folder)).await;
    let ada = cluster.token("ada", "prod");
    let (mut owner, mut told) =
        (pod.browser(&cluster, "ada", "prod").await, pod.browser(&cluster, "boss", "prod").await);
    start(&pod, &ada, scheduled("empty")).await;
    let end = toast(&mut owner).await;
    let body = end["data"]["toast"]["body"].as_str().unwrap();
    assert!(body.starts_with("0 rows") && body.ends_with("sent to nobody, since it has no rows"), "{end}");
    start(&pod, &ada, scheduled("yearly")).await;
    assert_eq!(
        toast(&mut told).await["data"]["toast"]["body"],
        "2 rows · CSV · least: 2 · from ada",
        "it is the first"
    );
}
