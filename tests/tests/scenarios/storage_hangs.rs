//! A storage that takes every request and answers none: whoever needs it is told so in time, and all others go on.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use model::{Kind, Toast, toast::Level};
use runtime::{Completion, Context, Failure, Function};
use scenarios::{
    Cluster, HangingStore, Pod,
    cluster::{answer, event},
    over_both_backplanes, until,
};
use serde_json::{Value, json};
use storage::Storage;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

over_both_backplanes! {
    files_are_answered_503_in_time_and_events_go_on,
    a_job_whose_result_cannot_be_stored_waits_and_the_next_one_does_not,
}

const WITHIN: Duration = Duration::from_millis(300);
/// What is far longer than any deadline here, and far shorter than for ever.
const LONG: Duration = Duration::from_secs(20);

/// A cluster whose storage hangs when it is told to.
fn hanging(cluster: &mut Cluster) -> watch::Sender<bool> {
    let (store, hangs) = HangingStore::new();
    cluster.storage = Storage::on(Arc::new(store)).answering_within(WITHIN);
    hangs
}

async fn asked(pod: &Pod, method: &str, path: &str, token: &str, bytes: usize) -> (u16, Value) {
    let request = pod.request(method, path, token).body(vec![b'x'; bytes]);
    timeout(LONG, answer(request)).await.unwrap_or_else(|_| panic!("{method} {path} hangs"))
}

async fn files_are_answered_503_in_time_and_events_go_on(mut cluster: Cluster) {
    let hangs = hanging(&mut cluster);
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let (status, file) = asked(&pod, "PUT", "/api/files/a.csv", &token, 10).await;
    assert_eq!(status, 201, "{file}");
    let (href, key) = (file["href"].as_str().unwrap(), file["key"].as_str().unwrap());
    let files = cluster.storage.files(&"prod".parse().unwrap(), "ada");
    let shared = files.share(&key.parse().unwrap(), "user:ada".parse().unwrap()).await.unwrap();
    assert_eq!(asked(&pod, "GET", &shared, &token, 0).await.0, 200);
    hangs.send_replace(true);
    let begun = Instant::now();
    for (method, path, bytes) in [
        ("PUT", "/api/files/small.csv", 10),
        // In parts.
        ("PUT", "/api/files/large.csv", 5 << 20),
        ("GET", href, 0),
        ("DELETE", href, 0),
        ("GET", shared.as_str(), 0),
    ] {
        let (status, problem) = asked(&pod, method, path, &token, bytes).await;
        assert_eq!((status, &problem["type"]), (503, &json!("urn:bellwire:problem:unavailable")), "{method} {path}");
        assert_eq!(problem["detail"], "the file storage cannot be reached now", "{method} {path}");
    }
    // Of one person's at once, none waits for another.
    let at_once = (0..8).map(|_| asked(&pod, "PUT", "/api/files/a.csv", &token, 10));
    let all = futures_util::future::join_all(at_once).await;
    assert!(all.iter().all(|(status, _)| *status == 503), "{all:?}");
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    // What needs no files goes on.
    pod.publish(&cluster.token("app", "prod"), &event("meanwhile", "user:ada")).await;
    assert_eq!(browser.next().await.data["id"], "meanwhile");
    assert_eq!(asked(&pod, "GET", "/api/tasks", &token, 0).await.0, 200);
    hangs.send_replace(false);
    assert_eq!(asked(&pod, "GET", href, &token, 0).await.0, 200);
    assert_eq!(asked(&pod, "GET", &shared, &token, 0).await.0, 200);
    let (status, large) = asked(&pod, "PUT", "/api/files/large.csv", &token, 5 << 20).await;
    assert_eq!((status, &large["bytes"]), (201, &json!(5 << 20)), "{large}");
}

/// Says something, and has as many bytes of result as it is asked for.
#[derive(Clone)]
struct Results;

#[async_trait]
impl Function for Results {
    type Input = Value;
    type Output = Value;

    fn kind(&self) -> Kind {
        "told".parse().unwrap()
    }

    async fn run(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        context.log(Level::Info, "It is said.");
        let bytes = usize::try_from(input["bytes"].as_u64().unwrap()).unwrap();
        let output = json!({ "text": "x".repeat(bytes), "at": Timestamp::now() });
        Ok(Completion { output, toast: Toast::new(Level::Success, "Done") })
    }
}

async fn a_job_whose_result_cannot_be_stored_waits_and_the_next_one_does_not(mut cluster: Cluster) {
    let hangs = hanging(&mut cluster);
    let pod = cluster.pod().await;
    let _worker = cluster.worker("prod", Results).await;
    let token = cluster.token("ada", "prod");
    let start = async |bytes: usize| {
        let body = json!({ "kind": "told", "input": { "bytes": bytes } }).to_string();
        let (status, task) = answer(pod.request("POST", "/api/tasks", &token).body(body)).await;
        (status == 202).then(|| task["id"].as_str().unwrap().to_owned())
    };
    let state = async |task: &str| {
        let (_, task) = answer(pod.request("GET", &format!("/api/tasks/{task}"), &token)).await;
        task["state"].as_str().map(str::to_owned)
    };
    // Its kind is known, and its worker is there.
    let first = until("there is a worker", async || start(1).await).await;
    until("the first has ended", async || (state(&first).await? == "succeeded").then_some(())).await;
    hangs.send_replace(true);
    let large = start(1 << 20).await.unwrap();
    let small = start(1).await.unwrap();
    until("the small one has ended", async || (state(&small).await? == "succeeded").then_some(())).await;
    assert_ne!(state(&large).await.as_deref(), Some("succeeded"), "its result is nowhere yet");
    hangs.send_replace(false);
    until("the large one has ended", async || (state(&large).await? == "succeeded").then_some(())).await;
}
