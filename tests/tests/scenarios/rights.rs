//! What a token gives is what its holder gets: no longer, and nothing beyond it.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use gateway::{
    Claims, GatewayConfig,
    dispatch::{
        outbox::{Outbox, OutboxItem, outbox},
        outgoing_event::{LiveEvent, OutgoingEvent},
        registry::{Recipient, Registry},
        window::{Window, WindowEntry},
    },
};
use jiff::Timestamp;
use model::{Audience, Cursor, Event};
use proptest::{collection::vec, prelude::*, sample::subsequence, strategy::ValueTree, test_runner::TestRunner};
use reqwest::Response;
use scenarios::{
    Cluster, EventStream, Pod,
    cluster::{ALL, answer, event},
    over_both_backplanes, until,
};
use serde_json::{Value, json};

use crate::{
    polling::{Client, HANDSHAKE, PING, event_ids, messages},
    tasks::Patient,
};

over_both_backplanes! {
    who_polls_without_a_group_that_is_lost_gets_nothing_of_it_and_loses_nothing_else,
    who_polls_with_one_group_more_gets_its_events,
    a_task_is_started_by_the_rights_of_the_token_that_asks,
    a_stream_ends_with_the_first_request_that_has_other_rights,
    rights_in_another_order_are_the_same,
    a_token_that_is_older_changes_nothing,
    a_token_that_comes_with_the_handshake_counts_from_the_beginning,
    events_of_tasks_take_a_scope_of_their_own,
    nobody_speaks_in_the_name_of_bellwire,
    whatever_tokens_follow_each_other_nobody_gets_what_the_one_that_asks_does_not_give,
}

const CLOSE: &str = "rights-changed";

fn start(number: usize) -> String {
    let arguments = json!(["patient", { "how": "well" }, format!("Task {number}")]);
    let invoke =
        json!({ "type": 1, "invocationId": number.to_string(), "target": "StartTask", "arguments": arguments });
    format!("{invoke}\u{1e}")
}

fn ada(cluster: &Cluster, groups: &[&str], scope: &str) -> String {
    ada_with(cluster, groups, scope, |_| {})
}

fn ada_with(cluster: &Cluster, groups: &[&str], scope: &str, change: impl FnOnce(&mut Claims)) -> String {
    cluster.token_with("prod", |claims| {
        claims.groups = groups.iter().map(|group| (*group).to_owned()).collect();
        claims.scope = scope.to_owned();
        change(claims);
    })
}

/// Publishes an event for each of these audiences, and waits until the pod has dispatched them.
async fn dispatch(pod: &Pod, cluster: &Cluster, events: &[(&str, &str)]) {
    let witness = cluster.token_with("prod", |claims| {
        claims.sub = "witness".to_owned();
        claims.groups = vec!["ops".to_owned(), "sales".to_owned()];
    });
    let mut witness = EventStream::connect(&pod.url, &witness, None).await;
    for (id, audience) in events {
        pod.publish(&cluster.token("app", "prod"), &event(id, &format!("{audience} user:witness"))).await;
    }
    witness.next_ids(events.len()).await;
}

/// The close message of a poll's answer, which must be its only message.
fn only_close(answer: &(u16, String)) -> Value {
    assert_eq!(answer.0, 200);
    let said: Vec<_> = messages(&answer.1).collect();
    assert!(said.len() == 1 && said[0]["type"] == 7, "{said:?}");
    assert_eq!(said[0]["allowReconnect"], true, "{said:?}");
    said[0]["error"].clone()
}

async fn tasks_of(pod: &Pod, token: &str) -> Vec<String> {
    let (status, tasks) = answer(pod.request("GET", "/api/tasks", token)).await;
    assert_eq!(status, 200, "{tasks}");
    tasks["tasks"].as_array().unwrap().iter().map(|task| task["title"].as_str().unwrap().to_owned()).collect()
}

