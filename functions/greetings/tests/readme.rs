//! The function that the README shows is this one: it is what is built, and it does what is said.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use backplane::{Backplane, LogItem, ReadFrom, memory::Broker};
use model::{Environment, Job, PodId, Task, TaskId, TaskState};
use process::Readiness;
use runtime::{
    Host, HostConfig, WorkerContext,
    testing::{self, Harness},
};
use serde_json::json;
use tokio::time::timeout;

include!("../src/main.rs");

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn the_readme_shows_this_function_as_it_is_in_less_than_40_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(folder.join("../../README.md")).unwrap();
    let (_, rest) = readme.split_once("<!-- example: own-function -->\n```rust\n").unwrap();
    let (shown, _) = rest.split_once("```\n").unwrap();
    assert_eq!(shown, fs::read_to_string(folder.join("src/main.rs")).unwrap());
    assert!(shown.lines().count() < 40, "{} lines", shown.lines().count());
}

#[tokio::test]
async fn a_host_has_it_done_and_tells_its_owner() {
    let harness = Harness::new();
    let environment: Environment = "dev".parse().unwrap();
    let backplane = Broker::new().environment(&environment);
    let worker = WorkerContext {
        environment: environment.clone(),
        backplane: backplane.clone(),
        verifier: testing::verifier(&environment),
        storage: harness.storage().clone(),
        database: Some(harness.database().clone()),
        pod: PodId::worker(),
        telemetry: Default::default(),
    };
    let readiness = Readiness::default();
    let host = Host::new(worker, HostConfig::default(), Greetings, &readiness).unwrap();
    let host = tokio::spawn(host.run(std::future::pending()));
    timeout(PATIENCE, readiness.ready()).await.unwrap();
    let job = Job::new(TaskId::new(), Greetings.kind(), "ada", "A greeting", json!({ "name": "Ada" }));
    backplane.jobs.submit(&testing::granted(&environment, job.clone())).await.unwrap();
    let end = timeout(PATIENCE, end_of(&backplane, job.task)).await.unwrap();
    assert_eq!((end.state, end.result), (TaskState::Succeeded, Some(json!(1))));
    host.abort();
}

async fn end_of(backplane: &Backplane, task: TaskId) -> Task {
    let mut reader = backplane.log.read(ReadFrom::Time(Default::default()));
    loop {
        let Some(LogItem::Entry(entry)) = reader.items.recv().await else { continue };
        let Ok(Some(told)) = entry.event.unwrap().task() else { continue };
        if told.id == task && told.state.is_end() {
            return told;
        }
    }
}

fn start(arguments: &[&str]) -> Output {
    // Where no settings lie about.
    let folder = env!("CARGO_TARGET_TMPDIR");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwire-greetings"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

#[test]
fn it_is_a_worker_like_the_others_with_settings_of_its_own() {
    let help = start(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--environment"), "{help:?}");
    let refused = start(&["--set=environment[0].name=dev", "--set=functions.greetings.host.concurrency=many"]);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains("functions.greetings.host.concurrency"), "{words}");
}
