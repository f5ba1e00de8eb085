//! Steps with conditions, and waits.

use model::{StepState, TaskState};
use serde_json::json;

use crate::harness::Harness;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_whose_condition_is_not_met_is_skipped_and_so_are_those_that_need_it() {
    let toml = r#"
        title = "Maybe"
        [[input]]
        name = "really"
        type = "boolean"
        [[step]]
        id = "maybe"
        kind = "work"
        when = "input.really"
        input = { name = "maybe" }
        [[step]]
        id = "follows"
        kind = "work"
        needs = ["maybe"]
        input = { name = "follows" }
        [[step]]
        id = "anyway"
        kind = "work"
        needs = ["maybe"]
        even_after_skipped = true
        input = { name = "anyway", was = "{{ steps.maybe.state }}" }
    "#;
    let harness = Harness::new(&[("maybe", toml)]).await;
    let _engine = harness.engine();
    let task = harness.end(harness.start("maybe", json!({ "really": false })).await).await;
    let states: Vec<_> = task.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Skipped, StepState::Skipped, StepState::Succeeded]);
    assert_eq!(task.steps[1].note.as_deref(), Some("maybe was skipped"));
    assert_eq!(
        (harness.work.names(), &harness.work.input_of("anyway")["was"]),
        (vec!["anyway".to_owned()], &json!("skipped"))
    );
    let task = harness.end(harness.start("maybe", json!({ "really": true })).await).await;
    assert!(task.steps.iter().all(|step| step.state == StepState::Succeeded));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_ends_when_its_time_has_come() {
    let toml = r#"
        title = "Patience"
        [[input]]
        name = "until"
        [[step]]
        id = "pause"
        kind = "wait"
        for = "300ms"
        [[step]]
        id = "then"
        kind = "wait"
        needs = ["pause"]
        until = "{{ input.until }}"
        [[step]]
        id = "after"
        kind = "work"
        needs = ["then"]
        input = { name = "after", until = "{{ steps.then.output.until }}" }
    "#;
    let harness = Harness::new(&[("patience", toml)]).await;
    let _engine = harness.engine();
    let began = jiff::Timestamp::now();
    let until = jiff::Timestamp::from_millisecond(began.as_millisecond() + 1500).unwrap();
    let task = harness.end(harness.start("patience", json!({ "until": until })).await).await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:#?}");
    assert!(jiff::Timestamp::now() >= until, "it did not wait");
    assert_eq!(harness.work.input_of("after")["until"], until.to_string());
    let task = harness.end(harness.start("patience", json!({ "until": "tomorrow" })).await).await;
    let words = task.error.unwrap().message;
    assert!(words.contains("then: until: \"tomorrow\" is no time"), "{words}");
    let task = harness.end(harness.start("patience", json!({ "until": "9000-01-01T00:00:00Z" })).await).await;
    let words = task.error.unwrap().message;
    assert!(words.contains("then: until: 9000-01-01T00:00:00Z is more than a year away"), "{words}");
}
