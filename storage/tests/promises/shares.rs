//! What is promised about files that are shared, and about notes of tasks, over every storage.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use model::{Environment, TaskId};
use storage::{FileKey, StorageError};

use crate::stages::storages;

fn prod() -> Environment {
    "prod".parse().unwrap()
}

#[tokio::test]
async fn a_share_names_its_file_and_its_readers_and_is_the_same_each_time() {
    let (_folder, storages) = storages();
    for storage in storages {
        let (ada, bob) = (storage.files(&prod(), "ada"), storage.files(&prod(), "bob"));
        let key: FileKey = "report-1/sälés 1.csv".parse().unwrap();
        let path = ada.share(&key, "group:finance".parse().unwrap()).await.unwrap();
        let (id, name) = path.strip_prefix("/api/shared/").unwrap().split_once('/').unwrap();
        assert_eq!((id.len(), name), (32, "s%C3%A4l%C3%A9s%201.csv"));
        assert_eq!(ada.share(&key, "user:eve".parse().unwrap()).await.unwrap(), path);
        let found = storage.shares(&prod()).find(id).await.unwrap().unwrap();
        assert_eq!((found.owner.as_str(), found.key), ("ada", key.clone()));
        assert!(found.audience.includes("eve", &[]) && !found.audience.includes("x", &["finance".to_owned()]));
        assert_ne!(bob.share(&key, "user:eve".parse().unwrap()).await.unwrap(), path);
        assert_eq!(storage.shares(&"test".parse().unwrap()).find(id).await.unwrap(), None);
        for none in ["", "..", "../~functions/reports", &id[..31], &id.to_uppercase(), &"0".repeat(32)] {
            assert_eq!(storage.shares(&prod()).find(none).await.unwrap(), None, "{none}");
        }
    }
}

#[tokio::test]
async fn shares_and_notes_are_no_owners_files_and_go_when_they_are_old() {
    let (_folder, storages) = storages();
    for storage in storages {
        let ada = storage.files(&prod(), "ada");
        let (task, notes) = (TaskId::new(), storage.notes(&prod()));
        ada.share(&"report-1/a.csv".parse().unwrap(), "user:eve".parse().unwrap()).await.unwrap();
        notes.keep(task, Bytes::from_static(b"first")).await.unwrap();
        notes.keep(task, Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(ada.notes().of(task).await.unwrap().as_deref(), Some(&b"{}"[..]));
        assert_eq!(notes.of(TaskId::new()).await.unwrap(), None);
        for owner in ["~shared", "~notes", "ada"] {
            let key: FileKey = format!("x/{task}.json").parse().unwrap();
            assert!(matches!(storage.files(&prod(), owner).get(&key).await, Err(StorageError::NotFound(_))));
        }
        let (before, after) =
            (SystemTime::now() - Duration::from_secs(60), SystemTime::now() + Duration::from_secs(60));
        let shares = storage.shares(&prod());
        assert_eq!((shares.remove_older(before).await.unwrap(), notes.remove_older(before).await.unwrap()), (0, 0));
        assert_eq!((shares.remove_older(after).await.unwrap(), notes.remove_older(after).await.unwrap()), (1, 1));
        assert_eq!(notes.of(task).await.unwrap(), None);
    }
}
