//! Events as other people's programs send them: what the SDKs of CloudEvents write, and data that are none of our business.

use gateway::GatewayConfig;
use jiff::Timestamp;
use reqwest::RequestBuilder;
use scenarios::{
    Cluster, EventStream, Pod, TIMEOUT,
    cluster::{answer, event},
    hub::{Hub, Transport},
    over_both_backplanes,
};
use serde_json::{Value, json};
use signalr::Encoding;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

over_both_backplanes! {
    data_reach_a_browser_as_they_were_written,
    data_beyond_every_number_reach_a_client_of_messagepack,
    the_content_type_says_the_mode_whatever_headers_stand_beside_it,
    a_header_is_decoded_strictly_and_each_attribute_stands_once,
    binary_data_are_what_their_content_type_says,
    a_wrong_batch_is_refused_as_a_whole_with_what_is_wrong_in_each_event,
    the_end_of_the_year_9999_is_never_and_no_fault,
    a_publishers_type_is_never_taken_for_one_of_the_streams_own,
    a_name_that_is_nearly_ours_is_taken_with_a_warning,
    what_the_sdks_for_go_java_and_csharp_send_is_understood,
}

const STRUCTURED: &str = "application/cloudevents+json";

fn post(pod: &Pod, token: &str, content_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    pod.request("POST", "/api/events", token).header("content-type", content_type).body(body)
}

/// A request in binary mode.
fn binary(pod: &Pod, token: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let request = pod.request("POST", "/api/events", token).body(body);
    let request = request.header("ce-specversion", "1.0").header("ce-id", "1").header("ce-source", "/b");
    request.header("ce-type", "t").header("ce-audience", "user:ada")
}

async fn accepted(request: RequestBuilder) {
    let (status, answer) = answer(request).await;
    assert_eq!((status, &answer), (202, &json!({ "accepted": 1 })));
}

async fn refused(request: RequestBuilder, status: u16, names: &str) {
    let (got, problem) = answer(request).await;
    assert_eq!(got, status, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(names)), "{names:?} in {problem}");
}

const DATA: &str = r#"{"big":12345678901234567890123,"id":9007199254740993,"beyond":1e400,"price":1.10,"tiny":-0,"z":"\u00e9\/","a":null}"#;

