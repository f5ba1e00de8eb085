//! Clients of the hub get what they get from the reference server, and lose nothing when they come back elsewhere.

use std::time::Duration;

use gateway::GatewayConfig;
use scenarios::{
    Cluster, Hub,
    cluster::event,
    hub::{DOORS, Transport},
    over_both_backplanes, until,
};
use serde_json::{Value, json};
use signalr::{Encoding, Message, Outcome};

over_both_backplanes! {
    a_client_hears_its_events_in_order_whichever_door_it_took,
    who_comes_back_to_another_pod_with_a_cursor_misses_nothing,
    who_resumes_gets_everything_after_its_cursor_again_in_order,
    cursors_and_gaps_are_told_only_to_who_asked,
    a_task_is_started_listed_and_cancelled_as_over_http,
    what_cannot_be_invoked_is_answered_in_words,
    a_token_that_expires_ends_the_connection_and_the_client_may_come_back,
    a_stopping_pod_tells_its_clients_to_come_back,
    a_client_that_reads_nothing_is_ended_and_harms_nobody,
    a_client_is_told_that_somebody_is_there,
}

const JSON: (Transport, Encoding) = (Transport::WebSockets, Encoding::Json);

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

async fn a_client_hears_its_events_in_order_whichever_door_it_took(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let app = cluster.token("app", "prod");
    let mut clients = Vec::new();
    for door in DOORS {
        clients.push(Hub::connect(&one.url, &cluster.token("ada", "prod"), door, "").await);
    }
    let mut bob = Hub::connect(&two.url, &cluster.token("bob", "prod"), JSON, "").await;
    for id in ids(0..100) {
        two.publish(&app, &event(&id, "user:ada")).await;
    }
    two.publish(&app, &event("for both", "user:ada user:bob")).await;
    for client in &mut clients {
        assert_eq!(client.next_ids(100).await, ids(0..100));
        let last = client.next_event().await;
        assert_eq!((&last["id"], &last["environment"]), (&json!("for both"), &json!("prod")));
        assert!(last["cursor"].is_string(), "{last}");
    }
    assert_eq!(bob.next_ids(1).await, ["for both"]);
}

async fn who_comes_back_to_another_pod_with_a_cursor_misses_nothing(cluster: Cluster) {
    for door in DOORS {
        let (one, two) = (cluster.pod().await, cluster.pod().await);
        let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
        let mut client = Hub::connect(&one.url, &ada, door, "after=now").await;
        let (call, cursor) = client.next_call().await;
        assert_eq!(call, "cursor", "who asked is told where it is before anything else");
        one.kill().await;
        let named = |id: String| format!("{door:?} {id}");
        for id in ids(0..5) {
            two.publish(&app, &event(&named(id), "user:ada")).await;
        }
        let after = format!("after={}", cursor.as_str().unwrap());
        let mut client = Hub::connect(&two.url, &ada, door, &after).await;
        two.publish(&app, &event(&named("5".to_owned()), "user:ada")).await;
        assert_eq!(client.next_ids(6).await, ids(0..6).into_iter().map(named).collect::<Vec<_>>());
    }
}

async fn who_resumes_gets_everything_after_its_cursor_again_in_order(cluster: Cluster) {
    let (one, two) = (cluster.pod().await, cluster.pod().await);
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    for door in DOORS {
        let mut client = Hub::connect(&one.url, &ada, door, "").await;
        for id in ids(0..3) {
            one.publish(&app, &event(&format!("{door:?} {id}"), "user:ada")).await;
        }
        let first = client.next_event().await;
        assert_eq!(client.next_ids(2).await, [format!("{door:?} 1"), format!("{door:?} 2")]);
        let after = format!("after={}", first["cursor"].as_str().unwrap());
        let mut elsewhere = Hub::connect(&two.url, &ada, door, &after).await;
        // The other pod has read as far.
        assert_eq!(elsewhere.next_ids(2).await, [format!("{door:?} 1"), format!("{door:?} 2")]);
        for client in [&mut client, &mut elsewhere] {
            let resumed = client.invoke("Resume", vec![first["cursor"].clone()]).await;
            assert_eq!(resumed, Outcome::Result(json!({ "gap": null })), "{door:?}");
            assert_eq!(client.next_ids(2).await, [format!("{door:?} 1"), format!("{door:?} 2")]);
        }
        let lost = elsewhere.invoke("Resume", vec![json!("00000000000000000000dead")]).await;
        assert_eq!(lost, Outcome::Result(json!({ "gap": "lost" })));
        let Outcome::Error(words) = elsewhere.invoke("resume", vec![json!("tomorrow")]).await else {
            panic!("a word is no cursor");
        };
        assert!(words.contains("24 hexadecimal digits"), "{words}");
    }
}

