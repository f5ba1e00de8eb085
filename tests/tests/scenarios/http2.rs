//! HTTP/2 on the same port, by prior knowledge: one connection for all tabs, and each stream of it as a connection of its
//! own.

use std::time::Duration;

use gateway::GatewayConfig;
use scenarios::{
    Cluster, EventStream, Http2, TIMEOUT,
    cluster::{answer, event},
    http_client, over_both_backplanes, until,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

over_both_backplanes! {
    tabs_share_one_connection_and_each_hears_what_is_for_it,
    a_stream_comes_back_to_any_pod_over_any_version,
    a_stream_that_is_not_read_is_ended_and_harms_no_other_of_its_connection,
    each_stream_counts_as_a_connection_of_its_user,
    an_answer_has_the_same_head_but_for_what_is_of_a_connection,
    a_head_that_is_too_large_is_a_problem_and_its_connection_goes_on,
    files_and_tasks_go_over_it_as_ever,
    the_hub_streams_and_is_polled_over_it,
    a_stopping_pod_says_goodbye_and_sends_its_streams_away,
    a_connection_that_asks_nothing_is_closed_as_the_setting_says,
    a_trusted_proxy_says_who_its_client_is_before_it,
    what_only_begins_like_it_is_served_as_before,
}

/// The status and JSON of an answer.
async fn ask(http2: &Http2, request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = http2.send(request).await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn tabs_share_one_connection_and_each_hears_what_is_for_it(cluster: Cluster) {
    let pod = cluster.pod().await;
    let http2 = Http2::connect(&pod.url).await;
    let (ada, bob, app) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"), cluster.token("app", "prod"));
    let mut tabs = Vec::new();
    for _ in 0..40 {
        tabs.push(http2.events(&pod.url, &ada, None).await);
    }
    let mut bobs = http2.events(&pod.url, &bob, None).await;
    let mut over_http1 = EventStream::connect(&pod.url, &ada, None).await;
    for id in 0..20 {
        let publish = pod.request("POST", "/api/events", &app).header("content-type", "application/cloudevents+json");
        let (status, answer) = ask(&http2, publish.body(event(&id.to_string(), "user:ada").to_string())).await;
        assert_eq!(status, 202, "{answer}");
    }
    pod.publish(&app, &event("large", "user:ada user:bob").tap("x".repeat(60_000))).await;
    let expected: Vec<_> = (0..20).map(|id| id.to_string()).chain(["large".to_owned()]).collect();
    for tab in tabs.iter_mut().chain([&mut over_http1]) {
        assert_eq!(tab.next_ids(21).await, expected);
    }
    assert_eq!(bobs.next_ids(1).await, ["large"], "what is for ada alone never reaches bob");
}

/// An event with other data.
trait Tap {
    fn tap(self, data: String) -> Self;
}

impl Tap for Value {
    fn tap(mut self, data: String) -> Self {
        self["data"] = json!(data);
        self
    }
}

async fn a_stream_comes_back_to_any_pod_over_any_version(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let mut tab = Http2::connect(&one.url).await.events(&one.url, &ada, None).await;
    one.publish(&app, &event("1", "user:ada")).await;
    assert_eq!(tab.next_ids(1).await, ["1"]);
    let cursor = tab.cursor.clone();
    drop(tab);
    for id in ["2", "3"] {
        two.publish(&app, &event(id, "user:ada")).await;
    }
    let mut back = Http2::connect(&two.url).await.events(&two.url, &ada, Some(&cursor)).await;
    assert_eq!(back.next_ids(1).await, ["2"]);
    let cursor = back.cursor.clone();
    let mut again = EventStream::connect(&one.url, &ada, Some(&cursor)).await;
    assert_eq!(again.next_ids(1).await, ["3"]);
    let lost = Http2::connect(&two.url).await;
    let mut lost = lost.events(&two.url, &ada, Some("00000000000000000000dead")).await;
    assert_eq!(lost.next().await.event, "gap");
}

async fn a_stream_that_is_not_read_is_ended_and_harms_no_other_of_its_connection(cluster: Cluster) {
    // Far more than the windows and buffers hold.
    const EVENTS: usize = 60;
    let pod = cluster.pod_with(GatewayConfig { outbox: 4, ..GatewayConfig::default() }).await;
    let http2 = Http2::connect(&pod.url).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let mut slow = http2.events(&pod.url, &ada, None).await;
    let mut quick = http2.events(&pod.url, &ada, None).await;
    let expected: Vec<_> = (0..EVENTS).map(|id| id.to_string()).collect();
    for id in &expected {
        pod.publish(&app, &event(id, "user:ada").tap("x".repeat(20_000))).await;
        assert_eq!(quick.next_ids(1).await, [id.as_str()], "the slow one harms nobody");
    }
    let mut got = Vec::new();
    while let Some(frame) = timeout(TIMEOUT, slow.next_or_end()).await.expect("it ends") {
        got.push(frame.data["id"].as_str().unwrap().to_owned());
    }
    assert!(got.len() < EVENTS, "it was ended");
    let mut back = http2.events(&pod.url, &ada, Some(&slow.cursor)).await;
    got.extend(back.next_ids(EVENTS - got.len()).await);
    assert_eq!(got, expected, "the connection goes on");
}

async fn each_stream_counts_as_a_connection_of_its_user(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { connections_per_user: 2, ..GatewayConfig::default() }).await;
    let http2 = Http2::connect(&pod.url).await;
    let token = cluster.token("ada", "prod");
    let first = http2.events(&pod.url, &token, None).await;
    let _second = http2.events(&pod.url, &token, None).await;
    let refused = http2.send(pod.request("GET", "/events", &token)).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.headers().contains_key("retry-after")),
        (429, true),
        "as over connections of their own"
    );
    let _others = http2.events(&pod.url, &cluster.token("bob", "prod"), None).await;
    drop(first);
    until("a stream that its client took back makes room", async || {
        (ask_status(&http2, &pod, &token).await == 200).then_some(())
    })
    .await;
}

