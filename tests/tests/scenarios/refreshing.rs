//! A connection goes on with a newer token of the same person, without connecting again; its rights are the newer token's.

use jiff::Timestamp;
use scenarios::{
    Cluster, EventStream, Pod,
    cluster::{ALL, answer, event},
    hub::{DOORS, Hub, Link, Transport},
    over_both_backplanes, until,
};
use serde_json::{Value, json};
use signalr::{Encoding, Outcome};

over_both_backplanes! {
    a_connection_outlives_the_token_that_it_began_with,
    who_gets_a_group_by_a_newer_token_hears_it_at_once_and_nothing_twice,
    a_newer_token_is_given_over_http_to_any_pod,
    who_loses_a_group_by_a_newer_token_hears_it_no_more,
    a_token_that_does_not_belong_to_the_connection_changes_nothing,
    a_plain_stream_outlives_its_token_and_follows_the_newer_one_on_whichever_pod_that_comes,
    a_plain_stream_is_not_changed_by_a_token_that_does_not_belong_to_it,
}

const WEB_SOCKET: (Transport, Encoding) = (Transport::WebSockets, Encoding::Json);

fn ada(cluster: &Cluster, groups: &[&str]) -> String {
    cluster.token_with("prod", |claims| claims.groups = groups.iter().map(|group| (*group).to_owned()).collect())
}

/// Gives a connection a token by its method, and returns what is answered.
async fn invoke(hub: &mut Hub, token: &str) -> Result<Value, String> {
    match hub.invoke("Refresh", vec![json!(token)]).await {
        Outcome::Result(result) => Ok(result),
        Outcome::Error(error) => Err(error),
        Outcome::Void => panic!("it is answered with a lifetime"),
    }
}

/// Gives a connection a token over HTTP.
async fn post(pod: &Pod, id: &str, token: &str) -> (u16, Value) {
    answer(pod.request("POST", &format!("/hub/refresh?id={id}"), token)).await
}

/// Later requests of the client come with this token.
fn carry(hub: &mut Hub, old: &str, new: &str) {
    if let Link::Stream { url, .. } | Link::Polls { url, .. } = hub.link() {
        *url = url.replace(old, new);
    }
}

/// Gives a plain stream a token.
async fn refresh(pod: &Pod, stream: &EventStream, token: &str) -> (u16, Value) {
    answer(pod.request("POST", &format!("/events/refresh?id={}", stream.name), token)).await
}

async fn publish(pod: &Pod, cluster: &Cluster, events: &[(&str, &str)]) {
    for (id, audience) in events {
        pod.publish(&cluster.token("app", "prod"), &event(id, audience)).await;
    }
}

async fn a_connection_outlives_the_token_that_it_began_with(cluster: Cluster) {
    let pod = cluster.pod().await;
    let end = Timestamp::now().as_second() + 15;
    let mut hubs = Vec::new();
    for door in DOORS {
        let short = cluster.token_with("prod", |claims| claims.exp = end);
        let mut hub = Hub::connect(&pod.url, &short, door, "after=now").await;
        // Polls carry a token of their own, which must be the new one from then on.
        if door.0 != Transport::LongPolling {
            let told = invoke(&mut hub, &cluster.token("ada", "prod")).await.unwrap();
            assert!(told["tokenLifetimeSeconds"].as_u64().is_some_and(|seconds| seconds > 60), "{told}");
            hubs.push((door, hub));
        }
    }
    until("the first tokens have ended", async || (Timestamp::now().as_second() > end).then_some(())).await;
    publish(&pod, &cluster, &[("after the end", "user:ada")]).await;
    for (door, hub) in &mut hubs {
        assert_eq!(hub.next_ids(1).await, ["after the end"], "{door:?}");
    }
}

async fn who_gets_a_group_by_a_newer_token_hears_it_at_once_and_nothing_twice(cluster: Cluster) {
    let pod = cluster.pod().await;
    for door in DOORS {
        for query in ["", "after=now"] {
            let [old, new] = [ada(&cluster, &["sales"]), ada(&cluster, &["sales", "ops"])];
            let mut hub = Hub::connect(&pod.url, &old, door, query).await;
            let [one, not_yet, two, three, four] =
                ["one", "not yet", "two", "three", "four"].map(|id| format!("{door:?} {query} {id}"));
            let before = [(&*one, "group:sales"), (&not_yet, "group:ops"), (&two, "user:ada")];
            publish(&pod, &cluster, &before).await;
            assert_eq!(hub.next_ids(2).await, [one, two]);
            if door.0 == Transport::LongPolling {
                // The answer to a method would come by a poll that has the old token.
                assert_eq!(post(&pod, &hub.id, &new).await.0, 200);
            } else {
                invoke(&mut hub, &new).await.unwrap();
            }
            carry(&mut hub, &old, &new);
            publish(&pod, &cluster, &[(&three, "group:ops"), (&four, "group:sales")]).await;
            assert_eq!(hub.next_ids(2).await, [three, four]);
        }
    }
}

async fn a_newer_token_is_given_over_http_to_any_pod(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    for door in DOORS {
        for pod in [&one, &two] {
            let [old, new] = [ada(&cluster, &[]), ada(&cluster, &["ops"])];
            let mut hub = Hub::connect(&one.url, &old, door, "after=now").await;
            let (status, told) = post(pod, &hub.id, &new).await;
            carry(&mut hub, &old, &new);
            assert_eq!(status, 200, "{door:?} {told}");
            assert!(told["tokenLifetimeSeconds"].as_u64().is_some_and(|seconds| seconds > 60), "{told}");
            let id = format!("{door:?} {} for ops", pod.url);
            publish(&one, &cluster, &[(&id, "group:ops")]).await;
            assert_eq!(hub.next_ids(1).await, [id]);
        }
    }
}

