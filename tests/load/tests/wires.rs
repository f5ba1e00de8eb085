//! A client of each wire gets every event of a gateway, and the end of it is noticed.
#![allow(clippy::unwrap_used)]

use load::{Listeners, Wire, listeners::Opened, tally::mark};
use scenarios::{Cluster, TIMEOUT, TestBackplane, cluster::event};
use serde_json::json;
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};

const COUNT: usize = 20;
const EVENTS: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_listener_gets_every_event_whatever_it_speaks() {
    let cluster = Cluster::new(TestBackplane::memory()).await;
    for wire in Wire::ALL {
        let pod = cluster.pod().await;
        let target = pod.url.strip_prefix("http://").unwrap().parse().unwrap();
        let tokens: Vec<_> = (0..COUNT).map(|number| cluster.token(&format!("user-{number}"), "prod")).collect();
        let (heard, mut complete) = mpsc::channel(EVENTS as usize);
        let opened = Opened { wire, target, count: COUNT, first: 1 };
        let listening = spawn_blocking(move || {
            let mut listeners = Listeners::open(opened, |number| tokens[number].clone()).unwrap();
            heard.blocking_send(0).unwrap();
            listeners.listen(|complete, _| heard.blocking_send(complete).unwrap()).unwrap_err().to_string()
        });
        assert_eq!(timeout(TIMEOUT, complete.recv()).await.unwrap(), Some(0));
        let token = cluster.token("ada", "prod");
        for number in 1..=EVENTS {
            let mut event = event(&mark(number), "environment");
            // Its mark stands there once.
            (event["source"], event["data"]) = (wire.name().into(), json!({}));
            pod.publish(&token, &event).await;
        }
        while timeout(TIMEOUT, complete.recv()).await.unwrap().unwrap() < EVENTS as usize {}
        pod.kill().await;
        let ended = timeout(TIMEOUT, listening).await.unwrap().unwrap();
        assert!(ended.contains("connection"), "{ended}");
    }
}
