//! Bad input gets an answer that names what is wrong, and nothing is lost.

use jiff::Timestamp;
use reqwest::RequestBuilder;
use scenarios::{
    Cluster, Pod,
    cluster::{answer, event},
    over_both_backplanes,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

over_both_backplanes! {
    who_has_no_valid_token_is_told_why,
    who_lacks_a_scope_is_told_which,
    an_event_that_is_none_is_refused_and_the_field_is_named,
    a_batch_is_taken_whole_or_the_wrong_event_is_named,
    binary_mode_reads_attributes_from_headers,
    a_task_that_is_none_is_refused_and_the_field_is_named,
    a_file_key_that_leaves_its_folder_is_refused,
    an_address_or_method_that_is_none_is_answered_as_a_problem,
    after_all_that_a_good_event_still_arrives,
}

async fn refused(request: RequestBuilder, status: u16, word: &str, names: &str) {
    let (got, problem) = answer(request).await;
    assert_eq!(got, status, "{problem}");
    assert_eq!(problem["type"], format!("urn:bellwire:problem:{word}"), "{problem}");
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(names)), "{names:?} in {problem}");
}

async fn who_has_no_valid_token_is_told_why(cluster: Cluster) {
    let pod = cluster.pod().await;
    let expired = cluster.token_with("prod", |claims| claims.exp = Timestamp::now().as_second() - 1);
    let good = cluster.token("ada", "prod");
    let body = good.split('.').nth(1).unwrap();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let tampered = format!("{signed}.{other}{}", &signature[1..]);
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.");
    for path in ["/events", "/api/tasks", "/api/files/01JD/x"] {
        refused(reqwest::Client::new().get(format!("{}{path}", pod.url)), 401, "token-missing", "access_token").await;
        for (token, word) in [
            (expired.as_str(), "token-expired"),
            (&tampered, "token-foreign"),
            (&unsigned, "token-malformed"),
            ("nonsense", "token-malformed"),
            (&cluster.token_with("qa", |claims| claims.env = "prod".into()), "token-foreign"),
            (&cluster.token_with("prod", |claims| claims.env = "nowhere".into()), "token-foreign"),
            (&cluster.token_with("prod", |claims| claims.env = "No Name".into()), "token-foreign"),
            (&cluster.token_with("prod", |claims| claims.sub = "ada environment".into()), "token-malformed"),
        ] {
            refused(pod.request("GET", path, token), 401, word, "token").await;
        }
    }
    let in_query = reqwest::Client::new().get(format!("{}/api/tasks?access_token={good}", pod.url));
    assert_eq!(answer(in_query).await.0, 200, "browsers cannot set headers everywhere");
}

async fn who_lacks_a_scope_is_told_which(cluster: Cluster) {
    let pod = cluster.pod().await;
    let none = cluster.token_with("prod", |claims| claims.scope.clear());
    let publish = pod.request("POST", "/api/events", &none).body(event("x", "environment").to_string());
    refused(publish, 403, "scope-missing", "publish").await;
    let start = pod.request("POST", "/api/tasks", &none).body(json!({"kind":"imports"}).to_string());
    refused(start, 403, "scope-missing", "tasks").await;
    refused(pod.request("PUT", "/api/files/x.csv", &none).body("x"), 403, "scope-missing", "tasks").await;
}

