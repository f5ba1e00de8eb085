//! `bellwire events`, over a broker.

use backplane::Destination;
use model::{Audience, Event};
use serde_json::{Value, json};

use crate::running::environment;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_and_is_for_nobody_is_shown_with_its_reason_and_its_bytes() {
    let (folder, backplane) = environment("imports");
    for (source, event_type) in [("/shop", "order.shipped"), ("/shop/odd", "bellwire.new"), ("/shop", "order.paid")] {
        let event = Event::new(source, event_type, Audience::user("ada"));
        backplane.log.publish(Destination::Publishers, &event).await.unwrap();
    }
    let output = folder.run(&["events", "dropped", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<Value> =
        str::from_utf8(&output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [dropped] = lines.as_slice() else { panic!("{lines:?}") };
    let body: Value = serde_json::from_str(dropped["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&body["source"], &dropped["content_type"]),
        (&json!("/shop/odd"), &json!("application/cloudevents+json"))
    );
    assert!(dropped["exchange"].as_str().unwrap().ends_with(".prod.publish"), "{dropped}");
    assert!(dropped["reason"].as_str().unwrap().contains("bellwire.new"), "{dropped}");
}
