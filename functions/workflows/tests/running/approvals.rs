//! Questions and their answers.

use model::{
    Audience, StepState, TaskState,
    approval::{Answer, Decision, Question},
    toast::Level,
};
use runtime::testing;
use serde_json::json;

use crate::harness::Harness;

const ASKING: &str = r#"
title = "Asking"
[[input]]
name = "team"
default = "reviewers"
[[step]]
id = "load"
kind = "work"
input = { name = "load" }
compensate = { kind = "work", input = { name = "unload" } }
[[step]]
id = "approve"
title = "Approve it"
kind = "approval"
needs = ["load"]
ask = "user:bob group:{{ input.team }}"
question = "Is {{ steps.load.output.got.name }} right?"
TIMEOUT
[[step]]
id = "publish"
kind = "work"
needs = ["approve"]
input = { name = "publish", by = "{{ steps.approve.output.by }}", words = "{{ steps.approve.output.comment }}" }
"#;

async fn asking() -> Harness {
    Harness::new(&[
        ("asking", &ASKING.replace("TIMEOUT", "")),
        ("hasty", &ASKING.replace("TIMEOUT", "timeout = '100ms'")),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_asked_and_the_run_goes_on_when_they_approve() {
    let harness = asking().await;
    let _engine = harness.engine();
    let run = harness.start("asking", json!({})).await;
    let (question, event) = harness.question(run).await;
    assert_eq!(
        (question.step.as_str(), question.question.as_str(), question.owner.as_str()),
        ("approve", "Is load right?", "ada")
    );
    assert_eq!(String::from(event.audience.clone()), "user:bob group:reviewers");
    let toast = event.toast().unwrap().unwrap();
    assert_eq!(
        (toast.title.as_str(), toast.decision.unwrap().step.as_str()),
        ("ada asks for approval: A run", "approve")
    );
    harness.step(run, "approve", StepState::Asked).await;
    harness.answer(run, "approve", "bob", &["reviewers"], Decision::Approve).await;
    let task = harness.end(run).await;
    assert_eq!(task.state, TaskState::Succeeded, "{task:#?}");
    assert_eq!(task.steps[1].note.as_deref(), Some("approved by bob: as agreed"));
    assert_eq!(harness.work.input_of("publish"), json!({ "name": "publish", "by": "bob", "words": "as agreed" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_fails_the_run_and_what_was_done_is_undone() {
    let harness = asking().await;
    let _engine = harness.engine();
    let run = harness.start("asking", json!({ "team": "finance" })).await;
    harness.question(run).await;
    harness.answer(run, "approve", "bob", &[], Decision::Reject).await;
    let task = harness.end(run).await;
    let error = task.error.unwrap();
    assert_eq!((error.reason.as_str(), error.message.as_str()), ("declined", "Approve it: rejected by bob: as agreed"));
    assert!(task.steps[1].rejected && !task.steps[0].rejected);
    let ends = harness.events().into_iter().filter(|event| event.source.ends_with("workflows"));
    let toast = ends.filter_map(|event| event.toast().unwrap()).find(|toast| toast.decision.is_none()).unwrap();
    assert_eq!((toast.level, toast.title.as_str()), (Level::Warning, "A run was rejected"));
    assert_eq!(task.steps[0].state, StepState::Compensated);
    assert_eq!(harness.work.names(), ["load", "unload"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_not_asked_does_not_count_and_of_the_others_the_first_does() {
    let harness = asking().await;
    let _engines = [harness.engine(), harness.engine()];
    let run = harness.start("asking", json!({})).await;
    harness.question(run).await;
    harness.answer(run, "approve", "eve", &["staff"], Decision::Reject).await;
    harness.answer(run, "approve", "eve", &["group:reviewers"], Decision::Reject).await;
    harness.answer(run, "publish", "bob", &["reviewers"], Decision::Reject).await;
    harness.answer(run, "nothing", "bob", &["reviewers"], Decision::Reject).await;
    harness.answer(run, "approve", "bob", &["reviewers"], Decision::Approve).await;
    harness.answer(run, "approve", "cem", &["reviewers"], Decision::Reject).await;
    let task = harness.end(run).await;
    assert_eq!(task.steps[1].note.as_deref(), Some("approved by bob: as agreed"), "{task:#?}");
    assert_eq!(task.state, TaskState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_no_gateway_has_signed_moves_nothing() {
    let harness = asking().await;
    let _engine = harness.engine();
    let run = harness.start("asking", json!({})).await;
    let (question, event) = harness.question(run).await;
    let digest = question.digest(&event.audience);
    harness.step(run, "approve", StepState::Asked).await;
    let unsigned = Answer {
        task: run,
        step: "approve".to_owned(),
        digest,
        decision: Decision::Reject,
        by: "bob".to_owned(),
        groups: vec!["reviewers".to_owned()],
        comment: None,
        values: String::new(),
        signature: String::new(),
    };
    let elsewhere = testing::gateway_key().sign_answer(&"prod".parse().unwrap(), unsigned.clone());
    for forged in [unsigned, elsewhere] {
        harness.publish(&forged.event(Audience::user("ada"))).await;
    }
    harness.answer(run, "approve", "cem", &["reviewers"], Decision::Approve).await;
    let task = harness.end(run).await;
    assert_eq!((task.state, task.steps[1].note.as_deref()), (TaskState::Succeeded, Some("approved by cem: as agreed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_another_question_than_the_runs_moves_nothing() {
    let harness = asking().await;
    let _engine = harness.engine();
    let run = harness.start("asking", json!({})).await;
    let (question, event) = harness.question(run).await;
    harness.step(run, "approve", StepState::Asked).await;
    let pizza = Question { question: "Shall we order pizza?".to_owned(), ..question.clone() };
    for digest in [pizza.digest(&event.audience), question.digest(&Audience::user("bob")), String::new()] {
        harness.answer_to((run, "approve", &digest), "bob", &["reviewers"], Decision::Reject).await;
    }
    harness.answer(run, "approve", "cem", &["reviewers"], Decision::Approve).await;
    let task = harness.end(run).await;
    assert_eq!((task.state, task.steps[1].note.as_deref()), (TaskState::Succeeded, Some("approved by cem: as agreed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_nobody_answers_in_time_fails() {
    let harness = asking().await;
    let _engine = harness.engine();
    let run = harness.start("hasty", json!({})).await;
    let task = harness.end(run).await;
    assert!(task.error.unwrap().message.contains("Approve it: nobody answered within"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_starts_a_run_cannot_name_more_people_than_the_definition_asks() {
    let harness = asking().await;
    let _engine = harness.engine();
    for team in ["reviewers user:ada", "reviewers\u{3000}user:ada", "reviewers\nenvironment", ""] {
        let run = harness.start("asking", json!({ "team": team })).await;
        // Where the run's owner is asked, they approve at once.
        harness.answer(run, "approve", "ada", &[], Decision::Approve).await;
        let words = harness.end(run).await.error.map(|error| error.message).unwrap_or_default();
        assert!(words.contains("ask: {{ input.team }} gives") && words.contains("not one name"), "{team:?}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_starts_a_run_cannot_write_the_question_of_another() {
    let harness = asking().await;
    let question = "Is {{ input.team }} right? It deletes everything.";
    harness
        .define("loud", &ASKING.replace("TIMEOUT", "").replace("Is {{ steps.load.output.got.name }} right?", question));
    let _engine = harness.engine();
    let run = harness.start("loud", json!({ "team": "x".repeat(250) })).await;
    let asked = harness.question(run).await.0.question;
    assert_eq!(asked, format!("Is {}… right? It deletes everything.", "x".repeat(200)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_starts_a_run_cannot_approve_it_unless_the_step_lets_them() {
    let harness = asking().await;
    let own = ASKING.replace("TIMEOUT", "self_approval = true").replace("user:bob", "user:{{ run.owner }}");
    harness.define("own", &own);
    let _engine = harness.engine();
    let run = harness.start("asking", json!({ "team": "staff" })).await;
    let asks = harness.step(run, "approve", StepState::Asked).await.asks.unwrap();
    assert_eq!((asks.audience.as_str(), asks.needed), ("user:bob group:staff", 1));
    assert!(asks.until > jiff::Timestamp::now());
    harness.question(run).await;
    harness.answer(run, "approve", "ada", &["staff"], Decision::Approve).await;
    harness.answer(run, "approve", "cem", &["staff"], Decision::Approve).await;
    let task = harness.end(run).await;
    assert_eq!(task.steps[1].note.as_deref(), Some("approved by cem: as agreed"));
    let run = harness.start("own", json!({})).await;
    harness.question(run).await;
    harness.answer(run, "approve", "ada", &["staff"], Decision::Approve).await;
    assert_eq!(harness.end(run).await.steps[1].note.as_deref(), Some("approved by ada: as agreed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approvals_that_were_given_before_an_engine_was_killed_still_count() {
    let harness = asking().await;
    let two = ASKING.replace(
        "TIMEOUT",
        "approvals = 2\n[[step.field]]\nname = 'size'\ntype = 'integer'\n[[step.field]]\nname = 'words'",
    );
    harness.define(
        "two",
        &two.replace(
            "words = \"",
            "size = \"{{ steps.approve.answer.size }}\", none = \"{{ steps.approve.answer.words }}\", words = \"",
        ),
    );
    let engine = harness.engine();
    let run = harness.start("two", json!({})).await;
    let (question, event) = harness.question(run).await;
    let digest = question.digest(&event.audience);
    harness.step(run, "approve", StepState::Asked).await;
    harness.answer_with((run, "approve", &digest), "bob", &[], (Decision::Approve, r#"{"size":1}"#)).await;
    let approved = |event: &model::Event| {
        let task = event.task().ok().flatten().filter(|task| task.id == run)?;
        task.steps.get(1)?.asks.clone().filter(|asks| asks.approved_by == ["bob"])
    };
    harness.wait_for("the first approval", approved).await;
    engine.kill().await;
    let _others = [harness.engine(), harness.engine()];
    harness.answer_with((run, "approve", &digest), "bob", &[], (Decision::Reject, "")).await;
    harness.answer_with((run, "approve", &digest), "amy", &["reviewers"], (Decision::Approve, r#"{"size":2}"#)).await;
    let task = harness.end(run).await;
    assert_eq!(task.steps[1].note.as_deref(), Some("approved by bob, amy: as agreed"), "{task:#?}");
    let input = harness.work.input_of("publish");
    assert_eq!((&input["size"], &input["none"]), (&json!(2), &json!(null)));
    assert_eq!(harness.work.names(), ["load", "publish"]);
}
