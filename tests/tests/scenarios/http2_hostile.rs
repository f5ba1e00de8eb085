//! Clients of HTTP/2 that are broken or hostile, frame by frame: each is bounded, and nobody else notices.

use std::time::Duration;

use gateway::GatewayConfig;
use scenarios::{Cluster, EventStream, Http2, Pod, TIMEOUT, cluster::event, over_both_backplanes};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

over_both_backplanes! {
    whoever_takes_everything_back_at_once_is_sent_away,
    whoever_takes_back_again_and_again_is_refused_and_the_others_go_on,
    a_head_without_end_ends_its_connection,
    pings_settings_and_empty_frames_without_end_harm_nobody,
    a_stream_whose_window_stays_shut_is_ended,
    there_are_no_more_streams_than_the_setting_says,
    half_a_preface_keeps_nobody_out,
    a_body_that_nobody_reads_holds_up_no_other_stream,
    what_is_no_frame_ends_its_connection,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame that has come.
#[derive(Debug)]
struct Came {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Came {
    /// The code of an error, at the end of the payload.
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header of HPACK that no table keeps.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.len();
        if rest < 127 {
            bytes.push(rest as u8);
        } else {
            bytes.push(127);
            rest -= 127;
            while rest >= 128 {
                bytes.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            bytes.push(rest as u8);
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    [vec![0], text(name), text(value)].concat()
}

fn head(method: &str, path: &str, token: &str) -> Vec<u8> {
    [
        literal(":method", method),
        literal(":scheme", "http"),
        literal(":authority", "pod"),
        literal(":path", path),
        literal("authorization", &format!("Bearer {token}")),
    ]
    .concat()
}

/// A client that writes frames by hand.
struct Raw(TcpStream);

impl Raw {
    /// Connects with these settings.
    async fn connect(pod: &Pod, settings: &[u8]) -> Self {
        let mut socket = TcpStream::connect(pod.url.strip_prefix("http://").unwrap()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut raw = Self(socket);
        raw.send(&frame(SETTINGS, 0, 0, settings)).await;
        raw.send(&frame(SETTINGS, ACK, 0, &[])).await;
        raw
    }

    /// Sends bytes, if they are still taken.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        timeout(TIMEOUT, self.0.write_all(bytes)).await.expect("they are taken or refused").is_ok()
    }

    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<Came> {
        timeout(TIMEOUT, async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
            Some(Came { kind: head[3], flags: head[4], stream, payload })
        })
        .await
        .expect("a frame or the end comes")
    }

    /// The next frame of one of these kinds; `None` at the end.
    async fn next_of(&mut self, kinds: &[u8]) -> Option<Came> {
        loop {
            let came = self.next().await?;
            if kinds.contains(&came.kind) {
                return Some(came);
            }
        }
    }

    /// Waits until everything before was read.
    async fn ping(&mut self) {
        self.send(&frame(PING, 0, 0, b"have you")).await;
        while self.next_of(&[PING]).await.expect("the connection goes on").flags != ACK {}
    }
}

/// Somebody else on the pod, who must not notice.
struct Bystander(EventStream);

impl Bystander {
    async fn on(pod: &Pod, cluster: &Cluster) -> Self {
        Self(pod.browser(cluster, "bob", "prod").await)
    }

    async fn is_served(&mut self, pod: &Pod, cluster: &Cluster) {
        let id = format!("{:x}", rand::random::<u64>());
        pod.publish(&cluster.token("app", "prod"), &event(&id, "user:bob")).await;
        assert_eq!(self.0.next_ids(1).await, [id]);
    }
}

async fn whoever_takes_everything_back_at_once_is_sent_away(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    let token = cluster.token("ada", "prod");
    let mut raw = Raw::connect(&pod, &[]).await;
    let mut flood = Vec::new();
    for stream in (1..4000).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", "/events", &token)));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    raw.send(&flood).await;
    let goodbye = raw.next_of(&[GOAWAY]).await;
    assert!(goodbye.is_none_or(|goodbye| goodbye.code() == ENHANCE_YOUR_CALM), "or its socket was cut at once");
    bystander.is_served(&pod, &cluster).await;
}

async fn whoever_takes_back_again_and_again_is_refused_and_the_others_go_on(cluster: Cluster) {
    const AT_ONCE: u32 = 30;
    let pod = cluster.pod().await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    let token = cluster.token("ada", "prod");
    let mut raw = Raw::connect(&pod, &[]).await;
    let listens = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", "/events", &token));
    raw.send(&listens).await;
    raw.next_of(&[HEADERS]).await.expect("it listens");
    let (mut stream, mut refused) = (3, None);
    while refused.is_none() && stream < 20_000 {
        let streams: Vec<_> = (0..AT_ONCE).map(|at| stream + 2 * at).collect();
        stream += 2 * AT_ONCE;
        // Each waits for its body.
        let begin = |stream: &u32| frame(HEADERS, END_HEADERS, *stream, &head("POST", "/api/events", &token));
        raw.send(&streams.iter().flat_map(begin).collect::<Vec<_>>()).await;
        // Once the last is answered all were seen.
        let last = stream;
        stream += 2;
        raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, last, &head("HEAD", "/nowhere", &token))).await;
        loop {
            let came = raw.next_of(&[HEADERS, RST_STREAM]).await.expect("the connection goes on");
            // What was answered is reset as well, without an error.
            if came.kind == RST_STREAM && came.code() != 0 {
                refused = Some(came.code());
            }
            if came.stream == last {
                break;
            }
        }
        let take_back = |stream: &u32| frame(RST_STREAM, 0, *stream, &8_u32.to_be_bytes());
        raw.send(&streams.iter().flat_map(take_back).collect::<Vec<_>>()).await;
    }
    assert_eq!(refused, Some(REFUSED_STREAM), "after {stream}");
    pod.publish(&cluster.token("app", "prod"), &event("goes-on", "user:ada")).await;
    let mut told = String::new();
    while !told.contains("goes-on") {
        let data = raw.next_of(&[DATA]).await.expect("the connection goes on");
        told.push_str(&String::from_utf8_lossy(&data.payload));
    }
    bystander.is_served(&pod, &cluster).await;
}

async fn a_head_without_end_ends_its_connection(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    for part in [literal("x-a", &"a".repeat(10_000)), literal("x-b", "b"), vec![]] {
        let mut raw = Raw::connect(&pod, &[]).await;
        raw.send(&frame(HEADERS, END_STREAM, 1, &head("GET", "/events", "none"))).await;
        let mut sent = 0;
        while raw.send(&frame(CONTINUATION, 0, 1, &part)).await {
            sent += 1;
            assert!(sent < 500_000, "it is read for ever");
        }
        assert!(raw.next_of(&[GOAWAY]).await.is_none_or(|goodbye| goodbye.code() != 0));
    }
    bystander.is_served(&pod, &cluster).await;
}

async fn pings_settings_and_empty_frames_without_end_harm_nobody(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    let token = cluster.token("ada", "prod");
    let floods = [
        // pings
        frame(PING, 0, 0, b"12345678"),
        // answers to no ping
        frame(PING, ACK, 0, b"12345678"),
        // settings
        frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]),
        // windows
        frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()),
        // priorities
        frame(2, 0, 1, &[0, 0, 0, 0, 1]),
        // unknown frames
        frame(0xfa, 0, 0, &[]),
    ];
    for one in floods {
        let mut raw = Raw::connect(&pod, &[]).await;
        raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", "/events", &token))).await;
        let many = one.repeat(2000);
        // Until it is taken no more: its answers are not read.
        for _ in 0..50 {
            if timeout(Duration::from_secs(1), raw.0.write_all(&many)).await.is_err() {
                break;
            }
        }
        bystander.is_served(&pod, &cluster).await;
    }
    let mut raw = Raw::connect(&pod, &[]).await;
    raw.send(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/api/events", &token))).await;
    raw.send(&frame(DATA, 0, 1, &[]).repeat(100_000)).await;
    bystander.is_served(&pod, &cluster).await;
}

