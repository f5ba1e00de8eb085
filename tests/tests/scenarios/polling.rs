//! Long polling and server-sent events without sticky sessions: each request may come to any pod.

use std::time::{Duration, Instant};

use futures_util::future::select_all;
use gateway::GatewayConfig;
use reqwest::{RequestBuilder, Response};
use scenarios::{Cluster, Pod, TestBackplane, cluster::event, over_both_backplanes, until};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

over_both_backplanes! {
    the_first_poll_is_answered_at_once_with_nothing_and_the_next_with_what_comes,
    every_request_may_come_to_another_pod_than_the_one_before,
    a_poll_that_hears_nothing_is_answered_with_nothing_in_time,
    a_newer_poll_ends_the_older_one,
    a_client_may_say_its_handshake_before_it_polls,
    what_is_larger_than_a_word_between_pods_comes_whole,
    a_poll_for_a_connection_that_is_not_there_is_refused_late,
    when_its_home_is_gone_a_client_begins_again,
    who_ends_a_connection_is_obeyed_and_polls_in_vain,
    a_connection_that_ends_says_why_then_that_it_is_over_and_then_it_is_gone,
    a_client_that_polls_no_more_is_forgotten,
    a_request_of_only_pings_is_answered_where_it_lands,
    what_a_client_says_reaches_its_stream_on_another_pod,
    a_poll_that_was_given_up_loses_nothing,
    a_stopping_pod_tells_who_polls_elsewhere_to_come_back,
    a_stopping_pod_lets_go_of_polls_for_others,
}

pub(crate) const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
const ACCEPTED: &str = "{}\u{1e}";
pub(crate) const PING: &str = "{\"type\":6}\u{1e}";

/// A client as it is seen on the wire.
pub(crate) struct Client {
    pub(crate) token: String,
    id: String,
    query: String,
}

impl Client {
    pub(crate) async fn negotiate(pod: &Pod, cluster: &Cluster, query: &str) -> Self {
        Self::with_token(pod, cluster.token("ada", "prod"), query).await
    }

    pub(crate) async fn with_token(pod: &Pod, token: String, query: &str) -> Self {
        let request = pod.request("POST", &format!("/hub/negotiate?negotiateVersion=1&{query}"), &token);
        let negotiated: Value = request.send().await.unwrap().json().await.unwrap();
        let id = negotiated["connectionToken"].as_str().unwrap().to_owned();
        Self { token, id, query: query.to_owned() }
    }

    /// One that has shaken hands at this pod, which is its home, and has seen the answer.
    pub(crate) async fn greeted(pod: &Pod, cluster: &Cluster, query: &str) -> Self {
        let client = Self::negotiate(pod, cluster, query).await;
        client.greet(pod).await;
        client
    }

    pub(crate) async fn greet(&self, pod: &Pod) {
        assert_eq!(self.poll(pod).await, (200, String::new()), "the first is empty");
        assert_eq!(self.post(pod, HANDSHAKE).await, 200);
        assert_eq!(self.poll(pod).await, (200, ACCEPTED.to_owned()));
    }

    /// Shakes hands, and is told where it is and perhaps the events after that.
    pub(crate) async fn cursor(&self, pod: &Pod) -> (String, Vec<String>) {
        assert_eq!(self.poll(pod).await, (200, String::new()));
        assert_eq!(self.post(pod, HANDSHAKE).await, 200);
        let (_, text) = self.poll(pod).await;
        let told = messages(text.strip_prefix(ACCEPTED).unwrap()).next().unwrap();
        assert_eq!(told["target"], "cursor");
        (told["arguments"][0].as_str().unwrap().to_owned(), event_ids(&text[ACCEPTED.len()..]))
    }

    pub(crate) fn request(&self, pod: &Pod, method: &str) -> RequestBuilder {
        pod.request(method, &format!("/hub?{}&id={}", self.query, self.id), &self.token)
    }

