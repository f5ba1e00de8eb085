//! A browser that comes back, to any pod, misses nothing; and where that cannot be, it is told.

use std::time::Duration;

use gateway::GatewayConfig;
use scenarios::{
    Cluster, EventStream,
    cluster::event,
    hub::{DOORS, Hub},
    over_both_backplanes,
};
use serde_json::Value;

over_both_backplanes! {
    a_browser_comes_back_to_the_other_pod_after_its_pod_was_killed,
    a_user_who_had_received_nothing_yet_comes_back_too,
    a_new_pod_is_complete_from_its_first_moment,
    replay_and_live_are_joined_without_a_hole_or_a_double,
    a_cursor_older_than_the_window_or_of_another_log_gets_a_gap,
    a_cursor_ahead_of_a_pod_waits_for_it_or_gets_a_gap,
    a_heartbeat_carries_the_cursor_past_what_was_for_others,
    whoever_comes_back_too_often_waits_and_others_do_not,
}

async fn a_browser_comes_back_to_the_other_pod_after_its_pod_was_killed(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let mut browser = one.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    two.publish(&token, &event("1", "user:ada")).await;
    assert_eq!(browser.next_ids(1).await, ["1"]);
    one.kill().await;
    let ended = tokio::time::timeout(scenarios::TIMEOUT, browser.next_or_end()).await;
    assert_eq!(ended.expect("its connection ends"), None);
    two.publish(&token, &event("2", "user:ada")).await;
    let mut back = EventStream::connect(&two.url, &cluster.token("ada", "prod"), Some(&browser.cursor)).await;
    two.publish(&token, &event("3", "user:ada")).await;
    assert_eq!(back.next_ids(2).await, ["2", "3"]);
}

async fn a_user_who_had_received_nothing_yet_comes_back_too(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let browser = one.browser(&cluster, "ada", "prod").await;
    one.kill().await;
    two.publish(&cluster.token("app", "prod"), &event("first", "user:ada")).await;
    let mut back = EventStream::connect(&two.url, &cluster.token("ada", "prod"), Some(&browser.cursor)).await;
    assert_eq!(back.next_ids(1).await, ["first"]);
}

async fn a_new_pod_is_complete_from_its_first_moment(cluster: Cluster) {
    let one = cluster.pod().await;
    let browser = one.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let expected: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    for id in &expected {
        one.publish(&token, &event(id, "user:ada")).await;
    }
    let new = cluster.unready_pod(GatewayConfig::default()).await;
    let user = cluster.token("ada", "prod");
    // Until it has read the log it serves nobody; from then on it has everything.
    let mut back = scenarios::until("the new pod serves", async || {
        let status = EventStream::ask(&new.url, &user, Some(&browser.cursor)).await.status();
        assert!(status == 200 || status == 503, "{status}");
        if status == 503 {
            return None;
        }
        Some(EventStream::connect(&new.url, &user, Some(&browser.cursor)).await)
    })
    .await;
    assert_eq!(back.next_ids(50).await, expected);
}

async fn replay_and_live_are_joined_without_a_hole_or_a_double(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let start = one.browser(&cluster, "ada", "prod").await.cursor;
    let token = cluster.token("app", "prod");
    let expected: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let publishing = async {
        for id in &expected {
            one.publish(&token, &event(id, "user:ada")).await;
        }
    };
    let coming_back = async {
        let user = cluster.token("ada", "prod");
        let (mut got, mut cursor, mut turn) = (Vec::new(), start.clone(), 0);
        while got.len() < expected.len() {
            let pod = if turn % 2 == 0 { &two } else { &one };
            let mut browser = EventStream::connect(&pod.url, &user, Some(&cursor)).await;
            let missing = expected.len() - got.len();
            got.extend(browser.next_ids(missing.min(1 + turn % 7)).await);
            cursor = browser.cursor;
            turn += 1;
        }
        got
    };
    let ((), got) = tokio::join!(publishing, coming_back);
    assert_eq!(got, expected);
}

