//! The main job, end to end: a file becomes a table, and the right person's browser shows it.

use std::path::PathBuf;

use imports::{DatabaseConfig, Imports, ImportsConfig};
use model::{Environment, Job};
use scenarios::{
    Cluster, Pod,
    cluster::{answer, event, granted},
    over_both_backplanes,
    test_backplane::Role,
    until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

over_both_backplanes! {
    a_real_file_becomes_a_table_and_its_owner_is_told_on_the_other_pod,
    imported_twice_is_there_once_and_shown_once,
    rejected_rows_are_told_and_can_be_fetched_by_their_owner_alone,
}

struct Database {
    folder: TempDir,
}

impl Database {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn imports(&self) -> Imports {
        let url = format!("sqlite://{}", self.folder.path().join("it.db").display());
        Imports::open(ImportsConfig::default(), &DatabaseConfig { url }).unwrap()
    }

    fn count(&self, table: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.folder.path().join("it.db")).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}

fn dataset(name: &str) -> Vec<u8> {
    let folder = std::env::var("BELLWIRE_TEST_DATASETS").expect("run `make test`, which fetches real files by npm");
    std::fs::read(PathBuf::from(folder).join(name)).unwrap()
}

async fn upload(pod: &Pod, token: &str, name: &str, content: Vec<u8>) -> String {
    let (status, file) = answer(pod.request("PUT", &format!("/api/files/{name}"), token).body(content)).await;
    assert_eq!(status, 201, "{file}");
    file["key"].as_str().unwrap().to_owned()
}

async fn start(pod: &Pod, token: &str, input: Value) -> String {
    let body = json!({ "kind": "imports", "title": "An import", "input": input }).to_string();
    until("the task is taken", async || {
        let (status, task) = answer(pod.request("POST", "/api/tasks", token).body(body.clone())).await;
        (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
    })
    .await
}

/// The first event with a toast.
async fn toast(browser: &mut scenarios::EventStream) -> Value {
    loop {
        let data = browser.next().await.data;
        if data["data"]["toast"].is_object() {
            return data;
        }
    }
}

async fn a_real_file_becomes_a_table_and_its_owner_is_told_on_the_other_pod(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let database = Database::new();
    let _worker = cluster.worker("prod", database.imports()).await;
    let token = cluster.token("ada", "prod");
    let mut browser = two.browser(&cluster, "ada", "prod").await;
    for (name, table, rows) in [("airports.csv", "airports", 3376), ("zipcodes.csv", "zipcodes", 42049)] {
        let file = upload(&one, &token, name, dataset(name)).await;
        let id = start(&one, &token, json!({ "file": file, "table": table })).await;
        let told = toast(&mut browser).await;
        assert_eq!(
            (&told["type"], &told["subject"]),
            (&json!("bellwire.task.succeeded"), &json!(format!("task/{id}")))
        );
        assert_eq!(told["data"]["task"]["result"]["rows"], rows);
        assert_eq!(database.count(table), rows);
        let (_, log) = answer(two.request("GET", &format!("/api/tasks/{id}/log"), &token)).await;
        let said: Vec<_> =
            log["lines"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(said[0], format!("Reading {name}."), "{said:?}");
        assert!(said.last().unwrap().starts_with(&format!("{rows} rows are in {table}, after ")), "{said:?}");
    }
}

async fn imported_twice_is_there_once_and_shown_once(cluster: Cluster) {
    let pod = cluster.pod().await;
    let database = Database::new();
    let _worker = cluster.worker("prod", database.imports()).await;
    let token = cluster.token("ada", "prod");
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let file = upload(&pod, &token, "a.csv", b"n,word\n1,one\n2,two\n".to_vec()).await;
    let input = json!({ "file": file, "table": "words", "mode": "append" });
    let id = start(&pod, &token, input.clone()).await;
    assert_eq!(toast(&mut browser).await["subject"], format!("task/{id}"));
    // The same job again, as a broker hands it out whose worker was lost right before it acknowledged.
    let prod: Environment = "prod".parse().unwrap();
    let again = Job::new(id.parse().unwrap(), "imports".parse().unwrap(), "ada", "An import", input);
    let again = granted(&prod, again);
    cluster.test_backplane.backplane(&prod, Role::Gateway).jobs.submit(&again).await.unwrap();
    let next = upload(&pod, &token, "b.csv", b"n,word\n3,three\n".to_vec()).await;
    let next = start(&pod, &token, json!({ "file": next, "table": "words", "mode": "append" })).await;
    assert_eq!(toast(&mut browser).await["subject"], format!("task/{next}"), "nothing is shown twice");
    pod.publish(&token, &event("end", "user:ada")).await;
    until("the second run of the first is over", async || (database.count("words") >= 3).then_some(())).await;
    assert_eq!(database.count("words"), 3);
}

async fn rejected_rows_are_told_and_can_be_fetched_by_their_owner_alone(cluster: Cluster) {
    let pod = cluster.pod().await;
    let database = Database::new();
    let _worker = cluster.worker("prod", database.imports()).await;
    let token = cluster.token("ada", "prod");
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let file = upload(&pod, &token, "ragged.csv", b"a,b\n1,2\n3\n4,5\n".to_vec()).await;
    start(&pod, &token, json!({ "file": file, "table": "ragged" })).await;
    let told = toast(&mut browser).await;
    let result = &told["data"]["task"]["result"];
    assert_eq!((&result["rows"], &result["rejected"]["rows"]), (&json!(2), &json!(1)), "{told}");
    let href = result["rejected"]["href"].as_str().unwrap();
    assert_eq!(told["data"]["toast"]["action"]["href"], href);
    let (status, rows) = answer(pod.request("GET", href, &token)).await;
    assert!(status == 200 && rows.as_str().unwrap().contains('3'), "{rows}");
    assert_eq!(answer(pod.request("GET", href, &cluster.token("bob", "prod"))).await.0, 404);
    // What it may not touch stays as it is, and the reason is told.
    let file = upload(&pod, &token, "evil.csv", b"a\n1\n".to_vec()).await;
    start(&pod, &token, json!({ "file": file, "table": "ragged; DROP TABLE ragged" })).await;
    let told = toast(&mut browser).await;
    assert_eq!(told["type"], "bellwire.task.failed");
    assert!(told["data"]["task"]["error"]["message"].as_str().unwrap().contains("table"), "{told}");
    assert_eq!(database.count("ragged"), 2);
}
