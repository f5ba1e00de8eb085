//! What is promised about the catalogue of functions, over every storage.

use bytes::Bytes;
use model::{Environment, Kind};
use storage::{Storage, StorageError};

use crate::stages::{open, storages};

async fn all(storage: &Storage, environment: &str) -> Vec<(String, Bytes)> {
    let entries = storage.catalogue(&environment.parse::<Environment>().unwrap()).all().await.unwrap();
    entries.into_iter().map(|entry| (entry.kind.to_string(), entry.bytes)).collect()
}

#[tokio::test]
async fn what_was_put_last_for_each_kind_is_there_by_name_and_in_its_environment_alone() {
    let (_folder, storages) = storages();
    for storage in storages {
        assert_eq!(all(&storage, "prod").await, []);
        let catalogue = storage.catalogue(&"prod".parse().unwrap());
        for (kind, words) in [("reports", "old"), ("imports", "i"), ("reports", "new")] {
            catalogue.put(&kind.parse::<Kind>().unwrap(), Bytes::from_static(words.as_bytes())).await.unwrap();
        }
        let expected = [("imports", "i"), ("reports", "new")];
        assert_eq!(all(&storage, "prod").await, expected.map(|(kind, words)| (kind.to_owned(), words.into())));
        assert_eq!(all(&storage, "qa").await, []);
    }
}

#[tokio::test]
async fn no_owner_can_put_a_file_into_it() {
    let (_folder, storages) = storages();
    for storage in storages {
        let environment: Environment = "prod".parse().unwrap();
        for owner in ["~functions", "functions", "%7efunctions", "../prod/~functions"] {
            let key = "functions/imports.json".parse().unwrap();
            storage.files(&environment, owner).put(key).await.unwrap().finish().await.unwrap();
        }
        assert_eq!(all(&storage, "prod").await, []);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_what_was_there_stays() {
    let storage = open("memory:");
    let catalogue = storage.catalogue(&"prod".parse().unwrap());
    let kind: Kind = "reports".parse().unwrap();
    catalogue.put(&kind, Bytes::from_static(b"{}")).await.unwrap();
    let refused = catalogue.put(&kind, vec![b' '; 5 << 20].into()).await;
    assert!(matches!(refused, Err(StorageError::TooLarge(_))), "{refused:?}");
    assert_eq!(all(&storage, "prod").await[0].1, "{}");
}