async fn read_until(stream: &mut Response, seen: &mut String, words: &str) {
    while !seen.contains(words) {
        let chunk = stream.chunk().await.unwrap().unwrap_or_else(|| panic!("it ended before {words:?}: {seen:?}"));
        seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

async fn who_polls_without_a_group_that_is_lost_gets_nothing_of_it_and_loses_nothing_else(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    for (pod, round) in [(&one, "at home"), (&two, "elsewhere")] {
        let mut client = Client::with_token(&one, ada(&cluster, &["ops", "sales"], ALL), "after=now").await;
        let (cursor, _) = client.cursor(pod).await;
        let [lost, kept, own] = ["lost", "kept", "own"].map(|id| format!("{round} {id}"));
        dispatch(&one, &cluster, &[(&lost, "group:ops"), (&kept, "group:sales"), (&own, "user:ada")]).await;
        client.token = ada(&cluster, &["sales"], ALL);
        assert_eq!(only_close(&client.poll(pod).await), CLOSE, "{round}");
        assert_eq!(client.poll(pod).await, (204, String::new()));
        let again = Client::with_token(&one, client.token.clone(), &format!("after={cursor}")).await;
        let mut heard = again.cursor(pod).await.1;
        while heard.len() < 2 {
            heard.extend(event_ids(&again.poll(pod).await.1));
        }
        assert_eq!(heard, [kept, own], "{round}: with its cursor it misses nothing");
    }
}

async fn who_polls_with_one_group_more_gets_its_events(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut client = Client::with_token(&pod, ada(&cluster, &["sales"], ALL), "after=now").await;
    let (cursor, _) = client.cursor(&pod).await;
    dispatch(&pod, &cluster, &[("sales", "group:sales"), ("ops", "group:ops")]).await;
    client.token = ada(&cluster, &["sales", "ops"], ALL);
    let told = client.poll(&pod).await;
    // What waited is given by both tokens.
    assert_eq!(event_ids(&told.1).as_slice(), &["sales"][..event_ids(&told.1).len()]);
    let last = messages(&told.1).last().unwrap();
    assert_eq!((&last["error"], &last["allowReconnect"]), (&json!(CLOSE), &json!(true)));
    let again = Client::with_token(&pod, client.token.clone(), &format!("after={cursor}")).await;
    let mut heard = again.cursor(&pod).await.1;
    while heard.len() < 2 {
        heard.extend(event_ids(&again.poll(&pod).await.1));
    }
    assert_eq!(heard, ["sales", "ops"]);
}

async fn a_task_is_started_by_the_rights_of_the_token_that_asks(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let _worker = cluster.worker("prod", Patient::new()).await;
    for (user, pod) in [("ada", &one), ("bob", &two)] {
        let token = |scope| ada_with(&cluster, &[], scope, |claims| claims.sub = user.to_owned());
        let mut client = Client::with_token(&one, token(ALL), "").await;
        client.greet(pod).await;
        client.token = token("publish");
        assert_eq!(client.post(pod, &start(1)).await, 404, "this connection is over, and nothing was started");
        assert_eq!(only_close(&client.poll(pod).await), CLOSE);
        // With one scope more than it began with, it may once it has begun again.
        let mut client = Client::with_token(&one, client.token, "").await;
        client.greet(pod).await;
        client.token = token(ALL);
        assert_eq!(client.post(pod, &start(2)).await, 404);
        let again = Client::with_token(&one, client.token, "").await;
        again.greet(pod).await;
        assert_eq!(again.post(pod, &start(3)).await, 200);
        let tasks = until("one is started", async || {
            let tasks = tasks_of(&one, &again.token).await;
            (!tasks.is_empty()).then_some(tasks)
        });
        assert_eq!(tasks.await, ["Task 3"]);
    }
}

async fn a_stream_ends_with_the_first_request_that_has_other_rights(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let _worker = cluster.worker("prod", Patient::new()).await;
    let all = ada(&cluster, &["ops"], ALL);
    let said = start(1);
    // What pings ask is done wherever they land; what they come with counts all the same.
    let rounds = [(&one, PING, 404), (&two, PING, 200), (&one, said.as_str(), 404), (&two, said.as_str(), 404)];
    for (round, (pod, said, status)) in rounds.into_iter().enumerate() {
        let mut client = Client::with_token(&one, all.clone(), "after=now").await;
        let mut stream = client.request(&one, "GET").header("accept", "text/event-stream").send().await.unwrap();
        let mut seen = String::new();
        assert_eq!(client.post(pod, HANDSHAKE).await, 200);
        read_until(&mut stream, &mut seen, "\"cursor\"").await;
        for _ in 0..2 {
            assert_eq!(client.post(pod, PING).await, 200, "with the rights that it has it goes on");
        }
        client.token = ada(&cluster, &[], "publish");
        assert_eq!(client.post(pod, said).await, status, "{said}");
        read_until(&mut stream, &mut seen, CLOSE).await;
        dispatch(&one, &cluster, &[(&format!("later {round}"), "group:ops")]).await;
        while let Some(chunk) = stream.chunk().await.unwrap() {
            seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        assert!(!seen.contains("later"), "{seen}");
    }
    assert_eq!(tasks_of(&one, &all).await, [""; 0]);
}

async fn rights_in_another_order_are_the_same(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut client = Client::with_token(&pod, ada(&cluster, &["ops", "sales"], "tasks publish"), "").await;
    client.greet(&pod).await;
    client.token = ada(&cluster, &["sales", "ops", "sales"], "publish  tasks");
    dispatch(&pod, &cluster, &[("x", "group:ops")]).await;
    assert_eq!(client.ids(&[&pod], 1).await, ["x"]);
}

async fn a_token_that_is_older_changes_nothing(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let _worker = cluster.worker("prod", Patient::new()).await;
    let now = jiff::Timestamp::now().as_second();
    let issued = |groups: &[&str], scope, at: i64, lifetime: i64| {
        ada_with(&cluster, groups, scope, |claims| {
            claims.iat = Some(at);
            claims.exp = now + lifetime;
        })
    };
    let newest = issued(&["sales"], "publish", now, 300);
    for (number, pod) in [&one, &two].into_iter().enumerate() {
        let mut client = Client::with_token(&one, newest.clone(), "").await;
        client.greet(pod).await;
        // Valid for longer, with more rights, and issued before: of no use for this connection.
        client.token = issued(&["sales", "ops"], ALL, now - 60, 3000);
        assert_eq!(client.post(pod, &start(number)).await, 401);
        assert_eq!(client.poll(pod).await.0, 401);
        client.token.clone_from(&newest);
        let id = number.to_string();
        dispatch(&one, &cluster, &[(&format!("of ops {id}"), "group:ops"), (&id, "group:sales")]).await;
        assert_eq!(client.ids(&[pod], 1).await, [id]);
    }
    assert_eq!(tasks_of(&one, &ada(&cluster, &[], ALL)).await, [""; 0]);
}

async fn a_token_that_comes_with_the_handshake_counts_from_the_beginning(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut client = Client::with_token(&pod, ada(&cluster, &["ops"], ALL), "").await;
    assert_eq!(client.poll(&pod).await, (200, String::new()));
    client.token = ada(&cluster, &["sales"], ALL);
    assert_eq!(client.post(&pod, HANDSHAKE).await, 200);
    assert_eq!(client.poll(&pod).await.0, 200);
    dispatch(&pod, &cluster, &[("of ops", "group:ops"), ("of sales", "group:sales")]).await;
    assert_eq!(client.ids(&[&pod], 1).await, ["of sales"]);
}

async fn events_of_tasks_take_a_scope_of_their_own(cluster: Cluster) {
    let pod = cluster.pod().await;
    let id = "01JDZZZZZZZZZZZZZZZZZZZZ01";
    let mut told = event("x", "user:ada");
    told["type"] = json!("bellwire.task.succeeded");
    told["data"] =
        json!({ "task": { "id": id, "kind": "reports", "title": "Sales", "state": "succeeded", "owner": "ada" } });
    let said = |scope: &str| {
        let token = cluster.token_with("prod", |claims| {
            claims.sub = "app".to_owned();
            claims.scope = scope.to_owned();
        });
        let (pod, told) = (&pod, &told);
        async move {
            let mut answers = Vec::new();
            for path in ["/api/events", "/api/events?to=everywhere"] {
                let (status, problem) = pod.try_publish(path, &token, told).await;
                answers.push((status, problem["detail"].as_str().unwrap_or_default().to_owned()));
            }
            let batch = json!([event("y", "user:ada"), told]).to_string();
            let request = pod.request("POST", "/api/events", &token).body(batch);
            answers.push((
                answer(request.header("content-type", "application/cloudevents-batch+json")).await.0,
                String::new(),
            ));
            answers
        }
    };
    for answer in said("publish publish:everywhere tasks").await {
        let (status, detail) = &answer;
        let is_told = detail.contains("publish:tasks") || detail.contains("everywhere") || detail.is_empty();
        assert!(*status == 403 && is_told, "{answer:?}");
    }
    let answers = said("publish:tasks").await;
    assert_eq!((answers[0].0, answers[1].0, answers[2].0), (202, 403, 403), "{answers:?}");
    assert_eq!(said("publish publish:tasks").await[2].0, 202);
    // The type decides, not what the data look like.
    told["type"] = json!("test.said");
    told["data"]["task"]["id"] = json!("01JDZZZZZZZZZZZZZZZZZZZZ02");
    told["id"] = json!("z");
    pod.publish(&cluster.token("app", "prod"), &told).await;
    dispatch(&pod, &cluster, &[("after", "user:ada")]).await;
    assert_eq!(tasks_of(&pod, &cluster.token("ada", "prod")).await, ["Sales"]);
}

async fn nobody_speaks_in_the_name_of_bellwire(cluster: Cluster) {
    let pod = cluster.pod().await;
    let token = cluster.token("app", "prod");
    for event_type in [
        "bellwire.approval.decided",
        "bellwire.later",
        "bellwire.",
        "bellwire.messages",
        "Bellwire.task.cancelled",
        "BELLWIRE.MESSAGE",
        " bellwire.task.cancelled",
        "bell\u{200b}wire.task.cancelled",
        "\u{feff}bellwire.approval.asked",
    ] {
        let mut said = event("x", "user:ada");
        said["type"] = json!(event_type);
        let (status, problem) = pod.try_publish("/api/events", &token, &said).await;
        assert_eq!((status, &problem["type"]), (403, &json!("urn:bellwire:problem:event-reserved")), "{event_type:?}");
        let binary = pod.request("POST", "/api/events", &token).header("ce-specversion", "1.0").header("ce-id", "x");
        let binary = binary.header("ce-source", "/x").header("ce-audience", "user:ada");
        let encoded: String = event_type.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(answer(binary.header("ce-type", encoded)).await.0, 403, "{event_type:?}");
    }
    let mut buttons = event("x", "user:ada");
    let question = json!({ "task": "01JDZZZZZZZZZZZZZZZZZZZZ01", "step": "approve" });
    buttons["data"] = json!({ "toast": { "level": "info", "title": "You have won", "decision": question } });
    let (status, problem) = pod.try_publish("/api/events", &token, &buttons).await;
    assert!(status == 403 && problem["detail"].as_str().unwrap().contains("decision"), "{problem}");
    for event_type in ["bellwire.message", "bellwire", "bellwireless.x", "my.bellwire.task.x"] {
        let mut said = event(event_type, "user:ada");
        said["type"] = json!(event_type);
        pod.publish(&token, &said).await;
    }
}

const GROUPS: [&str; 3] = ["ops", "sales", "staff"];

/// What a client does next, or what happens around it.
#[derive(Debug, Clone)]
enum Step {
    /// It gets another token: its groups, whether it may start tasks, and how much older than the last it is.
    Token { groups: Vec<&'static str>, has_tasks: bool, age: i64 },
    /// Something is said to this audience.
    Publish(Vec<String>),
    /// It polls by way of this pod.
    Poll(usize),
    /// It asks for a task by way of this pod.
    Start(usize),
    /// It asks for everything after its last cursor again.
    Resume(usize),
    /// It begins again, after its last cursor.
    Begin(usize),
}

fn groups() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(GROUPS.to_vec(), 0..=GROUPS.len()).prop_shuffle()
}

fn audience() -> impl Strategy<Value = Vec<String>> {
    let terms = ["user:ada", "user:bob", "group:ops", "group:sales", "group:staff", "environment"];
    subsequence(terms.map(str::to_owned).to_vec(), 1..=2)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (groups(), any::<bool>(), prop_oneof![3 => Just(0), 1 => Just(60_i64)])
            .prop_map(|(groups, has_tasks, age)| Step::Token { groups, has_tasks, age }),
        5 => audience().prop_map(Step::Publish),
        5 => (0..2_usize).prop_map(Step::Poll),
        1 => (0..2_usize).prop_map(Step::Start),
        1 => (0..2_usize).prop_map(Step::Resume),
        1 => (0..2_usize).prop_map(Step::Begin),
    ]
}

fn is_for(audience: &[String], user: &str, groups: &[&str]) -> bool {
    audience.iter().any(|term| match term.split_once(':') {
        Some(("user", id)) => id == user,
        Some((_, group)) => groups.contains(&group),
        None => true,
    })
}

/// A client that polls, and what it may have.
struct Holder<'a> {
    pods: [&'a Pod; 2],
    cluster: &'a Cluster,
    client: Client,
    groups: Vec<&'static str>,
    has_tasks: bool,
    issued: i64,
    cursor: String,
    said: HashMap<String, Vec<String>>,
    asked: usize,
    allowed: Vec<String>,
}

impl Holder<'_> {
    fn token(&self, age: i64) -> String {
        let scope = if self.has_tasks { "tasks" } else { "" };
        ada_with(self.cluster, &self.groups, scope, |claims| claims.iat = Some(self.issued - age))
    }

    async fn begin(&mut self, pod: usize) {
        // Its newest token, which an older one may stand before.
        let query = format!("after={}", self.cursor);
        self.client = Client::with_token(self.pods[0], self.client.token.clone(), &query).await;
        assert_eq!(self.client.poll(self.pods[pod]).await, (200, String::new()));
        assert_eq!(self.client.post(self.pods[pod], HANDSHAKE).await, 200);
        self.poll(pod).await;
    }

    /// Polls once; whatever comes must be for the token that it polled with.
    async fn poll(&mut self, pod: usize) {
        let (_, text) = self.client.poll(self.pods[pod]).await;
        for message in text.split_terminator('\u{1e}').filter_map(|message| serde_json::from_str::<Value>(message).ok())
        {
            match message["target"].as_str() {
                Some("event") => {
                    let event = &message["arguments"][0];
                    let id = event["id"].as_str().unwrap();
                    if let Some(audience) = self.said.get(id) {
                        assert!(is_for(audience, "ada", &self.groups), "{id} for {audience:?}: {:?}", self.groups);
                    }
                    self.cursor = event["cursor"].as_str().unwrap().to_owned();
                }
                Some("cursor") => self.cursor = message["arguments"][0].as_str().unwrap().to_owned(),
                _ => {}
            }
        }
    }

    async fn take(&mut self, step: Step, witness: &mut EventStream) {
        match step {
            Step::Token { groups, has_tasks, age } => {
                (self.groups, self.has_tasks) = (groups, has_tasks);
                self.issued += 1;
                self.client.token = self.token(age);
            }
            Step::Publish(audience) => {
                let id = format!("{:x}", rand::random::<u64>());
                self.said.insert(id.clone(), audience.clone());
                let text = format!("{} user:witness", audience.join(" "));
                self.pods[0].publish(&self.cluster.token("app", "prod"), &event(&id, &text)).await;
                while witness.next().await.data["id"] != id {}
            }
            Step::Poll(pod) => self.poll(pod).await,
            Step::Start(pod) => {
                self.asked += 1;
                let status = self.client.post(self.pods[pod], &start(self.asked)).await;
                if self.has_tasks && status == 200 {
                    self.allowed.push(format!("Task {}", self.asked));
                }
            }
            Step::Resume(pod) => {
                let resume = json!({ "type": 1, "target": "Resume", "arguments": [self.cursor] });
                self.client.post(self.pods[pod], &format!("{resume}\u{1e}")).await;
            }
            Step::Begin(pod) => self.begin(pod).await,
        }
    }
}

async fn whatever_tokens_follow_each_other_nobody_gets_what_the_one_that_asks_does_not_give(cluster: Cluster) {
    let config = GatewayConfig {
        poll_timeout: Duration::from_millis(20),
        heartbeat: Duration::from_millis(30),
        connections_per_user: 1000,
        ..GatewayConfig::default()
    };
    let (one, two) = (cluster.pod_with(config.clone()).await, cluster.pod_with(config).await);
    let _worker = cluster.worker("prod", Patient::new()).await;
    let all = ada(&cluster, &[], ALL);
    let mut witness = one.browser(&cluster, "witness", "prod").await;
    let mut runner = TestRunner::deterministic();
    let mut allowed = Vec::new();
    let mut asked = 0;
    for _ in 0..16 {
        let steps = vec(step(), 1..30).new_tree(&mut runner).unwrap().current();
        let client = Client::with_token(&one, ada(&cluster, &[], ""), "after=now").await;
        let mut holder = Holder {
            pods: [&one, &two],
            cluster: &cluster,
            client,
            groups: vec![],
            has_tasks: false,
            issued: Timestamp::now().as_second() - 100,
            cursor: "now".to_owned(),
            said: HashMap::new(),
            asked,
            allowed: std::mem::take(&mut allowed),
        };
        holder.begin(0).await;
        for step in steps {
            holder.take(step, &mut witness).await;
        }
        holder.poll(0).await;
        holder.client.delete(&one).await;
        (allowed, asked) = (holder.allowed, holder.asked);
    }
    // What was accepted may still be on its way; what was not allowed would be there by then.
    until("all that was allowed was started", async || {
        let tasks = tasks_of(&one, &all).await;
        allowed.iter().all(|title| tasks.contains(title)).then_some(())
    })
    .await;
    let tasks = tasks_of(&one, &all).await;
    assert!(tasks.iter().all(|title| allowed.contains(title)), "{tasks:?} of {allowed:?}");
}

fn recipient(user: &str, groups: &[&str]) -> Arc<Recipient> {
    Arc::new(Recipient { user: user.to_owned(), groups: groups.iter().map(|group| (*group).to_owned()).collect() })
}

fn taken(outbox: &mut Outbox) -> Vec<u64> {
    let mut offsets = Vec::new();
    while let Poll::Ready(Some(OutboxItem::Event(live))) = outbox.poll_next(&Context::from_waker(Waker::noop())) {
        offsets.push(live.event.cursor.offset);
    }
    offsets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The two functions that decide who gets an event, against the audience's own words.
    #[test]
    fn each_gets_what_is_said_to_them_while_they_are_there_and_nothing_else(
        holders in vec((prop_oneof![Just("ada"), Just("bob")], groups(), 0..20_usize, 0..40_usize), 1..8),
        said in vec(audience(), 1..40),
        after in 0..40_usize,
    ) {
        let (mut registry, mut window) = (Registry::default(), Window::new(Duration::from_secs(3600), 1 << 20));
        let mut outboxes: Vec<_> = holders.iter().map(|_| None).collect();
        for (at, audience) in said.iter().enumerate() {
            for (id, (user, groups, from, stay)) in holders.iter().enumerate() {
                if at == *from {
                    let (sender, receiver) = outbox(100);
                    registry.add(id as u64, recipient(user, groups), sender);
                    outboxes[id] = Some(receiver);
                }
                if at == from + stay {
                    registry.remove(id as u64);
                }
            }
            let audience: Audience = audience.join(" ").parse().unwrap();
            let cursor = Cursor::of(at as u64, b"x");
            let event = Arc::new(Event::new("/test", "test.said", audience));
            let identity = Some(event.identity());
            let event = OutgoingEvent::stamp(event, &"prod".parse().unwrap(), cursor).unwrap();
            registry.deliver(Some(&event.audience), &OutboxItem::Event(LiveEvent::new(event.clone())));
            window.push(WindowEntry { cursor, time: Timestamp::now(), identity, event: Some(event) });
        }
        for ((user, groups, from, stay), outbox) in holders.iter().zip(&mut outboxes) {
            let expected = |range: std::ops::Range<usize>| -> Vec<u64> {
                range.filter(|at| said.get(*at).is_some_and(|said| is_for(said, user, groups))).map(|at| at as u64).collect()
            };
            let got = outbox.as_mut().map(taken).unwrap_or_default();
            let is_there = if *from < said.len() { expected(*from..from + stay) } else { vec![] };
            prop_assert_eq!(got, is_there);
            let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
            let replayed = window.replay(after, user, &groups, Timestamp::now());
            let replayed: Vec<_> = replayed.iter().map(|event| event.cursor.offset).collect();
            prop_assert_eq!(replayed, expected(after..said.len().max(after)));
        }
    }
}