async fn an_event_that_is_none_is_refused_and_the_field_is_named(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("app", "prod");
    let post = |body: String| {
        pod.request("POST", "/api/events", &token).header("content-type", "application/cloudevents+json").body(body)
    };
    refused(post("{".into()), 400, "invalid-event", "JSON").await;
    refused(post("[]".into()), 400, "invalid-event", "CloudEvent").await;
    let with = |name: &str, value: Value| {
        let mut body = event("x", "user:ada");
        body[name] = value;
        body.to_string()
    };
    for (name, value, names) in [
        ("specversion", json!("0.3"), "specversion"),
        ("id", json!(""), "id"),
        ("type", json!("a\nid: 7"), "type"),
        ("type", json!("bellwire.pulse"), "type"),
        ("audience", json!("ada"), "audience"),
        ("audience", json!(""), "audience"),
        ("audience", json!("everywhere"), "audience"),
        ("expirytime", json!("soon"), "time"),
        ("data", json!({"toast": {"level": "loud", "title": "x"}}), "data.toast"),
        ("data", json!({"toast": {"level": "info", "title": ""}}), "data.toast.title"),
        (
            "data",
            json!({"toast": {"level": "info", "title": "x", "action": {"label": "y", "href": "javascript:alert(1)"}}}),
            "data.toast.action.href",
        ),
        ("Upper", json!("x"), "Upper"),
    ] {
        refused(post(with(name, value)), 400, "invalid-event", names).await;
    }
    let room = 65_536 - with("data", json!("")).len();
    assert_eq!(answer(post(with("data", json!("x".repeat(room - 200))))).await.0, 202);
    refused(post(with("data", json!("x".repeat(room + 1024)))), 413, "event-too-large", "65536").await;
    refused(post("x".repeat(2 << 20)), 413, "request-too-large", "1048576").await;
    let untyped = pod.request("POST", "/api/events", &token).header("content-type", "text/plain").body("hello");
    refused(untyped, 415, "content-type", "application/cloudevents+json").await;
    let wrong = pod.request("POST", "/api/events?to=test", &token).body(event("x", "environment").to_string());
    refused(wrong, 400, "invalid-parameter", "everywhere").await;
    let misspelt =
        pod.request("POST", "/api/events?too=everywhere", &token).body(event("x", "environment").to_string());
    refused(misspelt, 400, "invalid-parameter", "too").await;
}

async fn a_batch_is_taken_whole_or_the_wrong_event_is_named(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let post = |events: Value| {
        let request = pod.request("POST", "/api/events", &token);
        request.header("content-type", "application/cloudevents-batch+json").body(events.to_string())
    };
    let wrong = json!([event("1", "user:ada"), event("2", "nobody")]);
    refused(post(wrong), 400, "invalid-event", "event 1").await;
    refused(post(json!(vec![event("x", "user:ada"); 101])), 400, "batch-too-large", "101").await;
    let (status, accepted) = answer(post(json!([event("3", "user:ada"), event("4", "user:ada")]))).await;
    assert_eq!((status, accepted), (202, json!({ "accepted": 2 })));
    assert_eq!(browser.next_ids(2).await, ["3", "4"]);
}

