//! Engines that are killed, several at once, and a database or a storage that is away.

use std::fs;

use model::{StepState, TaskId, TaskState};
use runtime::{DatabaseError, database::Transaction};
use serde_json::json;

use crate::harness::{Harness, until};

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
async fn a_killed_engine_resumes_and_finds_what_ended_meanwhile() {
    let harness = Harness::new(&[("chain", CHAIN)]).await;
    let engine = harness.engine();
    let run = harness.start("chain", json!({})).await;
    harness.step(run, "one", StepState::Running).await;
    until("the first step runs", async || harness.work.names().contains(&"one".to_owned()).then_some(())).await;
    engine.kill().await;
    harness.work.release("one");
    harness
        .wait_for("the end of the first step", |event| {
            event.task().unwrap().filter(|task| task.parent == Some(run) && task.state == TaskState::Succeeded)
        })
        .await;
    let second = harness.engine();
    harness.step(run, "two", StepState::Running).await;
    second.kill().await;
    harness.work.release("two");
    let _third = harness.engine();
    assert_eq!(harness.end(run).await.state, TaskState::Succeeded);
    assert_eq!(harness.work.names(), ["one", "two", "three"]);
    assert_eq!(harness.work.run_twice(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_engines_at_once_do_each_step_once() {
    let toml =
        "title = 'T'\n[[step]]\nid = 'each'\nkind = 'work'\nfor_each = 'range(30)'\ninput = { name = 'n{{ item }}' }\n";
    let harness = Harness::new(&[("many", toml)]).await;
    let _engines = [harness.engine(), harness.engine(), harness.engine()];
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(harness.start("many", json!({})).await);
    }
    for run in runs {
        let task = harness.end(run).await;
        assert_eq!((task.state, task.steps[0].items), (TaskState::Succeeded, Some((30, 30))));
    }
    assert_eq!((harness.work.names().len(), harness.work.run_twice()), (90, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nothing_is_lost() {
    let harness = Harness::new(&[("chain", CHAIN)]).await;
    let _engine = harness.engine();
    let run = harness.start("chain", json!({})).await;
    harness.step(run, "one", StepState::Running).await;
    until("the first step runs", async || harness.work.names().contains(&"one".to_owned()).then_some(())).await;
    harness.take_database_away();
    harness.work.release("one");
    harness
        .wait_for("the end of the first step", |event| {
            event.task().unwrap().filter(|task| task.parent == Some(run) && task.state == TaskState::Succeeded)
        })
        .await;
    harness.bring_database_back();
    harness.work.release("two");
    assert_eq!(harness.end(run).await.state, TaskState::Succeeded);
    assert_eq!(harness.work.names(), ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_that_is_away_keeps_no_run_back_and_what_it_has_said_is_stored_once_it_is_there_again() {
    let toml = "title = 'T'\n[[step]]\nid = 'it'\nkind = 'work'\ninput = { name = 'it', how = 'fails' }\n";
    let harness = Harness::new(&[("sour", toml)]).await;
    let files = harness.folder.path().join("files");
    // Whoever writes meanwhile makes the folder anew.
    until("there is no folder", async || {
        fs::remove_dir_all(&files).ok();
        fs::write(&files, "no folder").ok()
    })
    .await;
    let _engine = harness.engine();
    let run = harness.start("sour", json!({})).await;
    assert_eq!(harness.end(run).await.state, TaskState::Failed);
    let put_off = log_due(&harness, run).await;
    until("its log was tried", async || {
        let due = log_due(&harness, run).await;
        // Claimed is later.
        let soon = jiff::Timestamp::now().as_millisecond() + 10_000;
        (due != put_off && due.is_none_or(|due| due < soon)).then_some(())
    })
    .await;
    fs::remove_file(&files).unwrap();
    fs::create_dir(&files).unwrap();
    let lines = until("its log is stored", async || harness.log(run).await).await;
    assert_eq!(lines.last().unwrap().message, "The run has failed.");
}

/// When the log of a run is to be stored, in milliseconds since 1970; none if all of it is.
async fn log_due(harness: &Harness, run: TaskId) -> Option<i64> {
    let query = move |transaction: &mut dyn Transaction| {
        let sql = "SELECT due FROM bellwire_workflow_outbox WHERE id = $1";
        let rows = transaction.query(sql, &[format!("{run}.log").into()])?;
        Ok::<_, DatabaseError>(rows.first().and_then(|row| row.integer(0)))
    };
    harness.database().transaction(query).await.unwrap()
}