async fn cursors_and_gaps_are_told_only_to_who_asked(cluster: Cluster) {
    let pod =
        cluster.pod_with(GatewayConfig { heartbeat: Duration::from_millis(200), ..GatewayConfig::default() }).await;
    let (ada, app) = (cluster.token("ada", "prod"), cluster.token("app", "prod"));
    for door in DOORS {
        let mut asked = Hub::connect(&pod.url, &ada, door, "after=00000000000000000000dead").await;
        let calls = [asked.next_call().await.0, asked.next_call().await.0];
        assert_eq!(calls, ["cursor", "gap"], "{door:?}");
        let mut silent = Hub::connect(&pod.url, &ada, door, "").await;
        pod.publish(&app, &event(&format!("{door:?} first"), "user:ada")).await;
        pod.publish(&app, &event(&format!("{door:?}"), "user:bob")).await;
        // Heartbeats carry it past what is for others.
        let mut cursors = Vec::new();
        while cursors.len() < 3 {
            let (call, argument) = asked.next_call().await;
            if call == "cursor" && !cursors.contains(&argument) {
                cursors.push(argument);
            }
            if cursors.len() == 2 {
                pod.publish(&app, &event(&format!("{door:?} again"), "user:bob")).await;
            }
        }
        pod.publish(&app, &event(&format!("{door:?} last"), "user:ada")).await;
        let mut calls = vec![silent.next_call().await.0];
        while calls.len() < 2 {
            let (call, argument) = silent.next_call().await;
            calls.push(call);
            if argument["id"] == json!(format!("{door:?} last")) {
                break;
            }
        }
        assert!(calls.iter().all(|call| call == "event"), "{door:?}: {calls:?}");
    }
}

async fn a_task_is_started_listed_and_cancelled_as_over_http(cluster: Cluster) {
    let pod = cluster.pod().await;
    let worker = cluster.worker("prod", crate::tasks::Patient::new()).await;
    for door in DOORS {
        let token = cluster.token(&format!("ada{:?}{}", door.0, door.1.as_str()), "prod");
        let mut client = Hub::connect(&pod.url, &token, door, "").await;
        let input = json!({ "how": "well" });
        let Outcome::Result(task) = client.invoke("StartTask", vec![json!("patient"), input, json!("Wait")]).await
        else {
            panic!("it was not started");
        };
        let id = task["id"].as_str().unwrap().to_owned();
        // It is in its queue, confirmed; that it is comes over the log.
        let path = format!("/api/tasks/{id}");
        let seen = until("it is in the list", async || {
            let (status, seen) = scenarios::cluster::answer(pod.request("GET", &path, &token)).await;
            (status == 200).then_some(seen)
        })
        .await;
        assert_eq!(seen["title"], "Wait");
        let Outcome::Result(list) = client.invoke("ListTasks", vec![]).await else { panic!("no list") };
        assert_eq!(list["tasks"][0]["id"], json!(id));
        let Outcome::Result(cancelled) = client.invoke("CancelTask", vec![json!(id)]).await else {
            panic!("it was not cancelled");
        };
        assert_eq!(cancelled["state"], "cancelled");
    }
    worker.stop().await;
}

async fn what_cannot_be_invoked_is_answered_in_words(cluster: Cluster) {
    let pod = cluster.pod().await;
    let reader = cluster.token_with("prod", |claims| claims.scope.clear());
    let cases: [(&str, Vec<Value>, &str); 8] = [
        ("Nothing", vec![], "Unknown hub method 'Nothing'"),
        ("ListTasks", vec![json!(1)], "ListTasks takes no arguments"),
        ("Resume", vec![], "Resume takes a cursor"),
        ("StartTask", vec![json!(7)], "StartTask takes a kind"),
        ("StartTask", vec![json!("No Kind"), json!({})], "StartTask: kind"),
        ("StartTask", vec![json!("nothing"), json!({})], "scope-missing"),
        ("CancelTask", vec![json!({})], "CancelTask takes a task's id"),
        ("CancelTask", vec![json!("unknown")], "scope-missing"),
    ];
    for door in DOORS {
        let mut client = Hub::connect(&pod.url, &reader, door, "").await;
        for (method, arguments, words) in &cases {
            let outcome = client.invoke(method, arguments.clone()).await;
            assert!(matches!(&outcome, Outcome::Error(said) if said.starts_with(words)), "{method}: {outcome:?}");
        }
        let stream = Message::StreamInvocation {
            id: "s".to_owned(),
            target: "ListTasks".to_owned(),
            arguments: vec![],
            streams: vec![],
        };
        client.say(&stream).await;
        let Some(Message::Completion { outcome: Outcome::Error(words), .. }) = client.next().await else {
            panic!("a stream was granted");
        };
        assert!(words.contains("no stream"), "{words}");
        let all = cluster.token("ada", "prod");
        let mut client = Hub::connect(&pod.url, &all, door, "").await;
        let outcome = client.invoke("StartTask", vec![json!("nothing"), json!({})]).await;
        assert!(matches!(&outcome, Outcome::Error(said) if said.starts_with("unknown-kind:")), "{outcome:?}");
    }
}

