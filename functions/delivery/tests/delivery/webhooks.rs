//! Webhooks to a real receiver, verified by the package that Standard Webhooks publishes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::scene::{Scene, undelivered};

#[tokio::test]
async fn a_receiver_gets_a_cloud_event_that_it_can_verify() {
    let scene = Scene::with_webhooks(&[("crm", "/ok")]).await;
    let task = scene.task(b"x").await;
    let delivered = task.deliver(&scene, json!({ "webhooks": ["crm"], "to": ["group:finance"] })).await.unwrap();
    assert_eq!((delivered.webhooks, delivered.to.as_deref()), (1, Some("group:finance")));
    let received = scene.receivers.received("webhook").await.remove(0);
    assert_eq!(received["type"], "application/cloudevents+json");
    assert_eq!(received["id"], format!("{}_crm", task.context.task));
    let event = &received["event"];
    assert!(event.is_object(), "its signature is right");
    assert_eq!(
        [&event["specversion"], &event["type"], &event["source"], &event["environment"]],
        ["1.0", "bellwire.report.ready", "/functions/test", "test"]
    );
    let data = &event["data"];
    assert_eq!((&data["rows"], &data["report"], &data["owner"]), (&json!(2), &json!("sales"), &json!("ada")));
    assert_eq!(data["file"]["name"], "sälés 1.csv");
    assert!(data["file"]["link"].as_str().unwrap().starts_with("https://intranet.example/#file=%2Fapi%2Fshared%2F"));
}

#[tokio::test]
async fn a_receiver_that_is_busy_gets_it_later_and_others_once() {
    let scene = Scene::with_webhooks(&[("busy", "/busy-2"), ("crm", "/ok")]).await;
    let mut task = scene.task(b"x").await;
    let recipients = json!({ "webhooks": ["busy", "crm"] });
    for attempt in 1..=2 {
        task.context.attempt = attempt;
        let failure = task.deliver(&scene, recipients.clone()).await.unwrap_err().to_string();
        assert!(failure.contains("webhook busy (it answered 503 Service Unavailable)"), "{failure}");
    }
    assert_eq!(task.deliver(&scene, recipients).await.unwrap().webhooks, 2);
    let received = scene.receivers.received("webhook").await;
    assert_eq!(received[0]["event"]["data"]["file"]["link"], json!(null), "it is shared with nobody");
    let paths: Vec<_> = received.iter().map(|webhook| webhook["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/busy-2", "/ok", "/busy-2", "/busy-2"]);
    assert!(
        received
            .iter()
            .filter(|webhook| webhook["path"] == "/busy-2")
            .all(|webhook| webhook["id"] == received[0]["id"])
    );
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_is_left_alone_until_then() {
    let scene = Scene::with_webhooks(&[("asks", "/asks-1"), ("dated", "/date-1")]).await;
    let mut task = scene.task(b"x").await;
    let recipients = json!({ "webhooks": ["asks", "dated"] });
    let failure = task.deliver(&scene, recipients.clone()).await.unwrap_err().to_string();
    assert!(failure.contains("webhook asks (it answered 429 Too Many Requests)"), "{failure}");
    task.context.attempt = 2;
    let failure = task.deliver(&scene, recipients.clone()).await.unwrap_err().to_string();
    assert!(failure.contains("it asked to come again at"), "{failure}");
    assert_eq!(scene.receivers.received("webhook").await.len(), 2, "neither was asked again");
    let delivered = task.deliver_last(&scene, recipients).await;
    assert_eq!(delivered.undelivered.len(), 2);
}

#[tokio::test]
async fn a_run_without_time_to_wait_leaves_a_receiver_alone_all_the_same() {
    let scene = Scene::with_webhooks(&[("soon", "/soon-1")]).await;
    let mut task = scene.task(b"x").await;
    let recipients = json!({ "webhooks": ["soon"] });
    task.deliver(&scene, recipients.clone()).await.unwrap_err();
    for attempt in 2..=3 {
        (task.context.attempt, task.context.deadline) = (attempt, Instant::now() + Duration::from_secs(1));
        let failure = task.deliver(&scene, recipients.clone()).await.unwrap_err().to_string();
        assert!(failure.contains("webhook soon (there was no time left in this run)"), "{failure}");
    }
    assert_eq!(scene.receivers.received("webhook").await.len(), 1, "its 25 seconds are not over");
}

#[tokio::test]
async fn a_run_with_a_short_deadline_delivers_for_half_of_it() {
    let scene = Scene::with_webhooks(&[("crm", "/ok")]).await;
    let mut task = scene.task(b"x").await;
    task.context.deadline = Instant::now() + Duration::from_secs(15);
    assert_eq!(task.deliver(&scene, json!({ "webhooks": ["crm"] })).await.unwrap().webhooks, 1);
}

#[tokio::test]
async fn what_a_receiver_answers_is_told_and_nobody_else_is_sent_it() {
    let scene = Scene::with_webhooks(&[("gone", "/gone"), ("moved", "/moved"), ("silent", "/silent")]).await;
    let mut task = scene.task(b"x").await;
    let delivered = task.deliver_last(&scene, json!({ "webhooks": ["gone", "moved", "silent"] })).await;
    let reasons = undelivered(&delivered);
    assert_eq!(reasons[0], ("webhook gone".to_owned(), "it answered 410 Gone".to_owned()));
    assert_eq!(reasons[1].1, "it answered 302 Found, and is followed nowhere");
    assert!(reasons[2].1.contains("timed out"), "{reasons:?}");
    let paths = scene.receivers.received("webhook").await.into_iter().map(|webhook| webhook["path"].clone());
    assert_eq!(paths.collect::<Vec<_>>(), ["/gone", "/moved", "/silent"]);
}