async fn binary_mode_reads_attributes_from_headers(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let post = |content_type: &str, body: &'static str| {
        let request = pod.request("POST", "/api/events", &token).header("content-type", content_type).body(body);
        let request = request.header("ce-specversion", "1.0").header("ce-id", "b%201").header("ce-source", "/b");
        request.header("ce-type", "t").header("ce-audience", "user:ada")
    };
    refused(post("application/json", "{"), 400, "invalid-event", "data").await;
    assert_eq!(answer(post("application/json", r#"{"n":1}"#)).await.0, 202);
    let got = browser.next().await.data;
    assert_eq!((got["id"].as_str(), &got["data"]), (Some("b 1"), &json!({ "n": 1 })));
}

async fn a_task_that_is_none_is_refused_and_the_field_is_named(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let post = |body: &str| pod.request("POST", "/api/tasks", &token).body(body.to_owned());
    refused(post("{"), 400, "invalid-task", "task").await;
    refused(post(r#"{"input":{}}"#), 400, "invalid-task", "kind").await;
    refused(post(r#"{"kind":"No Kind"}"#), 400, "invalid-task", "No Kind").await;
    refused(post(r#"{"kind":"imports","inputs":{}}"#), 400, "invalid-task", "inputs").await;
    refused(post(r#"{"kind":"imports","title":"a\nb"}"#), 400, "invalid-task", "title").await;
    refused(post(r#"{"kind":"nobody-does-this"}"#), 422, "unknown-kind", "nobody-does-this").await;
    let large = json!({ "kind": "imports", "input": "x".repeat(5 << 20) }).to_string();
    refused(post(&large), 413, "request-too-large", "4194304").await;
    refused(post(r#"{"kind":"x"}"#).header("idempotency-key", ""), 400, "invalid-idempotency-key", "Idempotency-Key")
        .await;
    for id in ["x", "01JD00000000000000000000ZZ", "%00", "..%2F.."] {
        refused(pod.request("GET", &format!("/api/tasks/{id}"), &token), 404, "not-found", "task").await;
    }
}

async fn a_file_key_that_leaves_its_folder_is_refused(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let long = "x".repeat(201);
    for name in ["..", "%2e%2e", "a%2Fb", "a%00b", "%2Fetc%2Fpasswd", "a%5Cb", "%0A", &long] {
        assert_eq!(bare_status(&pod, "PUT", &format!("/api/files/{name}"), &token).await, 400, "{name}");
    }
    for key in [
        "x",
        "..%2F..%2Fetc%2Fpasswd",
        "../../etc/passwd",
        "01JD%2F..",
        "01JD/..",
        "%2Fetc%2Fpasswd",
        "01JD/a%00b",
        "a/b/c",
    ] {
        assert_eq!(bare_status(&pod, "GET", &format!("/api/files/{key}"), &token).await, 400, "{key}");
    }
    refused(pod.request("PUT", "/api/files/a%2Fb", &token), 400, "invalid-file-key", "file name").await;
    let (status, file) = answer(pod.request("PUT", "/api/files/mine.txt", &token).body("mine")).await;
    assert_eq!(status, 201, "{file}");
    let href = file["href"].as_str().unwrap();
    for (user, environment, status) in [("ada", "prod", 200), ("bob", "prod", 404), ("ada", "test", 404)] {
        let (got, text) = answer(pod.request("GET", href, &cluster.token(user, environment))).await;
        assert_eq!(got, status, "{user} of {environment}: {text}");
    }
}

/// The status of a request whose path is sent as it is: HTTP clients resolve `..` themselves, a hostile one does not.
async fn bare_status(pod: &Pod, method: &str, path: &str, token: &str) -> u16 {
    let address = pod.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 1\r\n\r\nx");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    std::str::from_utf8(&answer[9..]).unwrap().parse().unwrap()
}

async fn an_address_or_method_that_is_none_is_answered_as_a_problem(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    refused(pod.request("GET", "/nothing", &token), 404, "not-found", "/nothing").await;
    refused(pod.request("GET", "/client/..%2FCargo.toml", &token), 404, "not-found", "page").await;
    refused(pod.request("PATCH", "/api/tasks", &token), 405, "method-not-allowed", "PATCH").await;
    for parameters in ["", "?user=ada&env=prod"] {
        let path = format!("/dev/token{parameters}");
        refused(pod.request("GET", &path, &token), 404, "not-found", "bellwire dev").await;
    }
    let (status, document) = answer(pod.request("GET", "/api/openapi.json", &token)).await;
    assert_eq!(status, 200);
    for path in ["/events", "/api/events", "/api/tasks", "/api/tasks/{id}", "/api/files/{name}"] {
        assert!(document["paths"][path].is_object(), "{path} in {document}");
    }
}

async fn after_all_that_a_good_event_still_arrives(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    for _ in 0..20 {
        pod.try_publish("/api/events", &token, &json!({ "specversion": "1.0" })).await;
    }
    let mut markup = event("markup", "user:ada");
    markup["data"] = json!({ "toast": { "level": "info", "title": "<img src=x onerror=alert(1)>" } });
    pod.publish(&token, &markup).await;
    let toast = &browser.next().await.data["data"]["toast"];
    assert_eq!(toast["title"], "<img src=x onerror=alert(1)>", "text is text");
}