async fn a_token_that_expires_ends_the_connection_and_the_client_may_come_back(cluster: Cluster) {
    let pod = cluster.pod().await;
    let soon = cluster.token_with("prod", |claims| claims.exp = jiff::Timestamp::now().as_second() + 6);
    let mut clients = Vec::new();
    for door in DOORS {
        clients.push(Hub::connect(&pod.url, &soon, door, "").await);
    }
    for client in &mut clients {
        assert_eq!(client.closed().await, (Some("expired".to_owned()), true));
    }
}

async fn a_stopping_pod_tells_its_clients_to_come_back(cluster: Cluster) {
    // A stopping pod takes no new connections, so polls come by way of others: a scenario of their own.
    for door in DOORS.into_iter().filter(|door| door.0 != Transport::LongPolling) {
        let pod = cluster.pod().await;
        let mut client = Hub::connect(&pod.url, &cluster.token("ada", "prod"), door, "").await;
        let (closed, ()) = tokio::join!(client.closed(), pod.stop());
        assert_eq!(closed, (Some("draining".to_owned()), true), "{door:?}");
    }
}

async fn a_client_that_reads_nothing_is_ended_and_harms_nobody(cluster: Cluster) {
    // Far more than the sockets' buffers hold.
    const EVENTS: usize = 400;
    // Nobody says anything while all of it is published, which takes long on a busy machine.
    let client_timeout = Duration::from_secs(3600);
    let pod = cluster.pod_with(GatewayConfig { outbox: 4, client_timeout, ..GatewayConfig::default() }).await;
    for door in DOORS.into_iter().filter(|door| door.0 != Transport::LongPolling) {
        let user = format!("slow{:?}{}", door.0, door.1.as_str());
        let mut slow = Hub::connect(&pod.url, &cluster.token(&user, "prod"), door, "after=now").await;
        let mut quick = Hub::connect(&pod.url, &cluster.token("bob", "prod"), JSON, "").await;
        let app = cluster.token("app", "prod");
        for number in 0..EVENTS {
            let mut large = event(&format!("{user}{number}"), &format!("user:{user} user:bob"));
            large["data"] = json!("x".repeat(50_000));
            pod.publish(&app, &large).await;
            assert_eq!(quick.next_ids(1).await, [format!("{user}{number}")], "the slow one harms nobody");
        }
        let (mut got, mut cursor) = (0, Value::Null);
        while let Some(Message::Invocation { target, arguments, .. }) = slow.next().await {
            if target == "event" {
                assert_eq!(arguments[0]["id"], json!(format!("{user}{got}")));
                cursor = arguments[0]["cursor"].clone();
                got += 1;
            }
        }
        assert!(got < EVENTS, "{door:?}: it was ended");
        let after = format!("after={}", cursor.as_str().unwrap());
        let mut back = Hub::connect(&pod.url, &cluster.token(&user, "prod"), door, &after).await;
        for number in got..EVENTS {
            assert_eq!(back.next_ids(1).await, [format!("{user}{number}")]);
        }
    }
}

async fn a_client_is_told_that_somebody_is_there(cluster: Cluster) {
    let pod =
        cluster.pod_with(GatewayConfig { heartbeat: Duration::from_millis(100), ..GatewayConfig::default() }).await;
    for door in DOORS.into_iter().filter(|door| door.0 != Transport::LongPolling) {
        let mut client = Hub::connect(&pod.url, &cluster.token("ada", "prod"), door, "").await;
        let mut pings = 0;
        let mut reader = signalr::Reader::new(door.1, 1 << 16);
        while pings < 3 {
            reader.push(&client.link().receive().await.unwrap());
            while let Some(message) = reader.next().unwrap() {
                assert_eq!(message, Message::Ping);
                pings += 1;
            }
        }
    }
}
