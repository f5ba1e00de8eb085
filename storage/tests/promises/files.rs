//! What is promised about files, over every storage.

use std::{
    collections::HashSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use storage::{FileKey, OwnerFiles, Storage, StorageError, Unusable};
use tempfile::TempDir;

use crate::stages::{open, storages};

fn ada(storage: &Storage) -> OwnerFiles {
    storage.files(&"prod".parse().unwrap(), "ada")
}

fn key(text: &str) -> FileKey {
    text.parse().unwrap()
}

async fn put(files: &OwnerFiles, at: &str, content: &'static str) {
    let mut upload = files.put(key(at)).await.unwrap();
    upload.write(Bytes::from_static(content.as_bytes())).await.unwrap();
    upload.finish().await.unwrap();
}

async fn get(files: &OwnerFiles, at: &str) -> Result<Vec<u8>, StorageError> {
    let download = files.get(&key(at)).await?;
    let content: Vec<u8> = download.content.map_ok(|piece| piece.to_vec()).try_concat().await?;
    assert_eq!(download.bytes, content.len() as u64);
    Ok(content)
}

/// Every file below a folder, as paths within it.
fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all_files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn one_large_write_is_split_and_nothing_and_empty_files_are_files() {
    let (_folder, storages) = storages();
    for storage in storages {
        let files = ada(&storage);
        let mut upload = files.put(key("a/large")).await.unwrap();
        upload.write(Bytes::from(vec![7; 12_000_001])).await.unwrap();
        assert_eq!(upload.finish().await.unwrap().bytes, 12_000_001);
        assert_eq!(get(&files, "a/large").await.unwrap(), vec![7; 12_000_001]);
        files.put(key("a/empty")).await.unwrap().finish().await.unwrap();
        assert_eq!(get(&files, "a/empty").await.unwrap(), b"");
    }
}

#[tokio::test]
async fn an_upload_that_is_dropped_leaves_nothing_and_the_older_file_stays() {
    let (folder, storages) = storages();
    for storage in storages {
        let files = ada(&storage);
        put(&files, "a/x", "old").await;
        let mut upload = files.put(key("a/x")).await.unwrap();
        upload.write(Bytes::from(vec![1; 12_000_000])).await.unwrap();
        assert_eq!(get(&files, "a/x").await.unwrap(), b"old", "half a file is never seen");
        drop(upload);
        assert_eq!(get(&files, "a/x").await.unwrap(), b"old");
        put(&files, "a/x", "new").await;
        assert_eq!(get(&files, "a/x").await.unwrap(), b"new");
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while all_files(folder.path()).len() > 1 {
        assert!(Instant::now() < deadline, "left over: {:?}", all_files(folder.path()));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_above_its_limit_is_refused_and_nothing_of_it_remains() {
    let (folder, storages) = storages();
    for storage in storages {
        let files = ada(&storage);
        let mut upload = files.put(key("a/x")).await.unwrap().limit(10);
        upload.write(Bytes::from_static(b"0123456789")).await.unwrap();
        let error = upload.write(Bytes::from_static(b"x")).await.unwrap_err();
        assert!(matches!(error, StorageError::TooLarge(10)), "{error}");
        assert!(upload.write(Bytes::new()).await.is_err(), "it is over");
        assert!(upload.finish().await.is_err(), "a file with a hole is never finished");
        assert!(matches!(get(&files, "a/x").await, Err(StorageError::NotFound(_))));
    }
    assert_eq!(all_files(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn the_same_key_of_another_owner_or_environment_is_not_there() {
    let (_folder, storages) = storages();
    for storage in storages {
        put(&ada(&storage), "01JD/x.csv", "ada's").await;
        for (environment, owner) in [("prod", "bob"), ("qa", "ada"), ("prod", "Ada"), ("prod", "../prod/ada")] {
            let files = storage.files(&environment.parse().unwrap(), owner);
            let error = get(&files, "01JD/x.csv").await.unwrap_err();
            assert!(matches!(&error, StorageError::NotFound(_)), "{environment} {owner}: {error}");
            assert_eq!(error.to_string(), "there is no file 01JD/x.csv");
        }
        assert_eq!(get(&ada(&storage), "01JD/x.csv").await.unwrap(), b"ada's");
    }
}

#[tokio::test]
async fn hostile_owners_and_names_stay_in_their_folder_and_never_meet() {
    let (folder, storages) = storages();
    let long = "ü".repeat(128);
    let owners =
        ["../x", "a/b", "a", "%2e%2e", "..", ".", "a%2Fb", "A", "ü", "u\u{308}", "a\\b", "/", "~", "#1", "a#1", &long];
    let names = ["x", "x#1", "#1", "%2e%2e", "ünï ©.csv", "~", &"#".repeat(200)].map(|name| format!("a/{name}"));
    for storage in storages {
        for owner in owners {
            let files = storage.files(&"prod".parse().unwrap(), owner);
            for name in &names {
                let mut upload = files.put(key(name)).await.unwrap();
                upload.write(Bytes::from(format!("{owner} {name}"))).await.unwrap();
                upload.finish().await.unwrap();
            }
        }
        for owner in owners {
            let files = storage.files(&"prod".parse().unwrap(), owner);
            for name in &names {
                assert_eq!(get(&files, name).await.unwrap(), format!("{owner} {name}").into_bytes());
            }
        }
    }
    let files = all_files(folder.path());
    assert_eq!(files.len(), owners.len() * names.len());
    for file in &files {
        let place = file.strip_prefix(folder.path()).unwrap();
        assert!(place.starts_with("prod") && place.components().count() == 4, "{}", place.display());
    }
    let owners_seen: HashSet<_> = files.iter().map(|file| file.ancestors().nth(2)).collect();
    assert_eq!(owners_seen.len(), owners.len());
}

#[tokio::test]
async fn a_local_folder_may_be_relative_and_is_made() {
    let folder = TempDir::new_in(".").unwrap();
    let below = folder.path().join("data/files");
    let files = ada(&open(&format!("file:{}", below.strip_prefix("./").unwrap_or(&below).display())));
    put(&files, "a/x", "here").await;
    assert_eq!(all_files(&below).len(), 1);
}

/// A file system of one megabyte; unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_nothing_of_the_file_remains() {
    let Some(disk) = SmallDisk::mount() else {
        // Written past the harness, which shows what a passing test prints to nobody.
        writeln!(std::io::stderr(), "NOT TESTED: a full disk, as this user may not mount a tmpfs; run as root")
            .unwrap();
        return;
    };
    let files = ada(&open(&format!("file:{}", disk.0.path().display())));
    let mut upload = files.put(key("a/x")).await.unwrap();
    let mut failed = None;
    for _ in 0..8 {
        if let Err(error) = upload.write(Bytes::from(vec![1; 1 << 20])).await {
            failed = Some(error);
            break;
        }
    }
    assert!(matches!(failed, Some(StorageError::Full)), "{failed:?}");
    assert!(upload.finish().await.is_err());
    assert_eq!(all_files(disk.0.path()), Vec::<PathBuf>::new());

    let mut last = files.put(key("a/y")).await.unwrap();
    last.write(Bytes::from(vec![1; 3 << 19])).await.unwrap();
    let error = last.finish().await.unwrap_err();
    assert!(matches!(error, StorageError::Full), "found at the end: {error:?}");
    assert_eq!(all_files(disk.0.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_deleted_file_is_gone_and_another_owners_of_the_same_key_stays() {
    let (folder, storages) = storages();
    for storage in storages {
        let bob = storage.files(&"prod".parse().unwrap(), "bob");
        put(&ada(&storage), "1/a.csv", "hers").await;
        put(&bob, "1/a.csv", "his").await;
        ada(&storage).delete(&key("1/a.csv")).await.unwrap();
        assert!(matches!(get(&ada(&storage), "1/a.csv").await, Err(StorageError::NotFound(_))));
        let again = ada(&storage).delete(&key("1/a.csv")).await;
        assert!(matches!(&again, Err(StorageError::NotFound(gone)) if *gone == key("1/a.csv")), "{again:?}");
        assert_eq!(get(&bob, "1/a.csv").await.unwrap(), b"his");
    }
    assert_eq!(all_files(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_folder_that_is_gone_is_away() {
    let folder = TempDir::new().unwrap();
    let below = folder.path().join("files");
    let storage = open(&format!("file:{}", below.display()));
    storage.check().await.unwrap();
    put(&ada(&storage), "a/x", "x").await;
    storage.check().await.unwrap();
    fs::remove_dir_all(&below).unwrap();
    let gone = storage.check().await;
    assert!(matches!(&gone, Err(Unusable::Away(why)) if why.contains("No such file")), "{gone:?}");
}
