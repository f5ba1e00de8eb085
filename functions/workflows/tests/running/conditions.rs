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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unlike_is_not_compared_and_the_step_the_field_and_the_expression_are_named() {
    let toml = |field: &str| {
        format!(
            "title = 'T'\n[[input]]\nname = 'least'\ntype = 'integer'\n[[step]]\nid = 'load'\nkind = 'work'\n\
             input = {{ name = '3' }}\n[[step]]\nid = 'then'\ntitle = 'Then'\nkind = 'work'\nneeds = ['load']\n{field}\n"
        )
    };
    let fields = [
        ("text", "when = 'steps.load.output.got.name < 5'", "when: steps.load.output.got.name < 5: < has a text on"),
        ("none", "when = 'input.least < 5'", "when: input.least < 5: < has null (no value) on its left"),
        (
            "deep",
            "input = { name = { a = '{{ steps.load.output.got.name == 3 }}' } }",
            "input.name: a: steps.load.output.got.name == 3: == has a text on",
        ),
        ("words", "input = { name = 'at least {{ input.least }}' }", "input.name: input.least: it has no value (null)"),
        ("each", "for_each = '[1, 2]'\nwhen = 'item < steps.load.output.got.name'", "item 1: when: item < steps"),
    ];
    let tomls = fields.map(|(name, field, _)| (name, toml(field)));
    let definitions: Vec<_> = tomls.iter().map(|(name, toml)| (*name, toml.as_str())).collect();
    let harness = Harness::new(&definitions).await;
    let _engine = harness.engine();
    for (name, _, words) in fields {
        let error = harness.end(harness.start(name, json!({})).await).await.error.unwrap();
        assert!(error.message.starts_with(&format!("Then: {words}")), "{name}: {}", error.message);
        assert_eq!(error.reason, "input");
    }
}
