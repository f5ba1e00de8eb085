//! How much an owner may keep, and for how long, over every storage.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use futures_util::future::join_all;
use model::Environment;
use storage::{FileKey, FilesConfig, OwnerFiles, Storage, StorageError};

use crate::stages::{open, storages_with};

fn url(folder: &Path) -> String {
    format!("file:{}", folder.display())
}

fn bytes(quota_per_user: u64) -> FilesConfig {
    FilesConfig { quota_per_user, ..FilesConfig::default() }
}

fn prod() -> Environment {
    "prod".parse().unwrap()
}

fn ada(storage: &Storage) -> OwnerFiles {
    storage.files(&prod(), "ada")
}

async fn put(files: &OwnerFiles, key: &str, bytes: usize) -> Result<(), StorageError> {
    let mut upload = files.put(key.parse().unwrap()).await?;
    upload.write(Bytes::from(vec![b'x'; bytes])).await?;
    upload.finish().await.map(drop)
}

async fn exists(files: &OwnerFiles, key: &str) -> bool {
    files.get(&key.parse().unwrap()).await.is_ok()
}

fn is_full(result: &Result<(), StorageError>, words: &str) -> bool {
    matches!(result, Err(StorageError::QuotaFull(text)) if text.contains(words))
}

/// Waits for a condition.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "it did not happen");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_at_once_share_one_quota_and_another_owner_has_their_own() {
    let (_folder, storages) = storages_with(&bytes(1000));
    for storage in storages {
        let files = ada(&storage);
        let keys: Vec<_> = (0..10).map(|number| format!("{number}/x")).collect();
        let stored = join_all(keys.iter().map(|key| put(&files, key, 300))).await;
        assert!(stored.iter().filter(|result| result.is_ok()).count() == 3, "{stored:?}");
        assert!(stored.iter().filter(|result| is_full(result, "files.quota_per_user")).count() == 7, "{stored:?}");
        put(&files, "more/x", 100).await.unwrap();
        put(&storage.files(&prod(), "bob"), "1/x", 1000).await.unwrap();
        put(&storage.files(&"qa".parse().unwrap(), "ada"), "1/x", 1000).await.unwrap();
    }
}

#[tokio::test]
async fn many_small_files_are_too_many_and_a_deleted_one_makes_room() {
    let (_folder, storages) = storages_with(&FilesConfig { files_per_user: 3, ..FilesConfig::default() });
    for storage in storages {
        let files = ada(&storage);
        for key in ["1/x", "2/x", "3/x"] {
            put(&files, key, 0).await.unwrap();
        }
        let full = put(&files, "4/x", 0).await;
        assert!(is_full(&full, "you have 3 files, and may have 3 (files.files_per_user)"), "{full:?}");
        files.delete(&"2/x".parse().unwrap()).await.unwrap();
        put(&files, "4/x", 0).await.unwrap();
        assert!(put(&files, "5/x", 0).await.is_err());
    }
}

#[tokio::test]
async fn a_file_that_several_delete_at_once_makes_room_once() {
    let (_folder, storages) = storages_with(&FilesConfig { files_per_user: 3, ..FilesConfig::default() });
    for storage in storages {
        let files = ada(&storage);
        for key in ["1/x", "2/x", "3/x"] {
            put(&files, key, 0).await.unwrap();
        }
        let key = "2/x".parse().unwrap();
        let deleted = join_all((0..8).map(|_| files.delete(&key))).await;
        assert_eq!(deleted.iter().filter(|result| result.is_ok()).count(), 1, "{deleted:?}");
        put(&files, "4/x", 0).await.unwrap();
        assert!(is_full(&put(&files, "5/x", 0).await, "you have 3 files"));
    }
}

#[tokio::test]
async fn what_another_process_stores_and_deletes_counts() {
    let (folder, [one, ..]) = storages_with(&bytes(1000));
    let two = open(&url(folder.path())).with_limits(bytes(1000));
    put(&ada(&one), "1/x", 600).await.unwrap();
    assert!(is_full(&put(&ada(&two), "2/x", 600).await, "600 bytes, and may have 1000"));
    ada(&one).delete(&"1/x".parse().unwrap()).await.unwrap();
    until(async || put(&ada(&two), "2/x", 600).await.is_ok()).await;
}

