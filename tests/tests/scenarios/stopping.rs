//! A pod that is told to stop: not ready at once, still there for those who have not seen that, and then gone.

use std::time::Duration;

use gateway::GatewayConfig;
use scenarios::{Cluster, EventStream, Http2, Pod, TIMEOUT, cluster::event, http_client, over_both_backplanes, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

over_both_backplanes! {
    a_pod_that_is_told_to_stop_is_not_ready_at_once_and_takes_what_still_comes,
    who_keeps_a_connection_is_told_before_it_is_closed,
    a_connection_of_http2_takes_nothing_new_and_its_streams_go_on,
    when_it_accepts_no_more_those_who_listen_are_told_to_go_and_lose_nothing,
}

/// A pod that lingers for longer than any test takes.
async fn lingering(cluster: &Cluster) -> Pod {
    cluster.pod_with(GatewayConfig { linger: Duration::from_secs(3600), ..GatewayConfig::default() }).await
}

async fn is_not_ready(pod: &Pod) {
    until("it says that it stops", async || (!pod.readiness.is_ready()).then_some(())).await;
    assert!(pod.readiness.describe().contains("gateway: stopping"), "{}", pod.readiness.describe());
}

/// A connection of HTTP/1.1 that is kept for the next request.
struct Kept {
    socket: TcpStream,
    request: String,
}

impl Kept {
    async fn open(pod: &Pod, token: &str) -> Self {
        let socket = TcpStream::connect(pod.url.strip_prefix("http://").unwrap()).await.unwrap();
        let request = format!("GET /api/approvals HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
        Self { socket, request }
    }

    /// The head of the answer to a request.
    async fn ask(&mut self) -> String {
        self.socket.write_all(self.request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        loop {
            let mut bytes = [0; 4096];
            let count = timeout(TIMEOUT, self.socket.read(&mut bytes)).await.expect("it is answered").unwrap();
            assert!(count > 0, "it ended after {answer:?}");
            answer.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            let Some((head, body)) = answer.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return head.to_owned();
            }
        }
    }

    async fn ends(mut self) -> bool {
        let read = timeout(TIMEOUT, self.socket.read(&mut [0; 1])).await.expect("it ends");
        read.is_ok_and(|count| count == 0)
    }
}

async fn a_pod_that_is_told_to_stop_is_not_ready_at_once_and_takes_what_still_comes(cluster: Cluster) {
    let pod = lingering(&cluster).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let mut before = pod.browser(&cluster, "ada", "prod").await;
    pod.tell_to_stop();
    is_not_ready(&pod).await;
    let mut new = EventStream::connect(&pod.url, &ada, None).await;
    // Each on a connection of its own.
    for id in ["1", "2"] {
        pod.publish(&app, &event(id, "user:ada")).await;
    }
    assert_eq!(before.next_ids(2).await, ["1", "2"], "nobody is sent away yet");
    assert_eq!(new.next_ids(2).await, ["1", "2"]);
}

async fn who_keeps_a_connection_is_told_before_it_is_closed(cluster: Cluster) {
    let pod = lingering(&cluster).await;
    let token = cluster.token("ada", "prod");
    let [mut old, mut idle] = [Kept::open(&pod, &token).await, Kept::open(&pod, &token).await];
    for kept in [&mut old, &mut idle] {
        let head = kept.ask().await;
        assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("connection: close"), "{head}");
    }
    pod.tell_to_stop();
    is_not_ready(&pod).await;
    let new = Kept::open(&pod, &token).await;
    for mut kept in [old, new, idle] {
        let head = kept.ask().await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("connection: close"), "{head}");
        assert!(kept.ends().await);
    }
}

async fn a_connection_of_http2_takes_nothing_new_and_its_streams_go_on(cluster: Cluster) {
    let pod = lingering(&cluster).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let ask = async |http2: &Http2| http2.send(pod.request("GET", "/api/approvals", &ada)).await;
    let (busy, idle) = (Http2::connect(&pod.url).await, Http2::connect(&pod.url).await);
    let mut tab = busy.events(&pod.url, &ada, None).await;
    assert_eq!(ask(&idle).await.unwrap().status(), 200);
    pod.tell_to_stop();
    is_not_ready(&pod).await;
    idle.ended().await;
    until("it takes no more requests", async || ask(&busy).await.is_err().then_some(())).await;
    pod.publish(&app, &event("1", "user:ada")).await;
    assert_eq!(tab.next_ids(1).await, ["1"]);
    let new = Http2::connect(&pod.url).await;
    assert_eq!(ask(&new).await.unwrap().status(), 200);
    new.ended().await;
}

async fn when_it_accepts_no_more_those_who_listen_are_told_to_go_and_lose_nothing(cluster: Cluster) {
    let linger = Duration::from_millis(500);
    let pod = cluster.pod_with(GatewayConfig { linger, ..GatewayConfig::default() }).await;
    let other = cluster.pod().await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let url = pod.url.clone();
    let (stopped, ()) = tokio::join!(tokio::spawn(pod.stop()), async {
        let mut number = 0;
        // Until its end, events come.
        while let Some(frame) = {
            other.publish(&app, &event(&number.to_string(), "user:ada")).await;
            timeout(TIMEOUT, browser.next_or_end()).await.expect("it ends")
        } {
            assert_eq!(frame.data["id"], number.to_string());
            number += 1;
        }
        let mut back = EventStream::connect(&other.url, &ada, Some(&browser.cursor)).await;
        assert_eq!(back.next_ids(1).await, [number.to_string()]);
    });
    stopped.unwrap();
    assert!(http_client().get(url).send().await.is_err_and(|error| error.is_connect()));
}