async fn a_cursor_older_than_the_window_or_of_another_log_gets_a_gap(cluster: Cluster) {
    let small = GatewayConfig { window_bytes: 20_000, ..GatewayConfig::default() };
    let pod = cluster.pod_with(small).await;
    let browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    for n in 0..100 {
        pod.publish(&token, &event(&n.to_string(), "user:ada")).await;
    }
    let other_log = format!("{}00000001", &browser.cursor[..16]);
    for lost in [browser.cursor.as_str(), &other_log] {
        let mut back = EventStream::connect(&pod.url, &cluster.token("ada", "prod"), Some(lost)).await;
        assert_eq!(back.cursor, lost, "its cursor stands until it has something better");
        let gap = back.next().await;
        assert_eq!((gap.event.as_str(), gap.data["reason"].as_str()), ("gap", Some("lost")));
        let mut ids = back.next_ids(1).await;
        while ids.last().is_some_and(|id| id != "99") {
            ids.extend(back.next_ids(1).await);
        }
        assert!(ids.len() < 100 && ids.len() > 5, "what is still known comes: {ids:?}");
    }
    let (status, problem) = scenarios::cluster::answer(pod.request("GET", "/events?after=yesterday", &token)).await;
    assert_eq!((status, problem["type"].as_str()), (400, Some("urn:bellwire:problem:invalid-cursor")));
}

async fn a_cursor_ahead_of_a_pod_waits_for_it_or_gets_a_gap(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let user = cluster.token("ada", "prod");
    // No pod ever gave this one: the log it comes from was longer and is gone.
    let beyond = "00000000ffffffff00000001";
    let mut lost = EventStream::connect(&pod.url, &user, Some(beyond)).await;
    assert_eq!(lost.cursor, beyond);
    assert_eq!(lost.next().await.event, "gap");
    pod.publish(&token, &event("after", "user:ada")).await;
    assert_eq!(lost.next_ids(1).await, ["after"]);
    assert_eq!(browser.next_ids(1).await, ["after"]);
    assert_eq!(lost.cursor, browser.cursor, "from then on its cursor is as good as any");
}

async fn a_heartbeat_carries_the_cursor_past_what_was_for_others(cluster: Cluster) {
    let often = GatewayConfig { heartbeat: Duration::from_millis(100), ..GatewayConfig::default() };
    let pod = cluster.pod_with(often).await;
    let mut ada = pod.browser(&cluster, "ada", "prod").await;
    let start = ada.cursor.clone();
    let mut bob = pod.browser(&cluster, "bob", "prod").await;
    let token = cluster.token("app", "prod");
    for n in 0..20 {
        pod.publish(&token, &event(&n.to_string(), "user:bob")).await;
    }
    bob.next_ids(20).await;
    while ada.cursor < bob.cursor {
        assert_eq!(ada.until_heartbeat().await, [], "nothing was for ada");
    }
    assert!(ada.cursor > start);
    pod.publish(&token, &event("at last", "user:ada")).await;
    let mut back = EventStream::connect(&pod.url, &cluster.token("ada", "prod"), Some(&ada.cursor)).await;
    assert_eq!(back.next_ids(1).await, ["at last"]);
}

async fn whoever_comes_back_too_often_waits_and_others_do_not(cluster: Cluster) {
    // A rate of 4 is a burst of 200, which is what coming back costs once.
    let few = GatewayConfig { replayed_events: 4.try_into().unwrap(), ..GatewayConfig::default() };
    let pod = cluster.pod_with(few).await;
    let ada = cluster.token("ada", "prod");
    let lost = "000000000000000000000000";
    let mut refused = None;
    for _ in 0..100 {
        let answer = EventStream::ask(&pod.url, &ada, Some(lost)).await;
        if answer.status() != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("one of so many is refused");
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "urn:bellwire:problem:too-many-replays");
    for door in DOORS {
        let query = format!("after={lost}");
        let refused =
            Hub::try_connect(&pod.url, &ada, door, &query).await.err().expect("it is one limit for all doors");
        assert!(refused.contains("too-many-replays"), "{door:?}: {refused}");
    }
    // Events from now on cost nothing, and everybody has their own.
    EventStream::connect(&pod.url, &ada, None).await;
    EventStream::connect(&pod.url, &cluster.token("bob", "prod"), Some(lost)).await;
}