async fn who_loses_a_group_by_a_newer_token_hears_it_no_more(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut hub = Hub::connect(&pod.url, &ada(&cluster, &["ops", "sales"]), WEB_SOCKET, "after=now").await;
    publish(&pod, &cluster, &[("before", "group:ops")]).await;
    assert_eq!(hub.next_ids(1).await, ["before"]);
    invoke(&mut hub, &ada(&cluster, &["sales"])).await.unwrap();
    publish(&pod, &cluster, &[("lost", "group:ops"), ("kept", "group:sales")]).await;
    assert_eq!(hub.next_ids(1).await, ["kept"]);
    // So with scopes: what the first token allowed the second does not.
    let none = cluster.token_with("prod", |claims| claims.scope.clear());
    invoke(&mut hub, &none).await.unwrap();
    let Outcome::Error(error) = hub.invoke("StartTask", vec![json!("imports"), json!({})]).await else {
        panic!("no task may be started");
    };
    assert!(error.contains("scope-missing"), "{error}");
    assert!(ALL.contains("tasks"));
}

async fn a_token_that_does_not_belong_to_the_connection_changes_nothing(cluster: Cluster) {
    let pod = cluster.pod().await;
    let issued = |groups: &[&str], iat: i64| {
        cluster.token_with("prod", |claims| {
            claims.groups = groups.iter().map(|group| (*group).to_owned()).collect();
            claims.iat = Some(iat);
        })
    };
    let mut hub = Hub::connect(&pod.url, &issued(&["ops"], 1000), WEB_SOCKET, "after=now").await;
    for (token, words) in [
        (cluster.token("bob", "prod"), "another person's"),
        (cluster.token("ada", "test"), "token-foreign"),
        (cluster.token_with("prod", |claims| claims.exp = 1), "token-expired"),
        (issued(&[], 999), "token-outdated"),
        ("nonsense".to_owned(), "token-malformed"),
    ] {
        let error = invoke(&mut hub, &token).await.unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
    let Outcome::Error(error) = hub.invoke("Refresh", vec![]).await else { panic!("it takes a token") };
    assert!(error.contains("Refresh takes an access token"), "{error}");
    assert_eq!(post(&pod, &hub.id, &cluster.token("bob", "prod")).await.0, 404, "it is no connection of bob's");
    assert_eq!(post(&pod, &hub.id, &issued(&[], 999)).await.0, 401);
    assert_eq!(post(&pod, "nonsense", &cluster.token("ada", "prod")).await.0, 404);
    publish(&pod, &cluster, &[("for ops", "group:ops")]).await;
    assert_eq!(hub.next_ids(1).await, ["for ops"], "it goes on as it was");
}

async fn a_plain_stream_outlives_its_token_and_follows_the_newer_one_on_whichever_pod_that_comes(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let end = Timestamp::now().as_second() + 15;
    let short = cluster.token_with("prod", |claims| (claims.exp, claims.groups) = (end, vec!["sales".to_owned()]));
    let [mut here, mut there] =
        [EventStream::connect(&one.url, &short, None).await, EventStream::connect(&one.url, &short, None).await];
    // The one that is not for them comes first: who has read the other has passed it.
    publish(&one, &cluster, &[("not yet", "group:ops"), ("before", "group:sales")]).await;
    assert_eq!((here.next_ids(1).await, there.next_ids(1).await), (vec!["before".into()], vec!["before".into()]));
    let more = ada(&cluster, &["ops", "sales"]);
    for (pod, stream) in [(&one, &here), (&two, &there)] {
        let (status, told) = refresh(pod, stream, &more).await;
        assert_eq!(status, 200, "{told}");
        assert!(told["tokenLifetimeSeconds"].as_u64().is_some_and(|seconds| seconds > 60), "{told}");
    }
    publish(&one, &cluster, &[("gained", "group:ops")]).await;
    assert_eq!((here.next_ids(1).await, there.next_ids(1).await), (vec!["gained".into()], vec!["gained".into()]));
    let fewer = ada(&cluster, &["ops"]);
    assert_eq!(refresh(&two, &here, &fewer).await.0, 200);
    until("the first token has ended", async || (Timestamp::now().as_second() > end).then_some(())).await;
    publish(&one, &cluster, &[("lost", "group:sales"), ("after the end", "user:ada")]).await;
    assert_eq!(here.next_ids(1).await, ["after the end"]);
    assert_eq!(there.next_ids(2).await, ["lost", "after the end"]);
}

async fn a_plain_stream_is_not_changed_by_a_token_that_does_not_belong_to_it(cluster: Cluster) {
    let pod = cluster.pod().await;
    let issued = |group: &str, iat: i64| {
        cluster.token_with("prod", |claims| (claims.groups, claims.iat) = (vec![group.to_owned()], Some(iat)))
    };
    let mut stream = EventStream::connect(&pod.url, &issued("ops", 1000), None).await;
    for (token, status) in [
        (cluster.token("bob", "prod"), 404),
        (cluster.token("ada", "test"), 404),
        (cluster.token_with("prod", |claims| claims.exp = 1), 401),
        (issued("sales", 999), 401),
        ("nonsense".to_owned(), 401),
    ] {
        let answered = refresh(&pod, &stream, &token).await;
        assert_eq!(answered.0, status, "{}", answered.1);
    }
    assert_eq!(answer(pod.request("POST", "/events/refresh", &issued("ops", 1000))).await.0, 400, "which stream?");
    publish(&pod, &cluster, &[("for sales", "group:sales"), ("for ops", "group:ops")]).await;
    assert_eq!(stream.next_ids(1).await, ["for ops"], "it goes on as it was");
}