#[tokio::test]
async fn a_file_that_will_not_fit_is_refused_before_it_is_sent() {
    let (_folder, storages) = storages_with(&bytes(1000));
    for storage in storages {
        let mut upload = ada(&storage).put(FileKey::generate("x".parse().unwrap())).await.unwrap();
        assert!(matches!(upload.check_room(1001).await, Err(StorageError::QuotaFull(_))));
        upload.check_room(1000).await.unwrap();
        upload.write(Bytes::from(vec![0; 1000])).await.unwrap();
        upload.finish().await.unwrap();
    }
}

#[tokio::test]
async fn what_a_task_must_leave_behind_is_stored_although_the_quota_is_full_and_counts() {
    let (_folder, storages) = storages_with(&bytes(1000));
    for storage in storages {
        let files = ada(&storage);
        put(&files, "1/x", 900).await.unwrap();
        let mut upload = files.put_beyond_quota("2/result.json".parse().unwrap()).await.unwrap();
        upload.write(Bytes::from(vec![0; 500])).await.unwrap();
        upload.finish().await.unwrap();
        assert!(is_full(&put(&files, "3/x", 1).await, "your files have 1400 bytes, and may have 1000"));
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_gives_its_room_back_and_leaves_no_folder() {
    let (folder, storages) = storages_with(&bytes(1000));
    for storage in storages {
        let files = ada(&storage);
        let mut dropped = files.put("1/x".parse().unwrap()).await.unwrap();
        dropped.write(Bytes::from(vec![0; 900])).await.unwrap();
        assert!(put(&files, "2/x", 900).await.is_err());
        drop(dropped);
        until(async || put(&files, "2/x", 900).await.is_ok()).await;
        files.delete(&"2/x".parse().unwrap()).await.unwrap();
    }
    until(async || {
        !folder.path().join("prod/ada").exists() || fs::read_dir(folder.path().join("prod/ada")).unwrap().count() == 0
    })
    .await;
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_is_removed_and_nothing_else() {
    let (_folder, storages) = storages_with(&FilesConfig { keep: Duration::ZERO, ..FilesConfig::default() });
    for storage in storages {
        let files = ada(&storage);
        for key in ["01JD/upload.csv", "01JE/input.json", "01JE/result.json", "report-01JE/it.csv"] {
            put(&files, key, 10).await.unwrap();
        }
        let catalogue = storage.catalogue(&prod());
        catalogue.put(&"imports".parse().unwrap(), Bytes::from("{}")).await.unwrap();
        catalogue.put(&"report-x".parse().unwrap(), Bytes::from("{}")).await.unwrap();
        assert_eq!(storage.remove_expired(&"qa".parse().unwrap()).await.unwrap(), 0);
        assert_eq!(storage.remove_expired(&prod()).await.unwrap(), 3);
        assert!(exists(&files, "report-01JE/it.csv").await && !exists(&files, "01JE/result.json").await);
        let of_reports = |id: &str| id.starts_with("report-");
        assert_eq!(storage.remove_older(&prod(), of_reports, SystemTime::UNIX_EPOCH).await.unwrap(), 0);
        assert_eq!(storage.remove_older(&prod(), of_reports, SystemTime::now()).await.unwrap(), 1);
        assert_eq!(catalogue.all().await.unwrap().len(), 2, "the catalogue is nobody's file");
    }
}

#[tokio::test]
async fn what_a_killed_process_left_of_an_upload_is_removed_after_a_day() {
    let (folder, [storage, ..]) = storages_with(&FilesConfig::default());
    put(&ada(&storage), "1/a#1", 10).await.unwrap();
    let mut running = ada(&storage).put("2/x".parse().unwrap()).await.unwrap();
    running.write(Bytes::from_static(b"x")).await.unwrap();
    let left = folder.path().join("prod/ada/3");
    fs::create_dir(&left).unwrap();
    let file = File::create(left.join("x#1")).unwrap();
    let empty = folder.path().join("prod/ada/4");
    fs::create_dir(&empty).unwrap();
    assert_eq!(storage.remove_abandoned(&prod()).await.unwrap(), 0);
    let two_days_ago = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    file.set_modified(two_days_ago).unwrap();
    File::open(&empty).unwrap().set_modified(two_days_ago).unwrap();
    assert_eq!(storage.remove_abandoned(&prod()).await.unwrap(), 1);
    assert!(!left.join("x#1").exists() && !empty.exists());
    running.finish().await.unwrap();
    assert!(exists(&ada(&storage), "1/a#1").await && exists(&ada(&storage), "2/x").await);
    assert_eq!(storage.remove_abandoned(&"nowhere".parse().unwrap()).await.unwrap(), 0);
}
