//! HTTP as proxies, libraries and monitors speak it: large heads, offers to upgrade, addresses written in other ways, packed
//! bodies.

use std::{io::Write, time::Duration};

use flate2::{Compression, write::GzEncoder};
use gateway::GatewayConfig;
use process::{Settings, settings::Layers};
use reqwest::Client;
use scenarios::{
    Cluster, EventStream, Pod, TIMEOUT,
    cluster::{answer, event},
    hub::{Hub, Transport},
    over_both_backplanes, until,
};
use serde_json::{Value, json};
use signalr::Encoding;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

over_both_backplanes! {
    a_head_with_large_cookies_is_read_and_one_that_is_too_large_is_a_problem,
    a_socket_waits_for_its_next_request_as_long_as_the_setting_says,
    a_trusted_proxy_says_first_who_its_client_is_and_nobody_else,
    an_offer_to_upgrade_to_something_else_is_not_taken,
    asking_for_the_head_of_a_stream_subscribes_nobody,
    the_hub_is_found_however_its_address_is_written,
    a_stream_names_a_parameter_that_it_does_not_know,
    a_replacement_of_event_source_comes_back_by_its_own_name_of_the_cursor,
    a_packed_body_is_inflated_within_the_limits,
    a_packed_file_is_not_kept_under_a_false_name,
    the_same_key_with_another_task_is_refused,
    an_address_that_is_no_text_is_answered_as_a_problem,
    a_pod_is_reached_by_its_address_of_ipv6,
}

/// Everything that is answered to these bytes until the gateway closes.
async fn raw(pod: &Pod, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(pod.url.strip_prefix("http://").unwrap()).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn problem_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)).unwrap_or_default()
}

async fn a_head_with_large_cookies_is_read_and_one_that_is_too_large_is_a_problem(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let head = |cookie: usize| {
        let cookie = "c".repeat(cookie);
        format!(
            "GET /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"
        )
    };
    let read = raw(&pod, head(30_000).as_bytes()).await;
    assert!(read.starts_with("HTTP/1.1 200 "), "{}", &read[..40.min(read.len())]);
    for cookie in [33_000, 500_000] {
        let refused = raw(&pod, head(cookie).as_bytes()).await;
        assert!(refused.starts_with("HTTP/1.1 431 "), "{refused}");
        assert!(refused.contains("content-type: application/problem+json\r\n"), "{refused}");
        let problem = problem_of(&refused);
        assert_eq!(problem["type"], "urn:bellwire:problem:head-too-large", "{refused}");
        assert!(problem["detail"].as_str().unwrap().contains("32768"), "{problem}");
    }
    let many = "x-a: 1\r\n".repeat(200);
    let refused = raw(&pod, format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    assert_eq!(problem_of(&refused)["status"], 431, "{refused}");
}

async fn a_socket_waits_for_its_next_request_as_long_as_the_setting_says(cluster: Cluster) {
    // Else the proxy sends a request on a socket that the pod is closing, and answers 502.
    let usual_of_proxies = Duration::from_secs(60);
    assert!(GatewayConfig::default().keep_alive > usual_of_proxies);
    let keep_alive = Duration::from_millis(200);
    let pod = cluster.pod_with(GatewayConfig { keep_alive, ..GatewayConfig::default() }).await;
    let request = "GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    let answers = timeout(TIMEOUT, raw(&pod, request.repeat(3).as_bytes())).await.expect("it is closed");
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3);
}