async fn a_stream_whose_window_stays_shut_is_ended(cluster: Cluster) {
    let pod = cluster.pod_with(GatewayConfig { outbox: 4, ..GatewayConfig::default() }).await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    let token = cluster.token("ada", "prod");
    let no_window = [0, 4, 0, 0, 0, 0];
    let mut raw = Raw::connect(&pod, &no_window).await;
    raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", "/events", &token))).await;
    raw.next_of(&[HEADERS]).await.expect("the head needs no window");
    for id in 0..40 {
        let mut large = event(&id.to_string(), "user:ada");
        large["data"] = json!("x".repeat(20_000));
        pod.publish(&cluster.token("app", "prod"), &large).await;
    }
    let end = raw.next_of(&[RST_STREAM, GOAWAY, DATA]).await.expect("it is told");
    assert_eq!((end.kind, end.stream), (RST_STREAM, 1));
    raw.ping().await;
    bystander.is_served(&pod, &cluster).await;
}

async fn there_are_no_more_streams_than_the_setting_says(cluster: Cluster) {
    let config = GatewayConfig { streams_per_connection: 3.try_into().unwrap(), ..GatewayConfig::default() };
    let pod = cluster.pod_with(config).await;
    let token = cluster.token("ada", "prod");
    let mut raw = Raw::connect(&pod, &[]).await;
    raw.ping().await;
    for stream in [1, 3, 5, 7] {
        raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", "/events", &token))).await;
    }
    let refused = raw.next_of(&[RST_STREAM]).await.expect("the connection goes on");
    assert_eq!((refused.stream, refused.code()), (7, REFUSED_STREAM));
    raw.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).await;
    raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 9, &head("GET", "/events", &token))).await;
    while raw.next_of(&[HEADERS]).await.expect("there is room again").stream != 9 {}
}

