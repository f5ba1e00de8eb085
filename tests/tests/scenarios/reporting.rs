//! A report, end to end: asked for on one pod, told on another, fetched by its owner alone.

use std::fs;

use calamine::{Data, Reader, Xlsx};
use reports::{DatabaseConfig, Delivery, Reports, ReportsConfig};
use scenarios::{Cluster, EventStream, Pod, cluster::answer, over_both_backplanes, until};
use serde_json::{Value, json};
use tempfile::TempDir;

over_both_backplanes! {
    a_report_asked_for_on_one_pod_is_told_on_another_and_opens,
    a_report_that_one_may_not_have_or_asks_for_wrongly_is_told_in_words,
}

const QUERY: &str = "SELECT word, n FROM words WHERE n >= :least ORDER BY n";
const DEFINITION: &str = r#"
title = "Words by number"

[[parameter]]
name = "least"
type = "integer"
required = true

[chart]
type = "bar"
x = "word"
y = "n"
"#;

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = rusqlite::Connection::open(folder.path().join("it.db")).unwrap();
        let table = "CREATE TABLE words (word text, n integer); \
                     INSERT INTO words VALUES ('one', 1), ('=two', 2), ('three', 3)";
        file.execute_batch(table).unwrap();
        for (name, toml) in
            [("words", DEFINITION.to_owned()), ("secret", format!("allow = [\"user:bob\"]{DEFINITION}"))]
        {
            fs::write(folder.path().join(format!("{name}.sql")), QUERY).unwrap();
            fs::write(folder.path().join(format!("{name}.toml")), toml).unwrap();
        }
        Self { folder }
    }

    fn reports(&self) -> Reports {
        let config = ReportsConfig { definitions: self.folder.path().into(), ..ReportsConfig::default() };
        let url = format!("sqlite://{}", self.folder.path().join("it.db").display());
        Reports::open(config, &DatabaseConfig { url }, Delivery::default()).unwrap()
    }
}

async fn start(pod: &Pod, token: &str, input: Value) -> String {
    let body = json!({ "kind": "reports", "title": "A report", "input": input }).to_string();
    until("the task is taken", async || {
        let (status, task) = answer(pod.request("POST", "/api/tasks", token).body(body.clone())).await;
        (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
    })
    .await
}

/// The first event with a toast.
async fn toast(browser: &mut EventStream) -> Value {
    loop {
        let data = browser.next().await.data;
        if data["data"]["toast"].is_object() {
            return data;
        }
    }
}

async fn a_report_asked_for_on_one_pod_is_told_on_another_and_opens(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let fixture = Fixture::new();
    let _worker = cluster.worker("prod", fixture.reports()).await;
    let token = cluster.token("ada", "prod");
    let mut browser = two.browser(&cluster, "ada", "prod").await;
    let id = start(&one, &token, json!({ "report": "words", "format": "xlsx", "parameters": { "least": 2 } })).await;
    let told = toast(&mut browser).await;
    assert_eq!((&told["type"], &told["subject"]), (&json!("bellwire.task.succeeded"), &json!(format!("task/{id}"))));
    let (result, toast) = (&told["data"]["task"]["result"], &told["data"]["toast"]);
    assert_eq!((&result["rows"], &result["report"], &result["format"]), (&json!(2), &json!("words"), &json!("xlsx")));
    assert_eq!(
        (&toast["title"], &toast["body"]),
        (&json!("Words by number is ready"), &json!("2 rows · XLSX · least: 2"))
    );
    let href = toast["action"]["href"].as_str().unwrap();
    assert_eq!((&toast["action"]["label"], &result["href"]), (&json!("Download"), &json!(href)));

    let file = two.request("GET", href, &token).send().await.unwrap();
    assert_eq!(file.status(), 200);
    assert!(file.headers()["content-disposition"].to_str().unwrap().contains("words%5Fleast%2D2%2Exlsx"));
    let mut book: Xlsx<_> = Xlsx::new(std::io::Cursor::new(file.bytes().await.unwrap())).unwrap();
    let data = book.worksheet_range("Data").unwrap();
    assert_eq!((&data[(1, 0)], &data[(2, 1)]), (&Data::String("=two".to_owned()), &Data::Float(3.0)));
    assert_eq!(answer(two.request("GET", href, &cluster.token("bob", "prod"))).await.0, 404, "it is ada's alone");
}

async fn a_report_that_one_may_not_have_or_asks_for_wrongly_is_told_in_words(cluster: Cluster) {
    let pod = cluster.pod().await;
    let fixture = Fixture::new();
    let _worker = cluster.worker("prod", fixture.reports()).await;
    let token = cluster.token("ada", "prod");
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    for (input, words) in [
        (json!({ "report": "secret", "parameters": { "least": 2 } }), "no report \"secret\" that you may have"),
        (json!({ "report": "words" }), "parameters.least (least): it must be given"),
    ] {
        start(&pod, &token, input).await;
        let told = toast(&mut browser).await;
        assert_eq!(told["type"], "bellwire.task.failed");
        assert!(told["data"]["task"]["error"]["message"].as_str().unwrap().contains(words), "{told}");
    }
}