async fn data_reach_a_browser_as_they_were_written(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("app", "prod");
    let start = pod.browser(&cluster, "ada", "prod").await.cursor;
    let whole = |data: &str| {
        format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","audience":"user:ada","data":{data}}}"#)
    };
    let spread = DATA.replace(',', " ,\r\n\t");
    accepted(post(&pod, &token, STRUCTURED, whole(&spread))).await;
    accepted(binary(&pod, &token, spread).header("content-type", "application/json")).await;
    for after in [Some(&start), None] {
        let token = cluster.token("ada", "prod");
        let mut listening = EventStream::ask(&pod.url, &token, after.map(String::as_str)).await;
        if after.is_none() {
            let body = format!("[{}]", whole(DATA).replace(r#""id":"1""#, r#""id":"2""#));
            accepted(post(&pod, &cluster.token("app", "prod"), "application/cloudevents-batch+json", body)).await;
        }
        let mut text = String::new();
        let wanted = if after.is_some() { 2 } else { 1 };
        while text.matches(&format!(r#""data":{DATA}"#)).count() < wanted {
            let more = timeout(TIMEOUT, listening.chunk()).await.unwrap_or_else(|_| panic!("only {text}"));
            text.push_str(std::str::from_utf8(&more.unwrap().expect("it goes on")).unwrap());
        }
    }
}

async fn data_beyond_every_number_reach_a_client_of_messagepack(cluster: Cluster) {
    let pod = cluster.pod().await;
    let door = (Transport::WebSockets, Encoding::MessagePack);
    let mut hub = Hub::connect(&pod.url, &cluster.token("ada", "prod"), door, "").await;
    let body =
        format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","audience":"user:ada","data":{DATA}}}"#);
    accepted(post(&pod, &cluster.token("app", "prod"), STRUCTURED, body)).await;
    let data = &hub.next_event().await["data"];
    assert_eq!(data["id"], json!(9_007_199_254_740_993_u64), "whole numbers of 64 bits are exact");
    assert_eq!(data["big"], json!(12_345_678_901_234_567_890_123_f64), "the nearest that there is");
    assert_eq!(data["beyond"], Value::Null, "infinity, which this reader has no value for");
    assert_eq!(data["price"], json!(1.1));
}

async fn the_content_type_says_the_mode_whatever_headers_stand_beside_it(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let whole = event("whole", "user:ada").to_string();
    for content_type in ["application/cloudevents+json; charset=utf-8", "Application/CloudEvents+JSON"] {
        accepted(binary(&pod, &token, whole.clone()).header("content-type", content_type)).await;
    }
    let got = browser.next().await.data;
    assert_eq!((&got["id"], &got["data"]), (&json!("whole"), &json!({ "said": "whole" })), "what the body says");
    let batch = binary(&pod, &token, format!("[{}]", event("in a batch", "user:ada")));
    accepted(batch.header("content-type", "application/cloudevents-batch+json; charset=UTF-8")).await;
    assert_eq!(browser.next_ids(1).await, ["in a batch"]);
    accepted(binary(&pod, &token, "1").header("content-type", "application/json")).await;
    assert_eq!(browser.next().await.data["data"], 1);
    for other in ["application/cloudevents+avro", "application/cloudevents", "application/cloudevents-batch+protobuf"] {
        refused(binary(&pod, &token, whole.clone()).header("content-type", other), 415, other).await;
    }
    refused(post(&pod, &token, "application/cloudevents+json; charset=utf-16", whole), 415, "charset").await;
    let unversioned = pod.request("POST", "/api/events", &token).header("content-type", "application/json").body("{}");
    refused(unversioned.header("ce-id", "1"), 400, "specversion").await;
}

async fn a_header_is_decoded_strictly_and_each_attribute_stands_once(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    for (value, subject) in [
        (&b"Euro%20%E2%82%AC%20%F0%9F%98%80"[..], "Euro \u{20ac} \u{1f600}"),
        (b"\"in \\\"quotes\\\"\"", "in \"quotes\""),
        (b"100%", "100%"),
        ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
    ] {
        let request =
            binary(&pod, &token, "").header("ce-subject", value).header("ce-source", subject.len().to_string());
        refused(request.try_clone().unwrap(), 400, "more than once").await;
        let request =
            pod.request("POST", "/api/events", &token).header("ce-specversion", "1.0").header("ce-id", subject.len());
        let request = request.header("ce-source", "/b").header("ce-type", "t").header("ce-audience", "user:ada");
        accepted(request.header("ce-subject", value)).await;
        assert_eq!(browser.next().await.data["subject"], subject);
    }
    for wrong in [&b"%C0%A0"[..], b"%E9", b"caf\xe9", b"%ED%A0%80"] {
        refused(binary(&pod, &token, "").header("ce-subject", wrong), 400, "ce-subject").await;
    }
    for (name, names) in [("ce-my-own", "my-own"), ("ce-data", "data"), ("ce-", "no attribute name"), ("ce-a_b", "a_b")]
    {
        refused(binary(&pod, &token, "").header(name, "x"), 400, names).await;
    }
}

async fn binary_data_are_what_their_content_type_says(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let typed = |id: &str, content_type: Option<&str>, body: Vec<u8>| {
        let request = pod.request("POST", "/api/events", &token).body(body);
        let request = request.header("ce-specversion", "1.0").header("ce-id", id).header("ce-source", "/b");
        let request = request.header("ce-type", "t").header("ce-audience", "user:ada");
        content_type.into_iter().fold(request, |request, content_type| request.header("content-type", content_type))
    };
    for (id, content_type, body, name, value) in [
        ("untyped", None, &b"{\"n\":1}"[..], "data", json!({ "n": 1 })),
        ("json", Some("application/vnd.shop+json"), b"[1]", "data", json!([1])),
        ("text", Some("text/plain; charset=utf-8"), "h\u{e9}".as_bytes(), "data", json!("h\u{e9}")),
        ("bytes", Some("application/octet-stream"), b"\xff\x00", "data_base64", json!("/wA=")),
        ("nothing", None, b"", "data", Value::Null),
    ] {
        accepted(typed(id, content_type, body.to_vec())).await;
        let got = browser.next().await.data;
        assert_eq!((&got["id"], &got[name]), (&json!(id), &value));
        assert_eq!(got["datacontenttype"].as_str(), content_type);
    }
    refused(typed("no json", None, b"hello".to_vec()), 400, "no content-type").await;
    refused(typed("no json", Some("application/json"), b"{".to_vec()), 400, "data").await;
}

async fn a_wrong_batch_is_refused_as_a_whole_with_what_is_wrong_in_each_event(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let batch = |events: Value| post(&pod, &token, "application/cloudevents-batch+json", events.to_string());
    let mut untyped = event("3", "user:ada");
    untyped["type"] = json!("");
    let wrong = batch(json!([event("0", "user:ada"), event("1", "nobody"), event("2", "user:ada"), untyped]));
    let (status, problem) = answer(wrong).await;
    assert_eq!(status, 400, "{problem}");
    let faults: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|fault| &fault["event"]).collect();
    assert_eq!(faults, [1, 3], "{problem}");
    assert!(problem["errors"][1]["detail"].as_str().unwrap().starts_with("type: "), "{problem}");
    let mut reserved = event("x", "user:ada");
    reserved["type"] = json!("bellwire.new");
    refused(batch(json!([event("0", "user:ada"), reserved])), 403, "event 1: type").await;
    let (status, none) = answer(batch(json!([]))).await;
    assert_eq!((status, none), (202, json!({ "accepted": 0 })));
    let full: Vec<_> = (0..100).map(|n| event(&n.to_string(), "user:ada")).collect();
    let (status, all) = answer(batch(json!(full))).await;
    assert_eq!((status, all), (202, json!({ "accepted": 100 })));
    let ids: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(browser.next_ids(100).await, ids, "nothing of the refused ones");
}

async fn the_end_of_the_year_9999_is_never_and_no_fault(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    for (id, time, expiry) in [
        ("max value", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999+00:00"),
        ("digits", "2026-11-28T21:00:00.123456789012345678+01:00", "9999-12-31T23:59:59.000000000000Z"),
        ("far west", "0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    ] {
        let mut lasting = event(id, "user:ada");
        (lasting["time"], lasting["expirytime"]) = (json!(time), json!(expiry));
        pod.publish(&token, &lasting).await;
        let got = browser.next().await.data;
        assert_eq!(got["id"], id);
        let expires: Timestamp = got["expirytime"].as_str().unwrap().parse().unwrap();
        assert!(expires > "9999-12-30T00:00:00Z".parse().unwrap(), "{got}");
    }
}

async fn a_publishers_type_is_never_taken_for_one_of_the_streams_own(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let door = (Transport::WebSockets, Encoding::Json);
    let mut hub = Hub::connect(&pod.url, &cluster.token("ada", "prod"), door, "").await;
    let token = cluster.token("app", "prod");
    for name in ["gap", "cursor", "open", "error", "message", "order.shipped"] {
        let mut named = event(name, "user:ada");
        named["type"] = json!(name);
        pod.publish(&token, &named).await;
        let frame = browser.next().await;
        let wanted = if name.contains('.') { name.to_owned() } else { format!("event.{name}") };
        assert_eq!((frame.event.as_str(), &frame.data["type"]), (wanted.as_str(), &json!(name)));
        let (target, argument) = hub.next_call().await;
        assert_eq!((target.as_str(), &argument["type"]), ("event", &json!(name)));
    }
}

async fn a_name_that_is_nearly_ours_is_taken_with_a_warning(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let mut misspelt = event("1", "user:ada");
    (misspelt["data"], misspelt["audiance"]) = (json!({ "tost": {} }), json!("user:bob"));
    let warnings =
        ["audiance has no effect here: is audience meant?", "data.tost has no effect here: is data.toast meant?"];
    let (status, answered) = pod.try_publish("/api/events", &token, &misspelt).await;
    assert_eq!((status, answered), (202, json!({ "accepted": 1, "warnings": warnings })));
    misspelt["id"] = json!("2");
    let batch = json!([event("0", "user:ada"), misspelt]).to_string();
    let (status, answered) = answer(post(&pod, &token, "application/cloudevents-batch+json", batch)).await;
    assert_eq!((status, &answered["warnings"][1]), (202, &json!(format!("event 1: {}", warnings[1]))));
    assert_eq!(browser.next_ids(3).await, ["1", "0", "2"]);
}

/// Requests as they stand on the wire; where each is from stands in `publishers/captures/README.md`.
const CAPTURES: [(&str, &[u8], &str); 9] = [
    ("go-binary", include_bytes!("../../publishers/captures/go-binary.http"), r#"{"n":9007199254740993}"#),
    ("go-structured", include_bytes!("../../publishers/captures/go-structured.http"), r#"{"n":9007199254740993}"#),
    ("go-batch", include_bytes!("../../publishers/captures/go-batch.http"), r#"{"n":9007199254740993}"#),
    ("java-binary", include_bytes!("../../publishers/captures/java-binary.http"), r#"{"n":9007199254740993}"#),
    ("java-url-binary", include_bytes!("../../publishers/captures/java-url-binary.http"), r#"{"n":9007199254740993}"#),
    ("java-structured", include_bytes!("../../publishers/captures/java-structured.http"), r#"{"n":9007199254740993}"#),
    ("csharp-binary", include_bytes!("../../publishers/captures/csharp-binary.http"), r#"{"n":9007199254740993}"#),
    (
        "csharp-structured",
        include_bytes!("../../publishers/captures/csharp-structured.http"),
        r#"{"n":9007199254740993}"#,
    ),
    ("csharp-batch", include_bytes!("../../publishers/captures/csharp-batch.http"), r#"{"n":9007199254740993}"#),
];

async fn what_the_sdks_for_go_java_and_csharp_send_is_understood(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig::default()).await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    for (name, capture, data) in CAPTURES {
        let answer = replay(&pod, &token, capture).await;
        assert!(answer.starts_with("HTTP/1.1 202 ") && answer.ends_with(r#"{"accepted":1}"#), "{name}: {answer}");
        let got = browser.next().await.data;
        assert_eq!(got["source"], format!("/sdk/{name}"));
        assert_eq!(
            (&got["type"], &got["subject"]),
            (&json!("com.example.said"), &json!("caf\u{e9} \u{20ac} 100%")),
            "{name}"
        );
        assert_eq!(
            (&got["data"], &got["datacontenttype"]),
            (&serde_json::from_str(data).unwrap(), &json!("application/json"))
        );
        assert!(got["time"].as_str().is_some_and(|time| time.starts_with("2026-11-28T20:00:00.123")), "{name}: {got}");
    }
}

/// Sends a request as it was captured, with where it goes, who sends it and how long it is.
async fn replay(pod: &Pod, token: &str, capture: &[u8]) -> String {
    let address = pod.url.strip_prefix("http://").unwrap();
    let end = capture.windows(2).position(|two| two == b"\n\n").expect("an empty line ends the head");
    let (head, body) = (std::str::from_utf8(&capture[..end]).unwrap(), &capture[end + 2..]);
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let head = head.replace('\n', "\r\n");
    let more = format!(
        "Host: {address}\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\nConnection: close",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\n{more}\r\n\r\n").as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = String::new();
    timeout(TIMEOUT, stream.read_to_string(&mut answer)).await.expect("an answer comes").unwrap();
    answer
}
