//! Engines that are killed, several at once, and a database that is away.

use model::{StepState, TaskState};
use serde_json::json;

use crate::stage::{Stage, until};

const CHAIN: &str = r#"
title = "Chain"
[[step]]
id = "one"
kind = "work"
input = { name = "one", how = "waits" }
[[step]]
id = "two"
kind = "work"
needs = ["one"]
input = { name = "two", how = "waits" }
[[step]]
id = "three"
kind = "work"
needs = ["two"]
input = { name = "three" }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_engine_goes_on_where_it_was_and_hears_what_ended_meanwhile() {
    let stage = Stage::new(&[("chain", CHAIN)]).await;
    let engine = stage.engine();
    let run = stage.start("chain", json!({})).await;
    stage.step(run, "one", StepState::Running).await;
    until("the first step runs", async || stage.work.names().contains(&"one".to_owned()).then_some(())).await;
    engine.kill().await;
    stage.work.let_go("one");
    stage
        .heard("the end of the first step", |event| {
            event.task().unwrap().filter(|task| task.parent == Some(run) && task.state == TaskState::Succeeded)
        })
        .await;
    let second = stage.engine();
    stage.step(run, "two", StepState::Running).await;
    second.kill().await;
    stage.work.let_go("two");
    let _third = stage.engine();
    assert_eq!(stage.end(run).await.state, TaskState::Succeeded);
    assert_eq!(stage.work.names(), ["one", "two", "three"]);
    assert_eq!(stage.work.run_twice(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_engines_at_once_do_each_step_once() {
    let toml =
        "title = 'T'\n[[step]]\nid = 'each'\nkind = 'work'\nfor_each = 'range(30)'\ninput = { name = 'n{{ item }}' }\n";
    let stage = Stage::new(&[("many", toml)]).await;
    let _engines = [stage.engine(), stage.engine(), stage.engine()];
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(stage.start("many", json!({})).await);
    }
    for run in runs {
        let task = stage.end(run).await;
        assert_eq!((task.state, task.steps[0].items), (TaskState::Succeeded, Some((30, 30))));
    }
    assert_eq!((stage.work.names().len(), stage.work.run_twice()), (90, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nothing_is_lost() {
    let stage = Stage::new(&[("chain", CHAIN)]).await;
    let _engine = stage.engine();
    let run = stage.start("chain", json!({})).await;
    stage.step(run, "one", StepState::Running).await;
    until("the first step runs", async || stage.work.names().contains(&"one".to_owned()).then_some(())).await;
    stage.take_database_away();
    stage.work.let_go("one");
    stage
        .heard("the end of the first step", |event| {
            event.task().unwrap().filter(|task| task.parent == Some(run) && task.state == TaskState::Succeeded)
        })
        .await;
    stage.bring_database_back();
    stage.work.let_go("two");
    assert_eq!(stage.end(run).await.state, TaskState::Succeeded);
    assert_eq!(stage.work.names(), ["one", "two", "three"]);
}