    pub(crate) async fn poll(&self, pod: &Pod) -> (u16, String) {
        let answer = self.request(pod, "GET").send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, if status < 300 { text } else { String::new() })
    }

    pub(crate) async fn post(&self, pod: &Pod, text: &str) -> u16 {
        self.request(pod, "POST").body(text.to_owned()).send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn delete(&self, pod: &Pod) -> u16 {
        self.request(pod, "DELETE").send().await.unwrap().status().as_u16()
    }

    /// Polls these pods in turn until so many events have come.
    pub(crate) async fn ids(&self, pods: &[&Pod], count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for pod in pods.iter().cycle() {
            if ids.len() >= count {
                break;
            }
            let (status, text) = self.poll(pod).await;
            assert_eq!(status, 200);
            ids.extend(event_ids(&text));
        }
        ids
    }
}

pub(crate) fn messages(text: &str) -> impl Iterator<Item = Value> {
    text.split_terminator('\u{1e}').map(|message| serde_json::from_str(message).unwrap())
}

pub(crate) fn event_ids(text: &str) -> Vec<String> {
    let events = messages(text).filter(|message| message["target"] == "event");
    events.map(|message| message["arguments"][0]["id"].as_str().unwrap().to_owned()).collect()
}

fn quick() -> GatewayConfig {
    GatewayConfig {
        poll_timeout: Duration::from_millis(300),
        client_timeout: Duration::from_secs(2),
        ..GatewayConfig::default()
    }
}

/// Tells ada so many things, named from this number on.
async fn tell(pod: &Pod, cluster: &Cluster, ids: std::ops::Range<usize>) -> Vec<String> {
    let app = cluster.token("app", "prod");
    let names: Vec<_> = ids.map(|id| id.to_string()).collect();
    for name in &names {
        pod.publish(&app, &event(name, "user:ada")).await;
    }
    names
}

async fn the_first_poll_is_answered_at_once_with_nothing_and_the_next_with_what_comes(cluster: Cluster) {
    let pod = cluster.pod().await;
    let client = Client::negotiate(&pod, &cluster, "").await;
    let first = client.request(&pod, "GET").send().await.unwrap();
    assert_eq!((first.status().as_u16(), first.text().await.unwrap()), (200, String::new()));
    // The client's handshake and its next poll come together.
    let (answer, posted) = tokio::join!(client.request(&pod, "GET").send(), client.post(&pod, HANDSHAKE));
    let answer = answer.unwrap();
    assert_eq!((posted, answer.status().as_u16()), (200, 200));
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.text().await.unwrap(), ACCEPTED);
    let told = tell(&pod, &cluster, 0..20).await;
    assert_eq!(client.ids(&[&pod], 20).await, told);
    let missing = pod.request("GET", "/hub", &client.token).send().await.unwrap();
    assert_eq!(missing.status(), 400, "an id is needed");
}

async fn every_request_may_come_to_another_pod_than_the_one_before(cluster: Cluster) {
    let (one, two, three) = (cluster.pod().await, cluster.pod().await, cluster.pod().await);
    let client = Client::negotiate(&one, &cluster, "after=now").await;
    assert_eq!(client.poll(&two).await, (200, String::new()));
    assert_eq!(client.post(&three, HANDSHAKE).await, 200);
    let (status, text) = client.poll(&two).await;
    assert!(status == 200 && text.starts_with(ACCEPTED), "{status} {text:?}");
    for round in 0..5 {
        let told = tell(&three, &cluster, round * 10..round * 10 + 10).await;
        assert_eq!(client.ids(&[&three, &one, &two], 10).await, told);
    }
    let invoke = json!({ "type": 1, "invocationId": "7", "target": "ListTasks", "arguments": [] });
    assert_eq!(client.post(&two, &format!("{invoke}\u{1e}")).await, 200);
    let answered = until("the answer", async || {
        let (_, text) = client.poll(&three).await;
        messages(&text).find(|message| message["type"] == 3)
    });
    assert_eq!(answered.await, json!({ "type": 3, "invocationId": "7", "result": { "tasks": [] } }));
}

async fn a_poll_that_hears_nothing_is_answered_with_nothing_in_time(cluster: Cluster) {
    let (one, two) = (cluster.pod_with(quick()).await, cluster.pod_with(quick()).await);
    let client = Client::greeted(&one, &cluster, "").await;
    for pod in [&one, &two, &one] {
        let begun = Instant::now();
        assert_eq!(client.poll(pod).await, (200, String::new()));
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }
}

