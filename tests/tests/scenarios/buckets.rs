//! Files in a bucket of S3: downloads are the file, or a link to it where the settings say so, and to who may read it alone.

use std::{env, fs};

use futures_util::TryStreamExt;
use reqwest::{Client, Response, redirect::Policy};
use scenarios::{
    Cluster, NetworkProxy, Pod, TestBackplane,
    cluster::{answer, event},
    until,
};
use serde_json::json;
use storage::{Storage, StorageConfig};

fn given(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`, which starts a server of S3"))
}

fn bucket(endpoint: &str) -> StorageConfig {
    StorageConfig {
        endpoint: Some(endpoint.to_owned()),
        credentials_file: Some(given("BELLWIRE_TEST_S3_KEYS").into()),
        ..StorageConfig::at(format!("s3://bellwire/{}", model::TaskId::new()))
    }
}

async fn cluster(config: &StorageConfig) -> Cluster {
    let mut cluster = Cluster::new(TestBackplane::memory()).await;
    cluster.storage = Storage::open(config).unwrap();
    cluster
}

/// A browser that knows the authority of the bucket's server, and goes where it is told if it shall.
fn browser(follows: bool) -> Client {
    let ca = reqwest::Certificate::from_pem(&fs::read(given("BELLWIRE_TEST_S3_CA")).unwrap()).unwrap();
    let policy = if follows { Policy::default() } else { Policy::none() };
    Client::builder().tls_certs_only([ca]).redirect(policy).build().unwrap()
}

async fn get(browser: &Client, pod: &Pod, path: &str, token: &str) -> Response {
    browser.get(format!("{}{path}", pod.url)).bearer_auth(token).send().await.unwrap()
}

async fn put(pod: &Pod, token: &str, content: &'static str) -> serde_json::Value {
    let (status, file) = answer(pod.request("PUT", "/api/files/a%20b.csv", token).body(content)).await;
    assert_eq!(status, 201, "{file}");
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_is_a_link_to_who_may_read_it_where_the_settings_say_so() {
    let config = StorageConfig {
        ca_file: Some(given("BELLWIRE_TEST_S3_CA").into()),
        signed_links: std::time::Duration::from_secs(300),
        ..bucket(&given("BELLWIRE_TEST_S3_TLS_URL"))
    };
    let cluster = cluster(&config).await;
    let pod = cluster.pod().await;
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let file = put(&pod, &ada, "content").await;
    let href = file["href"].as_str().unwrap();
    let told = get(&browser(false), &pod, href, &ada).await;
    assert_eq!(
        (told.status().as_u16(), &told.headers()["cache-control"]),
        (307, &"private, no-store".parse().unwrap())
    );
    let link = told.headers()["location"].to_str().unwrap();
    assert!(link.starts_with(&given("BELLWIRE_TEST_S3_TLS_URL")) && !link.contains(&ada), "{link}");
    // The page may ask there.
    let page = pod.request("GET", "/", "").send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("connect-src 'self' {}", given("BELLWIRE_TEST_S3_TLS_URL"))), "{policy}");
    // It goes there without the token, with which the bucket would take neither.
    let followed = get(&browser(true), &pod, href, &ada).await;
    assert_eq!(followed.headers()["content-disposition"], "attachment; filename*=UTF-8''a%20b%2Ecsv");
    assert_eq!(followed.text().await.unwrap(), "content");
    // A link is for one method.
    let head = browser(false).head(format!("{}{href}", pod.url)).bearer_auth(&ada).send().await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()["content-length"]), (200, &"7".parse().unwrap()));
    assert_eq!(get(&browser(false), &pod, href, &bob).await.status(), 404);
    assert_eq!(get(&browser(false), &pod, href, "nobody").await.status(), 401);
    let key = file["key"].as_str().unwrap().parse().unwrap();
    let files = cluster.storage.files(&"prod".parse().unwrap(), "ada");
    let shared = files.share(&key, "user:bob".parse().unwrap()).await.unwrap();
    assert_eq!(get(&browser(true), &pod, &shared, &bob).await.text().await.unwrap(), "content");
    assert_eq!(get(&browser(false), &pod, &shared, &cluster.token("eve", "prod")).await.status(), 404);
    files.delete(&key).await.unwrap();
    assert_eq!(get(&browser(false), &pod, href, &ada).await.status(), 404);
    assert_eq!(get(&browser(false), &pod, &shared, &bob).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_away_is_told_by_503_and_by_readyz_and_events_go_on() {
    let server = given("BELLWIRE_TEST_S3_URL");
    let network = NetworkProxy::to(server.strip_prefix("http://").unwrap().to_owned(), true).await;
    let cluster = cluster(&bucket(&format!("http://{}", network.address))).await;
    network.cut();
    // It starts all the same.
    let pod = cluster.pod().await;
    let ada = cluster.token("ada", "prod");
    until("it is told", async || pod.readiness.describe().contains("storage: degraded: ").then_some(())).await;
    assert!(pod.readiness.is_ready());
    let (status, problem) = answer(pod.request("PUT", "/api/files/a.csv", &ada).body("content")).await;
    assert_eq!((status, &problem["type"]), (503, &json!("urn:bellwire:problem:unavailable")), "{problem}");
    let mut events = pod.browser(&cluster, "ada", "prod").await;
    pod.publish(&cluster.token("app", "prod"), &event("meanwhile", "user:ada")).await;
    assert_eq!(events.next().await.data["id"], "meanwhile");
    network.restore();
    until("it is there again", async || (!pod.readiness.describe().contains("storage")).then_some(())).await;
    let file = put(&pod, &ada, "content").await;
    let answer = get(&browser(false), &pod, file["href"].as_str().unwrap(), &ada).await;
    assert_eq!(answer.status(), 200);
    let page = pod.request("GET", "/", "").send().await.unwrap();
    assert!(!page.headers()["content-security-policy"].to_str().unwrap().contains("connect-src"));
    let content: Vec<u8> = answer.bytes_stream().map_ok(|piece| piece.to_vec()).try_concat().await.unwrap();
    assert_eq!(content, b"content");
}
