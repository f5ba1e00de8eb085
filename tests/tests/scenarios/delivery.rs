//! An event reaches whom it is for, once and in order, on whichever pod.

use std::time::Duration;

use gateway::GatewayConfig;
use scenarios::{Cluster, cluster::event, over_both_backplanes};
use serde_json::json;

over_both_backplanes! {
    an_event_reaches_its_user_once_and_in_order_on_either_pod,
    an_event_published_twice_is_shown_once,
    an_event_reaches_each_connection_that_its_audience_names_once,
    an_expired_event_is_not_shown_and_not_replayed,
    a_slow_browser_is_ended_and_misses_nothing_when_it_comes_back,
    a_stopping_pod_sends_its_connections_away_and_ends,
}

async fn an_event_reaches_its_user_once_and_in_order_on_either_pod(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let mut browsers = [one.browser(&cluster, "ada", "prod").await, two.browser(&cluster, "ada", "prod").await];
    let mut bob = two.browser(&cluster, "bob", "prod").await;
    let token = cluster.token("app", "prod");
    for n in 0..200 {
        let pod = if n % 2 == 0 { &one } else { &two };
        pod.publish(&token, &event(&n.to_string(), "user:ada")).await;
    }
    one.publish(&token, &event("last", "user:ada user:bob")).await;
    let mut expected: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    expected.push("last".to_owned());
    for browser in &mut browsers {
        assert_eq!(browser.next_ids(201).await, expected);
    }
    assert_eq!(bob.next_ids(1).await, ["last"], "what is for ada alone never reaches bob");
}

async fn an_event_published_twice_is_shown_once(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let mut browser = one.browser(&cluster, "ada", "prod").await;
    let token = cluster.token("app", "prod");
    let start = browser.cursor.clone();
    for pod in [&one, &two, &one] {
        pod.publish(&token, &event("same", "user:ada")).await;
    }
    let mut elsewhere = event("same", "user:ada");
    elsewhere["source"] = json!("/another");
    two.publish(&token, &elsewhere).await;
    assert_eq!(browser.next().await.data["source"], "/test");
    assert_eq!(browser.next().await.data["source"], "/another");
    let mut back = scenarios::EventStream::connect(&two.url, &cluster.token("ada", "prod"), Some(&start)).await;
    assert_eq!(back.next().await.data["source"], "/test");
    assert_eq!(back.next().await.data["source"], "/another");
}

async fn an_event_reaches_each_connection_that_its_audience_names_once(cluster: Cluster) {
    let pod = cluster.pod().await;
    let grouped = |user: &str| {
        cluster.token_with("prod", |claims| {
            claims.sub = user.to_owned();
            claims.groups = vec!["ops".to_owned(), "sales".to_owned()];
        })
    };
    let mut ada = scenarios::EventStream::connect(&pod.url, &grouped("ada"), None).await;
    let mut adas_other_tab = scenarios::EventStream::connect(&pod.url, &grouped("ada"), None).await;
    let mut eve = pod.browser(&cluster, "eve", "prod").await;
    let token = cluster.token("app", "prod");
    pod.publish(&token, &event("1", "user:ada group:ops group:sales")).await;
    pod.publish(&token, &event("2", "group:finance")).await;
    pod.publish(&token, &event("3", "environment")).await;
    assert_eq!(ada.next_ids(2).await, ["1", "3"]);
    assert_eq!(adas_other_tab.next_ids(2).await, ["1", "3"]);
    assert_eq!(eve.next_ids(1).await, ["3"]);
}

async fn an_expired_event_is_not_shown_and_not_replayed(cluster: Cluster) {
    let pod = cluster.pod().await;
    let mut browser = pod.browser(&cluster, "ada", "prod").await;
    let start = browser.cursor.clone();
    let token = cluster.token("app", "prod");
    let mut expired = event("late", "user:ada");
    expired["expirytime"] = json!("2020-01-01T00:00:00Z");
    let soon = jiff::Timestamp::now() + Duration::from_millis(700);
    let mut expiring = event("soon late", "user:ada");
    expiring["expirytime"] = json!(soon);
    for one in [&expired, &expiring, &event("fine", "user:ada")] {
        pod.publish(&token, one).await;
    }
    assert_eq!(browser.next_ids(2).await, ["soon late", "fine"]);
    scenarios::until("it has expired", async || (jiff::Timestamp::now() > soon).then_some(())).await;
    let mut back = scenarios::EventStream::connect(&pod.url, &cluster.token("ada", "prod"), Some(&start)).await;
    assert_eq!(back.next_ids(1).await, ["fine"]);
}

async fn a_slow_browser_is_ended_and_misses_nothing_when_it_comes_back(cluster: Cluster) {
    // Far more than the sockets' buffers hold.
    const EVENTS: usize = 600;
    let pod = cluster.pod_with(GatewayConfig { outbox: 4, ..GatewayConfig::default() }).await;
    let mut slow = pod.browser(&cluster, "ada", "prod").await;
    let mut quick = pod.browser(&cluster, "bob", "prod").await;
    let token = cluster.token("app", "prod");
    let expected: Vec<_> = (0..EVENTS).map(|n| n.to_string()).collect();
    for id in &expected {
        let mut large = event(id, "user:ada user:bob");
        large["data"] = json!("x".repeat(50_000));
        pod.publish(&token, &large).await;
        assert_eq!(quick.next_ids(1).await, [id.as_str()], "the slow one harms nobody");
    }
    let mut got = Vec::new();
    while let Some(frame) = slow.next_or_end().await {
        got.push(frame.data["id"].as_str().unwrap().to_owned());
    }
    assert!(got.len() < EVENTS, "it was ended");
    let mut back = scenarios::EventStream::connect(&pod.url, &cluster.token("ada", "prod"), Some(&slow.cursor)).await;
    got.extend(back.next_ids(EVENTS - got.len()).await);
    assert_eq!(got, expected);
}

async fn a_stopping_pod_sends_its_connections_away_and_ends(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let mut browser = one.browser(&cluster, "ada", "prod").await;
    one.stop().await;
    assert_eq!(browser.next_or_end().await, None, "nothing was published");
    assert!(browser.retry.is_some_and(|wait| wait >= 200), "it says when to come back: {:?}", browser.retry);
    two.publish(&cluster.token("app", "prod"), &event("meanwhile", "user:ada")).await;
    let mut back =
        scenarios::EventStream::connect(&two.url, &cluster.token("ada", "prod"), Some(&browser.cursor)).await;
    assert_eq!(back.next_ids(1).await, ["meanwhile"]);
}