async fn half_a_preface_keeps_nobody_out(cluster: Cluster) {
    let config = GatewayConfig { unauthenticated_connections: 4, ..GatewayConfig::default() };
    let pod = cluster.pod_with(config).await;
    let token = cluster.token("ada", "prod");
    let listening = Http2::connect(&pod.url).await;
    let mut tab = listening.events(&pod.url, &token, None).await;
    let mut held = Vec::new();
    for begin in ["", "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HT"].repeat(20) {
        let mut socket = TcpStream::connect(pod.url.strip_prefix("http://").unwrap()).await.unwrap();
        socket.write_all(begin.as_bytes()).await.unwrap();
        held.push(socket);
    }
    let mut first = held.swap_remove(0);
    let end = timeout(TIMEOUT, first.read(&mut [0; 16])).await.expect("the first makes room");
    assert!(end.is_err() || end.unwrap() == 0);
    let late = Http2::connect(&pod.url).await;
    let mut late = late.events(&pod.url, &token, None).await;
    pod.publish(&cluster.token("app", "prod"), &event("1", "user:ada")).await;
    assert_eq!((tab.next_ids(1).await, late.next_ids(1).await), (vec!["1".to_owned()], vec!["1".to_owned()]));
}

async fn a_body_that_nobody_reads_holds_up_no_other_stream(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("ada", "prod");
    let mut raw = Raw::connect(&pod, &[]).await;
    // Until then its windows are the usual ones.
    raw.ping().await;
    // Streams that are not asked for a body, and send as much of one as their windows let them.
    let window = 256 << 10;
    for stream in (1..40).step_by(2) {
        raw.send(&frame(HEADERS, END_HEADERS, stream, &head("GET", "/events", &token))).await;
        for _ in 0..window / 16_384 {
            raw.send(&frame(DATA, 0, stream, &[b'x'; 16_384])).await;
        }
    }
    raw.ping().await;
    raw.send(&frame(HEADERS, END_HEADERS, 41, &head("PUT", "/api/files/a", &token))).await;
    for _ in 0..window / 16_384 {
        raw.send(&frame(DATA, 0, 41, &[b'x'; 16_384])).await;
    }
    raw.send(&frame(DATA, END_STREAM, 41, &[])).await;
    while raw.next_of(&[HEADERS]).await.expect("it is answered").stream != 41 {}
}

async fn what_is_no_frame_ends_its_connection(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut bystander = Bystander::on(&pod, &cluster).await;
    let token = cluster.token("ada", "prod");
    let upper = literal("X-Upper", "1");
    let of_connection = literal("connection", "upgrade");
    let cases: [Vec<u8>; 8] = [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        frame(DATA, 0, 0, b"x"),
        frame(HEADERS, END_HEADERS | END_STREAM, 2, &head("GET", "/", &token)),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 50]),
        frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]),
        [&[0xff, 0xff, 0xff], &[DATA, 0, 0, 0, 0, 1][..]].concat(),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[head("GET", "/", &token), upper].concat()),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[head("GET", "/", &token), of_connection].concat()),
    ];
    for case in cases {
        let mut raw = Raw::connect(&pod, &[]).await;
        raw.send(&case).await;
        let end = raw.next_of(&[GOAWAY, RST_STREAM, HEADERS]).await;
        assert!(end.is_none_or(|end| end.kind != HEADERS && end.code() != 0), "{}", case.escape_ascii());
    }
    for (method, path) in [("CONNECT", ""), ("GET", "*"), ("OPTIONS", "*"), ("GET", "//"), ("GET", "/%"), ("BREW", "/")]
    {
        let mut raw = Raw::connect(&pod, &[]).await;
        let mut head = [literal(":method", method), literal(":authority", "pod")].concat();
        if method != "CONNECT" {
            head.extend([literal(":scheme", "http"), literal(":path", path)].concat());
        }
        raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).await;
        raw.next_of(&[HEADERS, RST_STREAM, GOAWAY]).await.unwrap_or_else(|| panic!("{method} {path}: not answered"));
    }
    bystander.is_served(&pod, &cluster).await;
}
