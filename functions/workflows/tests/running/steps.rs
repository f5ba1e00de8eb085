//! Steps: in what order, with what input, and what their result is.

use model::{StepState, TaskState};
use serde_json::json;
use storage::FileKey;

use crate::harness::Harness;

const DIAMOND: &str = r#"
title = "A diamond"
[[input]]
name = "size"
type = "integer"
default = 3
[[step]]
id = "first"
kind = "work"
title = "The first"
input = { name = "first", size = "{{ input.size }}" }
[[step]]
id = "left"
kind = "work"
needs = ["first"]
input = { name = "left", twice = "{{ steps.first.output.got.size * 2 }}" }
[[step]]
id = "right"
kind = "work"
needs = ["first"]
input = { name = "right", words = "size {{ steps.first.output.got.size }} of {{ run.owner }}" }
[[step]]
id = "last"
kind = "work"
needs = ["left", "right"]
input = { name = "last", all = ["{{ steps.left.output.got.twice }}", "{{ steps.right.output.got.words }}"], first = "{{ steps.first.output.got }}" }
[output]
href = "{{ steps.last.output.href }}"
sum = "{{ steps.left.output.got.twice + 1 }}"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_starts_when_those_it_needs_have_ended_and_is_given_what_they_made() {
    let harness = Harness::new(&[("diamond", DIAMOND)]).await;
    let engine = harness.engine();
    let run = harness.start("diamond", json!({ "size": 5 })).await;
    let task = harness.end(run).await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:#?}");
    let names = harness.work.names();
    assert_eq!((names.len(), names[0].as_str(), names[3].as_str()), (4, "first", "last"));
    let first = json!({ "name": "first", "size": 5 });
    assert_eq!(harness.work.input_of("last"), json!({ "name": "last", "all": [10, "size 5 of ada"], "first": first }));
    let steps = json!({ "first": "succeeded", "left": "succeeded", "right": "succeeded", "last": "succeeded" });
    assert_eq!(task.result.unwrap(), json!({ "href": "/api/files/x/y", "sum": 11, "steps": steps }));
    assert_eq!((task.steps[0].title.as_str(), task.steps[3].needs.len(), task.progress), ("The first", 2, 1.0));
    let toasts = harness
        .events()
        .into_iter()
        .filter(|event| event.toast().unwrap().is_some() && event.source.ends_with("workflows"));
    assert_eq!(toasts.map(|event| event.toast().unwrap().unwrap().title).collect::<Vec<_>>(), ["A run is done"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sequence_of_a_run_rises_over_all_publishers() {
    let harness = Harness::new(&[("diamond", DIAMOND)]).await;
    let _engine = harness.engine();
    let run = harness.start("diamond", json!({})).await;
    harness.end(run).await;
    let said = harness.events().into_iter().filter_map(|event| event.task().unwrap().filter(|task| task.id == run));
    let places: Vec<_> = said.map(|task| (task.attempt, task.sequence)).collect();
    assert!(places.len() >= 3 && places.is_sorted(), "{places:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_for_each_item_gives_results_in_order_and_few_run_at_once() {
    let toml = r#"
        title = "Many"
        [[step]]
        id = "each"
        kind = "work"
        for_each = "range(1, 13)"
        when = "item != 5"
        input = { name = "n{{ item }}", n = "{{ item }}" }
        [[step]]
        id = "none"
        kind = "work"
        for_each = "[]"
        [[step]]
        id = "after"
        kind = "work"
        needs = ["each", "none"]
        input = { name = "after", all = "{{ steps.each.output | map(attribute='got.n') | list }}", none = "{{ steps.none.output }}" }
    "#;
    let harness = Harness::new(&[("many", toml)]).await;
    let _engine = harness.engine_with(workflows::WorkflowsConfig { items_at_once: 3, ..harness.config() });
    let run = harness.start("many", json!({})).await;
    let task = harness.end(run).await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:#?}");
    assert_eq!(task.steps[0].items, Some((11, 11)));
    assert_eq!(harness.work.input_of("after")["all"], json!([1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]));
    assert_eq!(harness.work.input_of("after")["none"], json!([]));
    assert!(harness.work.most_at_once() <= 3, "{}", harness.work.most_at_once());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_fans_out_too_far_fails_with_a_message() {
    let toml = "title = 'Far'\n[[step]]\nid = 'each'\nkind = 'work'\nfor_each = 'range(100000)'\n";
    let harness = Harness::new(&[("far", toml)]).await;
    let _engine = harness.engine();
    let task = harness.end(harness.start("far", json!({})).await).await;
    assert_eq!(task.state, TaskState::Failed);
    let words = task.error.unwrap().message;
    assert!(words.contains("each: for_each: it gives 100000 items; 1000 are allowed"), "{words}");
    assert!(harness.work.names().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_is_a_step_of_another() {
    let inner = r#"
        title = "Inner"
        [[input]]
        name = "n"
        type = "integer"
        [[step]]
        id = "work"
        kind = "work"
        input = { name = "inner", n = "{{ input.n }}" }
        [output]
        n = "{{ steps.work.output.got.n + 1 }}"
    "#;
    let outer = r#"
        title = "Outer"
        [[step]]
        id = "inner_one"
        kind = "inner"
        input = { n = 7 }
        [[step]]
        id = "after"
        kind = "work"
        needs = ["inner_one"]
        input = { name = "after", n = "{{ steps.inner_one.output.n }}" }
    "#;
    let harness = Harness::new(&[("inner", inner), ("outer", outer)]).await;
    let _engine = harness.engine();
    let task = harness.end(harness.start("outer", json!({})).await).await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:#?}");
    assert_eq!(harness.work.input_of("after")["n"], 8);
    let titles = harness.events().into_iter().filter(|event| event.source.ends_with("workflows"));
    let toasts: Vec<_> = titles.filter_map(|event| event.toast().unwrap()).map(|toast| toast.title).collect();
    assert_eq!(toasts, ["A run is done"], "a nested run has no toast");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_output_is_fetched_when_a_step_refers_to_it() {
    let toml = r#"
        title = "Large"
        [[input]]
        name = "file"
        type = "file"
        [[step]]
        id = "large"
        kind = "work"
        input = { name = "large", stored = "{{ input.file }}" }
        [[step]]
        id = "after"
        kind = "work"
        needs = ["large"]
        input = { name = "after", rows = "{{ steps.large.output.rows | length }}" }
    "#;
    let harness = Harness::new(&[("large", toml)]).await;
    let _engine = harness.engine();
    let key: FileKey = "01/output.json".parse().unwrap();
    let mut upload = harness.storage.files(&harness.environment, "ada").put(key.clone()).await.unwrap();
    let rows: Vec<_> = (0..20_000).collect();
    upload.write(json!({ "rows": rows }).to_string().into()).await.unwrap();
    upload.finish().await.unwrap();
    let task = harness.end(harness.start("large", json!({ "file": key })).await).await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:#?}");
    assert_eq!(harness.work.input_of("after")["rows"], 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_without_a_worker_notes_it_and_times_out() {
    let toml = "title = 'T'\n[[step]]\nid = 'it'\nkind = 'nobody'\ntimeout = '3s'\n";
    let harness = Harness::new(&[("lonely", toml)]).await;
    let _engine = harness.engine();
    let run = harness.start("lonely", json!({})).await;
    let waits = harness.wait_for("that it waits", |event| {
        let step = event.task().unwrap().filter(|task| task.id == run)?.steps.into_iter().next()?;
        (step.state == StepState::Running).then_some(step.note?)
    });
    assert_eq!(waits.await, "there is no worker of kind nobody yet");
    let task = harness.end(run).await;
    assert_eq!(task.error.unwrap().message, "it: its end was not heard within 3 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_too_large_for_the_broker_comes_to_the_function_all_the_same() {
    let toml =
        "title = 'T'\n[[step]]\nid = 'it'\nkind = 'work'\n[step.input]\nname = 'big'\ntext = \"{{ 'x' * 70000 }}\"\n";
    let harness = Harness::new(&[("big", toml)]).await;
    let _engine = harness.engine();
    let task = harness.end(harness.start("big", json!({})).await).await;
    assert_eq!(harness.work.input_of("big")["text"].as_str().map(str::len), Some(70_000), "{task:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_says_which_step_began_and_how_it_ended_before_its_end_is_told() {
    let harness = Harness::new(&[("diamond", DIAMOND)]).await;
    let engine = harness.engine();
    let run = harness.start("diamond", json!({ "size": 5 })).await;
    assert_eq!(harness.end(run).await.state, TaskState::Succeeded);
    let lines = harness.log(run).await.unwrap();
    let words: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(words[..2], ["The run begins; it has 4 steps.", "The first: begins"], "{words:?}");
    assert_eq!(words[words.len() - 2..], ["last: is done", "The run has succeeded."], "{words:?}");
    for step in ["The first", "left", "right", "last"] {
        let place = |what: &str| words.iter().position(|word| *word == format!("{step}: {what}"));
        assert!(place("begins") < place("is done") && place("begins").is_some(), "{step}: {words:?}");
    }
    let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>());
    engine.stop().await;
}