async fn ask_status(http2: &Http2, pod: &scenarios::Pod, token: &str) -> u16 {
    http2.send(pod.request("GET", "/events", token)).await.unwrap().status().as_u16()
}

async fn an_answer_has_the_same_head_but_for_what_is_of_a_connection(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { connections_per_user: 1, ..GatewayConfig::default() }).await;
    let http2 = Http2::connect(&pod.url).await;
    let token = cluster.token("ada", "prod");
    let of_connections = ["connection", "keep-alive", "transfer-encoding", "upgrade", "date"];
    let requests = [
        ("GET", "/", ""),
        ("GET", "/api/openapi.json", ""),
        ("GET", "/api/tasks", &token),
        ("GET", "/api/tasks", ""),
        ("GET", "/nowhere", &token),
        ("DELETE", "/api/events", &token),
        ("HEAD", "/events", &token),
        ("HEAD", "/events", &token),
        ("HEAD", "/hub", &token),
        ("HEAD", "/", ""),
        ("OPTIONS", "/events", ""),
        ("GET", "/Hub/", &token),
        ("GET", "/events?aftr=now", &token),
    ];
    for (method, path, token) in requests {
        let plain = pod.request(method, path, token).send().await.unwrap();
        let over = http2.send(pod.request(method, path, token)).await.unwrap();
        assert_eq!(over.status(), plain.status(), "{method} {path}");
        let head = |answer: &reqwest::Response| {
            let mut head = answer.headers().clone();
            of_connections.iter().for_each(|name| drop(head.remove(*name)));
            head
        };
        assert_eq!(head(&over), head(&plain), "{method} {path}");
        assert!(over.headers().contains_key("date"), "a browser reads the gateway's time from it");
        assert!(of_connections[..4].iter().all(|name| !over.headers().contains_key(*name)), "{:?}", over.headers());
        assert_eq!(over.bytes().await.unwrap(), plain.bytes().await.unwrap(), "{method} {path}");
    }
    // HEAD has subscribed nobody.
    let stream = http2.send(pod.request("GET", "/events", &token)).await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(!stream.headers().contains_key("content-length") && !stream.headers().contains_key("transfer-encoding"));
}

