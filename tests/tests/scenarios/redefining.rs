//! Workers that come from nothing, and definitions that change while they run.

use std::{fs, path::Path, time::Duration};

use backplane::Destination;
use futures_util::future::join_all;
use model::{Audience, Event};
use reports::{DatabaseConfig, Delivery, Reports, ReportsConfig};
use scenarios::{Cluster, Pod, TIMEOUT, cluster::answer, over_both_backplanes, test_backplane::Role, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

over_both_backplanes! {
    definitions_are_read_again_and_told_to_all_without_a_restart,
    the_first_job_is_begun_soon_after_a_worker_starts,
}

fn reports(folder: &Path) -> Reports {
    let config = ReportsConfig { definitions: folder.to_owned(), ..ReportsConfig::default() };
    let url = format!("sqlite://{}", folder.join("it.db").display());
    Reports::open(config, &DatabaseConfig { url }, Delivery::default()).unwrap()
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(folder.path().join("it.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (n integer)")
        .unwrap();
    folder
}

fn define(folder: &TempDir, name: &str, title: &str) {
    fs::write(folder.path().join(format!("{name}.sql")), "SELECT 1 AS one").unwrap();
    fs::write(folder.path().join(format!("{name}.toml")), title).unwrap();
}

/// The titles of the reports that are offered to somebody.
async fn offered(pod: &Pod, token: &str) -> Vec<String> {
    let (_, functions) = answer(pod.request("GET", "/api/functions", token)).await;
    let offers = functions["functions"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|function| function["offers"].as_array().cloned().unwrap_or_default());
    offers.map(|offer| offer["title"].as_str().unwrap().to_owned()).collect()
}

async fn until_offered(pod: &Pod, token: &str, titles: &[&str]) {
    until("it is offered", async || (offered(pod, token).await == titles).then_some(())).await;
}

async fn start(pod: &Pod, token: &str, report: &str) -> String {
    let task = json!({ "kind": "reports", "title": "R", "input": { "report": report, "format": "csv" } });
    until("the task is taken", async || {
        let (status, task) = answer(pod.request("POST", "/api/tasks", token).json(&task)).await;
        (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
    })
    .await
}

async fn ended(pod: &Pod, token: &str, id: &str) -> Value {
    until("it ends", async || {
        let (_, task) = answer(pod.request("GET", &format!("/api/tasks/{id}"), token)).await;
        ["succeeded", "failed"].contains(&task["state"].as_str().unwrap_or_default()).then_some(task)
    })
    .await
}

async fn definitions_are_read_again_and_told_to_all_without_a_restart(cluster: Cluster) {
    let (pod, folder, ada) = (cluster.pod().await, folder(), cluster.token("ada", "prod"));
    define(&folder, "first", "title = 'First'");
    let _worker = cluster.worker("prod", reports(folder.path())).await;
    until_offered(&pod, &ada, &["First"]).await;
    define(&folder, "second", "title = 'Second'");
    until_offered(&pod, &ada, &["First", "Second"]).await;
    let id = start(&pod, &ada, "second").await;
    assert_eq!(ended(&pod, &ada, &id).await["state"], "succeeded");
    // What is wrong changes nothing, of the others neither.
    define(&folder, "third", "titel = 'Third'");
    define(&folder, "first", "title = 'First, renamed'");
    let id = start(&pod, &ada, "first").await;
    assert_eq!(ended(&pod, &ada, &id).await["state"], "succeeded");
    assert_eq!(offered(&pod, &ada).await, ["First", "Second"]);
    define(&folder, "third", "title = 'Third'");
    until_offered(&pod, &ada, &["First, renamed", "Second", "Third"]).await;
    for ending in ["sql", "toml"] {
        fs::remove_file(folder.path().join(format!("second.{ending}"))).unwrap();
    }
    until_offered(&pod, &ada, &["First, renamed", "Third"]).await;
    let id = start(&pod, &ada, "second").await;
    assert_eq!(ended(&pod, &ada, &id).await["state"], "failed");
}

async fn the_first_job_is_begun_soon_after_a_worker_starts(cluster: Cluster) {
    const SOON: Duration = Duration::from_secs(15);
    let (pod, folder, ada) = (cluster.pod().await, folder(), cluster.token("ada", "prod"));
    define(&folder, "first", "title = 'First'");
    // There was one once, so there is a queue.
    let earlier = cluster.worker("prod", reports(folder.path())).await;
    until_offered(&pod, &ada, &["First"]).await;
    earlier.stop().await;
    // A day's events are read before a job is begun: some of them may say that it was cancelled.
    let log = cluster.test_backplane.backplane(&"prod".parse().unwrap(), Role::Gateway).log;
    for batch in 0..20 {
        let event = |n: usize| Event::new("/test", "test.said", Audience::user(&format!("user{n}")));
        let events: Vec<_> = (0..500).map(|n| event(batch * 500 + n)).collect();
        let published = join_all(events.iter().map(|event| log.publish(Destination::Own, event))).await;
        assert!(published.iter().all(Result::is_ok), "{published:?}");
    }
    let waiting = start(&pod, &ada, "first").await;
    let begun = Instant::now();
    let _worker = cluster.worker("prod", reports(folder.path())).await;
    let ended = timeout(TIMEOUT, ended(&pod, &ada, &waiting)).await.unwrap();
    assert_eq!(ended["state"], "succeeded");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}