async fn a_newer_poll_ends_the_older_one(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let client = Client::greeted(&one, &cluster, "").await;
    for (older, newer) in [(&one, &one), (&two, &one), (&one, &two), (&two, &two)] {
        let older = tokio::spawn(client.request(older, "GET").send());
        let newer = client.request(newer, "GET");
        // Whichever came first is ended by the other.
        let newer = tokio::spawn(newer.send());
        let status = async |poll: JoinHandle<reqwest::Result<Response>>| poll.await.unwrap().unwrap().status();
        let (ended, _, mut other) = select_all([older, newer].map(|poll| Box::pin(status(poll)))).await;
        assert_eq!(ended, 204);
        one.publish(&cluster.token("app", "prod"), &event(&rand::random::<u64>().to_string(), "user:ada")).await;
        assert_eq!(other.remove(0).await, 200);
    }
}

async fn a_client_may_say_its_handshake_before_it_polls(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    for (first, then) in [(&one, &two), (&two, &one), (&one, &one), (&two, &two)] {
        let client = Client::negotiate(&one, &cluster, "").await;
        assert_eq!(client.post(first, HANDSHAKE).await, 200);
        assert_eq!(client.poll(then).await, (200, String::new()), "the first is empty, whatever was said");
        assert_eq!(client.poll(then).await, (200, ACCEPTED.to_owned()));
        client.delete(then).await;
    }
}

async fn what_is_larger_than_a_word_between_pods_comes_whole(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let app = cluster.token("app", "prod");
    // As much of a result as a list shows.
    let text = "é".repeat(1_000);
    for number in 0..99 {
        let id = format!("01JDZZZZZZZZZZZZZZZZZZZZ{number:02}");
        let mut told = event(&id, "user:ada");
        told["type"] = json!("bellwire.task.succeeded");
        told["data"] = json!({ "task": {
            "id": id, "kind": "reports", "title": "Large", "state": "succeeded", "owner": "ada", "result": { "text": text },
        } });
        one.publish(&app, &told).await;
    }
    let client = Client::greeted(&one, &cluster, "").await;
    let invoke = json!({ "type": 1, "invocationId": "1", "target": "ListTasks", "arguments": [] });
    let tasks = until("all tasks are known", async || {
        assert_eq!(client.post(&two, &format!("{invoke}\u{1e}")).await, 200);
        let (status, text) = client.poll(&two).await;
        assert_eq!(status, 200);
        let answer = messages(&text).find(|message| message["type"] == 3)?;
        let tasks = answer["result"]["tasks"].as_array().unwrap().clone();
        (tasks.len() == 99).then_some(tasks)
    });
    for task in tasks.await {
        assert_eq!(task["result"]["text"], text);
    }
}

async fn a_poll_for_a_connection_that_is_not_there_is_refused_late(cluster: Cluster) {
    let config = GatewayConfig { handshake_timeout: Duration::ZERO, ..GatewayConfig::default() };
    let (one, two) = (cluster.pod_with(config.clone()).await, cluster.pod_with(config).await);
    // Its token is too old to begin with.
    let client = Client::negotiate(&one, &cluster, "").await;
    for pod in [&one, &two] {
        let begun = Instant::now();
        assert_eq!(client.poll(pod).await.0, 404);
        assert!(begun.elapsed() >= Duration::from_secs(1), "some clients poll again at once, without end");
        assert_eq!(client.post(pod, HANDSHAKE).await, 404);
        assert_eq!(client.delete(pod).await, 404);
    }
    let stolen = Client { token: cluster.token("bob", "prod"), ..client };
    assert_eq!((stolen.poll(&one).await.0, stolen.post(&two, PING).await), (404, 404), "it is another's");
}

async fn when_its_home_is_gone_a_client_begins_again(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let client = Client::greeted(&one, &cluster, "").await;
    assert_eq!(client.post(&two, "{\"type\":1,\"target\":\"x\",\"arguments\":[]}\u{1e}").await, 200);
    one.kill().await;
    assert_eq!(client.poll(&two).await.0, 404);
    assert_eq!(client.post(&two, "{\"type\":1,\"target\":\"x\",\"arguments\":[]}\u{1e}").await, 404);
    let again = Client::greeted(&two, &cluster, "").await;
    let told = tell(&two, &cluster, 0..3).await;
    assert_eq!(again.ids(&[&two], 3).await, told);
}