async fn a_head_that_is_too_large_is_a_problem_and_its_connection_goes_on(cluster: Cluster) {
    let pod = cluster.pod().await;
    let http2 = Http2::connect(&pod.url).await;
    let token = cluster.token("ada", "prod");
    let with_cookie = |length: usize| pod.request("GET", "/api/tasks", &token).header("cookie", "c".repeat(length));
    assert_eq!(ask(&http2, with_cookie(30_000)).await.0, 200);
    let (status, problem) = ask(&http2, with_cookie(33_000)).await;
    assert_eq!((status, &problem["type"]), (431, &json!("urn:bellwire:problem:head-too-large")));
    assert!(problem["detail"].as_str().unwrap().contains("32768"), "{problem}");
    let mut many = pod.request("GET", "/api/tasks", &token);
    for number in 0..200 {
        many = many.header(format!("x-{number}"), "1");
    }
    assert_eq!(ask(&http2, many).await.0, 431);
    let mut cookies = pod.request("GET", "/api/tasks", &token);
    for number in 0..150 {
        cookies = cookies.header("cookie", format!("c{number}=1"));
    }
    assert_eq!(ask(&http2, cookies).await.0, 200, "browsers send each cookie by itself");
    assert_eq!(ask(&http2, with_cookie(100_000)).await.0, 431);
    assert_eq!(ask(&http2, with_cookie(1)).await.0, 200, "the connection goes on");
}

async fn files_and_tasks_go_over_it_as_ever(cluster: Cluster) {
    let pod = cluster.pod().await;
    let _worker = cluster.worker("prod", crate::tasks::Patient::new()).await;
    let http2 = Http2::connect(&pod.url).await;
    let token = cluster.token("ada", "prod");
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    let (status, file) = ask(&http2, pod.request("PUT", "/api/files/a.csv", &token).body(content.clone())).await;
    assert_eq!(status, 201, "{file}");
    let got = http2.send(pod.request("GET", file["href"].as_str().unwrap(), &token)).await.unwrap();
    assert_eq!(got.headers()["content-length"], "3000000");
    assert_eq!(got.bytes().await.unwrap(), content);
    let over_http1 = pod.request("GET", file["href"].as_str().unwrap(), &token).send().await.unwrap();
    assert_eq!(over_http1.bytes().await.unwrap(), content);
    let (status, refused) = ask(&http2, pod.request("PUT", "/api/files/b.csv", "no token").body(content)).await;
    assert_eq!(status, 401, "{refused}");
    until("a task can be started", async || {
        let start = pod.request("POST", "/api/tasks", &token).body(json!({ "kind": "patient" }).to_string());
        (ask(&http2, start).await.0 == 202).then_some(())
    })
    .await;
}

async fn the_hub_streams_and_is_polled_over_it(cluster: Cluster) {
    let pod = cluster.pod().await;
    let http2 = Http2::connect(&pod.url).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    for accept in ["text/event-stream", "*/*"] {
        let (status, negotiated) = ask(&http2, pod.request("POST", "/hub/negotiate?negotiateVersion=1", &ada)).await;
        assert_eq!(status, 200, "{negotiated}");
        let path = format!("/hub?id={}", negotiated["connectionToken"].as_str().unwrap());
        let connect = || pod.request("GET", &path, &ada).header("accept", accept);
        let mut answer = http2.send(connect()).await.unwrap();
        let handshake = pod.request("POST", &path, &ada).body("{\"protocol\":\"json\",\"version\":1}\u{1e}");
        assert_eq!(ask(&http2, handshake).await.0, 200);
        let mut told = String::new();
        let mut is_published = false;
        let read = async {
            let id = format!("over {accept}");
            while !told.contains(&id) {
                match answer.chunk().await.unwrap() {
                    Some(bytes) => told.push_str(&String::from_utf8_lossy(&bytes)),
                    None => answer = http2.send(connect()).await.unwrap(),
                }
                if told.contains("{}\u{1e}") && !std::mem::replace(&mut is_published, true) {
                    pod.publish(&app, &event(&id, "user:ada")).await;
                }
            }
        };
        timeout(TIMEOUT, read).await.unwrap_or_else(|_| panic!("{accept}: no event came"));
        assert!(!told.starts_with(char::is_numeric), "no chunks of HTTP/1.1: {told}");
    }
    // A WebSocket is what HTTP/1.1 is for: browsers open a connection of it, since this one does not offer any.
    let ask_for_socket = pod.request("GET", "/hub", &ada).header("sec-websocket-version", "13");
    assert_eq!(ask(&http2, ask_for_socket).await.0, 400);
}

