//! Inputs and results that the broker does not carry.

use std::{fs, path::PathBuf};

use backplane::Settlement;
use bytes::Bytes;
use futures_util::TryStreamExt;
use model::{Job, TaskState};
use serde_json::{Value, json};
use storage::{FilesConfig, OwnerFiles, Storage, StorageConfig};
use tempfile::TempDir;

use crate::stage::{Stage, Step, settlements};

fn files(stage: &Stage) -> OwnerFiles {
    stage.storage.files(&"test".parse().unwrap(), "ada")
}

async fn put(stage: &Stage, key: &str, content: &str) {
    let mut upload = files(stage).put(key.parse().unwrap()).await.unwrap();
    upload.write(Bytes::from(content.to_owned())).await.unwrap();
    upload.finish().await.unwrap();
}

async fn get(stage: &Stage, key: &Value) -> Value {
    let content = files(stage).get(&key.as_str().unwrap().parse().unwrap()).await.unwrap().content;
    serde_json::from_slice(&content.map_ok(|piece| piece.to_vec()).try_concat().await.unwrap()).unwrap()
}

/// A stage whose storage is a folder, and what makes ada's files unusable while it is there.
fn over_a_folder() -> (Stage, TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new();
    stage.storage = Storage::open(&StorageConfig::at(format!("file:{}", folder.path().display()))).unwrap();
    fs::create_dir(folder.path().join("test")).unwrap();
    let in_the_way = folder.path().join("test/ada");
    (stage, folder, in_the_way)
}

#[tokio::test]
async fn a_result_larger_than_an_event_is_stored_and_linked_and_its_small_fields_stay() {
    let stage = Stage::new();
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "much" })).await;
    let steps = stage.until_settled(1).await;
    let end = steps.iter().find(|step| step.publishes(task, TaskState::Succeeded)).unwrap();
    let result = end.task().unwrap().result.unwrap();
    let href = format!("/api/files/{task}/result.json");
    let whole = get(&stage, &result["stored"]).await;
    assert_eq!((&whole["attempt"], whole["much"].as_str().unwrap().len()), (&json!(1), 70_000));
    let bytes = whole.to_string().len();
    let stored = format!("{task}/result.json");
    assert_eq!(result, json!({ "attempt": 1, "href": href, "bytes": bytes, "stored": stored }));
}

#[tokio::test]
async fn a_large_result_is_stored_although_its_owners_quota_is_full() {
    let mut stage = Stage::new();
    stage.storage = stage.storage.with_limits(FilesConfig { quota_per_user: 0, ..FilesConfig::default() });
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "much" })).await;
    let steps = stage.until_settled(1).await;
    let end = steps.iter().find(|step| step.publishes(task, TaskState::Succeeded)).unwrap();
    assert!(get(&stage, &end.task().unwrap().result.unwrap()["stored"]).await["much"].is_string());
}

#[tokio::test]
async fn a_large_result_waits_for_the_storage_and_its_task_is_not_silent_meanwhile() {
    let (stage, _folder, in_the_way) = over_a_folder();
    fs::write(&in_the_way, "").unwrap();
    let _host = stage.host().await;
    let task = stage.submit(json!({ "trick": "much" })).await;
    let waits = |step: &Step| step.task().is_some_and(|task| task.state == TaskState::Running && task.progress == 1.0);
    let steps = stage.until("it to say that it runs", |steps| steps.iter().any(waits)).await;
    assert_eq!(settlements(&steps).count(), 0);
    fs::remove_file(in_the_way).unwrap();
    let steps = stage.until_settled(1).await;
    let end = steps.iter().find(|step| step.publishes(task, TaskState::Succeeded)).unwrap();
    assert!(get(&stage, &end.task().unwrap().result.unwrap()["stored"]).await["much"].is_string());
}

#[tokio::test]
async fn a_stored_input_is_read_before_the_run_and_checked_like_any_other() {
    let stage = Stage::new();
    let _host = stage.host().await;
    put(&stage, "01JD/good.json", r#"{ "trick": "finish" }"#).await;
    put(&stage, "01JD/bad.json", r#"{ "trick": "fly" }"#).await;
    put(&stage, "01JD/broken.json", r#"{ "trick": "#).await;
    for (key, words) in [
        ("01JD/good.json", None),
        ("01JD/bad.json", Some(r#"input.trick: "fly" is none of "#)),
        ("01JD/broken.json", Some("01JD/broken.json is no JSON")),
        ("01JD/gone.json", Some("01JD/gone.json is not there any more")),
        ("../eve/x", Some("its stored input \"../eve/x\": ")),
    ] {
        let job = Job { stored_input: Some(key.to_owned()), ..stage.job(Value::Null) };
        stage.deliver(Ok(job.clone()), 0).await;
        let ended = |step: &Step| step.task().is_some_and(|task| task.id == job.task && task.state.is_end());
        let steps = stage.until("its end", |steps| steps.iter().any(ended)).await;
        let end = steps.iter().find(|step| ended(step)).unwrap().task().unwrap();
        match words {
            None => assert_eq!(end.state, TaskState::Succeeded, "{end:?}"),
            Some(words) => assert!(end.error.as_ref().unwrap().message.contains(words), "{words} in {end:?}"),
        }
    }
}

#[tokio::test]
async fn a_stored_input_that_cannot_be_read_now_is_tried_again() {
    let (stage, _folder, in_the_way) = over_a_folder();
    fs::write(&in_the_way, "").unwrap();
    let _host = stage.host().await;
    let job = Job { stored_input: Some("01JD/input.json".to_owned()), ..stage.job(Value::Null) };
    stage.deliver(Ok(job.clone()), 0).await;
    let steps = stage.until_settled(1).await;
    let settled: Vec<_> = settlements(&steps).collect();
    assert!(matches!(settled[..], [Settlement::Retry { job, .. }] if job.stored_input.is_some()), "{settled:?}");
    assert!(steps.iter().any(|step| step.publishes(job.task, TaskState::Queued)), "{steps:?}");
}
