//! What control words promise.

use backplane::{Backplane, ControlMessage, ControlReader, SendError, control::MAX_CONTROL_BYTES};
use model::PodId;
use serde_json::json;

use crate::{
    expect::{soon, up},
    world::{World, over_both},
};

over_both!(
    a_word_to_one_pod_reaches_it_alone,
    a_word_to_all_reaches_all_and_who_said_it,
    a_word_stays_in_its_environment,
    a_word_of_a_hundred_kilobytes_passes_and_one_that_is_too_large_is_refused,
);

async fn listen(plane: &Backplane, pod: &PodId) -> ControlReader {
    let mut reader = plane.control.subscribe(pod);
    up(&mut reader.link).await;
    reader
}

async fn say(plane: &Backplane, from: &PodId, to: Option<&PodId>, body: &str) {
    up(&mut plane.log.publishing()).await;
    let word = ControlMessage { from: from.clone(), to: to.cloned(), body: json!(body) };
    plane.control.send(&word).await.unwrap();
}

async fn hear(reader: &mut ControlReader) -> String {
    let word = soon("a word", reader.messages.recv()).await.expect("a reader hears for as long as it lives");
    word.body.as_str().unwrap().to_owned()
}

async fn a_word_to_one_pod_reaches_it_alone(world: World) {
    let plane = world.environment("prod");
    let (one, other) = (PodId::gateway(), PodId::gateway());
    let (mut at_one, mut at_other) = (listen(&plane, &one).await, listen(&plane, &other).await);
    say(&plane, &one, Some(&other), "for the other").await;
    say(&plane, &one, None, "for all").await;
    assert_eq!(hear(&mut at_other).await, "for the other");
    assert_eq!(hear(&mut at_other).await, "for all");
    // Words come in order, so what was not for this pod would have come before.
    assert_eq!(hear(&mut at_one).await, "for all");
}

async fn a_word_to_all_reaches_all_and_who_said_it(world: World) {
    let plane = world.environment("prod");
    let (one, other) = (PodId::gateway(), PodId::worker());
    let (mut at_one, mut at_other) = (listen(&plane, &one).await, listen(&plane, &other).await);
    say(&plane, &one, None, "hello").await;
    assert_eq!(hear(&mut at_one).await, "hello");
    assert_eq!(hear(&mut at_other).await, "hello");
}

async fn a_word_stays_in_its_environment(world: World) {
    let (prod, test) = (world.environment("prod"), world.environment("test"));
    let pod = PodId::gateway();
    let (mut in_prod, mut in_test) = (listen(&prod, &pod).await, listen(&test, &pod).await);
    say(&test, &pod, None, "in test").await;
    say(&prod, &pod, None, "in prod").await;
    assert_eq!(hear(&mut in_prod).await, "in prod");
    assert_eq!(hear(&mut in_test).await, "in test");
}

async fn a_word_of_a_hundred_kilobytes_passes_and_one_that_is_too_large_is_refused(world: World) {
    let plane = world.environment("prod");
    let pod = PodId::gateway();
    let mut reader = listen(&plane, &pod).await;
    let long = "x".repeat(100_000);
    say(&plane, &pod, None, &long).await;
    assert_eq!(hear(&mut reader).await, long);
    let word = ControlMessage { from: pod, to: None, body: json!("x".repeat(MAX_CONTROL_BYTES)) };
    let refused = plane.control.send(&word).await;
    assert!(matches!(&refused, Err(SendError::Invalid(why)) if why.contains("163840")), "{refused:?}");
}