async fn a_stopping_pod_says_goodbye_and_sends_its_streams_away(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let ada = cluster.token("ada", "prod");
    let http2 = Http2::connect(&one.url).await;
    let idle = Http2::connect(&one.url).await;
    assert_eq!(ask(&idle, one.request("GET", "/api/tasks", &ada)).await.0, 200);
    let mut tabs = [http2.events(&one.url, &ada, None).await, http2.events(&one.url, &ada, None).await];
    one.stop().await;
    for tab in &mut tabs {
        assert_eq!(tab.next_or_end().await, None, "nothing was published");
        assert!(tab.retry.is_some_and(|wait| wait >= 200), "it says when to come back: {:?}", tab.retry);
    }
    http2.ended().await;
    idle.ended().await;
    two.publish(&cluster.token("app", "prod"), &event("meanwhile", "user:ada")).await;
    let mut back = Http2::connect(&two.url).await.events(&two.url, &ada, Some(&tabs[0].cursor)).await;
    assert_eq!(back.next_ids(1).await, ["meanwhile"]);
}

async fn a_connection_that_asks_nothing_is_closed_as_the_setting_says(cluster: Cluster) {
    let keep_alive = Duration::from_millis(300);
    let pod = cluster.pod_with(GatewayConfig { keep_alive, ..GatewayConfig::default() }).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let listening = Http2::connect(&pod.url).await;
    let mut tab = listening.events(&pod.url, &ada, None).await;
    let idle = Http2::connect(&pod.url).await;
    assert_eq!(ask(&idle, pod.request("GET", "/api/tasks", &ada)).await.0, 200);
    idle.ended().await;
    pod.publish(&app, &event("1", "user:ada")).await;
    assert_eq!(tab.next_ids(1).await, ["1"], "who listens is not idle");
    drop(tab);
    listening.ended().await;
    let mut half = TcpStream::connect(pod.url.strip_prefix("http://").unwrap()).await.unwrap();
    half.write_all(b"PRI * HTTP/2.0\r\n\r\n").await.unwrap();
    let end = timeout(TIMEOUT, half.read(&mut [0; 16])).await.expect("it is closed");
    assert!(end.is_err() || end.unwrap() == 0);
}

async fn a_trusted_proxy_says_who_its_client_is_before_it(cluster: Cluster) {
    let config = GatewayConfig {
        client_address: gateway::client_address::ClientAddress::ProxyProtocol,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..GatewayConfig::default()
    };
    let pod = cluster.pod_with(config).await;
    let mut socket = TcpStream::connect(pod.url.strip_prefix("http://").unwrap()).await.unwrap();
    socket.write_all(b"PROXY TCP4 192.0.2.1 10.0.0.7 4711 443\r\n").await.unwrap();
    let http2 = Http2::over(socket).await;
    let ada = cluster.token("ada", "prod");
    let mut tab = http2.events(&pod.url, &ada, None).await;
    let publish = pod.request("POST", "/api/events", &cluster.token("app", "prod"));
    let publish = publish.header("content-type", "application/cloudevents+json");
    assert_eq!(ask(&http2, publish.body(event("1", "user:ada").to_string())).await.0, 202);
    assert_eq!(tab.next_ids(1).await, ["1"]);
}

async fn what_only_begins_like_it_is_served_as_before(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    for (begins, status) in [("P", "HTTP/1.1 200 "), ("PRI * HTTP/2.0\r\n\r\nS", "HTTP/1.1 400 ")] {
        let rest = match begins {
            "P" => format!(
                "OST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
                 content-length: 0\r\nconnection: close\r\n\r\n"
            ),
            _ => "X\r\n\r\n".to_owned(),
        };
        let mut socket = TcpStream::connect(pod.url.strip_prefix("http://").unwrap()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        for part in [begins, &rest] {
            socket.write_all(part.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answered = String::new();
        timeout(TIMEOUT, socket.read_to_string(&mut answered)).await.expect("it is answered").ok();
        assert!(answered.starts_with(status), "{begins:?}: {answered}");
    }
    assert_eq!(answer(http_client().get(format!("{}/api/openapi.json", pod.url))).await.0, 200);
}
