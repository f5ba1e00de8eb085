//! What is checked and told before the first job.

use std::{fs, time::Duration};

use model::catalogue::Description;
use process::Readiness;
use storage::{Storage, StorageConfig};

use crate::{
    stage::{Stage, within},
    tricks::Tricks,
};

#[tokio::test]
async fn a_deadline_that_the_broker_would_not_wait_for_is_refused_at_start_with_its_function() {
    let stage = Stage::with(Tricks { deadline: Duration::from_secs(26 * 60), ..Tricks::default() });
    let error = stage.build(&Readiness::default()).err().unwrap().to_string();
    assert!(error.contains("tricks") && error.contains("1560s") && error.contains("1500s"), "{error}");
}

#[tokio::test]
async fn a_host_says_what_it_is_as_soon_as_the_storage_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::new();
    stage.storage = Storage::open(&StorageConfig::at(format!("file:{}", folder.path().display()))).unwrap();
    // Where its folder would be there is a file.
    let in_the_way = folder.path().join("test");
    fs::write(&in_the_way, "").unwrap();
    let _host = stage.host().await;
    fs::remove_file(in_the_way).unwrap();
    let catalogue = stage.storage.catalogue(&"test".parse().unwrap());
    let entry = within("the catalogue to know it", async {
        loop {
            if let Some(entry) = catalogue.all().await.unwrap().pop() {
                return entry;
            }
            tokio::task::yield_now().await;
        }
    });
    let description: Description = serde_json::from_slice(&entry.await.bytes).unwrap();
    assert_eq!((description.kind.as_str(), description.title.as_str()), ("tricks", "tricks"));
    assert_eq!(description.input["required"][0], "trick");
}