async fn who_ends_a_connection_is_obeyed_and_polls_in_vain(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    for (polled, ended) in [(&one, &one), (&two, &one), (&one, &two)] {
        let client = Client::greeted(&one, &cluster, "").await;
        let poll = tokio::spawn(client.request(polled, "GET").send());
        assert_eq!(client.delete(ended).await, 202);
        let poll = poll.await.unwrap().unwrap().status();
        assert!(poll == 204 || poll == 404, "{poll}: the poll may have come after the end");
        assert_eq!((client.poll(polled).await.0, client.post(ended, HANDSHAKE).await), (404, 404));
    }
}

async fn a_connection_that_ends_says_why_then_that_it_is_over_and_then_it_is_gone(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    for (pod, number) in [(&one, 1), (&two, 2)] {
        // The answer to a handshake that cannot be is its last word.
        let client = Client::negotiate(&one, &cluster, "").await;
        assert_eq!(client.poll(pod).await, (200, String::new()));
        assert_eq!(client.post(pod, "{\"protocol\":\"xml\",\"version\":1}\u{1e}").await, 200);
        let (status, refused) = client.poll(pod).await;
        assert!(status == 200 && refused.contains("\"error\""), "{status} {refused:?}");
        assert_eq!(client.poll(pod).await, (204, String::new()));
        assert_eq!(client.poll(pod).await.0, 404);
        let token = cluster.token_with("prod", |claims| claims.exp = jiff::Timestamp::now().as_second() + 6);
        let mut client = Client::with_token(&one, token, "").await;
        client.greet(pod).await;
        let (status, text) = client.poll(pod).await;
        let close = json!({ "type": 7, "error": "expired", "allowReconnect": true });
        assert_eq!((status, messages(&text).collect::<Vec<_>>()), (200, vec![close]));
        client.token = cluster.token("ada", "prod");
        assert_eq!(client.poll(pod).await, (204, String::new()));
        assert_eq!(client.poll(pod).await.0, 404);
        // With a newer token it would have gone on.
        let token = cluster.token_with("prod", |claims| claims.exp = jiff::Timestamp::now().as_second() + 6);
        let mut client = Client::with_token(&one, token, "").await;
        client.token = cluster.token("ada", "prod");
        client.greet(pod).await;
        let told = tell(pod, &cluster, number..number + 1).await;
        assert_eq!(client.ids(&[pod], 1).await.len(), told.len());
        client.delete(&one).await;
    }
}

async fn a_client_that_polls_no_more_is_forgotten(cluster: Cluster) {
    let pod = cluster.pod_with(quick()).await;
    let client = Client::greeted(&pod, &cluster, "").await;
    let invoke = "{\"type\":1,\"target\":\"ListTasks\",\"arguments\":[]}\u{1e}";
    assert_eq!(client.post(&pod, invoke).await, 200);
    until("it is gone", async || (client.post(&pod, invoke).await == 404).then_some(())).await;
}

async fn a_request_of_only_pings_is_answered_where_it_lands(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let client = Client::greeted(&one, &cluster, "").await;
    one.kill().await;
    assert_eq!(client.post(&two, &PING.repeat(3)).await, 200, "it asks nothing of anybody");
    let stolen = Client { token: cluster.token("bob", "prod"), ..client };
    assert_eq!(stolen.post(&two, PING).await, 404);
}