async fn a_trusted_proxy_says_first_who_its_client_is_and_nobody_else(cluster: Cluster) {
    let settings = |trusted: &str| {
        let flags = [("gateway.client_address", "proxy-protocol"), ("gateway.trusted_proxies", trusted)];
        let flags = flags.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Settings::read(Layers { flags, ..Layers::default() }).unwrap().section::<GatewayConfig>("gateway")
    };
    let token = cluster.token("ada", "prod");
    let request =
        format!("GET /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    let text = b"PROXY TCP4 192.0.2.1 10.0.0.7 4711 443\r\n".to_vec();
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x07\x12\x67\x1f\x90".to_vec();
    let trusting = cluster.pod_with(settings("10.0.0.0/8, 127.0.0.0/8").unwrap()).await;
    for header in [&text, &binary] {
        let answer = raw(&trusting, &[header, request.as_bytes()].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let mut forgotten = TcpStream::connect(trusting.url.strip_prefix("http://").unwrap()).await.unwrap();
    forgotten.write_all(request.as_bytes()).await.unwrap();
    let closed = timeout(TIMEOUT, forgotten.read(&mut [0; 16])).await.expect("it is closed");
    assert!(closed.is_err() || closed.unwrap() == 0, "nothing is answered to a proxy that forgot it");
    let other = cluster.pod_with(settings("10.0.0.0/8").unwrap()).await;
    assert!(raw(&other, request.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert!(raw(&other, &[&text, request.as_bytes()].concat()).await.starts_with("HTTP/1.1 400 "));
    let wrong = settings("10.0.0.0/8, proxy.example").unwrap_err().to_string();
    assert!(wrong.contains("trusted_proxies") && wrong.contains("proxy.example"), "{wrong}");
}

async fn an_offer_to_upgrade_to_something_else_is_not_taken(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let negotiated = answer(pod.request("POST", "/hub/negotiate?negotiateVersion=1", &token)).await.1;
    let id = negotiated["connectionToken"].as_str().unwrap();
    for offer in ["h2c", "TLS/1.0, h2c", "nothing-known"] {
        // As Java's client offers it with its first request.
        let head = format!(
            "host: x\r\nauthorization: Bearer {token}\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: {offer}\r\n\
             http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
        );
        let listed = raw(&pod, format!("GET /api/tasks HTTP/1.1\r\n{head}\r\nGET / HTTP/1.0\r\n\r\n").as_bytes()).await;
        assert!(listed.starts_with("HTTP/1.1 200 "), "{offer}: {listed}");
        let mut socket = TcpStream::connect(pod.url.strip_prefix("http://").unwrap()).await.unwrap();
        let stream = format!("GET /hub?id={id} HTTP/1.1\r\naccept: text/event-stream\r\n{head}\r\n");
        socket.write_all(stream.as_bytes()).await.unwrap();
        let mut begun = [0; 13];
        socket.read_exact(&mut begun).await.unwrap();
        assert_eq!(std::str::from_utf8(&begun), Ok("HTTP/1.1 200 "), "{offer}");
    }
}

async fn asking_for_the_head_of_a_stream_subscribes_nobody(cluster: Cluster) {
    // Whoever holds the one seat keeps all others out.
    let pod = cluster.pod_with(GatewayConfig { connections_per_user: 1, ..GatewayConfig::default() }).await;
    let token = cluster.token("ada", "prod");
    let client = Client::new();
    for _ in 0..3 {
        let head = client.head(format!("{}/events", pod.url)).bearer_auth(&token).send().await.unwrap();
        assert_eq!(
            (head.status().as_u16(), &head.headers()["content-type"].to_str().unwrap()),
            (200, &"text/event-stream")
        );
    }
    assert_eq!(client.head(format!("{}/events", pod.url)).send().await.unwrap().status(), 401);
    let mut browser = EventStream::connect(&pod.url, &token, None).await;
    pod.publish(&cluster.token("app", "prod"), &event("1", "user:ada")).await;
    assert_eq!(browser.next_ids(1).await, ["1"]);
    drop(browser);
    let head = client.head(format!("{}/hub", pod.url)).bearer_auth(&token).send().await.unwrap();
    assert_eq!(head.status(), 405, "it would take a client's messages");
}

async fn the_hub_is_found_however_its_address_is_written(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    for path in
        ["/hub/negotiate", "/hub/negotiate/", "/Hub/negotiate", "/HUB/Negotiate", "/hub//negotiate", "/%68ub/negotiate"]
    {
        let (status, negotiated) = answer(pod.request("POST", &format!("{path}?negotiateVersion=1"), &token)).await;
        assert_eq!(status, 200, "{path}: {negotiated}");
        assert!(negotiated["connectionToken"].is_string());
    }
    for path in ["/hub/", "/Hub", "//hub"] {
        let (status, problem) = answer(pod.request("GET", path, &token)).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:bellwire:problem:id-missing")), "{path}");
    }
    for path in ["/api/tasks/", "/api/functions/", "/%61pi/t%61sks"] {
        assert_eq!(answer(pod.request("GET", path, &token)).await.0, 200, "{path}");
    }
    assert_eq!(answer(pod.request("GET", "/hubs", &token)).await.0, 404);
}

async fn a_stream_names_a_parameter_that_it_does_not_know(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    for (query, name) in [("aftr=now", "aftr"), ("Last_Event=now", "Last_Event"), ("after=now&group=ops", "group")] {
        let (status, problem) = answer(pod.request("GET", &format!("/events?{query}"), &token)).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:bellwire:problem:invalid-parameter")), "{query}");
        assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
        assert!(!problem["detail"].as_str().unwrap().contains(&token), "{problem}");
    }
    let own = reqwest::get(format!("{}/events?after=now&access_token={token}", pod.url)).await.unwrap();
    assert_eq!(own.status(), 200);
}

async fn a_replacement_of_event_source_comes_back_by_its_own_name_of_the_cursor(cluster: Cluster) {
    let pod = cluster.pod().await;
    let (token, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let browser = EventStream::connect(&pod.url, &token, None).await;
    let cursor = browser.cursor.clone();
    pod.publish(&app, &event("missed", "user:ada")).await;
    until("it is in the window", async || {
        let mut again = EventStream::connect(&pod.url, &token, Some(&cursor)).await;
        (again.next_ids(1).await == ["missed"]).then_some(())
    })
    .await;
    for query in [
        format!("lastEventId={cursor}"),
        // The URL of the beginning stays, and the first time there is no cursor yet.
        format!("after=now&lastEventId={cursor}"),
        format!("lastEventId=&after={cursor}"),
        format!("lastEventID={cursor}"),
        format!("Last-Event-ID={cursor}"),
        format!("last-event-id={cursor}"),
        format!("last%45vent%49d={cursor}"),
    ] {
        let mut back = EventStream::open(&format!("{}/events?{query}", pod.url), &token).await;
        assert_eq!(back.next_ids(1).await, ["missed"], "{query}");
    }
    let (status, problem) = answer(pod.request("GET", "/events?lastEventId=soon", &token)).await;
    assert_eq!((status, &problem["type"]), (400, &json!("urn:bellwire:problem:invalid-cursor")));
    assert!(problem["detail"].as_str().unwrap().starts_with("lastEventId: "), "{problem}");
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

async fn a_packed_body_is_inflated_within_the_limits(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let post = |path: &str, encoding: &str, body: Vec<u8>| {
        let request = pod.request("POST", path, &token).header("content-type", "application/cloudevents+json");
        answer(request.header("content-encoding", encoding).body(body))
    };
    for (id, encoding) in [("1", "gzip"), ("2", "x-gzip"), ("3", "GZIP, identity")] {
        let body = packed(event(id, "user:ada").to_string().as_bytes());
        assert_eq!(post("/api/events", encoding, body).await, (202, json!({ "accepted": 1 })), "{encoding}");
    }
    let plain = event("4", "user:ada").to_string().into_bytes();
    assert_eq!(post("/api/events", "identity", plain.clone()).await.0, 202);
    assert_eq!(browser.next_ids(4).await, ["1", "2", "3", "4"]);

    let bomb = packed(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 80 << 10);
    for path in ["/api/events", "/api/tasks"] {
        let (status, problem) = post(path, "gzip", bomb.clone()).await;
        assert_eq!((status, &problem["type"]), (413, &json!("urn:bellwire:problem:request-too-large")), "{path}");
    }
    for (encoding, body) in [("br", plain.clone()), ("zstd", plain.clone()), ("gzip, gzip", packed(&packed(&plain)))] {
        let (status, problem) = post("/api/events", encoding, body).await;
        assert_eq!((status, &problem["type"]), (415, &json!("urn:bellwire:problem:content-encoding")), "{encoding}");
    }
    for broken in [plain.clone(), packed(&plain)[..40].to_vec()] {
        let (status, problem) = post("/api/events", "gzip", broken).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:bellwire:problem:request-broken")));
        assert!(problem["detail"].as_str().unwrap().contains("content-encoding"), "{problem}");
    }
}

async fn a_packed_file_is_not_kept_under_a_false_name(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let put = |encoding: &str| {
        pod.request("PUT", "/api/files/a.csv", &token).header("content-encoding", encoding).body(packed(b"a,b\n1,2\n"))
    };
    let refused = put("gzip").send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["accept-encoding"].to_str().unwrap()),
        (415, "gzip, identity")
    );
    assert_eq!(cluster.stored_files(), Vec::<std::path::PathBuf>::new());
    assert_eq!(answer(put("identity")).await.0, 201);
}

async fn the_same_key_with_another_task_is_refused(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let _worker = cluster.worker("prod", crate::tasks::Patient::new()).await;
    let (ada, bob) = (cluster.token("ada", "prod"), cluster.token("bob", "prod"));
    let post = |pod: &Pod, token: &str, body: Value| {
        let request = pod.request("POST", "/api/tasks", token).header("idempotency-key", "k1");
        answer(request.body(body.to_string()))
    };
    let first = json!({ "kind": "patient", "title": "A", "input": { "how": "well" } });
    let (status, task) = until("the worker is there", async || {
        let answered = post(&one, &ada, first.clone()).await;
        (answered.0 != 422).then_some(answered)
    })
    .await;
    assert_eq!(status, 202, "{task}");
    // In another order, and on another pod, it is the same.
    let same = r#"{ "input": { "how": "well" }, "title": " A", "kind": "patient" }"#;
    for pod in [&one, &two] {
        let (status, again) = post(pod, &ada, serde_json::from_str(same).unwrap()).await;
        assert_eq!((status, &again["id"]), (202, &task["id"]), "{again}");
        for other in [
            json!({ "kind": "patient", "title": "A", "input": { "how": "badly" } }),
            json!({ "kind": "patient", "title": "B", "input": { "how": "well" } }),
            json!({ "kind": "patient", "title": "A" }),
        ] {
            let (status, problem) = post(pod, &ada, other).await;
            assert_eq!((status, &problem["type"]), (422, &json!("urn:bellwire:problem:idempotency-key-reused")));
            assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"), "{problem}");
        }
    }
    let (status, others) = post(&one, &bob, json!({ "kind": "patient" })).await;
    assert_eq!(status, 202, "another person's key is another: {others}");
}

async fn an_address_that_is_no_text_is_answered_as_a_problem(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    for (method, path) in
        [("GET", "/api/files/%ff/x"), ("PUT", "/api/files/%ff"), ("GET", "/api/tasks/%ff"), ("GET", "/client/%ff")]
    {
        let (status, problem) = answer(pod.request(method, path, &token)).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:bellwire:problem:invalid-path")), "{path}: {problem}");
    }
    let name = "Zahlen f\u{fc}r 2026 + 50 %.csv";
    let encoded = "Zahlen%20f%C3%BCr%202026%20%2B%2050%20%25.csv";
    let (status, file) = answer(pod.request("PUT", &format!("/api/files/{encoded}"), &token).body("a\n")).await;
    assert_eq!(status, 201, "{file}");
    assert!(file["key"].as_str().unwrap().ends_with(name), "{file}");
    assert_eq!(answer(pod.request("GET", file["href"].as_str().unwrap(), &token)).await.0, 200);
}

async fn a_pod_is_reached_by_its_address_of_ipv6(cluster: Cluster) {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let listen = "[::1]:0".parse().unwrap();
    let pod = cluster.pod_with(GatewayConfig { listen, ..GatewayConfig::default() }).await;
    assert!(pod.url.starts_with("http://[::1]:"), "{}", pod.url);
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let door = (Transport::WebSockets, Encoding::Json);
    let mut hub = Hub::connect(&pod.url, &cluster.token("ada", "prod"), door, "").await;
    pod.publish(&cluster.token("app", "prod"), &event("1", "user:ada")).await;
    assert_eq!((browser.next_ids(1).await, hub.next_ids(1).await), (vec!["1".to_owned()], vec!["1".to_owned()]));
}
