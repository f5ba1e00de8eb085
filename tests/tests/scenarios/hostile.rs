//! Clients of the hub that are broken or hostile get words, if they can be told, and nobody else notices.

use std::time::Duration;

use futures_util::SinkExt;
use gateway::GatewayConfig;
use scenarios::{
    Cluster, Hub, Pod,
    cluster::event,
    hub::{DOORS, Link, Transport},
    over_both_backplanes, until,
};
use serde_json::{Value, json};
use signalr::{Encoding, Message, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{
    self,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::polling::{Client, HANDSHAKE};

over_both_backplanes! {
    bytes_that_are_no_message_end_their_connection_with_words,
    a_handshake_that_cannot_be_is_answered_with_the_reason,
    whoever_says_nothing_is_ended_in_time,
    ten_thousand_pings_end_their_connection_alone,
    what_is_no_message_counts_as_one,
    whoever_posts_nothing_again_and_again_is_ended,
    coming_back_to_what_was_lost_costs_more_than_a_ping,
    whoever_asks_without_end_and_reads_nothing_is_read_no_more,
    asking_for_stateful_reconnect_changes_nothing,
    one_user_has_so_many_connections_and_a_pod_so_many_seats,
    whoever_polls_without_a_handshake_takes_a_seat_with_the_first_poll,
    half_a_head_keeps_nobody_out,
    a_connection_that_was_answered_is_kept_while_there_is_room,
    a_web_socket_from_a_foreign_page_is_refused,
    nobody_speaks_for_anothers_connection,
    a_socket_that_is_cut_in_a_frame_is_forgotten,
}

const JSON: (Transport, Encoding) = (Transport::WebSockets, Encoding::Json);
const BINARY: (Transport, Encoding) = (Transport::WebSockets, Encoding::MessagePack);

/// Somebody else on the pod, who must not notice.
struct Bystander(Hub);

impl Bystander {
    async fn on(pod: &Pod, cluster: &Cluster) -> Self {
        Self(Hub::connect(&pod.url, &cluster.token("bob", "prod"), JSON, "").await)
    }

    async fn is_served(&mut self, pod: &Pod, cluster: &Cluster) {
        let id = format!("{:x}", rand::random::<u64>());
        pod.publish(&cluster.token("app", "prod"), &event(&id, "user:bob")).await;
        assert_eq!(self.0.next_ids(1).await, [id]);
    }
}

async fn connected(pod: &Pod, cluster: &Cluster, door: (Transport, Encoding)) -> Hub {
    Hub::connect(&pod.url, &cluster.token("ada", "prod"), door, "").await
}

fn with_length(length: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = length;
    while rest >= 0x80 {
        bytes.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes.extend_from_slice(body);
    bytes
}

async fn bytes_that_are_no_message_end_their_connection_with_words(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    let deep = format!("{}{}\x1e", "[".repeat(20_000), "]".repeat(10_000));
    let nested = [vec![0x95, 1, 0x80, 0xc0, 0xa1, b'x'], vec![0x91; 5000]].concat();
    let cases: Vec<((Transport, Encoding), Vec<u8>)> = vec![
        (JSON, b"no json\x1e".to_vec()),
        (JSON, b"{\"protocol\":\"json\",\"version\":1}\x1e".to_vec()),
        (JSON, b"{\"type\":\"one\"}\x1e".to_vec()),
        (JSON, deep.into_bytes()),
        (JSON, vec![b'x'; 40 * 1024]),
        (BINARY, with_length(u32::MAX / 2, b"\x91")),
        (BINARY, with_length(5, b"\xdd\xff\xff\xff\xff")),
        (BINARY, with_length(3, b"\xc1\xc1\xc1")),
        (BINARY, with_length(nested.len() as u32, &nested)),
    ];
    for (door, bytes) in cases {
        let mut client = connected(&pod, &cluster, door).await;
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(40).collect();
        client.send(bytes).await;
        let (words, may_come_back) = client.closed().await;
        assert!(words.is_some_and(|words| !words.is_empty()) && !may_come_back, "{shown}");
        assert!(client.next().await.is_none(), "{shown}");
    }
    let mut client = connected(&pod, &cluster, BINARY).await;
    client.link().send(b"text".to_vec(), false).await;
    assert!(client.closed().await.0.is_some_and(|words| words.contains("binary was agreed")));
    bystander.is_served(&pod, &cluster).await;
}

async fn a_handshake_that_cannot_be_is_answered_with_the_reason(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    for (handshake, words) in [
        ("{\"protocol\":\"xml\",\"version\":1}\x1e", "xml"),
        ("{\"protocol\":\"json\",\"version\":7}\x1e", "version 7"),
        ("{\"version\":1}\x1e", "protocol"),
        ("nothing\x1e", ""),
        (&format!("{{\"protocol\":\"{}", "x".repeat(5000)), "bytes at most"),
    ] {
        let mut link = Link::web_socket(&format!("{}/hub?access_token={token}", pod.url)).await.unwrap();
        link.send(handshake.as_bytes().to_vec(), false).await;
        let answer = link.receive().await.unwrap();
        let answer: Value = serde_json::from_slice(answer.strip_suffix(b"\x1e").unwrap()).unwrap();
        let said = answer["error"].as_str().unwrap();
        assert!(!said.is_empty() && said.contains(words), "{handshake:.40}: {said}");
        assert_eq!(link.receive().await, None);
    }
    let stream = (Transport::ServerSentEvents, Encoding::MessagePack);
    let refused = Hub::try_connect(&pod.url, &token, stream, "").await;
    assert!(refused.is_err_and(|words| words.contains("binary")), "server-sent events carry text");
}

async fn whoever_says_nothing_is_ended_in_time(cluster: Cluster) {
    let config = GatewayConfig {
        // Long enough to shake hands on a busy machine.
        handshake_timeout: Duration::from_secs(5),
        client_timeout: Duration::from_millis(300),
        ..GatewayConfig::default()
    };
    let pod = cluster.pod_with(config).await;
    let token = cluster.token("ada", "prod");
    let mut link = Link::web_socket(&format!("{}/hub?access_token={token}", pod.url)).await.unwrap();
    let answer = String::from_utf8(link.receive().await.unwrap()).unwrap();
    assert!(answer.contains("took too long"), "{answer}");
    let mut silent = connected(&pod, &cluster, JSON).await;
    assert_eq!(silent.closed().await, (Some("client-timeout".to_owned()), true));
    let mut stream = connected(&pod, &cluster, (Transport::ServerSentEvents, Encoding::Json)).await;
    until("a stream outlives it, for its pings end on any pod", async || {
        pod.publish(&cluster.token("app", "prod"), &event("later", "user:ada")).await;
        Some(())
    })
    .await;
    assert_eq!(stream.next_ids(1).await, ["later"]);
}

async fn ten_thousand_pings_end_their_connection_alone(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    for door in [JSON, BINARY] {
        let mut client = connected(&pod, &cluster, door).await;
        let pings = door.1.write(&Message::Ping).repeat(500);
        for _ in 0..20 {
            client.send(pings.clone()).await;
        }
        assert_eq!(client.closed().await, (Some("too-many-messages".to_owned()), true));
    }
    bystander.is_served(&pod, &cluster).await;
}

async fn what_is_no_message_counts_as_one(cluster: Cluster) {
    let config = GatewayConfig { messages: 2.try_into().unwrap(), ..GatewayConfig::default() };
    let pod = cluster.pod_with(config).await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    let fragment = |opcode, is_last| tungstenite::Message::Frame(Frame::message(vec![], OpCode::Data(opcode), is_last));
    let unknown = |_| tungstenite::Message::text("{\"type\":99}\x1e".repeat(4));
    let frames: [(&str, &dyn Fn(usize) -> tungstenite::Message); 6] = [
        ("pings", &|_| tungstenite::Message::Ping(vec![].into())),
        ("pongs", &|_| tungstenite::Message::Pong(vec![].into())),
        ("empty texts", &|_| tungstenite::Message::text("")),
        ("texts without an end", &|_| tungstenite::Message::text(" ")),
        ("empty parts", &|at| fragment(if at == 0 { Data::Text } else { Data::Continue }, false)),
        ("messages of a type that nobody knows", &unknown),
    ];
    for (what, frame) in frames {
        let mut client = connected(&pod, &cluster, JSON).await;
        let mut end = None;
        for at in 0..20_000 {
            let Link::WebSocket(socket) = client.link() else { panic!("it is a WebSocket") };
            if socket.send(frame(at)).await.is_err() {
                break;
            }
            // What it is told must be read before the socket breaks.
            if at % 5 == 4
                && let Ok(message) = tokio::time::timeout(Duration::from_millis(1), client.next()).await
            {
                end = message;
                break;
            }
        }
        let close = Message::Close { error: Some("too-many-messages".to_owned()), allow_reconnect: true };
        let end = if end.is_some() { end } else { client.next().await };
        assert_eq!(end, Some(close), "{what}");
    }
    bystander.is_served(&pod, &cluster).await;
}

async fn whoever_posts_nothing_again_and_again_is_ended(cluster: Cluster) {
    let config = GatewayConfig { messages: 2.try_into().unwrap(), ..GatewayConfig::default() };
    let (one, two) = (cluster.pod_with(config.clone()).await, cluster.pod_with(config).await);
    for (pod, posted) in [(&one, ""), (&two, ""), (&one, "{\"type\":99}\u{1e}")] {
        let client = Client::greeted(&one, &cluster, "").await;
        let mut statuses = Vec::new();
        while statuses.len() < 1000 && statuses.last().is_none_or(|status| *status == 200) {
            statuses.push(client.post(pod, posted).await);
        }
        assert_eq!(statuses.last(), Some(&404), "{posted:?}: it was ended");
        let (_, told) = client.poll(pod).await;
        assert!(told.contains("too-many-messages"), "{told}");
    }
}

async fn coming_back_to_what_was_lost_costs_more_than_a_ping(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    for door in [JSON, BINARY] {
        let mut client = connected(&pod, &cluster, door).await;
        let resume = |number: u32| Message::Invocation {
            id: Some(number.to_string()),
            target: "Resume".to_owned(),
            arguments: vec![json!("00000000000000000000dead")],
            streams: vec![],
        };
        let burst: Vec<u8> = (0..100).flat_map(|number| door.1.write(&resume(number))).collect();
        client.send(burst).await;
        let mut resumed = 0;
        let end = loop {
            match client.next().await {
                Some(Message::Completion { .. }) => resumed += 1,
                Some(Message::Close { error, .. }) => break error,
                Some(_) => {}
                None => panic!("it ended without a word"),
            }
        };
        assert_eq!(end.as_deref(), Some("too-many-messages"));
        assert!((3..20).contains(&resumed), "{resumed} of a hundred");
    }
    bystander.is_served(&pod, &cluster).await;
}

async fn whoever_asks_without_end_and_reads_nothing_is_read_no_more(cluster: Cluster) {
    let pod =
        cluster.pod_with(GatewayConfig { messages: 100_000.try_into().unwrap(), ..GatewayConfig::default() }).await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    let mut client = connected(&pod, &cluster, JSON).await;
    // Each answer is as long as its question.
    let question = Message::Invocation {
        id: Some("x".repeat(20_000)),
        target: "Nothing".to_owned(),
        arguments: vec![],
        streams: vec![],
    };
    let question = Encoding::Json.write(&question);
    let mut asked = 0;
    while tokio::time::timeout(Duration::from_secs(1), client.send(question.clone())).await.is_ok() {
        asked += 1;
        assert!(asked < 5000, "100 MB were read, and their answers kept");
    }
    bystander.is_served(&pod, &cluster).await;
}

async fn asking_for_stateful_reconnect_changes_nothing(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let path = "/hub/negotiate?negotiateVersion=1&useStatefulReconnect=true";
    let (status, negotiated) = scenarios::cluster::answer(pod.request("POST", path, &token)).await;
    assert_eq!((status, negotiated.get("useStatefulReconnect")), (200, None), "{negotiated}");
    let id = negotiated["connectionToken"].as_str().unwrap();
    let url = format!("{}/hub?access_token={token}&id={id}&useStatefulReconnect=true", pod.url);
    for _ in 0..2 {
        // The second time is a new connection, not the first again.
        let mut link = Link::web_socket(&url).await.unwrap();
        link.send(b"{\"protocol\":\"json\",\"version\":2}\x1e".to_vec(), false).await;
        assert_eq!(link.receive().await.unwrap(), b"{}\x1e");
        let ack = b"{\"type\":8,\"sequenceId\":0}\x1e{\"type\":9,\"sequenceId\":1}\x1e";
        let ask = b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Nothing\",\"arguments\":[]}\x1e";
        link.send([&ack[..], ask].concat(), false).await;
        let answer = String::from_utf8(link.receive().await.unwrap()).unwrap();
        assert!(answer.contains("Unknown hub method"), "no ack and no sequence comes: {answer}");
    }
}

async fn one_user_has_so_many_connections_and_a_pod_so_many_seats(cluster: Cluster) {
    let config = GatewayConfig { connections_per_user: 2, connections: 4, ..GatewayConfig::default() };
    let pod = cluster.pod_with(config).await;
    let token = cluster.token("ada", "prod");
    let mut first = connected(&pod, &cluster, JSON).await;
    let _second = connected(&pod, &cluster, DOORS[2]).await;
    for door in DOORS {
        let refused = Hub::try_connect(&pod.url, &token, door, "").await.map(|_| ()).unwrap_err();
        assert!(refused.starts_with("HTTP 429"), "{door:?}: {refused}");
    }
    let refused = scenarios::EventStream::ask(&pod.url, &token, None).await;
    assert!(refused.status() == 429 && refused.headers().contains_key("retry-after"));
    assert!(refused.text().await.unwrap().contains("2 connections of this user"));
    let resumed = first.invoke("Resume", vec![json!("00000000000000000000dead")]).await;
    assert_eq!(resumed, Outcome::Result(json!({ "gap": "lost" })), "who is there may move");
    drop(first);
    let _third = until("there is room again", async || Hub::try_connect(&pod.url, &token, JSON, "").await.ok()).await;
    let others = [cluster.token("bob", "prod"), cluster.token("eve", "prod"), cluster.token("dan", "prod")];
    let mut browsers = Vec::new();
    for other in &others {
        let answer = scenarios::EventStream::ask(&pod.url, other, None).await;
        browsers.push((answer.status().as_u16(), answer.headers().get("retry-after").is_some(), answer));
    }
    assert!(browsers.iter().any(|(status, retry, _)| *status == 503 && *retry), "one connection too many was let in");
}

async fn whoever_polls_without_a_handshake_takes_a_seat_with_the_first_poll(cluster: Cluster) {
    let config = GatewayConfig { connections_per_user: 3, ..GatewayConfig::default() };
    let (one, two) = (cluster.pod_with(config.clone()).await, cluster.pod_with(config).await);
    let mut clients = Vec::new();
    for number in 0..6 {
        clients.push(Client::negotiate(&one, &cluster, "").await);
        let pod = if number % 2 == 0 { &one } else { &two };
        let answer = clients[number].request(pod, "GET").send().await.unwrap();
        assert_eq!(answer.status(), if number < 3 { 200 } else { 429 }, "{number}");
        assert_eq!(answer.headers().contains_key("retry-after"), number >= 3);
    }
    assert_eq!(clients[4].post(&one, HANDSHAKE).await, 429, "nor does a handshake begin without a seat");
    let bobs = Client::with_token(&one, cluster.token("bob", "prod"), "").await;
    assert_eq!(bobs.poll(&one).await.0, 200);
    let elsewhere = Client::with_token(&one, cluster.token("ada", "test"), "").await;
    assert_eq!(elsewhere.poll(&one).await.0, 200, "ada of another environment is somebody else");
    assert_eq!(clients[0].delete(&two).await, 202);
    until("there is a seat again", async || {
        (Client::negotiate(&one, &cluster, "").await.poll(&one).await.0 == 200).then_some(())
    })
    .await;
}

async fn half_a_head_keeps_nobody_out(cluster: Cluster) {
    let config = GatewayConfig { unauthenticated_connections: 8, ..GatewayConfig::default() };
    let pod = cluster.pod_with(config).await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    let mut browser = pod.browser(&cluster, "bob", "prod").await;
    let address = pod.url.strip_prefix("http://").unwrap();
    let mut halves = Vec::new();
    for _ in 0..50 {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET /events HTTP/1.1\r\nhost: x\r\nauthor").await.unwrap();
        halves.push(socket);
        if halves.len() % 10 == 0 {
            bystander.is_served(&pod, &cluster).await;
            assert_eq!(browser.next().await.event, "test.said");
        }
    }
    // Those that have waited longest were closed, and who listens was not.
    for socket in &mut halves[..40] {
        let closed = tokio::time::timeout(scenarios::TIMEOUT, socket.read(&mut [0; 16])).await.expect("it is closed");
        assert!(closed.is_err() || closed.unwrap() == 0);
    }
    bystander.is_served(&pod, &cluster).await;
    assert_eq!(browser.next().await.event, "test.said");
}

async fn a_connection_that_was_answered_is_kept_while_there_is_room(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { unauthenticated_connections: 2, ..GatewayConfig::default() }).await;
    let token = cluster.token("ada", "prod");
    let address = pod.url.strip_prefix("http://").unwrap();
    let request = format!("GET /api/tasks HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut kept = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut answer = vec![0; 4096];
    for _ in 0..20 {
        // Another connection comes and goes in between.
        assert_eq!(scenarios::cluster::answer(pod.request("GET", "/api/tasks", &token)).await.0, 200);
        kept.write_all(request.as_bytes()).await.unwrap();
        let read = kept.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    }
    let _others = (
        tokio::net::TcpStream::connect(address).await.unwrap(),
        tokio::net::TcpStream::connect(address).await.unwrap(),
    );
    let closed = tokio::time::timeout(scenarios::TIMEOUT, kept.read(&mut answer)).await.expect("it is closed");
    assert!(closed.is_err() || closed.unwrap() == 0, "an idle one makes room like any other");
}

async fn a_web_socket_from_a_foreign_page_is_refused(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let address = pod.url.strip_prefix("http://").unwrap();
    for (origin, status) in [("https://evil.example", "403"), (pod.url.as_str(), "101")] {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /hub?access_token={token} HTTP/1.1\r\nhost: {address}\r\norigin: {origin}\r\nconnection: Upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.unwrap();
        assert!(answer.ends_with(status.as_bytes()), "{origin}: {}", String::from_utf8_lossy(&answer));
    }
}

async fn nobody_speaks_for_anothers_connection(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let path = "/hub/negotiate?negotiateVersion=1";
    let (_, negotiated) = scenarios::cluster::answer(one.request("POST", path, &cluster.token("ada", "prod"))).await;
    let path = format!("/hub?id={}", negotiated["connectionToken"].as_str().unwrap());
    for (user, environment) in [("eve", "prod"), ("ada", "test")] {
        for method in ["GET", "POST"] {
            let request = one.request(method, &path, &cluster.token(user, environment));
            let answer = request.header("accept", "text/event-stream").send().await.unwrap();
            assert_eq!(answer.status(), 404, "{method} by {user} of {environment}");
        }
    }
    let (status, problem) = scenarios::cluster::answer(
        two.request("POST", "/hub?id=made.up", &cluster.token("ada", "prod")).body("{}\x1e"),
    )
    .await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:bellwire:problem:not-found")));
    let (status, _) = scenarios::cluster::answer(two.request("POST", "/hub", &cluster.token("ada", "prod"))).await;
    assert_eq!(status, 400, "without an id");
}

async fn a_socket_that_is_cut_in_a_frame_is_forgotten(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { connections: 2, ..GatewayConfig::default() }).await;
    let token = cluster.token("ada", "prod");
    let address = pod.url.strip_prefix("http://").unwrap();
    for rest in [&b"\x81"[..], b"\x81\xfe\x10\x00\x00\x00\x00\x00half", b"\x89\x80", b"\xff\xff\xff\xff\xff\xff"] {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /hub?access_token={token} HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        socket.write_all(&[request.as_bytes(), rest].concat()).await.unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"101"));
        drop(socket);
    }
    // Both seats are free again.
    until("they are forgotten", async || {
        let one = Hub::try_connect(&pod.url, &token, JSON, "").await.ok()?;
        Hub::try_connect(&pod.url, &token, JSON, "").await.ok().map(|two| (one, two))
    })
    .await;
}