async fn what_a_client_says_reaches_its_stream_on_another_pod(cluster: Cluster) {
    let (one, two, three) = (cluster.pod().await, cluster.pod().await, cluster.pod().await);
    let client = Client::negotiate(&one, &cluster, "").await;
    // Neither the pod that negotiated holds it, nor the one that hears what it says.
    let mut stream = client.request(&two, "GET").header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut seen = String::new();
    for pod in [&three, &one] {
        let text = if seen.is_empty() {
            HANDSHAKE
        } else {
            "{\"type\":1,\"invocationId\":\"9\",\"target\":\"ListTasks\",\"arguments\":[]}\u{1e}"
        };
        let expected = if seen.is_empty() { "{}" } else { "\"invocationId\":\"9\"" };
        assert_eq!(client.post(pod, text).await, 200);
        while !seen.contains(expected) {
            seen.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
    }
    drop(stream);
    until("it is over", async || (client.post(&three, HANDSHAKE).await == 404).then_some(())).await;
}

async fn a_poll_that_was_given_up_loses_nothing(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    for (pod, first) in [(&one, 0), (&two, 10)] {
        let mut client = Client::negotiate(&one, &cluster, "after=now").await;
        let (cursor, mut heard) = client.cursor(&one).await;
        // The client goes while the pod waits for something to answer it with.
        client.request(pod, "GET").timeout(Duration::from_millis(200)).send().await.unwrap_err();
        let told = tell(&one, &cluster, first..first + 3).await;
        // Either the next polls get it, or the client has to begin again and comes back with its cursor.
        while heard.len() < 3 {
            match client.poll(pod).await {
                (200, text) => heard.extend(event_ids(&text)),
                (404, _) => {
                    client = Client::negotiate(&one, &cluster, &format!("after={cursor}")).await;
                    heard = client.cursor(&one).await.1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(heard, told);
    }
}

async fn a_stopping_pod_tells_who_polls_elsewhere_to_come_back(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let client = Client::greeted(&one, &cluster, "").await;
    let (told, ()) = tokio::join!(client.poll(&two), one.stop());
    let close = json!({ "type": 7, "error": "draining", "allowReconnect": true });
    assert_eq!((told.0, messages(&told.1).collect::<Vec<_>>()), (200, vec![close]));
    assert_eq!(client.poll(&two).await.0, 404);
}

async fn a_stopping_pod_lets_go_of_polls_for_others(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let client = Client::greeted(&one, &cluster, "").await;
    let mut at_home = tokio::spawn(client.request(&one, "GET").send());
    let mut elsewhere = tokio::spawn(client.request(&two, "GET").send());
    // Ended by the other, the poll at home proves that the other is there.
    loop {
        tokio::select! {
            _ended = &mut at_home => break,
            _ended = &mut elsewhere => elsewhere = tokio::spawn(client.request(&two, "GET").send()),
        }
    }
    let (told, ()) = tokio::join!(elsewhere, two.stop());
    let told = told.unwrap().unwrap();
    assert_eq!((told.status().as_u16(), told.text().await.unwrap()), (200, String::new()));
    // Of two polls the newer ends the older, and then the newer is there.
    let mut polls = [0, 1].map(|_| tokio::spawn(client.request(&one, "GET").send()));
    let [first, second] = &mut polls;
    let there = tokio::select! {
        _ended = first => 1,
        _ended = second => 0,
    };
    let told = tell(&one, &cluster, 0..1).await;
    let [first, second] = polls;
    let poll = if there == 0 { first } else { second };
    assert_eq!(event_ids(&poll.await.unwrap().unwrap().text().await.unwrap()), told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_no_other_pod_can_be_asked_a_client_is_told_to_come_back() {
    let test_backplane = TestBackplane::rabbitmq().await;
    let (cut_off, proxy) = test_backplane.behind_a_proxy(true).await;
    let (near, far) = (Cluster::new(test_backplane).await, Cluster::new(cut_off).await);
    let (one, two) = (near.pod().await, far.pod_with(quick()).await);
    let client = Client::greeted(&one, &near, "").await;
    let own = Client::greeted(&two, &far, "").await;
    proxy.cut();
    until("it says so", async || {
        // Its own client polls meanwhile, or its silence would end it.
        let (_, (status, _)) = tokio::join!(own.poll(&two), client.poll(&two));
        (status == 503).then_some(())
    })
    .await;
    // The other pod is waited for as long as silence ends a client.
    let posting = client.post(&two, "{\"type\":1,\"target\":\"x\",\"arguments\":[]}\u{1e}");
    tokio::pin!(posting);
    let posted = loop {
        tokio::select! {
            posted = &mut posting => break posted,
            (status, _) = own.poll(&two) => assert_eq!(status, 200, "its own clients need no other pod"),
        }
    };
    assert_eq!(posted, 503);
    assert_eq!(own.poll(&two).await.0, 200, "its own clients need no other pod");
    let early = Client::negotiate(&two, &far, "").await;
    assert_eq!(early.post(&two, HANDSHAKE).await, 200, "nobody else could begin it");
    proxy.restore();
    // What was lost between pods may have ended the client; then it begins again.
    until("it is served again", async || matches!(client.poll(&two).await.0, 200 | 404).then_some(())).await;
}
