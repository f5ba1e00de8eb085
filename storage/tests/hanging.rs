//! A disk that hangs: each request ends with an error in time, nothing else waits for it, and all goes on once it answers.
//!
//! A named pipe in the place of a file hangs whoever opens it, until somebody opens its other end.
#![allow(clippy::unwrap_used)]

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use futures_util::{TryStreamExt, future::join_all};
use storage::{OwnerFiles, Storage, StorageConfig, StorageError};
use tempfile::TempDir;
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};

const WITHIN: Duration = Duration::from_millis(200);
/// What is far longer than any deadline, and far shorter than for ever.
const LONG: Duration = Duration::from_secs(30);

/// A file that hangs; once dropped it hangs nobody any more.
struct Hanging(PathBuf);

impl Hanging {
    fn at(path: PathBuf) -> Self {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self(path)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // Both ends at once: everybody who waits goes on, also who comes while others are let go.
        let ends = OpenOptions::new().read(true).write(true).open(&self.0).unwrap();
        std::fs::remove_file(&self.0).unwrap();
        drop(ends);
    }
}

fn open() -> (TempDir, Storage) {
    let folder = TempDir::new().unwrap();
    let storage = Storage::open(&StorageConfig::at(format!("file:{}", folder.path().display()))).unwrap();
    (folder, storage.answering_within(WITHIN))
}

async fn put(files: &OwnerFiles, key: &str) {
    let mut upload = files.put(key.parse().unwrap()).await.unwrap();
    upload.write("content".into()).await.unwrap();
    upload.finish().await.unwrap();
}

/// The file that lies there, or will.
async fn place(folder: &Path, files: &OwnerFiles, key: &str) -> PathBuf {
    put(files, key).await;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with(key) => {
                    std::fs::remove_file(&path).unwrap();
                    return path;
                }
                false => {}
            }
        }
    }
    panic!("it is not there");
}

fn assert_silence<T>(answer: Result<T, StorageError>) {
    let Err(StorageError::Failed(words)) = answer else { panic!("it did not fail") };
    assert_eq!(words, "it did not answer within 200ms");
}

#[tokio::test]
async fn a_file_that_hangs_is_an_error_in_time_and_can_be_read_once_it_answers() {
    let (folder, storage) = open();
    let files = storage.files(&"prod".parse().unwrap(), "ada");
    let key = "01a/x.csv".parse().unwrap();
    let hanging = Hanging::at(place(folder.path(), &files, "01a/x.csv").await);
    assert_silence(timeout(LONG, files.get(&key)).await.expect("it ends"));
    drop(hanging);
    put(&files, "01a/x.csv").await;
    let read = files.get(&key).await.unwrap().content.map_ok(|piece| piece.to_vec()).try_concat().await.unwrap();
    assert_eq!(read, b"content");
}

#[tokio::test]
async fn however_many_hang_threads_are_left_for_others() {
    let (folder, storage) = open();
    let files = storage.files(&"prod".parse().unwrap(), "ada");
    let key = "01a/x.csv".parse().unwrap();
    let hanging = Hanging::at(place(folder.path(), &files, "01a/x.csv").await);
    let begun = Instant::now();
    // More than the runtime has threads for such calls.
    let all = join_all((0..600).map(|_| files.get(&key)));
    for answer in timeout(LONG, all).await.expect("they end") {
        assert_silence(answer);
    }
    assert!(begun.elapsed() < LONG / 2, "all wait at the same time");
    timeout(LONG, spawn_blocking(|| ())).await.expect("a thread is left").unwrap();
    drop(hanging);
    // Their places are free again.
    put(&files, "01a/y.csv").await;
}
